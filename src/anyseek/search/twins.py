"""Are two pictures the same one? Told by their thumbnails, from afar and place by place."""

from collections.abc import Iterable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from anyseek.index import Store
from anyseek.media import Glimpse, glimpse

__all__ = ["DETAIL", "LOOKS", "Detail", "Looks", "looks_apart"]

LOOKS = 0.33
"""Greatest difference (0 to 1) of their colours, 48 pixels by 48, up to which they are the same."""
DETAIL = 0.33
"""Greatest difference (0: the same) of a tile of one, in its own contrast, from what lies about there in the other.

Measured by benchmarks/library_twins.py: half the size in JPEG of low quality differs by 0.02 to 0.31, other text on a
page, which from afar is the same grey, by 0.67 or more.
"""
ORDINARY, FLAT = 0.4, 0.1
"""Contrast of colours in which a difference counts as it is, and that of what shows nothing from afar."""
TILE, MOVED = 32, 4
"""Sides of a tile, and pixels that it may lie elsewhere, as when a margin was cut off: of 256."""
FAINT = 0.02
"""Contrast (0 to 1) below which there is nothing to see but noise."""


class Looks:
    """What the pictures of a library look like, each read once.

    Args:
        store: the library.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, Glimpse | None] = {}

    def read(self, ids: Iterable[str]) -> None:
        """Look at pictures of which `same` will be asked."""
        new = [id for id in ids if id not in self._known]
        found = self._store.thumbnails(new) if new else {}
        self._known |= {id: glimpse(found[id]) if id in found else None for id in new}

    def same(self, id: str, others: list[str]) -> list[str]:
        """Those of some pictures that look as one does; none where a thumbnail is missing."""
        mine = self._known.get(id)
        seen = {other: look for other in others if (look := self._known[other]) is not None}
        if mine is None or not seen:
            return []
        apart = looks_apart(mine, list(seen.values()))
        near = [other for other, far in zip(seen, apart.tolist(), strict=True) if far <= LOOKS]
        detail = Detail(mine) if near else None
        return [other for other in near if detail and detail.is_in(seen[other])]


def looks_apart(one: Glimpse, others: list[Glimpse]) -> NDArray[np.float32]:
    """`(others,)` how far the colours of pictures are from those of one, at the place where they differ most.

    In pictures of little contrast, such as pages of text, which are all grey, differences count for more.
    """
    level, contrast = one.far.mean(axis=(0, 1)), float(np.ptp(one.far))
    apart = []
    for other in others:
        change = one.far - other.far
        beside = change - (level - other.far.mean(axis=(0, 1)))
        weight = ORDINARY / max(FLAT, min(contrast, float(np.ptp(other.far))))
        apart.append(max(np.abs(change).max(), weight * np.abs(beside).max()))
    return np.array(apart, np.float32)


class Detail:
    """The detail of a picture, to be looked for in others.

    Args:
        look: of the picture.
    """

    def __init__(self, look: Glimpse) -> None:
        self._tiles = _tiles(look.near)
        self._across = len(look.near) // TILE
        self._richest = int(self._tiles.var(axis=1).argmax())

    def is_in(self, other: Glimpse) -> bool:
        """Whether each tile is in the other, at its place or close by."""
        if self._around(other, self._richest) > DETAIL:  # most of what is another is found so, and quickly
            return False
        still = _apart(self._tiles, _tiles(other.near))
        return all(self._around(other, place) <= DETAIL for place in _worst_first(still) if still[place] > DETAIL)

    def apart(self, other: Glimpse) -> float:
        """How far another is from it, at the place where they differ most: 0 is the same, 1 unlike."""
        return max(self._around(other, place) for place in range(len(self._tiles)))

    def _around(self, other: Glimpse, place: int) -> float:
        """How far a tile is from what is likest to it about its place in another."""
        y, x = TILE * (place // self._across), TILE * (place % self._across)
        rows, columns = (np.arange(at - MOVED, at + TILE + MOVED).clip(0, len(other.near) - 1) for at in (y, x))
        part = other.near[np.ix_(rows, columns)] / np.float32(255)
        moved = sliding_window_view(part, (TILE, TILE)).reshape(-1, TILE * TILE)
        return float(_apart(self._tiles[place : place + 1], moved).min())


def _worst_first(apart: NDArray[np.float32]) -> list[int]:
    """Places, those first that are furthest apart."""
    order: list[int] = np.argsort(-apart).tolist()
    return order


def _tiles(near: NDArray[np.uint8]) -> NDArray[np.float32]:
    """`(tiles, pixels)` from 0 to 1, row by row."""
    across = len(near) // TILE
    tiles = near.reshape(across, TILE, across, TILE).swapaxes(1, 2).reshape(-1, TILE * TILE)
    return tiles.astype(np.float32) / np.float32(255)


def _apart(tiles: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """`(others,)` one less the likeness of tiles, or of one tile, and others, in contrast and structure (SSIM's)."""
    mine = tiles - tiles.mean(axis=1, keepdims=True)
    pixels, least = np.float32(TILE * TILE), np.float32(2 * FAINT**2)
    common = np.einsum("ij,ij->i", mine, others) if len(mine) > 1 else others @ mine[0]
    spread = np.einsum("ij,ij->i", others, others) / pixels - others.mean(axis=1) ** 2
    own = np.einsum("ij,ij->i", mine, mine) / pixels
    apart: NDArray[np.float32] = 1 - (2 * common / pixels + least) / (own + spread + least)
    return apart
