"""What an engine computes, counted while it runs: tokens, patches and FLOPs, padding and repetition included.

Hooks on the modules see whatever way an engine goes: packed, padded, one pair at a time, from a cache. Linear layers
and the patch embedding are counted by their shapes, attention by the pairs of tokens that see each other. The published
parameter names are the same in every engine, so that one rule finds the parts of each.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

__all__ = ["Work", "counted"]

TEXT_ATTENTION = re.compile(r"layers\.\d+\.self_attn$")
VISION_ATTENTION = re.compile(r"blocks\.\d+\.attn$")
FIRST_KEYS = re.compile(r"layers\.0\.self_attn\.k_proj$")
FIRST_PATCHES = re.compile(r"blocks\.0\.attn\.qkv$")


@dataclass(slots=True)
class Work:
    """What ran.

    Attributes:
        flops: of linear layers, the patch embedding and attention; a multiplication and an addition count as two.
        tokens: that went through the text tower.
        patches: that went through the vision tower.
    """

    flops: float = 0.0
    tokens: int = 0
    patches: int = 0


Arguments = Sequence[Any]
Options = Mapping[str, Any]
Counter = Callable[[Arguments, Options, Any], Work]
"""A module's arguments, by position and by name, and its output to what that run counts for."""


@contextmanager
def counted(models: Sequence[nn.Module]) -> Iterator[Work]:
    """Count what models compute inside the `with`."""
    work = Work()
    handles = []
    for model in models:
        for name, module in model.named_modules():
            for counter in _counters(name, module):
                handles.append(module.register_forward_hook(partial(_note, work, counter), with_kwargs=True))
    try:
        yield work
    finally:
        for handle in handles:
            handle.remove()


def _counters(name: str, module: nn.Module) -> Iterator[Counter]:
    """What a run of a module counts for."""
    if isinstance(module, nn.Linear | nn.Conv3d):
        size = module.weight[0].numel()
        yield lambda args, kwargs, out: Work(flops=2 * size * out.numel())
    if FIRST_KEYS.search(name):
        yield lambda args, kwargs, out: Work(tokens=out.numel() // out.shape[-1])
    if FIRST_PATCHES.search(name):
        yield lambda args, kwargs, out: Work(patches=out.numel() // out.shape[-1])
    if TEXT_ATTENTION.search(name):
        queries = _width(module, "q_proj")
        yield lambda args, kwargs, out: Work(flops=4 * queries * _text_pairs(args, kwargs))
    if VISION_ATTENTION.search(name):
        width = _width(module, "proj")
        yield lambda args, kwargs, out: Work(flops=4 * width * _vision_pairs(args, kwargs))


def _width(module: nn.Module, name: str) -> int:
    """Numbers that a linear layer inside a module gives."""
    weight = module.get_submodule(name).weight
    assert isinstance(weight, Tensor)
    return weight.shape[0]


def _note(work: Work, counter: Counter, _: nn.Module, args: Arguments, kwargs: Options, out: Any) -> None:
    """Add what one run counts for."""
    run = counter(args, kwargs, out)
    work.flops += run.flops
    work.tokens += run.tokens
    work.patches += run.patches


def _text_pairs(args: Arguments, kwargs: Options) -> float:
    """Queries times the keys they see; ours says both lengths, transformers has `(batch, tokens, hidden)`."""
    if kwargs.get("cu_seq_lens_q") is not None:  # packed, as sentence-transformers does with flash attention
        edges: list[int] = kwargs["cu_seq_lens_q"].tolist()
        return sum(length * (length + 1) / 2 for length in (stop - start for start, stop in pairwise(edges)))
    if "hidden_states" in kwargs:
        batch, length, _ = kwargs["hidden_states"].shape
        return float(batch * length * (length + 1) / 2)
    *_, lengths, sight = args
    pairs = zip(lengths, sight.key_lengths, strict=True)
    return float(sum(asking * (seen - (asking - 1) / 2) for asking, seen in pairs))


def _vision_pairs(args: Arguments, kwargs: Options) -> float:
    """Patches see their own frame group: ours lists the lengths, transformers where each begins."""
    if "cu_seqlens" in kwargs:
        edges: list[int] = kwargs["cu_seqlens"].tolist()
        return float(sum((stop - start) ** 2 for start, stop in pairwise(edges)))
    _, _, segments, _ = args
    return float(sum(segment**2 for segment in segments))
