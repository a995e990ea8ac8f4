"""Results of many tasks as few numbers: means over categories, over kinds of queries, and differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from anyseek.errors import ConfigError
from anyseek.evaluation.tasks.catalogue import MODALITIES, SUITE
from anyseek.evaluation.tasks.groups import LANGUAGE_GROUPS, language_group
from anyseek.evaluation.tasks.intervals import Estimate, Sampled, mean, resampled
from anyseek.evaluation.tasks.run import EMBEDDER, TaskResult
from anyseek.evaluation.tasks.task import Measure, Rows

__all__ = ["ALL", "Line", "Result", "by_category", "by_query", "by_task", "by_width", "compare"]

ALL = "all"
SEEN = {True: "known objects, new compositions", False: "objects training never shows"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one model gave.

    Attributes:
        model: name of the embedding model.
        reranker: name of the reranker, or None.
        settings: how it was run, for the record: name -> value.
        tasks: results.
    """

    model: str
    reranker: str | None
    settings: Mapping[str, str | int | None]
    tasks: tuple[TaskResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a table.

    Attributes:
        label: a task, a category, a group of queries.
        count: of tasks in a mean over tasks, of queries otherwise.
        measure: how it is judged; empty for a mean over several measures.
        chance: what random orders are expected to give.
        orders: order -> number, drawn again and again.
    """

    label: str
    count: int
    measure: str
    chance: float
    orders: Mapping[str, Sampled]

    def estimates(self) -> dict[str, Estimate]:
        """Each order's number with its interval."""
        return {name: order.estimate() for name, order in self.orders.items()}

    def gains(self) -> dict[str, Estimate]:
        """What each other order gains over that of the vectors alone, in the same queries."""
        base = self.orders[EMBEDDER]
        return {name: (order - base).estimate() for name, order in self.orders.items() if name != EMBEDDER}


def by_task(tasks: Sequence[TaskResult]) -> list[Line]:
    """One line for each task."""
    return [
        Line(
            label=task.name,
            count=len(task.asked),
            measure=task.measure.title,
            chance=task.chance,
            orders={name: resampled(task.measure, rows, task.name) for name, rows in task.rows.items()},
        )
        for task in tasks
    ]


def by_category(tasks: Sequence[TaskResult]) -> list[Line]:
    """Means over the tasks of each category, each modality, and all of pictures, videos and documents."""
    lines = by_task(tasks)
    found = []
    for label, categories in _categories(tasks).items():
        members = [line for line, task in zip(lines, tasks, strict=True) if task.category in categories]
        if members:
            found.append(_mean_line(label, members))
    return found


def _categories(tasks: Sequence[TaskResult]) -> dict[str, tuple[str, ...]]:
    """Label of a mean -> the categories it is taken over: of the suite first, then those of the user."""
    known = {ALL: tuple(category for modality in SUITE for category in MODALITIES[modality])}
    for modality, categories in MODALITIES.items():
        known |= {modality: categories} | {category: (category,) for category in categories}
    return known | {task.category: (task.category,) for task in tasks if task.category not in known}


def _mean_line(label: str, members: Sequence[Line]) -> Line:
    """The mean over tasks."""
    return Line(
        label=label,
        count=len(members),
        measure="",
        chance=float(np.mean([line.chance for line in members])),
        orders={name: mean([line.orders[name] for line in members]) for name in members[0].orders},
    )


def by_query(tasks: Sequence[TaskResult]) -> list[Line]:
    """Means over queries of all tasks judged query by query: by their language, and by what training showed."""
    pooled = [task for task in tasks if task.measure.per_query]
    if not pooled:
        return []
    asked = [query for task in pooled for query in task.asked]
    groups = {group: [language_group(query.language) == group for query in asked] for group in LANGUAGE_GROUPS}
    groups |= {label: [query.seen is seen for query in asked] for seen, label in SEEN.items()}
    rows = {name: np.concatenate([task.rows[name] for task in pooled]) for name in pooled[0].rows}
    chances = np.array([query.chance for query in asked])
    return [_group_line(label, np.array(member), rows, chances) for label, member in groups.items() if any(member)]


def _group_line(label: str, member: np.ndarray, rows: Mapping[str, Rows], chances: np.ndarray) -> Line:
    """The mean over some queries; a row is a value already, whichever measure gave it."""
    return Line(
        label=label,
        count=int(member.sum()),
        measure="",
        chance=float(chances[member].mean()),
        orders={name: resampled(Measure("hit@1"), values[member], label) for name, values in rows.items()},
    )


def by_width(tasks: Sequence[TaskResult]) -> dict[str, dict[tuple[int, str], Sampled]]:
    """For everything and each modality: (width, precision) -> mean over its tasks, by vectors alone."""
    found = {}
    within = {category for categories in MODALITIES.values() for category in categories} - set(MODALITIES)
    for label, categories in _categories(tasks).items():
        members = [task for task in tasks if task.category in categories]
        if members and label not in within:
            found[label] = {
                key: mean([resampled(task.measure, task.grid[key], task.name) for task in members])
                for key in members[0].grid
            }
    return found


def compare(ours: Result, theirs: Result) -> list[Line]:
    """Differences, ours less theirs, of every category in which both ran the same tasks, on the same queries.

    Returns:
        Lines whose orders are differences.

    Raises:
        ConfigError: they share no task, or a task was made differently.
    """
    shared = {task.name: task for task in theirs.tasks}
    mine = [task for task in ours.tasks if task.name in shared]
    if not mine:
        raise ConfigError(f"{ours.model} and {theirs.model} have no task in common")
    for task in mine:
        other = shared[task.name]
        if (task.seed, task.asked, task.documents) != (other.seed, other.asked, other.documents):
            raise ConfigError(
                f"task {task.name!r} has other queries there; run both with the same --seed and --queries"
            )
    pairs = zip(by_category(mine), by_category([shared[task.name] for task in mine]), strict=True)
    return [_difference(one, other) for one, other in pairs]


def _difference(one: Line, other: Line) -> Line:
    """One line less another."""
    both = {name: order - other.orders[name] for name, order in one.orders.items() if name in other.orders}
    return Line(label=one.label, count=one.count, measure="", chance=one.chance, orders=both)
