"""From jobs to hidden states: prepare, sort, batch by budget, decode, run, restore the order.

A bad job costs its own row. Jobs are taken a window at a time, so that open sources and decoded pixels stay bounded
however many there are.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor
from tqdm import tqdm

from anyseek.batch import Sample, pack
from anyseek.errors import ConfigError, InputError
from anyseek.model import Backbone
from anyseek.processing import Prepared, Processor

__all__ = ["Job", "OnError", "Outcome", "RunOptions", "Runner", "check_on_error"]

WINDOW = 1024
"""Rows prepared together: enough to sort by length, few enough to hold their open sources."""

OnError = Literal["raise", "collect"]
"""What to do at a bad row: stop, or keep its error and go on."""


@dataclass(frozen=True, slots=True)
class Job:
    """One row of a call.

    Attributes:
        place: where it stood in the call, for messages, such as `items[3]`.
        prepare: opens its sources and lays out its prompt.
    """

    place: str
    prepare: Callable[[], Prepared]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a call is run.

    Attributes:
        attention: backend, one of `ops.BACKENDS`.
        batch_tokens: most tokens and merged patches of a packed batch; a longer input is a batch of its own.
        on_error: `raise` at the first bad row, or `collect` errors and go on.
        show_progress_bar: on stderr.
        title: of the progress bar.
    """

    attention: str
    batch_tokens: int
    on_error: OnError
    show_progress_bar: bool
    title: str


@dataclass(slots=True)
class Outcome:
    """What a run gave.

    Attributes:
        hidden: `(jobs, hidden)` fp32 on the CPU; NaN where a job failed.
        errors: number of the job -> its error.
    """

    hidden: Tensor
    errors: dict[int, InputError] = field(default_factory=dict)


def check_on_error(on_error: str) -> None:
    """Raise ConfigError unless `on_error` is one of the two words."""
    if on_error not in ("raise", "collect"):
        raise ConfigError(f"on_error must be 'raise' or 'collect' (got {on_error!r})")


@dataclass(frozen=True, slots=True)
class Runner:
    """A model and the processor that feeds it."""

    backbone: Backbone
    processor: Processor

    @torch.inference_mode()
    def run(self, jobs: Sequence[Job | InputError], options: RunOptions) -> Outcome:
        """Last-token states of every job, in the order given.

        Args:
            jobs: rows; one that failed already stands as its error.
            options: how to run.

        Raises:
            InputError: with `on_error="raise"`, of the first bad row.
        """
        check_on_error(options.on_error)
        outcome = Outcome(torch.full((len(jobs), self.backbone.config.text.hidden_size), float("nan")))
        with tqdm(total=len(jobs), desc=options.title, unit="item", disable=not options.show_progress_bar) as bar:
            for start in range(0, len(jobs), WINDOW):
                window = range(start, min(start + WINDOW, len(jobs)))
                prepared = self._prepare(jobs, window, outcome, options)
                bar.update(len(window) - len(prepared))
                for rows in _batches({row: _cost(one) for row, one in prepared.items()}, options.batch_tokens):
                    self._run_batch(jobs, {row: prepared.pop(row) for row in rows}, outcome, options)
                    bar.update(len(rows))
        return outcome

    def _prepare(
        self, jobs: Sequence[Job | InputError], window: range, outcome: Outcome, options: RunOptions
    ) -> dict[int, Prepared]:
        """The good rows of a window, laid out."""
        prepared = {}
        for row in window:
            job = jobs[row]
            try:
                if isinstance(job, InputError):
                    raise job
                prepared[row] = job.prepare()
            except InputError as error:
                _note(row, job, error, outcome, options)
        return prepared

    def _run_batch(
        self, jobs: Sequence[Job | InputError], batch: dict[int, Prepared], outcome: Outcome, options: RunOptions
    ) -> None:
        """Decode and run a batch, less the rows that turn out bad."""
        samples: dict[int, Sample] = {}
        for row, one in batch.items():
            try:
                samples[row] = self.processor.produce(one)
            except InputError as error:
                _note(row, jobs[row], error, outcome, options)
        if samples:
            packed = pack(list(samples.values())).to(next(self.backbone.parameters()).device)
            hidden = self.backbone(packed, packed.last_index, options.attention)
            outcome.hidden[list(samples)] = hidden.float().cpu()


def _cost(prepared: Prepared) -> int:
    """Tokens and merged patches."""
    plan = prepared.plan
    return plan.tokens + plan.patches // 4


def _batches(costs: dict[int, int], budget: int) -> Iterator[list[int]]:
    """Rows in batches, longest first, so that a budget that is too large shows at once."""
    batch: list[int] = []
    total = 0
    for row in sorted(costs, key=costs.__getitem__, reverse=True):
        if batch and total + costs[row] > budget:
            yield batch
            batch, total = [], 0
        batch.append(row)
        total += costs[row]
    if batch:
        yield batch


def _note(row: int, job: Job | InputError, error: InputError, outcome: Outcome, options: RunOptions) -> None:
    """Keep the error of a row, or raise it."""
    if isinstance(job, Job):
        error.at(job.place)
    if options.on_error == "raise":
        raise error
    outcome.errors[row] = error
