"""From jobs to hidden states: prepare, put like beside like, decode ahead, compute, restore the order.

    jobs ─ window ─> prepared ─ chunks ─> decoding (threads) ─> compute ─> outcome of the window
                                             one chunk ahead

With copies of the model on several devices every one takes the next chunk.

A bad job costs its own row. Jobs are taken a window at a time and chunks are bounded, so that sources, pixels and
states in memory are too, however many jobs there are.
"""

import copy
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Literal, TypeVar

import torch
from torch import Tensor
from tqdm import tqdm

from anyseek.engine.compute import Compute, Seen, row_of, under_budget
from anyseek.engine.features import CacheOptions
from anyseek.errors import ConfigError, InputError
from anyseek.model import Backbone
from anyseek.processing import Prepared, Processor, Visual, grid_of

__all__ = ["Job", "OnError", "Outcome", "RunOptions", "Runner", "check_on_error"]

WINDOW = 1024
"""Rows prepared together: enough to put like beside like, few enough to hold their open sources."""
CHUNK = 4
"""Batches of tokens and pixels that are decoded and computed together."""

Thing = TypeVar("Thing")
OnError = Literal["raise", "collect"]
"""What to do at a bad row: stop, or keep its error and go on."""


@dataclass(frozen=True, slots=True)
class Job:
    """One row of a call.

    Attributes:
        place: where it stood in the call, for messages, such as `items[3]`.
        prepare: opens its sources and lays out its prompt.
        is_text: nothing has to be opened, so that a thread would cost more than it saves.
    """

    place: str
    prepare: Callable[[], Prepared]
    is_text: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a call is run.

    Attributes:
        batch_tokens: most tokens of a packed batch; a longer input is a batch of its own.
        on_error: `raise` at the first bad row, or `collect` errors and go on.
        show_progress_bar: on stderr.
        title: of the progress bar.
        workers: threads that open and decode.
        total: jobs, for the progress bar; None when nobody knows.
    """

    batch_tokens: int
    on_error: OnError
    show_progress_bar: bool
    title: str
    workers: int
    total: int | None = None


@dataclass(slots=True)
class Outcome:
    """What a window of jobs gave.

    Attributes:
        hidden: `(jobs, hidden)` fp32 on the CPU; NaN where a job failed.
        first: number of its first job in the call.
        errors: number of the job in the call -> its error.
    """

    hidden: Tensor
    first: int = 0
    errors: dict[int, InputError] = field(default_factory=dict)


def check_on_error(on_error: str) -> None:
    """Raise ConfigError unless `on_error` is one of the two words."""
    if on_error not in ("raise", "collect"):
        raise ConfigError(f"on_error must be 'raise' or 'collect' (got {on_error!r})")


@dataclass(slots=True)
class _Chunk:
    """Rows that are computed together, their pixels on the way.

    Attributes:
        window: outcome of the window they belong to.
        places: number in the window -> for messages.
        prompts: likewise -> prompt.
        identities: likewise -> of everything the prompt shows.
        pixels: identity -> patches that are being decoded.
        compute: the model that computes it.
        done: rows of the window that are finished with this chunk.
        closes: whether the window is finished too.
    """

    window: Outcome
    places: dict[int, str]
    prompts: dict[int, Prepared]
    identities: dict[int, list[bytes]]
    compute: Compute
    pixels: dict[bytes, Future[Tensor]] = field(default_factory=dict)
    done: int = 0
    closes: bool = False


@dataclass(frozen=True, slots=True)
class Runner:
    """A model that computes, or copies of it on several devices, and the processor that feeds them."""

    computes: tuple[Compute, ...]
    processor: Processor

    @classmethod
    def of(
        cls, model: Backbone | Sequence[Backbone], processor: Processor, attention: str, caches: CacheOptions
    ) -> "Runner":
        """A model, or copies of it, each with caches of its own."""
        copies = (model,) if isinstance(model, Backbone) else model
        return cls(tuple(Compute(one, attention, caches) for one in copies), processor)

    @property
    def backbone(self) -> Backbone:
        """The model, or the first of its copies."""
        return self.computes[0].backbone

    def run(self, jobs: Iterable[Job | InputError], options: RunOptions) -> Iterator[Outcome]:
        """Last-token states, a window of jobs at a time, in the order given. Closing the iterator cancels the rest.

        Args:
            jobs: rows; one that failed already stands as its error.
            options: how to run.

        Raises:
            InputError: with `on_error="raise"`, of a bad row.
        """
        check_on_error(options.on_error)
        pool = ThreadPoolExecutor(max_workers=options.workers, thread_name_prefix="anyseek")
        silent = not options.show_progress_bar
        try:
            with tqdm(total=options.total, desc=options.title, unit="item", disable=silent) as bar:
                for chunk in self._finished(self._chunks(jobs, pool, options), options):
                    bar.update(chunk.done)
                    if chunk.closes:
                        yield chunk.window
        finally:
            pool.shutdown(cancel_futures=True)

    def _finished(self, chunks: Iterator[_Chunk], options: RunOptions) -> Iterator[_Chunk]:
        """Chunks in their order, computed; while one is, another one decodes for the same device."""
        count = len(self.computes)
        if count == 1:  # in this thread: another one would bring its own threads for arithmetic
            for chunk in _ahead(chunks, 1):
                self._finish(chunk, options)
                yield chunk
            return
        pool = ThreadPoolExecutor(2 * count, thread_name_prefix="anyseek-device")
        try:
            begun = ((chunk, pool.submit(self._finish, chunk, options)) for chunk in chunks)
            for chunk, finished in _ahead(begun, 2 * count - 1):
                finished.result()
                yield chunk
        finally:
            pool.shutdown(cancel_futures=True)

    def _chunks(
        self, jobs: Iterable[Job | InputError], pool: ThreadPoolExecutor, options: RunOptions
    ) -> Iterator[_Chunk]:
        """Chunks in which like stands beside like, with their decoding under way; the last of a window closes it."""
        waiting, computes, first = iter(jobs), cycle(self.computes), 0
        while window := list(islice(waiting, WINDOW)):
            whole = self._prepare(window, first, pool, options)
            first += len(window)
            rows = sorted(whole.prompts, key=lambda row: (whole.prompts[row].ids, whole.identities[row]))
            sizes = {row: _cost(whole.prompts[row]) for row in rows}
            groups = list(under_budget(rows, sizes, CHUNK * options.batch_tokens)) or [[]]
            bad = len(window) - len(rows)
            for number, group in enumerate(groups):
                chunk = _Chunk(
                    window=whole.window,
                    places={row: whole.places[row] for row in group},
                    prompts={row: whole.prompts.pop(row) for row in group},
                    identities={row: whole.identities[row] for row in group},
                    compute=next(computes),
                    done=len(group) + (bad if number == 0 else 0),
                    closes=number == len(groups) - 1,
                )
                self._start_decoding(chunk, pool)
                yield chunk

    def _prepare(
        self, window: list[Job | InputError], first: int, pool: ThreadPoolExecutor, options: RunOptions
    ) -> _Chunk:
        """The good rows of the window that begins with job `first`, laid out."""
        hidden = torch.full((len(window), self.backbone.config.text.hidden_size), float("nan"))
        whole = _Chunk(Outcome(hidden, first), {}, {}, {}, self.computes[0])
        opened = {
            row: pool.submit(self._prepare_one, job)
            for row, job in enumerate(window)
            if isinstance(job, Job) and not job.is_text
        }
        for row, job in enumerate(window):
            prepared = opened[row].result() if row in opened else self._prepare_one(job)
            place = job.place if isinstance(job, Job) else ""
            if isinstance(prepared, InputError):
                _note(whole.window, row, place, prepared, options)
            else:
                whole.places[row] = place
                whole.prompts[row], whole.identities[row] = prepared
        return whole

    def _prepare_one(self, job: Job | InputError) -> tuple[Prepared, list[bytes]] | InputError:
        """One row laid out, and what it shows; or its error."""
        if isinstance(job, InputError):
            return job
        try:
            prepared = job.prepare()
            return prepared, [self.processor.identity(visual) for visual in prepared.visuals]
        except InputError as error:
            return error

    def _start_decoding(self, chunk: _Chunk, pool: ThreadPoolExecutor) -> None:
        """Decode everything the chunk shows, once, unless its features are known."""
        shown = dict(_visuals(chunk))
        known = chunk.compute.knows(shown) if shown else set()
        chunk.pixels = {
            identity: pool.submit(self.processor.decode, visual)
            for identity, visual in shown.items()
            if identity not in known
        }

    def _finish(self, chunk: _Chunk, options: RunOptions) -> None:
        """Take what was decoded, drop rows that turned out bad, compute the others."""
        shown = dict(_visuals(chunk))
        kept = [identity for identity in shown if identity not in chunk.pixels]
        seen: dict[bytes, Seen | Tensor] = {**chunk.compute.recall(kept)} if kept else {}
        errors: dict[bytes, InputError] = {}
        for identity, visual in shown.items():
            if identity in seen:
                continue
            try:
                # Not on the way either: it was known when decoding began, and has been forgotten since.
                waiting = chunk.pixels.pop(identity, None)
                patches = waiting.result() if waiting else self.processor.decode(visual)
                seen[identity] = Seen(patches, grid_of(visual))
            except InputError as error:
                errors[identity] = error
        good = []
        for row, identities in chunk.identities.items():
            failed = next((errors[identity] for identity in identities if identity in errors), None)
            if failed is None:
                good.append(row)
            else:
                _note(chunk.window, row, chunk.places[row], copy.copy(failed), options)
        if good:
            rows = [row_of(self.processor, chunk.prompts[row], chunk.identities[row]) for row in good]
            chunk.window.hidden[good] = chunk.compute.run(rows, seen, options.batch_tokens)


def _visuals(chunk: _Chunk) -> Iterator[tuple[bytes, Visual]]:
    """Everything a chunk shows, with its identity."""
    for row, identities in chunk.identities.items():
        yield from zip(identities, chunk.prompts[row].visuals, strict=True)


def _cost(prepared: Prepared) -> int:
    """Tokens and merged patches."""
    plan = prepared.plan
    return plan.tokens + plan.patches // 4


def _ahead(things: Iterator[Thing], count: int) -> Iterator[Thing]:
    """The same, each given out when `count` more have begun."""
    begun: deque[Thing] = deque()
    for thing in things:
        begun.append(thing)
        if len(begun) > count:
            yield begun.popleft()
    yield from begun


def _note(window: Outcome, row: int, place: str, error: InputError, options: RunOptions) -> None:
    """Keep the error of a row, or raise it."""
    if place:
        error.at(place)
    if options.on_error == "raise":
        raise error
    window.errors[window.first + row] = error
