"""What a film shows at a time: by the times of its frames, where they differ from its average rate."""

import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anyseek.media import (
    MediaOptions,
    clock_of,
    film_length,
    film_thumbnail,
    probe_video,
    read_frames,
    seen_at,
)

OPTIONS = MediaOptions()
SLOW_THEN_FAST = [*range(0, 30_000, 1000), *range(30_000, 40_000, 50)]
"""Thousandths of a second: a frame a second for half a minute, then twenty a second for ten seconds."""


@pytest.fixture(scope="module")
def varying(make_film: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("varying") / "a.mp4"
    return make_film(path, "libx264", len(SLOW_THEN_FAST), times=SLOW_THEN_FAST, options={"preset": "ultrafast"})


def test_frames_are_found_by_their_own_times(varying: Path) -> None:
    frames = read_frames(varying, range(len(SLOW_THEN_FAST)), OPTIONS).astype(int)
    assert probe_video(varying, OPTIONS).rate == pytest.approx(230 / 40, rel=0.01)
    assert film_length(varying, OPTIONS) == pytest.approx(39.99)  # as its header says
    for seconds, place in ((0.0, 0), (7.9, 7), (20.0, 20), (31.0, 50), (39.99, 229), (99.0, 229)):
        assert (seen_at(varying, seconds, OPTIONS) == frames[place]).all()
        small = np.asarray(Image.open(io.BytesIO(film_thumbnail(varying, seconds, OPTIONS))).convert("RGB"))
        assert np.abs(frames - small).mean(axis=(1, 2, 3)).argmin() == place
    assert (seen_at(varying.read_bytes(), 20.0, OPTIONS) == frames[20]).all()


def test_a_clock_tells_what_is_shown_when(varying: Path) -> None:
    clock = clock_of(varying)
    assert clock is not None
    assert clock.times.tolist() == pytest.approx([time / 1000 for time in SLOW_THEN_FAST])
    for seconds, place, following in ((0.0, 0, 0), (4.0, 4, 4), (4.2, 4, 5), (30.1, 32, 32), (39.96, 229, 230)):
        assert (clock.place(seconds), clock.following(seconds)) == (place, following)
    assert all(clock.is_whole(*span) for span in ((None, None), (0.0, None), (None, 40.0), (0.0, 39.96)))
    assert not any(clock.is_whole(*span) for span in ((0.1, None), (0.0, 39.9), (None, 20.0)))


def test_films_of_constant_rate_are_as_they_were(film: Callable[[str], Path], film_name: str) -> None:
    if film_name in ("moving.gif", "irregular.mkv"):  # no film to a library; 25 frames a second by name, 32 in truth
        return
    path = film(film_name)
    info = probe_video(path, OPTIONS)
    assert clock_of(path) is None
    assert film_length(path, OPTIONS) == info.frames / info.rate
    for seconds in (0.0, 0.5, 99.0):
        place = min(int(seconds * info.rate), info.frames - 1)
        assert (seen_at(path, seconds, OPTIONS) == read_frames(path, [place], OPTIONS)[0]).all()


def test_what_cannot_be_read_has_no_clock(tmp_path: Path) -> None:
    assert clock_of(tmp_path / "gone.mp4") is None
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x18ftypisom nothing else")
    assert clock_of(tmp_path / "a.mp4") is None


def test_an_array_is_seen_as_any_film() -> None:
    frames = np.arange(4 * 2 * 6 * 3, dtype=np.uint8).reshape(4, 2, 6, 3)
    assert film_length(frames, OPTIONS) == 2
    assert (seen_at(frames, 1.0, OPTIONS) == frames[2]).all()


@pytest.mark.parametrize(
    ("matrix", "turns"),
    [((0, 1, -1, 0), -1), ((0, -1, 1, 0), 1), ((-1, 0, 0, -1), 2), ((1, 0, 0, 1), 0)],
)
def test_a_film_of_a_phone_is_seen_upright(
    film: Callable[[str], Path], tmp_path: Path, matrix: tuple[int, ...], turns: int
) -> None:
    a, b, c, d = (one << 16 for one in matrix)
    plain = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    data = film("b_frames.mp4").read_bytes()
    header = data.index(b"tkhd")
    place = data.index(plain, header)
    path = tmp_path / "phone.mp4"
    path.write_bytes(data[:place] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + data[place + len(plain) :])
    for seconds, number in ((0.0, 0), (1.0, 25)):
        read = read_frames(path, [number], OPTIONS)[0]
        assert (read == read_frames(film("b_frames.mp4"), [number], OPTIONS)[0]).all()  # what models read is as it was
        assert (seen_at(path, seconds, OPTIONS) == np.rot90(read, turns)).all()
    height, width = seen_at(path, 0.0, OPTIONS).shape[:2]
    assert Image.open(io.BytesIO(film_thumbnail(path, 0.0, OPTIONS))).size == (width, height)
