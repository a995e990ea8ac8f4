"""One loop for every stage: a stage differs by its batches and its loss, never by a copied script."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from anyseek.errors import ConfigError, TrainingError
from anyseek.training.optimiser import MasterAdamW
from anyseek.training.processes import most, place
from anyseek.training.resume import Keeper, seed_step

__all__ = ["StepReport", "TrainOptions", "train"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """How long and how fast to learn.

    Attributes:
        steps: optimiser steps.
        learning_rate: peak, reached after warm-up, falling by a cosine to a twentieth.
        first: steps of the schedule that lie behind this run.
        warmup_steps: linear rise; 0 begins at the peak.
        weight_decay: of matrices.
        clip: largest norm of the gradient.
        spike: a gradient of so many times the usual norm is left out; None takes all.
        max_seconds: stop early, letting the schedule follow the clock, which a run that goes on does not begin anew;
            None follows the steps.
        seed: of what is drawn in a step, such as dropout.
    """

    steps: int
    learning_rate: float
    first: int = 0
    warmup_steps: int = 50
    weight_decay: float = 0.05
    clip: float = 1.0
    spike: float | None = None
    max_seconds: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise ConfigError for a length that ends before it begins."""
        if self.steps < 1 or self.warmup_steps < 0:
            raise ConfigError(
                "training.steps must be at least 1 and training.warmup_steps at least 0 "
                f"(got {self.steps} and {self.warmup_steps})"
            )
        if self.max_seconds is not None and not self.max_seconds > 0:
            raise ConfigError(f"training.max_seconds must be above 0, or null for no limit (got {self.max_seconds})")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """What happened in a step, and how many seconds the run had taken after it, those before a kill too."""

    step: int
    loss: float
    gradient_norm: float
    learning_rate: float
    seconds: float


def train(
    model: nn.Module,
    batches: Callable[[int], Iterable[Any]],
    loss_of: Callable[[Any], Tensor],
    options: TrainOptions,
    after_step: Callable[[StepReport], None],
    keeper: Keeper | None = None,
) -> None:
    """Train until the steps, the batches or the seconds are used up.

    Args:
        model: its trainable weights are changed.
        batches: what `loss_of` takes, from the batch of a step on.
        loss_of: scalar loss of a batch, with a graph; without one, its gradients lie on the weights already.
        options: of the run.
        after_step: called after every step.
        keeper: keeps the state now and then, and goes on from what it finds; None does neither.

    Raises:
        TrainingError: a loss or gradient is not finite; the message names the step.
    """
    optimiser = MasterAdamW(
        model,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        clip=options.clip,
        spike=options.spike,
    )
    begun, used = keeper.restore(optimiser) if keeper else (0, 0.0)
    rank, _ = place()
    start = time.monotonic() - used
    for step, batch in enumerate(batches(begun), begun):
        done = (options.first + step) / options.steps
        if options.max_seconds:  # one clock for all processes, as they stop together
            done = max(done, most(round(1000 * (time.monotonic() - start))) / 1000 / options.max_seconds)
        if done >= 1:
            return
        seed_step(options.seed, step, rank)
        loss = loss_of(batch)
        if not math.isfinite(loss.item()):
            raise TrainingError(f"the loss of step {step} is {loss.item()}; lower the learning rate")
        if loss.requires_grad:
            loss.backward()
        scale = min(1.0, (step + 1) / max(1, options.warmup_steps)) * (
            0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * done))
        )
        norm = optimiser.step(scale)
        after_step(
            StepReport(
                step=step,
                loss=loss.item(),
                gradient_norm=norm,
                learning_rate=options.learning_rate * scale,
                seconds=time.monotonic() - start,
            )
        )
        if keeper and (step + 1) % keeper.every == 0:
            keeper.keep(optimiser, step + 1, time.monotonic() - start)
