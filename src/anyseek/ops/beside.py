"""Attention to what neighbours share, apart from what is their own: shared keys are read where they lie.

Two softmaxes over parts of the keys are one over all of them, weighted by what each part sums to (Milakov and
Gimelshein 2018, arXiv 1805.02867). Joining the shared keys to those of each sequence instead copies them once for
every sequence and layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from anyseek.ops.attention import resolve_backend, runs_alike

__all__ = ["Shared", "attention_beside", "reads_beside"]

WORTH = 3.0
"""Keys seen for each key of a sequence's own from which on reading apart is faster (docs/log.md)."""


@dataclass(frozen=True, slots=True)
class Shared:
    """Keys and values that stand before each of `count` neighbouring sequences, `(keys, kv_heads, head_dim)`."""

    count: int
    key: Tensor
    value: Tensor


def reads_beside(query: Tensor, backend: str, seen: int, own: int) -> bool:
    """Whether `attention_beside` serves: fused attention on a CPU, without gradients, and keys enough to spare.

    Args:
        query: `(tokens, heads, head_dim)`.
        backend: attention backend, `auto` allowed.
        seen: keys of all sequences, shared ones counted for each.
        own: keys of their own.
    """
    if query.device.type != "cpu" or torch.is_grad_enabled() or resolve_backend(backend, "cpu") != "sdpa":
        return False
    return seen >= WORTH * own


def attention_beside(
    query: Tensor, key: Tensor, value: Tensor, lengths: Sequence[int], key_lengths: Sequence[int], shared: list[Shared]
) -> Tensor:
    """Causal attention of packed sequences that see shared keys, and then their own; on a CPU, without gradients.

    Args:
        query: `(tokens, heads, head_dim)`.
        key: `(keys, kv_heads, head_dim)`, the sequences' own.
        value: like key.
        lengths: queries of each sequence: as many as it has keys of its own, or 1, its last token.
        key_lengths: own keys of each sequence.
        shared: what stands before them, in their order; the counts add up to the sequences.

    Returns:
        `(tokens, heads, head_dim)`.
    """
    own, own_sum = _own(query, key, value, list(zip(lengths, key_lengths, strict=True)))
    rows, first = [], 0
    for one in shared:
        rows.append(sum(lengths[first : first + one.count]))
        first += one.count
    parts = [_apart(part, one.key, one.value) for part, one in zip(query.split(rows), shared, strict=True)]
    before, before_sum = (torch.cat([part[side] for part in parts]) for side in (0, 1))
    share = torch.sigmoid(before_sum - own_sum)[..., None].float()
    return torch.lerp(own.float(), before.float(), share).to(query.dtype)


def _own(query: Tensor, key: Tensor, value: Tensor, lengths: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    """Attention inside each sequence, `(tokens, heads, head_dim)`, and the log of its sum `(tokens, heads)`."""
    groups = query.shape[1] // key.shape[1]
    mixed, sums = [], []
    for q, k, v in runs_alike(query, key, value, lengths):
        causal = q.shape[-2] == k.shape[-2]
        out, total = _flash(q, k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1), causal=causal)
        mixed.append(out.transpose(1, 2).flatten(0, 1))
        sums.append(total.transpose(1, 2).flatten(0, 1))
    return torch.cat(mixed), torch.cat(sums)


def _apart(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Attention of all queries to all keys: heads that share keys stand behind each other as one longer sequence."""
    tokens, heads, width = query.shape
    kv_heads = key.shape[1]
    q = query.view(tokens, kv_heads, -1, width).permute(1, 2, 0, 3).flatten(1, 2)
    out, total = _flash(q[None], key.transpose(0, 1)[None], value.transpose(0, 1)[None], causal=False)
    out = out[0].unflatten(1, (-1, tokens)).permute(2, 0, 1, 3).reshape(tokens, heads, width)
    return out, total[0].unflatten(1, (-1, tokens)).permute(2, 0, 1).reshape(tokens, heads)


def _flash(q: Tensor, k: Tensor, v: Tensor, *, causal: bool) -> tuple[Tensor, Tensor]:
    """Torch's own kernel, of which the public function gives only the first result.

    Returns:
        `(count, heads, queries, head_dim)`, and the log of the sum of exponentials `(count, heads, queries)`.
    """
    out, total = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, causal)
    return out, total
