"""The text tower: a Qwen3 decoder with interleaved M-RoPE and deepstack, over packed sequences (SPEC 1)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from anyseek.batch import Block, Past
from anyseek.model.config import TextConfig
from anyseek.ops import (
    RMSNorm,
    Shared,
    WithKernels,
    attention,
    attention_beside,
    edges,
    interleaved_rotary_tables,
    lay_side_by_side,
    project,
    reads_beside,
)

__all__ = ["Sight", "TextTower"]

Rotary = tuple[Tensor, Tensor]
"""Cosine and sine tables `(tokens, 1, head_dim)`."""
KeysValues = tuple[Tensor, Tensor]
"""Keys and values `(tokens, kv_heads, head_dim)` of one layer."""
Deepstack = tuple[Tensor, Sequence[Tensor]]
"""`(visual_tokens,)` indexes of visual tokens, and features `(visual_tokens, hidden)` for the first layers' outputs."""


@dataclass(frozen=True)  # without slots: what follows from the fields is worked out once for all layers
class Sight:
    """What the tokens of a packed batch see.

    Attributes:
        lengths: tokens of each sequence.
        backend: attention backend.
        past: the blocks that stand before each sequence; empty when nothing does.
    """

    lengths: tuple[int, ...]
    backend: str = "auto"
    past: Past = ()

    @cached_property
    def key_lengths(self) -> tuple[int, ...]:
        """Keys that the last token of each sequence sees."""
        if not self.past:
            return self.lengths
        before = (sum(block.num_tokens for block in blocks) for blocks in self.past)
        return tuple(own + more for own, more in zip(self.lengths, before, strict=True))

    def attend(self, query: Tensor, own: KeysValues, number: int, lengths: Sequence[int]) -> Tensor:
        """Attention of layer `number`.

        Args:
            query: `(tokens, heads, head_dim)`.
            own: the sequences' keys and values.
            number: of the layer.
            lengths: queries of each sequence, its last tokens.

        Returns:
            `(tokens, heads, head_dim)`.
        """
        if not self.past:
            return attention(query, *own, lengths, causal=True, backend=self.backend, key_lengths=self.lengths)
        if all(self.past) and reads_beside(query, self.backend, sum(self.key_lengths), sum(self.lengths)):
            return attention_beside(query, *own, lengths, self.lengths, list(self._shared(number)))
        keys, values = [], []
        pieces = zip(self.past, own[0].split(self.lengths), own[1].split(self.lengths), strict=True)
        for blocks, key, value in pieces:
            keys += [*(block.keys[number] for block in blocks), key]
            values += [*(block.values[number] for block in blocks), value]
        return attention(
            query,
            torch.cat(keys),
            torch.cat(values),
            lengths,
            causal=True,
            backend=self.backend,
            key_lengths=self.key_lengths,
        )

    def _shared(self, number: int) -> Iterator[Shared]:
        """What stands before neighbours alike, in layer `number`."""
        for count, blocks in self._alike:
            keys, values = (
                torch.cat([getattr(block, side)[number] for block in blocks]) for side in ("keys", "values")
            )
            yield Shared(count, keys, values)

    @cached_property
    def _alike(self) -> list[tuple[int, tuple[Block, ...]]]:
        """Runs of neighbours behind the same blocks: how many there are, and the blocks."""
        runs = (list(run) for _, run in groupby(self.past, key=lambda blocks: [id(block) for block in blocks]))
        return [(len(run), run[0]) for run in runs]


class TextAttention(WithKernels):
    """Grouped-query causal attention with an RMS norm per head on queries and keys."""

    def __init__(self, config: TextConfig) -> None:
        """Make the projections."""
        super().__init__()
        self.head_dim = config.head_dim
        queries, keys = config.num_attention_heads * config.head_dim, config.num_key_value_heads * config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, queries, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, keys, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, keys, bias=False)
        self.o_proj = nn.Linear(queries, config.hidden_size, bias=False)
        self.q_norm = RMSNorm(config.head_dim, config.rms_norm_eps)
        self.k_norm = RMSNorm(config.head_dim, config.rms_norm_eps)

    def queries(self, x: Tensor, rotary: Rotary) -> Tensor:
        """Rotated queries `(tokens, heads, head_dim)` of normalised states `(tokens, hidden)`."""
        return self._rotated(self.q_proj(x), self.q_norm, rotary)

    def keys_values(self, x: Tensor, rotary: Rotary) -> KeysValues:
        """Rotated keys and values `(tokens, kv_heads, head_dim)` of normalised states `(tokens, hidden)`."""
        key, value = project(x, (self.k_proj, self.v_proj))
        return self._rotated(key, self.k_norm, rotary), value.unflatten(-1, (-1, self.head_dim))

    def queries_keys_values(self, x: Tensor, rotary: Rotary) -> tuple[Tensor, KeysValues]:
        """Both, in one product."""
        query, key, value = project(x, (self.q_proj, self.k_proj, self.v_proj))
        keys = self._rotated(key, self.k_norm, rotary)
        return self._rotated(query, self.q_norm, rotary), (keys, value.unflatten(-1, (-1, self.head_dim)))

    def forward(self, query: Tensor, own: KeysValues, number: int, lengths: Sequence[int], sight: Sight) -> Tensor:
        """Queries of `lengths` tokens of each sequence in layer `number` to `(tokens, hidden)`; see `Sight.attend`."""
        out: Tensor = self.o_proj(sight.attend(query, own, number, lengths).flatten(1))
        return out

    def _rotated(self, projected: Tensor, norm: RMSNorm, rotary: Rotary) -> Tensor:
        """`(tokens, heads * head_dim)` to heads, normalised and rotated."""
        return self.kernels.rotary(norm(projected.unflatten(-1, (-1, self.head_dim))), *rotary)


class TextMLP(WithKernels):
    """SwiGLU (Shazeer 2020, arXiv 2002.05202)."""

    def __init__(self, config: TextConfig) -> None:
        """Make the layers."""
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """`(tokens, hidden)` to the same."""
        gate, up = project(x, (self.gate_proj, self.up_proj))
        out: Tensor = self.down_proj(self.kernels.swiglu(gate, up))
        return out


class TextLayer(nn.Module):
    """Pre-norm decoder layer."""

    def __init__(self, config: TextConfig) -> None:
        """Make the layer."""
        super().__init__()
        self.self_attn = TextAttention(config)
        self.mlp = TextMLP(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def keys_values(self, x: Tensor, rotary: Rotary) -> KeysValues:
        """Keys and values of states `(tokens, hidden)`, and nothing else."""
        return self.self_attn.keys_values(self.input_layernorm(x), rotary)

    def forward(
        self, x: Tensor, rotary: Rotary, sight: Sight, number: int, last: Tensor | None = None
    ) -> tuple[Tensor, KeysValues]:
        """Layer `number` on packed tokens.

        Args:
            x: `(tokens, hidden)`.
            rotary: tables of the tokens.
            sight: what they see.
            number: of this layer.
            last: `(sequences,)` the last token of each sequence, when no other is wanted.

        Returns:
            `(tokens, hidden)` or `(sequences, hidden)`, and the tokens' own keys and values.
        """
        normed, lengths = self.input_layernorm(x), sight.lengths
        if last is None:
            query, own = self.self_attn.queries_keys_values(normed, rotary)
        else:
            own = self.self_attn.keys_values(normed, rotary)
            x, lengths = x[last], (1,) * len(lengths)
            query = self.self_attn.queries(normed[last], (rotary[0][last], rotary[1][last]))
        x = x + self.self_attn(query, own, number, lengths, sight)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out, own


class TextTower(nn.Module):
    """Token embedding, decoder layers, final norm.

    Attributes:
        checkpointing: whether layers are computed again for their gradients instead of keeping what is inside them.
    """

    def __init__(self, config: TextConfig) -> None:
        """Make the tower."""
        super().__init__()
        self.config = config
        self.checkpointing = False
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([TextLayer(config) for _ in range(config.num_hidden_layers)])
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def lay_side_by_side(self) -> None:
        """Let projections of the same states be one matrix product where nothing learns; names and values stay."""
        for layer in self.layers:
            assert isinstance(layer, TextLayer)
            lay_side_by_side((layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj))
            lay_side_by_side((layer.mlp.gate_proj, layer.mlp.up_proj))

    def forward(
        self,
        states: Tensor,
        position_ids: Tensor,
        sight: Sight,
        visual: Deepstack | None = None,
        *,
        last: bool = False,
    ) -> Tensor:
        """Run the layers; the final norm is left to the caller, who may need few tokens of it.

        Args:
            states: `(tokens, hidden)` embedded tokens, vision features already in place.
            position_ids: `(3, tokens)`.
            sight: what they see.
            visual: `(visual_tokens,)` indexes, and deepstack features `(visual_tokens, hidden)`, the k-th of which is
                added after layer k.
            last: give only the last token of each sequence, and spare the last layer the others.

        Returns:
            `(tokens, hidden)` or `(sequences, hidden)`, before the final norm.
        """
        rotary = self._rotary(position_ids, states.dtype)
        ends = edges(sight.lengths, states.device)[1:] - 1
        narrow = last and (visual is None or len(visual[1]) < len(self.layers))  # deepstack goes to all tokens
        for number, layer in enumerate(self.layers):
            at_end = narrow and number == len(self.layers) - 1
            states, _ = self._through(layer, states, rotary, sight, number, ends if at_end else None)
            states = _deepened(states, visual, number)
        return states[ends] if last and not narrow else states

    def remember(
        self, states: Tensor, position_ids: Tensor, sight: Sight, visual: Deepstack | None = None
    ) -> list[KeysValues]:
        """Keys and values `(tokens, kv_heads, head_dim)` of every layer; of the last layer nothing else is computed.

        The arguments are those of `forward`.
        """
        rotary = self._rotary(position_ids, states.dtype)
        kept = []
        for number, layer in enumerate(self.layers[:-1]):
            states, own = self._through(layer, states, rotary, sight, number)
            states = _deepened(states, visual, number)
            kept.append(own)
        top = self.layers[-1]
        assert isinstance(top, TextLayer)
        return [*kept, top.keys_values(states, rotary)]

    def _through(self, layer: nn.Module, *given: Any) -> tuple[Tensor, KeysValues]:
        """What a layer gives, with or without keeping what is inside it."""
        if self.checkpointing and torch.is_grad_enabled():
            out = checkpoint(layer, *given, use_reentrant=False)
        else:
            out = layer(*given)
        states, own = out
        return states, own

    def _rotary(self, position_ids: Tensor, dtype: torch.dtype) -> Rotary:
        """Tables of the packed tokens."""
        config = self.config
        return interleaved_rotary_tables(position_ids, config.head_dim, config.rope_theta, config.mrope_section, dtype)


def _deepened(states: Tensor, visual: Deepstack | None, number: int) -> Tensor:
    """States after layer `number`, with its deepstack features."""
    if visual is None or number >= len(visual[1]):
        return states
    return states.index_add(0, visual[0], visual[1][number])
