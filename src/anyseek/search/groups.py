"""What belongs together: near-identical pictures, and the pages, passages or segments of one file."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from anyseek.index import Store, Thing
from anyseek.media import glimpse
from anyseek.search.answers import Candidate

__all__ = ["collapse", "grouped", "spread"]

ALIKE = 0.6
"""Cosine from which two pictures are looked at; small, since a small model gives other vectors at another size."""
LOOKS = 0.33
"""Greatest difference (0 to 1) of their thumbnails, 48 pixels by 48, up to which they are the same.

Half the size in JPEG of low quality differs by 0.09 to 0.33, a picture with another detail by 0.27 or more, measured by
benchmarks/library_twins.py.
"""
MOST_ALSO = 10


def collapse(store: Store, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Each picture once: near-identical ones become copies of the best placed.

    What decides is the place where their thumbnails differ most, since one other detail makes another picture.

    Args:
        store: the library.
        candidates: best first; changed where copies are found.
    """
    pictures = [one for one in candidates if one.thing.kind == "image"]
    if len(pictures) < 2:
        return list(candidates)
    ids, vectors = store.present([one.thing.id for one in pictures])
    gone = {one.thing.id for one in pictures}.difference(ids)  # removed since they were recalled
    pictures = [one for one in pictures if one.thing.id not in gone]
    near = vectors @ vectors.T >= ALIKE
    np.fill_diagonal(near, False)
    looks = _looks(store, [id for id, row in zip(ids, near, strict=True) if row.any()])
    for row, one in enumerate(pictures):
        if one.thing.id in gone:
            continue
        for other in np.flatnonzero(near[row]):
            twin = pictures[int(other)]
            if other > row and twin.thing.id not in gone and _same(looks, one.thing.id, twin.thing.id):
                one.copies += [twin.thing, *twin.copies]
                gone.add(twin.thing.id)
    return [one for one in candidates if one.thing.id not in gone]


def spread(candidates: Iterable[Candidate], count: int, per_file: int) -> list[Candidate]:
    """The first so many, no file more often than `per_file` times."""
    seen: dict[str, int] = {}
    chosen: list[Candidate] = []
    for one in candidates:
        if len(chosen) == count:
            break
        seen[one.thing.hash] = seen.get(one.thing.hash, 0) + 1
        if seen[one.thing.hash] <= per_file:
            chosen.append(one)
    return chosen


def grouped(candidates: Iterable[Candidate], group: bool) -> list[tuple[Candidate, tuple[Thing, ...]]]:
    """Each file once, at its best placed part, with the other parts of it that were found; or everything by itself.

    Args:
        candidates: best first.
        group: whether to.
    """
    if not group:
        return [(one, ()) for one in candidates]
    files: dict[str, list[Candidate]] = {}
    for one in candidates:
        files.setdefault(one.thing.hash, []).append(one)
    return [(parts[0], tuple(part.thing for part in parts[1 : MOST_ALSO + 1])) for parts in files.values()]


def _looks(store: Store, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """What things look like from afar, of those that have a thumbnail."""
    return {id: glimpse(data) for id, data in store.thumbnails(ids).items()} if ids else {}


def _same(looks: dict[str, NDArray[np.float32]], one: str, other: str) -> bool:
    """Whether two things look the same."""
    if one not in looks or other not in looks:
        return False
    return float(np.abs(looks[one] - looks[other]).max()) <= LOOKS
