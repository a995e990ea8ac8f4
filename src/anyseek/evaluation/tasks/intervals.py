"""How sure a number is: the bootstrap over queries, paired so that two results can be compared (Efron 1979)."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anyseek.evaluation.tasks.task import Measure, Rows

__all__ = ["SAMPLES", "Estimate", "Sampled", "mean", "resampled"]

SAMPLES = 1000
SHARE = 0.95
FEWEST = 10
"""With fewer queries the draws repeat so few values that an interval says too much."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number of so many queries, with its 95 % interval."""

    score: float
    low: float
    high: float
    queries: int

    @property
    def verdict(self) -> str:
        """Of a difference: `better`, `worse`, or `open` where the interval holds 0 or the queries are too few."""
        if self.queries < FEWEST:
            return "open"
        return "better" if self.low > 0 else "worse" if self.high < 0 else "open"


@dataclass(frozen=True, slots=True)
class Sampled:
    """A number of so many queries, and what it is when they are drawn again, `(SAMPLES,)`."""

    score: float
    samples: NDArray[np.float64]
    queries: int

    def __sub__(self, other: "Sampled") -> "Sampled":
        """The difference, draw by draw: both numbers come from the same queries."""
        return Sampled(self.score - other.score, self.samples - other.samples, self.queries)

    def estimate(self) -> Estimate:
        """The number with its interval."""
        low, high = np.quantile(self.samples, [(1 - SHARE) / 2, (1 + SHARE) / 2])
        return Estimate(self.score, float(low), float(high), self.queries)


def resampled(measure: Measure, rows: Rows, name: str) -> Sampled:
    """A task's number, and what it is over queries drawn with replacement.

    Args:
        measure: of the task.
        rows: of its queries.
        name: the same name and number of queries give the same draws, whatever was measured.
    """
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    draws = rng.integers(len(rows), size=(SAMPLES, len(rows)))
    if measure.per_query:
        return Sampled(measure.total(rows), rows[:, 0][draws].mean(axis=1), len(rows))
    return Sampled(measure.total(rows), np.array([measure.total(rows[draw]) for draw in draws]), len(rows))


def mean(numbers: Sequence[Sampled]) -> Sampled:
    """The mean of several tasks, each drawn by itself."""
    scores = [number.score for number in numbers]
    samples = np.mean([number.samples for number in numbers], axis=0)
    return Sampled(float(np.mean(scores)), samples, sum(number.queries for number in numbers))
