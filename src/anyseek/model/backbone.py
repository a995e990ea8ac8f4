"""Both towers as one model, and the two heads that read it.

patches -> vision tower -> features --+
token ids -> embedding ---------------+-> text tower (deepstack added after layer k) -> final norm -> last token
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from anyseek.batch import PackedBatch
from anyseek.model.config import ModelConfig
from anyseek.model.text import TextTower
from anyseek.model.vision import VisionTower

__all__ = ["Backbone", "pooled_embedding", "yes_no_logit"]


class Backbone(nn.Module):
    """The Qwen3-VL model without an output head; parameter names are the published ones less their `model.`."""

    def __init__(self, config: ModelConfig) -> None:
        """Make both towers."""
        super().__init__()
        self.config = config
        self.visual = VisionTower(config.vision)
        self.language_model = TextTower(config.text)

    def forward(self, batch: PackedBatch, read: Tensor | None = None, backend: str = "auto") -> Tensor:
        """Hidden states after the final norm.

        Args:
            batch: packed samples on the model's device.
            read: `(reads,)` tokens wanted; None reads all.
            backend: attention backend, one of `ops.BACKENDS`.

        Returns:
            `(reads, hidden)` or `(tokens, hidden)`.
        """
        states = self.language_model.embed_tokens(batch.token_ids)
        visual = None
        if batch.grids:
            features, deepstack = self.visual(batch.patches, batch.grids, backend)
            states = states.index_copy(0, batch.visual_index, features.to(states.dtype))
            visual = (batch.visual_index, deepstack)
        states = self.language_model(states, batch.position_ids, batch.lengths, visual, backend)
        final: Tensor = self.language_model.norm(states if read is None else states[read])
        return final

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
