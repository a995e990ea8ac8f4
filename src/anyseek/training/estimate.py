"""What a stage needs, told before anything is loaded: memory, and the work of a step.

It is for one device, or for one of several processes. Every input counts whole: beginnings that inputs share are
computed once in truth. Not counted are the matrices of the loss, the frozen vision tower while it runs, and what the
allocator wastes; seconds are those that the matrix products take at the given rate, the least there can be.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from itertools import islice
from math import ceil
from pathlib import Path

import torch

from anyseek.engine.runtime import DTYPES, own_limits
from anyseek.errors import AnyseekError, CheckpointError, ConfigError
from anyseek.items import Item, Limits, Text, Video
from anyseek.model import ModelConfig
from anyseek.model.hub import OWN_FILE, locate
from anyseek.model.shapes import published_shape
from anyseek.processing.rules import REFERENCE
from anyseek.training.costs import Costs, Trains
from anyseek.training.data import Dataset, Example
from anyseek.training.stage import Stage, StageSource

__all__ = ["Assumed", "Load", "Memory", "Needs", "Work", "config_for", "estimate", "loads_of"]

LOOKED_AT = 16
"""Examples of a dataset that tokens are guessed from."""
CHARACTERS = 4
"""Of a token of text, about."""
CELL = 1024
"""Pixels of a merged patch."""
MERGED = 4
"""Patches of a visual token."""
FP32 = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """What an input is taken to be before it is opened, in tokens.

    Attributes:
        image: of a picture or page; the report's training had at most so many.
        video: of a video, likewise.
        groups: pairs of frames that those of a video are divided among.
        text: of a query whose dataset is not there yet; its documents are taken for one picture each.
        template: of a prompt, beside what the user gave.
    """

    image: int = 1280
    video: int = 4500
    groups: int = 32
    text: int = 64
    template: int = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Inputs, or their mean: what goes through the model.

    Attributes:
        tokens: of the text tower.
        visual: merged patches, of which each is a token too.
        pairs: of tokens, of which one sees the other.
        patch_pairs: of patches likewise.
        longest: tokens of the longest input.
        largest: patches of the largest picture.
    """

    tokens: float = 0.0
    visual: float = 0.0
    pairs: float = 0.0
    patch_pairs: float = 0.0
    longest: float = 0.0
    largest: float = 0.0

    @classmethod
    def of(cls, text: int, visuals: Sequence[int] = ()) -> "Load":
        """One prompt of so many tokens of text, and visual tokens of each picture or pair of frames."""
        tokens = text + sum(visuals)
        patches = [MERGED * one for one in visuals]
        return cls(
            tokens=tokens,
            visual=sum(visuals),
            pairs=tokens * (tokens + 1) / 2,
            patch_pairs=sum(one * one for one in patches),
            longest=tokens,
            largest=max(patches, default=0),
        )

    def __add__(self, other: "Load") -> "Load":
        """Both."""
        sums = {name: getattr(self, name) + getattr(other, name) for name in ADDED}
        return Load(longest=max(self.longest, other.longest), largest=max(self.largest, other.largest), **sums)

    def times(self, count: float) -> "Load":
        """So many of them."""
        scaled = {name: getattr(self, name) * count for name in ADDED}
        return Load(longest=self.longest, largest=self.largest, **scaled)

    @property
    def cost(self) -> float:
        """Tokens and merged patches, as `piece_tokens` counts them."""
        return self.tokens + self.visual


ADDED = ("tokens", "visual", "pairs", "patch_pairs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bytes.

    Attributes:
        weights: as the model runs with them.
        adapters: beside them.
        masters: fp32 copies of what learns.
        moments: both of AdamW.
        gradients: of what learns, and their fp32 copies.
        activations: of the largest piece, kept for its gradients.
        together: of weights in shards, the largest part while it is whole, and its gradient.
    """

    weights: float
    adapters: float
    masters: float
    moments: float
    gradients: float
    activations: float
    together: float = 0.0

    @property
    def total(self) -> float:
        """All of it."""
        return sum(float(getattr(self, one.name)) for one in fields(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Floating-point operations.

    Attributes:
        forward: once over the batch.
        again: what is computed a second time, for pieces and for checkpointed layers.
        backward: gradients.
    """

    forward: float
    again: float
    backward: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.forward + self.again + self.backward


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a stage needs.

    Attributes:
        tokens: of a step, the mean of the mixture.
        visual: merged patches likewise.
        pieces: that the largest batch is cut into.
        memory: at its largest.
        work: of a step, the mean of the mixture.
        seconds: of a step; None without a rate.
        notes: what was taken for granted.
    """

    tokens: float
    visual: float
    pieces: int
    memory: Memory
    work: Work
    seconds: float | None
    notes: tuple[str, ...] = field(default=())


def config_for(stage: Stage) -> ModelConfig:
    """The config of the model that a stage begins with, from its folder, or as published.

    Raises:
        CheckpointError: the model is not on this machine, and not one of the published.
    """
    try:
        return ModelConfig.from_file(_folder(stage) / "config.json")
    except CheckpointError:
        shape = published_shape(stage.model)
        if shape is None:
            raise
        return shape.config()


def _folder(stage: Stage) -> Path:
    """Where its model lies."""
    return locate(stage.model, "embedding" if stage.kind == "embedder" else "reranking")


def estimate(
    stage: Stage, config: ModelConfig, *, rate: float | None = None, loads: Sequence[Load] = (), processes: int = 1
) -> Needs:
    """What a stage needs, in each process.

    Args:
        stage: nothing of it is opened but a few rows of its datasets.
        config: of its model.
        rate: floating-point operations a second of large matrix products, on the machine that will train.
        loads: the batch of each source; guessed by `loads_of` where there are none.
        processes: that weights in shards are divided among.

    Raises:
        ConfigError: the dtype is unknown, or loads and sources are not equally many.
        InputError: a dataset is there, and wrong.
    """
    notes: tuple[str, ...] = ()
    if not loads:
        loads, notes = loads_of(stage, _assumed(stage))
    if len(loads) != len(stage.sources):
        raise ConfigError(f"{len(stage.sources)} sources need as many loads (got {len(loads)})")
    if stage.sharded:
        notes = (*notes, f"weights and what learns are divided among {processes} process(es)")
    costs = Costs(config, _trains(stage))
    largest = max(loads, key=lambda load: load.cost)
    total = sum(source.weight for source in stage.sources)
    works = [_work(stage, costs, load) for load in loads]
    shares = [source.weight / total for source in stage.sources]
    work = Work(
        **{
            one.name: sum(share * getattr(each, one.name) for share, each in zip(shares, works, strict=True))
            for one in fields(Work)
        }
    )
    return Needs(
        tokens=sum(share * load.tokens for share, load in zip(shares, loads, strict=True)),
        visual=sum(share * load.visual for share, load in zip(shares, loads, strict=True)),
        pieces=_pieces(stage, largest),
        memory=_memory(stage, costs, loads, processes if stage.sharded else 1),
        work=work,
        seconds=work.total / rate if rate else None,
        notes=notes,
    )


def _trains(stage: Stage) -> Trains:
    """What learns in a stage."""
    if stage.dtype != "auto" and stage.dtype not in DTYPES:
        raise ConfigError(f"dtype {stage.dtype!r} is unknown; choose auto, {', '.join(DTYPES)}")
    has_gpu = stage.device.startswith("cuda") or (stage.device == "auto" and torch.cuda.is_available())
    dtype = DTYPES.get(stage.dtype, torch.bfloat16 if has_gpu else torch.float32)
    attention = ("varlen" if has_gpu else "sdpa") if stage.attention == "auto" else stage.attention
    return Trains(lora=stage.lora, vision=stage.vision, dtype=dtype, attention=attention)


def _pieces(stage: Stage, load: Load) -> int:
    """How many a batch is cut into."""
    return ceil(load.cost / stage.piece_tokens)


def _memory(stage: Stage, costs: Costs, loads: Sequence[Load], shards: int) -> Memory:
    """At its largest, over the batches of all sources."""
    trains = costs.trains
    learning, own = costs.learning_weights / shards, trains.adapter_dtype.itemsize
    return Memory(
        weights=costs.weights * trains.dtype.itemsize / shards,
        adapters=costs.adapter_weights * own / shards,
        masters=learning * FP32,
        moments=2 * learning * FP32,
        gradients=learning * (own + FP32),  # those of the masters stay until the next step takes their place
        activations=max(_activations(stage, costs, load) for load in loads),
        together=_together(costs) if stage.sharded else 0.0,
    )


def _together(costs: Costs) -> float:
    """The embedding, larger than any layer, and its gradient, which processes add up in fp32."""
    text, trains = costs.config.text, costs.trains
    size = trains.dtype.itemsize
    return text.vocab_size * text.hidden_size * (size + (size + FP32) * trains.learns("text"))


def _activations(stage: Stage, costs: Costs, load: Load) -> float:
    """Of one piece; an input that is larger than a piece stands alone."""
    alone = load.longest + load.largest / MERGED
    share = min(1.0, max(stage.piece_tokens, alone) / load.cost)
    per_token = costs.text_kept(ceil(load.longest), checkpointing=stage.checkpointing)
    per_patch = costs.patch_kept(ceil(load.largest), checkpointing=stage.checkpointing)
    return share * (load.tokens * per_token + MERGED * load.visual * per_patch)


def _work(stage: Stage, costs: Costs, load: Load) -> Work:
    """Of one batch."""
    text = load.tokens * costs.flops("text") + load.pairs * costs.attention_flops("text")
    vision = load.visual * (MERGED * costs.flops("patch") + costs.flops("merged"))
    vision += load.patch_pairs * costs.attention_flops("patch")
    learning = load.tokens * costs.flops("text", learning=True)
    learning += load.pairs * costs.attention_flops("text", learning=True)
    if costs.vision_has_gradients:
        per_patch, per_merged = costs.flops("patch", learning=True), costs.flops("merged", learning=True)
        learning += load.visual * (MERGED * per_patch + per_merged)
        learning += load.patch_pairs * costs.attention_flops("patch", learning=True)
    again = text + vision if _pieces(stage, load) > 1 else 0.0
    if stage.checkpointing:
        again += text + vision * costs.vision_has_gradients
    return Work(forward=text + vision, again=again, backward=learning)


def loads_of(stage: Stage, assumed: Assumed) -> tuple[tuple[Load, ...], tuple[str, ...]]:
    """The batch of each source, and notes on what was assumed.

    A dataset that is there lends the lengths of its texts and the numbers of its pictures; nothing is opened.

    Raises:
        InputError: a dataset is there, and wrong.
    """
    loads, notes = [], [f"a picture is taken for {assumed.image:,} tokens, a video for {assumed.video:,}"]
    for source in stage.sources:
        looked = list(_looked_at(source, stage, assumed)) if (source.folder / "dataset.json").is_file() else []
        if not looked:
            notes.append(
                f"{source.folder} is not here: queries of {assumed.text} tokens and one picture a document are assumed"
            )
            looked = [_prompts(stage, _missing(source, assumed), assumed)]
        mean = sum(looked[1:], looked[0]).times(1 / len(looked))
        loads.append(mean.times(source.queries))
    return tuple(loads), tuple(notes)


Shown = tuple[int, tuple[int, ...]]
"""Tokens of text, and visual tokens of each picture or pair of frames, of an item."""


def _missing(source: StageSource, assumed: Assumed) -> list[Shown]:
    """A query and its documents, of a dataset that is not there."""
    return [(assumed.text, ()), *[(0, (assumed.image,))] * (1 + source.negatives)]


def _looked_at(source: StageSource, stage: Stage, assumed: Assumed) -> Iterator[Load]:
    """A query with its documents as a step takes them, for some rows of a dataset."""
    dataset = Dataset.open(source.folder)
    step = max(1, len(dataset) // LOOKED_AT)
    for row in islice(range(0, len(dataset), step), LOOKED_AT):
        example = dataset.example(row)
        items = [example.query, *(dataset.document(key) for key in _documents(example, source.negatives))]
        yield _prompts(stage, [_shown(item, assumed) for item in items], assumed)


def _documents(example: Example, negatives: int) -> tuple[str, ...]:
    """As many as a step takes."""
    return (*example.positives[:1], *example.negatives[:negatives]) or example.documents[: 1 + negatives]


def _shown(item: Item, assumed: Assumed) -> Shown:
    """Of an item that is not opened."""
    characters = len(item.instruction or "") + sum(len(part.text) for part in item.parts if isinstance(part, Text))
    videos = sum(isinstance(part, Video) for part in item.parts)
    pictures = sum(not isinstance(part, Text | Video) for part in item.parts)
    group = max(1, assumed.video // assumed.groups)
    return ceil(characters / CHARACTERS), (assumed.image,) * pictures + (group,) * (videos * assumed.groups)


def _prompts(stage: Stage, shown: Sequence[Shown], assumed: Assumed) -> Load:
    """A query and its documents: a prompt of each for an embedder, of each pair for a reranker."""
    prompts = list(shown)
    if stage.kind == "reranker":
        text, visuals = shown[0]
        prompts = [(text + more, (*visuals, *seen)) for more, seen in shown[1:]]
    return sum((Load.of(text + assumed.template, visuals) for text, visuals in prompts), Load())


def _assumed(stage: Stage) -> Assumed:
    """The stage's own limits; without any the report's, or those of the model's folder where they are lower."""
    report, given = Assumed(), stage.limits
    try:
        known = own_limits(_folder(stage) / OWN_FILE)
    except AnyseekError:  # the model is not here; `config_for` says so where that matters
        known = Limits()
    image = _cells(given.max_pixels) or min(report.image, _cells(known.max_pixels) or report.image)
    video = _cells(given.total_pixels) or min(report.video, _cells(known.total_pixels) or report.video)
    rest = given.over(known).over(REFERENCE)
    groups = max(1, (rest.max_frames or 2 * report.groups) // 2)
    frame = _cells(rest.max_frame_pixels) or video
    return Assumed(image=image, video=min(video, groups * frame), groups=groups)


def _cells(pixels: int | None) -> int:
    """Merged patches that so many pixels are at most; 0 where nothing is said."""
    return max(1, pixels // CELL) if pixels else 0
