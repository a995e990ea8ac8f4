"""A task as a dataset on disk: what is measured on held-out things can be learnt from those of training."""

from pathlib import Path

from anyseek.errors import ConfigError
from anyseek.evaluation.tasks.making import Spec, build
from anyseek.evaluation.tasks.task import Query, Task
from anyseek.training.data import About, DatasetWriter
from anyseek.training.data.writer import Form
from anyseek.world import Split
from anyseek.world.splits import check_split

__all__ = ["write_task"]

TRAINS = {
    "image classification": "classification",
    "video classification": "classification",
    "image QA": "qa",
    "video QA": "qa",
    "video moment retrieval": "moment_retrieval",
    "text similarity": "sts",
}
"""What a category trains; the others train retrieval."""


def write_task(
    folder: Path | str, spec: Spec, size: int, *, seed: int = 0, split: Split = "train", form: Form = "jsonl"
) -> None:
    """Write so many queries of a task with their documents; the same arguments give the same rows.

    Where a query has candidates of its own, those that do not answer are its hard negatives. The task is held in
    memory while it is written: about 1 MB for each query of pictures, 4 MB for each of clips.

    Args:
        folder: must not exist, or be empty.
        spec: of the task.
        size: queries; where the same is asked twice there are fewer.
        seed: of everything.
        split: whose things are shown and asked for.
        form: of the tables.

    Raises:
        ConfigError: the size is below 1, or the split does not exist.
        InputError: the folder holds something.
    """
    check_split(split)
    if size < 1:
        raise ConfigError(f"size must be 1 or more (got {size})")
    task = build(spec, seed, ((split, size),))
    about = About(
        name=f"{spec.name}-{split}-{seed}",
        task=TRAINS.get(spec.category, "retrieval"),
        instruction=spec.instruction,
    )
    with DatasetWriter(folder, about, form=form) as writer:
        for number, document in enumerate(task.documents):
            writer.document(f"d{number}", document)
        for number, query in enumerate(task.queries):
            writer.query(f"q{number}", query.item)
            _relevance(writer, f"q{number}", query, task)


def _relevance(writer: DatasetWriter, key: str, query: Query, task: Task) -> None:
    """What is known of a query: a grade of its only candidate, or what answers and what of its candidates does not."""
    if not task.measure.per_query:
        scores = {f"d{place}": query.relevance.get(place, 0.0) for place in task.candidates(query)}
        writer.relevance(key, (), (), scores)
        return
    wrong = [place for place in query.candidates or () if place not in query.relevance]
    writer.relevance(key, [f"d{place}" for place in query.relevance], [f"d{place}" for place in wrong])
