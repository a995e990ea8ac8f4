"""Which stage differs first, case by case, and which known causes reproduce what the other engine gave."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from anyseek.errors import InputError
from anyseek.evaluation.conformance.causes import CAUSES, READINGS
from anyseek.evaluation.conformance.compare import STAGES, Difference, Tolerance, difference
from anyseek.evaluation.conformance.mistakes import mistakes
from anyseek.evaluation.conformance.pack import Case
from anyseek.evaluation.conformance.trace import Prompt, Trace, Tracer

__all__ = ["Explanation", "Finding", "Target", "diagnose", "explanations", "named"]


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


def diagnose(tracer: Tracer, target: Target, cases: Sequence[Case], tolerance: Tolerance) -> Iterator[Finding]:
    """Run cases through both and compare them.

    Args:
        tracer: our model.
        target: the other engine.
        cases: of the pack.
        tolerance: how far they may be apart.

    Yields:
        One finding per case, as soon as it is known.
    """
    for case in cases:
        right, other = tracer.trace(case), target.trace(case)
        found = difference(right, other, tolerance)
        known = tuple(explanations(tracer, case, other, tolerance)) if found and other.error is None else ()
        yield Finding(case.name, found, known)


def explanations(tracer: Tracer, case: Case, other: Trace, tolerance: Tolerance) -> list[Explanation]:
    """Every mistake, or pair of one in the prompt and one in the reading, that reproduces a record; the simplest only."""
    found: list[Explanation] = []
    for cause, detail, prompt in _prompts(tracer, case):
        try:
            laid = tracer.lay_out(prompt)
        except InputError:  # this prompt cannot be made of a corrupt picture
            continue
        if difference(laid.trace, other, tolerance) is not None:
            continue
        states = tracer.run(laid)
        for reading in READINGS:
            causes = (*((cause,) if cause else ()), *reading.causes)
            made = tracer.finished(laid, states, reading.read(states))
            if causes and difference(made, other, tolerance) is None:
                found.append(Explanation(causes, (detail,) if detail else ()))
    fewest = min((len(explanation.causes) for explanation in found), default=0)
    return [explanation for explanation in found if len(explanation.causes) == fewest]


def _prompts(tracer: Tracer, case: Case) -> Iterator[tuple[str, str, Prompt]]:
    """Cause, detail and prompt: the right one first."""
    yield "", "", tracer.prompt(case)
    for mistake in mistakes(tracer, case):
        yield mistake.cause, mistake.detail, mistake.prompt


def named(findings: Sequence[Finding]) -> list[tuple[Explanation, list[str]]]:
    """The fewest explanations that cover the cases which have one, and the cases each covers, most first.

    A score is a single number, which a wrong guess may meet by chance; a cause that explains many cases at once does not.
    """
    waiting = [finding for finding in findings if finding.explanations]
    chosen: list[tuple[Explanation, list[str]]] = []
    while waiting:
        votes = Counter(causes for f in waiting for causes in {e.causes for e in f.explanations})
        causes = max(votes, key=lambda key: (votes[key], -len(key)))
        covered = [f for f in waiting if any(e.causes == causes for e in f.explanations)]
        details = dict.fromkeys(d for f in covered for e in f.explanations if e.causes == causes for d in e.details)
        common = [d for d in details if all(any(d in e.details for e in f.explanations if e.causes == causes) for f in covered)]
        chosen.append((Explanation(causes, tuple(common or details)), [f.case for f in covered]))
        waiting = [finding for finding in waiting if finding not in covered]
    return chosen


def _order(stage: str) -> int:
    """Place of a stage in the computation; `layer 3` is one of the layers."""
    return STAGES.index("layers" if stage.startswith("layer ") else stage)
