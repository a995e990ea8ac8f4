"""Who waits for the lane in a thread, and may leave before it has computed."""

import contextvars
import threading

from anyseek.server.queue import Work

__all__ = ["LEAVING", "Leaving"]


class Leaving:
    """What somebody waits for, who may leave.

    Attributes:
        has_left: whether they have.
        patient: whether they wait for room in a full queue too.
    """

    def __init__(self, *, patient: bool = False) -> None:
        """Nothing yet."""
        self.patient = patient
        self.has_left = False
        self._works: list[Work] = []
        self._lock = threading.Lock()

    def add(self, works: list[Work]) -> None:
        """Wait for these too."""
        with self._lock:
            self._works += works
            gone = works if self.has_left else []
        for work in gone:
            work.done.cancel()

    def leave(self) -> None:
        """Wait no longer: what is not computed yet will not be."""
        with self._lock:
            self.has_left = True
            gone, self._works = self._works, []
        for work in gone:
            work.done.cancel()


LEAVING: contextvars.ContextVar[Leaving | None] = contextvars.ContextVar("anyseek_leaving", default=None)
"""Who waits, in the thread that works for somebody."""
