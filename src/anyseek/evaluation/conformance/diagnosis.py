"""Which stage differs first, case by case, and which known causes reproduce what the other engine gave."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import inf
from typing import Protocol

from torch.nn import functional

from anyseek.errors import InputError
from anyseek.evaluation.conformance.causes import CAUSES, READINGS
from anyseek.evaluation.conformance.compare import FULL, STAGES, Difference, Tolerance, cosine, difference
from anyseek.evaluation.conformance.mistakes import Mistake, mistakes
from anyseek.evaluation.conformance.pack import Case
from anyseek.evaluation.conformance.trace import Trace, Tracer

__all__ = ["Diagnosis", "Explanation", "Finding", "Target", "diagnose", "explanations"]


class Target(Protocol):
    """Another engine."""

    name: str

    def trace(self, case: Case) -> Trace:
        """What it does with a case, as far as it shows it; an error of its own stands in the record."""
        ...


@dataclass(frozen=True, slots=True)
class Explanation:
    """A wrong computation that gives just what the other engine gave.

    Attributes:
        causes: names in `CAUSES`, at least one.
        details: what exactly.
    """

    causes: tuple[str, ...]
    details: tuple[str, ...]

    @property
    def stage(self) -> str:
        """The first stage that it changes."""
        return min((CAUSES[name].stage for name in self.causes), key=STAGES.index)


@dataclass(frozen=True, slots=True)
class Finding:
    """How one case went.

    Attributes:
        case: its name.
        difference: the first stage that differs; None when all is equal.
        explanations: the simplest ones; none when the cause is not a known one.
    """

    case: str
    difference: Difference | None
    explanations: tuple[Explanation, ...] = ()

    @property
    def stage(self) -> str | None:
        """The first stage that differs, told by the cause where the engine shows only its end."""
        if self.difference is None or not self.explanations:
            return self.difference.stage if self.difference else None
        return min((*(e.stage for e in self.explanations), self.difference.stage), key=_order)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found about an engine.

    Attributes:
        findings: one per case.
        causes: the fewest explanations that cover the cases which have one, and the cases that each covers.
    """

    findings: tuple[Finding, ...]
    causes: tuple[tuple[Explanation, tuple[str, ...]], ...]

    @property
    def unexplained(self) -> list[str]:
        """Cases that differ for none of the known causes."""
        return [finding.case for finding in self.findings if finding.difference and not finding.explanations]


def diagnose(tracer: Tracer, target: Target, cases: Sequence[Case], tolerance: Tolerance) -> Diagnosis:
    """Run cases through both and compare them.

    Args:
        tracer: our model.
        target: the other engine.
        cases: of the pack.
        tolerance: how far they may be apart.
    """
    findings = []
    for case in cases:
        right, other = tracer.trace(case), target.trace(case)
        found = difference(right, other, tolerance)
        known = explanations(tracer, case, other, tolerance) if other.error is None else []
        if known and found is None:  # within half precision, but a mistake is far closer
            found = Difference("vector", f"1 - cosine is {_gap(*_directions(right, other)):.1e}")
        findings.append(Finding(case.name, found, tuple(known)))
    return _agreed(findings)


def explanations(tracer: Tracer, case: Case, other: Trace, tolerance: Tolerance) -> list[Explanation]:
    """The simplest mistakes that reproduce a record: one, or one in the prompt with one in the reading.

    A mistake must be equal to the record within the tolerance, and a vector of it at most half as far as the right one:
    rounding to half precision is no direction that a mistake could follow by chance, so that even a mistake below the
    tolerance shows. Length and width of a vector are left aside: they change nothing of its direction. Nothing is
    explained of a score within the tolerance, nor of a vector that is right in full precision.
    """
    right, aligned = _directions(tracer.trace(case), other)
    if difference(right, aligned, FULL if other.vector is not None else tolerance) is None:
        return []
    nearest = _gap(right, aligned) / 2
    found: list[tuple[float, Explanation]] = []
    for _, variants in groupby(_prompts(tracer, case), key=lambda mistake: mistake.cause):
        # In full precision no vector is met by chance, but a score may be: of scores all readings are kept, to vote.
        if other.vector is not None and tolerance is FULL and any(len(e.causes) == 1 for _, e in found):
            break
        for mistake in variants:
            found += [(gap, e) for gap, e in _reproductions(tracer, mistake, other, tolerance) if gap <= nearest]
    best = min((gap for gap, _ in found), default=0.0)
    close = [explanation for gap, explanation in found if gap <= 4 * best + 1e-7]
    fewest = min((len(explanation.causes) for explanation in close), default=0)
    return [explanation for explanation in close if len(explanation.causes) == fewest]


def _reproductions(
    tracer: Tracer, mistake: Mistake, other: Trace, tolerance: Tolerance
) -> Iterator[tuple[float, Explanation]]:
    """The readings under which a prompt gives just this record, and how far each is from it."""
    try:
        laid = tracer.lay_out(mistake.prompt)
    except InputError:  # this prompt cannot be made of a corrupt picture
        return
    if difference(laid.trace, other, tolerance) is not None:
        return
    states = tracer.run(laid)
    for reading in READINGS:
        causes = (*((mistake.cause,) if mistake.cause else ()), *reading.causes)
        made, aligned = _directions(tracer.finished(laid, states, reading.read(states)), other)
        if causes and difference(made, aligned, tolerance) is None:
            yield _gap(made, aligned), Explanation(causes, (mistake.detail,) if mistake.detail else ())


def _prompts(tracer: Tracer, case: Case) -> Iterator[Mistake]:
    """The right prompt, as a mistake without a cause, then the wrong ones."""
    yield Mistake("", "", tracer.prompt(case))
    yield from mistakes(tracer, case)


def _gap(made: Trace, other: Trace) -> float:
    """1 - cosine of two vectors; 0 where there are none to compare."""
    if made.vector is None or other.vector is None:
        return inf if made.error is not None else 0.0
    return max(0.0, 1 - cosine(made.vector, other.vector))


def _directions(made: Trace, other: Trace) -> tuple[Trace, Trace]:
    """Two records with their vectors at the width that both have, and of length 1."""
    if made.vector is None or other.vector is None:
        return made, other
    width = min(len(made.vector), len(other.vector))
    one, two = (
        functional.normalize(trace.vector[:width], dim=0) for trace in (made, other) if trace.vector is not None
    )
    return replace(made, vector=one), replace(other, vector=two)


def _agreed(findings: Sequence[Finding]) -> Diagnosis:
    """The cause that explains most cases explains them all; then the next one for what is left.

    A score is a single number, which a wrong guess may meet by chance in one case, but not in all of them.
    """
    waiting = [finding for finding in findings if finding.explanations]
    causes: list[tuple[Explanation, tuple[str, ...]]] = []
    settled: dict[str, Finding] = {}
    while waiting:
        votes = Counter(name for f in waiting for name in {e.causes for e in f.explanations})
        chosen = max(votes, key=lambda name: (votes[name], -len(name)))
        covered = [_kept(f, chosen) for f in waiting if any(e.causes == chosen for e in f.explanations)]
        causes.append((_common(covered, chosen), tuple(finding.case for finding in covered)))
        settled |= {finding.case: finding for finding in covered}
        waiting = [finding for finding in waiting if finding.case not in settled]
    return Diagnosis(tuple(settled.get(finding.case, finding) for finding in findings), tuple(causes))


def _kept(finding: Finding, causes: tuple[str, ...]) -> Finding:
    """A finding with the explanations of these causes only."""
    kept = tuple(explanation for explanation in finding.explanations if explanation.causes == causes)
    return replace(finding, explanations=kept)


def _common(findings: Sequence[Finding], causes: tuple[str, ...]) -> Explanation:
    """The variants that explain all these cases, or those of any where none does."""
    each = [[detail for e in finding.explanations for detail in e.details] for finding in findings]
    every = dict.fromkeys(detail for details in each for detail in details)
    common = tuple(detail for detail in every if all(detail in details for details in each))
    return Explanation(causes, common or tuple(every))


def _order(stage: str) -> int:
    """Place of a stage in the computation; `layer 3` is one of the layers."""
    return STAGES.index("layers" if stage.startswith("layer ") else stage)
