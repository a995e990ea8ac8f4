"""Objectives as pure functions of tensors (SPEC 4)."""

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["info_nce", "yes_no"]


def info_nce(queries: Tensor, documents: Tensor, allowed: Tensor, temperature: float, margin: float = 0.1) -> Tensor:
    """-mean log softmax of the positive among all documents of the batch, with the false-negative mask.

    A negative whose similarity exceeds the positive's by more than `margin` is taken for a false one and left out (report,
    section 4, stage 1, query-document terms).

    Args:
        queries: `(queries, dim)` of length 1.
        documents: `(documents, dim)` of length 1; document i is the positive of query i, the rest are hard negatives.
        allowed: `(queries, documents)` bool, False where a document is known to answer the query too.
        temperature: of the softmax.
        margin: of the mask.

    Returns:
        Scalar.
    """
    similarity = queries @ documents.T
    target = torch.arange(len(queries), device=queries.device)
    positive = similarity[target, target]
    keep = allowed & (similarity.detach() <= positive.detach()[:, None] + margin)
    keep[target, target] = True
    logits = (similarity / temperature).masked_fill(~keep, float("-inf"))
    return functional.cross_entropy(logits, target)


def yes_no(logits: Tensor, labels: Tensor) -> Tensor:
    """-mean log p(label) of the reranker.

    Args:
        logits: `(pairs,)` log-odds of yes.
        labels: `(pairs,)` 1 for yes, 0 for no.

    Returns:
        Scalar.
    """
    return functional.binary_cross_entropy_with_logits(logits.float(), labels.float())
