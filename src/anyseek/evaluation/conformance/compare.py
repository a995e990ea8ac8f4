"""The first stage at which two records differ."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from itertools import pairwise
from math import isfinite, log

import torch
from torch import Tensor
from torch.nn import functional

from anyseek.evaluation.conformance.trace import Trace

__all__ = ["FULL", "HALF", "STAGES", "Difference", "Tolerance", "cosine", "difference"]

STAGES = ("answer", "prompt", "token ids", "grids", "pixels", "vision", "layers", "pooling", "norm", "vector", "score")
"""In the order of computation; `answer` is whether there is one at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far two engines may be apart and still be called equal.

    Attributes:
        vector: least cosine of vectors and pooled states.
        state: least cosine of features and of states inside.
        logit: largest difference of log-odds.
        length: largest difference of a vector's length from 1.
        pixel: largest difference of a pixel in [-1, 1].
    """

    vector: float
    state: float
    logit: float
    length: float
    pixel: float = 4.1 / 127.5


FULL = Tolerance(vector=0.99999, state=0.9999, logit=0.005, length=1e-4)
"""Both sides in float32: two implementations are 1e-6 apart (tests/parity). Pixels: two libraries' bicubic round up to
four levels apart at an edge; bilinear is tens of levels away."""

HALF = Tolerance(vector=0.999, state=0.99, logit=0.15, length=1e-2)
"""One side in bfloat16 or float16: measured 0.9998 between the two precisions on random weights (tests/parity).

A mistake that moves a vector by less is found all the same, when it explains half of what is left (`diagnosis.py`).
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two records part, and how far."""

    stage: str
    detail: str


def difference(right: Trace, other: Trace, tolerance: Tolerance) -> Difference | None:
    """The first stage that both show and that differs, or None."""
    if right.error is not None or other.error is not None:
        return _answers(right, other)
    for field in fields(Trace):
        one, two = getattr(right, field.name), getattr(other, field.name)
        if one is not None and two is not None and field.name in _STAGES:
            stage, judge = _STAGES[field.name]
            for place, detail in judge(one, two, tolerance):
                return Difference(place or stage, detail)
    return None


def cosine(a: Tensor, b: Tensor) -> float:
    """The smallest cosine of matching rows `(..., hidden)`; 0 when one is not finite."""
    found = float(functional.cosine_similarity(a.double(), b.double(), dim=-1).min()) if a.numel() else 1.0
    return found if isfinite(found) else 0.0


Findings = Iterator[tuple[str, str]]
"""A stage's name, or nothing for the usual one, and what differs there."""


def _answers(right: Trace, other: Trace) -> Difference | None:
    """Whether both refuse."""
    if right.error is None:
        return Difference("answer", f"no answer: {other.error}")
    return None if other.error is not None else Difference("answer", f"an answer, although {right.error}")


def _equal(one: object, two: object, _: Tolerance) -> Findings:
    """Texts and grids."""
    if one != two:
        yield "", f"{_short(two)} instead of {_short(one)}"


def _texts(one: str, two: str, _: Tolerance) -> Findings:
    """Prompts."""
    if one != two:
        start = next((at for at, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))
        yield "", f"at character {start} {_short(two[start:])!r} instead of {_short(one[start:])!r}"


def _ids(one: tuple[int, ...], two: tuple[int, ...], _: Tolerance) -> Findings:
    """Token ids."""
    if one != two:
        place = next((at for at, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))
        yield "", f"from token {place} on ({len(two)} tokens instead of {len(one)})"


def _pixels(one: Tensor, two: Tensor, tolerance: Tolerance) -> Findings:
    """Pixels, after equal grids."""
    gap = float((one - two).abs().max()) if one.numel() and one.shape == two.shape else 0.0
    if one.shape != two.shape:
        yield "", f"{tuple(two.shape)} numbers instead of {tuple(one.shape)}"
    elif gap > tolerance.pixel:
        yield "", f"up to {gap * 127.5:.0f} levels of 255 apart"


def _features(one: Tensor, two: Tensor, tolerance: Tolerance) -> Findings:
    """What the vision tower gives."""
    if one.shape != two.shape:
        yield "", f"{tuple(two.shape)} numbers instead of {tuple(one.shape)}"
    elif (found := cosine(one, two)) < tolerance.state:
        yield "", f"cosine {found:.6f}"


def _layers(one: tuple[Tensor, ...], two: tuple[Tensor, ...], tolerance: Tolerance) -> Findings:
    """The last token after each text layer."""
    if len(one) != len(two):
        yield "", f"{len(two)} instead of {len(one)}"
    for number, (a, b) in enumerate(zip(one, two, strict=False)):
        if (found := cosine(a, b)) < tolerance.state:
            yield f"layer {number}", f"cosine {found:.6f}"


def _pooled(one: Tensor, two: Tensor, tolerance: Tolerance) -> Findings:
    """The state that is read."""
    if (found := cosine(one, two)) < tolerance.vector:
        yield "", f"cosine {found:.6f}"


def _vector(one: Tensor, two: Tensor, tolerance: Tolerance) -> Findings:
    """The vector: width, direction, then length."""
    width = min(len(one), len(two))
    if not torch.isfinite(two).all():
        yield "", "not finite"
    elif (found := cosine(one[:width], two[:width])) < tolerance.vector:
        yield "", f"cosine {found:.6f}"
    elif len(one) != len(two):
        yield "", f"{len(two)} numbers instead of {len(one)}"
    elif abs(float(two.norm()) - 1) > tolerance.length:
        yield "norm", f"length {float(two.norm()):.4f} instead of 1"


def _score(one: float, two: float, tolerance: Tolerance) -> Findings:
    """Probabilities, compared as log-odds: a published model is often sure, and all its probabilities look alike."""
    if not 0 <= two <= 1:
        yield "", f"{two:.4f} is no probability"
        return
    gap = abs(_log_odds(one) - _log_odds(two))
    slack = min(5.0, 1e-6 / max(1e-9, two * (1 - two)))  # what an fp32 probability cannot tell
    if gap > tolerance.logit + slack:
        yield "", f"{two:.4f} instead of {one:.4f} (log-odds {gap:.3f} apart)"


def _log_odds(probability: float) -> float:
    """Of a probability, which may have been rounded to 0 or 1."""
    clamped = min(max(probability, 1e-9), 1 - 1e-9)
    return log(clamped / (1 - clamped))


def _short(value: object, width: int = 40) -> str:
    """A value for a message."""
    text = str(value)
    return text if len(text) <= width else text[:width] + "..."


_STAGES: dict[str, tuple[str, Callable[..., Findings]]] = {
    "prompt": ("prompt", _texts),
    "token_ids": ("token ids", _ids),
    "grids": ("grids", _equal),
    "pixels": ("pixels", _pixels),
    "features": ("vision", _features),
    "layers": ("layers", _layers),
    "pooled": ("pooling", _pooled),
    "vector": ("vector", _vector),
    "score": ("score", _score),
}
assert all(STAGES.index(a[0]) < STAGES.index(b[0]) for a, b in pairwise(_STAGES.values()))
