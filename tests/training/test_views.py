"""Prefixes and learned steps: the formulas, their gradients, and that learning lowers the error of rounding."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from anyseek.errors import ConfigError
from anyseek.training import LearnedStep, Relevance, Views, contrastive


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def batch(queries: int) -> Relevance:
    eye = torch.eye(queries, dtype=torch.bool)
    return Relevance(positive=torch.arange(queries), own=eye, answers=eye)


def objective(queries: Tensor, documents: Tensor, judged: Relevance) -> Tensor:
    return contrastive(queries, documents, judged, temperature=0.1)


def test_one_whole_view_is_the_objective() -> None:
    queries, documents = drawn(5, 8), drawn(5, 8, seed=1)
    wanted = objective(normalize(queries, dim=-1), normalize(documents, dim=-1), batch(5))
    assert Views((8,))(objective, queries, documents, batch(5)).item() == pytest.approx(wanted.item(), abs=1e-12)


def test_views_are_the_mean_over_widths_and_precisions() -> None:
    queries, documents = drawn(5, 8), drawn(5, 8, seed=1)
    views = Views((8, 4, 2), ("int8", "binary")).double()
    views.start(documents)
    losses = []
    for width in (8, 4, 2):
        cut = [queries[:, :width], documents[:, :width]]
        losses.append(objective(*(normalize(v, dim=-1) for v in cut), batch(5)))
        for step in views.steps.values():
            losses.append(objective(*(normalize(step(v), dim=-1) for v in cut), batch(5)))
    wanted = torch.stack(losses)
    assert len({round(loss.item(), 9) for loss in wanted}) == 9
    assert views(objective, queries, documents, batch(5)).item() == pytest.approx(wanted.mean().item(), abs=1e-12)


def test_rounding_is_to_multiples_of_the_step() -> None:
    step = LearnedStep("int8").double()
    step.step.data.fill_(0.25)
    given = torch.tensor([[0.3, -0.4, 0.12, 100.0, -100.0]], dtype=torch.float64)
    torch.testing.assert_close(step(given), torch.tensor([[0.25, -0.5, 0.0, 31.75, -32.0]], dtype=torch.float64))
    signs = LearnedStep("binary").double()
    signs.step.data.fill_(0.25)
    torch.testing.assert_close(signs(given), torch.tensor([[0.25, -0.25, 0.25, 0.25, -0.25]], dtype=torch.float64))


@pytest.mark.parametrize(("precision", "size"), [("int8", 0.01), ("binary", 0.8)])
def test_gradients_are_those_of_the_paper(precision: str, size: float) -> None:
    """Straight through inside the range, none outside; the step's own gradient by the paper's three cases."""
    step = LearnedStep(precision).double()
    step.step.data.fill_(size)
    given = drawn(7, 3)
    weight = torch.randn(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    (step(given) * weight).sum().backward()
    scaled = given.detach() / size
    inside = (scaled > step.low) & (scaled < step.high)
    assert inside.any() and not inside.all()
    assert given.grad is not None and step.step.grad is not None
    torch.testing.assert_close(given.grad, weight * inside)
    whole = torch.where(scaled > 0, 1.0, -1.0).double() if precision == "binary" else scaled.round()
    slope = torch.where(inside, whole - scaled, whole.clamp(step.low, step.high))
    wanted = (slope * weight).sum() * (3 * step.high) ** -0.5
    torch.testing.assert_close(step.step.grad, wanted)


def test_learning_lowers_the_error() -> None:
    given = drawn(64, 16).detach()
    step = LearnedStep("int8").double()
    step.step.data.fill_(0.2)
    optimiser = torch.optim.SGD([step.step], lr=20)
    errors = []
    for _ in range(60):
        error = (step(given) - given).square().mean()
        optimiser.zero_grad()
        error.backward()
        optimiser.step()
        errors.append(error.item())
    assert errors[-1] < errors[0] / 4


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one"):
        Views(())
    with pytest.raises(ConfigError, match="choose from int8, binary"):
        LearnedStep("float16")
