"""What a picture, page or video is, in a few bytes: equal identities give equal vision features."""

import functools
import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from anyseek.errors import SourceError
from anyseek.media import Blob, MediaOptions, numbers_of
from anyseek.processing.layout import FileVideo, ListedVideo, Picture, RenderedPage, Visual

__all__ = ["identity"]

CHUNK = 1 << 20


def identity(visual: Visual, media: MediaOptions) -> bytes:
    """16 bytes that stand for the content of a visual's source and for everything that is done to it.

    Args:
        visual: with opened sources.
        media: how sources are read.

    Raises:
        SourceError: a file went away.
    """
    read: tuple[Any, ...] = (media.exif_orientation, media.scale_16bit)
    match visual:
        case Picture() | RenderedPage():
            number = visual.part.number if isinstance(visual, RenderedPage) else 0
            how: tuple[Any, ...] = (type(visual).__name__, number, visual.size)
            contents = [_content(visual.part.source)]
        case FileVideo():
            how = ("FileVideo", visual.size, visual.indices)
            contents = [_content(visual.part.source)]
        case ListedVideo():
            how = ("ListedVideo", visual.first_size, visual.size, visual.indices)
            contents = [_content(visual.opened[place]) for place in sorted(visual.opened)]
    return hashlib.blake2b(repr((how, read)).encode() + b"".join(contents), digest_size=16).digest()


def _content(source: Any) -> bytes:
    """Hash of what a source holds: the bytes of a file, the pixels of a picture or array."""
    if isinstance(source, Blob):
        if source.path is None:
            return hashlib.blake2b(source.read(), digest_size=16).digest()
        try:
            stat = source.path.stat()
            return _file(source.path, stat.st_size, stat.st_mtime_ns)
        except OSError as error:
            raise SourceError(f"cannot read {source.name}: {error.strerror}") from error
    if hasattr(source, "getbands"):  # a Pillow image
        form: tuple[Any, ...] = (source.mode, source.size, source.getpalette(), sorted(source.info.items(), key=repr))
        return _pixels(form, source.tobytes())
    array = np.ascontiguousarray(numbers_of(source))
    return _pixels((array.shape, str(array.dtype)), array.tobytes())


def _pixels(form: tuple[Any, ...], data: bytes) -> bytes:
    """Hash of pixels and of how they are to be read."""
    return hashlib.blake2b(repr(form).encode() + data, digest_size=16).digest()


@functools.lru_cache(maxsize=65_536)
def _file(path: Path, size: int, modified: int) -> bytes:
    """Hash of a file's bytes, read again only when its size or time has changed."""
    digest = hashlib.blake2b(repr(size).encode(), digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.digest()
