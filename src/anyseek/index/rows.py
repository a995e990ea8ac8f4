"""What a library holds: things that can be found, the files they come from, and what recall gives."""

import re
from dataclasses import dataclass
from typing import Literal, get_args

from anyseek.errors import InputError

__all__ = [
    "KINDS",
    "FileKey",
    "Kind",
    "Recalled",
    "State",
    "StoredFile",
    "Thing",
    "hash_of",
    "is_unicode",
    "thing_id",
]

Kind = Literal["image", "page", "text", "video"]
KINDS: tuple[str, ...] = get_args(Kind)
State = Literal["done", "failed"]
FileKey = tuple[str, str]
"""Root and path of a file: what its row is known by."""

HASH = re.compile(r"[0-9A-Za-z_-]{1,128}")


def thing_id(content: str, part: int) -> str:
    """The id of a part of a content."""
    return f"{content}.{part}"


def hash_of(id: str) -> str:
    """The hash of the content that a thing is part of."""
    return id.rpartition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One thing that can be found: a picture, a page, a passage, a segment. It hangs on a content, not on a path.

    Attributes:
        hash: of the content of the file, letters, digits, `-` and `_`; files of equal content share their things.
        part: number of the thing in its file, from 0.
        kind: what it is.
        page: page of a document, counted from 1.
        start: first second of a segment of a film, or first character of a passage.
        end: likewise the last.
        text: what the full-text leg reads; None for none.
        thumbnail: bytes of a small picture; None for none, or where it was not asked for.
    """

    hash: str
    part: int
    kind: Kind
    page: int | None = None
    start: float | None = None
    end: float | None = None
    text: str | None = None
    thumbnail: bytes | None = None

    def __post_init__(self) -> None:
        """Raise InputError for a hash, part or kind that cannot be kept."""
        if not HASH.fullmatch(self.hash):
            raise InputError(f"hash must be 1 to 128 letters, digits, - or _ (got {self.hash!r})")
        if self.part < 0:
            raise InputError(f"part counts from 0 (got {self.part})")
        if self.kind not in KINDS:
            raise InputError(f"kind must be one of {', '.join(KINDS)} (got {self.kind!r})")

    @property
    def id(self) -> str:
        """What it is known by: the same thing of the same content always has the same id."""
        return thing_id(self.hash, self.part)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file that was looked at.

    Attributes:
        root: folder that was indexed, as the caller writes it.
        path: below the root, with `/` between its parts.
        hash: of its content; None for one that could not be read.
        size: bytes.
        mtime: time of the last change, in nanoseconds since 1970.
        state: `done`, all its things are stored, or `failed`.
        reason: why it failed.
        tags: the user's own; None keeps those that the row has, and gives a new row none.
    """

    root: str
    path: str
    hash: str | None
    size: int
    mtime: int
    state: State = "done"
    reason: str | None = None
    tags: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Raise InputError for a row that contradicts itself or cannot be kept."""
        for name in ("root", "path"):
            value = getattr(self, name)
            if not is_unicode(value):
                raise InputError(f"{name} {value!r} is not Unicode; rename the file")
        if self.state == "done" and self.hash is None:
            raise InputError(f"{self.path}: a file that is done has a hash")

    @property
    def key(self) -> FileKey:
        """What its row is known by."""
        return self.root, self.path


def is_unicode(text: str) -> bool:
    """Whether a name can be written as UTF-8; Python reads other bytes of names as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Recalled:
    """One candidate.

    Attributes:
        id: of the thing.
        similarity: cosine with the query, or the score of the full-text leg (BM25: larger is better, no upper end).
    """

    id: str
    similarity: float
