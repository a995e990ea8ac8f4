"""What a run tells, and when it is stopped: metrics in files, and a guard on the development metric."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from anyseek.errors import DependencyError, TrainingError
from anyseek.training.loop import StepReport

__all__ = ["Guard", "Metrics"]


class Metrics(AbstractContextManager["Metrics"]):
    """One JSON line a step, and the same in TensorBoard when it is wanted; call it after each step."""

    def __init__(self, folder: Path, tensorboard: bool = False) -> None:
        """Write into `metrics.jsonl`, and into `tensorboard` if that is wanted, behind what earlier runs wrote.

        Raises:
            DependencyError: TensorBoard is wanted and not installed.
        """
        writer = _writer() if tensorboard else None
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / "metrics.jsonl").open("a", encoding="utf-8")
        self._begin = partial(writer, log_dir=str(folder / "tensorboard")) if writer else None
        self._board: Any = None

    def __call__(self, report: StepReport, **more: float | str) -> None:
        """A step, and what else is known of it."""
        line = asdict(report) | more
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        if self._begin and self._board is None:  # steps that an earlier run made after its last state are made again
            self._board = self._begin(purge_step=report.step)
        if self._board is not None:
            for name, value in line.items():
                if isinstance(value, int | float) and name != "step":
                    self._board.add_scalar(name, value, report.step)
            self._board.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the files."""
        self._file.close()
        if self._board is not None:
            self._board.close()


class Guard:
    """Stops a run whose model has become worse on the development set than it was before it learnt anything.

    Attributes:
        baseline: the metric before the first step.
        best: the highest so far.
    """

    def __init__(
        self, evaluate: Callable[[], float], folder: Path, every: int, slack: float = 0.0, writes: bool = True
    ) -> None:
        """Evaluate before the first step; a run that goes on reads what that gave.

        Args:
            evaluate: metric of the model as it is; the higher, the better.
            folder: of the run, for `guard.json`.
            every: steps between evaluations.
            slack: how far the metric may lie below the baseline, for the noise of a small set.
            writes: whether this process writes; where several evaluate, they do it together.
        """
        self.evaluate, self.every, self.slack = evaluate, every, slack
        known = folder / "guard.json"
        if known.exists():
            self.baseline = float(json.loads(known.read_text(encoding="utf-8"))["baseline"])
        else:
            self.baseline = evaluate()
            if writes:
                folder.mkdir(parents=True, exist_ok=True)
                known.write_text(json.dumps({"baseline": self.baseline}) + "\n", encoding="utf-8")
        self.best = self.baseline

    def __call__(self, report: StepReport) -> float | None:
        """Evaluate after every so many steps.

        Returns:
            The metric, if it was time.

        Raises:
            TrainingError: it lies below the baseline.
        """
        if (report.step + 1) % self.every:
            return None
        metric = self.evaluate()
        self.best = max(self.best, metric)
        if metric < self.baseline - self.slack:
            raise TrainingError(
                f"after step {report.step} the development metric is {metric:.4f}, below the {self.baseline:.4f} of "
                "the model before training; lower the learning rate, look at the data (`anyseek data show`), or check "
                "that the instruction is the one the model knows"
            )
        return metric


def _writer() -> Any:
    """TensorBoard's."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise DependencyError("TensorBoard is not installed: pip install 'anyseek[tensorboard]'") from error
    return SummaryWriter
