"""Segments of a video file: the frames of the seconds asked for, and what is not said stays the reference's."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from anyseek.errors import InputError
from anyseek.items import Item, Video
from anyseek.media import read_frames
from anyseek.processing import Processor
from anyseek.processing.layout import FileVideo
from anyseek.processing.rules import frame_count, frame_indices, pair_seconds, segment_frames

RATE, FRAMES = 10, 80


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
