"""Bytes to pixels: loading with limits, pictures, videos, PDF pages and text files."""

from anyseek.media.array import numbers_of
from anyseek.media.encode import encode_image
from anyseek.media.image import Size, load_image, probe_image
from anyseek.media.kind import Kind, sniff
from anyseek.media.moments import Clock, clock_of, film_length, seen_at
from anyseek.media.options import MediaOptions
from anyseek.media.pdf import PageInfo, count_pages, page_text, probe_page, render_page
from anyseek.media.source import Blob, open_source
from anyseek.media.text import first_text, read_text, unmarked_utf16
from anyseek.media.thumbnail import Glimpse, film_thumbnail, glimpse, page_thumbnail, picture_thumbnail
from anyseek.media.video import VideoInfo, film_seconds, iterate_frames, probe_video, read_frames

__all__ = [
    "Blob",
    "Clock",
    "Glimpse",
    "Kind",
    "MediaOptions",
    "PageInfo",
    "Size",
    "VideoInfo",
    "clock_of",
    "count_pages",
    "encode_image",
    "film_length",
    "film_seconds",
    "film_thumbnail",
    "first_text",
    "glimpse",
    "iterate_frames",
    "load_image",
    "numbers_of",
    "open_source",
    "page_text",
    "page_thumbnail",
    "picture_thumbnail",
    "probe_image",
    "probe_page",
    "probe_video",
    "read_frames",
    "read_text",
    "render_page",
    "seen_at",
    "sniff",
    "unmarked_utf16",
]
