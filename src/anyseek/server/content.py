"""Files of a library on their way out: the bytes that were indexed and no others, in ranges, and never as a page.

Nothing of an address becomes a path. A file is opened where the row of the library says, must still lie inside its
folder when links are followed, and must have the size and the time that it had when it was indexed.
"""

import asyncio
import os
import re
import stat
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import quote

from starlette.responses import Response, StreamingResponse

from anyseek.index import StoredFile, Thing
from anyseek.media.text import MARKS
from anyseek.server.answers import has_tag
from anyseek.server.descriptors import EXHAUSTED
from anyseek.server.faults import Fault

__all__ = ["content_of", "file_answer"]

CHUNK = 1 << 18
TYPES: dict[str, dict[str, str]] = {
    "image": {
        ".png": "image/png",
        ".jpg": "image/jpeg",
        ".jpeg": "image/jpeg",
        ".gif": "image/gif",
        ".webp": "image/webp",
        ".bmp": "image/bmp",
        ".avif": "image/avif",
        ".tif": "image/tiff",
        ".tiff": "image/tiff",
    },
    "video": {
        ".mp4": "video/mp4",
        ".m4v": "video/mp4",
        ".webm": "video/webm",
        ".mov": "video/quicktime",
        ".mkv": "video/x-matroska",
        ".avi": "video/x-msvideo",
    },
    "page": {".pdf": "application/pdf"},
    "text": {".txt": "text/plain", ".md": "text/plain"},
}
"""What may be shown in a browser, when the content is of that kind too; everything else is only for saving."""
OPAQUE = "application/octet-stream"
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII | re.IGNORECASE)
POLICY = "default-src 'none'; frame-ancestors 'none'"
SANDBOXED = f"{POLICY}; sandbox"
"""What a file may do in a browser: nothing. A PDF stands in no sandbox: Chromium's viewer would refuse it."""
GUARDED = {
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, no-cache",
}


def content_of(files: Sequence[StoredFile]) -> tuple[StoredFile, BinaryIO]:
    """A file that is still as it was indexed, open.

    Args:
        files: of one content; the first that is as it was is taken.

    Raises:
        Fault: 410 when none is.
    """
    for file in files:
        handle = _opened(file)
        if handle is not None:
            return file, handle
    raise Fault(410, "the file has changed or gone since it was indexed; index it again", "file_changed")


def _opened(file: StoredFile) -> BinaryIO | None:
    """A file, unless it is another one than was indexed, or its links lead out of its folder."""
    place, root = os.path.realpath(Path(file.root, file.path)), os.path.realpath(file.root)
    if not Path(place).is_relative_to(root):
        return None
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.fdopen(os.open(place, flags), "rb")
    except OSError as error:
        if error.errno in EXHAUSTED:
            raise
        return None
    state = os.fstat(handle.fileno())
    if stat.S_ISREG(state.st_mode) and (state.st_size, state.st_mtime_ns) == (file.size, file.mtime):
        return handle
    handle.close()
    return None


def _span(headers: Mapping[str, str], size: int, etag: str) -> tuple[int, int] | None:
    """First byte and the byte after the last that were asked for; None for all of them.

    Several ranges at once, a form that is not understood, and a range of another version are answered with everything,
    as the standard allows.

    Raises:
        Fault: 416 when the file has no such bytes.
    """
    found = RANGE.fullmatch(headers.get("range", "").strip())
    if found is None or headers.get("if-range", etag) != etag:
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    if first and last and int(last) < start:
        return None
    if start >= size or stop <= start:
        told = {"Content-Range": f"bytes */{size}"}
        raise Fault(416, f"the file has {size:,} bytes", "no_such_range", headers=told)
    return start, stop


def file_answer(
    thing: Thing, files: Sequence[StoredFile], headers: Mapping[str, str], *, is_head: bool = False
) -> Response:
    """The file of a thing, or the part of it that was asked for.

    Args:
        thing: of a library.
        files: that hold it.
        headers: of the request.
        is_head: nothing of the file is to be read.

    Raises:
        Fault: 410 when it is not as it was indexed, 416 when it has no such bytes.
    """
    file, handle = content_of(files)
    etag = f'"{thing.hash}"'
    kind = _type(thing, file)
    told = GUARDED | {"ETag": etag, "Content-Disposition": _disposition(thing, file)}
    told["Content-Security-Policy"] = POLICY if kind == "application/pdf" else SANDBOXED
    try:
        if has_tag(headers, etag):
            handle.close()
            return Response(status_code=304, headers=told)
        span = _span(headers, file.size, etag)
        media = kind and _charset(kind, handle)
    except (Fault, OSError):
        handle.close()
        raise
    start, stop = span or (0, file.size)
    told["Content-Length"] = str(stop - start)
    if span:
        told["Content-Range"] = f"bytes {start}-{stop - 1}/{file.size}"
    told["Content-Type"], status = media or OPAQUE, 206 if span else 200
    if is_head:
        handle.close()
        return Response(None, status, told)
    return StreamingResponse(_pieces(handle, start, stop), status, told)


async def _pieces(handle: BinaryIO, start: int, stop: int) -> AsyncIterator[bytes]:
    """Bytes of a file, piece by piece; it is closed at the end, also when the client has left."""
    try:
        await asyncio.to_thread(handle.seek, start)
        while start < stop:
            piece = await asyncio.to_thread(handle.read, min(CHUNK, stop - start))
            if not piece:
                return  # it was cut meanwhile: the connection ends too early, and the client notices
            start += len(piece)
            yield piece
    finally:
        handle.close()


def _type(thing: Thing, file: StoredFile) -> str | None:
    """What a browser may show it as; None when it is only to be saved."""
    return TYPES[thing.kind].get(PurePosixPath(file.path).suffix.lower())


def _charset(kind: str, handle: BinaryIO) -> str:
    """A media type, with the encoding of a text: that of its mark, else the one that texts are read in."""
    if kind != "text/plain":
        return kind
    start = handle.read(4)
    name = next((name for mark, name in MARKS if start.startswith(mark)), "utf-8")
    return f"{kind}; charset={name.removesuffix('-sig')}"


def _disposition(thing: Thing, file: StoredFile) -> str:
    """Whether to show or to save it, and under what name."""
    how = "inline" if _type(thing, file) else "attachment"
    return f"{how}; filename*=UTF-8''{quote(PurePosixPath(file.path).name, safe='')}"
