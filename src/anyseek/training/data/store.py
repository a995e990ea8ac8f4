"""Media of a dataset that is being written: each content once, under its hash."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

from anyseek.items import is_picture
from anyseek.media import Blob, MediaOptions, encode_image, open_source
from anyseek.media.kind import demuxer, image_format
from anyseek.training.data.places import checked_kind

__all__ = ["MEDIA", "MediaStore", "file_hash"]

MEDIA = "media"
CHUNK = 1 << 20
OPTIONS = MediaOptions(urls=False, max_bytes=1 << 40)
SUFFIXES = {"JPEG": ".jpg", "JPEG2000": ".jp2", "mov": ".mp4", "matroska": ".mkv", "mpegts": ".ts", "pdf": ".pdf"}


class MediaStore:
    """Takes media into a folder; equal contents get one name.

    Args:
        folder: of the dataset; files go below its `media/`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[tuple[str, int, int], str] = {}

    def put(self, source: Any, kind: str) -> str:
        """Store one medium.

        Args:
            source: Path, str (a path or data URI), bytes, picture or array; a picture is stored as PNG.
            kind: `image`, `video` or `pdf`; empty for any of these or text.

        Returns:
            Its path relative to the dataset's folder.

        Raises:
            InputError: it cannot be had, or is of another kind.
        """
        if is_picture(source):
            source = encode_image(source, OPTIONS)
        blob = open_source(source, OPTIONS)
        if blob.path is None:
            return self._store(blob, kind)
        status = blob.path.stat()
        state = (f"{kind}:{blob.path}", status.st_size, status.st_mtime_ns)
        if state not in self._known:
            self._known[state] = self._store(blob, kind)
        return self._known[state]

    def _store(self, blob: Blob, kind: str) -> str:
        """Copy what is not there yet."""
        name = _hash(blob)
        place = f"{MEDIA}/{name[:2]}/{name}{_suffix(blob, kind)}"
        path = self.folder / place
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with blob.open() as file, path.open("wb") as copy:
                shutil.copyfileobj(file, copy, CHUNK)
        return place


def file_hash(path: Path) -> str:
    """32 hexadecimal digits that stand for the content of a file.

    Raises:
        SourceError: it cannot be read.
    """
    return _hash(open_source(path, OPTIONS))


def _hash(blob: Blob) -> str:
    """The content as 32 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=16)
    with blob.open() as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _suffix(blob: Blob, kind: str) -> str:
    """The ending that belongs to the content.

    Raises:
        InputError: the content is of another kind.
    """
    found, head = checked_kind(blob, kind, blob.name), blob.head()
    if found == "text":
        return ".txt"
    known = found if found == "pdf" else image_format(head) or demuxer(head)
    assert known is not None
    return SUFFIXES.get(known, f".{known.lower()}")
