"""The first stage: things recalled by their vectors and by their words, in one order."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from anyseek.index import Filter, Recalled, Store
from anyseek.search.answers import Asked, AskOptions, Candidate

__all__ = ["blended", "closeness", "recall", "recalls"]

SMOOTH = 60
"""Of reciprocal ranks: how little the very first differ (Cormack, Clarke, Buettcher 2009)."""
WIDER = 4
"""Times as many things are recalled when there are examples of what is not sought, which push others forward; and again
while what was recalled makes too few answers, up to WIDEST times as many."""
WIDEST = 16


def recall(store: Store, asked: Asked, where: Filter | None, options: AskOptions) -> list[Candidate]:
    """Candidates, best first.

    Args:
        store: the library.
        asked: the query.
        where: which things count.
        options: how many, and how much words count.
    """
    return next(recalls(store, asked, where, options))


def recalls(store: Store, asked: Asked, where: Filter | None, options: AskOptions) -> Iterator[list[Candidate]]:
    """What `recall` gives; then, for those whom it makes too few answers, more and more, until that is all."""
    least = max(options.candidates, options.top + (asked.known is not None)) * (WIDER if len(asked.unlike) else 1)
    by_words = options.words > 0 and bool(asked.text.strip())
    by_sight = options.words < 1 or not by_words
    many = least
    while True:
        seen = store.recall(asked.vector, many, where) if by_sight else []
        read = store.lexical(asked.text, many, where) if by_words else []
        yield _candidates(store, asked, options, seen, read)
        if max(len(seen), len(read)) < many or many >= WIDEST * least:
            return
        many *= WIDER


def _candidates(
    store: Store, asked: Asked, options: AskOptions, seen: Sequence[Recalled], read: Sequence[Recalled]
) -> list[Candidate]:
    """What the vectors and the words recalled, in one order."""
    ids = list(dict.fromkeys(one.id for one in [*seen, *read]))
    if not ids:
        return []
    similar = {one.id: one.similarity for one in seen}
    there, vectors = store.present(ids if len(asked.unlike) else [id for id in ids if id not in similar])
    similar = dict(zip(there, (vectors @ asked.vector).tolist(), strict=True)) | similar
    near = dict.fromkeys(ids, 0.0)
    if len(asked.unlike):
        near = dict(zip(there, closeness(vectors, asked).tolist(), strict=True)) if there else {}
    score = blended(seen, read, options)
    said = {one.id: one.similarity for one in read}
    things = store.things(ids)
    candidates = [
        Candidate(
            thing=things[id],
            similarity=similar[id],
            words=said.get(id, 0.0),
            unlike=near[id],
            first=score[id] * (1 - near[id]),
        )
        for id in ids
        if id in things and id in similar and id in near  # not removed since it was recalled
    ]
    return sorted(candidates, key=lambda one: (-one.first, one.thing.id))


def blended(seen: Sequence[Recalled], read: Sequence[Recalled], options: AskOptions) -> dict[str, float]:
    """One score, 0 to 1, of what two legs recalled; a leg that found nothing, or was not asked, does not count.

    `ranks`: the weighted sum of `61 / (60 + rank)`. `scores`: the weighted sum of cosines (from the least recalled, 0,
    to the greatest, 1) and of the words' scores (as a share of the greatest).

    Args:
        seen: by vectors, best first.
        read: by words, best first.
        options: weight of the words.
    """
    weight = options.words if seen and read else float(not seen)
    total: dict[str, float] = {}
    for leg, share in ((seen, 1 - weight), (read, weight)):
        if not leg or not share:
            continue
        found = np.array([one.similarity for one in leg])
        if options.blend == "ranks":
            marks = (SMOOTH + 1) / (SMOOTH + 1 + np.arange(len(leg)))
        else:
            least = found[-1] if leg is seen else 0.0
            marks = (found - least) / (found[0] - least) if found[0] > least else np.ones(len(leg))
        for one, mark in zip(leg, marks.tolist(), strict=True):
            total[one.id] = total.get(one.id, 0.0) + share * mark
    return {one.id: total.get(one.id, 0.0) for one in [*seen, *read]}


def closeness(vectors: NDArray[np.float32], asked: Asked) -> NDArray[np.float64]:
    """How near things are to what is not sought, beyond what the query, or half of the things, are to it anyway.

    0 for those, 1 for the example itself. The half is there as pictures are nearer to every picture than a text is.

    Args:
        vectors: `(things, width)` of length 1.
        asked: with one example or more.

    Returns:
        `(things,)`.
    """
    near_each = vectors @ asked.unlike.T
    common = np.maximum(asked.unlike @ asked.vector, np.median(near_each, axis=0))
    beyond = (near_each - common) / np.maximum(1 - common, 1e-6)
    most: NDArray[np.float64] = np.clip(beyond, 0, 1).max(axis=1).astype(np.float64)
    return most
