"""What an embedder finds, for the reranker to judge: its candidates in training are those it will be shown."""

import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from anyseek import world
from anyseek.batch import PackedBatch, Sample, pack
from anyseek.items import Item, Text
from anyseek.model import Backbone, pooled_embedding
from anyseek.processing import Processor
from recipes.streams import Span, asked_item, portrait, stage_and_kind

__all__ = ["Found", "FoundBatch", "Lesson", "Reader"]

NOTHING = Item((Text(""),))
DOCUMENT_MARKER = "<Document"
"""What follows the query in the reranking prompt, as far as its tokens never depend on what stands around it."""
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


@dataclass(frozen=True, slots=True)
class FoundBatch:
    """Queries, and for each as many documents, the first of which answers it and the others do not.

    Attributes:
        queries: the beginning of each query's prompt, up to its documents.
        query_features: of what the queries show; None without any.
        documents: the rest of each prompt, positions continued, a query's documents next to each other.
        features: of what the documents show; None without any.
        candidates: documents of a query.
        marks: `(documents,)` packed tokens that follow the query, the same in every prompt.
        asked_vectors: `(queries, dim)` of the embedder.
        shown_vectors: `(documents, dim)` likewise.
        asked: the queries.
        shown: the documents.
        kind: of the documents.
    """

    queries: PackedBatch
    query_features: Tensor | None
    documents: PackedBatch
    features: Tensor | None
    candidates: int
    marks: Tensor
    asked_vectors: Tensor
    shown_vectors: Tensor
    asked: tuple[world.Query, ...]
    shown: tuple[world.Thing, ...]
    kind: str

    @property
    def ends(self) -> Tensor:
        """`(2 * documents,)` packed tokens at which the query has been read, then those at which the document has."""
        return torch.cat([self.marks, self.documents.last_index])


@dataclass(frozen=True, slots=True)
class Reader:
    """An embedder's weights with the processors of both prompts.

    Attributes:
        model: the embedder; the reranker has its vision tower.
        embedding: processor of the embedder.
        reranking: processor of the reranker.
    """

    model: Backbone
    embedding: Processor
    reranking: Processor

    @torch.no_grad()
    def read(self, items: list[Item]) -> tuple[Tensor, list[Tensor]]:
        """Vectors `(items, dim)`, and the features of each item, of no rows where it shows nothing."""
        samples = [self.embedding.sample(item) for item in items]
        batch = pack(samples)
        empty = torch.empty((0, 1 + len(self.model.config.vision.deepstack_visual_indexes), 0))
        features = self.model.see(batch.patches, batch.grids) if len(batch.patches) else empty
        hidden = self.model(batch, last=True, features=features)
        return pooled_embedding(hidden), [f.clone() for f in features.split([len(s.visual_index) for s in samples])]

    def beginning(self, query: Item) -> tuple[Sample, Tensor]:
        """The prompt up to the document, and the `(3, 1)` position that follows."""
        sample = self.reranking.prepare_pair(query, NOTHING).sample
        start = self._document_starts(sample)
        return sample.cut(0, start), sample.position_ids[:, start : start + 1]

    def rest(self, document: Item) -> Sample:
        """The prompt from the document on, at positions that begin with 0."""
        sample = self.reranking.prepare_pair(NOTHING, document).sample
        start = self._document_starts(sample)
        rest = sample.cut(start, sample.num_tokens)
        return replace(rest, position_ids=rest.position_ids - sample.position_ids[:, start : start + 1])

    @property
    def mark(self) -> int:
        """Where in a rest the marker ends: the query has been read, the document has not."""
        return len(self.reranking.tokenizer.encode(DOCUMENT_MARKER, parse_special=False)) - 1

    def _document_starts(self, sample: Sample) -> int:
        """Where the document's marker begins; its tokens never depend on what stands around it."""
        marker = torch.tensor(self.reranking.tokenizer.encode(DOCUMENT_MARKER, parse_special=False))
        return int((sample.token_ids.unfold(0, len(marker), 1) == marker).all(1).nonzero()[0])


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A document of the collection."""

    thing: world.Thing
    facts: frozenset[world.Fact]
    rest: Sample
    vector: Tensor
    features: Tensor

    def answers(self, query: world.Query) -> bool:
        """Exact relevance."""
        return self.thing.kind in query.kinds and query.needs <= self.facts


class Found:
    """Endless batches: fresh queries for the things of a collection, each with documents that the embedder likes."""

    def __init__(self, reader: Reader, sizes: Mapping[str, int], seed: int) -> None:
        """Draw a collection of the training split with near misses in it, and read it once.

        Args:
            reader: of everything.
            sizes: things of each kind, portraits included.
            seed: of everything.
        """
        self.reader, self.seed = reader, seed
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
                self.shown.append(Shown(thing, thing.facts(), reader.rest(item), vector, own))
        self.vectors = torch.cat(vectors)
        kinds = np.array(["portrait"] * len(portraits) + [thing.kind for thing in things[len(portraits) :]])
        self.places = {kind: torch.from_numpy(np.flatnonzero(kinds == kind)) for kind in sizes}
        self.places["mixed"] = torch.arange(len(portraits), len(things))

    def batches(self, lessons: tuple[Lesson, ...], run: Span, candidates: int) -> Iterator[FoundBatch]:
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

    def _batch(self, rng: random.Random, lesson: Lesson, kind: str, queries: int, candidates: int) -> FoundBatch:
        """One batch of a kind."""
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
        beginnings = [self.reader.beginning(item) for item in items]
        rests = [
            replace(one.rest, position_ids=one.rest.position_ids + beginnings[place // candidates][1])
            for place, one in enumerate(flat)
        ]
        documents = pack(rests)
        return FoundBatch(
            queries=pack([beginning for beginning, _ in beginnings]),
            query_features=_joined(query_features),
            documents=documents,
            features=_joined([one.features for one in flat]),
            candidates=candidates,
            marks=torch.tensor([0, *documents.lengths[:-1]]).cumsum(0) + self.reader.mark,
            asked_vectors=vectors,
            shown_vectors=torch.stack([one.vector for one in flat]),
            asked=tuple(asked),
            shown=tuple(one.thing for one in flat),
            kind=kind,
        )

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


SHARE = {"clip": 0.4, "page": 0.9, "note": 1.5}
"""Queries of a batch by kind, so that batches cost about the same."""


def _joined(features: list[Tensor]) -> Tensor | None:
    """All features, or None if there are none."""
    some = [one for one in features if len(one)]
    return torch.cat(some) if some else None
