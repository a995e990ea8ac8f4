"""From an item to its layout: what each part becomes, told from headers alone. Plan and production share it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from anyseek.errors import InputError
from anyseek.items import File, Image, Item, Limits, Page, Part, Text, Video
from anyseek.media import (
    Clock,
    MediaOptions,
    VideoInfo,
    clock_of,
    count_pages,
    open_source,
    probe_image,
    probe_page,
    probe_video,
    read_text,
    sniff,
)
from anyseek.processing import rules
from anyseek.processing.rules import Size

__all__ = ["FileVideo", "ListedVideo", "Picture", "RenderedPage", "Visual", "resolve", "smaller", "visual_of"]

PAGE_DPI = 150
"""The size at which a page is taken before the pixel limits: an A4 page then fills the reference's 1,800 tokens."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image and the size it is shown at."""

    part: Image
    size: Size
    frames: int = 2


@dataclass(frozen=True, slots=True)
class RenderedPage:
    """A page of a PDF and the size it is rendered at."""

    part: Page
    size: Size
    frames: int = 2


@dataclass(frozen=True, slots=True)
class FileVideo:
    """A video file, the frames taken, the size they are shown at, and the seconds of each pair."""

    part: Video
    size: Size
    indices: tuple[int, ...]
    seconds: tuple[float, ...]

    @property
    def frames(self) -> int:
        """Frames shown, an even number."""
        return len(self.indices)


@dataclass(frozen=True, slots=True)
class ListedVideo:
    """A list of frames, those taken (opened, by number), both sizes they go through, and the seconds of each pair."""

    part: Video
    opened: Mapping[int, Any]
    first_size: Size
    size: Size
    indices: tuple[int, ...]
    seconds: tuple[float, ...]

    @property
    def frames(self) -> int:
        """Frames shown, an even number (the last may stand twice)."""
        return len(self.indices)


Visual = Picture | RenderedPage | FileVideo | ListedVideo


def resolve(item: Item, media: MediaOptions) -> Item:
    """The item with its sources opened and every `File` turned into the part its content is."""
    return replace(item, parts=tuple(_resolve_part(part, media) for part in item.parts))


def _resolve_part(part: Part, media: MediaOptions) -> Part:
    """One part with its source opened."""
    if isinstance(part, Text) or (isinstance(part, Video) and part.is_frames):
        return part
    if not isinstance(part, File):
        return replace(part, source=_opened(part.source, media))
    blob = _opened(part.source, media)
    kind = sniff(blob.head())
    if kind == "image":
        return Image(blob)
    if kind == "video":
        return Video(blob)
    if kind == "pdf":
        pages = count_pages(blob, media)
        if pages > 1:
            raise InputError(f"{blob.name} has {pages} pages; choose one with Page(source, number)")
        return Page(blob, 1)
    if kind == "text":
        return Text(read_text(blob, media))
    raise InputError(f"{blob.name} is neither a picture, a video, a PDF nor UTF-8 text; convert it to one of these")


def _opened(source: Any, media: MediaOptions) -> Any:
    """Open what has to be opened once; pictures and arrays are already at hand."""
    return source if hasattr(source, "getbands") or hasattr(source, "shape") else open_source(source, media)


def visual_of(part: Image | Page | Video, limits: Limits, media: MediaOptions) -> Visual:
    """What a part is shown as, from its header.

    Args:
        part: resolved part.
        limits: as the user set them; gaps mean the reference's rules.
        media: how sources are read.
    """
    filled = rules.filled(limits)
    if isinstance(part, Image):
        size = probe_image(part.source, media)
        return Picture(part, rules.fit_size((size.width, size.height), filled.min_pixels, filled.max_pixels))
    if isinstance(part, Page):
        page = probe_page(part.source, part.number, media)
        width, height = (max(1, round(side / 72 * PAGE_DPI)) for side in (page.width_points, page.height_points))
        return RenderedPage(part, rules.fit_size((width, height), filled.min_pixels, filled.max_pixels))
    return (_listed_video if part.is_frames else _file_video)(part, limits, media)


def smaller(visual: Visual, limits: Limits, scale: float, media: MediaOptions) -> Visual:
    """The same part shown at about `scale` times its pixels, below the least pixels if it must be."""
    area = max(2, int(visual.size[0] * visual.size[1] * scale))
    filled = rules.filled(limits)
    if isinstance(visual, Picture | RenderedPage):
        tight = replace(limits, min_pixels=min(filled.min_pixels, area), max_pixels=area)
    else:
        least = min(filled.min_frame_pixels, int(area / 1.06))
        tight = replace(limits, min_frame_pixels=least, max_frame_pixels=area)
    return visual_of(visual.part, tight, media)


def _file_video(part: Video, limits: Limits, media: MediaOptions) -> FileVideo:
    """The reference bounds a file by frames; its total pixels count only when the user sets them.

    A segment is shown as if it were a file of its own: its times count from its start.
    """
    info = probe_video(part.source, media)
    filled = rules.filled(limits, replace(rules.REFERENCE, total_pixels=rules.FILE_TOTAL_PIXELS))
    indices, seconds = _taken(part, info, part.fps or filled.fps, part.max_frames or filled.max_frames)
    size = _frame_size((info.width, info.height), len(indices), filled)
    return FileVideo(part, size, tuple(indices), tuple(seconds))


def _taken(part: Video, info: VideoInfo, fps: float, most: int) -> tuple[list[int], list[float]]:
    """The frames taken of a file or its segment, and the seconds of each pair.

    A whole film is sampled by its average rate, as the reference does, also when it is named by its first and last
    second. A part of a film whose rate varies is sampled by the times of its frames.
    """
    start, end = part.start, part.end
    clock = None if start is None and end is None else clock_of(part.source)
    if clock is not None:
        if not clock.is_whole(start, end):
            return _seen(clock, start or 0.0, end, fps, most)
        start = end = None
    first, frames = rules.segment_frames(info.frames, info.rate, start, end)
    indices = rules.frame_indices(frames, rules.frame_count(frames, info.rate, fps, most))
    return [first + index for index in indices], rules.pair_seconds(indices, info.rate)


def _seen(clock: Clock, start: float, end: float | None, fps: float, most: int) -> tuple[list[int], list[float]]:
    """What is seen at even moments of a segment, and the seconds of each pair; a frame that stands is taken again.

    Raises:
        InputError: the film ends before the segment starts.
    """
    end = clock.length if end is None else min(end, clock.length)
    if start >= end:
        raise InputError(f"a segment starts at {start:g} s, but the video has only {clock.length:.1f} s")
    # Rounded, since a length that is meant to be whole seconds must not lose a pair of frames.
    frames, seconds = clock.following(end) - clock.place(start), round(end - start, 6)
    some = rules.MIN_FRAMES if frames == 1 else max(frames, most)  # of what stands all the time few are enough
    count = rules.frame_count_of(some, seconds, fps, most)
    moments = rules.frame_moments(max(frames, count), seconds, count)
    return [clock.place(start + moment) for moment in moments], rules.pair_seconds(moments, 1.0)


def _listed_video(part: Video, limits: Limits, media: MediaOptions) -> ListedVideo:
    """The reference resizes each frame as a picture first, and numbers the frames it keeps from 0."""
    filled = rules.filled(limits)
    total = len(part.source)
    if not total:
        raise InputError("a video of no frames; give at least one frame")
    max_frames = part.max_frames or filled.max_frames
    fps = part.fps or limits.fps
    if fps is not None and fps < part.rate and total > 1:
        kept = rules.frame_indices(total, rules.frame_count(total, part.rate, fps, max_frames))
        times = kept
    else:
        kept = rules.listed_indices(total, max_frames)
        times = list(range(len(kept)))
    if len(kept) % 2:
        kept, times = [*kept, kept[-1]], [*times, times[-1] + 1]
    opened = {i: _opened(part.source[i], media) for i in sorted(set(kept))}
    sizes = {(size.width, size.height) for size in (probe_image(frame, media) for frame in opened.values())}
    first = {rules.listed_frame_size(size) for size in sizes}
    if len(first) > 1:
        raise InputError(f"the frames of a video differ in size ({len(first)} sizes); resize them to one")
    first_size = first.pop()
    size = _frame_size(first_size, len(kept), filled)
    return ListedVideo(part, opened, first_size, size, tuple(kept), tuple(rules.pair_seconds(times, part.rate)))


def _frame_size(size: Size, count: int, limits: rules.Filled) -> Size:
    """The size of `count` frames of a video."""
    # A frame may always have 1.05 times its least pixels: keep that below the most, when the user lowers the most.
    least = min(limits.min_frame_pixels, int(limits.max_frame_pixels / 1.05))
    most = rules.frame_max_pixels(count, least, limits.max_frame_pixels, limits.total_pixels)
    return rules.fit_size(size, least, most)
