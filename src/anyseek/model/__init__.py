"""The model: config, vision tower, text tower, heads, checkpoints in and out.

Names are loaded on first use: `hub`, which only says where a model lies, then needs no torch.
"""

from typing import TYPE_CHECKING

from anyseek.lazy import loader

if TYPE_CHECKING:
    from anyseek.model.adapter import load_adapter, save_adapter, with_adapter
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
    "with_adapter",
    "write_layout",
    "yes_no_logit",
]

_HOMES = {
    "anyseek.model.adapter": ("load_adapter", "save_adapter", "with_adapter"),
    "anyseek.model.backbone": ("Backbone", "pooled_embedding", "yes_no_logit"),
    "anyseek.model.checkpoint": ("load_backbone", "load_head", "load_score_row", "save_checkpoint"),
    "anyseek.model.config": ("ModelConfig", "TextConfig", "VisionConfig"),
    "anyseek.model.layout": ("Layout", "copy_tokenizer", "write_layout"),
    "anyseek.model.lora": ("LoraLinear", "LoraOptions", "add_lora", "lora_layers", "merge_lora", "unmerge_lora"),
}
__getattr__ = loader(__name__, _HOMES)
