"""Training on the same packed model: objectives, the optimiser with fp32 masters, one loop.

Names are loaded on first use: `data`, which looks at training data and computes nothing, then needs no torch.
"""

from typing import TYPE_CHECKING

from anyseek.lazy import loader

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
    "anyseek.training.loop": ("StepReport", "TrainOptions", "train"),
    "anyseek.training.losses": (
        "Objective",
        "Relevance",
        "classification",
        "contrastive",
        "cosent",
        "distillation",
        "prototype_loss",
        "yes_no",
    ),
    "anyseek.training.optimiser": ("MasterAdamW",),
    "anyseek.training.resume": ("Keeper",),
    "anyseek.training.views": ("LearnedStep", "Views"),
    "anyseek.training.watching": ("Guard", "Metrics"),
}
__getattr__ = loader(__name__, _HOMES)
