"""Batches of the world for training: one kind of document per batch, drawn by worker processes."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from anyseek import world
from anyseek.batch import PackedBatch, pack
from anyseek.engine.embedder import QUERY_INSTRUCTION
from anyseek.items import Image, Item, Limits, Text
from anyseek.processing import Processor
from anyseek.world.canvas import Words, paint, text_width
from anyseek.world.lexicon import called
from anyseek.world.pages import PAGE_LANGUAGES
from anyseek.world.things import COLOUR_VALUES

__all__ = [
    "SUBJECTS",
    "Contrastive",
    "ContrastiveBatch",
    "Span",
    "Stage",
    "asked_item",
    "batches",
    "portrait",
    "stage_and_kind",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a part of a run sees.

    Attributes:
        until: share of the run at which it ends.
        kinds: weight of each kind of document; `names` are pairs of names of one object in two languages, `mixed` are
            queries that look for every kind, `portrait` are pictures of one large object, `label` are printed names.
        levels: weights of the difficulties.
        english: share of queries in English.
        negatives: share of pairs with a near miss.
        max_pixels: of pictures and pages.
        prototypes: weight of the prototype loss.
        contrast: weight of InfoNCE; at 0 queries are left out (but names), and there are twice as many documents.
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
        answers: `(queries, documents)` bool, True where the document answers the query.
        subjects: `(sequences,)` number of the one object that a sequence is about, or -1.
        kind: of the documents.
        stage: where the run stands.
    """

    packed: PackedBatch
    queries: int
    answers: Tensor
    subjects: Tensor
    kind: str
    stage: Stage


class Span(Protocol):
    """How long a run is, where in it this process begins, and pairs of a batch."""

    steps: int
    first: int
    size: int


class Phase(Protocol):
    """A part of a curriculum: until which share of the run, and the weight of each kind."""

    until: float
    kinds: Mapping[str, float]


S = TypeVar("S", bound=Phase)


class Contrastive(IterableDataset):
    """Endless batches for the embedder."""

    def __init__(self, processor: Processor, stages: tuple[Stage, ...], run: Span, seed: int) -> None:
        """Batches of about `run.size` pairs; the stage of a batch follows from its number out of `run.steps`."""
        self.processor, self.stages, self.run, self.seed = processor, stages, run, seed

    def __iter__(self) -> Iterator[ContrastiveBatch]:
        """Every worker makes every n-th batch."""
        for rng, stage, kind in _drawn(self.stages, self.run, self.seed):
            yield self._batch(rng, stage, kind)

    def _batch(self, rng: random.Random, stage: Stage, kind: str) -> ContrastiveBatch:
        """Pairs of one kind, decoded and packed; the documents after the positives are near misses."""
        size = max(8, round(self.run.size * SHARE[kind])) * (1 if stage.contrast else 2)
        pairs = _pairs(rng, stage, kind, size)
        subjects = [_subject(pair.query) for pair in pairs]
        misses = [n for p in pairs[: round(size * stage.negatives)] for n in p.negatives]
        documents = [p.positive for p in pairs] + misses
        queries = [_query(p.query, stage, rng) for p in pairs] if stage.contrast or kind == "names" else []
        about = [*subjects[: len(queries)], *subjects, *[-1] * (len(documents) - size)]
        shown = [_document(document, stage) for document in documents]
        packed = pack([self.processor.sample(item) for item in [*queries, *shown]])
        answers = _matches(pairs, documents)
        return ContrastiveBatch(packed, len(queries), answers, torch.tensor(about), kind, stage)


SUBJECTS = world.object_ids("train")
SHARE = {
    "names": 1.0,
    "scene": 1.0,
    "page": 0.6,
    "chart": 0.8,
    "clip": 0.5,
    "note": 1.0,
    "mixed": 0.7,
    "portrait": 0.5,
    "label": 0.5,
}
"""Pairs of a batch by kind, so that batches cost about the same."""
ALL_KINDS = {"scene": 4, "page": 3, "chart": 1, "clip": 2, "note": 1}


def _pairs(rng: random.Random, stage: Stage, kind: str, size: int) -> list[world.Pair]:
    """Training pairs of one kind, English or in mixed languages."""
    if kind in EASIEST:
        return [EASIEST[kind](rng) for _ in range(size)]
    kinds = ALL_KINDS if kind == "mixed" else {kind: 1}
    mixes = [
        world.Mix(kinds=kinds, levels=stage.levels, negatives=1, language=language, mixed=float(kind == "mixed"))
        for language in ("en", None)
    ]
    streams = [world.pairs(rng.getrandbits(48), mix=mix) for mix in mixes]
    return [next(streams[rng.random() >= stage.english]) for _ in range(size)]


def portrait(rng: random.Random) -> world.Pair:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """The name of an object in a language."""

    object_id: str
    language: str

    def facts(self) -> frozenset[world.Fact]:
        """About its object."""
        return frozenset({("about", self.object_id)})

    def compositions(self) -> tuple[world.Composition, ...]:
        """None."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Label(Name):
    """A name printed on a small sheet of paper."""

    size: int
    face: str
    colour: str

    kind = "page"

    def draw(self) -> np.ndarray:
        """Pixels of shape (height, width, 3), uint8."""
        text = called(self.object_id, self.language)
        line = Words(8, 6, text, self.size, self.face, COLOUR_VALUES[self.colour])
        width = max(48, round(text_width(text, self.size, self.face)) + 16)
        return paint([line], (width, self.size + 20), (255, 255, 255))

    def item(self) -> Item:
        """The sheet as an input of the model."""
        return Item((Image(self.draw()),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Word(Name):
    """A name and nothing else: the easiest text there is."""

    kind = "note"

    def draw(self) -> str:
        """The name."""
        return called(self.object_id, self.language)

    def item(self) -> Item:
        """The name as an input of the model."""
        return Item((Text(self.draw()),))


def _word(rng: random.Random) -> world.Pair:
    """An object by name in two languages, either English in three of ten."""
    one, other = ("en" if rng.random() < 0.3 else rng.choice(world.languages()) for _ in range(2))
    object_id = rng.choice(SUBJECTS)
    query = world.ask_by_name(object_id, one, kinds=("note",))
    return world.Pair(query, Word(object_id=object_id, language=other), ())


def _label(rng: random.Random) -> world.Pair:
    """A printed name, English in half of them, and its object: the easiest page there is."""
    language = "en" if rng.random() < 0.5 else rng.choice(PAGE_LANGUAGES)
    sheet = Label(
        object_id=rng.choice(SUBJECTS),
        language=language,
        size=rng.randrange(14, 27),
        face=rng.choice(("sans", "sans-bold", "serif")),
        colour=rng.choice(("black", "red", "green", "blue", "purple", "brown")),
    )
    return world.Pair(world.ask_by_name(sheet.object_id, kinds=("page",)), sheet, ())


EASIEST = {"names": _word, "portrait": portrait, "label": _label}


def _subject(query: world.Query) -> int:
    """The number of the only object a query asks for, or -1."""
    about = [fact[1] for fact in query.needs if fact[0] == "about"]
    return SUBJECTS.index(about[0]) if len(about) == 1 == len(query.needs) else -1


def _matches(pairs: Sequence[world.Pair], documents: Sequence[world.Thing]) -> Tensor:
    """`(queries, documents)` bool: exact relevance."""
    answers = torch.zeros(len(pairs), len(documents), dtype=torch.bool)
    for query, right in world.judge([pair.query for pair in pairs], documents).items():
        answers[query, sorted(right)] = True
    return answers


def asked_item(query: world.Query, rng: random.Random) -> Item:
    """A query, half of the time with the instruction that search takes."""
    return query.item(QUERY_INSTRUCTION if rng.random() < 0.5 else None)


def _query(query: world.Query, stage: Stage, rng: random.Random) -> Item:
    """A query at the stage's resolution."""
    return replace(asked_item(query, rng), limits=Limits(max_pixels=stage.max_pixels))


def _document(thing: world.Thing, stage: Stage) -> Item:
    """A document at the stage's resolution."""
    return replace(thing.item(), limits=Limits(max_pixels=stage.max_pixels))


def _drawn(stages: tuple[Stage, ...], run: Span, seed: int) -> Iterator[tuple[random.Random, Stage, str]]:
    """For each batch its randomness, stage and kind."""
    for number, rng in _numbers(seed, run.first):
        yield rng, *stage_and_kind(stages, number, run)


def stage_and_kind(stages: tuple[S, ...], number: int, run: Span) -> tuple[S, str]:
    """Where batch `number` of a run stands in a curriculum, and the kind of its documents."""
    stage = next((one for one in stages if number < one.until * run.steps), stages[-1])
    # The kind is the same in every process: they wait for each other, and kinds differ in cost.
    return stage, random.Random(number).choices(list(stage.kinds), list(stage.kinds.values()))[0]


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
