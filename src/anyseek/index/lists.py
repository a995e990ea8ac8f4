"""Signs in lists of vectors that lie together, so that a search of millions in memory reads a part of them.

The lists are those of k-means on the sphere (an inverted file, IVF). The signs of a list lie side by side; the lists
nearest to a query are read. See benchmarks/library.py.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from anyseek.vectors import normalize

__all__ = ["Lists"]

SHARE = 8
"""Of so many rows about one is compared. Of the true ten for words asked of 25,200 pictures, pages and
notes, 0.96 lie in the nearest sixteenth, 0.98 in the nearest eighth; of a million generated vectors, all."""
PER_CENTRE, ROUNDS = 40, 6
"""Rows for each list that its centre is found with, and times that this is done."""
BLOCK = 1 << 13

Rows = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""Numbers of rows to `(numbers, width)` of length 1."""


@dataclass(frozen=True, slots=True)
class Lists:
    """The first rows of a library, in lists.

    Attributes:
        centres: `(lists, width)` of length 1.
        starts: `(lists + 1,)` where each list starts in `order`.
        order: `(rows,)` numbers of rows, list by list.
        signs: `(words, rows)` in that order.
    """

    centres: NDArray[np.float32]
    starts: NDArray[np.int64]
    order: NDArray[np.int64]
    signs: NDArray[np.uint64]

    @classmethod
    def of(cls, rows: Rows, words: NDArray[np.uint64]) -> Self:
        """Put rows in lists.

        Args:
            rows: gives vectors.
            words: `(words, rows)` their signs.
        """
        count = words.shape[1]
        centres = _centres(rows, count, math.isqrt(count))
        member = np.empty(count, np.int64)
        for start in range(0, count, BLOCK):
            block = np.arange(start, min(start + BLOCK, count))
            member[block] = _nearest(rows(block), centres)
        order = np.argsort(member, kind="stable")
        starts = np.searchsorted(member[order], np.arange(len(centres) + 1))
        return cls(centres, starts, order, np.ascontiguousarray(words[:, order]))

    @property
    def bytes(self) -> int:
        """Memory that is taken."""
        return sum(int(array.nbytes) for array in (self.centres, self.starts, self.order, self.signs))

    def nearest(
        self, query: NDArray[np.float32], wanted: NDArray[np.uint64], number: int
    ) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
        """Rows of the lists nearest to a query, and how many of the signs of each differ.

        Args:
            query: `(width,)` of length 1.
            wanted: `(words,)` its signs.
            number: at least so many, if there are.
        """
        sizes = np.diff(self.starts)
        ranked = np.argsort(-(self.centres @ query))
        enough = max(len(self.order) // SHARE, number)
        read = np.sort(ranked[: np.searchsorted(np.cumsum(sizes[ranked]), enough) + 1])
        spans = [slice(start, end) for start, end in zip(self.starts[read], self.starts[read + 1], strict=True)]
        differing = [np.bitwise_count(self.signs[:, span] ^ wanted[:, None]) for span in spans]
        distances = [bits.sum(axis=0, dtype=np.uint16) for bits in differing]
        return np.concatenate([self.order[span] for span in spans]), np.concatenate(distances)


def _centres(rows: Rows, count: int, lists: int) -> NDArray[np.float32]:
    """`(lists, width)` centres of some of the rows."""
    random = np.random.default_rng(0)
    some = rows(np.sort(random.choice(count, min(count, lists * PER_CENTRE), replace=False)))
    centres = some[random.choice(len(some), lists, replace=False)]
    for _ in range(ROUNDS):
        member = _nearest(some, centres)
        order = np.argsort(member, kind="stable")
        filled, starts = np.unique(member[order], return_index=True)
        centres[filled] = normalize(np.add.reduceat(some[order], starts, axis=0))
    return centres


def _nearest(vectors: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.int64]:
    """`(vectors,)` the centre of each."""
    pieces = [np.argmax(vectors[start : start + BLOCK] @ centres.T, axis=1) for start in range(0, len(vectors), BLOCK)]
    return np.concatenate(pieces)
