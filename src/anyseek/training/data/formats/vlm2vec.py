"""VLM2Vec and MMEB-train: `qry`, `pos_text`, `neg_text` with paths of pictures, and `<|image_1|>` where one stands."""

import re
from itertools import zip_longest
from pathlib import Path
from typing import Any

from anyseek.errors import InputError
from anyseek.items import Image, Item, Part, Text
from anyseek.training.data.collector import Collector, Judged
from anyseek.training.data.formats.reading import Medium, Reading, files_of, for_each_row, listed

__all__ = ["read"]

MARK = re.compile(r"<\|image_\d+\|>\n?")
"""The newline belongs to the mark: their templates put it there."""


def read(source: Path, collector: Collector, how: Reading) -> None:
    """Rows of a Parquet, JSONL or JSON file, or of all in a folder. Instructions stay in the text, as they are there.

    Raises:
        InputError: a row is wrong.
    """
    files = files_of(source, ".parquet", ".jsonl", ".json")
    for_each_row(files, lambda row, path: _take(row, collector, how.beside(path)))


def _take(row: dict[str, Any], collector: Collector, medium: Medium) -> None:
    """One row, as published or as their loaders hold it."""
    loaded = "query_text" in row
    queries = _side(row, ("query_text", "query_image") if loaded else ("qry", "qry_image_path"), medium)
    picture = "image" if loaded else "image_path"
    positives, negatives = (_side(row, (f"{side}_text", f"{side}_{picture}"), medium) for side in ("pos", "neg"))
    if len(queries) != 1 or not positives:
        raise InputError("a row needs one query and a positive, each a text or a picture")
    collector.group(queries[0], map(Judged, positives), map(Judged, negatives))


def _side(row: dict[str, Any], keys: tuple[str, str], medium: Medium) -> list[Item]:
    """Items of one side; an empty text without a picture is none."""
    words, pictures = _words(row, keys[0]), _pictures(row, keys[1])
    if pictures and len(pictures) != max(1, len(words)):
        raise InputError(
            f"{keys[1]!r} has {len(pictures)} pictures for {len(words)} texts; frames of videos are not read"
        )
    pairs = zip_longest(words or [None], pictures)
    return [_item(text or "", medium(name) if name else None) for text, name in pairs if text or name]


def _words(row: dict[str, Any], key: str) -> list[str | None]:
    """Texts, one or a list; None where there is none."""
    cell = row.get(key)
    words = cell if isinstance(cell, list) else [cell]
    if not all(word is None or isinstance(word, str) for word in words):
        raise InputError(f"{key!r} must be a text or a list of texts (got {str(cell)[:60]!r})")
    return words


def _pictures(row: dict[str, Any], key: str) -> list[Any]:
    """Names or cells of pictures: a path, a list, or one object of lists of paths and bytes."""
    value = row.get(key)
    if isinstance(value, dict) and isinstance(value.get("paths"), list):
        return _cells(value)
    if isinstance(value, list) and value and isinstance(value[0], dict) and "paths" in value[0]:
        return [cell for one in value for cell in _cells(one)]
    return [one or None for one in value] if isinstance(value, list) else listed(value)


def _cells(value: dict[str, Any]) -> list[dict[str, Any] | None]:
    """Cells of path and bytes; None where neither is."""
    pairs = zip_longest(value["paths"], value.get("bytes") or [])
    return [{"path": name, "bytes": data} if name or data else None for name, data in pairs]


def _item(text: str, picture: Any) -> Item:
    """A text with its picture where the mark stands, or before the text."""
    before, *after = MARK.split(text)
    if len(after) > 1 or (after and picture is None):
        raise InputError(f"there are {len(after)} marks of pictures for {0 if picture is None else 1} of them")
    shown: list[Part] = [] if picture is None else [Image(picture)]
    words = [before, *shown, *after] if after else [*shown, before]
    return Item(tuple(Text(one) if isinstance(one, str) else one for one in words if one != ""))
