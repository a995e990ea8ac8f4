"""Every task of the world as training data: whole, of the right task, with training's things alone."""

from pathlib import Path
from typing import Any

import pytest

from anyseek.errors import ConfigError, InputError
from anyseek.evaluation.tasks import SPECS, Task, spec_named, write_task
from anyseek.evaluation.tasks.making import build
from anyseek.training.data import Dataset, check
from anyseek.world import held_out, object_ids
from anyseek.world.asking import subjects
from tests.folders import contents

SIZE, SEED = 3, 4
TRAINED = {
    "image classification": "classification",
    "image QA": "qa",
    "image retrieval": "retrieval",
    "image grounding": "retrieval",
    "video classification": "classification",
    "video QA": "qa",
    "video retrieval": "retrieval",
    "video moment retrieval": "moment_retrieval",
    "visual documents": "retrieval",
    "text similarity": "sts",
    "text retrieval": "retrieval",
}


@pytest.fixture(scope="module", params=SPECS)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Task, Path]:
    """A task, and the folder it was written into."""
    spec = SPECS[request.param]
    folder = tmp_path_factory.mktemp("written") / spec.name
    write_task(folder, spec, SIZE, seed=SEED)
    return build(spec, SEED, (("train", SIZE),)), folder


def test_what_is_written_is_a_whole_dataset_of_its_task(written: tuple[Task, Path]) -> None:
    task, folder = written
    assert check(folder) == []
    data = Dataset.open(folder)
    assert (data.name, data.task) == (f"{task.name}-train-{SEED}", TRAINED[task.category])
    assert data.instruction == task.instruction
    assert (len(data.queries), len(data.corpus), len(data)) == (len(task.queries), len(task.documents), SIZE)


def test_what_is_known_of_a_query_is_what_the_task_knows(written: tuple[Task, Path]) -> None:
    """Grades for likeness; otherwise what answers, and what of a query's own candidates does not."""
    task, folder = written
    for query, row in zip(task.queries, Dataset.open(folder).judged(), strict=True):
        if task.category == "text similarity":
            assert row["scores"] == {f"d{query.candidates[0]}": query.relevance[query.candidates[0]]}
            assert row["positives"] == row["negatives"] == ()
            continue
        assert set(row["positives"]) == {f"d{place}" for place in query.relevance}
        assert not row["scores"]
        if query.candidates is None:
            assert row["negatives"] == ()
        else:
            assert row["negatives"]
            assert {*row["positives"], *row["negatives"]} == {f"d{place}" for place in query.candidates}


def test_only_what_training_may_show_is_shown(written: tuple[Task, Path]) -> None:
    task, _ = written
    assert task.things
    for thing in task.things:
        assert set(subjects(thing)) <= set(object_ids("train"))
        assert not any(map(held_out, thing.compositions()))
    assert {query.seen for query in task.queries} == {True}


def test_a_seed_gives_one_dataset(tmp_path: Path) -> None:
    spec = spec_named("picture-object")
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_task(tmp_path / name, spec, 2, seed=seed)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a")["queries.jsonl"] != contents(tmp_path / "c")["queries.jsonl"]


def test_splits_and_forms(tmp_path: Path) -> None:
    spec = spec_named("text-to-text")
    write_task(tmp_path / "out", spec, 5, split="object", form="parquet")
    data = Dataset.open(tmp_path / "out")
    assert (data.name, data.corpus.path.name) == ("text-to-text-object-0", "corpus.parquet")
    assert all(query.seen is False for query in build(spec, 0, (("object", 5),)).queries)


@pytest.mark.parametrize(
    ("given", "message"), [({"size": 0}, "size must be 1 or more"), ({"split": "test"}, "split must be 'train'")]
)
def test_what_cannot_be_written(given: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        write_task(tmp_path / "out", spec_named("text-likeness"), **({"size": 2} | given))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is there already"):
        write_task(tmp_path, spec_named("text-likeness"), 2)
