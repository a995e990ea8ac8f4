"""Random weights in a small shape for CPUs, and in the published ones, written as folders that every engine loads."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from anyseek.model import Backbone, Layout, ModelConfig, copy_tokenizer, save_checkpoint, write_layout
from anyseek.model.hub import OWN_FILE, Kind
from anyseek.model.shapes import SHAPES, Shape, shape_named
from anyseek.processing import Tokenizer, embedding_chat_template, reranking_chat_template
from anyseek.processing.rules import REFERENCE
from anyseek.processing.template import DEFAULT_EMBEDDING_INSTRUCTION, DEFAULT_RERANKING_INSTRUCTION

__all__ = ["SHAPES", "Models", "Shape", "config_of", "shape_named", "write_models"]

SHARD_BYTES = 4 * 10**9
TOKENS = ("image_pad", "video_pad", "vision_start", "vision_end")


@dataclass(frozen=True, slots=True)
class Models:
    """Folders of one set of weights: they differ in tokenizer post-processor and template."""

    embedding: Path
    reranking: Path


def config_of(shape: Shape, tokenizer: Tokenizer) -> ModelConfig:
    """The `config.json` of a shape, with the special tokens' ids as this tokenizer has them."""
    names = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    return shape.config({name: tokenizer.token_id(f"<|{token}|>") for name, token in zip(names, TOKENS, strict=True)})


def write_models(shape: Shape, source: Path, folder: Path, *, dtype: torch.dtype, device: torch.device) -> Models:
    """Write an embedding and a reranking folder with the same random weights.

    Args:
        shape: of the model.
        source: folder whose tokenizer is taken.
        folder: where both are written; the weights lie on the disk once.
        dtype: of the written weights.
        device: where they are drawn.
    """
    models = Models(folder / "embedding", folder / "reranking")
    copy_tokenizer(source, models.embedding)
    copy_tokenizer(source, models.reranking)
    _drop_post_processor(models.reranking / "tokenizer.json")
    backbone, head = _random_model(config_of(shape, Tokenizer(source)), dtype, device)
    save_checkpoint(backbone, models.embedding, dtype=dtype, head=head, shard_bytes=SHARD_BYTES)
    for file in [*models.embedding.glob("model*"), models.embedding / "config.json"]:
        (models.reranking / file.name).hardlink_to(file)
    tokenizer = Tokenizer(models.reranking)
    _write_layout(shape, models.embedding, "embedding", None)
    _write_layout(shape, models.reranking, "reranking", tokenizer.yes_no_ids())
    return models


@torch.no_grad()
def _random_model(config: ModelConfig, dtype: torch.dtype, device: torch.device) -> tuple[Backbone, Tensor | None]:
    """Weights at a scale that keeps activations near one and yes/no log-odds too; the head of an untied model."""
    generator = torch.Generator(device).manual_seed(0)
    with torch.device("meta"):
        backbone = Backbone(config)
    backbone = backbone.to(dtype).to_empty(device=device)
    width = (2 * config.text.hidden_size) ** -0.5
    for name, weight in backbone.named_parameters():
        if weight.dim() == 1:  # off one and zero, so that an engine that left them out would show
            is_scale = name.endswith("weight")
            weight.normal_(1.0 if is_scale else 0.0, 0.1 if is_scale else 0.05, generator=generator)
        else:
            weight.normal_(0, width if "embed_tokens" in name else weight.shape[-1] ** -0.5, generator=generator)
    if config.tie_word_embeddings:
        return backbone, None
    head = torch.empty((config.text.vocab_size, config.text.hidden_size), dtype=dtype, device=device)
    return backbone, head.normal_(0, width, generator=generator)


def _drop_post_processor(path: Path) -> None:
    """Reranking prompts get no end token appended."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    raw["post_processor"] = None
    path.write_text(json.dumps(raw, ensure_ascii=False), encoding="utf-8")


def _write_layout(shape: Shape, folder: Path, kind: Kind, yes_no: tuple[int, int] | None) -> None:
    """Everything beside weights and tokenizer."""
    is_embedding = kind == "embedding"
    instruction = DEFAULT_EMBEDDING_INSTRUCTION if is_embedding else DEFAULT_RERANKING_INSTRUCTION
    layout = Layout(
        kind=kind,
        dim=shape.text["hidden_size"],
        chat_template=embedding_chat_template() if is_embedding else reranking_chat_template(),
        prompts={"document" if is_embedding else "query": instruction},
        limits=shape.limits.over(REFERENCE),
        yes_no=yes_no,
    )
    write_layout(folder, layout)
    own = {name: value for name, value in asdict(shape.limits).items() if value is not None}
    if own:
        (folder / OWN_FILE).write_text(json.dumps({"limits": own}), encoding="utf-8")
