"""Whether a loaded model agrees with itself: fast as plain, together as alone, from caches as fresh."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from anyseek.engine import Embedder, Reranker
from anyseek.engine.features import CacheOptions
from anyseek.errors import InputError
from anyseek.evaluation.conformance.checkpoint import Check
from anyseek.evaluation.conformance.compare import Tolerance, difference
from anyseek.evaluation.conformance.pack import Case
from anyseek.evaluation.conformance.trace import Trace, Tracer

__all__ = ["consistency"]

Model = Embedder | Reranker
Answer = Tensor | InputError


def consistency(model: Model, cases: Sequence[Case], tolerance: Tolerance) -> Iterator[Check]:
    """Each path of the engine against the plain one: one input, no caches, attention in matrix products.

    Args:
        model: as it is used.
        cases: of the pack.
        tolerance: of its precision.

    Yields:
        One check for each path.
    """
    tracer = Tracer(model)
    plain = [tracer.trace(case) for case in cases]
    fresh = _fresh(model)
    alone = [_answers(fresh, [case])[0] for case in cases]
    yield _check("one by one", "the engine's attention, no caches", cases, plain, alone, tolerance)
    first, again = _answers(model, cases), _answers(model, cases)
    yield _check(
        "together", "packed in batches, beginnings shared, beside a corrupt input", cases, plain, first, tolerance
    )
    yield _check("again", "vision features and beginnings from the caches", cases, plain, again, tolerance)


def _fresh(model: Model) -> Model:
    """The same weights without caches."""
    none = CacheOptions(prefix_bytes=0, feature_bytes=0)
    if isinstance(model, Embedder):
        return Embedder(model.backbone, model.processor, caches=none)
    return Reranker(model.backbone, model.processor, model.score_row, caches=none)


def _answers(model: Model, cases: Sequence[Case]) -> list[Answer]:
    """Vectors, scores or errors, in order."""
    if isinstance(model, Embedder):
        encoded = model.encode([case.items[0] for case in cases], on_error="collect")
        return [encoded.errors.get(row, torch.from_numpy(vector)) for row, vector in enumerate(encoded.vectors)]
    scored = model.predict([(case.items[0], case.items[1]) for case in cases], on_error="collect")
    return [scored.errors.get(row, torch.tensor(score)) for row, score in enumerate(scored.scores)]


def _check(
    name: str, what: str, cases: Sequence[Case], plain: Sequence[Trace], found: Sequence[Answer], tolerance: Tolerance
) -> Check:
    """Every case of one path."""
    for case, right, answer in zip(cases, plain, found, strict=True):
        parted = difference(right, _trace(answer), tolerance)
        if parted is not None:
            return Check(name, "wrong", f"{case.name}: {parted.detail} ({what})")
    return Check(name, "ok", what)


def _trace(answer: Answer) -> Trace:
    """An answer of the engine as a record."""
    if isinstance(answer, InputError):
        return Trace(error=str(answer))
    return Trace(vector=answer) if answer.ndim else Trace(score=float(answer))
