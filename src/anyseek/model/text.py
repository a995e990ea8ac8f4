"""The text tower: a Qwen3 decoder with interleaved M-RoPE and deepstack, over packed sequences (SPEC 1)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from anyseek.model.config import TextConfig
from anyseek.ops import RMSNorm, apply_rotary, attention, interleaved_rotary_tables

__all__ = ["TextTower"]


class TextAttention(nn.Module):
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

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor], lengths: Sequence[int], backend: str) -> Tensor:
        """`(tokens, hidden)` to the same."""
        query, key, value = (p(x).unflatten(-1, (-1, self.head_dim)) for p in (self.q_proj, self.k_proj, self.v_proj))
        query, key = apply_rotary(self.q_norm(query), *rotary), apply_rotary(self.k_norm(key), *rotary)
        mixed: Tensor = self.o_proj(attention(query, key, value, lengths, causal=True, backend=backend).flatten(1))
        return mixed


class TextMLP(nn.Module):
    """SwiGLU (Shazeer 2020, arXiv 2002.05202)."""

    def __init__(self, config: TextConfig) -> None:
        """Make the layers."""
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """`(tokens, hidden)` to the same."""
        out: Tensor = self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))
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

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor], lengths: Sequence[int], backend: str) -> Tensor:
        """`(tokens, hidden)` to the same."""
        x = x + self.self_attn(self.input_layernorm(x), rotary, lengths, backend)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class TextTower(nn.Module):
    """Token embedding, decoder layers, final norm."""

    def __init__(self, config: TextConfig) -> None:
        """Make the tower."""
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList([TextLayer(config) for _ in range(config.num_hidden_layers)])
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(
        self,
        states: Tensor,
        position_ids: Tensor,
        lengths: Sequence[int],
        visual: tuple[Tensor, Sequence[Tensor]] | None = None,
        backend: str = "auto",
    ) -> Tensor:
        """Run the layers; the final norm is left to the caller, who may need few tokens of it.

        Args:
            states: `(tokens, hidden)` embedded tokens, vision features already in place.
            position_ids: `(3, tokens)`.
            lengths: tokens of each sequence.
            visual: `(visual_tokens,)` indexes, and deepstack features `(visual_tokens, hidden)`, the k-th of which is
                added after layer k.
            backend: attention backend.

        Returns:
            `(tokens, hidden)`, before the final norm.
        """
        config = self.config
        rotary = interleaved_rotary_tables(
            position_ids, config.head_dim, config.rope_theta, config.mrope_section, states.dtype
        )
        index, deepstack = visual if visual is not None else (torch.empty(0), ())
        for number, layer in enumerate(self.layers):
            states = layer(states, rotary, lengths, backend)
            if number < len(deepstack):
                states = states.index_add(0, index, deepstack[number])
        return states
