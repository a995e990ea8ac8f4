"""The base of the bundled pair `anyseek-tiny`: embedder and reranker in the true architecture, from random weights.

    python -m recipes.base embedder runs/base --minutes 150 --steps 3600
    python -m recipes.base reranker runs/base --minutes 110 --steps 4000 --size 8
    python -m recipes.base fuse runs/base
    python -m recipes.base export runs/base

Over two processes, gradients averaged: `torchrun --nproc-per-node 2 -m recipes.base ...`.

Both learn from the world alone, and `recipes.tiny` goes on from them. It runs on a CPU in bf16: about 30 pairs a second
on one core of a 2024 server processor with AMX.
"""

import argparse
import itertools
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed

from anyseek.batch import pack
from anyseek.engine.runtime import LoadOptions, load_processor
from anyseek.items import Item, Text
from anyseek.model import (
    Backbone,
    ModelConfig,
    copy_tokenizer,
    load_backbone,
    pooled_embedding,
    save_checkpoint,
)
from anyseek.model.hub import OWN_FILE
from anyseek.processing import Processor, Tokenizer
from anyseek.training import Relevance, StepReport, TrainOptions, contrastive, prototype_loss, train
from recipes.bundling import bundle, fuse
from recipes.candidates import Reader
from recipes.found import Found
from recipes.judging import ATTENTION, Judging, Part, deepened
from recipes.streams import SUBJECTS, Contrastive, ContrastiveBatch, Stage, batches
from recipes.tokenizer import write_tokenizer

VOCAB = 8192
TEMPERATURE = 0.05
PROTOTYPE_TEMPERATURE = 0.07
LIMITS = {"max_pixels": 72 * 1024, "min_frame_pixels": 36 * 1024, "max_frame_pixels": 48 * 1024, "max_frames": 16}
"""What the tiny pair was trained for, and takes unless told otherwise."""

EMBEDDER_STAGES = (
    Stage(
        until=0.50,
        kinds={"names": 10, "portrait": 42, "label": 22, "scene": 26},
        levels=(1, 0, 0),
        english=0.6,
        negatives=0,
        max_pixels=16 * 1024,
        prototypes=1.0,
        contrast=0.0,
    ),
    Stage(
        until=0.62,
        kinds={"names": 6, "label": 8, "scene": 38, "clip": 16, "page": 24, "chart": 8},
        levels=(1, 0, 0),
        english=0.6,
        negatives=0,
        max_pixels=36 * 1024,
        prototypes=1.0,
        contrast=0.0,
    ),
    Stage(
        until=0.72,
        kinds={"names": 6, "scene": 38, "page": 20, "chart": 8, "clip": 12, "mixed": 16},
        levels=(3, 1, 0),
        english=0.5,
        negatives=0.1,
        max_pixels=40 * 1024,
        prototypes=1.0,
        contrast=0.5,
    ),
    Stage(
        until=1.0,
        kinds={"names": 4, "scene": 30, "page": 20, "chart": 8, "clip": 12, "note": 4, "mixed": 22},
        levels=(1, 1, 1),
        english=0.5,
        negatives=0.4,
        max_pixels=60 * 1024,
        prototypes=0.3,
    ),
)
RERANKER_LAYERS = 6
"""One more than the embedder has: it compares."""
COLLECTION = {"portrait": 500, "scene": 3000, "page": 1800, "chart": 600, "clip": 600, "note": 600}


def config(tokenizer: Tokenizer) -> ModelConfig:
    """9 million parameters in the published architecture, with the tokenizer's ids."""
    rope = {"mrope_section": [12, 10, 10], "mrope_interleaved": True, "rope_type": "default"}
    text = {
        "model_type": "qwen3_vl_text",
        "vocab_size": VOCAB,
        "hidden_size": 256,
        "intermediate_size": 640,
        "num_hidden_layers": 5,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 64,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "max_position_embeddings": 32768,
        "rope_theta": 5_000_000,
        "rope_scaling": rope,
        "tie_word_embeddings": True,
    }
    vision = {
        "model_type": "qwen3_vl",
        "depth": 6,
        "hidden_size": 160,
        "intermediate_size": 480,
        "num_heads": 4,
        "out_hidden_size": 256,
        "in_channels": 3,
        "deepstack_visual_indexes": [1, 3],
        "num_position_embeddings": 576,
        "patch_size": 16,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "hidden_act": "gelu_pytorch_tanh",
    }
    ids = {name: tokenizer.token_id(f"<|{token}|>") for name, token in _TOKEN_IDS.items()}
    return ModelConfig.from_dict(
        {"model_type": "qwen3_vl", "tie_word_embeddings": True, "text_config": text, "vision_config": vision, **ids}
    )


_TOKEN_IDS = {
    "image_token_id": "image_pad",
    "video_token_id": "video_pad",
    "vision_start_token_id": "vision_start",
    "vision_end_token_id": "vision_end",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One training run.

    Attributes:
        folder: where everything of the run lies.
        minutes: at most.
        steps: at most; the curriculum and the schedule follow them.
        size: pairs of a batch, or queries of a reranking batch.
        workers: processes that draw; 0 draws in between.
        texts: texts of the world that the tokenizer learns from.
        start: model folder to go on from, instead of random weights.
        first: step at which the curriculum then goes on.
        collection: documents of each kind that the reranker learns on; each process reads them once and then judges.
        given: dataset folders that are judged as well, with how often, where the kinds of `HARD` make 98.
        looked_at: batches from which what is known is told.
    """

    folder: Path
    minutes: float
    steps: int
    size: int = 64
    workers: int = 1
    texts: int = 60_000
    start: Path | None = None
    first: int = 0
    collection: Mapping[str, int] = field(default_factory=lambda: COLLECTION)
    given: Mapping[Path, float] = field(default_factory=dict)
    looked_at: int = 100

    @property
    def seed(self) -> int:
        """Of the data: every process, and every continuation, sees other pairs."""
        rank = distributed.get_rank() if distributed.is_initialized() else 0
        return 10_000 * self.first + rank


def embedder(run: Run) -> None:
    """InfoNCE from random weights, easy pairs first."""
    folder = run.folder / "embedder"
    if _is_first():
        if run.start:
            copy_tokenizer(run.start, folder)  # learnt anew it could differ, and its ids are the weights' rows
        else:
            write_tokenizer(folder, vocab=VOCAB, append_end=True, queries=run.texts)
        _write_limits(folder)
    _wait_for_others()
    processor = load_processor(folder, LoadOptions(), 8192)
    if run.start:
        model = load_backbone(run.start, dtype=torch.bfloat16, device="cpu").train().requires_grad_(True)
    else:
        model = Backbone(config(processor.tokenizer)).to(torch.bfloat16)
        model.initialise(torch.Generator().manual_seed(0))
    prototypes = _prototypes(model, processor, from_names=run.start is not None)

    def loss(batch: ContrastiveBatch) -> Tensor:
        """Prototypes of the objects, and InfoNCE of the packed queries and documents once those have formed."""
        vectors = pooled_embedding(model(batch.packed, last=True, backend=ATTENTION))
        start = prototype_loss(vectors[: len(batch.subjects)], batch.subjects, prototypes.weight, PROTOTYPE_TEMPERATURE)
        if not batch.stage.contrast:
            return start
        queries, documents = vectors[: batch.queries], vectors[batch.queries :]
        judged = Relevance(
            positive=torch.arange(len(queries)), own=torch.eye(*batch.answers.shape, dtype=bool), answers=batch.answers
        )
        contrast = contrastive(queries, documents, judged, temperature=TEMPERATURE, margin=None, symmetric=False)
        return batch.stage.prototypes * start + batch.stage.contrast * contrast

    data = Contrastive(processor, EMBEDDER_STAGES, run, run.seed)
    options = TrainOptions(
        steps=run.steps, first=run.first, learning_rate=1e-3, warmup_steps=30, max_seconds=run.minutes * 60
    )
    learning = torch.nn.ModuleList([model, prototypes])
    _run(model, learning, batches(data, run.workers), loss, options, folder / "log.jsonl", {})


def _prototypes(model: Backbone, processor: Processor, from_names: bool) -> torch.nn.Embedding:
    """One vector per object: of its English name when the model has learnt names already, else random.

    Their length is about 1, so that a step of AdamW turns them as fast as it turns the model's vectors.
    """
    if from_names:
        samples = [processor.sample(Item((Text(object_id),))) for object_id in SUBJECTS]
        with torch.no_grad():
            packed = pack(samples)
            return torch.nn.Embedding.from_pretrained(
                pooled_embedding(model(packed, last=True, backend=ATTENTION)), freeze=False
            )
    width = model.config.text.hidden_size
    directions = torch.randn(len(SUBJECTS), width, generator=torch.Generator().manual_seed(0)) * width**-0.5
    return torch.nn.Embedding.from_pretrained(directions, freeze=False)


def reranker(run: Run) -> None:
    """Yes or no on what the embedder finds, in the parts of `Judging`; a run that goes on has the last one only.

    The vision tower stays the embedder's: its features of a document serve all queries, in training as in search.
    """
    folder, first = run.folder / "reranker", run.folder / "embedder"
    source = run.start or first
    if _is_first():
        _copy_tokenizer(source, folder)
        _write_limits(folder)
    _wait_for_others()
    known = load_backbone(first, dtype=torch.bfloat16, device="cpu")
    reader = Reader(known, load_processor(first, LoadOptions(), 8192), load_processor(folder, LoadOptions(), 10_240))
    model = deepened(load_backbone(source, dtype=torch.bfloat16, device="cpu"), RERANKER_LAYERS).train()
    model.visual = known.visual
    found = Found(reader, run.collection, run.seed, run.given)
    judging = Judging(model, reader.reranking.tokenizer.yes_no_ids(), found.vectors)

    def learn(part: Part) -> None:
        """Train a part."""
        model.requires_grad_(False)
        part.learning.requires_grad_(True)
        steps = round(part.steps * run.steps)
        options = TrainOptions(
            steps=steps,
            first=run.first,
            learning_rate=part.rate,
            warmup_steps=30,
            spike=3.0,
            max_seconds=run.minutes * 60 * part.share,
        )
        data = found.batches(part.lessons, replace(run, steps=steps, size=part.size), part.candidates)
        _run(model, part.learning, data, part.loss, options, folder / f"log-{part.name}.jsonl", judging.watched)

    know, judge = judging.parts({folder.name: often for folder, often in run.given.items()})
    some = itertools.islice(found.batches(know.lessons, replace(run, size=know.size), know.candidates), run.looked_at)
    if run.start:
        judging.settle(some)
    else:
        learn(know)
        judging.compose(some)
    learn(judge)


def _is_first() -> bool:
    """True in the process that writes files."""
    return not distributed.is_initialized() or distributed.get_rank() == 0


def _wait_for_others() -> None:
    """Until every process is here."""
    if distributed.is_initialized():
        distributed.barrier()


def _run(
    model: Backbone,
    learning: torch.nn.Module,
    data: Iterable[Any],
    loss: Callable[[Any], Tensor],
    options: TrainOptions,
    log_file: Path,
    watched: Mapping[str, float],
) -> None:
    """Train what is learning; the first process logs every step and saves the model every 200.

    Args:
        model: that is saved.
        learning: the model and what else learns.
        data: batches.
        loss: of a batch.
        options: of the run.
        log_file: one line a step; the model is saved beside it.
        watched: what else the loss tells of its batch, for the log.
    """
    if not _is_first():
        train(learning, lambda first: data, loss, options, lambda report: None)
        return
    with log_file.open("w", encoding="utf-8") as log:
        kinds: list[str] = []

        def noted() -> Iterable[Any]:
            """Batches, remembering their kinds for the log."""
            for batch in data:
                kinds.append(batch.kind)
                yield batch

        def after_step(report: StepReport) -> None:
            """Log, and save now and then."""
            line = {name: getattr(report, name) for name in StepReport.__dataclass_fields__}
            line |= {"kind": kinds[-1], **watched}
            log.write(json.dumps(line) + "\n")
            log.flush()
            if report.step % 200 == 199:
                save_checkpoint(model, log_file.parent, dtype=torch.bfloat16)

        train(learning, lambda first: noted(), loss, options, after_step)
    save_checkpoint(model, log_file.parent, dtype=torch.bfloat16)


def _write_limits(folder: Path) -> None:
    """The limits that the engine takes with this checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / OWN_FILE).write_text(json.dumps({"limits": LIMITS}, indent=2) + "\n", encoding="utf-8")


def _copy_tokenizer(source: Path, target: Path) -> None:
    """The reranker's tokenizer: the embedder's, without the appended end token."""
    copy_tokenizer(source, target)
    raw = json.loads((target / "tokenizer.json").read_text(encoding="utf-8"))
    raw["post_processor"] = None
    (target / "tokenizer.json").write_text(json.dumps(raw, ensure_ascii=False), encoding="utf-8")


STAGES: dict[str, Callable[[Run], object]] = {
    "embedder": embedder,
    "reranker": reranker,
    "fuse": lambda run: fuse(run.folder / "embedder", run.folder / "reranker"),
    "export": lambda run: bundle(run.folder / "embedder", run.folder / "reranker"),
}


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=tuple(STAGES))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=150)
    parser.add_argument("--steps", type=int, default=3600)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--start", type=Path, help="model folder to go on from")
    parser.add_argument("--first", type=int, default=0, help="step at which the curriculum then goes on")
    given = vars(parser.parse_args())
    if "RANK" in os.environ:  # set by torchrun
        distributed.init_process_group("gloo")
    STAGES[given.pop("stage")](Run(**given))


if __name__ == "__main__":
    main()
