"""Training on the same packed model: objectives, the optimiser with fp32 masters, one loop."""

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
