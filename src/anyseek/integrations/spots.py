"""Where a thing that was found lies: said as metadata, read by a model, shown to people and to other models."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from anyseek.errors import InputError
from anyseek.index.rows import KINDS
from anyseek.items import File, Image, Item, Page, Part, Text, Video
from anyseek.media import MediaOptions, encode_image, film_length, probe_page, render_page, seen_at
from anyseek.search import Answer

__all__ = ["SEEN", "SIDE", "Spot", "about", "data_uri", "input_of"]

SEEN = ("image", "page", "video")
"""Kinds of which there is more than words."""
SIDE = 1536
"""Longest side in pixels of a picture that is handed on: the text of a page can be read at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A picture, a page of a document, a segment of a film, or a passage of a text.

    Attributes:
        path: of the file.
        kind: `image`, `page`, `video`, `text`; None for a file whose content is to tell.
        page: page of a document, counted from 1.
        start: first second of a segment of a film; first character of a passage.
        end: likewise the last.
    """

    path: Path
    kind: str | None = None
    page: int | None = None
    start: float | None = None
    end: float | None = None

    @classmethod
    def of(cls, found: Answer | Mapping[str, Any]) -> "Spot":
        """Where an answer of a library lies, or what metadata speak of.

        Args:
            found: an answer (of copies, the first that is still there), or metadata with `path` and, as far as they
                are known, `kind`, `page`, `start` and `end`.

        Raises:
            InputError: metadata without a path, or of an unknown kind.
        """
        if isinstance(found, Answer):
            path = next((path for path in found.paths if path.is_file()), found.paths[0])
            thing = found.thing
            return cls(path=path, kind=thing.kind, page=thing.page, start=thing.start, end=thing.end)
        kind = found.get("kind")
        if kind is not None and kind not in KINDS:
            raise InputError(f"metadata of kind {kind!r} are unknown; the kinds are {', '.join(KINDS)}")
        if not isinstance(found.get("path"), (str, Path)):
            raise InputError(f"metadata say no path (they have {', '.join(map(str, found)) or 'nothing'})")
        page = found.get("page")
        page = int(page) if isinstance(page, float) and page.is_integer() else page  # some stores know floats only
        return cls(path=Path(found["path"]), kind=kind, page=page, start=found.get("start"), end=found.get("end"))

    @property
    def metadata(self) -> dict[str, Any]:
        """What `of` takes, without what is not known: some stores refuse None."""
        known = {name: getattr(self, name) for name in ("kind", "page", "start", "end")}
        return {"path": str(self.path)} | {name: value for name, value in known.items() if value is not None}

    @property
    def part(self) -> Part:
        """What a model reads here, as a library embeds it.

        Raises:
            InputError: a passage, whose text is not in the file as such.
        """
        if self.kind == "text":
            raise InputError(f"{self.path.name}: a passage is read from its own text, not from its file")
        if self.kind == "image":
            return Image(self.path)
        if self.kind == "video":
            return Video(self.path, start=self.start, end=self.end)
        return Page(self.path, self.page or 1) if self.kind == "page" or self.page else File(self.path)

    def jpeg(self, side: int = SIDE, media: MediaOptions = MediaOptions()) -> bytes:
        """The picture, the page, or the frame in the middle of the segment, as the bytes of a JPEG file.

        Args:
            side: longest side in pixels; pages have it, pictures and frames at most.
            media: sources allowed and limits.

        Raises:
            InputError: there is nothing to see (a text), or it cannot be decoded.
        """
        if self.kind == "text" or (self.kind is None and not self.page):
            raise InputError(f"{self.path.name}: {self.kind or 'a file of no known kind'} has no picture")
        options = replace(media, exif_orientation=True)  # for who looks at it, not for the models of this project
        source: Any = self.path
        if self.kind == "video":
            source = self._frame(options)
        elif self.kind != "image":
            source = self._page(side, options)
        return encode_image(source, options, form="JPEG", side=side)

    def _page(self, side: int, media: MediaOptions) -> Any:
        """The page as a picture."""
        number = self.page or 1
        return render_page(self.path, number, probe_page(self.path, number, media).within(side), media)

    def _frame(self, media: MediaOptions) -> Any:
        """`(height, width, 3)` in the middle of the segment, as players show it."""
        end = self.end if self.end is not None else film_length(self.path, media)
        return seen_at(self.path, ((self.start or 0.0) + end) / 2, media)


def about(answer: Answer) -> dict[str, Any]:
    """Metadata of an answer: its spot, its score, and its id for `Library.like` and `Library.thumbnail`."""
    return Spot.of(answer).metadata | {"score": answer.score, "id": answer.id}


def input_of(text: str, metadata: Mapping[str, Any]) -> Item:
    """What a reranker reads of something that another library hands over.

    Metadata that say that a picture, page or film lies at a path lead there. Otherwise the text is read, and the file
    at the path only when there is no text: a path that means something else to somebody else is left alone.

    Args:
        text: of it.
        metadata: of it.

    Raises:
        InputError: a kind without its path, or neither text nor a known kind.
    """
    kind = metadata.get("kind")
    if kind in SEEN or (kind != "text" and not text.strip() and "path" in metadata):
        return Item((Spot.of(metadata).part,))
    return Item((Text(text),))


def data_uri(jpeg: bytes) -> str:
    """The bytes of a JPEG file as an address that holds them."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
