"""Broken bytes raise our errors and nothing else."""

import io
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from anyseek.errors import InputError
from anyseek.media import (
    MediaOptions,
    load_image,
    page_text,
    probe_image,
    probe_page,
    probe_video,
    read_frames,
    read_text,
    render_page,
)

ROUNDS = 300
OPTIONS = MediaOptions(
    exif_orientation=True, max_source_pixels=1_000_000, max_source_frames=10_000, max_pages=100, decode_threads=1
)


def broken(data: bytes, seed: int) -> Iterator[bytes]:
    """Truncations, flips, overwritten and repeated stretches, mostly near the head where the tables are."""
    rng = random.Random(seed)
    for _ in range(ROUNDS):
        out = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 8))):
            at = int(len(out) * rng.random() ** rng.choice((1, 3)))
            kind = rng.randrange(5)
            if kind == 0:
                del out[at:]
            elif kind == 1 and at < len(out):
                out[at] ^= 1 << rng.randrange(8)
            elif kind == 2:
                out[at : at + 8] = rng.randbytes(rng.randrange(9))
            elif kind == 3:
                out[at : at + 4] = rng.choice((bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff"))
            else:
                out[at:at] = out[at : at + rng.randrange(200)]
        yield bytes(out)


def count_errors(data: bytes, seed: int, *calls: Callable[[bytes], Any]) -> int:
    failures = 0
    for sample in broken(data, seed):
        for call in calls:
            try:
                call(sample)
            except InputError as error:
                failures += 1
                assert len(str(error)) < 500
    return failures


@pytest.mark.parametrize("name", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "JPEG2000", "AVIF"])
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_pictures(name: str) -> None:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    more = {"exif": exif} if name in ("PNG", "JPEG", "WEBP", "TIFF", "AVIF") else {}
    if name == "TIFF":
        more["compression"] = "tiff_lzw"
    Image.effect_noise((40, 30), 60).convert("RGB").save(out, name, **more)

    def agree(data: bytes) -> None:
        assert probe_image(data, OPTIONS) == load_image(data, OPTIONS).size

    assert count_errors(out.getvalue(), 1, agree, lambda data: probe_image(data, OPTIONS)) > 20


FUZZED = ["b_frames.mp4", "fragments.mp4", "sound.mp4", "h264.mkv", "vp9.webm", "h264.ts", "mpeg4.avi", "h264.flv"]


@pytest.mark.parametrize("name", [*FUZZED, "mpeg2.mpg", "wmv2.wmv", "moving.gif", "hevc.mp4"])
def test_films(make_film: Callable[..., Path], films: dict[str, Any], tmp_path: Path, name: str) -> None:
    path = make_film(tmp_path / name, **(films[name] | {"count": 24}))

    def read(data: bytes) -> None:
        info = probe_video(data, OPTIONS)
        shape = read_frames(data, [0, info.frames // 2, info.frames - 1], OPTIONS).shape
        assert shape == (3, info.height, info.width, 3)

    assert count_errors(path.read_bytes(), 2, read) > 20


def test_pdf(make_pdf: Callable[..., bytes]) -> None:
    data = make_pdf(content="BT /F 20 Tf 20 200 Td (Hello there) Tj ET 1 0 0 rg 0 250 100 50 re f")
    calls = (
        lambda sample: probe_page(sample, 1, OPTIONS),
        lambda sample: render_page(sample, 1, (20, 30), OPTIONS),
        lambda sample: page_text(sample, 1, OPTIONS),
    )
    assert count_errors(data, 3, *calls) > 20


def test_text() -> None:
    assert count_errors("größer 大 😀 ".encode() * 9, 4, lambda data: read_text(data, OPTIONS)) > 20
