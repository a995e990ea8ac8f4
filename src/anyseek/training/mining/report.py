"""What was found and what was left out, counted and listed; of mining also as histograms: `mining.json`."""

import heapq
import itertools
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from anyseek.training.mining.rule import Hit

__all__ = ["EDGES", "REPORT", "SUSPECTS", "Account", "Histogram", "Report"]

REPORT, SUSPECTS = "mining.json", "suspects.jsonl"
LISTED = 1000
"""Suspects in the report; the file beside it has all."""
EDGES = np.linspace(-1, 1, 41)
"""Of the bins of similarities."""


class Histogram:
    """How often similarities fall into each bin of `EDGES`."""

    def __init__(self) -> None:
        self.counts = np.zeros(len(EDGES) - 1, np.int64)

    def add(self, similarities: NDArray[np.float32] | list[float]) -> None:
        """Count some; NaN is none, and rounding beyond 1 belongs to the last bin."""
        given = np.asarray(similarities, np.float64)
        self.counts += np.histogram(np.clip(given[~np.isnan(given)], -1, 1), EDGES)[0]


class Account:
    """Counts, and what was left out and why."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.dropped: list[dict[str, Any]] = []
        self._bad: dict[tuple[str, str], str] = {}

    def drop(self, query: str, reason: str) -> None:
        """A query is left out."""
        self.dropped.append({"query": query, "reason": reason})

    def add_bad(self, table: str, key: str, reason: str) -> None:
        """A row cannot be used; the first reason counts."""
        self._bad.setdefault((table, key), reason)

    def as_data(self) -> dict[str, Any]:
        """All of it."""
        return {
            "counts": dict(self.counts) | {"dropped": len(self.dropped), "bad": len(self._bad)},
            "dropped": self.dropped,
            "bad": [{"table": table, "id": key, "reason": text} for (table, key), text in self._bad.items()],
        }


class Report(Account):
    """Gathers what mining finds.

    Args:
        head: dataset, models, bounds and options.
        suspects: takes every suspected false negative, a line of JSON each.
    """

    def __init__(self, head: Mapping[str, Any], suspects: TextIO) -> None:
        super().__init__()
        self.head, self.file = dict(head), suspects
        self.histograms = {name: Histogram() for name in ("positive", "negative", "random")}
        self._numbers = itertools.count()
        self._worst: list[tuple[float, int, dict[str, Any]]] = []

    def drop(self, query: str, reason: str, best: float | None = None) -> None:
        """A query is left out; `best` is the similarity of its best positive."""
        self.dropped.append({"query": query, "reason": reason, "best_positive": best})

    def suspect(self, query: str, hit: Hit, bound: float, log_odds: float | None = None) -> None:
        """A non-positive that is probably relevant: by its cosine, or by what the reranker gave."""
        found: dict[str, Any] = {"query": query, "document": hit.document, "score": hit.score, "bound": bound}
        found |= {} if log_odds is None else {"log_odds": log_odds}
        self.file.write(json.dumps(found, ensure_ascii=False) + "\n")
        self.counts["suspects_by_cosine" if log_odds is None else "suspects_by_reranker"] += 1
        entry = (hit.score - bound, -next(self._numbers), found)  # of equals the first comes first
        (heapq.heappush if len(self._worst) < LISTED else heapq.heappushpop)(self._worst, entry)

    def as_data(self) -> dict[str, Any]:
        """The whole report."""
        reasons = Counter(entry["reason"] for entry in self.dropped)
        listed = [found for *_, found in sorted(self._worst, key=lambda entry: entry[:2], reverse=True)]
        histograms = {name: histogram.counts.tolist() for name, histogram in self.histograms.items()}
        return {
            **self.head,
            **super().as_data(),
            "reasons": dict(reasons.most_common()),
            "histograms": {"edges": [round(float(edge), 4) for edge in EDGES], **histograms},
            "suspects": listed,
        }

    def write(self, folder: Path) -> dict[str, Any]:
        """Write `mining.json`."""
        data = self.as_data()
        (folder / REPORT).write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        return data
