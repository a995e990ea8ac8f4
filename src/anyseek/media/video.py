"""Videos: how many frames at what rate, and exactly the frames asked for.

Rotation marks are ignored, as the reference's readers (torchcodec, decord, torchvision) ignore them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyseek.errors import DecodeError, InputError
from anyseek.media.array import film_of, is_array
from anyseek.media.film import Film, decoding, opened
from anyseek.media.frames import frames_at
from anyseek.media.image import Size, check_pixels
from anyseek.media.index import Index, glance, index_of
from anyseek.media.options import MediaOptions
from anyseek.media.source import open_source

__all__ = ["VideoInfo", "film_seconds", "iterate_frames", "probe_video", "read_frames"]

ARRAY_RATE = 2.0


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """A video, as its decoded frames will be.

    Attributes:
        width: pixels.
        height: pixels.
        frames: how many, in presentation order.
        rate: average frames per second, as the container's stream says.
    """

    width: int
    height: int
    frames: int
    rate: float


def probe_video(source: Any, options: MediaOptions) -> VideoInfo:
    """Size, frames and rate of a video; of its pictures only the first is decoded.

    Args:
        source: anything `open_source` takes, a Blob, or a (frames, height, width, 3) uint8 array (rate 2, SPEC 6).
        options: sources allowed and limits.

    Raises:
        SourceError, RefusedError: as `open_source`.
        DecodeError: not a video, sound only, cut off or corrupt.
        LimitError: too long, or too many pixels a frame.
    """
    if is_array(source):
        frames, height, width, _ = film_of(source).shape
        check_pixels(Size(width, height), "the video array", options)
        return VideoInfo(width, height, frames, ARRAY_RATE)
    blob = open_source(source, options)
    with opened(blob, options) as film:
        seen, rate = glance(film, options), film.stream.average_rate
        if seen and rate:
            check_pixels(seen[0], blob.name, options)
            return VideoInfo(*seen[0], seen[1], float(rate))
    index = index_of(blob, options)
    check_pixels(index.size, blob.name, options)
    with opened(blob, options) as film:
        return VideoInfo(*index.size, len(index.times), _rate(film, index))


def film_seconds(source: Any, options: MediaOptions) -> float:
    """How long a video file lasts as its header says; 0 when it does not. An estimate: nothing is read but the header.

    Raises:
        InputError: as `probe_video`.
    """
    with opened(open_source(source, options), options) as film:
        return film.seconds


def read_frames(source: Any, indices: Sequence[int], options: MediaOptions) -> NDArray[np.uint8]:
    """The frames at these places in presentation order, as (len(indices), height, width, 3) RGB.

    Args:
        source: as `probe_video`.
        indices: ascending, from 0; they may repeat.
        options: sources allowed and limits.

    Raises:
        InputError: as `probe_video`; an index that is out of range or out of order; a wanted frame that is damaged.
    """
    if is_array(source):
        film = film_of(source)
        return film[_checked(indices, len(film), "the video array")]
    blob = open_source(source, options)
    frames: NDArray[np.uint8] | None = None
    for place, picture in enumerate(iterate_frames(blob, indices, options)):
        if frames is None:
            frames = np.empty((len(indices), *picture.shape), np.uint8)
        frames[place] = picture
    if frames is None:
        info = probe_video(blob, options)
        return np.empty((0, info.height, info.width, 3), np.uint8)
    return frames


def iterate_frames(source: Any, indices: Sequence[int], options: MediaOptions) -> Iterator[NDArray[np.uint8]]:
    """As `read_frames`, one (height, width, 3) frame at a time, so that only one needs to be held.

    A frame of another size than the first (a stream that changes its size) is scaled to the first's.

    Raises:
        InputError: as `read_frames`.
    """
    if is_array(source):
        yield from film_of(source)[_checked(indices, len(source), "the video array")]
        return
    blob = open_source(source, options)
    index = index_of(blob, options)
    check_pixels(index.size, blob.name, options)
    places = _checked(indices, len(index.times), blob.name)
    with opened(blob, options) as film, decoding(blob.name):
        repeats = iter(np.unique(places, return_counts=True)[1].tolist())
        for frame in frames_at(film, index, sorted(set(places)), options):
            picture = np.asarray(frame.to_ndarray(format="rgb24", **index.size._asdict()), np.uint8)
            for _ in range(next(repeats)):
                yield picture


def _checked(indices: Sequence[int], frames: int, name: str) -> list[int]:
    """The indices as a list, when they are in order and in range."""
    places = [int(index) for index in indices]
    for before, after in pairwise(places):
        if after < before:
            raise InputError(f"frame indices must ascend ({after} comes after {before})")
    for place in places[:1] + places[-1:]:
        if not 0 <= place < frames:
            raise InputError(f"{name} has frames 0 to {frames - 1}; there is no frame {place}")
    return places


def _rate(film: Film, index: Index) -> float:
    """Frames per second as the stream says, else from its times."""
    rate = film.stream.average_rate or film.stream.guessed_rate
    if rate:
        return float(rate)
    span = float(index.times[-1] - index.times[0]) * float(film.stream.time_base or 0)
    if not index.exact or span <= 0:
        raise DecodeError(f"{film.blob.name} does not say how many frames a second it has; give its frames as a list")
    return (len(index.times) - 1) / span
