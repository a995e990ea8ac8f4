"""The optimiser and the loop."""

import itertools

import pytest
import torch
from torch import nn

from anyseek.errors import ConfigError, TrainingError
from anyseek.training import MasterAdamW, StepReport, TrainOptions, train


def problem(dtype: torch.dtype) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """A small regression that a linear layer can solve."""
    torch.manual_seed(0)
    model = nn.Linear(8, 4).to(dtype)
    inputs = torch.randn(64, 8)
    return model, inputs.to(dtype), (inputs @ torch.randn(8, 4)).to(dtype)


def test_fp32_masters_equal_plain_adamw() -> None:
    """On an fp32 model the master weights change nothing: same steps as torch's AdamW."""
    model, inputs, targets = problem(torch.float32)
    twin = nn.Linear(8, 4)
    twin.load_state_dict(model.state_dict())
    ours = MasterAdamW(model, learning_rate=1e-2, weight_decay=0.1, clip=1e9)
    groups = [{"params": [twin.weight], "weight_decay": 0.1}, {"params": [twin.bias], "weight_decay": 0.0}]
    plain = torch.optim.AdamW(groups, lr=1e-2, betas=(0.9, 0.98), eps=1e-8)
    for _ in range(5):
        (model(inputs) - targets).square().mean().backward()
        ours.step(1.0)
        plain.zero_grad()
        (twin(inputs) - targets).square().mean().backward()
        plain.step()
    torch.testing.assert_close(model.weight, twin.weight, atol=1e-7, rtol=0)
    assert not torch.equal(model.weight, problem(torch.float32)[0].weight)


def test_bf16_learns_from_steps_below_its_resolution() -> None:
    """Steps of 1e-5 vanish in bf16 weights near 1, but add up in the masters."""
    model = nn.Linear(1, 1, bias=False).to(torch.bfloat16)
    model.weight.data.fill_(1.0)
    optimiser = MasterAdamW(model, learning_rate=1e-5, weight_decay=0.0, clip=1e9)
    for _ in range(600):
        model(torch.ones(1, 1, dtype=torch.bfloat16)).sum().backward()
        optimiser.step(1.0)
    assert model.weight.item() < 0.997  # 600 steps of 1e-5 are 6e-3; in bf16 each alone rounds to nothing


def test_the_loop_learns_and_reports() -> None:
    """The loss falls, reports are consecutive, warm-up and cosine shape the rate."""
    model, inputs, targets = problem(torch.float32)
    reports: list[StepReport] = []
    options = TrainOptions(steps=120, learning_rate=5e-2, warmup_steps=10, weight_decay=0.0)
    train(
        model,
        lambda first: itertools.repeat(0),
        lambda _: (model(inputs) - targets).square().mean(),
        options,
        reports.append,
    )
    assert [report.step for report in reports] == list(range(120))
    assert reports[-1].loss < reports[0].loss / 100
    rates = [report.learning_rate for report in reports]
    assert rates[0] < rates[5] < max(rates) and rates[-1] < max(rates) / 10


def test_a_loss_that_is_not_finite_stops_with_its_step() -> None:
    """The third loss is NaN."""
    model, inputs, targets = problem(torch.float32)

    def loss(batch: int) -> torch.Tensor:
        """Fine, fine, NaN."""
        return (model(inputs) - targets).square().mean() * (float("nan") if batch == 2 else 1.0)

    with pytest.raises(TrainingError, match="step 2"):
        train(model, itertools.count, loss, TrainOptions(steps=9, learning_rate=1e-3), lambda report: None)


def test_a_spike_is_left_out_and_the_usual_norm_goes_on() -> None:
    """A gradient of 50 times the usual norm changes nothing; the same without the option does."""
    for spike in (3.0, None):
        model = nn.Linear(1, 1, bias=False)
        model.weight.data.fill_(1.0)
        optimiser = MasterAdamW(model, learning_rate=1e-2, weight_decay=0.0, clip=1.0, spike=spike)
        for size in (1.0, 1.2, 0.9):
            model.weight.grad = torch.full((1, 1), size)
            optimiser.step(1.0)
        before = model.weight.item()
        model.weight.grad = torch.full((1, 1), 50.0)
        assert optimiser.step(1.0) == pytest.approx(50.0)
        assert (model.weight.item() == before) is (spike is not None)
        again = MasterAdamW(nn.Linear(1, 1, bias=False), learning_rate=1e-2, weight_decay=0.0, clip=1.0, spike=spike)
        again.load_state(optimiser.state(), "a state")
        assert float(again.usual) == pytest.approx(1.0, abs=0.1) or spike is None


def test_without_warm_up_the_first_step_has_the_whole_rate() -> None:
    model, inputs, targets = problem(torch.float32)
    reports: list[StepReport] = []
    options = TrainOptions(steps=4, learning_rate=1e-2, warmup_steps=0)
    train(model, itertools.count, lambda _: (model(inputs) - targets).square().mean(), options, reports.append)
    assert reports[0].learning_rate == pytest.approx(1e-2) and len(reports) == 4


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"warmup_steps": -1}, {"max_seconds": 0.0}])
def test_a_run_that_would_end_before_it_begins_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        TrainOptions(**{"steps": 1, "learning_rate": 1e-3, **wrong})  # type: ignore[arg-type]
