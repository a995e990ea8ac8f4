"""What a model weighs, keeps for its gradients and computes, from its config alone.

Sizes are bytes and floating-point operations of one token, patch or pair of these; a multiplication and an addition
count as two. What is kept is what autograd saves of the plain operations (`kernels="eager"`); fused ones keep less.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from anyseek.model import LoraOptions, ModelConfig

__all__ = ["Costs", "Linear", "Trains", "linears"]

Kind = Literal["text", "patch", "merged"]
FP32 = 4
AGAIN_IN_ATTENTION = 2.5
"""Products of fused attention's gradient, in those of its forward pass: scores are computed again."""


@dataclass(frozen=True, slots=True)
class Linear:
    """One linear layer.

    Attributes:
        name: as in the model.
        inputs: width.
        outputs: width.
        kind: what it runs on: text tokens, patches, or merged patches.
        is_biased: whether it has a bias.
    """

    name: str
    inputs: int
    outputs: int
    kind: Kind
    is_biased: bool = False

    @property
    def weights(self) -> int:
        """How many there are."""
        return (self.inputs + self.is_biased) * self.outputs


def linears(config: ModelConfig) -> Iterator[Linear]:
    """All linear layers, by the names of the model's own modules."""
    text, vision = config.text, config.vision
    hidden, inner = text.hidden_size, text.intermediate_size
    queries, keys = text.num_attention_heads * text.head_dim, text.num_key_value_heads * text.head_dim
    for number in range(text.num_hidden_layers):
        start = f"language_model.layers.{number}."
        for name, outputs in (("q_proj", queries), ("k_proj", keys), ("v_proj", keys)):
            yield Linear(f"{start}self_attn.{name}", hidden, outputs, "text")
        yield Linear(f"{start}self_attn.o_proj", queries, hidden, "text")
        yield Linear(f"{start}mlp.gate_proj", hidden, inner, "text")
        yield Linear(f"{start}mlp.up_proj", hidden, inner, "text")
        yield Linear(f"{start}mlp.down_proj", inner, hidden, "text")
    width, wide = vision.hidden_size, vision.intermediate_size
    yield Linear("visual.patch_embed.proj", vision.patch_dim, width, "patch", True)
    for number in range(vision.depth):
        start = f"visual.blocks.{number}."
        yield Linear(f"{start}attn.qkv", width, 3 * width, "patch", True)
        yield Linear(f"{start}attn.proj", width, width, "patch", True)
        yield Linear(f"{start}mlp.linear_fc1", width, wide, "patch", True)
        yield Linear(f"{start}mlp.linear_fc2", wide, width, "patch", True)
    joined = width * vision.spatial_merge_size**2
    deep = (f"visual.deepstack_merger_list.{number}." for number in range(len(vision.deepstack_visual_indexes)))
    for start in ("visual.merger.", *deep):
        yield Linear(f"{start}linear_fc1", joined, joined, "merged", True)
        yield Linear(f"{start}linear_fc2", joined, vision.out_hidden_size, "merged", True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trains:
    """What learns, and in what precision.

    Attributes:
        lora: adapters; None trains weights.
        vision: whether the vision tower's weights learn, where there are no adapters.
        dtype: of the weights.
        attention: backend, `auto` resolved.
    """

    lora: LoraOptions | None
    vision: bool
    dtype: torch.dtype
    attention: str = "sdpa"

    @property
    def adapter_dtype(self) -> torch.dtype:
        """Of what learns."""
        return (self.lora.dtype or self.dtype) if self.lora else self.dtype

    def has_adapter(self, layer: Linear) -> bool:
        """Whether a layer gets one."""
        if self.lora is None or (layer.kind != "text" and not self.lora.vision):
            return False
        return self.lora.selects(layer.name)

    def learns(self, kind: Kind) -> bool:
        """Whether the weights of a tower learn."""
        return self.lora is None and (kind == "text" or self.vision)


class Costs:
    """Of one model that learns in one way."""

    def __init__(self, config: ModelConfig, trains: Trains) -> None:
        """Count the layers."""
        self.config, self.trains = config, trains
        self.linears = tuple(linears(config))
        self._by_name = {layer.name: layer for layer in self.linears}
        self._size = trains.dtype.itemsize

    @property
    def weights(self) -> int:
        """Numbers in both towers, adapters apart."""
        return self._text_weights + self._vision_weights

    @property
    def _text_weights(self) -> int:
        """Linear layers, embedding, norms."""
        text = self.config.text
        norms = text.num_hidden_layers * 2 * (text.hidden_size + text.head_dim) + text.hidden_size
        matrices = sum(layer.weights for layer in self.linears if layer.kind == "text")
        return matrices + text.vocab_size * text.hidden_size + norms

    @property
    def _vision_weights(self) -> int:
        """Linear layers, positions, norms with their biases."""
        vision = self.config.vision
        joined = vision.hidden_size * vision.spatial_merge_size**2
        norms = 2 * (vision.hidden_size * (2 * vision.depth + 1) + joined * len(vision.deepstack_visual_indexes))
        matrices = sum(layer.weights for layer in self.linears if layer.kind != "text")
        return matrices + vision.num_position_embeddings * vision.hidden_size + norms

    @property
    def adapter_weights(self) -> int:
        """Numbers in A and B of all adapters."""
        rank = self.trains.lora.rank if self.trains.lora else 0
        return sum(rank * (one.inputs + one.outputs) for one in self.linears if self.trains.has_adapter(one))

    @property
    def learning_weights(self) -> int:
        """Numbers that the optimiser changes."""
        if self.trains.lora:
            return self.adapter_weights
        return self._text_weights + self.trains.vision * self._vision_weights

    @property
    def vision_has_gradients(self) -> bool:
        """Whether anything of the vision tower learns."""
        return self.trains.learns("patch") or any(
            one.kind != "text" and self.trains.has_adapter(one) for one in self.linears
        )

    # What autograd keeps.

    def text_kept(self, longest: int, *, checkpointing: bool) -> float:
        """Bytes that a text token keeps.

        Args:
            longest: tokens of the longest sequence, which backends that write scores down depend on.
            checkpointing: only what stands between the layers, and one layer at a time.
        """
        text, size = self.config.text, self._size
        tables = 2 * text.head_dim * size
        layers = range(text.num_hidden_layers)
        if checkpointing:
            return tables + len(layers) * text.hidden_size * size + self._text_layer(0, longest)
        return tables + sum(self._text_layer(number, longest) for number in layers[:-1]) + self._top_layer(layers[-1])

    def patch_kept(self, segment: int, *, checkpointing: bool) -> float:
        """Bytes that a patch keeps; nothing where the vision tower does not learn.

        Args:
            segment: patches of the largest picture.
            checkpointing: as of `text_kept`.
        """
        if not self.vision_has_gradients:
            return 0
        vision, size = self.config.vision, self._size
        blocks = [self._block(number, segment) for number in range(vision.depth)]
        inside = vision.depth * vision.hidden_size * size + max(blocks) if checkpointing else sum(blocks)
        pixels = vision.patch_dim * size * self.trains.learns("patch")
        return 2 * FP32 * vision.hidden_size // vision.num_heads + pixels + inside + self._mergers()

    def _text_layer(self, number: int, longest: int) -> float:
        """Of a token, in a layer that is wanted of all tokens."""
        text, size = self.config.text, self._size
        inner = text.intermediate_size
        queries = text.num_attention_heads * text.head_dim
        mlp = self._norm(text.hidden_size) + self._read(number, "mlp", ("gate_proj", "up_proj"))
        mlp += 3 * inner * size + self._read(number, "mlp", ("down_proj",))  # gate, its silu, up
        read = self._norm(text.hidden_size) + self._read(number, "self_attn", ("q_proj", "k_proj", "v_proj"))
        heads = self._norm(queries) + self._norm(text.num_key_value_heads * text.head_dim)
        return read + heads + self._attention(number, longest) + mlp

    def _top_layer(self, number: int) -> float:
        """Of a token, in the last layer, which works for last tokens only: their keys and values are all it needs."""
        text = self.config.text
        keys = text.num_key_value_heads * text.head_dim
        read = self._norm(text.hidden_size) + self._read(number, "self_attn", ("k_proj", "v_proj"))
        return read + self._norm(keys) + 2 * keys * self._size

    def _attention(self, number: int, longest: int) -> float:
        """Queries, keys, values and what comes out; scores where the backend writes them down."""
        text, size = self.config.text, self._size
        queries, keys = (heads * text.head_dim for heads in (text.num_attention_heads, text.num_key_value_heads))
        out = self._by_name[f"language_model.layers.{number}.self_attn.o_proj"]
        if self.trains.attention in ("matmul", "reference"):
            held = (3 * queries + text.num_attention_heads * longest) * size
            return held + self._inputs([out])
        if self.trains.attention == "varlen":
            keys = queries  # repeated for the heads that share them
        held = 2 * (queries + keys) * size + FP32 * text.num_attention_heads
        return held + self._copies([out])

    def _norm(self, width: int) -> float:
        """What an RMS norm keeps: its input in fp32, and what its weight is multiplied with where that learns."""
        return width * (FP32 + self._size * self.trains.learns("text"))

    def _read(self, number: int, part: str, names: Sequence[str]) -> float:
        """The common input of layers, as those that learn keep it."""
        return self._inputs([self._by_name[f"language_model.layers.{number}.{part}.{name}"] for name in names])

    def _inputs(self, layers: Sequence[Linear]) -> float:
        """What layers keep of the input that they share: once for weights, once for each adapter of another dtype."""
        width, size = layers[0].inputs, self._size
        adapted = sum(self.trains.has_adapter(layer) for layer in layers)
        if not adapted:
            return width * size if self.trains.learns(layers[0].kind) else 0
        shared = width * size if self.trains.adapter_dtype == self.trains.dtype else 0
        return shared + self._copies(layers)

    def _copies(self, layers: Sequence[Linear]) -> float:
        """What adapters keep for themselves: their input in another dtype, and what A makes of it."""
        lora, own = self.trains.lora, self.trains.adapter_dtype
        if lora is None:
            return 0
        width = layers[0].inputs if own != self.trains.dtype else 0
        return sum(self.trains.has_adapter(layer) for layer in layers) * (width + lora.rank) * own.itemsize

    def _block(self, number: int, segment: int) -> float:
        """Of a patch, in a block of the vision tower."""
        vision, size = self.config.vision, self._size
        width = vision.hidden_size
        start = f"visual.blocks.{number}."
        names = ("attn.qkv", "mlp.linear_fc1", "mlp.linear_fc2")
        read = sum(self._inputs([self._by_name[start + name]]) for name in names)
        read += self._copies([self._by_name[f"{start}attn.proj"]])
        # two norms, rotated queries and keys, the joined projection whose third part is values, attention's output
        held = (2 + 2 + 3 + 1) * width + vision.intermediate_size
        if self.trains.attention in ("matmul", "reference"):
            held += vision.num_heads * segment
        return read + held * size

    def _mergers(self) -> float:
        """Of a patch, in all mergers: what is normalised (a block's norm keeps it too), and what is activated."""
        joined = self.config.vision.spatial_merge_size**2
        read = sum(self._inputs([layer]) for layer in self.linears if layer.kind == "merged") / joined
        count = 1 + len(self.config.vision.deepstack_visual_indexes)
        return read + (count + 1) * self.config.vision.hidden_size * self._size

    # What is computed.

    def flops(self, kind: Kind, *, learning: bool = False) -> float:
        """Of a token, patch or merged patch: forward, or (`learning`) what its gradients take.

        The last text layer works for last tokens only, so that all but its keys and values are left out.
        """
        top = f"layers.{self.config.text.num_hidden_layers - 1}."
        total = 0.0
        for one in self.linears:
            spared = one.kind == "text" and top in one.name and not one.name.endswith(("k_proj", "v_proj"))
            if one.kind != kind or spared:
                continue
            rank = self.trains.lora.rank if self.trains.lora and self.trains.has_adapter(one) else 0
            adapter = 2 * rank * (one.inputs + one.outputs)
            plain = 2 * one.inputs * one.outputs
            total += plain * (1 + self.trains.learns(kind)) + 2 * adapter if learning else plain + adapter
        return total

    def attention_flops(self, kind: Literal["text", "patch"], *, learning: bool = False) -> float:
        """Of a token or patch that sees one, in all layers."""
        text, vision = self.config.text, self.config.vision
        queries = text.num_attention_heads * text.head_dim
        once = 4 * queries * (text.num_hidden_layers - 1) if kind == "text" else 4 * vision.hidden_size * vision.depth
        return once * (AGAIN_IN_ATTENTION if learning else 1)
