"""Small pictures of what was found."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anyseek.errors import DecodeError, LimitError
from anyseek.media import (
    MediaOptions,
    film_thumbnail,
    glimpse,
    load_image,
    page_thumbnail,
    picture_thumbnail,
    read_frames,
)

OPTIONS = MediaOptions()


def gradient(width: int, height: int) -> Image.Image:
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([across, down, 255 - across], axis=-1).astype(np.uint8))


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(("size", "small"), [((800, 400), (256, 128)), ((30, 20), (30, 20)), ((90, 900), (26, 256))])
@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_longest_side_and_look(tmp_path: Path, size: tuple[int, int], small: tuple[int, int], ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    gradient(*size).save(path)
    data = picture_thumbnail(path, OPTIONS)
    assert opened(data).format == "WEBP"
    assert opened(data).size == small
    assert np.abs(glimpse(data).far - glimpse(path.read_bytes()).far).mean() < 0.03


def test_a_large_jpeg_is_decoded_at_a_fraction(tmp_path: Path) -> None:
    gradient(4000, 2000).save(tmp_path / "a.jpg")
    assert load_image(tmp_path / "a.jpg", OPTIONS, side=400).size == (1000, 500)
    assert load_image(tmp_path / "a.jpg", OPTIONS).size == (4000, 2000)
    with pytest.raises(LimitError):
        load_image(tmp_path / "a.jpg", MediaOptions(max_source_pixels=100), side=10)


def test_it_is_turned_as_its_tag_says_and_says_nothing_about_itself(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "where I live"
    gradient(400, 200).save(tmp_path / "a.jpg", exif=exif)
    data = picture_thumbnail(tmp_path / "a.jpg", OPTIONS)
    assert opened(data).size == (128, 256)
    assert b"where I live" in (tmp_path / "a.jpg").read_bytes()
    assert b"where I live" not in data


def test_page_and_frame(make_pdf: Callable[..., bytes], film: Callable[[str], Path]) -> None:
    page = page_thumbnail(make_pdf("/MediaBox [0 0 200 400]"), 1, OPTIONS)
    assert opened(page).size == (128, 256)
    path = film("b_frames.mp4")
    frames = read_frames(path, range(60), OPTIONS).astype(int)
    for seconds, place in ((0.0, 0), (1.0, 25), (99.0, 59)):
        seen = np.asarray(opened(film_thumbnail(path, seconds, OPTIONS)).convert("RGB"))
        assert np.abs(frames - seen).mean(axis=(1, 2, 3)).argmin() == place


def test_a_damaged_thumbnail() -> None:
    with pytest.raises(DecodeError, match="index its file anew"):
        glimpse(b"\x89PNG\r\n\x1a\n nothing")
