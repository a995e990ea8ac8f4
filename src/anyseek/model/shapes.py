"""Shapes of models by name: the published ones, known before anything is downloaded, and a small one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anyseek.errors import ConfigError
from anyseek.items import Limits
from anyseek.model.config import ModelConfig

__all__ = ["SHAPES", "Shape", "published_shape", "shape_named"]

CELL = 1024
PUBLISHED_IDS = {
    "image_token_id": 151_655,
    "video_token_id": 151_656,
    "vision_start_token_id": 151_652,
    "vision_end_token_id": 151_653,
}
"""Special tokens in the published vocabulary."""
PUBLISHED = ("qwen/qwen3-vl-embedding-{}", "qwen/qwen3-vl-reranker-{}", "qwen/qwen3-vl-{}-instruct")
"""Hub names, small letters, of what has a published shape: both kinds, and what they were trained from."""


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

    def config(self, ids: Mapping[str, int] = PUBLISHED_IDS) -> ModelConfig:
        """The `config.json` of this shape.

        Args:
            ids: of special tokens, by their names in `config.json`; they must lie in the vocabulary.
        """
        rope = {"mrope_section": list(self.mrope_section), "mrope_interleaved": True, "rope_type": "default"}
        text = {
            "model_type": "qwen3_vl_text",
            "hidden_act": "silu",
            "rms_norm_eps": 1e-6,
            "attention_bias": False,
            "attention_dropout": 0.0,
            "max_position_embeddings": 262_144,
            "rope_theta": 5_000_000,
            "rope_scaling": rope,
            "tie_word_embeddings": self.tied,
        }
        vision = {
            "model_type": "qwen3_vl",
            "in_channels": 3,
            "out_hidden_size": self.text["hidden_size"],
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "hidden_act": "gelu_pytorch_tanh",
        }
        return ModelConfig.from_dict(
            {
                "model_type": "qwen3_vl",
                "tie_word_embeddings": self.tied,
                "text_config": text | dict(self.text),
                "vision_config": vision | dict(self.vision),
                **ids,
            }
        )


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


def published_shape(model: str) -> Shape | None:
    """The shape of a released model, or of the one that it was trained from, by short name or hub name; or None."""
    for size in ("2b", "8b"):
        if model.lower() in (size, *(name.format(size) for name in PUBLISHED)):
            return shape_named(size)
    return None
