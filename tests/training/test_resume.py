"""A run that was killed goes on as if it had not been; a run that gets worse is stopped."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from anyseek.errors import TrainingError
from anyseek.training import Guard, Keeper, Metrics, StepReport, TrainOptions, train

STEPS = 40


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 32), nn.Dropout(0.3), nn.Linear(32, 1)).to(torch.bfloat16)


def batches(first: int) -> Iterator[Tensor]:
    """A batch is drawn from its number."""
    for number in itertools.count(first):
        yield torch.randn(8, 6, generator=torch.Generator().manual_seed(number)).to(torch.bfloat16)


def run(folder: Path, pause: float = 0.0, own: nn.Module | None = None) -> list[float]:
    """Losses of the steps that this process made."""
    net = own or model()
    losses: list[float] = []

    def after(report: StepReport) -> None:
        losses.append(report.loss)
        time.sleep(pause)

    with Metrics(folder) as metrics:
        train(
            net,
            batches,
            lambda batch: (net(batch).float() - batch.float().sum(1, keepdim=True)).square().mean(),
            TrainOptions(steps=STEPS, learning_rate=1e-2, warmup_steps=5),
            lambda report: (metrics(report), after(report))[1],
            Keeper(folder=folder / "states", every=7),
        )
    return losses


def test_a_killed_run_has_the_losses_of_an_unbroken_one(tmp_path: Path) -> None:
    """kill -9 at three moments; dropout, moments of AdamW, schedule and batches all go on."""
    wanted = run(tmp_path / "unbroken")
    assert len(wanted) == STEPS and wanted[-1] < wanted[0] / 2
    program = "from tests.training.test_resume import run; import pathlib, sys; run(pathlib.Path(sys.argv[1]), 0.05)"
    lines: list[dict[str, float]] = []
    log = tmp_path / "broken" / "metrics.jsonl"
    for goal in (9, 16, 31):
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        child = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "broken")], env=environment)
        while child.poll() is None and (not log.exists() or len(log.read_text().splitlines()) < goal):
            time.sleep(0.02)
        child.send_signal(signal.SIGKILL)
        child.wait()
    run(tmp_path / "broken")
    for line in log.read_text().splitlines():
        if line.endswith("}"):
            lines.append(json.loads(line))
    assert len(lines) > STEPS  # steps after the last kept state were made again
    assert {line["step"] for line in lines} == set(range(STEPS))
    for line in lines:
        assert line["loss"] == wanted[int(line["step"])], line["step"]


def test_states_are_few_and_whole(tmp_path: Path) -> None:
    run(tmp_path)
    states = tmp_path / "states"
    assert sorted(one.name for one in states.iterdir()) == ["step-00000028", "step-00000035"]
    (states / "step-00000099.unfinished").mkdir()  # a crash while writing
    assert run(tmp_path)[-1] == run(tmp_path / "again")[-1]


def test_another_model_or_a_damaged_file_is_refused(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(TrainingError, match="another model"):
        run(tmp_path, own=nn.Sequential(nn.Linear(6, 16), nn.Linear(16, 1)).to(torch.bfloat16))
    newest = tmp_path / "states" / "step-00000035" / "state.safetensors"
    newest.write_bytes(newest.read_bytes()[:100])
    with pytest.raises(TrainingError, match="remove it to go on from the state before"):
        run(tmp_path)


def test_the_guard_stops_what_gets_worse(tmp_path: Path) -> None:
    values = iter([0.5, 0.6, 0.45])
    guard = Guard(lambda: next(values), tmp_path, every=10)
    report = [StepReport(step=step, loss=1.0, gradient_norm=1.0, learning_rate=1.0, seconds=1.0) for step in range(20)]
    assert guard(report[3]) is None
    assert guard(report[9]) == 0.6 and guard.best == 0.6
    assert Guard(lambda: 0.1, tmp_path, every=10).baseline == 0.5  # a run that goes on
    with pytest.raises(TrainingError, match=r"after step 19 .* 0\.4500, below the 0\.5000"):
        guard(report[19])
