"""Model shapes, read strictly from a checkpoint's `config.json` (both spellings of the rotary fields)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyseek.errors import CheckpointError

__all__ = ["ModelConfig", "TextConfig", "VisionConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextConfig:
    """Shape of the text tower (a Qwen3 decoder)."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    rms_norm_eps: float
    rope_theta: float
    mrope_section: tuple[int, int, int]
    max_position_embeddings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VisionConfig:
    """Shape of the vision tower."""

    depth: int
    hidden_size: int
    intermediate_size: int
    num_heads: int
    out_hidden_size: int
    deepstack_visual_indexes: tuple[int, ...]
    num_position_embeddings: int
    patch_size: int
    spatial_merge_size: int
    temporal_patch_size: int
    in_channels: int

    @property
    def patch_dim(self) -> int:
        """Numbers in one patch: channels x frames x rows x columns."""
        return self.in_channels * self.temporal_patch_size * self.patch_size**2


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Both towers and the token ids that join them.

    Attributes:
        text: text tower.
        vision: vision tower.
        image_token_id: stands for one merged patch of a picture.
        video_token_id: stands for one merged patch of a video.
        vision_start_token_id: opens a picture or frame group.
        vision_end_token_id: closes it.
        tie_word_embeddings: the output head is the input embedding.
        raw: the whole `config.json`, kept so that saving loses nothing.
    """

    text: TextConfig
    vision: VisionConfig
    image_token_id: int
    video_token_id: int
    vision_start_token_id: int
    vision_end_token_id: int
    tie_word_embeddings: bool
    raw: Mapping[str, Any]

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> "ModelConfig":
        """Read the parsed `config.json`.

        Raises:
            CheckpointError: another model type, a missing field, or a feature this architecture does not have.
        """
        if not isinstance(raw, Mapping):
            raise CheckpointError("config.json must be an object")
        _require(raw, "model_type", "qwen3_vl")
        text, vision = _section(raw, "text_config"), _section(raw, "vision_config")
        tied = raw.get("tie_word_embeddings", text.get("tie_word_embeddings", False))
        ids = {name: _field(raw, name) for name in _TOKEN_IDS}
        config = cls(text=_text(text), vision=_vision(vision), tie_word_embeddings=bool(tied), raw=dict(raw), **ids)
        if len(config.vision.deepstack_visual_indexes) > config.text.num_hidden_layers:
            raise CheckpointError("config.json: more deepstack_visual_indexes than text layers to add them after")
        if config.vision.out_hidden_size != config.text.hidden_size:
            raise CheckpointError("config.json: vision_config.out_hidden_size differs from text_config.hidden_size")
        return config

    @classmethod
    def from_file(cls, path: Path) -> "ModelConfig":
        """Read a `config.json`."""
        try:
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise CheckpointError(f"{path} is missing: is {path.parent} a model folder?") from None
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise CheckpointError(f"{path} is not valid JSON ({error}); download it again") from error


PIXELS = {"patch_size": 16, "spatial_merge_size": 2, "temporal_patch_size": 2, "in_channels": 3}
"""What `processing` makes; the published models all have it."""

_TOKEN_IDS = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")


def _text(raw: Mapping[str, Any]) -> TextConfig:
    """The text section, with rotary fields from `rope_parameters` or from `rope_theta` and `rope_scaling`."""
    rope = raw.get("rope_parameters") or {"rope_theta": raw.get("rope_theta"), **(raw.get("rope_scaling") or {})}
    if not isinstance(rope, Mapping):
        raise CheckpointError("config.json: text_config.rope_parameters must be an object")
    _require(rope, "rope_type", "default", where="rope")
    _require(rope, "mrope_interleaved", True, where="rope")
    _require(raw, "hidden_act", "silu", where="text_config")
    if raw.get("attention_bias"):
        raise CheckpointError("config.json: text_config.attention_bias is not part of this architecture")
    section = tuple(_field(rope, "mrope_section", "rope"))
    head_dim = _field(raw, "head_dim", "text_config")
    if len(section) != 3 or 2 * sum(section) != head_dim:
        raise CheckpointError(f"config.json: mrope_section {section} does not add up to half of head_dim {head_dim}")
    names = (
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "rms_norm_eps",
        "max_position_embeddings",
    )
    plain = {name: _field(raw, name, "text_config") for name in names}
    theta = float(_field(rope, "rope_theta", "rope"))
    return TextConfig(head_dim=head_dim, rope_theta=theta, mrope_section=section, **plain)


def _vision(raw: Mapping[str, Any]) -> VisionConfig:
    """The vision section."""
    _require(raw, "hidden_act", "gelu_pytorch_tanh", where="vision_config")
    for name, value in PIXELS.items():
        _require(raw, name, value, where="vision_config")
    names = [name for name in VisionConfig.__dataclass_fields__ if name != "deepstack_visual_indexes"]
    plain = {name: _field(raw, name, "vision_config") for name in names}
    indexes = tuple(_field(raw, "deepstack_visual_indexes", "vision_config"))
    if list(indexes) != sorted(set(indexes)) or not all(0 <= index < plain["depth"] for index in indexes):
        raise CheckpointError(
            f"config.json: vision_config.deepstack_visual_indexes {indexes} are "
            f"not ascending blocks of {plain['depth']}"
        )
    return VisionConfig(deepstack_visual_indexes=indexes, **plain)


def _section(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A nested object of the config."""
    section = _field(raw, name)
    if not isinstance(section, Mapping):
        raise CheckpointError(f"config.json: {name} must be an object")
    return section


def _field(raw: Mapping[str, Any], name: str, where: str = "") -> Any:
    """A field that must be there and not null."""
    if raw.get(name) is None:
        raise CheckpointError(f"config.json: {where + '.' if where else ''}{name} is missing")
    return raw[name]


def _require(raw: Mapping[str, Any], name: str, value: Any, where: str = "") -> None:
    """A field that must have one value."""
    got = raw.get(name)
    if got != value:
        place = f"{where}.{name}" if where else name
        raise CheckpointError(f"config.json: {place} must be {value!r} (got {got!r})")
