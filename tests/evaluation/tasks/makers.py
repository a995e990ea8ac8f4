"""Small tasks and engines whose results are known."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from anyseek.evaluation.tasks import Measure, Query, Ranking, Task
from anyseek.items import Item, Text

WIDTH = 64


def texts(*words: str) -> tuple[Item, ...]:
    return tuple(Item((Text(word),)) for word in words)


def small_task(queries: int = 12, documents: int = 20, measure: str = "hit@1", asked: Any = None, **given: Any) -> Task:
    """Query number n is answered by document n, unless other queries are given."""
    numbered = tuple(
        Query(item=item, relevance={number: 1.0}, language=("en", "de", "ja", "")[number % 4], seen=number % 3 > 0)
        for number, item in enumerate(texts(*(f"query {number}" for number in range(queries))))
    )
    defaults: dict[str, Any] = {
        "name": "small",
        "category": "image retrieval",
        "instruction": "Retrieve.",
        "measure": Measure(measure),
        "queries": numbered if asked is None else asked,
        "documents": texts(*(f"document {number}" for number in range(documents))),
        "seed": 1,
    }
    return Task(**(defaults | given))


class Planned:
    """An embedder that gives what it is told for the number at the end of a text, and counts what it is given."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors
        self.steps: dict[str, float] = {}
        self.calls: list[list[Item]] = []

    def encode(self, items: Sequence[Item], **options: Any) -> np.ndarray:
        assert options["normalize_embeddings"] is False
        self.calls.append(list(items))
        return self.vectors[[int(item.parts[0].text.split()[-1]) for item in items]]


class Listed:
    """A reranker that prefers documents as a list of numbers says, and keeps the pairs it was given."""

    source = None

    def __init__(self, best: Sequence[int]) -> None:
        self.best = list(best)
        self.pairs: list[tuple[Item, Item]] = []

    def predict(self, pairs: Sequence[tuple[Item, Item]], **options: Any) -> np.ndarray:
        assert options["activation"] == "none"
        self.pairs += pairs
        return np.array([-float(self.best.index(int(two.parts[0].text.split()[-1]))) for _, two in pairs])


def orthogonal(count: int = 20) -> np.ndarray:
    """Vectors that make every query find its own document: whole numbers, all different."""
    return np.random.default_rng(0).standard_normal((count, WIDTH)).astype(np.float32)


def ranking(*documents: int) -> Ranking:
    return Ranking(documents, tuple(float(-place) for place in range(len(documents))))
