"""Both towers as one model, and the two heads that read it.

patches -> vision tower -> features --+
token ids -> embedding ---------------+-> text tower (deepstack added after layer k) -> final norm -> last token
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from anyseek.batch import Block, PackedBatch, Past
from anyseek.errors import ConfigError
from anyseek.model.config import ModelConfig
from anyseek.model.text import Deepstack, Sight, TextTower
from anyseek.model.vision import VisionTower

__all__ = ["Backbone", "pooled_embedding", "yes_no_logit"]


class Backbone(nn.Module):
    """The Qwen3-VL model without an output head; parameter names are the published ones less their `model.`."""

    def __init__(self, config: ModelConfig, *, vision: bool = True) -> None:
        """Make both towers, or the text tower alone."""
        super().__init__()
        self.config = config
        self.visual = VisionTower(config.vision) if vision else None
        self.language_model = TextTower(config.text)

    def forward(
        self,
        batch: PackedBatch,
        *,
        last: bool = False,
        backend: str = "auto",
        features: Tensor | None = None,
        past: Past = (),
    ) -> Tensor:
        """Hidden states after the final norm.

        Args:
            batch: packed samples on the model's device.
            last: of the last token of each sequence only.
            backend: attention backend, one of `ops.BACKENDS`.
            features: what `see` gave for all visual tokens; None runs the vision tower over the batch's patches.
            past: blocks that stand before each sequence, from `remember`; empty when nothing does.

        Returns:
            `(sequences, hidden)` or `(tokens, hidden)`.
        """
        states, visual = self._embedded(batch, backend, features)
        sight = Sight(batch.lengths, backend, past)
        final: Tensor = self.language_model.norm(
            self.language_model(states, batch.position_ids, sight, visual, last=last)
        )
        return final

    def see(self, patches: Tensor, grids: Sequence[tuple[int, int, int]], backend: str = "auto") -> Tensor:
        """`(visual_tokens, 1 + deepstack, hidden)`: final features, then those for deepstack.

        The vision tower sees no text, so that they serve any prompt.
        """
        if self.visual is None:
            raise ConfigError("this model was loaded without its vision tower; load it with vision=True")
        final, deepstack = self.visual(patches, grids, backend)
        return torch.stack([final, *deepstack], dim=1)

    def remember(
        self,
        batch: PackedBatch,
        *,
        backend: str = "auto",
        features: Tensor | None = None,
        past: Past = (),
    ) -> list[Block]:
        """Keys and values of each sequence, for others that continue it; the arguments are those of `forward`."""
        states, visual = self._embedded(batch, backend, features)
        layers = self.language_model.remember(states, batch.position_ids, Sight(batch.lengths, backend, past), visual)
        keys, values = (zip(*(layer[side].split(batch.lengths) for layer in layers), strict=True) for side in (0, 1))
        return [Block(key, value) for key, value in zip(keys, values, strict=True)]

    def _embedded(self, batch: PackedBatch, backend: str, features: Tensor | None) -> tuple[Tensor, Deepstack | None]:
        """Embedded tokens with vision in its places, and where deepstack goes."""
        states = self.language_model.embed_tokens(batch.token_ids)
        if not len(batch.visual_index):
            return states, None
        if features is None:
            features = self.see(batch.patches, batch.grids, backend)
        final, *deepstack = features.to(states.dtype).unbind(1)
        return states.index_copy(0, batch.visual_index, final), (batch.visual_index, deepstack)

    def use_checkpointing(self, wanted: bool = True) -> None:
        """Keep only what stands between the layers for the gradients, and compute the rest again: slower, smaller."""
        self.language_model.checkpointing = wanted
        if self.visual is not None:
            self.visual.checkpointing = wanted

    @torch.no_grad()
    def initialise(self, generator: torch.Generator) -> None:
        """Random weights for training from scratch: matrices normal with deviation 1/sqrt(fan-in), biases zero."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                module.weight.normal_(0, module.in_features**-0.5, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
            elif isinstance(module, nn.Embedding):
                module.weight.normal_(0, 0.02, generator=generator)


def pooled_embedding(hidden: Tensor, normalize: bool = True) -> Tensor:
    """Vectors of `(sequences, hidden)` last-token states, in fp32, of length 1 unless `normalize` is False."""
    hidden = hidden.float()
    return functional.normalize(hidden, dim=-1) if normalize else hidden


def yes_no_logit(hidden: Tensor, score_row: Tensor) -> Tensor:
    """Log-odds of "yes" over "no", in fp32.

    Args:
        hidden: `(sequences, hidden)` last-token states after the final norm.
        score_row: `(hidden,)` difference of the two rows of the output head, taken in fp32.

    Returns:
        `(sequences,)`; its sigmoid is the relevance score.
    """
    return hidden.float() @ score_row
