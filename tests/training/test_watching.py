"""What a run tells: TensorBoard reads what was written, each step once, however often a run was begun again."""

import json
import sys
from pathlib import Path

import pytest

from anyseek.errors import DependencyError
from anyseek.training import Metrics, StepReport


def told(folder: Path, steps: range) -> None:
    with Metrics(folder, tensorboard=True) as metrics:
        for step in steps:
            report = StepReport(step=step, loss=1 / (step + 1), gradient_norm=2.0, learning_rate=1e-4, seconds=0.5)
            metrics(report, **({"dev": 0.25} if step == 2 else {}))


def test_tensorboard_reads_what_a_run_wrote(tmp_path: Path) -> None:
    """A run that was killed after step 3 goes on from its state after step 1: steps 2 and 3 are made again."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    told(tmp_path, range(4))
    told(tmp_path, range(2, 6))
    events = reader.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(events.Tags()["scalars"]) == {"loss", "gradient_norm", "learning_rate", "seconds", "dev"}
    assert [event.step for event in events.Scalars("loss")] == list(range(6))
    assert [event.value for event in events.Scalars("loss")] == pytest.approx([1 / (step + 1) for step in range(6)])
    assert [(event.step, event.value) for event in events.Scalars("dev")] == [(2, 0.25)]
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 8


def test_what_is_found_after_a_step_is_told_with_it_again(tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    report = StepReport(step=0, loss=1.0, gradient_norm=2.0, learning_rate=1e-4, seconds=0.5)
    with Metrics(tmp_path, tensorboard=True) as metrics:
        metrics(report, baseline=0.5)
        metrics(report, dev=0.75)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["loss"] for line in lines] == [1.0, 1.0] and (lines[0]["baseline"], lines[1]["dev"]) == (0.5, 0.75)
    events = reader.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [len(events.Scalars(name)) for name in ("loss", "baseline", "dev")] == [1, 1, 1]


def test_without_tensorboard_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(DependencyError, match=r"pip install 'anyseek\[tensorboard\]'"):
        Metrics(tmp_path / "run", tensorboard=True)
    assert not (tmp_path / "run").exists()
