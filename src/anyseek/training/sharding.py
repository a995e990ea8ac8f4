"""Weights in shards (FSDP2): every process keeps a part of each, and a layer is whole only while it runs.

A layer that runs brings its shards together, so that all processes must make the same passes in the same order,
whatever their inputs are: `Compute` and `backward_in_pieces` see to it. torch's part of this is loaded where it is
used, as it takes long to load.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeGuard

import torch
from torch import Tensor, distributed, nn

from anyseek.errors import ConfigError
from anyseek.model import Backbone, LoraOptions, add_lora
from anyseek.model.lora import lora_layers
from anyseek.training.processes import place

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor

__all__ = ["in_shards", "part_of", "quiet", "shard", "whole"]


def shard(backbone: Backbone) -> None:
    """Cut each weight of a model along its rows, and leave this process its part.

    Each layer of both towers comes together by itself; so do the rest of the vision tower, the embedding and the final
    norm. A gradient becomes the mean of all processes', taken in fp32, of which each keeps its part.

    Args:
        backbone: the same in every process; what learns of it is decided, and adapters are in place.

    Raises:
        ConfigError: there are no processes to divide it among.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method

    if not distributed.is_initialized():
        raise ConfigError(
            "parallel='shard' divides the weights among processes, and there is one alone; start several, with "
            "torchrun --nproc-per-node N -m anyseek train RECIPE, or choose 'replicate'"
        )
    mesh = init_device_mesh(next(backbone.parameters()).device.type, (place()[1],))
    policy = MixedPrecisionPolicy(reduce_dtype=torch.float32)
    cut = partial(fully_shard, mesh=mesh, mp_policy=policy, reshard_after_forward=True)
    parts = [cut(part) for part in _parts(backbone)]
    for module, method in _entries(backbone):
        register_fsdp_forward_method(module, method)
    tower = backbone.visual
    if tower is not None and any(weight.requires_grad for weight in tower.parameters()):
        backbone.language_model.embed_tokens.register_forward_hook(_with_gradient)
    for part in parts:
        part.set_unshard_in_backward(not isinstance(part, nn.Embedding))  # whose gradient needs no weights
        part.unshard()  # memory that is made in inference mode, as by a look at the development set, could not learn
        part.reshard()


def _parts(backbone: Backbone) -> Iterator[nn.Module]:
    """What comes together by itself, the inner before the outer; the model itself is left with nothing of its own."""
    if backbone.visual is not None:
        yield from backbone.visual.blocks
        yield backbone.visual
    yield from backbone.language_model.layers
    yield backbone.language_model.embed_tokens
    yield backbone.language_model.norm
    yield backbone


def _entries(backbone: Backbone) -> Iterator[tuple[nn.Module, str]]:
    """Methods besides `forward` that run a part."""
    yield backbone, "see"
    yield backbone, "remember"
    for layer in backbone.language_model.layers:
        yield layer, "keys_values"


def _with_gradient(module: nn.Module, given: Any, states: Tensor) -> Tensor:
    """Embedded tokens with a gradient, so that backward passes are alike where something was seen and where not."""
    return states.requires_grad_() if torch.is_grad_enabled() else states


@contextmanager
def quiet() -> Iterator[None]:
    """Without torch's warning of views among a layer's results: keys and values, which nothing changes in place."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "FSDP2-wrapped module", UserWarning)
        yield


def in_shards(tensor: Tensor) -> "TypeGuard[DTensor]":
    """Whether this process has a part of a tensor only."""
    if not distributed.is_initialized():
        return False
    from torch.distributed.tensor import DTensor

    return isinstance(tensor, DTensor)


@torch.no_grad()
def part_of(tensor: Tensor) -> Tensor:
    """What this process has of a tensor, in the tensor's own memory: `(some rows, ...)`, or all of it."""
    return tensor.to_local() if in_shards(tensor) else tensor


@torch.no_grad()
def whole(backbone: Backbone) -> Backbone:
    """A model put together from its shards, on the CPU of the first process; elsewhere one without weights.

    Every process must call this.
    """
    with torch.device("meta"):
        plain = Backbone(backbone.config, vision=backbone.visual is not None)
    adapters: LoraOptions | None = next((layer.options for _, layer in lora_layers(backbone)), None)
    if adapters is not None:
        add_lora(plain, adapters, torch.Generator())
    rank, _ = place()
    for name, parameter in backbone.named_parameters():
        together = parameter.full_tensor() if in_shards(parameter) else parameter
        if rank == 0:
            owner, _, leaf = name.rpartition(".")
            setattr(plain.get_submodule(owner), leaf, nn.Parameter(together.detach().cpu(), requires_grad=False))
    return plain.eval()
