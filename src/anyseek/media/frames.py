"""Exactly the wanted frames of a film: seek to a key, decode up to them, and check that each is the one foretold."""

from collections.abc import Iterator

import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from anyseek.errors import DecodeError
from anyseek.media.film import DAMAGE, Film, decode, opened
from anyseek.media.index import Index, Key
from anyseek.media.options import MediaOptions
from anyseek.media.source import Blob

__all__ = ["frames_at"]

NEAR = 16
"""Frames that are cheaper to decode through than to seek over."""
SKIPPING = frozenset({"h264", "mpeg2video"})
"""Codecs where a packet marked as no reference serves no other frame (in HEVC, higher layers may refer to it)."""


def frames_at(film: Film, index: Index, wanted: list[int], options: MediaOptions) -> Iterator[VideoFrame]:
    """The wanted frames, by seeking where times can be trusted, else (or when a seek goes wrong) from the start.

    Args:
        film: the opened file, in any state.
        index: its index.
        wanted: places in presentation order, ascending, each once.
        options: threads and limits.

    Raises:
        DecodeError: a wanted frame is damaged.
    """
    done = 0
    if index.exact:
        for frame in _by_seeking(film, index, wanted):
            yield frame
            done += 1
    if done < len(wanted):
        yield from _from_start(film.blob, index, wanted[done:], options)


def _by_seeking(film: Film, index: Index, wanted: list[int]) -> Iterator[VideoFrame]:
    """Frames in order until all are there or one did not come as the index foretold."""
    for key, run in _runs(index, wanted):
        got = 0
        for frame in _from_key(film, key, [int(index.times[place]) for place in run]):
            yield frame
            got += 1
        if got < len(run):
            return


def _runs(index: Index, wanted: list[int]) -> list[tuple[Key, list[int]]]:
    """The wanted frames grouped by the key they are decoded from; none when a frame has no key before it.

    A key serves the frames shown at or after it: frames shown before it may need the key before (open GOP).
    """
    marks = np.asarray([key.pts for key in index.keys], np.int64)
    runs: list[tuple[Key, list[int]]] = []
    for place in wanted:
        at = int(np.searchsorted(marks, index.times[place], side="right")) - 1
        if at < 0:
            return []
        if runs and int(np.searchsorted(index.times, marks[at])) - runs[-1][1][-1] <= NEAR:
            runs[-1][1].append(place)
        else:
            runs.append((index.keys[at], [place]))
    return runs


def _from_key(film: Film, key: Key, times: list[int]) -> Iterator[VideoFrame]:
    """The frames at these times, decoded from a key on; stops early when one is missing or damaged."""
    wanted = frozenset(times)
    coming = iter(times)
    target = next(coming)
    for frame in _decoded(film, key, wanted):
        if frame.pts is None or frame.pts > target:
            return
        if frame.pts == target:
            if frame.is_corrupt:
                return
            yield frame
            following = next(coming, None)
            if following is None:
                return
            target = following


def _decoded(film: Film, key: Key, wanted: frozenset[int]) -> Iterator[VideoFrame]:
    """Frames from a key on, in order; packets that nothing wanted refers to are not decoded."""
    context = film.stream.codec_context
    skips = context.name in SKIPPING
    for packet in _packets(film, key):
        context.skip_frame = "NONREF" if skips and packet.pts not in wanted else "DEFAULT"
        yield from decode(film.stream, packet)
    yield from decode(film.stream, None)


def _packets(film: Film, key: Key) -> "Iterator[Packet[VideoStream]]":
    """Packets from a key on.

    A seek may land early, then what comes before the key is passed over; or late, then it is tried again from earlier.
    """
    second = int(1 / film.stream.time_base) if film.stream.time_base else 0
    for offset in (key.dts, key.dts - 5 * second, key.dts - 30 * second):
        try:
            film.container.seek(offset, stream=film.stream)
        except DAMAGE:  # some containers cannot seek everywhere; reading from the start remains
            return
        found = False
        for packet in film.container.demux(film.stream):
            if packet.size == 0:
                continue
            if not found and packet.is_keyframe and packet.pts is not None:
                found = packet.pts == key.pts
                if packet.pts > key.pts:
                    break
            if found:
                yield packet
        if found:
            return


def _from_start(blob: Blob, index: Index, wanted: list[int], options: MediaOptions) -> Iterator[VideoFrame]:
    """The wanted frames by decoding everything up to them; frames are told by time, or counted when times fail."""
    goals = [int(index.times[place]) for place in wanted] if index.exact else wanted
    done = reached = 0
    with opened(blob, options) as film:
        for frame in _all(film):
            at = frame.pts if index.exact else reached
            reached += 1
            if at is None or at < goals[done]:
                continue
            if at > goals[done]:
                break
            yield frame
            done += 1
            if done == len(goals):
                return
    raise DecodeError(
        f"{blob.name}: frame {wanted[done]} of {len(index.times)} cannot be decoded, it is truncated or corrupt "
        f"({reached} frames came out)"
    )


def _all(film: Film) -> Iterator[VideoFrame]:
    """Every frame in order."""
    for packet in film.container.demux(film.stream):
        if packet.size:
            yield from decode(film.stream, packet)
    yield from decode(film.stream, None)
