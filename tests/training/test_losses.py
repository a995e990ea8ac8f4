"""Objectives against slow float64 loops, in value and in gradient."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from anyseek.training import (
    Relevance,
    classification,
    contrastive,
    cosent,
    distillation,
    prototype_loss,
    yes_no,
)


def vectors(count: int, dim: int, seed: int) -> Tensor:
    """Random unit vectors with a graph."""
    raw = torch.randn(count, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return normalize(raw, dim=-1).requires_grad_()


def judged(queries: int, negatives: int, seed: int = 2, graded: bool = False) -> Relevance:
    """A batch of `queries` positives, then `negatives` for each; some documents answer other queries too."""
    drawn = torch.Generator().manual_seed(seed)
    documents = queries * (1 + negatives)
    own = torch.eye(queries, dtype=torch.bool)
    own = torch.cat([own, own.repeat_interleave(negatives, 1)], dim=1)
    answers = (torch.rand(queries, documents, generator=drawn) < 0.2) & ~own
    answers[torch.arange(queries), torch.arange(queries)] = True
    scores = torch.randn(queries, documents, dtype=torch.float64, generator=drawn) if graded else None
    return Relevance(positive=torch.arange(queries), own=own, answers=answers, scores=scores)


def slow_contrastive(
    queries: Tensor, documents: Tensor, known: Relevance, temperature: float, margin: float | None, symmetric: bool
) -> Tensor:
    """The formula as it is written: one query and one term at a time."""
    total = torch.zeros((), dtype=torch.float64)
    for i in range(len(queries)):
        right = int(known.positive[i])
        positive = queries[i] @ documents[right]
        terms = []
        for j in range(len(documents)):
            if not known.answers[i, j]:
                terms.append(queries[i] @ documents[j])
                if symmetric and not known.own[i, j]:
                    terms.append(documents[right] @ documents[j])
        for j in range(len(queries)):
            if symmetric and j != i and not known.answers[i, int(known.positive[j])]:
                terms.append(queries[i] @ queries[j])
        z = torch.exp(positive / temperature)
        for similarity in terms:
            if margin is None or similarity <= positive + margin:
                z = z + torch.exp(similarity / temperature)
        total = total - torch.log(torch.exp(positive / temperature) / z)
    return total / len(queries)


def slow_classification(queries: Tensor, documents: Tensor, known: Relevance, temperature: float) -> Tensor:
    """A softmax over the labels of each query."""
    total = torch.zeros((), dtype=torch.float64)
    for i in range(len(queries)):
        right = int(known.positive[i])
        labels = [j for j in range(len(documents)) if known.own[i, j] and (j == right or not known.answers[i, j])]
        z = sum(torch.exp(queries[i] @ documents[j] / temperature) for j in labels)
        total = total - torch.log(torch.exp(queries[i] @ documents[right] / temperature) / z)
    return total / len(queries)


def slow_cosent(queries: Tensor, documents: Tensor, known: Relevance, temperature: float) -> Tensor:
    """Every pair of graded pairs."""
    assert known.scores is not None
    pairs = [(i, j) for i in range(len(queries)) for j in range(len(documents)) if known.own[i, j]]
    z = torch.ones((), dtype=torch.float64)
    for i, j in pairs:
        for m, n in pairs:
            if known.scores[i, j] > known.scores[m, n]:
                z = z + torch.exp((queries[m] @ documents[n] - queries[i] @ documents[j]) / temperature)
    return torch.log(z)


def slow_distillation(queries: Tensor, documents: Tensor, known: Relevance, temperature: float) -> Tensor:
    """Cross-entropy of two softmaxes, one query at a time."""
    assert known.scores is not None
    total = torch.zeros((), dtype=torch.float64)
    for i in range(len(queries)):
        mine = [j for j in range(len(documents)) if known.own[i, j]]
        wanted = torch.stack([known.scores[i, j] for j in mine]).softmax(0)
        given = torch.stack([queries[i] @ documents[j] / temperature for j in mine]).log_softmax(0)
        total = total - (wanted * given).sum()
    return total / len(queries)


@pytest.mark.parametrize(
    ("fast", "slow", "options"),
    [
        (contrastive, slow_contrastive, {"margin": None, "symmetric": True}),
        (contrastive, slow_contrastive, {"margin": 0.1, "symmetric": True}),
        (contrastive, slow_contrastive, {"margin": 0.1, "symmetric": False}),
        (classification, slow_classification, {}),
        (cosent, slow_cosent, {}),
        (distillation, slow_distillation, {}),
    ],
)
def test_objectives_are_their_formulas(
    fast: Callable[..., Tensor], slow: Callable[..., Tensor], options: dict[str, Any]
) -> None:
    """Value and gradients equal; every document that counts has a gradient."""
    queries, documents, known = vectors(5, 6, 0), vectors(15, 6, 1), judged(5, 2, graded=True)
    one = fast(queries, documents, known, temperature=0.1, **options)
    other = slow(queries, documents, known, 0.1, *options.values())
    assert one.item() == pytest.approx(other.item(), abs=1e-10)
    got, wanted = (torch.autograd.grad(loss, (queries, documents)) for loss in (one, other))
    for a, b in zip(got, wanted, strict=True):
        assert b.abs().max() > 1e-3
        torch.testing.assert_close(a, b, atol=1e-9, rtol=0)


def test_each_part_of_the_contrastive_loss_counts() -> None:
    """Masks and the terms of stage 1 change the value; without negatives both stages differ by them alone."""
    queries, documents, known = vectors(5, 6, 0), vectors(15, 6, 1), judged(5, 2)
    values = {
        (margin, symmetric): contrastive(
            queries, documents, known, temperature=0.1, margin=margin, symmetric=symmetric
        ).item()
        for margin in (None, 0.1)
        for symmetric in (True, False)
    }
    assert len({round(value, 6) for value in values.values()}) == 4
    unmasked = replace(known, answers=torch.eye(*known.own.shape, dtype=torch.bool))
    assert contrastive(queries, documents, unmasked, temperature=0.1).item() > values[0.1, True]


def test_equal_documents_are_no_negatives() -> None:
    """Two queries with the same document: neither that document nor the other query counts against them."""
    queries, document = vectors(2, 6, 0), vectors(1, 6, 1)
    known = Relevance(
        positive=torch.arange(2), own=torch.eye(2, dtype=torch.bool), answers=torch.ones(2, 2, dtype=torch.bool)
    )
    assert contrastive(queries, document.repeat(2, 1), known, temperature=0.1).item() == pytest.approx(0)


def test_the_margin_leaves_out_false_negatives() -> None:
    """A document more similar than the positive by over 0.1 does not count; one within does."""
    queries = torch.tensor([[1.0, 0.0]])
    near, far = math.acos(0.75), math.acos(0.5)
    positive = [math.cos(far), math.sin(far)]
    known = Relevance(
        positive=torch.zeros(1, dtype=torch.int64),
        own=torch.ones(1, 2, dtype=torch.bool),
        answers=torch.tensor([[True, False]]),
    )
    for angle, counts in ((near, False), (math.acos(0.58), True)):
        documents = torch.tensor([positive, [math.cos(angle), math.sin(angle)]])
        loss = contrastive(queries, documents, known, temperature=0.1)
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


@pytest.mark.parametrize("objective", [contrastive, classification, distillation])
def test_what_is_known_goes_to_the_device_of_the_vectors(objective: Callable[..., Tensor]) -> None:
    """On the meta device, where tensors of the CPU cannot be mixed in, as on a GPU."""
    queries, documents = (vectors(count, 6, 0).detach().to("meta").requires_grad_() for count in (5, 15))
    known = judged(5, 2, graded=True)
    with pytest.raises((RuntimeError, NotImplementedError)):
        objective(queries, documents, known, temperature=0.1)
    moved = known.to("meta")
    assert {one.device.type for one in (moved.positive, moved.own, moved.answers, moved.scores)} == {"meta"}
    loss = objective(queries, documents, moved, temperature=0.1)
    loss.backward()
    assert loss.is_meta and queries.grad is not None and queries.grad.is_meta
