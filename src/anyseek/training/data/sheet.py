"""A contact sheet: examples side by side as one HTML file that needs nothing else."""

import base64
import math
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from anyseek.errors import InputError
from anyseek.items import File, Image, Item, Page, Part, Text, Video
from anyseek.media import (
    MediaOptions,
    encode_image,
    open_source,
    probe_page,
    probe_video,
    read_frames,
    read_text,
    render_page,
    sniff,
)
from anyseek.training.data.dataset import Dataset, Example

__all__ = ["write_sheet"]

SIDE = 200
FRAMES = 3
SHOWN = 6
"""Positives, and negatives, of one example."""

LETTERS = 600
MEDIA = MediaOptions(urls=False)
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em; background: #fff; color: #222 }
section { border-top: 1px solid #bbb; padding: 1em 0; display: grid; grid-template-columns: 20em 1fr 1fr; gap: 1.5em }
h2 { font-size: 14px; margin: 0 0 .5em; color: #666; font-weight: 600 }
.item { border-left: 4px solid #999; padding: .1em .7em; margin-bottom: .8em; overflow-wrap: anywhere }
.positives { border-color: #2a7d3c } .negatives { border-color: #b3402a }
.item p { margin: .3em 0; white-space: pre-wrap } .note { color: #777; font-size: 12px } .error { color: #b3402a }
img { margin: 2px 4px 2px 0; vertical-align: top }
""".strip()


def write_sheet(folder: Path | str, target: Path, examples: int = 24) -> int:
    """Write a contact sheet of examples, evenly spread over the dataset.

    Pictures are thumbnails inside the page; text is escaped, and the page may load and run nothing.

    Args:
        folder: of the dataset.
        target: the HTML file.
        examples: how many.

    Returns:
        How many there are on the sheet.

    Raises:
        InputError: a row is wrong, or names a document that is not there.
    """
    data = Dataset.open(folder)
    count = min(examples, len(data))
    rows = [index * len(data) // count for index in range(count)]
    with target.open("w", encoding="utf-8") as file:
        file.write(_head(data))
        file.writelines(_section(data, data.example(row), row) for row in rows)
        file.write("</body></html>\n")
    return count


def _head(data: Dataset) -> str:
    """Up to the first example."""
    name, instruction = escape(data.name), escape(data.instruction or "none")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n<style>{STYLE}</style></head><body>\n'
        f"<h1>{name}</h1><p>Task: {escape(data.task)}. Instruction: {instruction}.<br>"
        f"{len(data.queries)} queries, {len(data.corpus)} documents, {len(data)} examples.</p>\n"
    )


def _section(data: Dataset, example: Example, row: int) -> str:
    """One example: the query, what is relevant, what is not."""
    judged = {*example.positives, *example.negatives}
    graded = tuple(key for key in example.scores if key not in judged)
    instruction = example.query.instruction or ""
    asked = _box(example.query, example.query_id, "query", f'<p class="note">{escape(instruction)}</p>')
    left = ("Graded", graded) if graded else ("Positives", example.positives)
    columns = [_column(data, example, *what) for what in (left, ("Negatives", example.negatives))]
    return f"<section><div><h2>Example {row + 1}</h2>{asked}</div>{''.join(columns)}</section>\n"


def _column(data: Dataset, example: Example, title: str, keys: Sequence[str]) -> str:
    """Documents of an example, the first few of them."""
    boxes = []
    for key in keys[:SHOWN]:
        score = f'<p class="note">score {example.scores[key]:.4g}</p>' if key in example.scores else ""
        boxes.append(_box(data.document(key), key, title.lower(), score))
    more = f'<p class="note">and {len(keys) - SHOWN} more</p>' if len(keys) > SHOWN else ""
    return f"<div><h2>{title} ({len(keys)})</h2>{''.join(boxes)}{more}</div>"


def _box(item: Item, key: str, kind: str, note: str) -> str:
    """One item with its id."""
    parts = "".join(map(_part, item.parts))
    return f'<div class="item {kind}"><p class="note">{escape(key)}</p>{parts}{note}</div>'


def _part(part: Part) -> str:
    """One part as HTML; what cannot be read says why."""
    try:
        shown = _of_content(part) if isinstance(part, File) else part
        return _words(shown) if isinstance(shown, Text) else "".join(map(_picture, _thumbnails(shown)))
    except InputError as error:
        return f'<p class="error">{escape(str(error))}</p>'


def _of_content(part: File) -> Text | Image | Video | Page:
    """The part that a file is.

    Raises:
        InputError: it cannot be read.
    """
    match sniff(open_source(part.source, MEDIA).head()):
        case "text":
            return Text(read_text(part.source, MEDIA))
        case "pdf":
            return Page(part.source)
        case "video":
            return Video(part.source)
    return Image(part.source)


def _words(part: Text) -> str:
    """A text, the first of it."""
    cut = " ..." if len(part.text) > LETTERS else ""
    return f"<p>{escape(part.text[:LETTERS])}{cut}</p>"


def _picture(data: bytes) -> str:
    """An image element that holds its own bytes."""
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'


def _thumbnails(part: Image | Video | Page) -> Iterator[bytes]:
    """JPEG files of what a part shows: one picture, or a few frames.

    Raises:
        InputError: it cannot be read.
    """
    match part:
        case Video() if part.is_frames:
            for index in _spread(len(part.source)):
                yield _small(part.source[index], FRAMES)
        case Video():
            frames = probe_video(part.source, MEDIA).frames
            for frame in read_frames(part.source, _spread(frames), MEDIA):
                yield _small(frame, FRAMES)
        case Page():
            yield _page(part)
        case Image():
            yield _small(part.source, 1)


def _small(source: object, among: int) -> bytes:
    """A thumbnail; smaller where there are several."""
    return encode_image(source, MEDIA, form="JPEG", side=SIDE if among == 1 else SIDE * 2 // 3)


def _page(part: Page) -> bytes:
    """A page of a PDF."""
    info = probe_page(part.source, part.number, MEDIA)
    scale = SIDE / max(info.width_points, info.height_points)
    size = (math.ceil(info.width_points * scale), math.ceil(info.height_points * scale))
    return _small(render_page(part.source, part.number, size, MEDIA), 1)


def _spread(count: int) -> list[int]:
    """Places of the frames that are shown, from the first to the last."""
    shown = min(FRAMES, count)
    return [0] if shown == 1 else [round(index * (count - 1) / (shown - 1)) for index in range(shown)]
