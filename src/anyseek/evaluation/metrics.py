"""Metrics of one ranking, what a random ranking is expected to give, and the correlation of two orders."""

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["hit_rate", "ndcg", "random_hit_rate", "random_ndcg", "spearman"]


def hit_rate(ranking: Sequence[int], relevant: Collection[int], k: int = 1) -> float:
    """1 if a relevant document stands among the first k, else 0; with one relevant document this is recall at k."""
    return float(any(document in relevant for document in ranking[:k]))


def ndcg(ranking: Sequence[int], relevant: Collection[int] | Mapping[int, float], k: int = 10) -> float:
    """Normalised discounted cumulative gain at k (Jarvelin and Kekalainen 2002).

    Args:
        ranking: documents, best first.
        relevant: those that answer; at least one. A mapping gives each its gain, else the gain is 1.
        k: depth.
    """
    gains = relevant if isinstance(relevant, Mapping) else dict.fromkeys(relevant, 1.0)
    gain = sum(gains.get(document, 0.0) * _discount(place) for place, document in enumerate(ranking[:k]))
    return gain / _ideal(gains.values(), k)


def random_hit_rate(documents: int, relevant: int, k: int = 1) -> float:
    """Expected `hit_rate` of a random order of `documents`, of which `relevant` answer."""
    depth = min(k, documents)
    return 1 - math.comb(documents - relevant, depth) / math.comb(documents, depth)


def random_ndcg(documents: int, relevant: int | Collection[float], k: int = 10) -> float:
    """Expected `ndcg` of a random order; `relevant` is how many answer, or the gain of each that does."""
    gains = [1.0] * relevant if isinstance(relevant, int) else list(relevant)
    depth = min(k, documents)
    return sum(gains) / documents * sum(map(_discount, range(depth))) / _ideal(gains, k)


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Rank correlation of two lists of numbers, ties sharing their mean rank (Spearman 1904); 0 where one is flat."""
    one, other = (ranks - ranks.mean() for ranks in (_ranks(np.asarray(a)), _ranks(np.asarray(b))))
    length = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / length if length else 0.0


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The place of each value in their order, from 0; equal values share the mean of their places."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts + 1) / 2)[inverse]
    return ranks


def _discount(place: int) -> float:
    """Weight of a place, counted from 0."""
    return 1 / math.log2(place + 2)


def _ideal(gains: Collection[float], k: int) -> float:
    """Gain of the best order."""
    return sum(gain * _discount(place) for place, gain in enumerate(sorted(gains, reverse=True)[:k]))
