"""The model: config, vision tower, text tower, heads, checkpoints in and out."""

from anyseek.model.backbone import Backbone, pooled_embedding, yes_no_logit
from anyseek.model.checkpoint import load_backbone, load_score_row, save_checkpoint
from anyseek.model.config import ModelConfig, TextConfig, VisionConfig

__all__ = [
    "Backbone",
    "ModelConfig",
    "TextConfig",
    "VisionConfig",
    "load_backbone",
    "load_score_row",
    "pooled_embedding",
    "save_checkpoint",
    "yes_no_logit",
]
