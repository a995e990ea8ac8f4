"""The reference: transformers 4.57.3 on tiny random configs, with the same weights in our towers.

Weights are drawn at the scale that keeps activations near one; transformers' own initialisation (deviation 0.02) would
leave most of a block's effect below any tolerance.
"""

import copy
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLConfig
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLForConditionalGeneration

from anyseek.model import Backbone, ModelConfig

IMAGE, VIDEO, START, END, VOCABULARY = 101, 102, 103, 104, 105

TEXT: dict[str, Any] = {
    "model_type": "qwen3_vl_text",
    "vocab_size": VOCABULARY,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "max_position_embeddings": 4096,
    "attention_bias": False,
}
VISION: dict[str, Any] = {
    "model_type": "qwen3_vl",
    "in_channels": 3,
    "patch_size": 16,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "hidden_act": "gelu_pytorch_tanh",
}


def shape(text: tuple[int, ...], sections: list[int], vision: tuple[int, ...], deepstack: list[int]) -> dict[str, Any]:
    """A config: text is hidden, layers, heads, kv heads, head_dim, mlp; vision hidden, depth, heads, mlp, positions."""
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim")
    text_config = TEXT | dict(zip((*names, "intermediate_size"), text, strict=True))
    rope = {"mrope_section": sections, "mrope_interleaved": True, "rope_type": "default"}
    text_config |= {"rope_theta": 5_000_000, "rope_scaling": rope}
    names = ("hidden_size", "depth", "num_heads", "intermediate_size", "num_position_embeddings")
    vision_config = VISION | dict(zip(names, vision, strict=True))
    vision_config |= {"out_hidden_size": text[0], "deepstack_visual_indexes": deepstack}
    return {
        "model_type": "qwen3_vl",
        "image_token_id": IMAGE,
        "video_token_id": VIDEO,
        "vision_start_token_id": START,
        "vision_end_token_id": END,
        "tie_word_embeddings": False,
        "text_config": text_config,
        "vision_config": vision_config,
    }


SHAPES = {
    "even": shape((64, 4, 4, 2, 32, 96), [6, 5, 5], (48, 4, 4, 80, 48**2), [0, 1, 2]),
    # head_dim 72 in vision as in the 8B, 36 in text; no grouping of heads; an MLP and a position grid of odd sizes.
    "odd": shape((88, 3, 3, 3, 36, 101), [8, 5, 5], (144, 5, 2, 107, 13**2), [1, 3]),
    # The published proportions: sections (24, 20, 20), head_dim 128, two queries to a key.
    "published": shape((128, 3, 2, 1, 128, 160), [24, 20, 20], (128, 3, 2, 96, 48**2), [0, 2]),
}


@dataclass(frozen=True)
class Twins:
    """One set of weights in both implementations."""

    ours: Backbone
    theirs: Qwen3VLForConditionalGeneration

    def to(self, dtype: torch.dtype) -> "Twins":
        return Twins(copy.deepcopy(self.ours).to(dtype), copy.deepcopy(self.theirs).to(dtype))


def make_twins(raw: dict[str, Any]) -> Twins:
    config = Qwen3VLConfig(**copy.deepcopy(raw))
    config._attn_implementation = "eager"
    theirs = Qwen3VLForConditionalGeneration(config).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in theirs.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if weight.ndim == 1:
                weight.copy_(1 + 0.2 * noise if "norm" in name and name.endswith("weight") else 0.1 * noise)
            elif "embed" in name and "patch" not in name:
                weight.copy_(noise)
            else:
                weight.copy_(noise * (1.2 / weight[0].numel() ** 0.5))
    ours = Backbone(ModelConfig.from_dict(raw)).eval()
    state = dict(theirs.model.state_dict())
    state["visual.patch_embed.proj.weight"] = state["visual.patch_embed.proj.weight"].flatten(1)
    ours.load_state_dict(state, strict=True)
    return Twins(ours.requires_grad_(False), theirs.requires_grad_(False))


@pytest.fixture(scope="session", params=SHAPES)
def twins(request: pytest.FixtureRequest) -> Twins:
    return make_twins(SHAPES[request.param])


def draw(seed: int, *size: int) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


def pixels(seed: int, patches: int) -> Tensor:
    """`(patches, 1536)` uint8."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (patches, 1536), generator=generator, dtype=torch.uint8)


def scaled(patches: Tensor) -> Tensor:
    """Pixels as the reference's processor hands them to its model."""
    return (patches.float() / 255 - 0.5) / 0.5


def gap(a: Tensor, b: Tensor) -> float:
    """Largest difference over the largest number (at least 1)."""
    assert a.shape == b.shape
    return float((a.float() - b.float()).abs().max() / max(1.0, float(b.float().abs().max())))
