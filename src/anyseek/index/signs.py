"""Which of many vectors of signs differ least from one: exclusive or, then counting, in pieces that stay in the cache.

At a million rows of 512 signs this is a sixteenth of a float32 product over the same rows; see benchmarks/library.py.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST", "differing", "least", "nearest", "words_of"]

BLOCK = 1 << 15
FIRST = 4
"""Words of 64 signs that all rows are compared by; only the best of those are compared by the others too."""
SECOND = 25
"""Times as many rows as wanted that are compared by all words, or at least one row of FIFTIETH."""
FIFTIETH = 50
STRIDE, MARGIN = 16, 1.5
"""The limit of the best is estimated from each sixteenth row, and for half as many again."""
NARROW = 16
"""When fewer than one row of so many counts, those alone are compared."""
MOST = np.iinfo(np.uint16).max
"""Difference of a row that does not count."""


def words_of(signs: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """`(rows, bytes)` as `(rows, words)` of 64 signs, the last one filled up with zeros."""
    missing = -signs.shape[1] % 8
    padded = np.pad(signs, ((0, 0), (0, missing))) if missing else np.ascontiguousarray(signs)
    words: NDArray[np.uint64] = padded.view(np.uint64)
    return words


def nearest(
    signs: NDArray[np.uint64], query: NDArray[np.uint64], counting: NDArray[np.bool_], number: int
) -> NDArray[np.int64]:
    """Rows whose signs differ least.

    Args:
        signs: `(words, rows)`.
        query: `(words,)`.
        counting: `(rows,)` those that may be chosen.
        number: at least so many, if so many count.

    Returns:
        Numbers of rows, in no order; somewhat more than asked for where many differ equally.
    """
    among = np.count_nonzero(counting)
    if among <= number:
        return np.flatnonzero(counting)
    if among * NARROW <= len(counting):
        rows = np.flatnonzero(counting)
        return rows[least(differing(signs[:, rows], query), number)]
    distances = differing(signs[:FIRST], query[:FIRST])
    if among < len(counting):
        distances[~counting] = MOST
    if len(signs) <= FIRST:
        return least(distances, number)
    some = max(SECOND * number, len(counting) // FIFTIETH)
    chosen = least(distances, some) if some < among else np.flatnonzero(counting)
    whole = distances[chosen] + differing(signs[FIRST:, chosen], query[FIRST:])
    return chosen[least(whole, number)]


def differing(signs: NDArray[np.uint64], query: NDArray[np.uint64]) -> NDArray[np.uint16]:
    """`(rows,)` how many signs of `(words, rows)` differ from the `(words,)` of a query."""
    total = np.zeros(signs.shape[1], np.uint16)
    different, counted = np.empty(BLOCK, np.uint64), np.empty(BLOCK, np.uint8)
    for start in range(0, len(total), BLOCK):
        piece = total[start : start + BLOCK]
        xor, count = different[: len(piece)], counted[: len(piece)]
        for word, wanted in zip(signs, query, strict=True):
            np.bitwise_xor(word[start : start + BLOCK], wanted, out=xor)
            np.bitwise_count(xor, out=count)
            np.add(piece, count, out=piece)
    return total


def least(distances: NDArray[np.uint16], number: int) -> NDArray[np.int64]:
    """Rows of the smallest of `(rows,)` distances, at least `number`: all below a limit that some of them tell."""
    if number >= len(distances):
        return np.arange(len(distances))
    sample = distances[::STRIDE]
    place = int(number / STRIDE * MARGIN) + 8
    if place < len(sample):
        limit = np.partition(sample, place)[place]
        chosen = np.flatnonzero(distances <= limit)
        if limit < MOST and number <= len(chosen) <= 4 * number + len(distances) // 100:
            return chosen
    partitioned: NDArray[np.int64] = np.argpartition(distances, number)[:number]
    return partitioned
