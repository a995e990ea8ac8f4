"""An opened video file: the stream that is shown, and its errors as ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from anyseek.errors import DecodeError, InputError
from anyseek.media.image import Size, check_pixels
from anyseek.media.kind import demuxer, sniff
from anyseek.media.options import MediaOptions
from anyseek.media.source import Blob
from anyseek.media.truncation import check_whole

__all__ = ["DAMAGE", "Film", "decode", "decoding", "opened"]

DAMAGE = (FFmpegError, OSError, ValueError, LookupError, ArithmeticError, EOFError, MemoryError, RuntimeError)


class Film(NamedTuple):
    """An open video file."""

    container: InputContainer
    stream: VideoStream
    blob: Blob

    @property
    def seconds(self) -> float:
        """How long it lasts as its header says; 0 when it does not."""
        return (self.container.duration or 0) / 1e6


@contextmanager
def opened(blob: Blob, options: MediaOptions) -> Iterator[Film]:
    """Open the film and choose its stream: FFmpeg's best one that is not a cover picture.

    Raises:
        DecodeError: not a video, no picture stream, no decoder for it, or cut off at its end.
        LimitError: frames larger than `max_source_pixels`.
    """
    head = blob.head()
    kind = "gif" if head.startswith(b"GIF8") else demuxer(head)
    if kind is None:
        raise DecodeError(
            f"{blob.name} is not a video of a known kind (its content looks like {sniff(head) or 'nothing known'})"
        )
    with decoding(blob.name):
        # The protocol list is a second lock beside the fixed demuxer: nothing in a file can open an address.
        file = str(blob.path) if blob.path is not None else blob.open()
        options_of_ffmpeg = {"protocol_whitelist": "file"}
        with av.open(
            file, "r", format=kind, container_options=options_of_ffmpeg, metadata_errors="replace"
        ) as container:
            stream = _stream(container, blob.name)
            check_pixels(Size(stream.codec_context.width or 1, stream.codec_context.height or 1), blob.name, options)
            check_whole(container, stream, blob)
            stream.codec_context.thread_type = "AUTO"
            stream.codec_context.thread_count = options.decode_threads
            yield Film(container, stream, blob)


def _stream(container: InputContainer, name: str) -> VideoStream:
    """The stream to show; all others are not even read."""
    films = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    if not films:
        raise DecodeError(f"{name} holds no moving picture (streams: {_streams(container)})")
    best = container.streams.best("video")
    chosen = next((stream for stream in films if best is not None and stream.index == best.index), films[0])
    if chosen.codec_context is None:
        raise DecodeError(f"{name} is coded in a way that this FFmpeg cannot decode; convert it, for example to H.264")
    for stream in container.streams:
        if stream.index != chosen.index:
            stream.discard = Discard.all
    return chosen


def _streams(container: InputContainer) -> str:
    """The kinds of streams, for a message."""
    return ", ".join(sorted({stream.type for stream in container.streams})) or "none"


def decode(stream: VideoStream, packet: "Packet[VideoStream] | None") -> list[VideoFrame]:
    """Frames that come out when a packet goes in (None: the rest); a broken packet gives none."""
    try:
        return stream.codec_context.decode(packet)
    except DAMAGE:
        return []


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """FFmpeg's and PyAV's errors for bad bytes, as ours."""
    try:
        yield
    except InputError:
        raise
    except DAMAGE as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DecodeError(
            f"{name} cannot be decoded as a video, it is truncated or corrupt ({str(reason)[:160]})"
        ) from error
