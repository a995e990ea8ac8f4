"""A folder becomes items: pictures, each page of a PDF, clips and text files, told by content, in a fixed order."""

import codecs
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from anyseek.errors import DecodeError, InputError, SourceError
from anyseek.items import File, Image, Item, Page, Text, Video
from anyseek.media import (
    Blob,
    Kind,
    MediaOptions,
    count_pages,
    open_source,
    probe_video,
    read_text,
    sniff,
    unmarked_utf16,
)

__all__ = ["UNKNOWN", "FileKind", "Found", "Skipped", "kind_of", "visible", "walk"]

FileKind = Literal["image", "page", "text", "video"]

UNKNOWN = "not a picture, PDF, video or text"
WIDE = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
CONTROLS = frozenset({*range(32), 127} - set(b"\t\n\v\f\r\x1b"))
"""Bytes that no text has, in whatever encoding of single bytes or East Asian pairs."""
LEADS_OUT = "a link that leads out of the folder"
LIBRARY = "about.lance"
"""A folder that has this is a library."""
OWN = frozenset({LIBRARY, "things.lance", "files.lance", "writer.lock"})
"""What a library writes; passed over where the folder that is looked through is itself one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One thing that can be searched for.

    Attributes:
        path: the file.
        kind: what it is.
        page: page of a PDF, counted from 1.
        span: first and last second of a clip.
        item: what the model reads.
    """

    path: Path
    kind: FileKind
    page: int | None = None
    span: tuple[float, float] | None = None
    item: Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A file that was left out, and why; `error` is set when it should have been readable."""

    path: Path
    reason: str
    error: InputError | None = None


def walk(folder: Path, media: MediaOptions | None = None) -> Iterator[Found | Skipped]:
    """Everything in a folder and below it, in the order of the names.

    Hidden files and folders are passed over. A link is followed only to a file inside the folder, and no file comes
    twice, so links can neither loop nor lead out.

    Args:
        folder: where to look.
        media: limits of decoding; None takes the defaults.

    Raises:
        SourceError: there is no such folder.
    """
    options = media or MediaOptions()
    seen: set[str] = set()
    for path, target in visible(folder):
        if target is None:
            yield Skipped(path=Path(path), reason=LEADS_OUT)
        elif target not in seen:
            seen.add(target)
            yield from _things(Path(path), options)


def visible(folder: Path, unread: Callable[[str], None] = lambda _: None) -> Iterator[tuple[str, str | None]]:
    """Visible files in a folder and below it, in the order of the names, each with the file it really is.

    Libraries below the folder are passed over, and of one that is the folder itself what it has written.

    Args:
        folder: where to look.
        unread: told of each folder that could not be listed.

    Yields:
        A path, and where its links lead; None for a link that leads out of the folder.

    Raises:
        SourceError: there is no such folder.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder} is not a folder")
    root, given = folder.resolve(), len(str(folder))
    for entry in _entries(str(folder), unread):
        if not entry.is_symlink():
            yield entry.path, f"{root}{entry.path[given:]}"
            continue
        target = Path(os.path.realpath(entry.path))  # unlike resolve(), this does not raise at links that form a circle
        if not target.is_relative_to(root):
            yield entry.path, None
        elif target.is_file():
            yield entry.path, str(target)


def _entries(folder: str, unread: Callable[[str], None]) -> Iterator["os.DirEntry[str]"]:
    """Visible files and links below a folder, sorted; linked folders are not entered."""
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        try:
            entries = _listed(place, place == folder)
            files = [one for one in entries if one.is_symlink() or one.is_file()]
            folders = [one.path for one in entries if one.is_dir(follow_symlinks=False)]
        except OSError:
            unread(place)
            continue
        yield from files
        waiting += reversed(folders)


def _listed(place: str, first: bool) -> list["os.DirEntry[str]"]:
    """What is visible in a folder, sorted: of a library nothing, or where the search began what others put there."""
    with os.scandir(place) as listed:
        entries = sorted((one for one in listed if not one.name.startswith(".")), key=lambda one: one.name)
    if all(one.name != LIBRARY for one in entries):
        return entries
    return [one for one in entries if one.name not in OWN] if first else []


def kind_of(blob: Blob) -> Kind | None:
    """The kind of a file by its first bytes, as `sniff` tells it, and also text in wider encodings.

    These are UTF-32 with its mark, and UTF-16 without one.

    Raises:
        DecodeError: it is text in another encoding.
    """
    head = blob.head()
    kind = sniff(head)
    if kind is None and head.startswith(WIDE):
        return "text" if _is_wide(head) else None
    if kind is None and unmarked_utf16(head):
        return "text"
    if kind is None and _is_foreign(head):
        raise DecodeError(
            f"{blob.name} looks like text, but is neither UTF-8 nor UTF-16 or UTF-32 with its mark; convert it first, "
            "for example with `iconv -f latin1 -t utf-8`"
        )
    return kind


def _is_wide(head: bytes) -> bool:
    """Whether bytes are UTF-32 without control characters; the last character may be cut."""
    try:
        text = codecs.getincrementaldecoder("utf-32")().decode(head)
    except UnicodeDecodeError:
        return False
    return sniff(text.encode()) == "text"


def _is_foreign(head: bytes) -> bool:
    """Whether bytes look like text in any encoding: nothing that no text has, and words, or mostly ASCII."""
    is_wordy = len(head.split()) > 1 or sum(byte < 128 for byte in head) * 2 > len(head)
    return is_wordy and CONTROLS.isdisjoint(head)


def _things(path: Path, options: MediaOptions) -> Iterator[Found | Skipped]:
    """What one file holds."""
    try:
        yield from _of_kind(path, kind_of(open_source(path, options)), options)
    except OSError as error:
        cause = error if isinstance(error, InputError) else SourceError(f"{path}: {error.strerror or error}")
        yield Skipped(path=path, reason=str(cause), error=cause)
    except InputError as error:
        yield Skipped(path=path, reason=str(error), error=error)


def _of_kind(path: Path, kind: str | None, options: MediaOptions) -> Iterator[Found | Skipped]:
    """The items of a file of a known kind, from its header alone."""
    if kind == "image":
        yield Found(path=path, kind="image", item=Item((Image(path),)))
    elif kind == "pdf":
        source = open_source(path, options)
        for number in range(1, count_pages(source, options) + 1):
            yield Found(path=path, kind="page", page=number, item=Item((Page(path, number),)))
    elif kind == "video":
        clip = probe_video(open_source(path, options), options)
        span = (0.0, clip.frames / clip.rate)
        yield Found(path=path, kind="video", span=span, item=Item((Video(path),)))
    elif kind == "text":
        blob = open_source(path, options)
        part = File(path) if sniff(blob.head()) else Text(read_text(blob, options))  # of a File it would not be told
        yield Found(path=path, kind="text", item=Item((part,)))
    else:
        yield Skipped(path=path, reason=UNKNOWN)
