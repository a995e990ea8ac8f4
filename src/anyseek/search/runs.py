"""A run over folders: how it is asked for, how far it is, what it did."""

from dataclasses import dataclass, field

from anyseek.errors import ConfigError

__all__ = ["IndexOptions", "Progress", "Report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexOptions:
    """How folders are indexed.

    Attributes:
        retry: read files again that failed, or were left out, last time.
        tags: given to every file of the folders.
        thumbnails: keep a small picture of what can be seen.
        batch_seconds: about how long a batch takes; what a kill costs at most.
        largest_batch: most things in a batch.
        settle_seconds: files that changed more recently wait for the next run, because they may not be complete.
        workers: threads that make thumbnails.
        absent: pass over folders that are not there, or empty all of a sudden, unless none is left.
    """

    retry: bool = False
    tags: tuple[str, ...] = ()
    thumbnails: bool = True
    batch_seconds: float = 20.0
    largest_batch: int = 512
    settle_seconds: float = 0.0
    workers: int = 2
    absent: bool = False

    def __post_init__(self) -> None:
        """Raise ConfigError for a number that leaves no room."""
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
        of_things: how many there will be, about.
        rate: things a second of late; 0 at first.
        path: the file that is being read.
    """

    files: int
    of_files: int
    things: int
    of_things: int
    rate: float
    path: str

    @property
    def seconds_left(self) -> float | None:
        """About how long it still takes; None when nobody knows yet."""
        return max(0, self.of_things - self.things) / self.rate if self.rate else None


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
        waiting: files that changed while they were read; the next run takes them.
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
