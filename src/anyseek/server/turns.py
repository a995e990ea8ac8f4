"""Threads that work for many requests in turn: a call of one, then of the next, so that nobody waits for a long one."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from anyseek.server.faults import closing

__all__ = ["Turns"]

Thing = TypeVar("Thing")

FIRST = -1
"""Number of the call that gives the others."""


@dataclass(slots=True, eq=False)
class _Request:
    """What is done for somebody.

    Attributes:
        calls: those that have not begun, with their numbers.
        found: what each gave.
        errors: or raised.
        running: how many have begun and are not over.
        done: gives what all of them gave; cancelled when nobody waits any more.
    """

    calls: deque[tuple[int, Callable[[], Any]]]
    found: dict[int, Any] = field(default_factory=dict)
    errors: dict[int, BaseException] = field(default_factory=dict)
    running: int = 0
    done: "Future[list[Any]]" = field(default_factory=Future)


class Turns:
    """Some threads; a request never has the last of them, so that one is there for whoever comes next."""

    def __init__(self, threads: int, name: str) -> None:
        """So many threads, called so."""
        self._waiting: list[_Request] = []
        """Those with calls that have not begun, in the order of their turns."""
        self._most = max(1, threads - 1)
        self._is_closed = False
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._work, name=f"{name}_{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As of an executor; what has not begun is cancelled in any case."""
        with self._changed:
            self._is_closed = True
            left, self._waiting = self._waiting, []
            self._changed.notify_all()
        for request in left:
            request.done.cancel()
        for thread in self._threads:
            if wait:
                thread.join()

    async def run(self, make: Callable[[], Sequence[Callable[[], Thing]]]) -> list[Thing]:
        """What the calls that `make` gives give, in their order. Cancel it, and those that have not begun never do.

        Args:
            make: called in a thread, as they are.

        Raises:
            Exception: what `make` raised, or the first bad call by its number; those behind it may not have been made.
            Fault: 503 when the server is shutting down.
        """
        request = _Request(deque([(FIRST, make)]))
        with self._changed:
            if self._is_closed:
                raise closing()
            self._waiting.append(request)
            self._changed.notify()
        return await asyncio.wrap_future(request.done)

    def _work(self) -> None:
        """A thread."""
        while (taken := self._taken()) is not None:
            request, number, call = taken
            try:
                request.found[number] = call()
            except BaseException as error:
                request.errors[number] = error
            self._note(request, number)

    def _taken(self) -> tuple[_Request, int, Callable[[], Any]] | None:
        """The call whose turn it is, once there is one; None at the end."""
        with self._changed:
            while not self._is_closed:
                request = next((one for one in self._waiting if one.running < self._most), None)
                if request is None:
                    self._changed.wait()
                    continue
                self._waiting.remove(request)
                if request.done.cancelled():
                    continue
                number, call = request.calls.popleft()
                request.running += 1
                if request.calls:
                    self._waiting.append(request)
                return request, number, call
        return None

    def _note(self, request: _Request, number: int) -> None:
        """A call is over, and with it perhaps its request."""
        with self._changed:
            request.running -= 1
            if number == FIRST and not request.errors:
                request.calls.extend(enumerate(request.found.pop(FIRST)))
                if request.calls:
                    self._waiting.append(request)
            elif request.errors and request in self._waiting:
                self._waiting.remove(request)
                request.calls.clear()
            self._changed.notify(max(1, len(request.calls)))
            is_over = not request.running and not request.calls
        if is_over and request.done.set_running_or_notify_cancel():
            if request.errors:
                request.done.set_exception(request.errors[min(request.errors)])
            else:
                request.done.set_result([request.found[one] for one in sorted(request.found)])
