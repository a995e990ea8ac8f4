"""The model: config, vision tower, text tower, heads, checkpoints in and out.

Names are loaded on first use: `hub`, which only says where a model lies, then needs no torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anyseek.model.adapter import load_adapter, save_adapter
    from anyseek.model.backbone import Backbone, pooled_embedding, yes_no_logit
    from anyseek.model.checkpoint import load_backbone, load_head, load_score_row, save_checkpoint
    from anyseek.model.config import ModelConfig, TextConfig, VisionConfig
    from anyseek.model.layout import Layout, copy_tokenizer, write_layout
    from anyseek.model.lora import LoraLinear, LoraOptions, add_lora, lora_layers, merge_lora, unmerge_lora

__all__ = [
    "Backbone",
    "Layout",
    "LoraLinear",
    "LoraOptions",
    "ModelConfig",
    "TextConfig",
    "VisionConfig",
    "add_lora",
    "copy_tokenizer",
    "load_adapter",
    "load_backbone",
    "load_head",
    "load_score_row",
    "lora_layers",
    "merge_lora",
    "pooled_embedding",
    "save_adapter",
    "save_checkpoint",
    "unmerge_lora",
    "write_layout",
    "yes_no_logit",
]

_HOMES = {
    "adapter": ("load_adapter", "save_adapter"),
    "backbone": ("Backbone", "pooled_embedding", "yes_no_logit"),
    "checkpoint": ("load_backbone", "load_head", "load_score_row", "save_checkpoint"),
    "config": ("ModelConfig", "TextConfig", "VisionConfig"),
    "layout": ("Layout", "copy_tokenizer", "write_layout"),
    "lora": ("LoraLinear", "LoraOptions", "add_lora", "lora_layers", "merge_lora", "unmerge_lora"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a name from the file that owns it."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'anyseek.model' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"anyseek.model.{_HOME_OF[name]}"), name)
    globals()[name] = value  # the next look-up is an ordinary one
    return value
