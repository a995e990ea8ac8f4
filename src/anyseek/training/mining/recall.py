"""The most similar documents of each query, exactly, by matrix products of bounded blocks."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from anyseek.training.mining.shards import Vectors

__all__ = ["cosines", "recall", "top_of"]

QUERIES, DOCUMENTS = 1024, 8192
"""Vectors of one product: 32 MB of similarities."""
PAIRS = 4096

LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def recall(queries: Vectors, documents: Vectors, top: int) -> NDArray[np.uint64]:
    """The best documents of every query, as `top_of` reads them.

    The documents are read once, a block at a time; beside a block there are in memory the vectors of `QUERIES` queries
    and the answer.

    Args:
        queries: of length 1, NaN where bad.
        documents: likewise.
        top: documents of a query.

    Returns:
        `(queries, top)`, each number a score and a row in one, so that equal scores have an order: the earlier row.
    """
    best = np.zeros((len(queries), min(top, len(documents))), np.uint64)
    for first, block in documents.blocks(DOCUMENTS):
        for start, asked in queries.blocks(QUERIES):
            keys = _keys(asked @ block.T, first)
            joined = np.concatenate([best[start : start + len(asked)], keys], axis=1)
            kept = best.shape[1]
            best[start : start + len(asked)] = np.partition(joined, joined.shape[1] - kept, axis=1)[:, -kept:]
    return np.sort(best, axis=1)[:, ::-1]


def top_of(keys: NDArray[np.uint64]) -> list[tuple[int, float]]:
    """Rows and scores of one query, best first; bad documents are not among them, and a bad query has none."""
    found = keys[keys > 0]
    bits = (found >> HALF).astype(np.uint32)
    sign = np.uint32(1 << 31)
    scores = np.where(bits & sign, bits ^ sign, ~bits).view(np.float32)
    return [(int(row), float(score)) for row, score in zip(LOW - (found & LOW), scores)]


def _keys(scores: NDArray[np.float32], first: int) -> NDArray[np.uint64]:
    """Scores as whole numbers of the same order, above the row, which counts down; 0 for NaN."""
    bits = (scores + np.float32(0)).view(np.uint32)  # -0 becomes 0
    sign = np.uint32(1 << 31)
    ordered = np.where(bits & sign, ~bits, bits | sign).astype(np.uint64)
    rows = LOW - np.arange(first, first + scores.shape[1], dtype=np.uint64)
    keys: NDArray[np.uint64] = np.where(np.isnan(scores), np.uint64(0), (ordered << HALF) | rows)
    return keys


def cosines(queries: Vectors, documents: Vectors, pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """Similarities of pairs `(pairs, 2)` of a query's and a document's number; NaN where one is bad."""
    parts = [np.zeros(0, np.float32)]
    for chunk in _chunks(pairs):
        parts.append(np.einsum("pd,pd->p", queries.take(chunk[:, 0]), documents.take(chunk[:, 1])))
    return np.concatenate(parts)


def _chunks(pairs: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """A few pairs at a time."""
    for start in range(0, len(pairs), PAIRS):
        yield pairs[start : start + PAIRS]
