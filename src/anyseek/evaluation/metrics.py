"""Metrics of one ranking, and what a random ranking is expected to give."""

import math
from collections.abc import Collection, Sequence

__all__ = ["hit_rate", "ndcg", "random_hit_rate", "random_ndcg"]


def hit_rate(ranking: Sequence[int], relevant: Collection[int], k: int = 1) -> float:
    """1 if a relevant document stands among the first k, else 0; with one relevant document this is recall at k."""
    return float(any(document in relevant for document in ranking[:k]))


def ndcg(ranking: Sequence[int], relevant: Collection[int], k: int = 10) -> float:
    """Normalised discounted cumulative gain at k, relevance 0 or 1 (Jarvelin and Kekalainen 2002).

    Args:
        ranking: documents, best first.
        relevant: those that answer; at least one.
        k: depth.
    """
    gain = sum(_discount(place) for place, document in enumerate(ranking[:k]) if document in relevant)
    return gain / _ideal(len(relevant), k)


def random_hit_rate(documents: int, relevant: int, k: int = 1) -> float:
    """Expected `hit_rate` of a random order of `documents`, of which `relevant` answer."""
    return 1 - math.comb(documents - relevant, k) / math.comb(documents, k)


def random_ndcg(documents: int, relevant: int, k: int = 10) -> float:
    """Expected `ndcg` of a random order."""
    depth = min(k, documents)
    return relevant / documents * sum(map(_discount, range(depth))) / _ideal(relevant, k)


def _discount(place: int) -> float:
    """Weight of a place, counted from 0."""
    return 1 / math.log2(place + 2)


def _ideal(relevant: int, k: int) -> float:
    """Gain of the best order."""
    return sum(map(_discount, range(min(relevant, k))))
