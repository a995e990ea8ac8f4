"""A folder becomes items: pictures, each page of a PDF, clips and text files, told by content, in a fixed order."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from anyseek.errors import InputError, SourceError
from anyseek.items import File, Image, Item, Page, Video
from anyseek.media import MediaOptions, open_source, probe_page, probe_video, sniff

__all__ = ["UNKNOWN", "FileKind", "Found", "Skipped", "visible", "walk"]

FileKind = Literal["image", "page", "text", "video"]

UNKNOWN = "not a picture, PDF, video or text"
LEADS_OUT = "a link that leads out of the folder"


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
    seen: set[Path] = set()
    for path, target in visible(folder):
        if target is None:
            yield Skipped(path=path, reason=LEADS_OUT)
        elif target not in seen:
            seen.add(target)
            yield from _things(path, options)


def visible(
    folder: Path, without: Path | None = None, unread: Callable[[OSError], None] | None = None
) -> Iterator[tuple[Path, Path | None]]:
    """Visible files in a folder and below it, in the order of the names, each with the file it really is.

    Args:
        folder: where to look.
        without: a folder that is passed over, with everything below it.
        unread: told of each folder that could not be listed.

    Yields:
        A path, and where its links lead; None for a link that leads out of the folder.

    Raises:
        SourceError: there is no such folder.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder} is not a folder")
    root = folder.resolve()
    for path in _files(folder, without, unread):
        target = Path(os.path.realpath(path))  # unlike resolve(), this does not raise at links that form a circle
        if not target.is_relative_to(root):
            yield path, None
        elif target.is_file():
            yield path, target


def _files(folder: Path, without: Path | None, unread: Callable[[OSError], None] | None) -> Iterator[Path]:
    """Visible files below a folder, sorted; linked folders are not entered."""
    for parent, folders, names in os.walk(folder, onerror=unread):
        if without is not None:
            folders[:] = [name for name in folders if Path(parent, name) != without]
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if Path(parent, name).is_symlink()]
        visible = [name for name in names if not name.startswith(".")]
        yield from (Path(parent, name) for name in sorted(visible + links))


def _things(path: Path, options: MediaOptions) -> Iterator[Found | Skipped]:
    """What one file holds."""
    try:
        yield from _of_kind(path, sniff(open_source(path, options).head()), options)
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
        for number in range(1, probe_page(source, 1, options).pages + 1):
            yield Found(path=path, kind="page", page=number, item=Item((Page(path, number),)))
    elif kind == "video":
        clip = probe_video(open_source(path, options), options)
        span = (0.0, clip.frames / clip.rate)
        yield Found(path=path, kind="video", span=span, item=Item((Video(path),)))
    elif kind == "text":
        yield Found(path=path, kind="text", item=Item((File(path),)))
    else:
        yield Skipped(path=path, reason=UNKNOWN)
