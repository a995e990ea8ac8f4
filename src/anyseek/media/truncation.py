"""Films that are cut off: containers that say how long they are get compared with the bytes that are there."""

from av.container import InputContainer
from av.video.stream import VideoStream

from anyseek.errors import DecodeError
from anyseek.media.source import Blob

__all__ = ["check_whole"]

SEGMENT = b"\x18\x53\x80\x67"
RIFF_SLACK = 16


def check_whole(container: InputContainer, stream: VideoStream, blob: Blob) -> None:
    """Raise DecodeError when the end of a MP4/MOV, Matroska/WebM or AVI file is missing.

    The last sample of an MP4's table, the size of a Matroska segment and that of AVI's first RIFF list must lie inside
    the file. Streams made for cutting anywhere (MPEG-TS, MPEG-PS, FLV, a live Matroska) cannot tell.
    """
    name, end = container.format.name, None
    if name.startswith("mov"):
        _check_samples(stream, blob)
    elif name.startswith("matroska"):
        end = segment_end(blob.head())
    elif name == "avi":
        end = riff_end(blob.head())
    if end is not None and end > blob.size:
        raise DecodeError(f"{blob.name} is cut off: {blob.size:,} of {end:,} bytes are there; get the whole file")


def _check_samples(stream: VideoStream, blob: Blob) -> None:
    """Compare the table of samples with the size of the file."""
    samples = stream.index_entries
    if not len(samples) or samples[-1].pos + samples[-1].size <= blob.size:
        return
    there = sum(sample.pos + sample.size <= blob.size for sample in samples)
    raise DecodeError(f"{blob.name} is cut off: {there} of {len(samples)} frames are there; get the whole file")


def riff_end(head: bytes) -> int | None:
    """Where AVI's first RIFF list must end, or None when it does not say; sloppy writers are forgiven a few bytes."""
    size = int.from_bytes(head[4:8], "little")
    return None if size in (0, 0xFFFFFFFF) else 8 + size - RIFF_SLACK


def segment_end(head: bytes) -> int | None:
    """Where a Matroska file must end, or None when it does not say (RFC 8794: an all-ones size is unknown)."""
    header = _size(head, 4)
    if header is None:
        return None
    at = header[0] + header[1]
    segment = _size(head, at + 4) if head[at : at + 4] == SEGMENT else None
    return None if segment is None else segment[0] + segment[1]


def _size(head: bytes, at: int) -> tuple[int, int] | None:
    """(where the content begins, its bytes) of the EBML element whose size field is at `at`."""
    first = head[at] if at < len(head) else 0
    length = 9 - first.bit_length()
    if first == 0 or at + length > len(head):
        return None
    value = int.from_bytes(head[at : at + length], "big") & ((1 << 7 * length) - 1)
    return None if value == (1 << 7 * length) - 1 else (at + length, value)
