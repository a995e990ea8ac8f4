"""The frames of a film, counted and timed without decoding them."""

import functools
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from anyseek.errors import DecodeError, LimitError, SourceError
from anyseek.media.film import Film, decode, decoding, opened
from anyseek.media.image import Size
from anyseek.media.options import MediaOptions
from anyseek.media.source import Blob

__all__ = ["Index", "Key", "glance", "index_of", "scan"]

LOOK_AHEAD = 16
"""Packets among which the frames shown before a key must come (no codec reorders more)."""


class Key(NamedTuple):
    """A packet from which decoding can begin; times in the stream's time base."""

    pts: int
    dts: int


@dataclass(frozen=True, slots=True)
class Index:
    """What can be known of a film's frames without decoding them.

    Attributes:
        size: pixels of the first decoded frame.
        times: (frames,) presentation times in the stream's time base, ascending.
        keys: packets to start from, ascending.
        exact: every frame has its own time, so that frames can be told apart by it; else they must be counted.
    """

    size: Size
    times: NDArray[np.int64]
    keys: tuple[Key, ...]
    exact: bool


@dataclass(slots=True)
class _Tally:
    """What a scan has seen so far."""

    times: list[int] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    packets: int = 0
    untimed: bool = False
    first: VideoFrame | None = None

    def add(self, packet: "Packet[VideoStream]", shown: bool) -> None:
        """Count a packet; one that is decoded but not shown may still be a key."""
        if packet.pts is None:
            self.untimed = True
        elif packet.is_keyframe:
            self.keys.append(Key(packet.pts, packet.pts if packet.dts is None else packet.dts))
        if shown:
            self.packets += 1
            if packet.pts is not None:
                self.times.append(packet.pts)


def index_of(blob: Blob, options: MediaOptions) -> Index:
    """The index of a film; a file's is kept for a while, so that its segments do not read the whole of it each.

    Raises:
        SourceError: the file went away.
        DecodeError, LimitError: as `scan`.
    """
    if blob.path is None:
        with opened(blob, options) as film:
            return scan(film, options)
    try:
        status = blob.path.stat()
    except OSError as error:
        raise SourceError(f"cannot read {blob.name}: {error.strerror}") from error
    return _scanned(blob, status.st_size, status.st_mtime_ns, options)


@functools.lru_cache(maxsize=4)
def _scanned(blob: Blob, size: int, modified: int, options: MediaOptions) -> Index:
    """The index of a file as it is: with another size or time it is another one."""
    with opened(blob, options) as film:
        return scan(film, options)


def scan(film: Film, options: MediaOptions) -> Index:
    """Read all packets and decode the first frame only.

    Frames before the first one that can be decoded (a recording that begins between two keys) do not count.

    Raises:
        DecodeError: no frame can be decoded.
        LimitError: longer than `max_seconds` or `max_source_frames`.
    """
    tally = _Tally()
    with decoding(film.blob.name):
        for packet in film.container.demux(film.stream):
            if packet.size == 0:
                continue
            tally.add(packet, not packet.is_discard and not _hidden(packet, film.stream))
            if tally.first is None:
                tally.first = next(iter(decode(film.stream, packet)), None)
            if tally.packets % 4096 == 0:
                _check_length(_span(tally, film), tally.packets, film, options)
        if tally.first is None:
            tally.first = next(iter(decode(film.stream, None)), None)
    if tally.first is None:
        raise DecodeError(f"{film.blob.name}: none of its {tally.packets} frames can be decoded; it is corrupt")
    _check_length(_span(tally, film), tally.packets, film, options)
    return _index(tally, tally.first)


def glance(film: Film, options: MediaOptions) -> tuple[Size, int] | None:
    """Size and number of frames of an MP4 or MOV from its own table, without reading the file.

    None when they must be found by a scan: another container, parts that come later (fragments), frames that an edit
    list leaves out, or frames shown before the first key, which may be impossible to decode.
    """
    stream = film.stream
    samples = stream.index_entries
    if not film.container.format.name.startswith("mov") or not 0 < len(samples) == stream.frames:
        return None
    with decoding(film.blob.name):
        if any(sample.is_discard or not sample.size for sample in samples):
            return None
        size = _plain_start(film)
    if size is None:
        return None
    _check_length(float((stream.duration or 0) * (stream.time_base or 0)), len(samples), film, options)
    return size, len(samples)


def _plain_start(film: Film) -> Size | None:
    """The size of the first frame when the film begins with a key that is shown before all that follows; else None."""
    start: int | None = None
    first: VideoFrame | None = None
    for number, packet in enumerate(film.container.demux(film.stream)):
        if packet.size:
            start = packet.pts if start is None and packet.is_keyframe else start
            if start is None or packet.pts is None or packet.pts < start:
                return None
            first = first or next(iter(decode(film.stream, packet)), None)
        if first and number >= LOOK_AHEAD:
            break
    first = first or next(iter(decode(film.stream, None)), None)
    return Size(first.width, first.height) if first and first.pts == start else None


def _index(tally: _Tally, first: VideoFrame) -> Index:
    """Sort what was counted."""
    times = np.unique(np.asarray(tally.times, np.int64))
    size, keys = Size(first.width, first.height), tuple(sorted(set(tally.keys)))
    if tally.untimed or len(times) < tally.packets or first.pts is None or first.pts not in times:
        return Index(size, np.arange(max(1, tally.packets), dtype=np.int64), keys, exact=False)
    return Index(size, times[times >= first.pts], keys, exact=True)


def _hidden(packet: "Packet[VideoStream]", stream: VideoStream) -> bool:
    """True for a VP8 packet that only prepares a reference: the show bit of its header (RFC 6386, 9.1) is off."""
    return stream.codec_context.name == "vp8" and not memoryview(packet)[0] & 0x10


def _span(tally: _Tally, film: Film) -> float:
    """Seconds from the first packet to the last one so far."""
    base = film.stream.time_base
    return (tally.times[-1] - tally.times[0]) * float(base) if tally.times and base else 0.0


def _check_length(seconds: float, frames: int, film: Film, options: MediaOptions) -> None:
    """Raise when the film is too long; asked while it is read, so that it need not be read to its end."""
    name = film.blob.name
    if seconds > options.max_seconds:
        raise LimitError(
            f"{name} lasts {seconds:,.0f} s or more, above {options.max_seconds:,.0f}; raise MediaOptions.max_seconds "
            "(anyseek index --retry --max-hours)"
        )
    if frames > options.max_source_frames:
        most = options.max_source_frames
        raise LimitError(
            f"{name} has {frames:,} frames or more, above {most:,}; raise MediaOptions.max_source_frames "
            "(anyseek index --retry --max-hours)"
        )
