"""Objectives as pure functions of tensors (SPEC 4)."""

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["info_nce", "prototype_loss", "yes_no"]


def info_nce(
    queries: Tensor, documents: Tensor, allowed: Tensor, temperature: float, margin: float | None = 0.1
) -> Tensor:
    """-mean log softmax of the positive among all documents of the batch, with the false-negative mask.

    A negative whose similarity exceeds the positive's by more than `margin` is taken for a false one and left out
    (report, section 4, stage 1, query-document terms).

    Args:
        queries: `(queries, dim)` of length 1.
        documents: `(documents, dim)` of length 1; document i is the positive of query i, the rest are hard negatives.
        allowed: `(queries, documents)` bool, False where a document is known to answer the query too.
        temperature: of the softmax.
        margin: of the mask; None where `allowed` is exact. From random weights the mask must be off: similarities are
            then spread at random, most negatives fall to it, and the model collapses to one vector.

    Returns:
        Scalar.
    """
    similarity = queries @ documents.T
    target = torch.arange(len(queries), device=queries.device)
    positive = similarity[target, target]
    keep = allowed.clone()
    if margin is not None:
        keep &= similarity.detach() <= positive.detach()[:, None] + margin
    keep[target, target] = True
    logits = (similarity / temperature).masked_fill(~keep, float("-inf"))
    return functional.cross_entropy(logits, target)


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
