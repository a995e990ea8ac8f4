"""ms-swift: chats of a query, its positives and its negatives, with `<image>` and `<video>` where media stand."""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from anyseek.errors import InputError
from anyseek.items import Image, Item, Part, Text, Video
from anyseek.training.data.collector import Collector, Judged
from anyseek.training.data.dataset import Dataset, Example
from anyseek.training.data.formats.reading import Medium, Reading, files_of, for_each_row, listed, number, sources_of
from anyseek.training.data.formats.writing import write_lines

__all__ = ["read", "write"]

MARK = re.compile("(<image>|<video>)")


def read(source: Path, collector: Collector, how: Reading) -> None:
    """Rows of a JSONL file, or of all in a folder; a label grades the one positive.

    Raises:
        InputError: a row is wrong.
    """
    files = files_of(source, ".jsonl", ".json")
    for_each_row(files, lambda row, path: _take(row, collector, how.beside(path)))


def _take(row: dict[str, Any], collector: Collector, medium: Medium) -> None:
    """One row."""
    query = _item(row.get("messages"), (listed(row.get("images")), listed(row.get("videos"))), medium)
    positives, negatives = (list(_side(row, side, medium)) for side in ("positive", "negative"))
    label = row.get("label")
    if label is None:
        collector.group(query, map(Judged, positives), map(Judged, negatives))
        return
    if len(positives) != 1 or negatives:
        raise InputError("a 'label' needs exactly one positive and no negatives beside it")
    collector.labelled(query, positives[0], number(label, "label"))


def _side(row: dict[str, Any], side: str, medium: Medium) -> Iterator[Item]:
    """Documents of one side."""
    chats = listed(row.get(f"{side}_messages"))
    shown: list[list[list[Any]]] = []
    for kind in ("images", "videos"):
        cells = listed(row.get(f"{side}_{kind}"))
        if cells and len(cells) != len(chats):
            raise InputError(f"'{side}_{kind}' has {len(cells)} lists for {len(chats)} '{side}_messages'")
        shown.append([listed(cell) for cell in cells or [None] * len(chats)])
    for chat, images, videos in zip(chats, *shown, strict=True):
        yield _item(chat, (images, videos), medium)


def _item(chat: Any, media: tuple[list[Any], list[Any]], medium: Medium) -> Item:
    """One chat with its images and videos; those that no mark names stand first, as there."""
    if not isinstance(chat, list) or not all(
        isinstance(turn, dict) and isinstance(turn.get("content"), str) for turn in chat
    ):
        raise InputError(f"a chat must be a list of turns with a text as 'content' (got {str(chat)[:60]!r})")
    system = [turn["content"] for turn in chat if turn.get("role") == "system"]
    pieces = [piece for turn in chat if turn.get("role") != "system" for piece in MARK.split(turn["content"]) if piece]
    images = iter([Image(medium(one)) for one in media[0]])
    videos = iter([Video(sources_of(one, medium)) for one in media[1]])
    marks = {"<image>": len(media[0]), "<video>": len(media[1])}
    parts: list[Part] = []
    for mark, held in marks.items():
        spare = held - pieces.count(mark)
        if spare < 0:
            raise InputError(f"there are {pieces.count(mark)} {mark} for {held} of its media")
        first: Iterator[Part] = images if mark == "<image>" else videos
        parts += islice(first, spare)
    for piece in pieces:
        parts.append(next(images) if piece == "<image>" else next(videos) if piece == "<video>" else Text(piece))
    return Item(tuple(parts), system[0] if system else None)


def write(data: Dataset, target: Path) -> None:
    """A JSONL file with absolute paths of media: one row for each positive, with all negatives.

    A reranking row holds all positives at once; an sts row is a pair with its label.

    Raises:
        InputError: the target is there already, or an item cannot be said.
    """
    write_lines(target, (row for example in data.examples() for row in _rows(data, example)))


def _rows(data: Dataset, example: Example) -> Iterator[dict[str, Any]]:
    """Rows of one example."""
    role = "assistant" if data.task == "reranking" else "user"
    query = _said([(example.query_id, example.query)], "user")
    asked = {"messages": query["messages"][0]} | {
        kind: query[kind][0] for kind in ("images", "videos") if kind in query
    }

    def side(name: str, keys: Iterable[str]) -> dict[str, Any]:
        """Documents as the keys of one side."""
        said = _said([(key, data.document(key)) for key in keys], role)
        return {f"{name}_{kind}": values for kind, values in said.items()}

    if data.task == "sts":
        for key, score in example.scores.items():
            yield asked | side("positive", [key]) | {"label": score}
        return
    groups = [example.positives] if data.task == "reranking" else [(key,) for key in example.positives]
    for group in groups:
        yield asked | side("positive", group) | (side("negative", example.negatives) if example.negatives else {})


def _said(items: list[tuple[str, Item]], role: str) -> dict[str, list[Any]]:
    """Chats of items and the lists of their media; kinds that none shows are left out."""
    said: dict[str, list[Any]] = {"messages": [], "images": [], "videos": []}
    for key, item in items:
        system = [{"role": "system", "content": item.instruction}] if item.instruction else []
        content = "".join(_mark(part, key) for part in item.parts)
        said["messages"].append([*system, {"role": role, "content": content}])
        said["images"].append([_place(part.source) for part in item.parts if isinstance(part, Image)])
        films = [part for part in item.parts if isinstance(part, Video)]
        said["videos"].append([[*map(_place, f.source)] if f.is_frames else _place(f.source) for f in films])
    return {kind: values for kind, values in said.items() if kind == "messages" or any(values)}


def _mark(part: Part, key: str) -> str:
    """A part as text."""
    match part:
        case Text():
            if found := MARK.search(part.text):
                raise InputError(f"the text of {key!r} holds {found[0]!r}, which ms-swift would read as a medium")
            return part.text
        case Image():
            return "<image>"
        case Video():
            return "<video>"
    raise InputError(f"{key!r} has a {type(part).__name__}, which ms-swift cannot read; render it first")


def _place(path: Path) -> str:
    """An absolute path."""
    return str(Path(path).absolute())
