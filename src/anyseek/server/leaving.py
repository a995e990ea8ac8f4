"""Who waits for the lane in a thread, and may leave before it has computed."""

import contextvars
import threading
from concurrent.futures import Future

from torch import Tensor

from anyseek.server.audit import Entry
from anyseek.server.queue import Work

__all__ = ["LEAVING", "Leaving"]


class Leaving:
    """What somebody waits for, who may leave.

    Attributes:
        entry: counts the tokens that are computed for them.
        has_left: whether they have.
        patient: whether they wait for room in a full queue too.
    """

    def __init__(self, entry: Entry | None = None, *, patient: bool = False) -> None:
        """Nothing yet."""
        self.entry = entry or Entry("")
        self.patient = patient
        self.has_left = False
        self._waiting: set[Future[Tensor]] = set()
        self._lock = threading.Lock()

    def add(self, works: list[Work]) -> None:
        """Wait for these too, as long as they are not over."""
        with self._lock:
            self._waiting |= {work.done for work in works}
        for work in works:
            work.done.add_done_callback(self._forget)
        if self.has_left:
            self.leave()

    def leave(self) -> None:
        """Wait no longer: what is not computed yet will not be."""
        with self._lock:
            self.has_left = True
            gone = list(self._waiting)
        for done in gone:
            done.cancel()

    def _forget(self, done: "Future[Tensor]") -> None:
        """One of them is over: what it holds is not kept for it."""
        with self._lock:
            self._waiting.discard(done)


LEAVING: contextvars.ContextVar[Leaving | None] = contextvars.ContextVar("anyseek_leaving", default=None)
"""Who waits, in the thread that works for somebody."""
