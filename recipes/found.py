"""What an embedder finds, for the reranker to judge: its candidates in training are those it will be shown."""

import itertools
import random
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from anyseek import world
from recipes.candidates import Candidate, JudgedBatch, Reader, packed
from recipes.given import Given
from recipes.streams import Span, asked_item, portrait, stage_and_kind

__all__ = ["Found", "Lesson"]

NEAR = 20
"""Documents that are reranked in a search."""
GROUP = 16
"""Documents read at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What a part of a run judges.

    Attributes:
        until: share of the run at which it ends.
        kinds: weight of each kind of document; `portrait` are pictures of one large object, `mixed` looks for all.
        levels: weights of the difficulties of a query.
        liked: share of the wrong documents that the embedder likes, where it likes the answer too; the rest are any.
    """

    until: float
    kinds: Mapping[str, float]
    levels: tuple[float, float, float]
    liked: float


@dataclass(frozen=True, slots=True, eq=False)
class Shown(Candidate):
    """A document of the collection."""

    thing: world.Thing
    facts: frozenset[world.Fact]

    def answers(self, query: world.Query) -> bool:
        """Exact relevance."""
        return self.thing.kind in query.kinds and query.needs <= self.facts


class Found:
    """Endless batches: fresh queries for the things of a collection, each with documents that the embedder likes."""

    def __init__(self, reader: Reader, sizes: Mapping[str, int], seed: int, given: Collection[Path] = ()) -> None:
        """Draw a collection of the training split with near misses in it, and read it once.

        Args:
            reader: of everything.
            sizes: things of each kind, portraits included.
            seed: of everything.
            given: dataset folders, of whose names batches may be as well.
        """
        self.reader, self.seed, self.given = reader, seed, Given(reader, given)
        rng = random.Random(seed)
        self.kinds = tuple(kind for kind in sizes if kind != "portrait")
        plan = world.Plan(sizes={kind: sizes[kind] for kind in self.kinds}, queries=sum(sizes.values()) // 2)
        portraits = [portrait(rng).positive for _ in range(sizes.get("portrait", 0))]
        things = [*portraits, *world.build_corpus(seed, "train", plan).things]
        self.shown: list[Shown] = []
        vectors = []
        for start in tqdm(range(0, len(things), GROUP), desc="reading", unit_scale=GROUP):
            group = things[start : start + GROUP]
            items = [thing.item() for thing in group]
            found, features = reader.read(items)
            vectors.append(found)
            for thing, item, vector, own in zip(group, items, found, features, strict=True):
                self.shown.append(Shown(item, reader.rest(item), vector, own, thing, thing.facts()))
        self.vectors = torch.cat(vectors)
        kinds = np.array(["portrait"] * len(portraits) + [thing.kind for thing in things[len(portraits) :]])
        self.places = {kind: torch.from_numpy(np.flatnonzero(kinds == kind)) for kind in sizes}
        self.places["mixed"] = torch.arange(len(portraits), len(things))

    def batches(self, lessons: tuple[Lesson, ...], run: Span, candidates: int) -> Iterator[JudgedBatch]:
        """Batches without end.

        Args:
            lessons: the curriculum.
            run: its length, where it begins, and queries of a batch; there are fewer where documents are long.
            candidates: documents of a query; there must be more wrong ones of each kind.
        """
        for number in itertools.count(run.first):
            lesson, kind = stage_and_kind(lessons, number, run)
            count = max(1, round(run.size * SHARE.get(kind, 1.0)))
            yield self._batch(random.Random(f"{self.seed}/{number}"), lesson, kind, count, candidates)

    def _batch(self, rng: random.Random, lesson: Lesson, kind: str, queries: int, candidates: int) -> JudgedBatch:
        """One batch of a kind."""
        if kind in self.given.datasets:
            return self.given.batch(rng, kind, queries, candidates)
        places = self.places[kind]
        named = self.kinds if kind == "mixed" else ("scene",) if kind == "portrait" else (kind,)
        plan = world.Plan(sizes=dict.fromkeys(named, 1))
        answers = [int(places[rng.randrange(len(places))]) for _ in range(queries)]
        levels = (1, 0, 0) if kind == "portrait" else lesson.levels
        asked = [
            world.question(self.shown[answer].thing, rng.choices((1, 2, 3), levels)[0], rng, plan) for answer in answers
        ]
        items = [asked_item(query, rng) for query in asked]
        vectors, query_features = self.reader.read(items)
        order = (vectors @ self.vectors[places].T).argsort(1, descending=True)
        flat: list[Shown] = []
        for answer, query, liked in zip(answers, asked, order, strict=True):
            flat.append(self.shown[answer])
            flat += self._wrong(query, places[liked].tolist(), answer, lesson.liked, rng, candidates - 1)
        batch = packed(self.reader, items, vectors, query_features, flat, kind)
        return replace(batch, asked=tuple(asked), shown=tuple(one.thing for one in flat))

    def _wrong(
        self, query: world.Query, liked: list[int], answer: int, share: float, rng: random.Random, count: int
    ) -> list[Shown]:
        """Documents that do not answer a query, a share of them of those it would be shown with in a search.

        Where the embedder does not find the answer, they are any: beside its favourites the answer would be what it
        likes least, which teaches to contradict it.
        """
        wrong = [self.shown[place] for place in liked if not self.shown[place].answers(query)]
        near = max(count + 1, NEAR if liked.index(answer) < NEAR else len(wrong))
        chosen: set[int] = set()
        while len(chosen) < min(count, len(wrong)):
            depth = near if rng.random() < share else len(wrong)
            chosen.add(rng.randrange(min(len(wrong), depth)))
        return [wrong[place] for place in sorted(chosen)]


SHARE = {"clip": 0.4, "page": 0.9, "note": 1.5, "clip-moments": 0.35, "composed-to-picture": 0.75}
SHARE |= dict.fromkeys(("picture-object", "picture-background", "picture-questions", "picture-to-text"), 3.0)
SHARE |= dict.fromkeys(("page-questions", "chart-questions"), 2.0)
"""Queries of a batch by kind or dataset, so that batches cost about the same."""
