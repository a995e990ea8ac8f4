"""Things of a library as answers tell of them: by ids and names, never by where the library's folders lie."""

import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from pydantic import Field

from anyseek.index import Kind
from anyseek.index.words import words as words_of
from anyseek.server.faults import Fault
from anyseek.server.parts import Strict
from anyseek.server.shelf import Shelf

if TYPE_CHECKING:
    from anyseek.index import Filter, StoredFile, Thing
    from anyseek.search import Answer

__all__ = ["ID", "Hit", "ThingAnswer", "found_thing", "hits_of", "told_thing"]

ID = r"^[0-9A-Za-z_-]{1,128}\.[0-9]{1,9}$"
"""Of a thing."""
SNIPPET = 300
BEFORE = 60
"""Characters of a snippet, and those before the word that it is about."""
THUMBNAILS = ("image", "page", "video")


class ThingAnswer(Strict):
    """A picture, a page, a passage of a text or a segment of a film."""

    id: str
    kind: Kind
    name: str
    path: str = Field(description="Below its folder.")
    folder: str = Field(description="Name of the folder that was indexed.")
    page: int | None = Field(description="Of a document, counted from 1.")
    start: float | None = Field(description="First second of a segment, or first character of a passage.")
    end: float | None
    text: str | None = Field(description="What stands there, or its part around a word that was asked for.")
    thumbnail: str | None = Field(description="Address of a small picture.")
    content: str = Field(description="Address of the file.")


class Copy(Strict):
    """Another file of the same content, or a picture that looks the same."""

    id: str
    folder: str
    path: str


class Other(Strict):
    """Another part of the same file that was found."""

    id: str
    page: int | None
    start: float | None
    end: float | None


class Hit(ThingAnswer):
    """A thing that was found."""

    score: float = Field(ge=0, le=1, description="What hits are sorted by.")
    similarity: float = Field(description="Cosine of the vectors.")
    probability: float | None = Field(description="That it is relevant, where a reranker or a judge has said so.")
    reranked: bool
    copies: list[Copy]
    others: list[Other]


def told_thing(thing: "Thing", file: "StoredFile", shelf: Shelf, words: Iterable[str] = ()) -> dict[str, Any]:
    """A thing and the file it is of, as `ThingAnswer`; its text about the first of some words that it has."""
    address = f"/v1/library/things/{thing.id}"
    return {
        "id": thing.id,
        "kind": thing.kind,
        "name": PurePosixPath(file.path).name,
        "path": file.path,
        "folder": shelf.name_of(file.root),
        "page": thing.page,
        "start": thing.start,
        "end": thing.end,
        "text": _snippet(thing.text, words) if thing.text else None,
        "thumbnail": f"{address}/thumbnail" if thing.kind in THUMBNAILS else None,
        "content": f"{address}/content",
    }


def hits_of(
    answers: Sequence["Answer"], shelf: Shelf, query: str, *, judged: bool, where: "Filter | None" = None
) -> list[dict[str, Any]]:
    """Answers of a library, each as `Hit`; one whose files were removed meanwhile is left out.

    Args:
        answers: best first.
        shelf: of the library.
        query: its words are what snippets show.
        judged: whether a judge has said how likely each is relevant.
        where: what they were asked with; files that do not fit it are not told.
    """
    hashes = {thing.hash for one in answers for thing in (one.thing, *one.copies)}
    files = shelf.library.store.files_of(hashes, where)
    words = _telling(query)
    told = []
    for one in answers:
        if one.thing.hash not in files:
            continue
        same = [(one.id, file) for file in files[one.thing.hash][1:]]
        same += [(thing.id, files[thing.hash][0]) for thing in one.copies if thing.hash in files]
        score = min(1.0, max(0.0, one.score))
        told.append(
            told_thing(one.thing, files[one.thing.hash][0], shelf, words)
            | {
                "score": score,
                "similarity": one.similarity,
                "probability": score if judged or one.reranked else None,
                "reranked": one.reranked,
                "copies": [{"id": id, "folder": shelf.name_of(file.root), "path": file.path} for id, file in same],
                "others": [
                    {"id": also.id, "page": also.page, "start": also.start, "end": also.end} for also in one.also
                ],
            }
        )
    return told


def found_thing(shelf: Shelf, id: str) -> tuple["Thing", list["StoredFile"]]:
    """A thing that the library has, and the files that hold it.

    Raises:
        Fault: 404.
    """
    store = shelf.library.store
    thing = store.things([id]).get(id)
    files = store.files_of([thing.hash]).get(thing.hash) if thing else None
    if thing is None or not files:
        raise Fault(404, f"the library has no thing {id!r}", "thing_not_found", param="id")
    return thing, files


def _telling(query: str) -> list[str]:
    """The words of a query, longest first: they say most. In bytes, since a Chinese character says as much as three."""
    found = dict.fromkeys(words_of(query, query=True).split())
    return sorted(found, key=lambda word: len(word.encode()), reverse=True)


def _snippet(text: str, words: Iterable[str]) -> str:
    """A short piece, about the first of some words that is there."""
    line = " ".join(text.split())
    start = max(0, _place(line, words) - BEFORE)
    piece = line[start : start + SNIPPET]
    return ("…" if start else "") + piece + ("…" if start + SNIPPET < len(line) else "")


def _place(line: str, words: Iterable[str]) -> int:
    """Where the first of some words that is there stands; 0 where none is."""
    signs = [_folded(sign) for sign in line]
    folded = "".join(signs)
    at = next((at for at in map(folded.find, words) if at >= 0), 0)
    return bisect_right(list(accumulate(map(len, signs))), at)


@lru_cache(1 << 12)
def _folded(sign: str) -> str:
    """A character as words have it: an accent by itself is nothing, what is in no word a space."""
    return words_of(sign) or ("" if unicodedata.combining(sign) else " ")
