"""Models for a library whose rows are computed by the server's one engine, in turn with everybody's requests."""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import torch

from anyseek.engine import Embedder, Reranker
from anyseek.engine.runner import WINDOW, Job, Outcome, Runner, RunOptions, check_on_error
from anyseek.errors import InputError
from anyseek.processing import Processor, ProcessorOptions
from anyseek.server.engine import Engine
from anyseek.server.planning import Planned, planned
from anyseek.server.queue import Kind

__all__ = ["queued"]

Model = TypeVar("Model", Embedder, Reranker)


def queued(model: Model, engine: Engine, options: ProcessorOptions) -> Model:
    """The same model, read by other rules and computed in turn with requests; a call blocks the thread it is made in.

    Args:
        model: that the engine owns.
        engine: computes what is asked of it.
        options: how items are read.
    """
    processor = Processor(model.processor.tokenizer, options)
    kind: Kind = "embedding" if isinstance(model, Embedder) else "reranking"
    found = copy.copy(model)
    found.processor = processor
    found._runner = _Queued(model._runner.computes, processor, engine, kind)
    return found


@dataclass(frozen=True, slots=True)
class _Queued(Runner):
    """Plans rows in the caller's thread, and has them computed by the engine."""

    engine: Engine
    kind: Kind

    def run(self, jobs: Iterable[Job | InputError], options: RunOptions) -> Iterator[Outcome]:
        """As `Runner.run`.

        Raises:
            InputError: with `on_error="raise"`, of a bad row.
            Closed: the server is shutting down, or whoever asked has left.
        """
        check_on_error(options.on_error)
        waiting, first = iter(jobs), 0
        while window := list(islice(waiting, WINDOW)):
            hidden = torch.full((len(window), self.backbone.config.text.hidden_size), float("nan"))
            outcome = Outcome(hidden, first)
            places, rows = self._planned(window, outcome)
            self._compute(places, rows, outcome)
            if outcome.errors and options.on_error == "raise":
                raise outcome.errors[min(outcome.errors)]
            yield outcome
            first += len(window)

    def _planned(self, window: list[Job | InputError], outcome: Outcome) -> tuple[list[int], list[Planned]]:
        """Good rows laid out, and their numbers in the window."""
        places, rows = [], []
        for number, job in enumerate(window):
            try:
                if isinstance(job, InputError):
                    raise job
                prepared = job.prepare()
                row = planned(self.processor, prepared, [job.place] * len(prepared.visuals))
            except InputError as error:
                outcome.errors[outcome.first + number] = error.at(job.place) if isinstance(job, Job) else error
            else:
                places.append(number)
                rows.append(row)
        return places, rows

    def _compute(self, places: list[int], rows: list[Planned], outcome: Outcome) -> None:
        """Put states into the outcome; rows beside a bad one are computed again, each alone."""
        done = 0
        for portion, result in self.engine.wait(self.kind, rows) if rows else ():
            part = slice(done, done + len(portion.rows))
            done += len(portion.rows)
            if not isinstance(result, InputError):
                outcome.hidden[places[part]] = result
            elif len(portion.rows) == 1:
                outcome.errors[outcome.first + places[part][0]] = result
            else:
                for place, row in zip(places[part], rows[part], strict=True):
                    self._compute([place], [row], outcome)
