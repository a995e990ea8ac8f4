"""Pictures: their size from the header alone, and their pixels as the reference sees them (SPEC 3)."""

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    ImageOps,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from anyseek.errors import DecodeError, InputError, LimitError
from anyseek.media.array import array_size, is_array, picture_of
from anyseek.media.kind import image_format, sniff
from anyseek.media.options import MediaOptions
from anyseek.media.source import Blob, open_source

__all__ = ["Size", "check_pixels", "load_image", "probe_image"]


class _TiffFile(TiffImagePlugin.TiffImageFile):
    """TIFF as Pillow reads it, without the second look at Pillow's process-wide pixel limit."""

    def load_prepare(self) -> None:
        if self._im is None:
            self.im = Image.new(self.mode, self._tile_size, None).im
        ImageFile.ImageFile.load_prepare(self)


# Made directly, not by Image.open: that would try every format Pillow knows by the file's own choice, and it warns and
# raises at a process-wide pixel limit, where ours is an option of the call.
READERS: dict[str, Callable[[BinaryIO], ImageFile.ImageFile]] = {
    "AVIF": AvifImagePlugin.AvifImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "JPEG2000": Jpeg2KImagePlugin.Jpeg2KImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "TIFF": _TiffFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
}
BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    EOFError,
    MemoryError,
    RuntimeError,
    Warning,
    struct.error,
    zlib.error,
)
TURNED = (5, 6, 7, 8)
ORIENTATION = 0x0112


class Size(NamedTuple):
    """Pixels of a picture."""

    width: int
    height: int


def probe_image(source: Any, options: MediaOptions) -> Size:
    """The size `load_image` will give, from the header alone.

    Args:
        source: anything `open_source` takes, a Blob, PIL image, numpy array or torch tensor.
        options: sources allowed and limits.

    Raises:
        InputError: as `load_image`, except for damage behind the header.
    """
    if is_array(source):
        return check_pixels(Size(*array_size(source)), "the array", options)
    if isinstance(source, Image.Image):
        return _size(source, "the PIL image", options)
    blob = open_source(source, options)
    with blob.open() as file, _decoding(blob.name):
        return _size(_opened(file, blob), blob.name, options)


def load_image(source: Any, options: MediaOptions, *, side: int | None = None) -> Image.Image:
    """The picture as an RGB image, converted exactly as the reference does.

    RGBA is laid on white. Every other mode goes through Pillow's `convert("RGB")`: grey with alpha and palettes with
    transparency lose it, CMYK is converted without a profile, and 16-bit grey is clipped, so that nearly everything in
    it becomes white (`MediaOptions.scale_16bit` scales it instead). EXIF orientation is ignored unless
    `MediaOptions.exif_orientation` is set. Of an animation or a file of many pages the first picture is taken.

    Args:
        source: anything `open_source` takes, a Blob, PIL image, numpy array or torch tensor. Arrays are
            (height, width), (height, width, 1, 3 or 4), or (3, height, width) when the last axis is none of these;
            bool, uint8, uint16 (full range) or float in [0, 1].
        options: sources allowed and limits.
        side: pixels that are enough for either side: a JPEG file is then decoded at a fraction of its size, in less
            time; None gives every pixel.

    Raises:
        SourceError, RefusedError: as `open_source`.
        DecodeError: not a picture, truncated or corrupt.
        LimitError: more pixels than `max_source_pixels`, found before they are decoded.
        InputError: an array of a shape, type or range that is no picture.
    """
    if is_array(source):
        probe_image(source, options)
        return _to_rgb(picture_of(source), options)
    if isinstance(source, Image.Image):
        return _finish(source, "the PIL image", options)
    blob = open_source(source, options)
    with blob.open() as file, _decoding(blob.name):
        image = _opened(file, blob)
        if side is not None:
            check_pixels(Size(*image.size), blob.name, options)
            image.draft(None, (side, side))
        return _finish(image, blob.name, options)


def check_pixels(size: Size, name: str, options: MediaOptions) -> Size:
    """The size, when it is within the limit and not empty."""
    if size.width < 1 or size.height < 1:
        raise DecodeError(f"{name} has no pixels ({size.width}x{size.height})")
    if size.width * size.height > options.max_source_pixels:
        raise LimitError(
            f"{name} is {size.width}x{size.height} pixels, more than {options.max_source_pixels:,} in all; "
            "raise MediaOptions.max_source_pixels if you trust it"
        )
    return size


def _opened(file: BinaryIO, blob: Blob) -> ImageFile.ImageFile:
    """The header, read by the reader of the format that the content shows."""
    head = blob.head()
    name = image_format(head)
    if name is None:
        raise DecodeError(
            f"{blob.name} is not a picture of a known format (its content: {sniff(head) or 'nothing known'}); "
            "known are JPEG, PNG, WebP, GIF, BMP, TIFF, JPEG 2000 and AVIF"
        )
    return READERS[name](file)


def _size(image: Image.Image, name: str, options: MediaOptions) -> Size:
    """The size of an opened picture after the turn its tag asks for, if that is wanted."""
    size = check_pixels(Size(*image.size), name, options)
    if options.exif_orientation and not isinstance(image, TiffImagePlugin.TiffImageFile):
        with _decoding(name):
            if image.getexif().get(ORIENTATION, 1) in TURNED:
                return Size(size.height, size.width)
    return size


def _finish(image: Image.Image, name: str, options: MediaOptions) -> Image.Image:
    """Decode, turn and convert an opened picture."""
    check_pixels(Size(*image.size), name, options)
    with _decoding(name):
        image.load()
        # Pillow itself turns a TIFF while it loads; its tag is gone by now.
        turned = ImageOps.exif_transpose(image) if options.exif_orientation else image
        return _to_rgb(turned, options)


def _to_rgb(image: Image.Image, options: MediaOptions) -> Image.Image:
    """RGB as the reference makes it; see `load_image`."""
    if image.mode == "RGBA":
        white = Image.new("RGB", image.size, (255, 255, 255))
        white.paste(image, mask=image.getchannel("A"))
        return white
    if options.scale_16bit and image.mode.startswith("I;16"):
        high = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
        return Image.fromarray(high).convert("RGB")
    if "transparency" in image.info:  # it changes no pixel of the result, but Pillow may warn or fail about it
        image = image.copy()
        del image.info["transparency"]
    return image.convert("RGB")


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    """Pillow's many errors for bad bytes, as ours."""
    try:
        yield
    except InputError:
        raise
    except BOMBS as error:
        raise LimitError(f"{name}: {str(error)[:200]}") from error
    except DAMAGE as error:
        reason = str(error)[:160] or type(error).__name__
        raise DecodeError(f"{name} cannot be decoded, it is truncated or corrupt ({reason})") from error
