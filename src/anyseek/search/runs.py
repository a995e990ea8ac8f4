"""A run over folders: how it is asked for, how far it is, what it did."""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from anyseek.errors import ConfigError
from anyseek.search.looking import Entry

__all__ = ["Course", "IndexOptions", "Progress", "Report"]

LATE = 8
"""Batches whose times say how fast it goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexOptions:
    """How folders are indexed.

    Attributes:
        retry: read files again that failed, or were left out, last time.
        tags: given to every file of the folders.
        tag_known: give them to files that the library has too; otherwise to new ones alone, and those that it has keep
            theirs.
        thumbnails: keep a small picture of what can be seen.
        batch_seconds: about how long a batch takes to be gathered, and again to be encoded and stored; a kill costs
            both at most.
        largest_batch: most things in a batch.
        settle_seconds: files that changed more recently wait for the next run, because they may not be complete.
        workers: threads that make thumbnails.
        absent: pass over folders that are not there, or empty all of a sudden, unless none is left.
    """

    retry: bool = False
    tags: tuple[str, ...] = ()
    tag_known: bool = True
    thumbnails: bool = True
    batch_seconds: float = 20.0
    largest_batch: int = 512
    settle_seconds: float = 0.0
    workers: int = 2
    absent: bool = False

    def __post_init__(self) -> None:
        """Raise ConfigError for a number that leaves no room, or a tag without a name."""
        if isinstance(self.tags, str):
            object.__setattr__(self, "tags", (self.tags,))
        if not all(tag.strip() for tag in self.tags):
            raise ConfigError("a tag needs a name (got an empty one)")
        for name in ("batch_seconds", "largest_batch", "workers"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive (got {getattr(self, name)!r})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is.

    Attributes:
        files: files that are finished.
        of_files: files that changed.
        things: things encoded.
        of_things: how many there will be, about, without those that are stored already.
        rate: things encoded a second of late; 0 at first.
        path: the file that is being read.
        share: of all things of the files that changed, those that are done, from 0 to 1: stored already, whether by
            this run or before, or of files that are finished.
        reading: about how many seconds it takes to look into the files that were not begun.
    """

    files: int
    of_files: int
    things: int
    of_things: int
    rate: float
    path: str
    share: float = 0.0
    reading: float = 0.0

    @property
    def seconds_left(self) -> float | None:
        """About how long it still takes; None when nobody knows yet."""
        left = self.of_things - self.things
        if left and not self.rate:
            return None
        return self.reading + (left / self.rate if left else 0.0)


class Course:
    """Counts how far a run is.

    Args:
        entries: the files that changed, each with the things that it is likely to hold.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._files = self._begun = self._done = 0
        self._of_files, self._all = len(entries), sum(entry.things for entry in entries)
        self._free = sum(entry.things for entry in entries if entry.alike)
        self._batches: deque[tuple[int, float]] = deque(maxlen=LATE)
        self._started, self._encoding = time.perf_counter(), 0.0

    def begin(self, entry: Entry) -> None:
        """A file is looked into: what is not closed from now on must be encoded, whatever it looked like."""
        self._begun += 1
        self._free -= entry.things if entry.alike else 0

    def advance(self, entry: Entry, things: int) -> None:
        """So many more things of a file are done; it may turn out to have more than were expected."""
        entry.done += things
        self._done += things
        self._all += max(0, entry.done - entry.things)
        entry.things = max(entry.done, entry.things)

    def close(self, entry: Entry) -> None:
        """A file is finished, with all that it was thought to have."""
        self.advance(entry, entry.things - entry.done)
        self._files += 1

    def pace(self, things: int, seconds: float) -> None:
        """A batch was encoded and stored."""
        self._encoding += seconds
        if things:
            self._batches.append((things, seconds))

    def progress(self, path: str, encoded: int) -> Progress:
        """How far it is, at a file, with so many things encoded."""
        things = sum(count for count, _ in self._batches)
        seconds = sum(seconds for _, seconds in self._batches)
        reading = max(0.0, time.perf_counter() - self._started - self._encoding) / max(1, self._begun)
        return Progress(
            files=self._files,
            of_files=self._of_files,
            things=encoded,
            of_things=encoded + self._all - self._done - self._free,
            rate=things / seconds if seconds else 0.0,
            path=path,
            share=self._done / self._all if self._all else 1.0,
            reading=reading * (self._of_files - self._begun),
        )


@dataclass(slots=True, kw_only=True)
class Report:
    """What a run did.

    Attributes:
        found: files in the folders.
        unchanged: files that cost nothing.
        indexed: files that were read and encoded.
        known: new, renamed or copied files whose content the library had: nothing was encoded for them.
        removed: files that are gone.
        things: things that were encoded.
        failed: path and reason of each file that could not be read, or not whole.
        left_out: path and reason of each file of a kind that is not read.
        waiting: files that changed while they were read, or shortly before; the next run takes them.
        unread: folders that could not be listed, or are not there.
        rows: rows of files that were written.
        seconds: how long it took.
    """

    found: int = 0
    unchanged: int = 0
    indexed: int = 0
    known: int = 0
    removed: int = 0
    things: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    rows: int = 0
    seconds: float = 0.0

    @property
    def changed(self) -> bool:
        """Whether the library is another than before."""
        return bool(self.rows or self.removed)
