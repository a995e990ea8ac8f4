"""A file becomes things: a picture, the pages of a PDF, passages of a text, segments of a film."""

import hashlib
import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from anyseek.errors import ConfigError, InputError
from anyseek.index import Thing
from anyseek.items import Image, Item, Page, Text, Video
from anyseek.media import (
    Blob,
    Clock,
    MediaOptions,
    clock_of,
    count_pages,
    film_length,
    film_thumbnail,
    first_text,
    open_source,
    page_text,
    page_thumbnail,
    picture_thumbnail,
    probe_video,
    read_text,
)
from anyseek.search.mail import is_mail, text_of_mail
from anyseek.search.markup import HEAD, is_html, text_of_html, text_of_markdown
from anyseek.search.office import office_form, office_text
from anyseek.search.passages import passages
from anyseek.search.sources import kind_of

__all__ = ["Cutting", "Unread", "content_of", "form_of", "item_of", "pieces_of", "thumbnail_of"]

MARKDOWN = frozenset({".md", ".markdown"})
HTML = frozenset({".html", ".htm", ".xhtml"})
PAGE_TEXT = 100_000
"""Most characters of a page that its words are found by."""
LEAST_FRAMES = 8

Span = tuple[float, float]
"""First and last second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutting:
    """How long files are cut into things.

    Attributes:
        passage_bytes: most bytes of a passage (about four to a token in English, three to a Chinese character).
        passage_overlap: most bytes that neighbouring passages share.
        segment_seconds: length of a segment of a film.
        segment_overlap: seconds that neighbouring segments share; less than their length.
    """

    passage_bytes: int = 2000
    passage_overlap: int = 300
    segment_seconds: float = 16.0
    segment_overlap: float = 4.0

    def __post_init__(self) -> None:
        """Raise ConfigError for numbers that leave no room."""
        next(passages("", self.passage_bytes, self.passage_overlap), None)
        if not 0 <= self.segment_overlap < self.segment_seconds:
            raise ConfigError(
                f"segments of {self.segment_seconds:g} s that share {self.segment_overlap:g}: share less than the whole"
            )

    def policy(self) -> dict[str, Any]:
        """What a library's fingerprint says of it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Unread:
    """A part of a file that could not be read, while others can."""

    part: int
    error: InputError


def form_of(blob: Blob) -> str | None:
    """What a file is, by its content: image, video, pdf, text, docx, pptx, xlsx, rtf, or None for anything else.

    Raises:
        DecodeError: text in an encoding that is not read.
    """
    return office_form(blob) or kind_of(blob)


def content_of(path: Path, blob: Blob, form: str | None, content: str) -> str:
    """What the content of a file is known by: its hash, and another one where the file's name says how it is read.

    A text that is called `a.md` has other passages than the same called `a.txt`. HTML that begins as such is read as
    HTML in any case, and keeps its hash.

    Args:
        path: the file.
        blob: what it holds.
        form: as `form_of` tells it.
        content: hash of its bytes.

    Returns:
        32 hexadecimal digits, or `content`.

    Raises:
        SourceError: the file went away.
    """
    named = _named(path)
    if named is None or form != "text" or is_html(first_text(blob, HEAD)):
        return content
    return hashlib.blake2b(f"{content} {named}".encode(), digest_size=16).hexdigest()


def pieces_of(path: Path, content: str, media: MediaOptions, cutting: Cutting) -> Iterator[Thing | Unread]:
    """The things of a file one by one, in a fixed order, without thumbnails; memory does not grow with their number.

    Args:
        path: the file.
        content: hash of its content.
        media: limits of decoding.
        cutting: how long files are cut.

    Yields:
        Things whose parts count from 0, and in their place what could not be read of a document.

    Raises:
        InputError: the file as a whole cannot be read.
    """
    blob = open_source(path, media)
    form = form_of(blob)
    if form == "image":
        yield Thing(hash=content, part=0, kind="image")
    elif form == "pdf":
        yield from _pages(blob, content, media)
    elif form == "video":
        yield from _segments(blob, content, media, cutting)
    elif form is not None:
        sections = _text(blob, _named(path), media) if form == "text" else office_text(blob, form, media)  # type: ignore[arg-type]
        yield from _passages(sections, content, cutting)


def item_of(thing: Thing, path: Path) -> Item:
    """What the models read of a thing, for its vector and for its score: always the same.

    Args:
        thing: of the file.
        path: where the file lies now.
    """
    if thing.kind == "image":
        return Item((Image(path),))
    if thing.kind == "page":
        return Item((Page(path, thing.page or 1),))
    if thing.kind == "video":
        return Item((Video(path, start=thing.start, end=thing.end),))
    return Item((Text(thing.text or ""),))


def thumbnail_of(thing: Thing, path: Path, media: MediaOptions) -> bytes | None:
    """A small picture of a thing; None for a text.

    Raises:
        InputError: it cannot be decoded.
    """
    if thing.kind == "image":
        return picture_thumbnail(path, media)
    if thing.kind == "page":
        return page_thumbnail(path, thing.page or 1, media)
    if thing.kind == "video":
        return film_thumbnail(path, ((thing.start or 0) + (thing.end or 0)) / 2, media)
    return None


def _pages(blob: Blob, content: str, media: MediaOptions) -> Iterator[Thing | Unread]:
    """Each page with its own text."""
    for part in range(count_pages(blob, media)):
        try:
            text = page_text(blob, part + 1, media)[:PAGE_TEXT].strip()
        except InputError as error:
            yield Unread(part, error)
        else:
            yield Thing(hash=content, part=part, kind="page", page=part + 1, text=text or None)


def _segments(blob: Blob, content: str, media: MediaOptions, cutting: Cutting) -> Iterator[Thing]:
    """Segments of equal length that overlap; the last one ends with the film, and a short film is one.

    A film of constant rate with few frames in each is one too. Where the rate varies, as of screens that are recorded
    when they change, neighbours are one that show the same.
    """
    whole, clock = film_length(blob, media), clock_of(blob)
    spans: Iterable[Span] = _spans(whole, cutting)
    if clock is not None:
        spans = _differing(spans, clock)
    elif cutting.segment_seconds * probe_video(blob, media).rate < LEAST_FRAMES:
        spans = [(0.0, whole)]
    for part, (start, end) in enumerate(spans):
        yield Thing(hash=content, part=part, kind="video", start=start, end=end)


def _spans(whole: float, cutting: Cutting) -> Iterator[Span]:
    """Where the segments of a film of so many seconds begin and end."""
    length, step = cutting.segment_seconds, cutting.segment_seconds - cutting.segment_overlap
    if whole <= length * 1.25:
        yield 0.0, whole
        return
    for part in range(math.ceil((whole - length) / step) + 1):
        start = min(part * step, whole - length)
        yield start, min(start + length, whole)


def _differing(spans: Iterable[Span], clock: Clock) -> Iterator[Span]:
    """Spans, neighbours in which the same frames are seen as one."""
    for _, alike in itertools.groupby(spans, lambda span: (clock.place(span[0]), clock.following(span[1]))):
        same = list(alike)
        yield same[0][0], same[-1][1]


def _passages(sections: Iterable[tuple[int | None, str]], content: str, cutting: Cutting) -> Iterator[Thing]:
    """Passages of what a file says, with the number of their slide; a slide is never joined with the next."""
    part = 0
    for page, text in sections:
        for passage in passages(text, cutting.passage_bytes, cutting.passage_overlap):
            yield Thing(
                hash=content,
                part=part,
                kind="text",
                page=page,
                start=float(passage.start),
                end=float(passage.end),
                text=passage.text,
            )
            part += 1


def _text(blob: Blob, named: str | None, media: MediaOptions) -> Iterator[tuple[None, str]]:
    """The text of a file as a reader sees it."""
    text = read_text(blob, media)
    if named == "html" or is_html(text):
        text = text_of_html(text)
    elif named == "markdown":
        text = text_of_markdown(text)
    elif is_mail(text):
        text = text_of_mail(text)
    yield None, text


def _named(path: Path) -> str | None:
    """How a text is read by its name; None for as it is, or as it begins."""
    suffix = path.suffix.lower()
    return "html" if suffix in HTML else "markdown" if suffix in MARKDOWN else None
