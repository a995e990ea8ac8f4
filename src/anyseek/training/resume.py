"""A run that goes on after it was killed: its state in files, written whole or not at all, without pickle."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from anyseek.errors import TrainingError
from anyseek.training.optimiser import MasterAdamW

__all__ = ["Keeper"]

TENSORS, ABOUT = "state.safetensors", "state.json"
PREFIX, UNFINISHED = "step-", ".unfinished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """Where and how often the state of a run is kept.

    Random numbers are drawn anew from seed and step (`TrainOptions.seed`) and batches from their number, so that the
    weights, the optimiser's moments and the step are all there is to keep.

    Attributes:
        folder: of the run.
        every: steps.
        most: states kept; the oldest go.
        writes: whether this process writes; all read.
    """

    folder: Path
    every: int = 200
    most: int = 2
    writes: bool = True

    def keep(self, optimiser: MasterAdamW, step: int) -> None:
        """Write the state after `step` steps; a crash in between leaves the one before."""
        if not self.writes:
            return
        target = self.folder / f"{PREFIX}{step:08d}"
        draft = target.with_name(target.name + UNFINISHED)
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        save_file(optimiser.state(), draft / TENSORS)
        (draft / ABOUT).write_text(json.dumps({"step": step}) + "\n", encoding="utf-8")
        for name in (TENSORS, ABOUT):
            with (draft / name).open("rb") as file:
                os.fsync(file.fileno())
        shutil.rmtree(target, ignore_errors=True)
        draft.rename(target)
        for old in self._finished()[: -self.most]:
            shutil.rmtree(old)

    def restore(self, optimiser: MasterAdamW) -> int:
        """Load the newest state; without any, nothing changes.

        Returns:
            Steps that are done.

        Raises:
            TrainingError: the state is of another model, or damaged.
        """
        states = self._finished()
        if not states:
            return 0
        newest = states[-1]
        try:
            step = int(json.loads((newest / ABOUT).read_text(encoding="utf-8"))["step"])
            tensors: dict[str, Tensor] = load_file(newest / TENSORS)
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise TrainingError(
                f"{newest} cannot be read ({error}); remove it to go on from the state before"
            ) from error
        optimiser.load_state(tensors, str(newest))
        return step

    def _finished(self) -> list[Path]:
        """Whole states, the oldest first."""
        found = self.folder.glob(f"{PREFIX}*") if self.folder.is_dir() else ()
        return sorted(one for one in found if not one.name.endswith(UNFINISHED))


def seed_step(seed: int, step: int, rank: int) -> None:
    """Draw the random numbers of a step (dropout) from these three alone."""
    torch.manual_seed((seed * 1_000_003 + step) * 1_009 + rank)
