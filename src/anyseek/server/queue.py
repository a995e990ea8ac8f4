"""What waits for the model: portions of requests, the fairest first, under a budget of tokens.

Every request is promised the same share (start-time and finish tags, as in self-clocked fair queueing): a portion's tag
is the clock at which its request came, and the cost of the request up to its end. The clock is the tag of the portion
that the last batch began with. A short request therefore passes a long one, and a long one never waits for ever.
"""

import threading
from bisect import insort
from collections.abc import Callable, Iterator, Sequence, Set
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Literal
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from anyseek.server.planning import Planned, costs

__all__ = ["Closed", "Full", "Kind", "Portion", "TokenQueue", "Work", "parted", "portions"]

Kind = Literal["embedding", "reranking"]
Decode = Callable[[str, bytes, Callable[[], Tensor]], "Future[Tensor] | None"]
"""Begins to decode something of this identity for a model, or None when that is not needed."""


class Full(Exception):
    """No room; try again later."""


class Closed(Exception):
    """Nothing more is taken."""


@dataclass(slots=True)
class Work:
    """The rows of one request.

    Attributes:
        model: key of the one that computes them.
        hidden: `(rows, hidden)` fp32, filled as they are computed.
        left: rows still to be computed.
        done: gives `hidden` when none is left; cancelled when nobody waits any more.
        decoding: what is being decoded for its portions, by identity, as long as one of them holds it.
        lock: for the lanes, which may end portions of it at the same moment.
    """

    model: str
    hidden: Tensor
    left: int
    done: "Future[Tensor]" = field(default_factory=Future)
    decoding: "WeakValueDictionary[bytes, Future[Tensor]]" = field(default_factory=WeakValueDictionary)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, rows: Sequence[int], hidden: Tensor) -> None:
        """Keep states of some rows."""
        with self.lock:
            self.hidden[rows] = hidden
            self.left -= len(rows)
            if not self.left and self.done.set_running_or_notify_cancel():
                self.done.set_result(self.hidden)

    def fail(self, error: Exception) -> None:
        """End with an error; what else is waiting of it is not computed."""
        with self.lock:
            if not self.done.done() and self.done.set_running_or_notify_cancel():
                self.done.set_exception(error)


@dataclass(slots=True, eq=False)
class Portion:
    """Rows of one request that are computed together.

    Attributes:
        work: the request.
        first: number of its first row in the request.
        rows: what is computed.
        cost: tokens and merged patches.
        tag: the order; set when it is put.
        pixels: what is being decoded, by identity; None before that has begun. What the engine knows is not in it.
    """

    work: Work
    first: int
    rows: tuple[Planned, ...]
    cost: int
    tag: int = 0
    pixels: "dict[bytes, Future[Tensor]] | None" = None

    @property
    def shows(self) -> bool:
        """Whether there is anything to decode."""
        return any(row.visuals for row in self.rows)

    @property
    def is_ready(self) -> bool:
        """Whether everything it shows has been decoded."""
        if self.pixels is None:
            return not self.shows
        return all(future.done() for future in self.pixels.values())

    @property
    def is_over(self) -> bool:
        """Whether nobody waits for it."""
        return self.work.done.done()


def portions(model: str, rows: Sequence[Planned], width: int, most: int) -> list[Portion]:
    """The rows of a request in portions of at most `most` tokens, and at least one row; states are `width` wide."""
    work = Work(model, torch.empty(len(rows), width), len(rows))
    return [Portion(work, start, tuple(rows[start:stop]), cost) for start, stop, cost in _cuts(costs(rows), most)]


def parted(model: str, rows: Sequence[Planned], width: int, most: int) -> list[Portion]:
    """The same, each portion a work of its own, whose failure is nothing to the others."""
    return [
        Portion(Work(model, torch.empty(stop - start, width), stop - start), 0, tuple(rows[start:stop]), cost)
        for start, stop, cost in _cuts(costs(rows), most)
    ]


def _cuts(found: Sequence[int], most: int) -> Iterator[tuple[int, int, int]]:
    """First row, the row after the last, and cost of each portion."""
    start, total = 0, 0
    for place, cost in enumerate(found):
        if place > start and total + cost > most:
            yield start, place, total
            start, total = place, 0
        total += cost
    yield start, len(found), total


class TokenQueue:
    """Portions that wait; safe in threads."""

    def __init__(self, most: int, ahead: int, decode: Decode) -> None:
        """Hold at most `most` tokens, and have things decoded for at most `ahead` tokens of those that come next."""
        self.most = most
        self.ahead = ahead
        self.tokens = 0
        self._decode = decode
        self._clock = 0
        self._waiting: list[Portion] = []
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        """Portions that wait."""
        return len(self._waiting)

    def put(self, given: Sequence[Portion]) -> "Future[Tensor]":
        """Take the portions of one request, all of them or none.

        Returns:
            What will be the states of the first one's work. Cancel a work, and its portions leave the queue.

        Raises:
            Full: there is no room, and it is not the only request.
            Closed: nothing more is taken.
        """
        cost = sum(portion.cost for portion in given)
        with self._changed:
            if self._closed:
                raise Closed
            if self._waiting and self.tokens + cost > self.most:
                raise Full
            tag = self._clock
            for portion in given:
                tag += portion.cost
                portion.tag = tag
                insort(self._waiting, portion, key=lambda one: one.tag)
            self.tokens += cost
            self._decode_ahead()
            self._changed.notify_all()
        works = {id(portion.work): portion.work for portion in given}
        for work in works.values():
            work.done.add_done_callback(self._sweep)
        return given[0].work.done

    def take(self, budget: Callable[[str], int]) -> list[Portion]:
        """The next portions of one model that are ready, as many as its budget allows; waits for one.

        Returns:
            At least one portion, or none at all when the queue is closed and empty.
        """
        with self._changed:
            while True:
                self._drop()
                ready = [portion for portion in self._waiting if portion.is_ready]
                if ready:
                    break
                if self._closed and not self._waiting:
                    return []
                self._changed.wait()
            model, taken = ready[0].work.model, [ready[0]]
            room = budget(model) - ready[0].cost
            for portion in ready[1:]:
                if portion.work.model == model and portion.cost <= room:
                    taken.append(portion)
                    room -= portion.cost
            # Not the largest of them: what fills the room of a batch may be late, and newcomers would be later still.
            self._clock = max(self._clock, taken[0].tag)
            gone = set(taken)
            self._decode_ahead(besides=gone)
            self._remove(gone)
            return taken

    def close(self) -> None:
        """Take nothing more; what waits is still given out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def fail(self, error: Exception, taken: Sequence[Portion]) -> None:
        """Take nothing more, and end what waits, and what was taken, with an error."""
        with self._changed:
            self._closed = True
            works = [portion.work for portion in (*taken, *self._waiting)]
            self._changed.notify_all()
        for work in works:
            work.fail(error)

    def _decode_ahead(self, besides: Set[Portion] = frozenset()) -> None:
        """Begin decoding for those that come next, `besides` left out."""
        room = self.ahead
        for portion in self._waiting:
            if not portion.shows or portion in besides:
                continue
            if portion.pixels is None:
                portion.pixels = self._begun(portion)
            room -= portion.cost
            if room <= 0:
                return

    def _begun(self, portion: Portion) -> "dict[bytes, Future[Tensor]]":
        """What of a portion is being decoded from now on, each thing once."""
        pixels: dict[bytes, Future[Tensor]] = {}
        shared = portion.work.decoding
        shown = ((row.processor, *one) for row in portion.rows for one in row.visuals)
        for processor, identity, visual, _ in shown:
            decode = partial(processor.decode, visual)
            future = pixels.get(identity) or shared.get(identity) or self._decode(portion.work.model, identity, decode)
            if future is not None and identity not in pixels:
                pixels[identity] = shared[identity] = future
                future.add_done_callback(self._notify)
        return pixels

    def _notify(self, _: "Future[Tensor]") -> None:
        """Something was decoded."""
        with self._changed:
            self._changed.notify_all()

    def _sweep(self, done: "Future[Tensor]") -> None:
        """A request has ended; one that was cancelled or failed may have left something here."""
        if done.cancelled() or done.exception() is not None:
            with self._changed:
                self._drop()
                self._changed.notify_all()

    def _drop(self) -> None:
        """Leave out what nobody waits for."""
        over = {portion for portion in self._waiting if portion.is_over}
        if over:
            self._remove(over)
            for portion in over:
                for future in (portion.pixels or {}).values():
                    future.cancel()
            self._decode_ahead()

    def _remove(self, gone: set[Portion]) -> None:
        """Take portions out."""
        self._waiting = [portion for portion in self._waiting if portion not in gone]
        self.tokens -= sum(portion.cost for portion in gone)
