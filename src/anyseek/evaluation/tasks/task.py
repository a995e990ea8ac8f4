"""A task: queries, the documents each is to find its own among, what is relevant, and how an order is judged."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from anyseek.errors import ConfigError
from anyseek.evaluation.metrics import hit_rate, ndcg, random_hit_rate, random_ndcg, spearman
from anyseek.items import Item
from anyseek.world import Thing

__all__ = ["Measure", "Pool", "Query", "Ranking", "Rows", "Task"]

MEASURE = re.compile(r"(hit|ndcg)@([1-9]\d*)|spearman", re.IGNORECASE)

Rows = NDArray[np.float64]
"""What a measure needs of each query, `(queries, columns)`."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Documents of one query, best first, and the score of each."""

    documents: tuple[int, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Measure:
    """How rankings are judged: `hit@k` and `ndcg@k` query by query, `spearman` over all queries at once.

    Attributes:
        name: such as `hit@1`, `ndcg@10` or `spearman`.

    Raises:
        ConfigError: no such measure.
    """

    name: str

    def __post_init__(self) -> None:
        """Raise ConfigError for an unknown name."""
        if not MEASURE.fullmatch(self.name):
            raise ConfigError(f"a measure is hit@K, ndcg@K or spearman (got {self.name!r})")

    @property
    def depth(self) -> int:
        """How many places count."""
        return int(self.name.partition("@")[2] or 1)

    @property
    def title(self) -> str:
        """As it is written in tables."""
        return self.name.lower().replace("ndcg", "nDCG").replace("spearman", "Spearman")

    @property
    def per_query(self) -> bool:
        """True where the total is the mean over queries."""
        return not self.name.lower().startswith("spearman")

    def row(self, ranking: Ranking, relevance: Mapping[int, float]) -> tuple[float, ...]:
        """One query: its value; for Spearman the score and the grade of its only document."""
        if not self.per_query:
            return ranking.scores[0], relevance.get(ranking.documents[0], 0.0)
        if self.name.lower().startswith("hit"):
            return (hit_rate(ranking.documents, relevance, self.depth),)
        return (ndcg(ranking.documents, relevance, self.depth),)

    def total(self, rows: Rows) -> float:
        """The number of a task, of the rows of its queries."""
        return float(rows[:, 0].mean()) if self.per_query else spearman(rows[:, 0], rows[:, 1])

    def chance(self, documents: int, grades: Collection[float]) -> float:
        """What a random order of the candidates of one query is expected to give."""
        if not self.per_query:
            return 0.0
        if self.name.lower().startswith("hit"):
            return random_hit_rate(documents, len(grades), self.depth)
        return random_ndcg(documents, grades, self.depth)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Something to find among documents.

    Attributes:
        item: what is asked; without its own instruction it takes the task's.
        relevance: index of a document -> its grade, above 0; for Spearman the grade of the one candidate, from 0.
        candidates: indices of the documents it is to be found among, each once; None stands for all of them.
        language: code of the language of its words; empty where it has none, or where nobody said.
        seen: whether training showed its objects; None where that is not known.
    """

    item: Item
    relevance: Mapping[int, float]
    candidates: tuple[int, ...] | None = None
    language: str = ""
    seen: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task.

    Attributes:
        name: unique among those of a run.
        category: such as `image classification`; a mean over the tasks of a category is reported.
        instruction: for every query without its own; documents keep the default.
        measure: how it is judged.
        queries: at least one.
        documents: everything that any query is to be found among.
        seed: of everything in it; None for what was not made by a seed.
        things: what of the world it shows anywhere; nothing is computed from them, splits are checked on them.

    Raises:
        ConfigError: a query that cannot be judged.
    """

    name: str
    category: str
    instruction: str
    measure: Measure
    queries: tuple[Query, ...]
    documents: tuple[Item, ...]
    seed: int | None = None
    things: tuple[Thing, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        """Raise ConfigError for a query that cannot be judged."""
        if not self.queries:
            raise ConfigError(f"task {self.name!r} has no queries")
        for number, query in enumerate(self.queries):
            if wrong := self._wrong(query):
                raise ConfigError(f"task {self.name!r}, query {number}: {wrong}")

    def _wrong(self, query: Query) -> str:
        """What is wrong with a query, or an empty string."""
        candidates = self.candidates(query)
        if len(set(candidates)) < len(candidates) or not set(candidates) <= set(range(len(self.documents))):
            return f"candidates are different indices of {len(self.documents)} documents"
        if not set(query.relevance) <= set(candidates):
            return "a relevant document is not among its candidates"
        if not self.measure.per_query:
            return "" if len(candidates) == 1 else "for Spearman a query has one candidate"
        if not query.relevance or min(query.relevance.values()) <= 0:
            return "needs a relevant document, and grades above 0"
        return ""

    def candidates(self, query: Query) -> Sequence[int]:
        """Indices of the documents a query is to be found among."""
        return range(len(self.documents)) if query.candidates is None else query.candidates

    def asked(self) -> list[Item]:
        """The queries as inputs of the model, with the task's instruction where they have none."""
        return [replace(query.item, instruction=query.item.instruction or self.instruction) for query in self.queries]

    def chance_of(self, query: Query) -> float:
        """What a random order is expected to give for a query."""
        return self.measure.chance(len(self.candidates(query)), tuple(query.relevance.values()))

    def chance(self) -> float:
        """What random orders are expected to give."""
        return float(np.mean([self.chance_of(query) for query in self.queries]))


class Pool:
    """Documents gathered for many queries: equal texts, and one and the same item, come once."""

    def __init__(self) -> None:
        self._items: list[Item] = []
        self._places: dict[Item | int, int] = {}

    def add(self, item: Item) -> int:
        """The index of an item, which is added when it is new."""
        key: Item | int = item if item.is_text else id(item)
        if key not in self._places:
            self._places[key] = len(self._items)
            self._items.append(item)  # kept, so that no other item gets its id
        return self._places[key]

    def extend(self, items: Iterable[Item]) -> tuple[int, ...]:
        """The indices of several."""
        return tuple(self.add(item) for item in items)

    def items(self) -> tuple[Item, ...]:
        """All of them, by index."""
        return tuple(self._items)
