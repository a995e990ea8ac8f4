"""Several models of one shape become one: by formula, or with weights found by gradient descent on a probe set."""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from anyseek.errors import ConfigError, TrainingError
from anyseek.model.streaming import StoredWeights, write_like

__all__ = [
    "Forward",
    "MergeOptions",
    "Method",
    "Position",
    "PositionOptions",
    "merge",
    "merge_folders",
    "mix",
    "position",
    "slerp",
    "sweep",
]

Method = Literal["linear", "slerp", "task"]
Forward = Callable[..., Any]
"""The forward pass of a model, with weights that are not its own."""

PARALLEL = 0.9995
"""Cosine from which two tensors count as parallel: the sine of the angle would divide by next to nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeOptions:
    """How models become one.

    Attributes:
        method: `linear`, the weighted mean; `slerp`, along the arc between two; `task`, a base and a weighted sum of
            what each model learned from there (Ilharco et al. 2023, arXiv 2212.04089).
        weights: one per model. Those of `linear` and `slerp` sum to 1.
    """

    method: Method
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        """Raise ConfigError for weights that make no such merge."""
        if self.method not in ("linear", "slerp", "task"):
            raise ConfigError(f"method {self.method!r} is unknown; choose linear, slerp or task")
        if not self.weights or not all(map(math.isfinite, self.weights)):
            raise ConfigError(f"weights are one finite number per model (got {self.weights})")
        if self.method == "slerp" and len(self.weights) != 2:
            raise ConfigError(f"slerp is between two models (got {len(self.weights)}); choose linear for more")
        total = math.fsum(self.weights)
        if self.method != "task" and abs(total - 1) > 1e-6:
            raise ConfigError(f"the weights of {self.method} must sum to 1 (got {total:g}); task has free ones")


def merge(tensors: Sequence[Tensor], options: MergeOptions, base: Tensor | None = None) -> Tensor:
    """One tensor of several, in fp32.

    Args:
        tensors: of one shape, one of each model.
        options: how.
        base: of `task`, the model that they were all trained from.
    """
    if options.method == "slerp":
        return slerp(tensors[0], tensors[1], options.weights[1])
    if options.method == "linear":
        return mix(tensors, options.weights)
    assert base is not None, "task arithmetic starts from a base"
    return mix([base, *tensors], [1 - math.fsum(options.weights), *options.weights])


def mix(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """The mean by weights that sum to 1, in fp32.

    Differences from the first that counts are added up, so that a model alone, or equal ones, come out bit for bit.
    """
    used = [(tensor, weight) for tensor, weight in zip(tensors, weights, strict=True) if weight]
    first = used[0][0].float()
    out = first.clone()
    for tensor, weight in used[1:]:
        out.add_(tensor.float() - first, alpha=weight)
    return out


def slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """The point at `t` on the arc from `a` (0) to `b` (1), in fp32 (Shoemake 1985).

    Tensors count as flat vectors. Where they are parallel it is the point of the line.
    """
    a, b = a.float(), b.float()
    lengths = float(a.norm() * b.norm())
    cosine = float((a * b).sum()) / lengths if lengths else 1.0
    if t in (0, 1) or abs(cosine) > PARALLEL:
        return mix([a, b], [1 - t, t])
    angle = math.acos(cosine)
    return (math.sin((1 - t) * angle) * a + math.sin(t * angle) * b) / math.sin(angle)


def merge_folders(models: Sequence[Path], folder: Path, options: MergeOptions, base: Path | None = None) -> None:
    """Merge model folders into another, a tensor at a time.

    Dtypes, names and files, tokenizer and settings are those of the first model.

    Args:
        models: their folders.
        folder: made when missing.
        options: how.
        base: folder of the model that they were trained from, for `task`.

    Raises:
        ConfigError: weights and models are not equally many, a base is missing or not wanted, or the new folder is one
            of the old.
        CheckpointError: configs, names or shapes differ.
    """
    if len(models) != len(options.weights):
        raise ConfigError(f"{len(models)} models need as many weights (got {len(options.weights)})")
    if (options.method == "task") != (base is not None):
        raise ConfigError("task arithmetic starts from a base, linear and slerp have none")
    stored = [StoredWeights(path) for path in models]
    start = StoredWeights(base) if base else None
    for other in [*stored, *([start] if start else [])]:
        stored[0].check_like(other)
        if other.folder.resolve() == folder.resolve():
            raise ConfigError(f"{folder} would overwrite what it is made from; name another folder")

    def tensor_of(name: str) -> Tensor:
        return merge([one.read(name) for one in stored], options, start.read(name) if start else None)

    write_like(stored[0], folder, tensor_of)


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionOptions:
    """How long and how fast to look.

    Attributes:
        steps: of gradient descent, each a forward and a backward pass over the probe set.
        learning_rate: first one, falling to zero in a line.
    """

    steps: int = 40
    learning_rate: float = 0.1

    def __post_init__(self) -> None:
        """Raise ConfigError for no steps."""
        if self.steps < 1 or not self.learning_rate > 0:
            raise ConfigError(f"steps and learning rate must be positive (got {self.steps}, {self.learning_rate})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What was found.

    Attributes:
        shares: of each model, summing to 1.
        scale: of the sum of what they learned.
        losses: of each step; the first is that of equal shares and scale 1.
    """

    shares: tuple[float, ...]
    scale: float
    losses: tuple[float, ...]

    @property
    def weights(self) -> tuple[float, ...]:
        """Those that `task` takes."""
        return tuple(self.scale * share for share in self.shares)


def position(
    models: Sequence[nn.Module],
    base: nn.Module,
    loss_of: Callable[[Forward], Tensor],
    options: PositionOptions = PositionOptions(),
) -> Position:
    """Self positioning (Li et al. 2024, arXiv 2410.15035): where among the models a probe set is best served.

    The weights are base + scale * sum of share_i * (model_i - base). Only the shares (as a softmax) and the scale
    learn, by Adam; what is returned is the best point that was visited.

    Args:
        models: of one shape.
        base: what they were trained from.
        loss_of: scalar loss of the probe set, from a forward pass that takes the base's arguments.
        options: of the descent.

    Raises:
        ConfigError: the models are not of one shape.
        TrainingError: the loss is not finite.
    """
    learned = [_aligned(model, base) for model in models]
    start = dict(base.named_parameters())
    heights = torch.zeros(len(models), requires_grad=True)
    scale = torch.ones((), requires_grad=True)
    optimiser = torch.optim.Adam([heights, scale], lr=options.learning_rate)
    visited: list[tuple[float, tuple[float, ...], float]] = []
    for step in range(options.steps):
        shares = heights.softmax(0)
        weights = scale * shares
        loss, slopes = _descend(learned, start, weights.tolist(), lambda own: loss_of(_running(base, own)))
        if not math.isfinite(loss):
            raise TrainingError(f"the loss of the probe set is {loss} at step {step}; lower the learning rate")
        visited.append((loss, tuple(shares.tolist()), scale.item()))
        for group in optimiser.param_groups:
            group["lr"] = options.learning_rate * (1 - step / options.steps)
        optimiser.zero_grad()
        weights.backward(torch.tensor(slopes))
        optimiser.step()
    _, best, size = min(visited)
    return Position(shares=best, scale=size, losses=tuple(loss for loss, *_ in visited))


def _descend(
    models: Sequence[Mapping[str, Tensor]],
    base: Mapping[str, Tensor],
    weights: Sequence[float],
    loss_of: Callable[[dict[str, Tensor]], Tensor],
) -> tuple[float, list[float]]:
    """Loss at a point, and its slope along what each model learned: the only gradients that anything is done with."""
    shares = [1 - math.fsum(weights), *weights]
    with torch.no_grad():
        mixed = {n: mix([own, *(m[n] for m in models)], shares).to(own.dtype) for n, own in base.items()}
    for tensor in mixed.values():
        tensor.requires_grad_()
    loss = loss_of(mixed)
    gradients = torch.autograd.grad(loss, list(mixed.values()), allow_unused=True)
    slopes = [0.0] * len(models)
    with torch.no_grad():
        for name, gradient in zip(mixed, gradients, strict=True):
            for row, model in enumerate(models if gradient is not None else ()):
                slopes[row] += float((gradient.float() * (model[name].float() - base[name].float())).sum())
    return loss.item(), slopes


def _running(module: nn.Module, weights: dict[str, Tensor]) -> Forward:
    """The forward pass of a module with these weights."""

    def forward(*args: Any, **options: Any) -> Any:
        return functional_call(module, weights, args, options)

    return forward


def _aligned(model: nn.Module, base: nn.Module) -> dict[str, Tensor]:
    """Parameters by name, if they are the base's in name and shape."""
    own = {name: parameter.detach() for name, parameter in model.named_parameters()}
    shapes = {name: tensor.shape for name, tensor in own.items()}
    wanted = {name: tensor.shape for name, tensor in base.named_parameters()}
    if shapes != wanted:
        other = sorted(name for name in shapes.keys() | wanted.keys() if shapes.get(name) != wanted.get(name))
        raise ConfigError(f"only models of one shape can be mixed; these differ in {', '.join(other[:3])}")
    return own


@torch.no_grad()
def sweep(
    a: nn.Module, b: nn.Module, score_of: Callable[[nn.Module], float], *, points: int = 11, method: Method = "linear"
) -> list[tuple[float, float]]:
    """Scores along the way from one model to another.

    Args:
        a: where it starts; stays as it is.
        b: where it ends.
        score_of: score of a model; the same one is handed in each time, with other weights.
        points: how many, both ends among them.
        method: `linear` or `slerp`.

    Returns:
        Weight of `b`, and the score there.

    Raises:
        ConfigError: fewer than two points, or models of two shapes.
    """
    if points < 2:
        raise ConfigError(f"a sweep has at least two points, its ends (got {points})")
    end, model = _aligned(b, a), copy.deepcopy(a)
    start = dict(a.named_parameters())
    found = []
    for number in range(points):
        t = number / (points - 1)
        options = MergeOptions(method=method, weights=(1 - t, t))
        for name, parameter in model.named_parameters():
            parameter.copy_(merge([start[name], end[name]], options))
        found.append((t, score_of(model)))
    return found
