"""One row: equal results first, then times, taken by turns so that what else the machine does falls on all alike."""

import itertools
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from anyseek.errors import ConfigError
from anyseek.evaluation.bench.engines import Anyseek, Engine
from anyseek.evaluation.bench.work import Work, counted
from anyseek.evaluation.bench.workloads import Workload

__all__ = ["APART", "TOLERANCES", "Entry", "Row", "Rules", "Tolerance", "alternate", "difference", "measure"]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Most that two results for one item may differ.

    Attributes:
        vectors: distance of two vectors of length 1.
        scores: of two probabilities.
    """

    vectors: float
    scores: float

    def of(self, workload: Workload) -> float:
        """That of a workload's results."""
        return self.vectors if workload.query is None else self.scores


TOLERANCES = {
    "float32": Tolerance(2e-4, 2e-4),
    "bfloat16": Tolerance(0.045, 0.03),
    "float16": Tolerance(0.01, 0.01),
}
"""Measured: 1e-6 in fp32; 0.02 and 0.01 in bf16 with 28 layers of the small width. 0.045 is a cosine of 0.999."""
APART = 2
"""Results of two items must differ by this many times as much as those of two engines, or being equal says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a row is measured.

    Attributes:
        tolerance: between results.
        repeats: how often each engine is timed.
        seconds: after this long no further round begins; one always runs.
        least_seconds: rounds that are over sooner are repeated for this long.
    """

    tolerance: Tolerance
    repeats: int = 5
    seconds: float = 40.0
    least_seconds: float = 0.0

    def __post_init__(self) -> None:
        """Raise ConfigError for no repeats."""
        if self.repeats < 1:
            raise ConfigError(f"repeats must be at least 1 (got {self.repeats})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one engine did with a workload.

    Attributes:
        engine: its name.
        seconds: of each round; empty when it was not timed.
        work: what it computes in a round; None when it was not run.
        peak_bytes: memory of the accelerator that a round needs above what was in use; None on a CPU.
        difference: of its results from ours; None for our own.
        reason: why it was not timed; empty when it was.
        is_wrong: whether the reason is that its results differ.
    """

    engine: str
    seconds: tuple[float, ...] = ()
    work: Work | None = None
    peak_bytes: int | None = None
    difference: float | None = None
    reason: str = ""
    is_wrong: bool = False

    @property
    def median(self) -> float:
        """Of the rounds, in seconds; NaN when there are none."""
        return statistics.median(self.seconds) if self.seconds else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came of a workload.

    Attributes:
        name: of the workload.
        title: in words.
        items: how many.
        tokens: of all prompts, each whole.
        ours: this engine.
        others: what it is compared with.
        weight_bytes: of the linear layers that it runs through.
    """

    name: str
    title: str
    items: int
    tokens: int
    ours: Entry
    others: tuple[Entry, ...]
    weight_bytes: int

    @property
    def is_wrong(self) -> bool:
        """Whether anything differs."""
        return any(entry.is_wrong for entry in self.others)


def measure(workload: Workload, ours: Anyseek, peers: Sequence[Engine], rules: Rules) -> Row:
    """Check that results are equal, then time this engine and those whose results are.

    Args:
        workload: what to compute.
        ours: this engine.
        peers: the others.
        rules: how.
    """
    ours.run(workload)  # loads, and leaves keys and values of the template, as in service
    if workload.primer is not None:
        return _measure_known(workload, ours, rules)
    ours.forget()
    wanted, entry = _counted(ours, workload)
    others = [_checked(peer, workload, wanted, rules.tolerance.of(workload)) for peer in peers]
    if not any(other.difference is not None for other in others):
        others.append(_alone(ours, workload, wanted, rules.tolerance.of(workload)))
    ready = [ours, *(peer for peer, other in zip(peers, others, strict=False) if not other.reason)]
    times = alternate({engine.name: partial(_timed, engine, workload) for engine in ready}, rules)
    return _row(workload, ours, entry, others, times)


def _measure_known(workload: Workload, ours: Anyseek, rules: Rules) -> Row:
    """A query over items that another was asked over just before, beside that other."""
    first = replace(workload, query=workload.primer, primer=None)
    ours.forget()
    fresh = ours.run(workload)
    ours.forget()
    _, before = _counted(ours, first)
    again, entry = _counted(ours, workload)
    other = _judged(replace(before, engine="its first query"), fresh, again, rules.tolerance.of(workload))
    times: dict[str, list[float]] = {ours.name: [], other.engine: []}

    def both() -> float:
        """The first query and the second; seconds of both."""
        times[other.engine].append(_timed(ours, first))
        start = time.perf_counter()
        ours.run(workload)
        times[ours.name].append(time.perf_counter() - start)
        return times[other.engine][-1] + times[ours.name][-1]

    alternate({"both": both}, rules)
    return _row(workload, ours, entry, [other], times)


def alternate(runs: Mapping[str, Callable[[], float]], rules: Rules) -> dict[str, tuple[float, ...]]:
    """Times of each, round by round, each round beginning with another one.

    Args:
        runs: name -> something that runs once and gives its seconds.
        rules: rounds and seconds.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    names, start = list(runs), time.perf_counter()
    for number in itertools.count():
        passed = time.perf_counter() - start
        enough = number >= rules.repeats and passed >= rules.least_seconds
        if number and (enough or passed > rules.seconds):
            break
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            times[name].append(runs[name]())
    return {name: tuple(seconds) for name, seconds in times.items()}


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """The largest distance of two rows: of vectors `(items, dim)`, or of numbers `(items,)`.

    Infinite for arrays of other shapes, or where one has a NaN.
    """
    if one.shape != other.shape:
        return float("inf")
    apart = np.linalg.norm((one - other).reshape(len(one), -1), axis=1)
    return float("inf") if np.isnan(apart).any() else float(apart.max())


def _timed(engine: Engine, workload: Workload) -> float:
    """Seconds of one run with nothing known of its inputs; results come back to the host, so that all is done."""
    engine.forget()
    start = time.perf_counter()
    engine.run(workload)
    return time.perf_counter() - start


def _counted(engine: Engine, workload: Workload) -> tuple[np.ndarray, Entry]:
    """Results, and what was computed for them."""
    models = engine.models(workload)
    on_gpu = next(models[0].parameters()).is_cuda
    before = torch.cuda.memory_allocated() if on_gpu else 0
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    with counted(models) as work:
        results = engine.run(workload)
    peak = torch.cuda.max_memory_allocated() - before if on_gpu else None
    return results, Entry(engine=engine.name, work=work, peak_bytes=peak)


def _checked(peer: Engine, workload: Workload, wanted: np.ndarray, tolerance: float) -> Entry:
    """A peer that is ready to be timed, or why it is not."""
    reason = peer.refusal(workload)
    if reason:
        return Entry(engine=peer.name, reason=reason)
    results, entry = _counted(peer, workload)
    return _judged(entry, wanted, results, max(tolerance, peer.slack))


def _alone(ours: Anyseek, workload: Workload, wanted: np.ndarray, tolerance: float) -> Entry:
    """Where no peer can say it: the same inputs one by one, nothing shared, must give the same. Not timed."""
    entry = Entry(engine="anyseek, one by one", reason="compared only")
    judged = _judged(entry, wanted, ours.one_by_one(workload), tolerance)
    ours.forget()
    return judged


def _judged(entry: Entry, wanted: np.ndarray, results: np.ndarray, tolerance: float) -> Entry:
    """The entry with its difference, and marked when that is too large, or when it could not have been."""
    found = difference(wanted, results)
    if found > tolerance:
        reason = f"results differ by {found:.2g}, more than {tolerance:.2g}"
        return replace(entry, difference=found, reason=reason, is_wrong=True)
    apart = _spread(wanted)
    if len(wanted) > 1 and apart < APART * found:
        reason = f"results differ by {found:.2g}, and those of different inputs by no more than {apart:.2g}"
        return replace(entry, difference=found, reason=reason, is_wrong=True)
    return replace(entry, difference=found)


def _spread(results: np.ndarray) -> float:
    """How far results of different items lie apart at most: scores from each other, vectors from the first."""
    return (
        float(np.ptp(results))
        if results.ndim == 1
        else difference(results, np.broadcast_to(results[:1], results.shape))
    )


def _row(
    workload: Workload,
    ours: Anyseek,
    entry: Entry,
    others: Sequence[Entry],
    times: Mapping[str, Sequence[float]],
) -> Row:
    """Everything together; what gives other results gets no time."""
    (model,) = ours.models(workload)
    sees = bool(entry.work and entry.work.patches)
    weights = sum(
        weight.nbytes
        for name, weight in model.named_parameters()
        if "embed_tokens" not in name and (sees or not name.startswith("visual"))
    )
    timed = [other if other.reason else replace(other, seconds=tuple(times[other.engine])) for other in others]
    return Row(
        name=workload.name,
        title=workload.title,
        items=len(workload.items),
        tokens=ours.tokens(workload),
        ours=replace(entry, seconds=tuple(times[ours.name])),
        others=tuple(timed),
        weight_bytes=weights,
    )
