"""Training on the same packed model: objectives, the optimiser with fp32 masters, one loop."""

from anyseek.training.loop import StepReport, TrainOptions, train
from anyseek.training.losses import (
    Judged,
    Objective,
    classification,
    contrastive,
    cosent,
    distillation,
    prototype_loss,
    yes_no,
)
from anyseek.training.optimiser import MasterAdamW
from anyseek.training.views import LearnedStep, Views

__all__ = [
    "Judged",
    "LearnedStep",
    "MasterAdamW",
    "Objective",
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
