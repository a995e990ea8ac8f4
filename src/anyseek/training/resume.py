"""A run that goes on after it was killed: its state in files, written whole or not at all, without pickle."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from anyseek.errors import ConfigError, TrainingError
from anyseek.training.optimiser import MasterAdamW
from anyseek.training.processes import gather_counts, meet

__all__ = ["Keeper"]

ABOUT = "state.json"
PREFIX, UNFINISHED = "step-", ".unfinished"
_NONE = "not there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """Where and how often the state of a run is kept, in a folder that all processes see.

    Random numbers are drawn anew from seed and step (`TrainOptions.seed`) and batches from their number, so that the
    weights, the optimiser's moments, the step and the seconds are all there is to keep.

    Attributes:
        folder: of the run.
        every: steps.
        most: states kept; the oldest go.
        writes: whether this process writes what all share; all read.
        part: number of this process, and how many there are, where each keeps a part of the state in a file of its own;
            None where one writes all of it.
        settings: what the losses follow from, as plain data by name; a state of others is refused.
    """

    folder: Path
    every: int = 200
    most: int = 2
    writes: bool = True
    part: tuple[int, int] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def keep(self, optimiser: MasterAdamW, step: int, seconds: float) -> None:
        """Write the state after `step` steps, which took `seconds`; a crash in between leaves the one before."""
        target = self.folder / f"{PREFIX}{step:08d}"
        draft = target.with_name(target.name + UNFINISHED)
        if self.writes:
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
        if self.part:
            meet()
        if self.part or self.writes:
            save_file(optimiser.state(), draft / self._file)
            _to_disk(draft / self._file)
        if self.part:
            meet()  # whole means: with every process's part
        if self.writes:
            about = {"step": step, "seconds": seconds, "parts": self._parts, "settings": dict(self.settings)}
            (draft / ABOUT).write_text(json.dumps(about) + "\n", encoding="utf-8")
            _to_disk(draft / ABOUT)
            shutil.rmtree(target, ignore_errors=True)
            draft.rename(target)
            for old in self._finished()[: -self.most]:
                shutil.rmtree(old)

    def restore(self, optimiser: MasterAdamW) -> tuple[int, float]:
        """Load the newest state; without any, nothing changes.

        Returns:
            Steps that are done, and the seconds that they took.

        Raises:
            ConfigError: the state is of other settings; the message names them.
            TrainingError: the state is of another model or another number of parts, damaged, or not what the other
                processes find.
        """
        states = self._finished()
        step, seconds = self._load(states[-1], optimiser) if states else (0, 0.0)
        if len(set(gather_counts(step))) > 1:
            raise TrainingError(f"the processes find different states in {self.folder}; let all of them see one folder")
        return step, seconds

    def newest(self, steps: int) -> Path | None:
        """The newest state after at most so many steps, if there is one."""
        names = f"{PREFIX}{steps:08d}"
        return next((state for state in reversed(self._finished()) if state.name <= names), None)

    def _load(self, state: Path, optimiser: MasterAdamW) -> tuple[int, float]:
        """Load a state; its steps and seconds."""
        try:
            about = json.loads((state / ABOUT).read_text(encoding="utf-8"))
            step, parts = int(about["step"]), int(about.get("parts", 1))
            seconds, settings = float(about.get("seconds", 0.0)), dict(about.get("settings", {}))
            tensors: dict[str, Tensor] = load_file(state / self._file) if parts == self._parts else {}
        except (OSError, ValueError, TypeError, KeyError, SafetensorError) as error:
            raise TrainingError(
                f"{state} cannot be read ({error}); remove it to go on from the state before"
            ) from error
        if parts != self._parts:
            raise TrainingError(
                f"{state} is a state in {parts} part(s), and this run has {self._parts}: start as many processes as "
                "before with the same 'parallel', or start the run in a new folder"
            )
        self._compare(settings, state)
        optimiser.load_state(tensors, str(state))
        return step, seconds

    def _compare(self, settings: Mapping[str, Any], state: Path) -> None:
        """Raise ConfigError where the settings of a state are others; one of an older anyseek has none."""
        own = json.loads(json.dumps(dict(self.settings)))  # as they are read back
        if not settings or not own or settings == own:
            return
        names = [name for name in {**settings, **own} if settings.get(name, _NONE) != own.get(name, _NONE)]
        told = [f"{name} was {settings.get(name, _NONE)} and is {own.get(name, _NONE)}" for name in names]
        raise ConfigError(
            f"{state} is of a run with other settings, and both would mix: {'; '.join(told)}; set them as they were to "
            "go on, or choose another 'out' to begin anew"
        )

    @property
    def _parts(self) -> int:
        """Of a state."""
        return self.part[1] if self.part else 1

    @property
    def _file(self) -> str:
        """What this process writes and reads."""
        return f"state-{self.part[0]:05d}.safetensors" if self.part else "state.safetensors"

    def _finished(self) -> list[Path]:
        """Whole states, the oldest first."""
        found = self.folder.glob(f"{PREFIX}*") if self.folder.is_dir() else ()
        return sorted(one for one in found if not one.name.endswith(UNFINISHED))


def _to_disk(path: Path) -> None:
    """Wait until a file is there even after the power fails."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def seed_step(seed: int, step: int, rank: int) -> None:
    """Draw the random numbers of a step (dropout) from these three alone."""
    torch.manual_seed((seed * 1_000_003 + step) * 1_009 + rank)
