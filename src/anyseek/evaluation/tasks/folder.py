"""A task from a user's own queries, documents and relevance, as plain lists."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anyseek.errors import ConfigError
from anyseek.evaluation.tasks.task import Measure, Query, Task
from anyseek.items import Item

__all__ = ["Own", "own_task"]

INSTRUCTION = "Retrieve images or text relevant to the user's query."

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


def _grades(answers: Relevant, measure: Measure) -> dict[int, float]:
    """Document -> grade; only likeness knows a grade of 0."""
    grades = dict(answers) if isinstance(answers, Mapping) else dict.fromkeys(answers, 1.0)
    return {one: float(grade) for one, grade in grades.items() if grade or not measure.per_query}
