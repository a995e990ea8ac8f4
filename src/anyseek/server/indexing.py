"""Folders brought up to date in a thread of their own, beside the requests, with a word on how far it is."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from anyseek.errors import AnyseekError, CapacityError, ConfigError
from anyseek.server.faults import Fault, closing, unkept
from anyseek.server.leaving import LEAVING, Leaving
from anyseek.server.queue import Closed

if TYPE_CHECKING:
    from anyseek.search import Library, Progress

__all__ = ["BATCH_SECONDS", "Indexing", "Job"]

log = logging.getLogger("anyseek.server")

BATCH_SECONDS = 5.0
"""About how long a batch takes, after which a job can be stopped; and what a run works before it makes way."""
LOCKED = "is being written by"
"""What a lock says that is taken; a device that is too small is a CapacityError too."""
LAST_SECONDS = 10
"""For the batch that is under way when the server ends."""

Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run over folders, and how far it is; files that were left out or failed count as done.

    Attributes:
        state: what became of it.
        files_done: finished.
        files_total: that changed, known once all folders have been looked at.
        things_done: encoded.
        seconds_left: about; None when nobody knows yet.
        current: name of the file that was read last.
        error: why it failed.
        retry: whether failed files are read again.
    """

    state: Literal["running", "done", "failed", "stopped"] = "running"
    files_done: int = 0
    files_total: int = 0
    things_done: int = 0
    seconds_left: float | None = None
    current: str | None = None
    error: str | None = None
    retry: bool = False


class _StoppedError(Exception):
    """The job is to end."""


class _TurnError(Exception):
    """Somebody else is to write first."""


class Indexing:
    """Writes to one library: a job at a time, and uploads between its batches.

    A run that makes way is over, and the next one looks through all folders again. So that uploads, one after another,
    do not keep the job from getting anywhere, each run works for `BATCH_SECONDS` first.
    """

    def __init__(
        self, library: "Library", folders: tuple[Path, ...] = (), after: Callable[[], None] = lambda: None
    ) -> None:
        """Of a library; `folders` are indexed beside those that it knows, and each job calls `after` at its end."""
        self.job: Job | None = None
        self._library, self._folders, self._after = library, folders, after
        self._stopping = threading.Event()
        self._leaving = Leaving(patient=True)
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self._writing = False
        self._wanting = 0

    def start(self, *, retry: bool = False) -> Job:
        """Begin a job.

        Raises:
            Fault: 409 when one is running, 503 when the server is shutting down.
        """
        with self._changed:
            if self._leaving.has_left:
                raise closing()
            if self.job is not None and self.job.state == "running":
                raise Fault(409, "a job is running; wait for it, or stop it first", "job_running")
            self._stopping.clear()
            self.job = Job(retry=retry)
            self._thread = threading.Thread(target=self._run, name="anyseek-indexing", daemon=True)
            self._thread.start()
            return self.job

    def stop(self) -> Job | None:
        """Have the job end after its batch; the next one goes on where it ended."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        return self.job

    def close(self) -> None:
        """Stop the job and wait for it, a while; then what it waits for leaves the queue, and it ends with that."""
        self.stop()
        if self._thread is not None:
            self._thread.join(LAST_SECONDS)
        self._leaving.leave()

    def meanwhile(self, work: Callable[[], Thing]) -> Thing:
        """What a function gives that writes to the library, between two batches of the job.

        Raises:
            Fault: 409 when another process is writing, or nobody can; 503 when the server is shutting down; 507 for a
                full disk.
        """
        with self._changed:
            self._wanting += 1
        try:
            with self._turn(first=True):
                return work()
        except (CapacityError, ConfigError) as error:
            fault = _fault_of(error)
            if fault is None:
                raise
            raise fault from error
        finally:
            with self._changed:
                self._wanting -= 1
                self._changed.notify_all()

    @contextmanager
    def _turn(self, *, first: bool) -> Iterator[None]:
        """The only writer of this process; the job comes after all others."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_free(first))
            if self._stopping.is_set() and not first:
                raise _StoppedError
            self._writing = True
        try:
            yield
        finally:
            with self._changed:
                self._writing = False
                self._changed.notify_all()

    def _is_free(self, first: bool) -> bool:
        """Whether it is one's turn, or time to stop waiting for it."""
        if not first and self._stopping.is_set():
            return True
        return not self._writing and (first or not self._wanting)

    def _run(self) -> None:
        """The job, until it is done; whatever ends it is told in it."""
        LEAVING.set(self._leaving)
        try:
            while not self._done():
                pass
            self._after()
            self._note(state="done", seconds_left=0.0, current=None)
        except (_StoppedError, Closed):
            self._note(state="stopped", seconds_left=None, current=None)
        except AnyseekError as error:
            self._note(state="failed", seconds_left=None, error=str(error))
        except Exception as error:
            log.exception("indexing failed")
            self._note(state="failed", seconds_left=None, error=f"{type(error).__name__}; the log says more")

    def _done(self) -> bool:
        """One run; False when it made way for somebody, and is to go on."""
        from anyseek.search import IndexOptions

        assert self.job is not None
        options = IndexOptions(retry=self.job.retry, batch_seconds=BATCH_SECONDS, absent=True)
        with self._turn(first=False):
            roots = dict.fromkeys([*self._library.roots(), *(folder.resolve() for folder in self._folders)])
            try:
                self._library.index(list(roots), options=options, tell=self._teller(self.job))
            except _TurnError:
                return False
        return True

    def _teller(self, before: Job) -> "Callable[[Progress], None]":
        """What is told of the progress, and ends the run where it is time."""
        begun: float | None = None

        def tell(progress: "Progress") -> None:
            nonlocal begun
            begun = begun or time.monotonic()
            self._note(
                files_done=before.files_done + progress.files,
                files_total=before.files_done + progress.of_files,
                things_done=before.things_done + progress.things,
                seconds_left=progress.seconds_left,
                current=Path(progress.path).name or None,
            )
            if self._stopping.is_set():
                raise _StoppedError
            if self._wanting and time.monotonic() - begun > BATCH_SECONDS:
                raise _TurnError

        return tell

    def _note(self, **changes: object) -> None:
        """Change what is told of the job."""
        assert self.job is not None
        self.job = replace(self.job, **changes)  # type: ignore[arg-type]


def _fault_of(error: CapacityError | ConfigError) -> Fault | None:
    """The answer where a library cannot be written to; None for an error that is of something else."""
    cause = error.__cause__  # of a full disk, or a folder that takes nothing; a lock that is taken has none
    if isinstance(cause, OSError) or (cause and isinstance(error, CapacityError)):
        return unkept(cause)
    if LOCKED in str(error):
        text = "another process is writing to the library; wait for it, or stop it"
        return Fault(409, text, "library_locked", retry_after=10)
    return None
