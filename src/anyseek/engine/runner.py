"""From jobs to hidden states: plan, sort, batch by budget, decode, run, restore the order; a bad job costs its own row."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor
from tqdm import tqdm

from anyseek.batch import Sample, pack
from anyseek.errors import ConfigError, InputError
from anyseek.model import Backbone
from anyseek.processing import Plan

__all__ = ["Job", "OnError", "Outcome", "RunOptions", "check_on_error", "run"]

OnError = Literal["raise", "collect"]
"""What to do at a bad row: stop, or keep its error and go on."""


@dataclass(frozen=True, slots=True)
class Job:
    """One row of a call: how to plan it and how to make its sample.

    Attributes:
        place: where it stood in the call, for messages, such as `items[3]`.
        plan: tokens and patches, without decoding.
        sample: the decoded sample.
    """

    place: str
    plan: Callable[[], Plan]
    sample: Callable[[], Sample]


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


@torch.inference_mode()
def run(backbone: Backbone, jobs: Sequence[Job | InputError], options: RunOptions) -> Outcome:
    """Last-token states of every job, in the order given.

    Args:
        backbone: the model.
        jobs: rows; one that failed already stands as its error.
        options: how to run.

    Raises:
        InputError: with `on_error="raise"`, of the first bad row.
    """
    check_on_error(options.on_error)
    width = backbone.config.text.hidden_size
    outcome = Outcome(torch.full((len(jobs), width), float("nan")))
    costs = _costs(jobs, outcome, options)
    device = next(backbone.parameters()).device
    with tqdm(total=len(jobs), desc=options.title, unit="item", disable=not options.show_progress_bar) as bar:
        bar.update(len(outcome.errors))
        for batch in _batches(costs, options.batch_tokens):
            rows, samples = _decode(jobs, batch, outcome, options)
            if rows:
                packed = pack(samples).to(device)
                outcome.hidden[rows] = backbone(packed, packed.last_index, options.attention).float().cpu()
            bar.update(len(batch))
    return outcome


def _costs(jobs: Sequence[Job | InputError], outcome: Outcome, options: RunOptions) -> dict[int, int]:
    """Tokens and merged patches of each good job."""
    costs = {}
    for row, job in enumerate(jobs):
        try:
            if isinstance(job, InputError):
                raise job
            plan = job.plan()
        except InputError as error:
            _note(row, jobs[row], error, outcome, options)
        else:
            costs[row] = plan.tokens + plan.patches // 4
    return costs


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


def _decode(
    jobs: Sequence[Job | InputError], batch: list[int], outcome: Outcome, options: RunOptions
) -> tuple[list[int], list[Sample]]:
    """Samples of a batch, less the rows that turn out bad."""
    rows, samples = [], []
    for row in batch:
        try:
            sample = jobs[row].sample()
        except InputError as error:
            _note(row, jobs[row], error, outcome, options)
        else:
            rows.append(row)
            samples.append(sample)
    return rows, samples


def _note(row: int, job: Job | InputError, error: InputError, outcome: Outcome, options: RunOptions) -> None:
    """Keep the error of a row, or raise it."""
    if isinstance(job, Job):
        error.at(job.place)
    if options.on_error == "raise":
        raise error
    outcome.errors[row] = error
