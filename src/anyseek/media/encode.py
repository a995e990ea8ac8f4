"""Pixels to bytes: a picture of any source as a file of its own."""

import io
from typing import Any, Literal

from PIL import Image

from anyseek.media.image import load_image
from anyseek.media.options import MediaOptions

__all__ = ["encode_image"]

QUALITY = 90


def encode_image(
    source: Any, options: MediaOptions, *, form: Literal["PNG", "JPEG"] = "PNG", side: int | None = None
) -> bytes:
    """A picture as the bytes of a file, without anything that its source said about itself.

    Args:
        source: as `load_image`.
        options: sources allowed and limits.
        form: of the file; PNG keeps every pixel.
        side: longest side in pixels, to which a larger picture is made smaller.

    Raises:
        InputError: as `load_image`.
    """
    picture = load_image(source, options)
    if side is not None and max(picture.size) > side:
        scale = side / max(picture.size)
        width, height = (max(1, round(length * scale)) for length in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    picture.info.clear()
    file = io.BytesIO()
    picture.save(file, form, **({"quality": QUALITY} if form == "JPEG" else {}))
    return file.getvalue()
