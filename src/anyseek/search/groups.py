"""What belongs together: near-identical pictures, and the pages, passages or segments of one file."""

from collections.abc import Iterable, Sequence

import numpy as np

from anyseek.index import Store, Thing
from anyseek.search.answers import Candidate
from anyseek.search.twins import Looks

__all__ = ["collapse", "grouped", "spread"]

ALIKE = 0.3
"""Cosine from which two pictures are looked at; small, since a small model gives other vectors at another size.

It saves looking; what two pictures look like decides, see benchmarks/library_twins.py."""
MOST_ALSO = 10


def collapse(store: Store, candidates: Sequence[Candidate], looks: Looks | None = None) -> list[Candidate]:
    """Each picture once: near-identical ones become copies of the best placed.

    What decides is the place where their thumbnails differ most, since one other detail makes another picture, see
    `twins`.

    Args:
        store: the library.
        candidates: best first; changed where copies are found.
        looks: what was looked at before, and is now; None begins anew.
    """
    pictures = [one for one in candidates if one.thing.kind == "image"]
    if len(pictures) < 2:
        return list(candidates)
    looks = looks or Looks(store)
    ids, vectors = store.present([one.thing.id for one in pictures])
    gone = {one.thing.id for one in pictures}.difference(ids)  # removed since they were recalled
    pictures = [one for one in pictures if one.thing.id not in gone]
    near = vectors @ vectors.T >= ALIKE
    np.fill_diagonal(near, False)
    looks.read(id for id, row in zip(ids, near, strict=True) if row.any())
    for row, one in enumerate(pictures):
        if one.thing.id in gone:
            continue
        later = [pictures[int(other)] for other in np.flatnonzero(near[row]) if other > row]
        twins = {twin.thing.id: twin for twin in later if twin.thing.id not in gone}
        for id in looks.same(one.thing.id, list(twins)):
            one.copies += [twins[id].thing, *twins[id].copies]
            gone.add(id)
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
