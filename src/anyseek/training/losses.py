"""Objectives as pure functions of tensors (SPEC 4; report, section 4)."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

__all__ = [
    "Objective",
    "Relevance",
    "classification",
    "contrastive",
    "cosent",
    "distillation",
    "prototype_loss",
    "yes_no",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relevance:
    """What is known of the documents of a batch.

    Attributes:
        positive: `(queries,)` int64, the document that each query is drawn to.
        own: `(queries, documents)` bool, those that were listed for the query: its positive and its hard negatives.
        answers: `(queries, documents)` bool, those known to answer it: its positive, whatever equals it, and others.
        scores: `(queries, documents)` grades, or log-odds of a teacher, where `own`; None without.
    """

    positive: Tensor
    own: Tensor
    answers: Tensor
    scores: Tensor | None = None

    def to(self, device: torch.device | str) -> "Relevance":
        """The same on a device."""
        return Relevance(
            positive=self.positive.to(device),
            own=self.own.to(device),
            answers=self.answers.to(device),
            scores=None if self.scores is None else self.scores.to(device),
        )


Objective = Callable[[Tensor, Tensor, Relevance], Tensor]
"""`(queries, dim)` and `(documents, dim)` of length 1, and what is known of them, to a scalar."""


def contrastive(
    queries: Tensor,
    documents: Tensor,
    judged: Relevance,
    *,
    temperature: float,
    margin: float | None = 0.1,
    symmetric: bool = True,
) -> Tensor:
    """InfoNCE with the false-negative mask: -mean log(exp(s(q_i, d_i+) / t) / Z_i).

    Z_i sums over the positive, the query's hard negatives, the other documents of the batch, and, in stage 1, the other
    queries as seen from q_i and the other documents as seen from d_i+. In each of these a term is left out when it is
    more similar than the positive by over `margin`, or is known to answer q_i: the same document, or a query with it.

    Args:
        queries: `(queries, dim)` of length 1.
        documents: `(documents, dim)` of length 1.
        judged: of them.
        temperature: t.
        margin: of the mask; None where `judged.answers` is exact. From random weights the mask must be off:
            similarities are then spread at random, most negatives fall to it, and the model collapses to one vector.
        symmetric: stage 1; False leaves the query-query and document-document terms out, as stage 2 does.

    Returns:
        Scalar.
    """
    rows = torch.arange(len(queries), device=queries.device)
    similarity = queries @ documents.T
    positive = similarity[rows, judged.positive]
    blocks = [(similarity, ~judged.answers)]
    if symmetric:
        other = ~judged.answers[:, judged.positive] & (rows[:, None] != rows)
        blocks.append((queries @ queries.T, other))
        blocks.append((documents[judged.positive] @ documents.T, ~judged.answers & ~judged.own))
    logits = [positive[:, None]]
    for block, counts in blocks:
        if margin is not None:
            counts = counts & (block.detach() <= positive.detach()[:, None] + margin)
        logits.append(block.masked_fill(~counts, float("-inf")))
    return functional.cross_entropy(torch.cat(logits, dim=1) / temperature, torch.zeros_like(rows))


def classification(queries: Tensor, documents: Tensor, judged: Relevance, *, temperature: float) -> Tensor:
    """-mean log softmax of the right label among the query's own: other labels of the batch may be right too.

    The arguments are those of `contrastive`; documents are labels.
    """
    right = functional.one_hot(judged.positive, len(documents)).bool()
    counts = right | (judged.own & ~judged.answers)
    logits = (queries @ documents.T / temperature).masked_fill(~counts, float("-inf"))
    return functional.cross_entropy(logits, judged.positive)


def cosent(queries: Tensor, documents: Tensor, judged: Relevance, *, temperature: float) -> Tensor:
    """log(1 + sum of exp((cos(m, n) - cos(i, j)) / t) over pairs of pairs where (i, j) has the higher grade) (Su 2022).

    The pairs are those of `judged.own`, their grades `judged.scores`.
    """
    assert judged.scores is not None, "a batch of graded pairs"
    cosines, grades = (queries @ documents.T)[judged.own], judged.scores[judged.own]
    wrong = (cosines[None, :] - cosines[:, None]) / temperature  # [higher, lower]
    wrong = wrong[grades[:, None] > grades[None, :]]
    return torch.cat([wrong, wrong.new_zeros(1)]).logsumexp(0)


def distillation(queries: Tensor, documents: Tensor, judged: Relevance, *, temperature: float) -> Tensor:
    """Cross-entropy between a teacher's softmax over a query's own documents and the embedder's.

    The arguments are those of `contrastive`; `judged.scores` are the teacher's log-odds, computed beforehand.
    """
    assert judged.scores is not None, "a batch with a teacher's scores"
    missing = ~judged.own
    wanted = judged.scores.masked_fill(missing, float("-inf")).softmax(-1)
    given = (queries @ documents.T / temperature).masked_fill(missing, float("-inf")).log_softmax(-1)
    return -(wanted * given.masked_fill(missing, 0)).sum(-1).mean()


def prototype_loss(vectors: Tensor, labels: Tensor, prototypes: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of each vector's cosine with one learned vector per class (Zhai and Wu 2019, arXiv 1811.12649).

    It starts a model from random weights, where InfoNCE alone first collapses to one vector.

    Args:
        vectors: `(items, dim)` of length 1.
        labels: `(items,)` class of each; -1 is left out.
        prototypes: `(classes, dim)`.
        temperature: of the softmax.

    Returns:
        Scalar, 0 without any label.
    """
    if not bool((labels >= 0).any()):
        return vectors.sum() * 0
    logits = vectors @ functional.normalize(prototypes, dim=-1).T / temperature
    return functional.cross_entropy(logits, labels, ignore_index=-1)


def yes_no(logits: Tensor, labels: Tensor) -> Tensor:
    """-mean log p(label) of the reranker.

    Args:
        logits: `(pairs,)` log-odds of yes.
        labels: `(pairs,)` 1 for yes, 0 for no.

    Returns:
        Scalar.
    """
    return functional.binary_cross_entropy_with_logits(logits.float(), labels.float())
