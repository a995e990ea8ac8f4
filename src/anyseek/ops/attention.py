"""Attention over packed sequences: one interface, a slow obvious reference, SDPA or matmuls per segment, CUDA varlen.

The backend is an explicit argument; `auto` is resolved in `resolve_backend` and nowhere else.
"""

import functools
import importlib.util
from collections.abc import Callable, Sequence
from itertools import groupby

import torch
from torch import Tensor
from torch.nn import functional

from anyseek.errors import ConfigError, DependencyError

__all__ = ["BACKENDS", "attention", "resolve_backend"]

BACKENDS = ("auto", "reference", "sdpa", "matmul", "varlen")


def resolve_backend(backend: str, device: torch.device | str) -> str:
    """Turn `auto` into the backend for a device: `varlen` on CUDA where torch has it, `sdpa` elsewhere.

    Raises:
        ConfigError: the name is none of BACKENDS.
        DependencyError: `varlen` is asked for, and this torch is too old to have it.
    """
    if backend not in BACKENDS:
        raise ConfigError(f"attention backend {backend!r} is unknown; choose from {', '.join(BACKENDS)}")
    if backend == "varlen" and not _has_varlen():
        raise DependencyError(
            f"attention backend 'varlen' needs a newer torch than {torch.__version__}: pip install --upgrade torch; "
            "or choose 'sdpa'"
        )
    if backend != "auto":
        return backend
    return "varlen" if torch.device(device).type == "cuda" and _has_varlen() else "sdpa"


@functools.cache
def _has_varlen() -> bool:
    """Whether this torch has variable-length attention."""
    return importlib.util.find_spec("torch.nn.attention.varlen") is not None


def attention(
    query: Tensor, key: Tensor, value: Tensor, lengths: Sequence[int], *, causal: bool, backend: str = "auto"
) -> Tensor:
    """Scaled dot-product attention inside each sequence of a packed batch.

    Args:
        query: `(tokens, heads, head_dim)`.
        key: `(tokens, kv_heads, head_dim)`; heads is a multiple of kv_heads.
        value: like key.
        lengths: tokens of each sequence; they add up to tokens.
        causal: a token sees only itself and what stands before it.
        backend: one of BACKENDS.

    Returns:
        `(tokens, heads, head_dim)`.
    """
    chosen = resolve_backend(backend, query.device)
    if chosen == "varlen" and not (query.is_cuda and query.dtype in (torch.float16, torch.bfloat16)):
        chosen = "sdpa"  # flash kernels have no fp32 form, and none for the CPU
    if chosen == "varlen":
        return _varlen(query, key, value, lengths, causal)
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    if chosen == "reference":
        return _reference(query, key, value, lengths, causal)
    return _by_runs(query, key, value, lengths, _fused(causal) if chosen == "sdpa" else _matmul(causal))


def _reference(query: Tensor, key: Tensor, value: Tensor, lengths: Sequence[int], causal: bool) -> Tensor:
    """One dense fp32 softmax over all tokens with a mask: slow and obvious, for tests."""
    owner = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths)).to(query.device)
    allowed = owner[:, None] == owner[None, :]
    if causal:
        allowed = allowed.tril()
    scores = torch.einsum("qhd,khd->hqk", query.float(), key.float()) / query.shape[-1] ** 0.5
    weights = scores.masked_fill(~allowed, float("-inf")).softmax(-1)
    return torch.einsum("hqk,khd->qhd", weights, value.float()).to(query.dtype)


Dense = Callable[[Tensor, Tensor, Tensor], Tensor]


def _by_runs(query: Tensor, key: Tensor, value: Tensor, lengths: Sequence[int], dense: Dense) -> Tensor:
    """Dense attention once per run of neighbours of equal length, as `(count, heads, length, head_dim)`."""
    runs = [(length, sum(1 for _ in run)) for length, run in groupby(lengths)]
    sizes = [length * count for length, count in runs]
    # split, not slices: the gradient of a split is one concatenation, that of each slice a whole tensor of zeros.
    pieces = zip(runs, query.split(sizes), key.split(sizes), value.split(sizes), strict=True)
    outputs = []
    for (length, count), *qkv in pieces:
        q, k, v = (t.unflatten(0, (count, length)).transpose(1, 2) for t in qkv)
        outputs.append(dense(q, k, v).transpose(1, 2).flatten(0, 1))
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs)


def _fused(causal: bool) -> Dense:
    """The fused attention of torch."""
    return lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, is_causal=causal)


def _matmul(causal: bool) -> Dense:
    """Two matmuls and a softmax: on CPU in bf16 its gradient takes half the time of the fused one's (docs/log.md)."""

    def dense(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        if causal:
            later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
            scores = scores.masked_fill(later, float("-inf"))
        mixed: Tensor = scores.softmax(-1) @ v
        return mixed

    return dense


def _varlen(query: Tensor, key: Tensor, value: Tensor, lengths: Sequence[int], causal: bool) -> Tensor:
    """Variable-length flash attention of torch (CUDA, fp16 and bf16)."""
    from torch.nn.attention.varlen import varlen_attn

    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    bounds = functional.pad(torch.tensor(lengths, device=query.device).cumsum(0), (1, 0)).to(torch.int32)
    longest = max(lengths)
    window = (-1, 0) if causal else (-1, -1)
    mixed = varlen_attn(query, key, value, bounds, bounds, longest, longest, window_size=window)
    assert isinstance(mixed, Tensor)  # a pair only when the log-sum-exp is asked for
    return mixed
