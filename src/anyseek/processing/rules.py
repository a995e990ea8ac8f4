"""The pixel and frame rules (SPEC 3 and 6) as pure functions of numbers: sizes, frame counts, timestamps.

They reproduce qwen-vl-utils 0.0.14 as the public code calls it, derived from its behaviour.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch

from anyseek.errors import InputError
from anyseek.items import Limits

__all__ = [
    "PATCH_FACTOR",
    "REFERENCE",
    "Filled",
    "Size",
    "filled",
    "fit_size",
    "frame_count",
    "frame_count_of",
    "frame_indices",
    "frame_max_pixels",
    "frame_moments",
    "listed_frame_size",
    "listed_indices",
    "pair_seconds",
    "segment_frames",
]

Size = tuple[int, int]
"""Width and height in pixels."""

PATCH_FACTOR = 32
"""Sides are multiples of this: patches of 16 pixels, merged two by two."""

MAX_ASPECT_RATIO = 200
MIN_FRAMES = 4
CELL = PATCH_FACTOR**2
MIN_FRAME_PIXELS = 128 * CELL

REFERENCE = Limits(
    fps=1.0,
    max_frames=64,
    min_pixels=4 * CELL,
    max_pixels=1800 * CELL,
    min_frame_pixels=MIN_FRAME_PIXELS,
    max_frame_pixels=768 * CELL,
    total_pixels=7680 * CELL,
)
"""The public code's limits. It applies `total_pixels` to frame lists only: a file's default is FILE_TOTAL_PIXELS."""

FILE_TOTAL_PIXELS = 115_200 * CELL
"""What the reference lets a video file have when nothing is said: nine tenths of 128,000 tokens."""

LISTED_FACTOR = 64
"""The reference rounds a listed frame's first resize to this: it passes the merged patch size on as the patch size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """Limits without gaps; see `Limits`."""

    fps: float
    max_frames: int
    min_pixels: int
    max_pixels: int
    min_frame_pixels: int
    max_frame_pixels: int
    total_pixels: int


def filled(limits: Limits, defaults: Limits = REFERENCE) -> Filled:
    """The user's limits, with the gaps filled."""
    whole = limits.over(defaults)
    return Filled(**{field.name: getattr(whole, field.name) for field in fields(Filled)})


def fit_size(size: Size, min_pixels: float, max_pixels: float, factor: int = PATCH_FACTOR) -> Size:
    """The size a picture is resized to: sides multiples of `factor`, area within the limits, shape about kept.

    Args:
        size: width and height.
        min_pixels: least area.
        max_pixels: greatest area, of the size after rounding to the nearest multiples.
        factor: of both sides.

    Raises:
        InputError: one side is more than 200 times the other.
    """
    width, height = size
    if max(size) > MAX_ASPECT_RATIO * min(size):
        raise InputError(
            f"a picture of {width} x {height} pixels is longer than {MAX_ASPECT_RATIO} times its width; "
            "crop it into pieces"
        )
    wide, high = (max(factor, round(side / factor) * factor) for side in size)
    if wide * high > max_pixels:
        shrink = math.sqrt(width * height / max_pixels)
        wide, high = (max(factor, math.floor(side / shrink / factor) * factor) for side in size)
    elif wide * high < min_pixels:
        grow = math.sqrt(min_pixels / (width * height))
        wide, high = (math.ceil(side * grow / factor) * factor for side in size)
    return wide, high


def frame_count(frames: int, rate: float, fps: float, max_frames: int) -> int:
    """How many frames of a video file are shown: an even number near seconds x fps.

    Args:
        frames: frames in the file.
        rate: frames per second of the file.
        fps: wanted frames per second.
        max_frames: most frames.

    Raises:
        InputError: fewer than two frames can be had.
    """
    return frame_count_of(frames, frames / rate, fps, max_frames)


def frame_count_of(frames: int, seconds: float, fps: float, max_frames: int) -> int:
    """As `frame_count`, of so many frames that are shown for so many seconds."""
    wanted = min(max(seconds * fps, MIN_FRAMES), max_frames // 2 * 2, frames)
    count = math.floor(wanted / 2) * 2
    if count < 2:
        raise InputError(
            f"a video needs 2 frames or more and max_frames of 2 or more (it has {frames}, max_frames is {max_frames})"
            "; give a single frame as an image"
        )
    return count


def segment_frames(frames: int, rate: float, start: float | None, end: float | None) -> tuple[int, int]:
    """The first frame of a segment of a video file, and how many frames it has: those shown from start to before end.

    Args:
        frames: frames in the file.
        rate: frames per second of the file.
        start: seconds; None is the beginning of the file.
        end: seconds; None is its end.

    Raises:
        InputError: the file ends before the segment starts.
    """
    # Borders that are meant to lie on a frame must not miss it by a rounding.
    first, last = (
        math.ceil(round(second * rate, 6)) for second in (start or 0.0, frames / rate if end is None else end)
    )
    if first >= frames:
        raise InputError(f"a segment starts at {start:g} s, but the video has only {frames / rate:.1f} s")
    return first, min(last, frames) - first


def frame_indices(frames: int, count: int) -> list[int]:
    """`count` frame numbers, evenly from the first to the last, halves to even as torch rounds."""
    indices: list[int] = torch.linspace(0, frames - 1, count).round().long().tolist()
    return indices


def frame_moments(frames: int, seconds: float, count: int) -> list[float]:
    """When `count` frames are taken of so many that fill so many seconds, whatever the time of each is.

    Evenly from the beginning to where the last of them would begin if their rate were constant: those that
    `frame_indices` gives, as seconds, before it rounds to whole frames.
    """
    moments: list[float] = np.linspace(0.0, seconds * (frames - 1) / frames, count).tolist()
    return moments


def listed_indices(frames: int, max_frames: int) -> list[int]:
    """Which frames of a list are kept when there are more than `max_frames`: evenly spaced, rounded down."""
    if frames <= max_frames:
        return list(range(frames))
    kept: list[int] = np.linspace(0, frames - 1, max_frames, dtype=int).tolist()
    return kept


def frame_max_pixels(count: int, min_pixels: int, max_pixels: int, total_pixels: int) -> float:
    """Most pixels of each of `count` frames; the total counts a pair of frames once."""
    return max(min(max_pixels, total_pixels / count * 2), int(min_pixels * 1.05))


def listed_frame_size(size: Size) -> Size:
    """Size of a listed frame after its first resize, which has limits and a factor of its own."""
    return fit_size(size, 4 * LISTED_FACTOR**2, 16384 * LISTED_FACTOR**2, LISTED_FACTOR)


def pair_seconds(indices: Sequence[float], rate: float) -> list[float]:
    """The time in seconds shown for each pair of frames: the mean of the two frames' times.

    Args:
        indices: places of the frames, an even number; with a rate of 1, their times.
        rate: frames per second.
    """
    seconds = [index / rate for index in indices]
    return [(first + second) / 2 for first, second in zip(seconds[::2], seconds[1::2], strict=True)]
