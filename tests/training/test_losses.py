"""Objectives against slow float64 loops, in value and in gradient."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from anyseek.training import info_nce, prototype_loss, yes_no


def vectors(count: int, dim: int, seed: int) -> Tensor:
    """Random unit vectors with a graph."""
    raw = torch.randn(count, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return normalize(raw, dim=-1).requires_grad_()


def slow_info_nce(
    queries: Tensor, documents: Tensor, allowed: Tensor, temperature: float, margin: float | None
) -> Tensor:
    """The formula as it is written: one query and one term at a time."""
    total = torch.zeros((), dtype=torch.float64)
    for i in range(len(queries)):
        positive = queries[i] @ documents[i]
        z = torch.exp(positive / temperature)
        for j in range(len(documents)):
            similarity = queries[i] @ documents[j]
            masked = not allowed[i, j] or (margin is not None and similarity > positive + margin)
            if j != i and not masked:
                z = z + torch.exp(similarity / temperature)
        total = total - torch.log(torch.exp(positive / temperature) / z)
    return total / len(queries)


@pytest.mark.parametrize("margin", [None, 0.1])
def test_info_nce_is_the_formula(margin: float | None) -> None:
    """Value and gradients equal; the masks really leave terms out."""
    queries, documents = vectors(5, 6, 0), vectors(9, 6, 1)
    allowed = torch.rand(5, 9, generator=torch.Generator().manual_seed(2)) > 0.3
    fast = info_nce(queries, documents, allowed, 0.1, margin)
    got = torch.autograd.grad(fast, (queries, documents))
    slow = slow_info_nce(queries, documents, allowed, 0.1, margin)
    wanted = torch.autograd.grad(slow, (queries, documents))
    assert fast.item() == pytest.approx(slow.item(), abs=1e-10)
    for one, other in zip(got, wanted, strict=True):
        assert other.abs().max() > 1e-3
        torch.testing.assert_close(one, other, atol=1e-9, rtol=0)
    unmasked = info_nce(queries, documents, torch.ones_like(allowed), 0.1, None)
    assert not math.isclose(unmasked.item(), fast.item(), abs_tol=1e-3)


def test_the_margin_leaves_out_false_negatives() -> None:
    """A document more similar than the positive by over 0.1 does not count; one within does."""
    queries = torch.tensor([[1.0, 0.0]])
    near, far = math.acos(0.75), math.acos(0.5)
    positive = [math.cos(far), math.sin(far)]
    for angle, counts in ((near, False), (math.acos(0.58), True)):
        documents = torch.tensor([positive, [math.cos(angle), math.sin(angle)]])
        loss = info_nce(queries, documents, torch.ones(1, 2, dtype=torch.bool), 0.1)
        assert (loss.item() > 1e-6) is counts


def test_prototypes_leave_unlabelled_vectors_out() -> None:
    """-1 has no part in value or gradient, and no label at all is 0 with a graph."""
    items, prototypes = vectors(4, 6, 3), vectors(3, 6, 4)
    labels = torch.tensor([0, -1, 2, -1])
    loss = prototype_loss(items, labels, prototypes, 0.07)
    (gradient,) = torch.autograd.grad(loss, items)
    wanted = prototype_loss(items[[0, 2]], labels[[0, 2]], prototypes, 0.07)
    assert loss.item() == pytest.approx(wanted.item(), abs=1e-12)
    assert gradient[[1, 3]].abs().max() == 0 < gradient[[0, 2]].abs().max()
    nothing = prototype_loss(items, torch.full((4,), -1), prototypes, 0.07)
    assert nothing.item() == 0 and nothing.requires_grad


def test_yes_no_is_the_log_probability_of_the_label() -> None:
    """-mean log p(label)."""
    logits, labels = torch.tensor([2.0, -1.0, 0.5]), torch.tensor([1, 0, 0])
    wanted = (
        -sum(math.log(p) for p in (1 / (1 + math.exp(-2)), 1 - 1 / (1 + math.exp(1)), 1 - 1 / (1 + math.exp(-0.5)))) / 3
    )
    assert yes_no(logits, labels).item() == pytest.approx(wanted, abs=1e-6)
