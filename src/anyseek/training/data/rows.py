"""Rows of queries and corpus, both ways: a row of JSON or Parquet, and an Item.

A row is the dictionary form of an item with an `id`. Where order matters, `content` holds the parts as they are read:
`{"text": ...}`, `{"image": path}`, `{"video": path, "fps", "max_frames"}`, `{"frames": paths, "rate", "fps",
"max_frames"}`, `{"page": path, "number": 1}`, `{"file": path}`.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unicodedata import category

from anyseek.errors import InputError
from anyseek.items import File, Image, Item, Limits, Page, Part, Text, Video
from anyseek.training.data.about import check_keys
from anyseek.training.data.places import inside

__all__ = ["Put", "check_id", "digest_of", "item_of", "media_of", "relevance_of", "row_of"]

DICTIONARY = ("text", "image", "video", "fps", "max_frames")
ITEM_KEYS = ("id", *DICTIONARY, "content", "instruction")
RELEVANCE_KEYS = ("query", "positives", "negatives", "scores")
PARTS = {
    "text": ("text",),
    "image": ("image",),
    "video": ("video", "fps", "max_frames"),
    "frames": ("frames", "fps", "max_frames", "rate"),
    "page": ("page", "number"),
    "file": ("file",),
}

Put = Callable[[Any, str], str]
"""Stores a source of a kind (`image`, `video`, `pdf` or any) and gives the name that rows know it by."""


def item_of(row: Mapping[str, Any], folder: Path) -> Item:
    """The item a row describes; nothing is opened.

    Args:
        row: with its `id`; keys whose value is None count as absent.
        folder: of the dataset, absolute and without links.

    Raises:
        InputError: an unknown key, a value of a wrong type, nothing to read, or a medium outside the folder.
    """
    given = {key: value for key, value in row.items() if value is not None}
    check_keys(given, ITEM_KEYS, "row")
    given.pop("id", None)
    instruction = given.pop("instruction", None)
    content = given.pop("content", None)
    if content is not None:
        if given:
            raise InputError(f"a row with 'content' has no {', '.join(map(repr, given))} beside it")
        if not isinstance(content, (list, tuple)):
            raise InputError(f"'content' must be a list of parts (got {type(content).__name__})")
        item = Item(tuple(_part(part, folder) for part in content), instruction)
    else:
        for key in ("image", "video"):
            if key in given:
                given[key] = _placed(given[key], folder, key)
        item = Item.of({**given, "instruction": instruction})
    if not item.parts:
        raise InputError("a row needs a text, an image or a video")
    return item


def _placed(value: Any, folder: Path, key: str) -> Any:
    """Media of the dictionary form as paths: one or a list; films of frames may be a list of lists."""
    if not isinstance(value, (list, tuple)):
        return inside(folder, value)
    if not value:
        raise InputError(f"{key!r} is an empty list; leave it out")
    if key == "video" and all(isinstance(one, (list, tuple)) for one in value):
        return [_placed(one, folder, "frames") for one in value]
    return [inside(folder, one) for one in value]


def _part(value: Any, folder: Path) -> Part:
    """One part of `content`."""
    if not isinstance(value, Mapping):
        raise InputError(f"a part of 'content' must be an object (got {type(value).__name__})")
    part = {key: entry for key, entry in value.items() if entry is not None}
    kind = next((kind for kind in PARTS if kind in part), None)
    if kind is None:
        raise InputError(
            f"a part of 'content' has one of {', '.join(PARTS)} (got {', '.join(map(str, part)) or 'none'})"
        )
    check_keys(part, PARTS[kind], "part")
    source = part.pop(kind)
    if kind == "text":
        return Text(source)
    if kind == "frames":
        if not isinstance(source, (list, tuple)) or not source:
            raise InputError(f"'frames' must be a list of pictures (got {source!r})")
        return Video([inside(folder, one) for one in source], **part)
    path = inside(folder, source)
    if kind == "page":
        return Page(path, _page_number(part.get("number", 1)))
    if kind == "video":
        return Video(path, **part)
    return Image(path) if kind == "image" else File(path)


def _page_number(value: Any) -> int:
    """A page, counted from 1."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(f"the number of a page is a whole number from 1 (got {value!r})")
    return value


def check_id(value: Any, what: str) -> None:
    """Raise InputError for what cannot be an id: no text, an empty one, or one with tabs, line ends and the like."""
    if not isinstance(value, str) or not value:
        raise InputError(f"{what} must be a text that is not empty (got {value!r})")
    if any(category(letter) in ("Cc", "Cs") for letter in value):
        raise InputError(f"{what} holds a control character ({value[:60]!r})")


def relevance_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of relevance with every key: `query`, tuples `positives` and `negatives`, `scores` by id.

    Raises:
        InputError: an unknown key, a value of a wrong type, or an id that stands where it must not.
    """
    check_keys(row, RELEVANCE_KEYS, "row")
    query = row.get("query")
    check_id(query, "'query'")
    positives, negatives = (_ids(row.get(key), key) for key in ("positives", "negatives"))
    if both := set(positives) & set(negatives):
        raise InputError(f"{min(both)!r} is both a positive and a negative")
    return {"query": query, "positives": positives, "negatives": negatives, "scores": _scores(row.get("scores"))}


def _ids(value: Any, key: str) -> tuple[str, ...]:
    """Ids of documents, each once."""
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, str) for one in value):
        raise InputError(f"{key!r} must be a list of ids (got {str(value)[:60]!r})")
    if len(set(value)) < len(value):
        raise InputError(f"{key!r} names {next(one for one in value if value.count(one) > 1)!r} twice")
    return tuple(value)


def _scores(value: Any) -> dict[str, float]:
    """Scores by id; Parquet gives a map as a list of pairs."""
    if value is None:
        return {}
    listed = isinstance(value, list) and all(isinstance(one, tuple) and len(one) == 2 for one in value)
    pairs = dict(value) if listed else value
    if not isinstance(pairs, Mapping):
        raise InputError(f"'scores' must be an object of numbers by id (got {type(value).__name__})")
    scores = {key: one for key, one in pairs.items() if one is not None}
    for key, one in scores.items():
        if not isinstance(one, (int, float)) or isinstance(one, bool) or not abs(one) < float("inf"):
            raise InputError(f"the score of {key!r} must be a finite number (got {one!r})")
    return {str(key): float(one) for key, one in scores.items()}


def row_of(item: Item, put: Put) -> dict[str, Any]:
    """The row of an item, without its id: the dictionary form where that keeps the order, else `content`.

    Args:
        item: what to write.
        put: stores the media.

    Raises:
        InputError: the item has no parts, or limits that a row cannot say.
    """
    if not item.parts:
        raise InputError("an item of a dataset needs a text, an image or a video")
    if item.limits != Limits():
        raise InputError("an item of a dataset has no limits; give fps and max_frames to its videos")
    said = [_said(part, put) for part in item.parts]
    row = _dictionary(item.parts, said) or {"content": said}
    return row | ({} if item.instruction is None else {"instruction": item.instruction})


def _said(part: Part, put: Put) -> dict[str, Any]:
    """One part as `content` says it."""
    match part:
        case Text():
            return {"text": part.text}
        case Image():
            return {"image": put(part.source, "image")}
        case Page():
            return {"page": put(part.source, "pdf"), "number": part.number}
        case File():
            return {"file": put(part.source, "")}
        case Video():
            said: dict[str, Any] = {}
            if part.is_frames:
                said = {"frames": [put(one, "image") for one in part.source], "rate": part.rate}
            else:
                said = {"video": put(part.source, "video")}
            said |= {"fps": part.fps, "max_frames": part.max_frames}
            return {key: value for key, value in said.items() if value is not None}


def _dictionary(parts: Sequence[Part], said: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The dictionary form of parts, or None where it would say something else."""
    if any(isinstance(part, (Page, File)) or (isinstance(part, Video) and part.is_frames) for part in parts):
        return None  # whether a list is frames would hang on the ending of a name
    order = [("video", "image", "text").index(next(iter(one))) for one in said]
    if order != sorted(order) or order.count(0) > 1:
        return None
    row: dict[str, Any] = dict(said[0]) if order[0] == 0 else {}
    for key in ("image", "text"):
        values = [one[key] for one in said if key in one]
        if values:
            row[key] = values if len(values) > 1 else values[0]
    return row


def digest_of(row: Mapping[str, Any]) -> bytes:
    """16 bytes that stand for what `row_of` gave: equal for equal rows."""
    return hashlib.blake2b(json.dumps(row, sort_keys=True).encode(), digest_size=16).digest()


def media_of(item: Item) -> Iterator[tuple[Path, str]]:
    """Every file an item shows, with its kind: `image`, `video`, `pdf`, or empty where any will do."""
    for part in item.parts:
        match part:
            case Image():
                yield Path(part.source), "image"
            case Page():
                yield Path(part.source), "pdf"
            case File():
                yield Path(part.source), ""
            case Video():
                frames = part.source if part.is_frames else [part.source]
                yield from ((Path(one), "image" if part.is_frames else "video") for one in frames)
