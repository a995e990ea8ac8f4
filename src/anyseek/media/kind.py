"""What bytes are, told by their content and never by a name."""

import codecs
from typing import Literal

from PIL import features

__all__ = ["Kind", "demuxer", "image_format", "sniff"]

Kind = Literal["image", "video", "pdf", "text"]

PICTURES = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
)
BITMAP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)
FILMS = (
    (b"\x1a\x45\xdf\xa3", "matroska"),
    (b"FLV\x01", "flv"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (b"\0\0\x01\xba", "mpeg"),
    (b"\0\0\x01\xb3", "mpegvideo"),
)
ATOMS = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"moof", b"styp")
AVIF_BRANDS = frozenset({b"avif", b"avis"})
STILL_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1", b"jxl ", b"crx "})
SOUND_BRANDS = frozenset({b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B "})
OGG_FILMS = (b"\x80theora", b"OVP80", b"BBCD")
BLANKS = frozenset("\t\n\r\f\v\x1b\x85")


def sniff(head: bytes) -> Kind | None:
    """The kind of a file by its first bytes (4096 are enough), None when it is none of them.

    Pictures: JPEG, PNG, GIF, WebP, BMP, TIFF, JPEG 2000, and AVIF where Pillow can read it. Films: MP4, MOV, 3GP,
    Matroska, WebM, AVI, MPEG-TS, MPEG-PS, FLV, Ogg, WMV. PDF with its header in the first 1024 bytes. Text: UTF-8 or
    UTF-16 with its mark, without control characters. A GIF is a picture here, although `probe_video` also reads it as a
    film.
    """
    if image_format(head):
        return "image"
    if head.lstrip(b"\xef\xbb\xbf \t\r\n\0").startswith(b"%PDF-"):
        return "pdf"
    if demuxer(head):
        return "video"
    if is_text(head):
        return "text"
    return "pdf" if b"%PDF-" in head[:1024] else None


def image_format(head: bytes) -> str | None:
    """Pillow's name of a picture format this room reads, or None."""
    for mark, name in PICTURES:
        if head.startswith(mark):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in BITMAP_HEADERS:
        return "BMP"
    if _brands(head) & AVIF_BRANDS and features.check("avif"):
        return "AVIF"
    return None


def demuxer(head: bytes) -> str | None:
    """FFmpeg's name of a film format this room reads, or None.

    It is passed to FFmpeg, so that no file can make it choose a playlist format, which would open other files and
    addresses.
    """
    for mark, name in FILMS:
        if head.startswith(mark):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return "avi"
    if head[:4] == b"OggS":
        return "ogg" if any(mark in head for mark in OGG_FILMS) else None
    if head[4:8] == b"ftyp":
        brands = _brands(head)
        return None if head[8:12] in SOUND_BRANDS | STILL_BRANDS or brands & AVIF_BRANDS else "mov"
    if head[4:8] in ATOMS and not is_text(head):
        return "mov"
    return "mpegts" if _is_transport_stream(head) else None


def is_text(head: bytes) -> bool:
    """True for UTF-8, or UTF-16 with its mark, without control characters; the last character may be cut."""
    coding = "utf-8"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        coding = "utf-16"
    try:
        text = codecs.getincrementaldecoder(coding)().decode(head)
    except UnicodeDecodeError:
        return False
    return bool(text) and all((letter >= " " and letter != "\x7f") or letter in BLANKS for letter in text)


def _brands(head: bytes) -> frozenset[bytes]:
    """The brands of an ISO file: its major one and those it is compatible with."""
    if head[4:8] != b"ftyp":
        return frozenset()
    end = min(int.from_bytes(head[:4], "big"), 512, len(head))
    return frozenset({head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))})


def _is_transport_stream(head: bytes) -> bool:
    """Sync bytes at three packets running: plain (188), with time codes (192) or with parity (204)."""
    for start, step in ((0, 188), (4, 192), (0, 204)):
        if all(head[start + step * n : start + step * n + 1] == b"G" for n in range(3)):
            return not is_text(head)
    return False
