"""Training on the same packed model: losses, the optimiser with fp32 masters, one loop."""

from anyseek.training.loop import StepReport, TrainOptions, train
from anyseek.training.losses import info_nce, prototype_loss, yes_no
from anyseek.training.optimiser import MasterAdamW

__all__ = ["MasterAdamW", "StepReport", "TrainOptions", "info_nce", "prototype_loss", "train", "yes_no"]
