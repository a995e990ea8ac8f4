"""Training on the same packed model: objectives, the optimiser with fp32 masters, one loop.

Names are loaded on first use: `data`, which looks at training data and computes nothing, then needs no torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anyseek.training.loop import StepReport, TrainOptions, train
    from anyseek.training.losses import (
        Objective,
        Relevance,
        classification,
        contrastive,
        cosent,
        distillation,
        prototype_loss,
        yes_no,
    )
    from anyseek.training.optimiser import MasterAdamW
    from anyseek.training.resume import Keeper
    from anyseek.training.views import LearnedStep, Views
    from anyseek.training.watching import Guard, Metrics

__all__ = [
    "Guard",
    "Keeper",
    "LearnedStep",
    "MasterAdamW",
    "Metrics",
    "Objective",
    "Relevance",
    "StepReport",
    "TrainOptions",
    "Views",
    "classification",
    "contrastive",
    "cosent",
    "distillation",
    "prototype_loss",
    "train",
    "yes_no",
]

_HOMES = {
    "loop": ("StepReport", "TrainOptions", "train"),
    "losses": (
        "Objective",
        "Relevance",
        "classification",
        "contrastive",
        "cosent",
        "distillation",
        "prototype_loss",
        "yes_no",
    ),
    "optimiser": ("MasterAdamW",),
    "resume": ("Keeper",),
    "views": ("LearnedStep", "Views"),
    "watching": ("Guard", "Metrics"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a name from the file that owns it."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'anyseek.training' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"anyseek.training.{_HOME_OF[name]}"), name)
    globals()[name] = value  # the next look-up is an ordinary one
    return value
