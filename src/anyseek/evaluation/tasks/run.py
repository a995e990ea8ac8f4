"""Run a task: each item is embedded once; widths, precisions, reranking and fusion follow from those vectors."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anyseek import vectors
from anyseek.errors import ConfigError
from anyseek.evaluation.tasks.task import Measure, Ranking, Rows, Task
from anyseek.search.fusion import Fusion
from anyseek.vectors import PRECISIONS, Precision

if TYPE_CHECKING:
    from anyseek.engine import Embedder, Reranker

__all__ = ["EMBEDDER", "FUSED", "RERANKER", "Asked", "RunOptions", "TaskResult", "run", "run_all"]

EMBEDDER, RERANKER, FUSED = "embedder", "reranked", "fused"
NARROWEST, KEPT = 32, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How tasks are run.

    Attributes:
        top: how many of the best by vector the reranker reads.
        dim: leading numbers of a vector that rank; None takes all.
        precision: of the vectors that rank.
        widths: of the table of widths; None takes all numbers, half of them, and so on down to 32.
        precisions: of that table.
        fusion: of the reranker's log-odds and the cosine.
        show_progress_bar: on standard error.

    Raises:
        ConfigError: an unknown precision, or nothing to rerank.
    """

    top: int = 20
    dim: int | None = None
    precision: Precision = "float32"
    widths: tuple[int, ...] | None = None
    precisions: tuple[Precision, ...] = ("float32", "int8", "binary")
    fusion: Fusion = Fusion()
    show_progress_bar: bool = False

    def __post_init__(self) -> None:
        """Raise ConfigError for what cannot be run."""
        if unknown := {self.precision, *self.precisions} - set(PRECISIONS):
            raise ConfigError(f"precision {min(unknown)!r} is unknown; choose from {', '.join(PRECISIONS)}")
        if self.top < 1:
            raise ConfigError(f"top must be 1 or more (got {self.top})")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a result remembers of a query: language, whether training showed its objects, and what chance would give."""

    language: str
    seen: bool | None
    chance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """What came of a task.

    Attributes:
        name: of the task.
        category: of the task.
        measure: of the task.
        seed: of the task.
        documents: how many there were.
        asked: each query.
        rows: order (`embedder`, `reranked`, `fused`) -> what the measure needs of each query.
        rankings: order -> the best documents of each query.
        grid: (width, precision) -> rows of the order by vectors of that kind.
    """

    name: str
    category: str
    measure: Measure
    seed: int | None
    documents: int
    asked: tuple[Asked, ...]
    rows: Mapping[str, Rows]
    rankings: Mapping[str, tuple[Ranking, ...]] = field(default_factory=dict, repr=False)
    grid: Mapping[tuple[int, str], Rows] = field(default_factory=dict, repr=False)

    def score(self, order: str) -> float:
        """The number of an order."""
        return self.measure.total(self.rows[order])

    @property
    def chance(self) -> float:
        """What random orders are expected to give."""
        return float(np.mean([query.chance for query in self.asked]))


def run_all(
    tasks: Iterable[Task],
    embedder: "Embedder",
    reranker: "Reranker | None" = None,
    options: RunOptions = RunOptions(),
    progress: Callable[[TaskResult], None] = lambda result: None,
) -> list[TaskResult]:
    """Run tasks one after the other; one made by a generator is gone when the next is made."""
    found = []
    for task in tasks:
        found.append(run(task, embedder, reranker, options))
        progress(found[-1])
    return found


def run(
    task: Task, embedder: "Embedder", reranker: "Reranker | None" = None, options: RunOptions = RunOptions()
) -> TaskResult:
    """Run one task.

    Args:
        task: queries, documents, relevance.
        embedder: orders the candidates by cosine.
        reranker: reads the best of them with the query; None leaves it at that.
        options: see `RunOptions`.

    Raises:
        ConfigError: a width that the vectors do not have.
        InputError: an item that cannot be used.
    """
    asked = task.asked()
    pair = tuple(
        np.asarray(embedder.encode(items, normalize_embeddings=False, show_progress_bar=options.show_progress_bar))
        for items in (asked, list(task.documents))
    )
    by_vector = _by_cosine(task, _cosines(pair, options.dim, options.precision, embedder.steps))
    orders = {EMBEDDER: by_vector}
    if reranker is not None:
        orders |= _reread(task, by_vector, reranker, options)
    widths = options.widths or _halves(pair[0].shape[1])
    grid: dict[tuple[int, str], Rows] = {
        (width, precision): _rows(task, _by_cosine(task, _cosines(pair, width, precision, embedder.steps)))
        for width in widths
        for precision in options.precisions
    }
    return TaskResult(
        name=task.name,
        category=task.category,
        measure=task.measure,
        seed=task.seed,
        documents=len(task.documents),
        asked=tuple(Asked(query.language, query.seen, task.chance_of(query)) for query in task.queries),
        rows={name: _rows(task, order) for name, order in orders.items()},
        rankings={name: tuple(_head(ranking) for ranking in order) for name, order in orders.items()},
        grid=grid,
    )


def _halves(dim: int) -> tuple[int, ...]:
    """All numbers of a vector, half of them, and so on while there are enough."""
    widths = [dim]
    while widths[-1] // 2 >= NARROWEST:
        widths.append(widths[-1] // 2)
    return tuple(widths)


def _cosines(
    pair: Sequence[NDArray[Any]], width: int | None, precision: Precision, steps: Mapping[str, float]
) -> NDArray[Any]:
    """`(queries, documents)` of whole vectors, cut and stored as asked, in learned steps where the model has some."""
    queries, documents = (
        vectors.finish(
            whole, truncate_dim=width, normalize_embeddings=True, precision=precision, step=steps.get("int8")
        )
        for whole in pair
    )
    return vectors.similarity(queries, documents, precision)


def _by_cosine(task: Task, cosines: NDArray[Any]) -> list[Ranking]:
    """The candidates of each query by cosine, equal ones in the order of the candidates."""
    found = []
    for number, query in enumerate(task.queries):
        candidates = np.asarray(task.candidates(query))
        found.append(_sorted(candidates, cosines[number, candidates]))
    return found


def _sorted(documents: NDArray[Any], scores: NDArray[Any]) -> Ranking:
    """Documents by score."""
    order = np.argsort(-scores, kind="stable")
    return Ranking(tuple(map(int, documents[order])), tuple(map(float, scores[order])))


def _reread(
    task: Task, by_vector: Sequence[Ranking], reranker: "Reranker", options: RunOptions
) -> dict[str, list[Ranking]]:
    """The orders after the reranker has read the first candidates of each query; the rest follows as it was."""
    asked = task.asked()
    heads = [ranking.documents[: options.top] for ranking in by_vector]
    pairs = [(asked[number], task.documents[one]) for number, head in enumerate(heads) for one in head]
    log_odds = np.asarray(
        reranker.predict(pairs, activation="none", show_progress_bar=options.show_progress_bar), dtype=np.float64
    )
    orders: dict[str, list[Ranking]] = {RERANKER: [], FUSED: []}
    start = 0
    for ranking, head in zip(by_vector, heads, strict=True):
        read = log_odds[start : start + len(head)]
        start += len(head)
        fused = options.fusion.probability(read, np.array(ranking.scores[: len(head)]))
        for name, scores in ((RERANKER, read), (FUSED, fused)):
            best = _sorted(np.array(head), scores)
            rest = ranking.documents[len(head) :], ranking.scores[len(head) :]
            orders[name].append(Ranking(best.documents + rest[0], best.scores + rest[1]))
    return orders


def _rows(task: Task, rankings: Sequence[Ranking]) -> Rows:
    """What the measure needs of each query."""
    rows = [task.measure.row(ranking, query.relevance) for ranking, query in zip(rankings, task.queries, strict=True)]
    return np.array(rows, dtype=np.float64)


def _head(ranking: Ranking) -> Ranking:
    """The first few of a ranking."""
    return Ranking(ranking.documents[:KEPT], ranking.scores[:KEPT])
