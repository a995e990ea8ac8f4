"""What has changed in a folder since a library last saw it, told from names, sizes and times alone."""

import hashlib
import math
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from anyseek.errors import InputError, SourceError
from anyseek.index import FileKey, Filter, Store, StoredFile
from anyseek.media import MediaOptions, film_seconds, open_source, probe_page
from anyseek.search.pieces import Cutting, form_of
from anyseek.search.sources import visible

__all__ = ["LEFT_OUT", "Entry", "Look", "content_hash", "estimate", "look", "root_of", "state_of"]

LEFT_OUT = "left out: "
"""Begins the reason of a file that is of no known kind, to tell it from one that should have been readable."""
CHUNK = 1 << 20


@dataclass(slots=True)
class Entry:
    """A file that is new, or not as the library knows it.

    Attributes:
        path: where it lies.
        key: root and path below it.
        size: bytes.
        mtime: time of the last change, nanoseconds since 1970.
        things: how many it is likely to hold; only for the time left.
    """

    path: Path
    key: FileKey
    size: int
    mtime: int
    things: int = 1

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


@dataclass(slots=True)
class Look:
    """What a look at a folder found.

    Attributes:
        found: files in it.
        changed: those that must be read.
        same: those that need not be.
        gone: rows whose files are no longer there.
        unread: folders that could not be listed; what the library knows of them stays.
    """

    found: int = 0
    changed: list[Entry] = field(default_factory=list)
    same: list[FileKey] = field(default_factory=list)
    gone: list[FileKey] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def look(store: Store, root: Path, *, retry: bool = False, settled: int | None = None) -> Look:
    """Compare a folder with what the library knows of it.

    Args:
        store: the library; its own folder is passed over.
        root: the folder, resolved.
        retry: read files again that failed, or were left out, last time.
        settled: files changed after this time (nanoseconds since 1970) may still be written to: they wait.

    Raises:
        SourceError: the folder is not there, or empty though the library knows files of it.
    """
    seen = Look()
    known = {file.path: file for file in store.files(Filter(roots=(str(root),)))}
    left = dict(known)
    own = Path(store.folder).resolve()
    for path, target in visible(root, own, lambda error: seen.unread.append(str(error.filename))):
        state = state_of(path) if target is not None else None
        if state is None:
            continue
        seen.found += 1
        key = (str(root), path.relative_to(root).as_posix())
        row = left.pop(key[1], None)
        waits = settled is not None and state[1] > settled
        if waits or (row and (row.size, row.mtime) == state and not (retry and row.reason)):
            seen.same.append(key)
        else:
            seen.changed.append(Entry(path, key, *state))
    if known and not seen.found:
        raise SourceError(
            f"{root} is empty, but the library knows {len(known):,} files of it; is its drive there? To let them go: "
            f"anyseek index --forget {root}"
        )
    unread = [Path(folder) for folder in seen.unread]
    seen.gone = [(str(root), path) for path in left if not any((root / path).is_relative_to(one) for one in unread)]
    return seen


def state_of(path: Path) -> tuple[int, int] | None:
    """Size and time of the last change; None for what went away or is no regular file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def estimate(entries: Iterable[Entry], media: MediaOptions, cutting: Cutting) -> None:
    """Set the things that each entry is likely to hold, from headers.

    Args:
        entries: to be set.
        media: limits of decoding.
        cutting: how long files are cut.
    """
    for entry in entries:
        try:
            entry.things = _likely(entry, media, cutting)
        except InputError:
            entry.things = 1  # what is wrong with it is told when it is read


def _likely(entry: Entry, media: MediaOptions, cutting: Cutting) -> int:
    """Things of one file, about."""
    blob = open_source(entry.path, media)
    form = form_of(blob)
    if form == "pdf":
        return probe_page(blob, 1, media).pages
    if form == "video":
        return max(1, math.ceil(film_seconds(blob, media) / (cutting.segment_seconds - cutting.segment_overlap)))
    if form == "text":
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


def root_of(folder: Path) -> Path:
    """A folder as the library calls it: with its links followed, from the root of the file system.

    Raises:
        SourceError: there is no such folder.
    """
    root = Path(os.path.realpath(folder.expanduser()))
    if not root.is_dir():
        raise SourceError(f"{folder} is not a folder")
    return root
