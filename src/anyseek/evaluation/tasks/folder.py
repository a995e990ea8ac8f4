"""A task from a user's own queries, documents and relevance: plain lists, or a dataset on disk."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyseek.errors import ConfigError
from anyseek.evaluation.tasks.task import Measure, Query, Task
from anyseek.items import Item
from anyseek.training.data import Dataset
from anyseek.training.data.dataset import Example

__all__ = ["Own", "data_task", "own_task"]

INSTRUCTION = "Retrieve images or text relevant to the user's query."

MEASURES = {"retrieval": "ndcg@10", "sts": "spearman"}
"""Of a dataset by its task; `hit@1` of the others, whose queries have candidates of their own."""

Relevant = Collection[int] | Mapping[int, float]
"""Indices of the documents that answer, or the grade of each; a grade of 0 says that it does not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What is said of a task beside its data.

    Attributes:
        name: of the task.
        category: of the tables; one of the suite's counts in its mean.
        instruction: for every query without its own.
        measure: `hit@K` or `ndcg@K`, or `spearman` where each query has one candidate with a grade.
        candidates: for each query the documents it is to be found among; None stands for all.
        languages: of each query; None where nobody knows.
    """

    name: str = "own data"
    category: str = "own data"
    instruction: str = INSTRUCTION
    measure: str = "ndcg@10"
    candidates: Sequence[Sequence[int]] | None = None
    languages: Sequence[str] | None = None


def own_task(queries: Sequence[Any], documents: Sequence[Any], relevance: Sequence[Relevant], own: Own = Own()) -> Task:
    """A task to run as any other.

    Args:
        queries: each what `Item.of` takes.
        documents: likewise.
        relevance: for each query the documents that answer it.
        own: names, instruction, measure, candidates.

    Raises:
        ConfigError: lists of different lengths, or a query that cannot be judged.
        InputError: a query or document that is no input.
    """
    for name, listed in (("relevance", relevance), ("candidates", own.candidates), ("languages", own.languages)):
        if listed is not None and len(listed) != len(queries):
            raise ConfigError(f"{name} has {len(listed)} entries for {len(queries)} queries")
    measure = Measure(own.measure)
    found = [
        Query(
            item=Item.of(query),
            relevance=_grades(answers, measure),
            candidates=None if own.candidates is None else tuple(own.candidates[number]),
            language=own.languages[number] if own.languages else "",
        )
        for number, (query, answers) in enumerate(zip(queries, relevance, strict=True))
    ]
    return Task(
        name=own.name,
        category=own.category,
        instruction=own.instruction,
        measure=measure,
        queries=tuple(found),
        documents=tuple(Item.of(document) for document in documents),
    )


def data_task(folder: Path | str, measure: str | None = None) -> Task:
    """A dataset (docs/data.md) as a task; it is held in memory.

    What a query of retrieval asks for is sought in the whole corpus, and queries that read the same are one, with the
    positives of all; that of other tasks among the query's own positives and negatives.

    Args:
        folder: of the dataset.
        measure: see `Own`; None chooses it by the dataset's task.

    Raises:
        InputError: it is no dataset, or a row is wrong.
        ConfigError: the measure does not fit, or no query can be judged.
    """
    data = Dataset.open(folder)
    corpus = dict(data.items("corpus"))
    place = {key: number for number, key in enumerate(corpus)}
    queries: list[Item] = []
    found: list[dict[int, float]] = []
    candidates: list[list[int]] = []
    for example in data.examples():
        for answers in _answers(example, data.task):
            queries.append(example.query)
            found.append({place[key]: grade for key, grade in answers.items()})
            candidates.append([place[key] for key in (answers if data.task == "sts" else example.documents)])
    if data.task == "retrieval":
        queries, found = _merged(queries, found)
    own = Own(
        name=data.name,
        instruction=data.instruction or INSTRUCTION,
        measure=measure or MEASURES.get(data.task, "hit@1"),
        candidates=None if data.task == "retrieval" else candidates,
    )
    return own_task(queries, list(corpus.values()), found, own)


def _answers(example: Example, task: str) -> list[dict[str, float]]:
    """What answers the query of an example; of likeness each graded pair stands for itself."""
    if task == "sts":
        return [{key: grade} for key, grade in example.scores.items()]
    return [dict.fromkeys(example.positives, 1.0)]


def _merged(queries: list[Item], found: list[dict[int, float]]) -> tuple[list[Item], list[dict[int, float]]]:
    """Queries of the same words as one, with all that answers any of them."""
    merged: dict[object, tuple[Item, dict[int, float]]] = {}
    for number, (query, answers) in enumerate(zip(queries, found, strict=True)):
        key = (query.parts, query.instruction) if query.is_text else number
        merged.setdefault(key, (query, {}))[1].update(answers)
    return [query for query, _ in merged.values()], [answers for _, answers in merged.values()]


def _grades(answers: Relevant, measure: Measure) -> dict[int, float]:
    """Document -> grade; only likeness knows a grade of 0."""
    grades = dict(answers) if isinstance(answers, Mapping) else dict.fromkeys(answers, 1.0)
    return {one: float(grade) for one, grade in grades.items() if grade or not measure.per_query}
