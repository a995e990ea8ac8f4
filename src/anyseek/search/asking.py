"""From a query to answers: recall, near-duplicates, a second reading, the judge, groups."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from anyseek.index import Filter, Store, StoredFile, Thing
from anyseek.search.answers import Answer, Answers, Asked, AskOptions, Candidate, Stage, Tell
from anyseek.search.fusion import Fusion
from anyseek.search.groups import collapse, grouped, spread
from anyseek.search.judge import Judge, features
from anyseek.search.legs import recalls
from anyseek.search.looking import state_of
from anyseek.search.pieces import item_of
from anyseek.search.twins import Looks

if TYPE_CHECKING:
    from anyseek.engine import Embedder, Reranker

__all__ = ["Readers", "answer"]

Files = dict[str, list[StoredFile]]
_Group = tuple[Candidate, tuple[Thing, ...]]

PIECE = 5
"""Candidates that are read between two words about it."""


@dataclass(frozen=True, slots=True)
class Readers:
    """The models of a library, and what says how far to trust them.

    Attributes:
        embedder: its vectors are stored.
        reranker: reads the best candidates with the query; None leaves the order of the first stage.
        fusion: of the reranker's opinion and the cosine.
        judge: says what is relevant; None says nothing.
    """

    embedder: "Embedder"
    reranker: "Reranker | None"
    fusion: Fusion
    judge: Judge | None

    def without_reading(self) -> "Readers":
        """The same with the first stage alone."""
        return Readers(self.embedder, None, self.fusion, None)


def answer(
    store: Store,
    asked: Asked,
    where: Filter | None,
    options: AskOptions,
    readers: Readers,
    tell: Tell | None = None,
) -> Answers:
    """Answers of a library to an encoded query.

    Args:
        store: the library.
        asked: the query.
        where: which things count.
        options: how to ask.
        readers: who reads.
        tell: told the answers of the first stage, before candidates are read again, and how many have been.
    """
    readers = readers if options.rerank or not readers.reranker else readers.without_reading()
    candidates, files = _candidates(store, asked, where, options)
    if readers.reranker is None:
        return _judged(candidates, asked, files, options, readers)
    chosen = spread(candidates, max(options.reread, options.top), options.per_file)
    if tell:
        first = _judged(candidates, asked, files, options, readers.without_reading())
        tell(Stage(first=first, read=0, of=len(chosen)))
    unread = _reread(chosen, asked, files, readers, tell)
    return replace(_judged(candidates, asked, files, options, readers), unread=tuple(unread))


def _candidates(store: Store, asked: Asked, where: Filter | None, options: AskOptions) -> tuple[list[Candidate], Files]:
    """What may be an answer, best first, and where it lies: so much that there are answers enough, if there are any."""
    looks = Looks(store)
    candidates: list[Candidate] = []
    files: Files = {}
    for recalled in recalls(store, asked, where, options):
        candidates = collapse(store, recalled, looks) if options.duplicates else recalled
        files = store.files_of({thing.hash for one in candidates for thing in (one.thing, *one.copies)}, where)
        candidates = [one for one in candidates if one.thing.hash in files and asked.known not in one.ids]
        answers = {one.thing.hash for one in candidates} if options.group else candidates
        if len(answers) >= options.top:
            break
    return candidates, files


def _judged(
    candidates: Sequence[Candidate], asked: Asked, files: Files, options: AskOptions, readers: Readers
) -> Answers:
    """Answers made of candidates, those that the reranker has read before all others."""
    _score(candidates, asked, readers)
    ordered = sorted(candidates, key=lambda one: (readers.reranker is not None and one.log_odds is None, -one.score))
    cut = readers.judge.cut if readers.judge and options.cut else None
    hits, below = list[_Group](), list[_Group]()
    for one, also in grouped(ordered, options.group):
        is_hit = cut is None or (one.chance is not None and one.score >= cut)
        (hits if is_hit else below).append((one, also))
    shown, left = ([_answer(*each, files) for each in groups[: options.top]] for groups in (hits, below))
    return Answers(hits=tuple(shown), below=tuple(left), judged=readers.judge is not None)


def _reread(
    chosen: Sequence[Candidate], asked: Asked, files: Files, readers: Readers, tell: Tell | None
) -> list[tuple[str, str]]:
    """Let the reranker read candidates, as they were embedded; what it could not read comes back with the reason."""
    assert readers.reranker is not None
    unread, pairs = [], []
    for one in chosen:
        one.path = _present(files[one.thing.hash])
        if one.path is None and one.thing.kind != "text":
            unread.append((one.thing.id, "the file is gone, or has changed since it was indexed; index it again"))
        else:
            pairs.append((one, (asked.item, item_of(one.thing, one.path or Path()))))
    step = PIECE if tell else max(1, len(pairs))
    for start in range(0, len(pairs), step):
        piece = pairs[start : start + step]
        scored = readers.reranker.predict([pair for _, pair in piece], activation="none", on_error="collect")
        for row, (one, _) in enumerate(piece):
            if row in scored.errors:
                unread.append((one.thing.id, str(scored.errors[row].args[0])))
            else:
                one.log_odds = float(scored.scores[row])
        if tell:
            tell(Stage(first=None, read=len(chosen) - len(pairs) + start + len(piece), of=len(chosen)))
    return unread


def _present(files: Sequence[StoredFile]) -> Path | None:
    """A file that still is as it was indexed."""
    for file in files:
        path = Path(file.root, file.path)
        if state_of(path) == (file.size, file.mtime):
            return path
    return None


def _score(candidates: Sequence[Candidate], asked: Asked, readers: Readers) -> None:
    """Set the score of each candidate, and its chance where there is a judge."""
    if not candidates:
        return
    for one in candidates:
        one.score = one.first
        if one.log_odds is not None:
            odds, cosine = np.array([one.log_odds]), np.array([one.similarity])
            one.score = float(readers.fusion.probability(odds, cosine)[0]) * (1 - one.unlike)
    if readers.judge is None:
        return
    seen = features(candidates, asked, readers.fusion if readers.reranker else None)
    for one, chance in zip(candidates, readers.judge.chances(seen).tolist(), strict=True):
        if chance == chance:  # not NaN: it was read
            one.chance = chance
            one.score = chance * (1 - one.unlike)


def _answer(one: Candidate, also: tuple[Thing, ...], files: Files) -> Answer:
    """A candidate as an answer."""
    return Answer(
        thing=one.thing,
        paths=_paths([one.thing], files),
        score=one.score,
        similarity=one.similarity,
        words=one.words,
        reranked=one.log_odds is not None,
        also=also,
        copies=tuple(one.copies),
        copy_paths=_paths(one.copies, files),
    )


def _paths(things: Sequence[Thing], files: Files) -> tuple[Path, ...]:
    """Where things lie, each place once; those first where something lies still."""
    places = dict.fromkeys(Path(file.root, file.path) for thing in things for file in files.get(thing.hash, ()))
    return tuple(sorted(places, key=lambda place: not os.path.lexists(place)))
