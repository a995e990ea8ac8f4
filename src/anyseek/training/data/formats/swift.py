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
from anyseek.training.data.formats.common import Reading, at, files_of, listed, number, rows_of, write_lines

__all__ = ["read", "write"]

MARK = re.compile("(<image>|<video>)")


def read(source: Path, collector: Collector, how: Reading) -> None:
    """Rows of a JSONL file, or of all in a folder; a label grades the one positive.

    Raises:
        InputError: a row is wrong.
    """
    for path in files_of(source, ".jsonl", ".json"):
        for where, row in rows_of(path):
            with at(where):
                _take(row, collector, how, path)


def _take(row: dict[str, Any], collector: Collector, how: Reading, path: Path) -> None:
    """One row."""
    query = _item(row.get("messages"), (listed(row, "images"), listed(row, "videos")), how, path)
    positives, negatives = (list(_side(row, side, how, path)) for side in ("positive", "negative"))
    label = row.get("label")
    if label is None:
        collector.group(query, map(Judged, positives), map(Judged, negatives))
        return
    if len(positives) != 1 or negatives:
        raise InputError("a 'label' needs exactly one positive and no negatives beside it")
    collector.labelled(query, positives[0], number(label, "label"))


def _side(row: dict[str, Any], side: str, how: Reading, path: Path) -> Iterator[Item]:
    """Documents of one side."""
    chats = listed(row, f"{side}_messages")
    media = {kind: listed(row, f"{side}_{kind}") for kind in ("images", "videos")}
    for kind, values in media.items():
        if values and len(values) != len(chats):
            raise InputError(f"'{side}_{kind}' has {len(values)} lists for {len(chats)} '{side}_messages'")
    for index, chat in enumerate(chats):
        shown = tuple(listed({"": values[index]}, "") if values else [] for values in media.values())
        yield _item(chat, (shown[0], shown[1]), how, path)


def _item(chat: Any, media: tuple[list[Any], list[Any]], how: Reading, path: Path) -> Item:
    """One chat; media that no mark names stand first, as there."""
    if not isinstance(chat, list) or not all(
        isinstance(turn, dict) and isinstance(turn.get("content"), str) for turn in chat
    ):
        raise InputError(f"a chat must be a list of turns with a text as 'content' (got {str(chat)[:60]!r})")
    system = [turn["content"] for turn in chat if turn.get("role") == "system"]
    pieces = [piece for turn in chat if turn.get("role") != "system" for piece in MARK.split(turn["content"]) if piece]
    images = iter([Image(how.medium(one, path)) for one in media[0]])
    videos = iter([Video(_film(one, how, path)) for one in media[1]])
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


def _film(value: Any, how: Reading, path: Path) -> Any:
    """A video file, or a list of frames."""
    return [how.medium(one, path) for one in value] if isinstance(value, list) else how.medium(value, path)


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
