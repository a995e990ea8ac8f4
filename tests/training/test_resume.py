"""A run that was killed goes on as if it had not been; a run that gets worse is stopped."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from anyseek.errors import ConfigError, TrainingError
from anyseek.training import Guard, Keeper, MasterAdamW, Metrics, StepReport, TrainOptions, train

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
    assert guard(report[0]) == {"baseline": 0.5} and guard(report[3]) == {}
    assert guard(report[9]) == {"dev": 0.6} and guard.best == 0.6 and guard.end() == {}
    again = Guard(lambda: 0.1, tmp_path, every=10)  # a run that goes on
    assert again.baseline == 0.5 and again.good == 10
    with pytest.raises(TrainingError, match=r"after step 19 .* 0\.4500, below the 0\.5000"):
        guard(report[19])


def optimiser() -> MasterAdamW:
    return MasterAdamW(nn.Linear(2, 2), learning_rate=1.0, weight_decay=0.0, clip=1.0)


def test_the_guard_looks_at_the_end_and_names_the_last_good_state(tmp_path: Path) -> None:
    """Found good after 10 steps and bad after 13: of the states after 8, 10 and 12 steps, that after 10 is named."""
    keeper = Keeper(folder=tmp_path / "states", most=3)
    for steps in (8, 10, 12):
        keeper.keep(optimiser(), steps, 1.0)
    values = iter([0.5, 0.6, 0.4])
    guard = Guard(lambda: next(values), tmp_path, every=10, keeper=keeper)
    for step in range(13):
        guard(StepReport(step=step, loss=1.0, gradient_norm=1.0, learning_rate=1.0, seconds=1.0))
    with pytest.raises(TrainingError, match=r"after step 12 .* 0\.4000, below .* good state is .*step-00000010"):
        guard.end()
    with pytest.raises(
        TrainingError, match=r"at the end .*good state is .*step-00000010"
    ):  # begun again, with nothing left to do
        Guard(lambda: float("nan"), tmp_path, every=10, keeper=keeper).end()


def test_a_state_of_other_settings_is_refused(tmp_path: Path) -> None:
    keeper = partial(Keeper, folder=tmp_path)
    settings = {"training.steps": 100, "sources.0.folder": "a", "objective.widths": (64,)}
    keeper(settings=settings).keep(optimiser(), 7, 12.5)
    assert keeper(settings=settings).restore(optimiser()) == (7, 12.5)
    others = {**settings, "training.steps": 200, "lora.rank": 4}
    with pytest.raises(ConfigError, match="training.steps was 100 and is 200; lora.rank was not there and is 4.*'out'"):
        keeper(settings=others).restore(optimiser())


def test_a_state_of_an_older_anyseek_is_taken(tmp_path: Path) -> None:
    Keeper(folder=tmp_path).keep(optimiser(), 7, 12.5)
    (tmp_path / "step-00000007" / "state.json").write_text('{"step": 7, "parts": 1}')
    assert Keeper(folder=tmp_path, settings={"training.steps": 9}).restore(optimiser()) == (7, 0.0)


def test_the_clock_goes_on(tmp_path: Path) -> None:
    """Of 100 seconds 99.9 were used before: the run ends within the rest."""
    net = model()
    state = MasterAdamW(net, learning_rate=1e-2, weight_decay=0.05, clip=1.0)
    keeper = Keeper(folder=tmp_path)
    keeper.keep(state, 3, 99.9)
    reports: list[StepReport] = []

    def after(report: StepReport) -> None:
        reports.append(report)
        time.sleep(0.2)

    options = TrainOptions(steps=1000, learning_rate=1e-2, max_seconds=100)
    train(net, batches, lambda batch: net(batch).float().square().mean(), options, after, keeper)
    assert len(reports) <= 1 and all(report.step == 3 and report.seconds > 99.9 for report in reports)
    keeper.keep(state, 3, 101.0)
    train(net, batches, lambda batch: net(batch).float().square().mean(), options, after, keeper)
    assert len(reports) <= 1
