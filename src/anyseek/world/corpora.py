"""Test corpora: things, queries, and which things are relevant to which query, computed from descriptions."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from anyseek.world.pairs import near_misses, sample_thing
from anyseek.world.phrasing import ask, ask_by_picture, subjects
from anyseek.world.queries import KINDS, Query
from anyseek.world.splits import Split, check_split
from anyseek.world.things import Thing

__all__ = ["Corpus", "build_corpus"]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents, queries and exact relevance.

    Attributes:
        things: the documents.
        queries: what is asked.
        relevance: for every query's index the indices of all relevant documents, at least one.
    """

    things: tuple[Thing, ...]
    queries: tuple[Query, ...]
    relevance: dict[int, frozenset[int]]


def build_corpus(
    seed: int,
    split: Split,
    sizes: Mapping[str, int],
    queries: int = 100,
    levels: tuple[float, float, float] = (1, 1, 1),
    language: str | None = None,
) -> Corpus:
    """A corpus of one or several kinds.

    Half of the documents asked for have a near miss in the corpus. With several kinds, queries at level 1 look for every
    kind (one in four of them by picture), others for their own.

    Args:
        seed: of everything.
        split: `train`, `composition` (new compositions of known objects) or `object` (unknown objects).
        sizes: documents of each kind, such as `{"scene": 200, "page": 100}`.
        queries: how many.
        levels: weights of the difficulties 1, 2 and 3.
        language: of the queries; None mixes them.

    Raises:
        ConfigError: the split does not exist.
    """
    check_split(split)
    rng = random.Random(seed)
    things: list[Thing] = []
    asked: dict[tuple[str, frozenset[str], str], Query] = {}
    kinds = frozenset(sizes)
    for kind, size in sizes.items():
        share = round(queries * size / sum(sizes.values()))
        _fill(kind, size, share, rng, (split, levels, language), things, asked, kinds)
    found = tuple(asked.values())
    facts = [(thing.kind, thing.facts()) for thing in things]
    relevance = {
        index: frozenset(i for i, (kind, true) in enumerate(facts) if kind in query.kinds and query.needs <= true)
        for index, query in enumerate(found)
    }
    return Corpus(tuple(things), found, relevance)
