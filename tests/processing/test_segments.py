"""Segments of a video file: the frames of the seconds asked for, and what is not said stays the reference's."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from anyseek.errors import InputError
from anyseek.items import Item, Video
from anyseek.media import probe_video, read_frames
from anyseek.processing import Processor
from anyseek.processing.layout import FileVideo
from anyseek.processing.rules import (
    frame_count,
    frame_count_of,
    frame_indices,
    frame_moments,
    pair_seconds,
    segment_frames,
)
from tests.films import grey_film

RATE, FRAMES = 10, 80
FAST_THEN_SLOW = [*(n * 1000 // 30 for n in range(300)), *range(10_000, 20_000, 500)]
"""Thousandths of a second: thirty frames a second for ten seconds, then two a second for ten."""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds of plain grey that grows brighter with each frame."""
    path = tmp_path_factory.mktemp("film") / "grey.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "8", "g": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for number in range(FRAMES):
            picture = np.full((64, 64, 3), 20 + 2 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty seconds of plain grey, ten levels brighter with each second; of a rate that changes half way."""
    path = tmp_path_factory.mktemp("uneven") / "grey.mp4"
    return grey_film(path, [(time, 20 + time // 100) for time in FAST_THEN_SLOW])


def shown(processor: Processor, video: Video) -> FileVideo:
    (visual,) = processor.prepare(Item((video,))).visuals
    assert isinstance(visual, FileVideo)
    return visual


def test_frames_of_a_segment() -> None:
    assert segment_frames(80, 10, None, None) == (0, 80)
    assert segment_frames(80, 10, 0, 8.0) == (0, 80)
    assert segment_frames(80, 10, 2, 4) == (20, 20)
    assert segment_frames(80, 10, 2.05, 4.01) == (21, 20)
    assert segment_frames(80, 10, 7, 99) == (70, 10)
    assert segment_frames(7000, 30000 / 1001, 1001 / 30000 * 300, None) == (300, 6700)  # a border on a frame
    with pytest.raises(InputError, match=r"starts at 8 s, but the video has only 8\.0 s"):
        segment_frames(80, 10, 8, None)


def test_segments_that_meet_share_no_frame_and_miss_none() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        frames, rate = int(rng.integers(10, 5000)), float(rng.choice([8, 10, 23.976, 25, 29.97, 30000 / 1001, 60]))
        borders = sorted(rng.uniform(0, (frames - 2) / rate, 4).tolist())
        spans = [segment_frames(frames, rate, a, b) for a, b in zip([None, *borders], [*borders, None], strict=True)]
        assert spans[0][0] == 0
        assert sum(count for _, count in spans) == frames
        assert all(first + count == after for (first, count), (after, _) in pairwise(spans))


def test_without_seconds_nothing_changes(processor: Processor, film: Path) -> None:
    whole = shown(processor, Video(film))
    count = frame_count(FRAMES, RATE, 1, 64)
    assert whole.indices == tuple(frame_indices(FRAMES, count))
    assert whole.seconds == tuple(pair_seconds(whole.indices, RATE))
    said = shown(processor, Video(film, start=0.0, end=FRAMES / RATE))
    assert (said.indices, said.seconds, said.size) == (whole.indices, whole.seconds, whole.size)


def test_a_segment_is_a_film_of_its_own(processor: Processor, film: Path, tmp_path: Path) -> None:
    part = shown(processor, Video(film, start=3, end=7))
    assert part.indices == tuple(30 + index for index in frame_indices(40, 4))
    assert part.seconds == tuple(pair_seconds(frame_indices(40, 4), RATE))  # its times count from its start
    frames = read_frames(film, list(part.indices), processor.options.media)
    assert np.abs(frames.mean(axis=(1, 2, 3)) - [20 + 2 * index for index in part.indices]).max() < 2
    assert processor.identity(part) != processor.identity(shown(processor, Video(film, start=2, end=6)))
    assert processor.identity(part) == processor.identity(shown(processor, Video(film, start=3, end=7)))


def test_limits_of_a_segment(processor: Processor, film: Path) -> None:
    assert len(shown(processor, Video(film, start=1, end=7, fps=2)).indices) == 12
    assert len(shown(processor, Video(film, start=1, end=7, fps=2, max_frames=6)).indices) == 6
    for video in (Video(film, start=2, end=2.05), Video(film, start=9)):
        with pytest.raises(InputError):
            processor.prepare(Item((video,)))
    assert replace(Video(film), start=1, end=2) == Video(film, start=1, end=2)


def begun(video: FileVideo) -> list[float]:
    """Seconds at which the frames of the uneven film begin that are taken."""
    return [FAST_THEN_SLOW[index] / 1000 for index in video.indices]


@pytest.mark.parametrize(("start", "end"), [(10.0, 20.0), (10.0, None), (12.25, 18.25), (2.0, 8.0), (6.0, 14.0)])
def test_a_segment_of_an_uneven_film_is_seen_at_even_moments(
    processor: Processor, uneven: Path, start: float, end: float | None
) -> None:
    part = shown(processor, Video(uneven, start=start, end=end))
    length = (end or 20.0) - start
    assert part.frames == length  # a frame a second, as of a film of constant rate
    frames = sum(start < time / 1000 < (end or 20.0) for time in FAST_THEN_SLOW) + 1
    moments = np.linspace(0, length - length / frames, part.frames)
    assert part.seconds == pytest.approx(moments.reshape(-1, 2).mean(axis=1))
    for index, moment in zip(part.indices, start + moments, strict=True):
        after = FAST_THEN_SLOW[index + 1] / 1000 if index + 1 < len(FAST_THEN_SLOW) else 20.0
        assert FAST_THEN_SLOW[index] / 1000 <= moment + 1e-6 < after + 2e-6
    levels = read_frames(uneven, part.indices, processor.options.media).mean(axis=(1, 2, 3))
    assert np.abs(levels - [20 + 10 * time for time in begun(part)]).max() < 2


def test_the_slow_half_is_sampled_at_its_own_moments(processor: Processor, uneven: Path) -> None:
    assert begun(shown(processor, Video(uneven, start=12, end=16))) == [12.0, 13.0, 14.0, 15.5]
    assert begun(shown(processor, Video(uneven, start=12, end=16, fps=9))) == [12 + 2 * n // 9 / 2 for n in range(36)]
    assert shown(processor, Video(uneven, start=12, end=16, fps=9, max_frames=6)).frames == 6
    assert shown(processor, Video(uneven.read_bytes(), start=12, end=16)).frames == 4


def test_a_frame_stands_for_as_long_as_it_is_seen(processor: Processor, uneven: Path) -> None:
    video = Video(uneven, start=9.5, end=12.5, fps=4)
    part = shown(processor, video)
    assert part.frames == 12
    assert begun(part)[2:] == [10.0, 10.0, 10.5, 10.5, 11.0, 11.0, 11.5, 11.5, 12.0, 12.0]
    pairs = processor.sample(Item((video,))).patches.reshape(6, -1, 3, 2, 256).float().mean(dim=(1, 2, 4))
    assert np.abs(pairs.flatten().numpy() - [20 + 10 * time for time in begun(part)]).max() < 2


def test_a_whole_film_is_sampled_by_its_average_rate(processor: Processor, uneven: Path) -> None:
    whole = shown(processor, Video(uneven))
    rate = probe_video(uneven, processor.options.media).rate
    assert whole.indices == tuple(frame_indices(320, frame_count(320, rate, 1, 64)))
    assert whole.seconds == pytest.approx(pair_seconds(whole.indices, rate))
    for span in ((0.0, None), (0.0, 20.0), (None, 99.0)):
        said = shown(processor, Video(uneven, start=span[0], end=span[1]))
        assert (said.indices, said.seconds, said.size) == (whole.indices, whole.seconds, whole.size)


def test_limits_of_a_segment_of_an_uneven_film(processor: Processor, uneven: Path) -> None:
    with pytest.raises(InputError, match=r"starts at 21 s, but the video has only 20\.0 s"):
        processor.prepare(Item((Video(uneven, start=21),)))
    with pytest.raises(InputError, match="max_frames is 1"):
        processor.prepare(Item((Video(uneven, start=12, max_frames=1),)))


@pytest.mark.parametrize(("start", "end", "frame"), [(12.1, 12.3, 12.0), (19.9, None, 19.5), (19.6, 19.61, 19.5)])
def test_one_frame_that_stands_is_a_segment(
    processor: Processor, uneven: Path, start: float, end: float | None, frame: float
) -> None:
    assert begun(shown(processor, Video(uneven, start=start, end=end))) == [frame] * 4


def test_moments_are_those_of_a_constant_rate() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        frames, rate = int(rng.integers(2, 5000)), float(rng.choice([8, 10, 23.976, 25, 29.97, 30000 / 1001, 60]))
        count = frame_count(frames, rate, 1, 64)
        assert count == frame_count_of(frames, frames / rate, 1, 64)
        places = np.multiply(frame_moments(frames, frames / rate, count), rate)
        assert np.abs(places - frame_indices(frames, count)).max() <= 0.5 + 1e-3
