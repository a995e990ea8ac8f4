"""How good an order is, on the small sets that a model is judged by while it is made."""

from collections.abc import Collection, Sequence
from typing import Any

from numpy.typing import NDArray

__all__ = ["recall_at_1"]


def recall_at_1(similarities: NDArray[Any], relevant: Sequence[Collection[int]]) -> float:
    """R@1: the share of queries whose most similar document is relevant.

    Args:
        similarities: `(queries, documents)`.
        relevant: for each query the numbers of the documents that answer it.
    """
    best = similarities.argmax(1).tolist()
    return sum(document in answers for document, answers in zip(best, relevant, strict=True)) / len(best)
