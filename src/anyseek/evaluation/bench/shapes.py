"""Random weights in a small shape for CPUs, and in the published ones, written as folders that every engine loads."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from anyseek.errors import ConfigError
from anyseek.items import Limits
from anyseek.model import Backbone, Layout, ModelConfig, copy_tokenizer, save_checkpoint, write_layout
from anyseek.model.hub import OWN_FILE, Kind
from anyseek.processing import Tokenizer, embedding_chat_template, reranking_chat_template
from anyseek.processing.rules import REFERENCE
from anyseek.processing.template import DEFAULT_EMBEDDING_INSTRUCTION, DEFAULT_RERANKING_INSTRUCTION

__all__ = ["SHAPES", "Models", "Shape", "config_of", "shape_named", "write_models"]

CELL = 1024
SHARD_BYTES = 4 * 10**9
TOKENS = ("image_pad", "video_pad", "vision_start", "vision_end")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Sizes of a model.

    Attributes:
        name: as given on the command line.
        text: sizes of the text tower, in the words of `config.json`.
        vision: sizes of the vision tower, likewise.
        mrope_section: frequencies of time, height and width.
        tied: whether the output head is the embedding.
        limits: what the model is shown; gaps take the reference's rules.
    """

    name: str
    text: Mapping[str, int]
    vision: Mapping[str, Any]
    mrope_section: tuple[int, int, int]
    tied: bool
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class Models:
    """Folders of one set of weights: they differ in tokenizer post-processor and template."""

    embedding: Path
    reranking: Path


SHAPES = (
    Shape(
        name="small",
        text={
            "vocab_size": 8192,
            "hidden_size": 256,
            "intermediate_size": 768,
            "num_hidden_layers": 6,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 64,
        },
        vision={
            "depth": 6,
            "hidden_size": 192,
            "intermediate_size": 576,
            "num_heads": 4,
            "num_position_embeddings": 576,
            "deepstack_visual_indexes": [1, 2, 4],
        },
        mrope_section=(12, 10, 10),
        tied=True,
        limits=Limits(
            max_pixels=160 * CELL,
            min_frame_pixels=36 * CELL,
            max_frame_pixels=48 * CELL,
            total_pixels=48 * 32 * CELL,
        ),
    ),
    Shape(
        name="2b",
        text={
            "vocab_size": 151_936,
            "hidden_size": 2048,
            "intermediate_size": 6144,
            "num_hidden_layers": 28,
            "num_attention_heads": 16,
            "num_key_value_heads": 8,
            "head_dim": 128,
        },
        vision={
            "depth": 24,
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_heads": 16,
            "num_position_embeddings": 2304,
            "deepstack_visual_indexes": [5, 11, 17],
        },
        mrope_section=(24, 20, 20),
        tied=True,
    ),
    Shape(
        name="8b",
        text={
            "vocab_size": 151_936,
            "hidden_size": 4096,
            "intermediate_size": 12_288,
            "num_hidden_layers": 36,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
        },
        vision={
            "depth": 27,
            "hidden_size": 1152,
            "intermediate_size": 4304,
            "num_heads": 16,
            "num_position_embeddings": 2304,
            "deepstack_visual_indexes": [8, 16, 24],
        },
        mrope_section=(24, 20, 20),
        tied=False,
    ),
)
"""A small one for CPUs, then the two published ones (SPEC 1)."""


def shape_named(name: str) -> Shape:
    """One of SHAPES.

    Raises:
        ConfigError: there is none of that name.
    """
    found = next((shape for shape in SHAPES if shape.name == name), None)
    if found is None:
        raise ConfigError(f"shape {name!r} is unknown; choose from {', '.join(shape.name for shape in SHAPES)}")
    return found


def config_of(shape: Shape, tokenizer: Tokenizer) -> ModelConfig:
    """The `config.json` of a shape, with the special tokens' ids as this tokenizer has them."""
    rope = {"mrope_section": list(shape.mrope_section), "mrope_interleaved": True, "rope_type": "default"}
    text = {
        "model_type": "qwen3_vl_text",
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "max_position_embeddings": 262_144,
        "rope_theta": 5_000_000,
        "rope_scaling": rope,
        "tie_word_embeddings": shape.tied,
    }
    vision = {
        "model_type": "qwen3_vl",
        "in_channels": 3,
        "out_hidden_size": shape.text["hidden_size"],
        "patch_size": 16,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "hidden_act": "gelu_pytorch_tanh",
    }
    names = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    ids = {name: tokenizer.token_id(f"<|{token}|>") for name, token in zip(names, TOKENS, strict=True)}
    return ModelConfig.from_dict(
        {
            "model_type": "qwen3_vl",
            "tie_word_embeddings": shape.tied,
            "text_config": text | dict(shape.text),
            "vision_config": vision | dict(shape.vision),
            **ids,
        }
    )


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
