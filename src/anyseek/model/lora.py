"""Low-rank adapters (Hu et al. 2021, arXiv 2106.09685): y = x W' + scale * x A' B', where only A and B learn."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from anyseek.errors import ConfigError
from anyseek.model.backbone import Backbone

__all__ = ["LoraLinear", "LoraOptions", "adaptable", "add_lora", "lora_layers", "merge_lora", "unmerge_lora"]

PIXELS = "visual.patch_embed.proj"
"""The linear layer that takes no adapter: elsewhere it is a convolution."""
TEXT = "language_model."


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraOptions:
    """Which layers get an adapter, and of what size.

    Attributes:
        rank: rows of A, columns of B.
        alpha: the product counts `alpha / rank` times.
        targets: ends of layer names, whole words between dots: `q_proj`, or `layers.0.mlp.up_proj`.
        vision: whether they are looked for in the vision tower too (`attn.qkv`, `linear_fc1`).
        dropout: share of the inputs that A does not see in training, drawn by torch's global generator.
        rslora: the product counts `alpha / sqrt(rank)` times (Kalajdzievski 2023, arXiv 2312.03732).
        dtype: of A and B; None takes the layer's own.
    """

    rank: int = 32
    alpha: float = 32.0
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj", "down_proj")
    vision: bool = False
    dropout: float = 0.0
    rslora: bool = False
    dtype: torch.dtype | None = torch.float32

    def __post_init__(self) -> None:
        """Raise ConfigError for an impossible size."""
        if self.rank < 1:
            raise ConfigError(f"the rank of an adapter must be at least 1 (got {self.rank})")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be at least 0 and below 1 (got {self.dropout})")

    @property
    def scale(self) -> float:
        """How often the product counts."""
        return self.alpha / (math.sqrt(self.rank) if self.rslora else self.rank)

    def selects(self, name: str) -> bool:
        """Whether a layer is meant."""
        return any(f".{name}".endswith(f".{target}") for target in self.targets)


class LoraLinear(nn.Module):
    """A frozen linear layer with an adapter that learns.

    Attributes:
        base: the layer as it was.
        a: `(rank, inputs)`.
        b: `(outputs, rank)`.
    """

    def __init__(self, base: nn.Linear, options: LoraOptions, generator: torch.Generator) -> None:
        """Draw A with deviation 1/sqrt(inputs); B is zero, so that the layer gives what it gave."""
        super().__init__()
        self.base = base.requires_grad_(False)
        self.options = options
        dtype, device = options.dtype or base.weight.dtype, base.weight.device
        drawn = torch.empty(options.rank, base.in_features, device=generator.device)
        self.a = nn.Parameter(drawn.normal_(0, base.in_features**-0.5, generator=generator).to(device, dtype))
        self.b = nn.Parameter(torch.zeros(base.out_features, options.rank, device=device, dtype=dtype))
        self.train(base.training)

    def forward(self, x: Tensor) -> Tensor:
        """`(tokens, inputs)` to `(tokens, outputs)`."""
        out: Tensor = self.base(x)
        # torch's own numbers: where a layer is computed again for its gradients, torch repeats them
        seen = functional.dropout(x.to(self.a.dtype), self.options.dropout, self.training)
        narrow = functional.linear(seen, self.a) * self.options.scale
        return (out + functional.linear(narrow, self.b)).to(out.dtype)

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """A plain layer with both in one weight, added in fp32 and rounded once."""
        weight = self.base.weight
        wide = torch.promote_types(weight.dtype, torch.float32)
        product = self.options.scale * (self.b.to(wide) @ self.a.to(wide))
        layer = nn.Linear(self.base.in_features, self.base.out_features, bias=False, device="meta")
        layer.weight = nn.Parameter((weight.to(wide) + product).to(weight.dtype), requires_grad=False)
        layer.bias = self.base.bias
        return layer.train(self.training)


def adaptable(backbone: Backbone) -> dict[str, nn.Linear]:
    """The layers that can take an adapter, by name."""
    linear = ((name, module) for name, module in backbone.named_modules() if type(module) is nn.Linear)
    return {name: module for name, module in linear if name != PIXELS}


def lora_layers(backbone: Backbone) -> Iterator[tuple[str, LoraLinear]]:
    """The layers that have one, with their names."""
    return ((name, module) for name, module in backbone.named_modules() if isinstance(module, LoraLinear))


def add_lora(backbone: Backbone, options: LoraOptions, generator: torch.Generator) -> list[LoraLinear]:
    """Freeze the model and give layers an adapter; its results stay as they were until the adapter learns.

    Args:
        backbone: is changed.
        options: which layers, and how.
        generator: of A.

    Returns:
        The layers that learn now.

    Raises:
        ConfigError: there is an adapter already, or a target names no layer.
    """
    if any(True for _ in lora_layers(backbone)):
        raise ConfigError("this model has an adapter already; merge it first, with merge_lora")
    layers = {name: layer for name, layer in adaptable(backbone).items() if options.vision or name.startswith(TEXT)}
    ends = [f".{name}" for name in layers]
    for target in options.targets:
        if not any(end.endswith(f".{target}") for end in ends):
            where = "model" if options.vision else "text tower"
            known = ", ".join(sorted({end.rpartition(".")[2] for end in ends}))
            raise ConfigError(f"target {target!r} names no linear layer of the {where} in full weights; it has {known}")
    if options.vision and options.selects(PIXELS):
        raise ConfigError(
            f"targets {options.targets} also name {PIXELS}, which takes no adapter; write more of the names"
        )
    backbone.requires_grad_(False)
    added = []
    for name, layer in layers.items():
        if options.selects(name):
            added.append(LoraLinear(layer, options, generator))
            backbone.set_submodule(name, added[-1])
    return added


def merge_lora(backbone: Backbone) -> dict[str, LoraLinear]:
    """Add the adapter into the weights; the model is as plain and as fast as one that never had any.

    Returns:
        What `unmerge_lora` takes: the layers with their old weights, by name. Drop it, and they are gone.
    """
    taken = dict(lora_layers(backbone))
    for name, layer in taken.items():
        backbone.set_submodule(name, layer.merged())
    backbone.language_model.lay_side_by_side()
    return taken


def unmerge_lora(backbone: Backbone, taken: Mapping[str, LoraLinear]) -> None:
    """Put back what `merge_lora` took out. The old weights were kept, not computed: they return bit for bit."""
    for name, layer in taken.items():
        backbone.set_submodule(name, layer)
