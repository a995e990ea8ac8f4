"""What has changed in a folder since a library last saw it, told from names, sizes and times alone."""

import hashlib
import math
import os
import random
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from anyseek.errors import InputError, SourceError
from anyseek.index import FileKey, Filter, Store, StoredFile, is_unicode
from anyseek.media import MediaOptions, count_pages, film_seconds, open_source
from anyseek.paths import expanded
from anyseek.search.pieces import Cutting, form_of
from anyseek.search.sources import visible

__all__ = [
    "LEFT_OUT",
    "Ahead",
    "Entry",
    "Look",
    "content_hash",
    "estimate",
    "look",
    "real",
    "root_of",
    "shown",
    "state_of",
    "still_gone",
]

LEFT_OUT = "left out: "
"""Begins the reason of a file that is of no known kind, to tell it from one that should have been readable."""
CHUNK = 1 << 20
TIMES = (1 - (1 << 63), (1 << 63) - 1)
"""Times that a library can keep, in nanoseconds: from 1677 to 2262. What lies beyond counts as the nearest."""
ESTIMATING = 5.0
"""Most seconds that are spent on telling how many things there will be."""


@dataclass(slots=True)
class Entry:
    """A file that is new, or not as the library knows it.

    Attributes:
        path: where it lies.
        key: root and path below it.
        size: bytes.
        mtime: time of the last change, nanoseconds since 1970.
        known: whether the library has things of it, as it was before.
        things: how many it is likely to hold; only for the progress.
        tags: those of its row; None for a file that the library has not.
        alike: the library is likely to have its content, so that it needs no encoding; only for the time left.
        done: how many of its things are done.
    """

    path: Path
    key: FileKey
    size: int
    mtime: int
    known: bool = False
    things: int = 1
    tags: tuple[str, ...] | None = None
    alike: bool = False
    done: int = 0

    def row(self, content: str | None, reason: str | None = None, tags: tuple[str, ...] | None = None) -> StoredFile:
        """What the library keeps of it; failed without a content."""
        return StoredFile(
            root=self.key[0],
            path=self.key[1],
            hash=content,
            size=self.size,
            mtime=self.mtime,
            state="done" if content else "failed",
            reason=reason,
            tags=tags,
        )


class _Row(NamedTuple):
    """What a look needs of what the library knows: size and time, whether it is done, whether with a reason, tags."""

    state: tuple[int, int]
    done: bool
    reason: bool
    tags: tuple[str, ...] | None


NEW = _Row((-1, 0), done=False, reason=False, tags=None)


@dataclass(slots=True)
class Look:
    """What a look at a folder found.

    Attributes:
        found: files in it.
        changed: those that must be read.
        same: those that need not be.
        waiting: those that changed so recently that they may still be written to.
        gone: rows whose files are no longer there.
        unread: folders that could not be listed, and files that could not be looked at; what the library knows of them
            stays.
        unnamed: files whose names are not Unicode, so that the library cannot keep them.
    """

    found: int = 0
    changed: list[Entry] = field(default_factory=list)
    same: list[FileKey] = field(default_factory=list)
    waiting: list[FileKey] = field(default_factory=list)
    gone: list[FileKey] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)


Ahead = dict[FileKey, tuple[int, int]]
"""Files whose times are ahead of our clock, as the last look found them."""


def look(
    store: Store, root: Path, *, retry: bool = False, settle_seconds: float = 0.0, ahead: Ahead | None = None
) -> Look:
    """Compare a folder with what the library knows of it.

    Args:
        store: the library.
        root: the folder, see `root_of`.
        retry: read files again that failed, or were left out, last time.
        settle_seconds: files that changed more recently may still be written to: they wait.
        ahead: kept from look to look; files whose times are ahead of our clock wait until two looks find them the same.
            None takes them at once, since nobody can tell how long ago they changed.

    Raises:
        SourceError: the folder is not there, or empty though the library knows files of it.
    """
    seen, unread = Look(), list[str]()
    rows = store.files(Filter(roots=(str(root),)))
    left = {
        row.path: _Row((row.size, row.mtime), row.state == "done", bool(row.reason), row.tags or ()) for row in rows
    }
    had, start = len(left), len(str(root).rstrip(os.sep)) + 1
    settling = _Settling(settle_seconds, ahead)
    for name, state in _present(root, unread):
        seen.found += 1
        if not is_unicode(name):
            seen.unnamed.append(shown(name))
            continue
        key = (str(root), name[start:].replace(os.sep, "/"))
        before = left.pop(key[1], NEW)
        if before.state == state and not (retry and before.reason):
            seen.same.append(key)
        elif settling.waits(key, state):
            seen.waiting.append(key)
        else:
            seen.changed.append(_changed(name, key, before, state))
    if had and not seen.found and not unread:
        raise SourceError(
            f"{root} is empty, but the library knows {had:,} files of it; is its drive there? To let them go: "
            f"anyseek index --forget {root}"
        )
    _mark_moved(seen.changed, left.values())
    seen.unread = [shown(name) for name in unread]
    seen.gone = _gone(root, left, set(unread))
    return seen


class _Settling:
    """Which files may still be written to, see `look`."""

    def __init__(self, seconds: float, ahead: Ahead | None) -> None:
        self._seconds, self._now, self._ahead = seconds, time.time_ns(), ahead

    def waits(self, key: FileKey, state: tuple[int, int]) -> bool:
        """Whether a file is to wait."""
        age = self._now - state[1]
        if age >= self._seconds * 1e9 or not self._seconds:
            return False
        if age >= 0:
            return True
        if self._ahead is None or self._ahead.pop(key, None) == state:
            return False
        self._ahead[key] = state
        return True


def _changed(name: str, key: FileKey, before: _Row, state: tuple[int, int]) -> Entry:
    """A file that must be read."""
    alike = before.done and before.state != state and before.state[0] == state[0]
    return Entry(Path(name), key, *state, known=before.done, tags=before.tags, alike=alike)


def _mark_moved(changed: list[Entry], left: Iterable[_Row]) -> None:
    """New files of the size and time of one that is gone are likely to be that one."""
    moved = {row.state for row in left if row.done}
    for entry in changed:
        entry.alike |= entry.tags is None and (entry.size, entry.mtime) in moved


def _gone(root: Path, left: Iterable[str], hidden: set[str]) -> list[FileKey]:
    """Files that were not found, but for those that may be where nobody could look."""
    return [(str(root), path) for path in left if not (hidden and _is_in(root / path, hidden))]


def still_gone(keys: list[FileKey]) -> list[FileKey]:
    """Those of some files that were gone and are not there now either: some programs write a file by replacing it."""
    back = {key for key in keys if state_of(Path(*key)) is not None}
    for root in {root for root, _ in back}:
        # What lies there may be passed over all the same, as behind a link that leads out.
        seen = {Path(name) for name, _ in _present(Path(root), [])}
        back -= {key for key in back if key[0] == root and Path(*key) not in seen}
    return [key for key in keys if key not in back]


def _is_in(path: Path, names: set[str]) -> bool:
    """Whether a file is one of some files and folders, or in one of them."""
    return not names.isdisjoint(map(str, (path, *path.parents)))


def _present(root: Path, unread: list[str]) -> Iterator[tuple[str, tuple[int, int]]]:
    """Files of a folder with their size and time; what may be there but cannot be looked at goes to `unread`."""
    for name, target in visible(root, unread.append):
        try:
            state = _state(name) if target is not None else None
        except FileNotFoundError:  # it went away in between
            continue
        except OSError:
            unread.append(name)
            continue
        if state is not None:
            yield name, state


def shown(name: str) -> str:
    """A name as it can be printed and kept: bytes that are not Unicode by their numbers."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def state_of(path: str | Path) -> tuple[int, int] | None:
    """Size and time of the last change; None for what cannot be looked at or is no regular file."""
    try:
        return _state(path)
    except OSError:
        return None


def _state(path: str | Path) -> tuple[int, int] | None:
    """As `state_of`, but raises OSError."""
    found = os.stat(path)  # noqa: PTH116 (it is asked of a million names)
    changed = min(max(found.st_mtime_ns, TIMES[0]), TIMES[1])
    return (found.st_size, changed) if stat.S_ISREG(found.st_mode) else None


def estimate(entries: Sequence[Entry], media: MediaOptions, cutting: Cutting, seconds: float = ESTIMATING) -> None:
    """Set the things that each entry is likely to hold: from headers, or as those that there was time for, on average.

    Args:
        entries: to be set.
        media: limits of decoding.
        cutting: how long files are cut.
        seconds: most time for it.
    """
    started, counts = time.monotonic(), list[int]()
    order = random.Random(0).sample(entries, len(entries))
    for entry in order:
        if time.monotonic() - started > seconds and counts:
            break
        try:
            entry.things = _likely(entry, media, cutting)
        except InputError:
            entry.things = 1  # what is wrong with it is told when it is read
        counts.append(entry.things)
    for entry in order[len(counts) :]:
        entry.things = round(sum(counts) / len(counts))


def _likely(entry: Entry, media: MediaOptions, cutting: Cutting) -> int:
    """Things of one file, about."""
    blob = open_source(entry.path, media)
    form = form_of(blob)
    if form == "pdf":
        return count_pages(blob, media)
    if form == "video":
        seconds = film_seconds(blob, media)
        step = cutting.segment_seconds - cutting.segment_overlap
        return max(1, math.ceil(seconds / step)) if seconds <= media.max_seconds else 1  # what is longer is refused
    if form == "text" and entry.size <= media.max_text_bytes:
        return max(1, math.ceil(entry.size / (cutting.passage_bytes - cutting.passage_overlap)))
    return 1


def content_hash(path: Path) -> str:
    """32 hexadecimal digits that stand for the bytes of a file, whatever its name.

    Raises:
        SourceError: it cannot be read.
    """
    digest = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from error
    return digest.hexdigest()


def real(folder: str | Path) -> str:
    """Where a folder lies, whether it is there or not: links followed, `~` as the user's own."""
    return os.path.realpath(expanded(folder))


def root_of(folder: Path, known: Iterable[str] = ()) -> Path:
    """A folder as the library calls it: with its links followed, from the root of the file system.

    Args:
        folder: that is there.
        known: folders that the library has; one that is the same under another name gives the name.

    Raises:
        SourceError: there is no such folder, or its name is not Unicode.
    """
    root = Path(real(folder))
    if not root.is_dir():
        raise SourceError(f"{shown(str(folder))} is not a folder")
    if not is_unicode(str(root)):
        raise SourceError(f"the name of {shown(str(root))} is not Unicode; rename it, or a folder that it is in")
    return next((Path(one) for one in known if Path(one).is_dir() and root.samefile(one)), root)
