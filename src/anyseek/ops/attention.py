"""Attention over packed sequences: one interface, a slow obvious reference, SDPA or matmuls per segment, CUDA varlen.

The backend is an explicit argument; `auto` is resolved in `resolve_backend` and nowhere else.
"""

import functools
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

import torch
from torch import Tensor
from torch.nn import functional

from anyseek.errors import ConfigError, DependencyError
from anyseek.ops.padded import attention_in_one, edges, fills

__all__ = ["BACKENDS", "attention", "resolve_backend", "runs_alike"]

FILLED = 0.25
"""Share of the scores of sequences made equally long that must be real for one product to be worth it."""
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
    query: Tensor,
    key: Tensor,
    value: Tensor,
    lengths: Sequence[int],
    *,
    causal: bool,
    backend: str = "auto",
    key_lengths: Sequence[int] | None = None,
) -> Tensor:
    """Scaled dot-product attention inside each sequence of a packed batch.

    Args:
        query: `(tokens, heads, head_dim)`.
        key: `(keys, kv_heads, head_dim)`; heads is a multiple of kv_heads.
        value: like key.
        lengths: tokens of each sequence; they add up to tokens.
        causal: a token sees only itself and what stands before it.
        backend: one of BACKENDS.
        key_lengths: keys of each sequence where it has more of them than queries: the queries are its last tokens.

    Returns:
        `(tokens, heads, head_dim)`.
    """
    key_lengths = lengths if key_lengths is None else key_lengths
    chosen = resolve_backend(backend, query.device)
    if chosen == "varlen" and not (query.is_cuda and query.dtype in (torch.float16, torch.bfloat16)):
        chosen = "sdpa"  # flash kernels have no fp32 form, and none for the CPU
    if chosen == "varlen":
        return _varlen(query, key, value, lengths, key_lengths, causal)
    groups = query.shape[1] // key.shape[1]
    if groups > 1 and (chosen != "sdpa" or query.device.type == "mps"):  # where sharing keys has not been seen to work
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    if chosen == "reference":
        return _reference(query, key, value, lengths, key_lengths, causal)
    pairs = list(zip(lengths, key_lengths, strict=True))
    if chosen == "sdpa":
        return _by_runs(query, key, value, pairs, _fused(causal))
    if len(set(pairs)) > 1 and fills(pairs) >= FILLED:
        return attention_in_one(query, key, value, tuple(pairs), causal)
    return _by_runs(query, key, value, pairs, _matmul(causal))


def _reference(
    query: Tensor, key: Tensor, value: Tensor, lengths: Sequence[int], key_lengths: Sequence[int], causal: bool
) -> Tensor:
    """One dense fp32 softmax over all tokens with a mask: slow and obvious, for tests."""
    rows, columns = [], []  # (sequence, position in it) of every query and key
    for number, (length, keys) in enumerate(zip(lengths, key_lengths, strict=True)):
        rows += [(number, place) for place in range(keys - length, keys)]
        columns += [(number, place) for place in range(keys)]
    seen = [[row[0] == column[0] and (not causal or column[1] <= row[1]) for column in columns] for row in rows]
    allowed = torch.tensor(seen, device=query.device)
    scores = torch.einsum("qhd,khd->hqk", query.float(), key.float()) / query.shape[-1] ** 0.5
    weights = scores.masked_fill(~allowed, float("-inf")).softmax(-1)
    return torch.einsum("hqk,khd->qhd", weights, value.float()).to(query.dtype)


Dense = Callable[[Tensor, Tensor, Tensor], Tensor]


def _by_runs(query: Tensor, key: Tensor, value: Tensor, lengths: Sequence[tuple[int, int]], dense: Dense) -> Tensor:
    """Dense attention once per run of neighbours of equal (queries, keys)."""
    outputs = [dense(q, k, v).transpose(1, 2).flatten(0, 1) for q, k, v in runs_alike(query, key, value, lengths)]
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs)


def runs_alike(
    query: Tensor, key: Tensor, value: Tensor, lengths: Sequence[tuple[int, int]]
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Neighbours of equal (queries, keys) together: `(count, heads, length, head_dim)` of each of the three."""
    runs = [(length, keys, sum(1 for _ in run)) for (length, keys), run in groupby(lengths)]
    sizes = [length * count for length, _, count in runs]
    key_sizes = [keys * count for _, keys, count in runs]
    # split, not slices: the gradient of a split is one concatenation, that of each slice a whole tensor of zeros.
    pieces = zip(runs, query.split(sizes), key.split(key_sizes), value.split(key_sizes), strict=True)
    for (_, _, count), *qkv in pieces:
        q, k, v = (t.unflatten(0, (count, -1)).transpose(1, 2) for t in qkv)
        yield q, k, v


def _seen(queries: int, keys: int, device: torch.device) -> Tensor:
    """`(queries, keys)` bool: the queries are the last tokens, and see themselves and what stands before."""
    return torch.ones((queries, keys), dtype=torch.bool, device=device).tril(keys - queries)


def _fused(causal: bool) -> Dense:
    """The fused attention of torch, which shares keys among heads without copying them."""
    attend = functools.partial(functional.scaled_dot_product_attention, enable_gqa=True)

    def dense(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        queries, keys = q.shape[-2], k.shape[-2]
        if not causal or queries == 1:
            return attend(q, k, v)
        if queries == keys:
            return attend(q, k, v, is_causal=True)
        return attend(q, k, v, attn_mask=_seen(queries, keys, q.device))

    return dense


def _matmul(causal: bool) -> Dense:
    """Two matmuls and a softmax: on CPU in bf16 its gradient takes half the time of the fused one's (docs/log.md)."""

    def dense(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        if causal:
            scores = scores.masked_fill(~_seen(q.shape[-2], k.shape[-2], q.device), float("-inf"))
        mixed: Tensor = scores.softmax(-1) @ v
        return mixed

    return dense


def _varlen(
    query: Tensor, key: Tensor, value: Tensor, lengths: Sequence[int], key_lengths: Sequence[int], causal: bool
) -> Tensor:
    """Variable-length flash attention of torch (CUDA, fp16 and bf16); its causal window ends at the last key."""
    from torch.nn.attention.varlen import varlen_attn

    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    bounds, key_bounds = (edges(tuple(each), query.device).int() for each in (lengths, key_lengths))
    window = (-1, 0) if causal else (-1, -1)
    mixed = varlen_attn(query, key, value, bounds, key_bounds, max(lengths), max(key_lengths), window_size=window)
    assert isinstance(mixed, Tensor)  # a pair only when the log-sum-exp is asked for
    return mixed
