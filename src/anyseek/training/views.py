"""Vectors that stay good when they are cut and rounded: an objective on prefixes and on quantised vectors as well."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from anyseek.errors import ConfigError
from anyseek.training.losses import Objective, Relevance

__all__ = ["LearnedStep", "Views"]

LEVELS = {"int8": (-128, 127), "binary": (-1, 1)}
"""Lowest and highest whole number; binary has only these two."""


class LearnedStep(nn.Module):
    """Rounds to whole multiples of a step that is learned (LSQ, Esser et al. 2020, arXiv 1902.08153).

    The gradient passes straight through the rounding, and stops where a number is out of range.
    """

    def __init__(self, precision: str) -> None:
        """Make it for `int8` or `binary`; `start` must see vectors before it is used."""
        super().__init__()
        if precision not in LEVELS:
            raise ConfigError(f"precision {precision!r} has no step to learn; choose from {', '.join(LEVELS)}")
        self.low, self.high = LEVELS[precision]
        self.is_binary = precision == "binary"
        self.step = nn.Parameter(torch.zeros(()))

    @torch.no_grad()
    def start(self, vectors: Tensor) -> None:
        """Begin with the paper's step for these `(items, dim)`, unless it has begun: 2 mean |v| / sqrt(highest)."""
        if self.step == 0:
            self.step.copy_(2 * vectors.detach().abs().mean() / self.high**0.5)

    def forward(self, vectors: Tensor) -> Tensor:
        """`(items, dim)` as the model gives them to the same, rounded."""
        calm = (vectors.shape[-1] * self.high) ** -0.5  # the paper's factor: as large an update as that of a weight
        step = self.step * calm + (self.step * (1 - calm)).detach()
        scaled = (vectors / step).clamp(self.low, self.high)
        whole = torch.where(scaled > 0, 1.0, -1.0).to(scaled.dtype) if self.is_binary else scaled.round()
        rounded: Tensor = (scaled + (whole - scaled).detach()) * step
        return rounded


class Views(nn.Module):
    """Matryoshka (Kusupati et al. 2022, arXiv 2205.13147) and quantisation-aware training around any objective."""

    def __init__(self, widths: Sequence[int], precisions: Sequence[str] = ()) -> None:
        """Look at vectors cut to each width, as they are and in each precision.

        Args:
            widths: leading numbers kept.
            precisions: besides float32.

        Raises:
            ConfigError: no width, or a precision without a step.
        """
        super().__init__()
        if not widths:
            raise ConfigError("widths must name at least one; the width of the model is the usual one")
        self.widths = tuple(widths)
        self.steps = nn.ModuleDict({precision: LearnedStep(precision) for precision in precisions})

    def start(self, vectors: Tensor) -> None:
        """Begin the steps with the first vectors `(items, dim)` of a run; later ones change nothing."""
        for step in self.steps.values():
            assert isinstance(step, LearnedStep)
            step.start(vectors)

    def sizes(self) -> dict[str, float]:
        """The learned steps, by precision."""
        return {name: float(step.get_parameter("step").detach()) for name, step in self.steps.items()}

    def forward(self, objective: Objective, queries: Tensor, documents: Tensor, judged: Relevance) -> Tensor:
        """Mean of the objective over all views.

        Args:
            objective: of vectors of length 1.
            queries: `(queries, dim)` as the model gives them.
            documents: `(documents, dim)` likewise.
            judged: of them.
        """
        losses = [objective(a, b, judged) for a, b in zip(self._seen(queries), self._seen(documents), strict=True)]
        return torch.stack(losses).mean()

    def _seen(self, vectors: Tensor) -> Iterator[Tensor]:
        """Each view of `(items, dim)`, of length 1."""
        for width in self.widths:
            cut = vectors[:, :width]
            yield functional.normalize(cut, dim=-1)
            for step in self.steps.values():
                yield functional.normalize(step(cut), dim=-1)
