"""A picture as a file of its own."""

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from anyseek.errors import DecodeError
from anyseek.media import MediaOptions, encode_image


def opened(data: bytes) -> PIL.Image.Image:
    return PIL.Image.open(io.BytesIO(data))


def test_png_keeps_every_pixel() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    data = encode_image(pixels, MediaOptions())
    assert opened(data).format == "PNG"
    assert np.array_equal(np.asarray(opened(data)), pixels)


@pytest.mark.parametrize(("size", "side", "expected"), [((400, 100), 200, (200, 50)), ((90, 30), 200, (90, 30))])
def test_larger_pictures_become_smaller(size: tuple[int, int], side: int, expected: tuple[int, int]) -> None:
    data = encode_image(PIL.Image.new("RGB", size), MediaOptions(), form="JPEG", side=side)
    assert (opened(data).format, opened(data).size) == ("JPEG", expected)
    assert opened(encode_image(PIL.Image.new("RGB", (1000, 1)), MediaOptions(), side=10)).size == (10, 1)


def test_what_the_source_said_about_itself_is_gone(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x010E] = "where I live"
    PIL.Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=exif, comment=b"secret")
    data = encode_image(tmp_path / "a.jpg", MediaOptions(), form="JPEG")
    assert b"where I live" not in data and b"secret" not in data


def test_what_is_no_picture() -> None:
    with pytest.raises(DecodeError):
        encode_image(b"text", MediaOptions())
