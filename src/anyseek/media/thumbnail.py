"""Small pictures of what was found, and how alike two of them look."""

import io
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anyseek.errors import DecodeError
from anyseek.media.image import load_image
from anyseek.media.moments import seen_at
from anyseek.media.options import MediaOptions
from anyseek.media.pdf import probe_page, render_page

__all__ = ["Glimpse", "film_thumbnail", "glimpse", "page_thumbnail", "picture_thumbnail"]

SIDE = 256
"""Longest side in pixels."""
QUALITY = 75
FAR = 48


class Glimpse:
    """What a picture looks like.

    Attributes:
        far: `(48, 48, 3)` from 0 to 1.
    """

    def __init__(self, picture: Image.Image) -> None:
        small = np.asarray(picture.resize((FAR, FAR), Image.Resampling.BOX), dtype=np.float32)
        self.far: NDArray[np.float32] = small / np.float32(255)
        self._greys = picture.convert("L")

    @cached_property
    def near(self) -> NDArray[np.uint8]:
        """`(256, 256)` its greys; made when it is asked for, since most pictures are told apart without."""
        return np.asarray(self._greys.resize((SIDE, SIDE), Image.Resampling.BILINEAR), dtype=np.uint8)


def picture_thumbnail(source: Any, options: MediaOptions, side: int = SIDE) -> bytes:
    """A picture in small, as the bytes of a WebP file; turned as its EXIF tag says, since it is for people.

    Args:
        source: as `load_image`.
        options: sources allowed and limits.
        side: longest side in pixels; a smaller picture keeps its size.

    Raises:
        InputError: as `load_image`.
    """
    return _encoded(load_image(source, replace(options, exif_orientation=True), side=2 * side), side)


def page_thumbnail(source: Any, number: int, options: MediaOptions, side: int = SIDE) -> bytes:
    """A page of a PDF in small; as `picture_thumbnail`.

    Raises:
        InputError: as `render_page`.
    """
    size = probe_page(source, number, options).within(2 * side)
    return _encoded(render_page(source, number, size, options), side)


def film_thumbnail(source: Any, seconds: float, options: MediaOptions, side: int = SIDE) -> bytes:
    """The frame of a video at a time, in small; the last one when the video ends before. As `picture_thumbnail`.

    Raises:
        InputError: as `seen_at`.
    """
    return _encoded(Image.fromarray(seen_at(source, seconds, options)), side)


def _encoded(picture: Image.Image, side: int) -> bytes:
    """The bytes, without anything that the source said about itself."""
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    picture.info.clear()
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=QUALITY)
    return file.getvalue()


def glimpse(thumbnail: bytes) -> Glimpse:
    """What a picture looks like, whatever its shape, to be compared with another.

    Args:
        thumbnail: bytes of a picture.

    Raises:
        DecodeError: they are none.
    """
    try:
        picture = load_image(thumbnail, MediaOptions())
    except DecodeError as error:
        raise DecodeError(f"a thumbnail is damaged ({error}); index its file anew") from error
    return Glimpse(picture)
