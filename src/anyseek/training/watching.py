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
from anyseek.training.resume import Keeper

__all__ = ["Guard", "Metrics"]


class Metrics(AbstractContextManager["Metrics"]):
    """One JSON line a step, and the same in TensorBoard when it is wanted; call it after each step.

    A step that is told again, with what was found later, has another line; in TensorBoard only that is added.
    """

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
        self._step: int | None = None

    def __call__(self, report: StepReport, **more: float | str) -> None:
        """A step, and what else is known of it."""
        line = asdict(report) | more
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        if self._begin and self._board is None:  # steps that an earlier run made after its last state are made again
            self._board = self._begin(purge_step=report.step)
        if self._board is not None:
            for name, value in (more if report.step == self._step else line).items():
                if isinstance(value, int | float) and name != "step":
                    self._board.add_scalar(name, value, report.step)
            self._board.flush()
        self._step = report.step

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
        good: steps after which the model was last found good.
        last: the last step that was told; None before the first.
    """

    def __init__(
        self,
        evaluate: Callable[[], float],
        folder: Path,
        every: int,
        slack: float = 0.0,
        keeper: Keeper | None = None,
    ) -> None:
        """Evaluate before the first step; a run that goes on reads what that gave.

        Args:
            evaluate: metric of the model as it is; the higher, the better.
            folder: of the run, for `guard.json`.
            every: steps between evaluations.
            slack: how far the metric may lie below the baseline, for the noise of a small set.
            keeper: of the run's states; only a process that writes these writes `guard.json`. None keeps none.
        """
        self.evaluate, self.every, self.slack, self.keeper = evaluate, every, slack, keeper
        self.last: StepReport | None = None
        self.good = 0
        self._file = folder / "guard.json"
        if self._file.exists():
            known = json.loads(self._file.read_text(encoding="utf-8"))
            self.baseline, self.good = float(known["baseline"]), int(known.get("good", 0))
        else:
            self.baseline = evaluate()
            self._write()
        self.best = self.baseline

    def __call__(self, report: StepReport) -> dict[str, float]:
        """Evaluate after every so many steps.

        Returns:
            The metric as `dev`, if it was time, and with the first step that of the model before it as `baseline`.

        Raises:
            TrainingError: it lies below the baseline; the message names the last state that was good.
        """
        self.last = report
        found = {} if report.step else {"baseline": self.baseline}
        return found if (report.step + 1) % self.every else found | {"dev": self._look()}

    def end(self) -> dict[str, float]:
        """Evaluate the model that is about to be written, unless the last step was followed by that; see `__call__`."""
        looked = self.last is not None and (self.last.step + 1) % self.every == 0
        return {} if looked else {"dev": self._look()}

    def _look(self) -> float:
        """The metric now."""
        metric = self.evaluate()
        self.best = max(self.best, metric)
        if not metric >= self.baseline - self.slack:
            state = self.keeper.newest(self.good) if self.keeper else None
            when = f"after step {self.last.step}" if self.last else "at the end"
            raise TrainingError(
                f"{when} the development metric is {metric:.4f}, below the {self.baseline:.4f} of "
                "the model before training; lower the learning rate, look at the data (`anyseek data show`), or check "
                "that the instruction is the one the model knows"
                + (f"; the last good state is {state}" if state else "")
            )
        if self.last:
            self.good = self.last.step + 1
            self._write()
        return metric

    def _write(self) -> None:
        """Keep what a run that goes on must know."""
        if self.keeper is None or self.keeper.writes:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(json.dumps({"baseline": self.baseline, "good": self.good}) + "\n", encoding="utf-8")


def _writer() -> Any:
    """TensorBoard's."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise DependencyError("TensorBoard is not installed: pip install 'anyseek[tensorboard]'") from error
    return SummaryWriter
