"""Inputs to vectors with gradients: the engine's own forward pass, shared beginnings and repeated pictures once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from anyseek.engine.compute import Compute, Row, Seen, row_of
from anyseek.engine.features import CacheOptions
from anyseek.errors import ConfigError
from anyseek.model import Backbone
from anyseek.processing import Prepared, Processor, grid_of

__all__ = ["Laid", "States", "lay_out"]


@dataclass(frozen=True, slots=True)
class Laid:
    """One input or pair, ready to be computed.

    Attributes:
        row: its prompt.
        seen: decoded pictures, pages and videos, by identity.
    """

    row: Row
    seen: Mapping[bytes, Seen]

    @property
    def cost(self) -> int:
        """Tokens and merged patches, for budgets."""
        return self.row.sample.num_tokens + sum(tokens for _, tokens in self.row.visuals)


def lay_out(processor: Processor, prepared: Prepared) -> Laid:
    """Decode what was prepared.

    Raises:
        InputError: a source turns out corrupt.
    """
    identities = [processor.identity(visual) for visual in prepared.visuals]
    shown = dict(zip(identities, prepared.visuals, strict=True))
    seen = {identity: Seen(processor.decode(visual), grid_of(visual)) for identity, visual in shown.items()}
    return Laid(row_of(processor, prepared, identities), seen)


class States:
    """`(inputs, hidden)` final last-token states of inputs, with gradients where they are enabled."""

    def __init__(
        self,
        backbone: Backbone,
        attention: str = "auto",
        batch_tokens: int = 1 << 30,
        most: Callable[[int], int] | None = None,
        feature_bytes: int = 0,
    ) -> None:
        """Run a model.

        Args:
            backbone: changed by training between calls.
            attention: backend.
            batch_tokens: of a packed batch; without limit, one pass takes all.
            most: as `Compute` has it, where weights lie in shards.
            feature_bytes: of vision features that are kept from call to call.

        Raises:
            ConfigError: features are to be kept of a tower that learns.
        """
        tower = backbone.visual
        if feature_bytes and tower is not None and any(weight.requires_grad for weight in tower.parameters()):
            raise ConfigError(f"feature_bytes={feature_bytes} needs a vision tower that does not learn: vision=False")
        self._compute = Compute(backbone, attention, replace(CacheOptions.none(), feature_bytes=feature_bytes), most)
        self._batch_tokens = batch_tokens

    def __call__(self, inputs: Sequence[Laid]) -> Tensor:
        """Beginnings that inputs share are computed once (not with shards), and so is what several of them show."""
        shown = {identity: one for laid in inputs for identity, one in laid.seen.items()}
        kept = self._compute.kept(shown)
        return self._compute.states([laid.row for laid in inputs], {**shown, **kept}, self._batch_tokens)
