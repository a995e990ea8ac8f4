"""A judge fitted on the procedural world: libraries of known relevance, queries that something or nothing answers."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anyseek.index import Filter, Kind, Store, StoredFile, Thing
from anyseek.items import Item
from anyseek.search.answers import Asked, AskOptions, Candidate
from anyseek.search.fusion import Fusion
from anyseek.search.groups import spread
from anyseek.search.judge import Judge, choose_cut, features, fit_weights
from anyseek.search.legs import recall
from anyseek.search.pieces import Cutting
from anyseek.search.prints import LibrarySettings, fingerprint_of
from anyseek.vectors import normalize
from anyseek.world import Chart, Clip, Note, Page, Plan, Scene, build_corpus
from anyseek.world import Thing as Shown
from anyseek.world.canvas import Words
from anyseek.world.splits import Split

if TYPE_CHECKING:
    from anyseek.engine import Embedder, Reranker

__all__ = ["Shelf", "Trial", "encoded", "fit_judge", "make_shelf", "trials"]

KINDS: Mapping[type, Kind] = {Scene: "image", Chart: "image", Page: "page", Clip: "video", Note: "text"}
SIZES = {"scene": 5, "page": 4, "chart": 1, "clip": 2, "note": 3}
"""Shares of a shelf."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """A library of things of the world, and queries for it.

    Attributes:
        store: the library.
        items: id -> what the models read.
        hashes: of every thing.
        asked: the queries, encoded.
        relevant: for each query the ids of what answers it.
    """

    store: Store
    items: Mapping[str, Item]
    hashes: Sequence[str]
    asked: Sequence[Asked]
    relevant: Sequence[frozenset[str]]


@dataclass(frozen=True, slots=True)
class Trial:
    """A query asked of a shelf, and what the judge sees.

    Attributes:
        candidates: best first.
        seen: `(candidates, numbers)`, see `judge.features`.
        labels: `(candidates,)` whether each is relevant.
        relevant: how many things of the shelf are; 0 where what answers was hidden.
    """

    candidates: Sequence[Candidate] = field(repr=False)
    seen: NDArray[np.float64]
    labels: NDArray[Any]
    relevant: int


def make_shelf(folder: Path, embedder: "Embedder", seed: int, split: Split, things: int, queries: int) -> Shelf:
    """A library of the world in a folder; one that is there already is opened.

    Half of the pages have a text of their own, as digital documents do, the others are scans.

    Args:
        folder: of the library.
        embedder: encodes it.
        seed: of the things and queries.
        split: of the world; `train`, or one that training never saw.
        things: how many.
        queries: how many.
    """
    unit = things / sum(SIZES.values())
    sizes = {kind: max(1, round(share * unit)) for kind, share in SIZES.items()}
    corpus = build_corpus(seed, split, Plan(sizes=sizes, queries=queries))
    rng = random.Random(seed)
    stored = [
        Thing(hash=f"{place:06}", part=0, kind=KINDS[type(thing)], text=_text(thing, rng))
        for place, thing in enumerate(corpus.things)
    ]
    items = [thing.item() for thing in corpus.things]
    asked = [replace(query.item(), instruction=None) for query in corpus.queries]
    return Shelf(
        store=_filled(folder, embedder, stored, items),
        items={thing.id: item for thing, item in zip(stored, items, strict=True)},
        hashes=[thing.hash for thing in stored],
        asked=encoded(asked, embedder),
        relevant=[frozenset(stored[place].id for place in corpus.relevance[n]) for n in range(len(asked))],
    )


def _text(thing: Shown, rng: random.Random) -> str | None:
    """What a thing says: all of a note, every second page."""
    if isinstance(thing, Note):
        return thing.draw()
    if isinstance(thing, Page) and rng.random() < 0.5:
        return "\n".join(mark.text for mark in thing.marks() if isinstance(mark, Words))
    return None


def _filled(folder: Path, embedder: "Embedder", things: Sequence[Thing], items: Sequence[Item]) -> Store:
    """The library with its things in it."""
    fingerprint = fingerprint_of(embedder, LibrarySettings(cutting=Cutting()))
    if (folder / "done").exists():
        store = Store.open(folder)
        store.check(fingerprint)
        return store
    store = Store.create(folder, fingerprint)
    with store.write() as writer:
        writer.put(things, embedder.encode_document(list(items), truncate_dim=store.fingerprint.width))
        writer.put_files(StoredFile(root="/", path=one.hash, hash=one.hash, size=1, mtime=1) for one in things)
        writer.optimize()
    (folder / "done").touch()
    return store


def encoded(items: Sequence[Item], embedder: "Embedder") -> list[Asked]:
    """Queries as a shelf is asked them."""
    width = min(embedder.dim, fingerprint_of(embedder, LibrarySettings()).width)
    vectors = normalize(embedder.encode_query(list(items), truncate_dim=width))
    none = np.zeros((0, width), np.float32)
    return [Asked(item=item, vector=vector, unlike=none) for item, vector in zip(items, vectors, strict=True)]


def trials(
    shelf: Shelf, reranker: "Reranker | None", fusion: Fusion, options: AskOptions = AskOptions()
) -> Iterator[Trial]:
    """Every query twice: of the whole shelf, and of the shelf without what answers it.

    Args:
        shelf: things and queries.
        reranker: reads the best candidates; None leaves it out of what the judge sees.
        fusion: of its opinion and the cosine.
        options: as a library is asked.
    """
    for asked, relevant in zip(shelf.asked, shelf.relevant, strict=True):
        hidden = {id.partition(".")[0] for id in relevant}
        others = tuple(hash for hash in shelf.hashes if hash not in hidden)
        for where, right in ((None, relevant), (Filter(hashes=others), frozenset[str]())):
            found = recall(shelf.store, asked, where, options)
            chosen = spread(found, options.reread, options.per_file) if reranker else found[: options.reread]
            if reranker:
                pairs = [(asked.item, shelf.items[one.thing.id]) for one in chosen]
                odds = reranker.predict(pairs, activation="none")
                for one, log_odds in zip(chosen, odds.tolist(), strict=True):
                    one.log_odds = log_odds
            seen = features(found, asked, fusion if reranker else None)[: len(chosen)]
            labels = np.array([one.thing.id in right for one in chosen], dtype=float)
            yield Trial(chosen, seen, labels, len(right))


def fit_judge(seen: Iterable[Trial], embedder: str, reranker: str | None = None) -> Judge:
    """A judge for these models; each query counts the same, however many candidates it has.

    Args:
        seen: trials, of queries with and without an answer.
        embedder: what the cosines of the libraries hang on, `Fingerprint.cosines`.
        reranker: sample of the reranker's weights, when the trials were read by one.

    Raises:
        ConfigError: nothing relevant was found in any trial.
    """
    known = [trial for trial in seen if len(trial.labels)]
    rows = np.concatenate([trial.seen for trial in known])
    labels = np.concatenate([trial.labels for trial in known])
    weights = np.concatenate([np.full(len(trial.labels), 10 / len(trial.labels)) for trial in known])
    numbers = fit_weights(rows, labels, weights)
    judge = Judge(numbers=tuple(numbers.tolist()), cut=0.5, embedder=embedder, reranker=reranker)
    cut = choose_cut([(judge.chances(trial.seen), trial.labels, trial.relevant) for trial in known])
    return replace(judge, cut=cut)
