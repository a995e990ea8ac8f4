"""Fine-tuning on captioned pictures, as `docs/training.md` walks through it.

anyseek train recipes.captions:stage
"""

from pathlib import Path

from anyseek.training import TrainOptions
from anyseek.training.stage import ObjectiveOptions, Stage, StageSource

__all__ = ["stage"]


def stage() -> Stage:
    """LoRA on the bundled embedder, from `captions/train`; `captions/dev` guards it."""
    return Stage(
        kind="embedder",
        model="tiny",
        out=Path("runs/captions"),
        sources=(StageSource(folder=Path("captions/train"), queries=32, negatives=0),),
        objective=ObjectiveOptions(temperature=0.05),
        training=TrainOptions(steps=120, learning_rate=2e-3, warmup_steps=10),
        attention="matmul",
        dev=Path("captions/dev"),
        evaluate_every=40,
    )
