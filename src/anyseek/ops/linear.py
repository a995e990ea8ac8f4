"""Matrix products with weights: several in one pass, and weights kept in 8 bits."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from anyseek.errors import ConfigError

__all__ = ["WEIGHTS", "Float8Linear", "Int8Linear", "lay_side_by_side", "project", "quantized"]

WEIGHTS = ("full", "int8", "fp8")
"""`full`: as loaded. `int8`: on any device, products in the type of the states. `fp8`: products in 8 bits too, on CUDA
with compute capability 8.9 or newer."""


def lay_side_by_side(layers: Sequence[nn.Module]) -> None:
    """Put the weights of linear layers behind each other in one piece of memory: `project` then makes one product."""
    weights = _plain_weights(layers)
    if weights is None:
        return
    together = torch.cat([weight.detach() for weight in weights])
    for weight, own in zip(weights, together.split([len(weight) for weight in weights]), strict=True):
        weight.data = own


def project(x: Tensor, layers: Sequence[nn.Module]) -> tuple[Tensor, ...]:
    """What each layer makes of `(tokens, features)`: one matrix product where their weights lie side by side.

    Weights that learn are multiplied one by one: a gradient would not find its way through the joined view. So are
    layers that somebody watches.
    """
    weights = None if torch.is_grad_enabled() else _plain_weights(layers)
    if weights is None or not _side_by_side(weights):
        return tuple(layer(x) for layer in layers)
    widths = [len(weight) for weight in weights]
    columns = weights[0].shape[1]
    joined = weights[0].as_strided((sum(widths), columns), (columns, 1))
    return tuple(functional.linear(x, joined).split(widths, dim=-1))


def _plain_weights(layers: Sequence[nn.Module]) -> list[Tensor] | None:
    """The weights `(outputs, inputs)`, if nothing happens in the layers but a product with these."""
    weights: list[Tensor] = []
    for layer in layers:
        watched = layer._forward_hooks or layer._forward_pre_hooks
        if type(layer) is not nn.Linear or layer.bias is not None or watched:
            return None
        weights.append(layer.weight)
    return weights


def _side_by_side(weights: Sequence[Tensor]) -> bool:
    """Whether they follow each other in one piece of memory."""
    same = {weight.untyped_storage().data_ptr() for weight in weights}
    return len(same) == 1 and all(a.data_ptr() + a.nbytes == b.data_ptr() for a, b in pairwise(weights))


class Int8Linear(nn.Module):
    """A linear layer whose weights are whole numbers of -127 to 127 with one scale per row.

    Weights are widened to the type of the states for each product, so that only their own rounding costs accuracy:
    at most 1/254 of the largest weight of a row.
    """

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        """Round `(outputs, inputs)` weights."""
        super().__init__()
        scale = weight.float().abs().amax(1).clamp(min=torch.finfo(torch.float32).tiny) / 127
        self.register_buffer("weight", (weight.float() / scale[:, None]).round().to(torch.int8))
        self.register_buffer("scale", scale)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        """`(tokens, inputs)` to `(tokens, outputs)`."""
        out = functional.linear(x, self.weight.to(x.dtype)) * self.scale.to(x.dtype)
        return out if self.bias is None else out + self.bias


class Float8Linear(nn.Module):
    """A linear layer in e4m3 floats on both sides: one scale per row of the weights and one per token.

    Twice the rate of bf16 on Hopper. Micikevicius et al. 2022 (arXiv 2209.05433) give the format.
    """

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        """Round `(outputs, inputs)` weights; both numbers must be multiples of 16."""
        super().__init__()
        rounded, scale = _to_float8(weight)
        self.register_buffer("weight", rounded)
        self.register_buffer("scale", scale.T.contiguous())
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        """`(tokens, inputs)` in bf16 to `(tokens, outputs)`."""
        rounded, scale = _to_float8(x)
        out: Tensor = torch._scaled_mm(
            rounded, self.weight.T, scale_a=scale, scale_b=self.scale, out_dtype=torch.bfloat16
        )
        return out if self.bias is None else out + self.bias


def _to_float8(rows: Tensor) -> tuple[Tensor, Tensor]:
    """`(rows, columns)` in e4m3 and `(rows, 1)` fp32 scales."""
    largest = torch.finfo(torch.float8_e4m3fn).max
    scale = rows.float().abs().amax(1, keepdim=True).clamp(min=1e-12) / largest
    return (rows.float() / scale).clamp(-largest, largest).to(torch.float8_e4m3fn), scale


def quantized(layer: nn.Linear, weights: str) -> nn.Module:
    """The layer with its weights kept as one of WEIGHTS says.

    Raises:
        ConfigError: unknown, or not for this device.
    """
    if weights not in WEIGHTS:
        raise ConfigError(f"weights {weights!r} is unknown; choose from {', '.join(WEIGHTS)}")
    if weights == "full":
        return layer
    if weights == "int8":
        return Int8Linear(layer.weight.detach(), layer.bias)
    if layer.weight.device.type != "cuda" or torch.cuda.get_device_capability(layer.weight.device) < (8, 9):
        raise ConfigError("weights='fp8' needs a CUDA device of compute capability 8.9 or newer; choose 'int8'")
    return Float8Linear(layer.weight.detach(), layer.bias)
