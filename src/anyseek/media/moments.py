"""When the frames of a film are shown, and what is seen then: by their own times, as players count.

`VideoInfo` has the average rate, and by it the reference samples a whole film. Where the rate varies that is another
moment, so that segments of such a film are found by its `Clock`.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyseek.errors import InputError
from anyseek.media.array import is_array
from anyseek.media.film import decoding, opened
from anyseek.media.frames import frames_at
from anyseek.media.image import check_pixels
from anyseek.media.index import index_of
from anyseek.media.options import MediaOptions
from anyseek.media.source import Blob, open_source
from anyseek.media.video import probe_video, read_frames

__all__ = ["Clock", "clock_of", "film_length", "seen_at"]

ASTRAY, FAR_ASTRAY = 0.1, 1.0
"""Seconds that frames may be from their place by the average rate, as jitter: as long as a frame, within these."""
LIMITS = MediaOptions()
"""One for all, since what is told by one must be read by another; longer films count by their average rate."""
JUST = 1e-6


@dataclass(frozen=True, slots=True)
class Clock:
    """When each frame of a film is shown whose rate varies.

    Attributes:
        times: (frames,) seconds from the first frame, ascending; two or more.
        length: seconds that it is shown.
    """

    times: NDArray[np.float64]
    length: float

    def place(self, seconds: float) -> int:
        """The frame that is shown at a time."""
        return max(0, int(np.searchsorted(self.times, seconds + JUST, side="right")) - 1)

    def following(self, seconds: float) -> int:
        """The first frame that is shown from a time on."""
        return int(np.searchsorted(self.times, seconds - JUST, side="left"))

    def is_whole(self, start: float | None, end: float | None) -> bool:
        """Whether all frames begin between two times; None is the beginning, or the end, of the film."""
        return self.following(start or 0.0) == 0 and (end is None or self.following(end) == len(self.times))


def film_length(source: Any, options: MediaOptions) -> float:
    """How many seconds a film is shown.

    Args:
        source: as `probe_video`.
        options: sources allowed and limits.

    Raises:
        InputError: as `probe_video`.
    """
    film, clock = probe_video(source, options), clock_of(source)
    return film.frames / film.rate if clock is None else clock.length


def seen_at(source: Any, seconds: float, options: MediaOptions) -> NDArray[np.uint8]:
    """The frame of a film that is seen at a time, as (height, width, 3) RGB, turned as players turn it.

    Args:
        source: as `probe_video`.
        seconds: from its first frame; the last one is seen when the film has ended.
        options: sources allowed and limits.

    Raises:
        InputError: as `read_frames`.
    """
    film, clock = probe_video(source, options), clock_of(source)
    place = int(seconds * film.rate) if clock is None else clock.place(seconds)
    place = min(max(0, place), film.frames - 1)
    if is_array(source):
        return np.asarray(read_frames(source, [place], options)[0], np.uint8)
    blob = open_source(source, options)
    index = index_of(blob, options)
    check_pixels(index.size, blob.name, options)
    with opened(blob, options) as opened_film, decoding(blob.name):
        frame = next(frames_at(opened_film, index, [place], options))
        picture = np.asarray(frame.to_ndarray(format="rgb24", **index.size._asdict()), np.uint8)
        return np.ascontiguousarray(np.rot90(picture, round(frame.rotation / 90)))


def clock_of(source: Any) -> Clock | None:
    """When the frames of a film are shown; None where the average rate tells it, or nothing can.

    Args:
        source: as `probe_video`.
    """
    if is_array(source):
        return None
    try:
        blob = open_source(source, LIMITS)
        if blob.path is None:
            return _timed(blob)
        status = blob.path.stat()
    except (InputError, OSError):
        return None
    return _known(blob, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _known(blob: Blob, size: int, modified: int) -> Clock | None:
    """As `_timed`, of a file as it is: with another size or time it is another one."""
    return _timed(blob)


def _timed(blob: Blob) -> Clock | None:
    """Compare each frame's own time with the one that the average rate gives."""
    try:
        index, rate = index_of(blob, LIMITS), probe_video(blob, LIMITS).rate
        with opened(blob, LIMITS) as film:
            times = (index.times - index.times[0]) * float(film.stream.time_base or 0)
            stated = film.seconds
    except InputError:
        return None
    if not index.exact or len(times) < 2:
        return None
    astray = np.abs(times - np.arange(len(times)) / rate).max()
    return Clock(times, _length(times, stated)) if astray > min(max(ASTRAY, 1 / rate), FAR_ASTRAY) else None


def _length(times: NDArray[np.float64], stated: float) -> float:
    """Seconds of a film: as its header states, if the last frame is shown no longer by it than another one.

    Else the last frame is shown as long as the one before it.
    """
    gaps = np.diff(times)
    return stated if 0 < stated - times[-1] <= gaps.max() else float(times[-1] + gaps[-1])
