"""Batches of the world for training: one kind of document per batch, drawn by worker processes."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from anyseek import world
from anyseek.batch import PackedBatch, pack
from anyseek.items import Item, Limits, Text
from anyseek.processing import Processor
from anyseek.world.lexicon import name

__all__ = ["ContrastiveBatch", "Contrastive", "JudgedBatch", "Judged", "Stage", "batches"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a part of a run sees.

    Attributes:
        until: share of the run at which it ends.
        kinds: weight of each kind of document; `names` are pairs of names of one object in two languages.
        levels: weights of the difficulties.
        english: share of queries in English.
        negatives: near misses per pair, 0 to 1.
        max_pixels: of pictures and pages.
    """

    until: float
    kinds: dict[str, float]
    levels: tuple[float, float, float]
    english: float
    negatives: float
    max_pixels: int


@dataclass(frozen=True, slots=True)
class ContrastiveBatch:
    """Queries, then their positives, then hard negatives, packed; and which documents may count as negatives.

    Attributes:
        packed: all sequences.
        queries: how many of them are queries.
        allowed: `(queries, documents)` bool, False where the document answers the query too.
        kind: of the documents.
    """

    packed: PackedBatch
    queries: int
    allowed: Tensor
    kind: str


@dataclass(frozen=True, slots=True)
class JudgedBatch:
    """Reranking prompts and their labels `(pairs,)`, 1 for yes."""

    packed: PackedBatch
    labels: Tensor
    kind: str


class Contrastive(IterableDataset):
    """Endless batches for the embedder."""

    def __init__(self, processor: Processor, stages: tuple[Stage, ...], steps: int, size: int, seed: int) -> None:
        """Batches of about `size` pairs; the stage of a batch follows from its number out of `steps`."""
        self.processor, self.stages, self.steps, self.size, self.seed = processor, stages, steps, size, seed

    def __iter__(self) -> Iterator[ContrastiveBatch]:
        """Every worker makes every n-th batch."""
        for number, rng in _numbers(self.seed):
            stage = next(s for s in self.stages if number <= s.until * self.steps or s is self.stages[-1])
            kind = rng.choices(list(stage.kinds), list(stage.kinds.values()))[0]
            yield self._names(rng) if kind == "names" else self._things(rng, stage, kind)

    def _things(self, rng: random.Random, stage: Stage, kind: str) -> ContrastiveBatch:
        """Pairs of one kind; the second half of the documents are near misses."""
        size = max(8, round(self.size * SHARE[kind]))
        pairs = _pairs(rng, stage, kind, size)
        documents = [p.positive for p in pairs] + [n for p in pairs[: round(size * stage.negatives)] for n in p.negatives]
        samples = [self.processor.sample(_bounded(thing, stage)) for thing in [*(p.query for p in pairs), *documents]]
        matches = _matches(pairs, documents)
        return ContrastiveBatch(pack(samples), len(pairs), ~matches, kind)

    def _names(self, rng: random.Random) -> ContrastiveBatch:
        """Names of different objects in one language, and in others."""
        chosen, left, right = rng.sample(world.object_ids("train"), min(160, len(world.object_ids("train")))), [], []
        for object_id in chosen:
            spoken = [spelt for language in world.languages() if (spelt := name(object_id, language))]
            one, other = rng.sample(spoken, 2)
            left.append(Item((Text(one),), world.INSTRUCTIONS["note"]))
            right.append(Item((Text(other if rng.random() < 0.5 else object_id),)))
        samples = [self.processor.sample(item) for item in [*left, *right]]
        return ContrastiveBatch(pack(samples), len(left), ~torch.eye(len(left), dtype=torch.bool), "names")


class Judged(IterableDataset):
    """Endless batches for the reranker: every query with its positive, a near miss and a stranger."""

    def __init__(self, processor: Processor, stage: Stage, size: int, seed: int) -> None:
        """Batches of about `size` queries."""
        self.processor, self.stage, self.size, self.seed = processor, stage, size, seed

    def __iter__(self) -> Iterator[JudgedBatch]:
        """Every worker makes every n-th batch."""
        for _, rng in _numbers(self.seed):
            kind = rng.choices(list(self.stage.kinds), list(self.stage.kinds.values()))[0]
            pairs = _pairs(rng, self.stage, kind, max(4, round(self.size * SHARE[kind])))
            judged = []
            for place, pair in enumerate(pairs):
                stranger = pairs[(place + 1) % len(pairs)].positive
                judged += [(pair.query, thing) for thing in (pair.positive, *pair.negatives, stranger)]
            samples = [
                self.processor.pair_sample(_bounded(query, self.stage), _bounded(thing, self.stage))
                for query, thing in judged
            ]
            labels = torch.tensor([float(query.matches(thing)) for query, thing in judged])
            yield JudgedBatch(pack(samples), labels, kind)


SHARE = {"scene": 1.0, "page": 0.6, "chart": 0.8, "clip": 0.5, "note": 1.0}
"""Pairs of a batch by kind, so that batches cost about the same."""


def _pairs(rng: random.Random, stage: Stage, kind: str, size: int) -> list[world.Pair]:
    """Training pairs of one kind, English or in mixed languages."""
    mixes = [
        world.Mix(kinds={kind: 1}, levels=stage.levels, negatives=1, language=language) for language in ("en", None)
    ]
    streams = [world.pairs(rng.getrandbits(48), mix=mix) for mix in mixes]
    return [next(streams[rng.random() >= stage.english]) for _ in range(size)]


def _matches(pairs: Sequence[world.Pair], documents: Sequence[world.Thing]) -> Tensor:
    """`(queries, documents)` bool: exact relevance."""
    known = [(document.kind, document.facts()) for document in documents]
    rows = [[kind in p.query.kinds and p.query.needs <= facts for kind, facts in known] for p in pairs]
    return torch.tensor(rows)


def _bounded(thing: world.Thing | world.Query, stage: Stage) -> Item:
    """What the model takes, at the stage's resolution."""
    return replace(thing.item(), limits=Limits(max_pixels=stage.max_pixels))


def _numbers(seed: int) -> Iterator[tuple[int, random.Random]]:
    """This worker's batch numbers, each with its own randomness."""
    worker = torch.utils.data.get_worker_info()
    number, step = (worker.id, worker.num_workers) if worker else (0, 1)
    torch.set_num_threads(1)
    while True:
        yield number, random.Random(f"{seed}/{number}")
        number += step


def batches(dataset: IterableDataset, workers: int) -> DataLoader:
    """Batches from worker processes, a few ahead."""
    ahead = 4 if workers else None
    return DataLoader(dataset, batch_size=None, num_workers=workers, prefetch_factor=ahead, multiprocessing_context=None)
