"""The engine of the server: threads that plan and decode, and one per device that owns the models and computes.

    request ──> plan (threads) ──> queue ──> lane (one thread per device) ──> answer
                                     └─ decode ahead (threads) ─┘

The lane loads the models, and nobody else runs them. A batch holds portions of several requests; its results are those
of library calls up to what the composition of a batch changes in the last digits (docs/serving.md has the measure).
"""

import asyncio
import contextvars
import copy
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from torch import Tensor

from anyseek.engine.compute import Compute, Seen
from anyseek.engine.runtime import default_workers
from anyseek.errors import CapacityError, InputError
from anyseek.processing import grid_of
from anyseek.server.audit import Entry
from anyseek.server.faults import Fault, closing, fault_of
from anyseek.server.leaving import LEAVING, Leaving
from anyseek.server.metrics import Metrics
from anyseek.server.models import Models
from anyseek.server.options import ServerOptions
from anyseek.server.planning import Plan, Planned
from anyseek.server.queue import Closed, Full, Portion, TokenQueue, parted, portions
from anyseek.server.turns import Turns

__all__ = ["Engine"]

log = logging.getLogger("anyseek.server")

ASKING = 64
"""Threads that ask libraries; most of them wait for the lane, and a quick search is not to wait for them."""
AHEAD = 4
"""Batches for which pixels may be held, as many as a library call decodes together."""
PORTIONS = 4
"""A request is cut into portions of this part of a batch, so that a batch has room for several."""
LAST_SECONDS = 5
"""For a batch that nobody waits for any more to end."""
FULL_SECONDS = 0.1
"""Between two tries to put something into a full queue."""
FAILURES = 3
"""Batches in a row that fail for no fault of an input: then the device is taken for lost."""

Thing = TypeVar("Thing")


@dataclass(slots=True)
class _Lane:
    """One device: its copies of the models, and what they remember."""

    computes: dict[str, Compute]
    known: dict[str, set[bytes]] = field(default_factory=dict)
    failures: int = 0


class Engine:
    """Takes requests in any number, computes them together, and answers each.

    Attributes:
        models: what is served, once it is loaded.
        failure: why it could not be, or why no more is computed.
        on_loaded: told the models, in the thread that owns them, before anybody else has them.
        on_ready: told when everybody has.
        is_closing: whether nothing more is taken.
        stopped: set when the engine ended by itself.
    """

    def __init__(self, load: Callable[[], Models], options: ServerOptions, metrics: Metrics) -> None:
        """Run what `load` gives; see `start`."""
        self.options = options
        self.metrics = metrics
        self.models: Models | None = None
        self.failure: Exception | None = None
        self.on_loaded: Callable[[Models], None] = lambda _: None
        self.on_ready: Callable[[], None] = lambda: None
        self.is_closing = False
        self.stopped = threading.Event()
        self._load = load
        self._lanes: list[_Lane] = []
        self._rates: dict[str, float] = {}
        workers = default_workers()
        # Apart, so that slow addresses delay neither texts nor decoding.
        self._reading = Turns(2, "anyseek-reading")
        self._opening = Turns(max(2, workers), "anyseek-opening")
        self._decoding = ThreadPoolExecutor(workers, "anyseek-decoding")
        self._asking = ThreadPoolExecutor(ASKING, "anyseek-asking")
        self._pools = (self._reading, self._opening, self._decoding, self._asking)
        self._queue = TokenQueue(options.bounds.queue_tokens, AHEAD * options.batch_tokens, self._begin)
        self._threads = [threading.Thread(target=self._first, name="anyseek-lane-0", daemon=True)]
        self._ending = threading.Thread(target=self._end, name="anyseek-ending", daemon=True)
        metrics.watch(self._queue, self)

    def start(self) -> None:
        """Begin to load the models."""
        self._threads[0].start()

    def close(self) -> None:
        """Take nothing more, finish what was taken, and end the threads; those that do not end are left behind."""
        self._queue.close()
        for thread in self._threads:
            if self.models is not None:
                thread.join(LAST_SECONDS)
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)
        if self._ending.ident is None:
            self._ending.start()
        self._ending.join(LAST_SECONDS)

    @property
    def is_busy(self) -> bool:
        """Whether a thread that loads or computes has not ended, or after `close` any other."""
        return any(thread.is_alive() for thread in (*self._threads, self._ending))

    @property
    def is_well(self) -> bool:
        """Whether the threads run and the device answers."""
        runs = self.models is None or self.is_closing or all(thread.is_alive() for thread in self._threads)
        return self.failure is None and runs and not any(lane.failures >= FAILURES for lane in self._lanes)

    @property
    def retry_after(self) -> int:
        """Seconds after which there should be room, from what waits and how fast it goes."""
        slowest = min(self._rates.values(), default=0.0)
        return max(1, min(60, round(self._queue.tokens / slowest) if slowest else 5))

    def ready(self) -> Models:
        """The models.

        Raises:
            Fault: 503 while they are being loaded, or when they could not be.
        """
        if self.models is None:
            reason = "the models could not be loaded" if self.failure else "the models are being loaded"
            raise Fault(503, reason, "not_ready", retry_after=5)
        return self.models

    async def plan(self, make: Callable[[], list[Plan]], *, is_text: bool) -> list[Planned]:
        """The rows of a request, planned in other threads, by turns with others'; the first bad one is raised.

        Args:
            make: opens what the rows share and gives their plans.
            is_text: nothing has to be opened.

        Raises:
            InputError: a row is bad.
            Fault: too much is fetched by all together, or the server is shutting down.
        """
        return await (self._reading if is_text else self._opening).run(make)

    async def compute(self, model: str, rows: Sequence[Planned]) -> Tensor:
        """Last-token states `(rows, hidden)` fp32 of planned rows. Cancel it, and they leave the queue.

        Raises:
            Fault: 413 for more tokens than a request may have, 503 when the queue is full or closed.
            InputError: a source turned out corrupt.
            CapacityError: a row does not fit into the memory of the device.
        """
        tokens, most = sum(row.tokens for row in rows), self.options.bounds.request_tokens
        if tokens > most:
            raise Fault(413, f"the request has {tokens:,} tokens, more than {most:,}; send several", "too_many_tokens")
        width = self.ready().computes(model)[0].backbone.config.text.hidden_size
        cut = portions(model, rows, width, self.options.batch_tokens // PORTIONS)
        try:
            done = self._queue.put(cut)
        except Full:
            raise self._full() from None
        except Closed:
            raise closing() from None
        return await asyncio.wrap_future(done)

    async def in_thread(self, work: Callable[[], Thing], entry: Entry | None = None, *, patient: bool = False) -> Thing:
        """What a function gives that waits for the lane itself, by `wait`. Cancel it, and what it waits for leaves.

        Args:
            work: the function.
            entry: of who asked, for the tokens that are computed.
            patient: wait for room in a full queue too.

        Raises:
            Fault: 503 when the server is shutting down, or the queue is full.
        """
        leaving = Leaving(entry, patient=patient)
        context = contextvars.copy_context()
        context.run(LEAVING.set, leaving)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._asking, context.run, work)
        except Closed:
            raise closing() from None
        finally:
            leaving.leave()

    def wait(self, model: str, rows: Sequence[Planned]) -> Iterator[tuple[Portion, Tensor | InputError]]:
        """States `(rows, hidden)` of each portion of rows, or what was wrong with it, once all are computed.

        It blocks, also while the queue is full where whoever asked is patient; for threads that nobody answers from.

        Raises:
            Closed: nothing more is taken, or whoever asked has left.
            Fault: 503 when the queue is full.
            CapacityError: a row does not fit into the memory of the device.
        """
        width = self.ready().computes(model)[0].backbone.config.text.hidden_size
        cut = parted(model, rows, width, self.options.batch_tokens // PORTIONS)
        leaving = LEAVING.get(None)
        while True:
            try:
                self._queue.put(cut)
                break
            except Full:
                if leaving is not None and leaving.has_left:
                    raise Closed from None
                if leaving is not None and not leaving.patient:
                    raise self._full() from None
                time.sleep(FULL_SECONDS)
        if leaving is not None:
            leaving.entry.tokens += sum(row.tokens for row in rows)
            leaving.add([portion.work for portion in cut])
        for portion in cut:
            try:
                yield portion, portion.work.done.result()
            except InputError as error:
                yield portion, error
            except CancelledError:
                raise Closed from None

    def _full(self) -> Fault:
        """The answer where there is no room."""
        return Fault(503, "the queue is full", "queue_full", retry_after=self.retry_after)

    def _first(self) -> None:
        """The thread of the first device: load, let the others begin, compute."""
        try:
            models = self._load()
            models.warm()
            self.on_loaded(models)
            copies = {one.key: models.computes(one.key) for one in models.served}
            for number in range(max(map(len, copies.values()))):
                self._lanes.append(_Lane({key: found[number % len(found)] for key, found in copies.items()}))
        except Exception as error:
            self.failure = error
            self.stopped.set()
            return
        for number, lane in enumerate(self._lanes[1:], 1):
            name = f"anyseek-lane-{number}"
            self._threads.append(threading.Thread(target=self._work, args=(lane,), name=name, daemon=True))
            self._threads[-1].start()
        self.models = models
        self.on_ready()
        self._work(self._lanes[0])

    def _work(self, lane: _Lane) -> None:
        """Compute until the queue is closed and empty; what ends it before that ends the engine, and is told to all."""
        taken: list[Portion] = []
        try:
            while taken := self._queue.take(self._budget):
                self._compute(lane, taken)
        except Exception as error:
            self.failure, fault = error, fault_of(error)
            self.stopped.set()
            self._queue.fail(fault, taken)

    def _budget(self, model: str) -> int:
        """Tokens of the next batch."""
        rate = self._rates.get(model)
        most = self.options.batch_tokens
        return min(most, max(256, int(rate * self.options.batch_seconds))) if rate else most

    def _compute(self, lane: _Lane, taken: list[Portion]) -> None:
        """One batch; when it fails, each portion alone, so that nobody suffers for another's input."""
        model = taken[0].work.model
        begun = time.perf_counter()
        try:
            good = [portion for portion in taken if not portion.is_over]
            shown, good = self._shown(lane, model, good)
            if good:
                rows = [row.row for portion in good for row in portion.rows]
                hidden = lane.computes[model].run(rows, shown, self.options.batch_tokens)
                # Before anybody has the answer, who may ask how the server is.
                lane.failures = 0
                self._note(model, good, time.perf_counter() - begun)
                self._deliver(lane, model, good, hidden)
        except Exception as error:
            if len(taken) > 1:
                for portion in taken:
                    self._compute(lane, [portion])
                return
            if not isinstance(error, CapacityError) and not taken[0].is_over:
                lane.failures += 1
            taken[0].work.fail(error)

    def _shown(
        self, lane: _Lane, model: str, taken: Sequence[Portion]
    ) -> tuple[dict[bytes, Seen | Tensor], list[Portion]]:
        """What the portions show, decoded or as features, and those of them whose sources are sound."""
        pixels = {identity: future for portion in taken for identity, future in (portion.pixels or {}).items()}
        wanted = {identity for portion in taken for row in portion.rows for identity, _, _ in row.visuals}
        compute, good = lane.computes[model], []
        kept = wanted - pixels.keys()
        shown: dict[bytes, Seen | Tensor] = {**compute.recall(kept)} if kept else {}
        for portion in taken:
            everything = ((row.processor, *one) for row in portion.rows for one in row.visuals)
            for processor, identity, visual, place in everything:
                if identity in shown:
                    continue
                try:
                    # Not on the way either: it was known when decoding would have begun, and has been forgotten since.
                    future = pixels.get(identity)
                    patches = future.result() if future else processor.decode(visual)
                    shown[identity] = Seen(patches, grid_of(visual))
                except InputError as error:
                    portion.work.fail(copy.copy(error).at(place))
                    break
            else:
                good.append(portion)
        return shown, good

    def _deliver(self, lane: _Lane, model: str, taken: Sequence[Portion], hidden: Tensor) -> None:
        """Give every request its rows, and remember what need not be decoded again."""
        first = 0
        for portion in taken:
            rows = range(portion.first, portion.first + len(portion.rows))
            portion.work.put(list(rows), hidden[first : first + len(rows)])
            first += len(rows)
        seen = {identity for portion in taken for row in portion.rows for identity, _, _ in row.visuals}
        if seen:
            lane.known[model] = lane.computes[model].knows(lane.known.get(model, set()) | seen)

    def _note(self, model: str, taken: Sequence[Portion], seconds: float) -> None:
        """Count a batch, and how fast it went."""
        cost = sum(portion.cost for portion in taken)
        rate = cost / max(seconds, 1e-6)
        self._rates[model] = rate if model not in self._rates else 0.8 * self._rates[model] + 0.2 * rate
        self.metrics.batch(model, sum(len(portion.rows) for portion in taken), cost, seconds)

    def _begin(self, model: str, identity: bytes, decode: Callable[[], Tensor]) -> "Future[Tensor] | None":
        """Begin to decode something, unless every device has seen it."""
        if not all(identity in lane.known.get(model, ()) for lane in self._lanes):
            with suppress(RuntimeError):  # there is no thread for it, as in a shutdown: the lane decodes it
                return self._decoding.submit(decode)
        return None

    def _end(self) -> None:
        """Wait until all threads but the lanes have ended."""
        for pool in self._pools:
            pool.shutdown()
