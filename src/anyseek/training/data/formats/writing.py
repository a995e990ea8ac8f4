"""What exporters share: items as other formats say them, and files that appear when they are whole."""

import json
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anyseek.errors import InputError
from anyseek.items import Item, Text

__all__ = ["dictionary_of", "drafted", "only_text", "write_lines"]


def only_text(item: Item, key: str, form: str) -> str:
    """The text of an item.

    Raises:
        InputError: it shows something, which the format cannot say.
    """
    if not item.is_text:
        raise InputError(f"{key!r} is more than text, which {form} cannot hold")
    return "".join(part.text for part in item.parts if isinstance(part, Text))


def dictionary_of(item: Item, key: str) -> dict[str, Any]:
    """An item as `{"text", "image", "video"}` with paths.

    Raises:
        InputError: the dictionary form would change its order or lose something.
    """
    cell: dict[str, Any] = {}
    for part in item.parts:
        name = type(part).__name__.lower()
        value = part.text if isinstance(part, Text) else part.source
        said = [str(one) for one in value] if isinstance(value, list) else str(value)
        cell.setdefault(name, []).append(said)
    cell = {name: values[0] if len(values) == 1 else values for name, values in cell.items()}
    try:
        back = Item.of(cell).parts
    except InputError:
        back = ()
    if [_shown(part) for part in back] != [_shown(part) for part in item.parts]:
        raise InputError(
            f"{key!r} has pages, or parts in an order, that a dictionary of text, image and video cannot say"
        )
    return cell


def _shown(part: Any) -> tuple[str, str]:
    """What a part shows, without how it is sampled."""
    source = getattr(part, "source", getattr(part, "text", ""))
    return type(part).__name__, str([str(one) for one in source]) if isinstance(source, list) else str(source)


@contextmanager
def drafted(target: Path) -> Iterator[Path]:
    """Another name to write a file or folder under, which takes its own when all of it is there.

    Raises:
        InputError: something has the name already.
    """
    if target.exists():
        raise InputError(f"{target} is there already; remove it, or write to another place")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.writing")
    try:
        yield draft
        draft.replace(target)
    finally:
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        draft.unlink(missing_ok=True)


def write_lines(target: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as lines of JSON.

    Raises:
        InputError: something has the name already.
    """
    with drafted(target) as draft, draft.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
