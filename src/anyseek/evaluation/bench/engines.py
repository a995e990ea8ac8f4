"""What is compared: an engine takes a workload and gives vectors or scores. Here ours; the others are in `peers`."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from torch import nn

from anyseek.engine import Embedder, Reranker
from anyseek.engine.features import CacheOptions, FeatureCache
from anyseek.evaluation.bench.shapes import Models
from anyseek.evaluation.bench.workloads import Workload
from anyseek.items import Item

__all__ = ["FEATURE_BYTES", "Anyseek", "Engine"]

FEATURE_BYTES = 8 << 30
"""Of the feature cache: 100 page images in the 2B shape take 2 GB, in the 8B shape 4 GB."""


class Engine(Protocol):
    """One way to compute a workload.

    Attributes:
        name: for the table.
        slack: how much its results may differ from ours because it makes other pixels of the same files.
    """

    name: str
    slack: float

    def refusal(self, workload: Workload) -> str:
        """Why a workload is not run here; empty when it is."""
        ...

    def models(self, workload: Workload) -> Sequence[nn.Module]:
        """The modules that a workload runs, loaded."""
        ...

    def forget(self) -> None:
        """Drop whatever was kept of inputs that have been seen."""
        ...

    def run(self, workload: Workload) -> np.ndarray:
        """Vectors `(items, dim)` of length 1, or probabilities `(items,)` where there is a query."""
        ...


class Anyseek:
    """This engine, as `Embedder.load` and `Reranker.load` give it, but for the size of the feature cache."""

    name = "anyseek"
    slack = 0.0

    def __init__(self, models: Models, device: str, dtype: str, kernels: str = "auto") -> None:
        """Keep where the models are; they are loaded when wanted."""
        self._folders = models
        self._features = FeatureCache(FEATURE_BYTES)
        self._options: dict[str, Any] = {
            "device": device,
            "dtype": dtype,
            "kernels": kernels,
            "caches": CacheOptions(shared=self._features),
        }

    @cached_property
    def embedder(self) -> Embedder:
        """The embedding model."""
        return Embedder.load(self._folders.embedding, **self._options)

    @cached_property
    def reranker(self) -> Reranker:
        """The reranking model."""
        return Reranker.load(self._folders.reranking, **self._options)

    def refusal(self, workload: Workload) -> str:
        """Everything is run."""
        return ""

    def models(self, workload: Workload) -> Sequence[nn.Module]:
        """One backbone."""
        return [(self.reranker if workload.query else self.embedder).backbone]

    def forget(self) -> None:
        """Drop vision features. Keys and values of the template, which all inputs share, stay as they do in service."""
        self._features.clear()

    def run(self, workload: Workload) -> np.ndarray:
        """All items in one call."""
        return self._run(workload, workload.items)

    def one_by_one(self, workload: Workload) -> np.ndarray:
        """The same without anything shared: a call for each item, nothing kept between them."""
        rows = []
        for item in workload.items:
            self.forget()
            rows.append(self._run(workload, (item,)))
        return np.concatenate(rows)

    def tokens(self, workload: Workload) -> int:
        """Tokens of all prompts, each whole."""
        if workload.query is None:
            return sum(self.embedder.plan(item).tokens for item in workload.items)
        return sum(self.reranker.plan(workload.query, item).tokens for item in workload.items)

    def _run(self, workload: Workload, items: Sequence[Item]) -> np.ndarray:
        """Some of the items."""
        if workload.query is None:
            return self.embedder.encode(list(items))
        return self.reranker.predict([(workload.query, item) for item in items])
