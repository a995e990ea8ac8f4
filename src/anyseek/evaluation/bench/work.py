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

Arguments = Sequence[Any]
Options = Mapping[str, Any]
Hook = Callable[[nn.Module, Any, dict[str, Any], Any], None]

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


@contextmanager
def counted(models: Sequence[nn.Module]) -> Iterator[Work]:
    """Count what models compute inside the `with`."""
    work = Work()
    handles = []
    for model in models:
        for name, module in model.named_modules():
            for hook in _hooks(name, module, work):
                handles.append(module.register_forward_hook(hook, with_kwargs=True))
    try:
        yield work
    finally:
        for handle in handles:
            handle.remove()


def _hooks(name: str, module: nn.Module, work: Work) -> Iterator[Hook]:
    """What to note when a module has run."""
    if isinstance(module, nn.Linear | nn.Conv3d):
        yield partial(_linear, work, module.weight[0].numel())
    if FIRST_KEYS.search(name):
        yield partial(_passed, work, "tokens")
    if FIRST_PATCHES.search(name):
        yield partial(_passed, work, "patches")
    for pattern, last, pairs in (
        (TEXT_ATTENTION, "o_proj", _text_pairs),
        (VISION_ATTENTION, "proj", _vision_pairs),
    ):
        if pattern.search(name):
            weight = module.get_submodule(last).weight
            assert isinstance(weight, Tensor)
            yield partial(_attention, work, weight.shape[1], pairs)


def _linear(work: Work, size: int, _: nn.Module, args: Arguments, kwargs: Options, out: Tensor) -> None:
    """`size` inputs to each number that comes out."""
    work.flops += 2 * size * out.numel()


def _passed(work: Work, what: str, _: nn.Module, args: Arguments, kwargs: Options, out: Tensor) -> None:
    """Rows that went through."""
    setattr(work, what, getattr(work, what) + out.numel() // out.shape[-1])


def _attention(
    work: Work, width: int, pairs: Callable[..., float], _: nn.Module, args: Arguments, kwargs: Options, out: Any
) -> None:
    """Scores and weighted sums over `width` numbers of every pair."""
    work.flops += 4 * width * pairs(args, kwargs)


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
