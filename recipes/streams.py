"""Batches of the world for training: one kind of document per batch, drawn by worker processes."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from anyseek import world
from anyseek.batch import PackedBatch, pack
from anyseek.engine.embedder import QUERY_INSTRUCTION
from anyseek.items import Item, Limits, Text
from anyseek.processing import Processor
from anyseek.world.lexicon import name
from anyseek.world.things import COLOUR_VALUES

__all__ = ["Contrastive", "ContrastiveBatch", "Judged", "JudgedBatch", "Stage", "batches"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a part of a run sees.

    Attributes:
        until: share of the run at which it ends.
        kinds: weight of each kind of document; `names` are pairs of names of one object in two languages, `mixed` are
            queries that look for every kind, `portrait` are pictures of one large object.
        levels: weights of the difficulties.
        english: share of queries in English.
        negatives: near misses per pair, 0 to 1.
        max_pixels: of pictures and pages.
        prototypes: weight of the prototype loss.
        contrast: weight of InfoNCE; at 0 queries are left out, and twice as many documents stand in for them.
    """

    until: float
    kinds: dict[str, float]
    levels: tuple[float, float, float]
    english: float
    negatives: float
    max_pixels: int
    prototypes: float = 0.0
    contrast: float = 1.0


@dataclass(frozen=True, slots=True)
class ContrastiveBatch:
    """Queries, then their positives, then hard negatives, packed; and which documents may count as negatives.

    Attributes:
        packed: all sequences.
        queries: how many of them are queries.
        allowed: `(queries, documents)` bool, False where the document answers the query too.
        subjects: `(sequences,)` number of the one object that a sequence is about, or -1.
        kind: of the documents.
        stage: where the run stands.
    """

    packed: PackedBatch
    queries: int
    allowed: Tensor
    subjects: Tensor
    kind: str
    stage: Stage


@dataclass(frozen=True, slots=True)
class JudgedBatch:
    """Reranking prompts and their labels `(pairs,)`, 1 for yes."""

    packed: PackedBatch
    labels: Tensor
    kind: str


class Span(Protocol):
    """How long a run is, where in it this process begins, and pairs of a batch."""

    steps: int
    first: int
    size: int


class Contrastive(IterableDataset):
    """Endless batches for the embedder."""

    def __init__(self, processor: Processor, stages: tuple[Stage, ...], run: "Span", seed: int) -> None:
        """Batches of about `run.size` pairs; the stage of a batch follows from its number out of `run.steps`."""
        self.processor, self.stages, self.run, self.seed = processor, stages, run, seed

    def __iter__(self) -> Iterator[ContrastiveBatch]:
        """Every worker makes every n-th batch."""
        for number, rng in _numbers(self.seed, self.run.first):
            stage = next((s for s in self.stages if number < s.until * self.run.steps), self.stages[-1])
            # The kind is the same in every process: they wait for each other, and kinds differ in cost.
            kind = random.Random(number).choices(list(stage.kinds), list(stage.kinds.values()))[0]
            yield self._names(rng, stage) if kind == "names" else self._things(rng, stage, kind)

    def _things(self, rng: random.Random, stage: Stage, kind: str) -> ContrastiveBatch:
        """Pairs of one kind; the second half of the documents are near misses."""
        size = max(8, round(self.run.size * SHARE[kind])) * (1 if stage.contrast else 2)
        pairs = _pairs(rng, stage, kind, size)
        subjects = [_subject(pair.query) for pair in pairs]
        misses = [n for p in pairs[: round(size * stage.negatives)] for n in p.negatives]
        documents = [p.positive for p in pairs] + misses
        queries = [_query(p.query, stage, rng) for p in pairs] if stage.contrast else []
        about = [*subjects[: len(queries)], *subjects, *[-1] * (len(documents) - size)]
        shown = [_document(document, stage) for document in documents]
        return self._batch(queries, shown, ~_matches(pairs, documents), about, kind, stage)

    def _names(self, rng: random.Random, stage: Stage) -> ContrastiveBatch:
        """Names of different objects in one language, and in others."""
        chosen, left, right = rng.sample(SUBJECTS, 2 * self.run.size), [], []
        for object_id in chosen:
            spoken = [spelt for language in world.languages() if (spelt := name(object_id, language))]
            one, other = rng.sample(spoken, 2)
            left.append(Item((Text(object_id if rng.random() < 0.3 else one),), rng.choice(INSTRUCTIONS)))
            right.append(Item((Text(object_id if rng.random() < 0.3 else other),)))
        about = [SUBJECTS.index(object_id) for object_id in chosen]
        return self._batch(left, right, ~torch.eye(len(left), dtype=torch.bool), about * 2, "names", stage)

    def _batch(
        self, queries: list[Item], documents: list[Item], allowed: Tensor, about: list[int], kind: str, stage: Stage
    ) -> ContrastiveBatch:
        """Decode and pack."""
        packed = pack([self.processor.sample(item) for item in [*queries, *documents]])
        return ContrastiveBatch(packed, len(queries), allowed, torch.tensor(about), kind, stage)


class Judged(IterableDataset):
    """Endless batches for the reranker: every query with its positive, a near miss and a stranger."""

    def __init__(self, processor: Processor, stage: Stage, size: int, seed: int) -> None:
        """Batches of about `size` queries."""
        self.processor, self.stage, self.size, self.seed = processor, stage, size, seed

    def __iter__(self) -> Iterator[JudgedBatch]:
        """Every worker makes every n-th batch."""
        for number, rng in _numbers(self.seed, 0):
            kind = random.Random(number).choices(list(self.stage.kinds), list(self.stage.kinds.values()))[0]
            pairs = _pairs(rng, self.stage, kind, max(4, round(self.size * SHARE[kind])))
            judged = []
            for place, pair in enumerate(pairs):
                stranger = pairs[(place + 1) % len(pairs)].positive
                judged += [(pair.query, thing) for thing in (pair.positive, *pair.negatives, stranger)]
            samples = [
                self.processor.pair_sample(_query(query, self.stage, rng), _document(thing, self.stage))
                for query, thing in judged
            ]
            labels = torch.tensor([float(query.matches(thing)) for query, thing in judged])
            yield JudgedBatch(pack(samples), labels, kind)


SUBJECTS = world.object_ids("train")
INSTRUCTIONS = (*world.INSTRUCTIONS.values(), QUERY_INSTRUCTION)
SHARE = {"scene": 1.0, "page": 0.6, "chart": 0.8, "clip": 0.5, "note": 1.0, "mixed": 0.7, "portrait": 1.0}
"""Pairs of a batch by kind, so that batches cost about the same."""
ALL_KINDS = {"scene": 4, "page": 3, "chart": 1, "clip": 2, "note": 1}


def _pairs(rng: random.Random, stage: Stage, kind: str, size: int) -> list[world.Pair]:
    """Training pairs of one kind, English or in mixed languages."""
    if kind == "portrait":
        return [_portrait(rng) for _ in range(size)]
    kinds = ALL_KINDS if kind == "mixed" else {kind: 1}
    mixes = [
        world.Mix(kinds=kinds, levels=stage.levels, negatives=1, language=language, mixed=float(kind == "mixed"))
        for language in ("en", None)
    ]
    streams = [world.pairs(rng.getrandbits(48), mix=mix) for mix in mixes]
    return [next(streams[rng.random() >= stage.english]) for _ in range(size)]


def _portrait(rng: random.Random) -> world.Pair:
    """One large object on a plain ground, and its name: the easiest picture there is."""
    object_id = rng.choice(SUBJECTS)
    group = world.Group(object_id, 1, "large", 0, 0)
    side = rng.randrange(80, 113, 4)
    scene = world.Scene(
        groups=(group,),
        columns=1,
        rows=1,
        colour=rng.choice(tuple(COLOUR_VALUES)),
        texture="plain",
        width=side,
        height=side,
        seed=rng.getrandbits(32),
    )
    return world.Pair(world.ask_by_name(object_id, kinds=("scene",)), scene, ())


def _subject(query: world.Query) -> int:
    """The number of the only object a query asks for, or -1."""
    about = [fact[1] for fact in query.needs if fact[0] == "about"]
    return SUBJECTS.index(about[0]) if len(about) == 1 == len(query.needs) else -1


def _matches(pairs: Sequence[world.Pair], documents: Sequence[world.Thing]) -> Tensor:
    """`(queries, documents)` bool: exact relevance."""
    known = [(document.kind, document.facts()) for document in documents]
    rows = [[kind in p.query.kinds and p.query.needs <= facts for kind, facts in known] for p in pairs]
    return torch.tensor(rows)


def _query(query: world.Query, stage: Stage, rng: random.Random) -> Item:
    """A query at the stage's resolution, half of the time with the instruction that search takes."""
    item = query.item(QUERY_INSTRUCTION if rng.random() < 0.5 else None)
    return replace(item, limits=Limits(max_pixels=stage.max_pixels))


def _document(thing: world.Thing, stage: Stage) -> Item:
    """A document at the stage's resolution."""
    return replace(thing.item(), limits=Limits(max_pixels=stage.max_pixels))


def _numbers(seed: int, first: int) -> Iterator[tuple[int, random.Random]]:
    """This worker's batch numbers from `first` on, each with its own randomness."""
    worker = torch.utils.data.get_worker_info()
    number, step = (first + worker.id, worker.num_workers) if worker else (first, 1)
    while True:
        yield number, random.Random(f"{seed}/{number}")
        number += step


def batches(dataset: IterableDataset, workers: int) -> DataLoader:
    """Batches from worker processes, a few ahead."""
    ahead = 4 if workers else None
    return DataLoader(dataset, batch_size=None, num_workers=workers, prefetch_factor=ahead)
