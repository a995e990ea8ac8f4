"""Attention of sequences of any lengths in one product: inside this file, and nowhere else, they are padded.

Hundreds of small products take far longer than one large one with a part of it wasted, most of all with gradients on a
CPU (docs/log.md).
"""

import functools
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["attention_in_one", "edges", "fills"]

Lengths = tuple[tuple[int, int], ...]
"""Queries and keys of each sequence; the queries are the last tokens."""


def fills(lengths: Sequence[tuple[int, int]]) -> float:
    """Share of real scores if all (queries, keys) were as long as the longest."""
    real = sum(queries * keys for queries, keys in lengths)
    return real / (len(lengths) * max(queries for queries, _ in lengths) * max(keys for _, keys in lengths))


def attention_in_one(query: Tensor, key: Tensor, value: Tensor, lengths: Lengths, causal: bool) -> Tensor:
    """Two matmuls and a softmax for all sequences; the arguments are those of `attention`, heads as many as key heads.

    Returns:
        `(tokens, heads, head_dim)`.
    """
    rows, columns, real, seen = _padding(lengths, causal, query.device)
    q, k, v = (
        tensor.index_select(0, places).unflatten(0, (len(lengths), -1)).transpose(1, 2)
        for tensor, places in ((query, rows), (key, columns), (value, columns))
    )
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    mixed = scores.masked_fill(~seen, float("-inf")).softmax(-1) @ v
    packed: Tensor = mixed.transpose(1, 2).flatten(0, 1).index_select(0, real)
    return packed


@functools.lru_cache(maxsize=16)
@torch.inference_mode(False)  # what is kept may serve training too
def _padding(lengths: Lengths, causal: bool, device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Where padded queries and keys come from, which queries are real, and `(sequences, 1, queries, keys)` seen ones.

    Padding repeats the first token; a padded query sees everything, so that its softmax is finite.
    """
    (queries, own), (keys, theirs) = (_places(each, device) for each in zip(*lengths, strict=True))
    seen = theirs[:, None]
    if causal:
        first = torch.tensor([most - count for count, most in lengths], device=device)
        last = first[:, None] + torch.arange(own.shape[1], device=device)
        seen = seen & (torch.arange(theirs.shape[1], device=device) <= last[..., None])
    seen = seen | ~own[..., None]
    return queries.flatten(), keys.flatten(), own.flatten().nonzero()[:, 0], seen[:, None]


@functools.lru_cache(maxsize=1024)
@torch.inference_mode(False)  # what is kept may serve training too
def edges(lengths: tuple[int, ...], device: torch.device) -> Tensor:
    """`(sequences + 1,)` int64: where each packed sequence begins, and the end; kept, as a graph cannot copy it."""
    return functional.pad(torch.tensor(lengths, device=device).cumsum(0), (1, 0))


def _places(lengths: tuple[int, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """`(sequences, longest)`: places in the packed tokens, and whether they are real."""
    starts, stops = edges(lengths, device)[:-1, None], edges(lengths, device)[1:, None]
    place = starts + torch.arange(max(lengths), device=device)
    real = place < stops
    return torch.where(real, place, 0), real
