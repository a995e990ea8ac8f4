"""What mining found, counted, listed and as histograms: `mining.json`."""

import heapq
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from anyseek.training.mining.rule import Hit

__all__ = ["EDGES", "REPORT", "SUSPECTS", "Histogram", "Report"]

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

    def median(self) -> float | None:
        """The middle of the bin that holds the median, or None where nothing was counted."""
        total = int(self.counts.sum())
        if not total:
            return None
        bin_ = int(np.searchsorted(self.counts.cumsum(), (total + 1) // 2))
        return float((EDGES[bin_] + EDGES[bin_ + 1]) / 2)


class Report:
    """Gathers what is found.

    Args:
        head: dataset, models, bounds and options.
        suspects: takes every suspected false negative, a line of JSON each.
    """

    def __init__(self, head: Mapping[str, Any], suspects: TextIO) -> None:
        self.head, self.file = dict(head), suspects
        self.counts: Counter[str] = Counter()
        self.dropped: list[dict[str, Any]] = []
        self.bad: dict[tuple[str, str], str] = {}
        self.histograms = {name: Histogram() for name in ("positive", "negative", "random")}
        self._worst: list[tuple[float, int, dict[str, Any]]] = []

    def drop(self, query: str, reason: str, best: float | None) -> None:
        """A query that is left out, with the similarity of its best positive."""
        self.dropped.append({"query": query, "reason": reason, "best_positive": best})

    def add_bad(self, table: str, key: str, reason: str) -> None:
        """A row that could not be used; the first reason counts."""
        self.bad.setdefault((table, key), reason)

    def suspect(self, query: str, hit: Hit, bound: float, log_odds: float | None = None) -> None:
        """A non-positive that is probably relevant: by its cosine, or by what the reranker gave."""
        found: dict[str, Any] = {"query": query, "document": hit.document, "score": hit.score, "bound": bound}
        found |= {} if log_odds is None else {"log_odds": log_odds}
        self.file.write(json.dumps(found, ensure_ascii=False) + "\n")
        self.counts["suspects_by_cosine" if log_odds is None else "suspects_by_reranker"] += 1
        entry = (hit.score - bound, -sum(self.counts.values()), found)
        (heapq.heappush if len(self._worst) < LISTED else heapq.heappushpop)(self._worst, entry)

    def as_data(self) -> dict[str, Any]:
        """The whole report."""
        reasons = Counter(entry["reason"] for entry in self.dropped)
        listed = [found for *_, found in sorted(self._worst, key=lambda entry: entry[:2], reverse=True)]
        return {
            **self.head,
            "counts": dict(self.counts) | {"dropped": len(self.dropped), "bad": len(self.bad)},
            "reasons": dict(reasons.most_common()),
            "histograms": {
                "edges": [round(float(edge), 4) for edge in EDGES],
                **{name: histogram.counts.tolist() for name, histogram in self.histograms.items()},
            },
            "dropped": self.dropped,
            "bad": [{"table": table, "id": key, "reason": text} for (table, key), text in self.bad.items()],
            "suspects": listed,
        }

    def write(self, folder: Path) -> dict[str, Any]:
        """Write `mining.json`."""
        data = self.as_data()
        (folder / REPORT).write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        return data
