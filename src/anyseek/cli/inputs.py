"""What a person types becomes items: file names, text, or lines of JSON on standard input."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from anyseek.errors import InputError, SourceError
from anyseek.items import URL, File, Item

__all__ = ["Given", "label", "paths_of", "read_inputs"]

Given = Item | InputError
"""An item, or why it could not be made: a bad input costs only its own row."""


def read_inputs(arguments: Sequence[str]) -> list[Given]:
    """One entry per argument, or per line of standard input for `-`."""
    given: list[Given] = []
    for argument in arguments:
        if argument == "-":
            lines = click.get_text_stream("stdin", encoding="utf-8")
            given += [_of_line(number, line) for number, line in enumerate(lines, 1) if line.strip()]
        else:
            given.append(_of_argument(argument))
    return given


def _of_argument(argument: str) -> Given:
    """A file that exists or an address is loaded; anything else is text, unless it looks like a mistyped file name."""
    if URL.match(argument):
        return Item((File(argument),))
    path = Path(argument).expanduser()
    try:
        exists = path.exists()
    except (OSError, ValueError):  # too long for a file name, or a null character: text
        exists = False
    if exists:
        return Item((File(path),))
    if not any(map(str.isspace, argument)) and ("/" in argument or path.suffix):
        return SourceError(f"no file {argument!r}; to use it as text, write it on a line of standard input and give -")
    return Item.of(argument)


def _of_line(number: int, line: str) -> Given:
    """A JSON string, or the dictionary form."""
    try:
        value: Any = json.loads(line)
        if not isinstance(value, (str, dict)):
            raise InputError(f"a line must hold a JSON string or object, not {type(value).__name__}")
        return Item.of(value)
    except json.JSONDecodeError as error:
        return InputError(f"not valid JSON ({error})").at(f"line {number}")
    except InputError as error:
        return error.at(f"line {number}")


def label(given: Given, width: int = 40) -> str:
    """A short name of an input for a table."""
    if isinstance(given, InputError):
        return (given.place or "input")[:width]
    pieces = [str(getattr(part, "text", None) or getattr(part, "source", "")) for part in given.parts]
    text = " + ".join(pieces) or "NULL"
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return text if len(text) <= width else text[: width - 3] + "..."


def paths_of(given: Sequence[Given]) -> list[Path]:
    """The local files among the inputs."""
    items = [item for item in given if isinstance(item, Item)]
    return [part.source for item in items for part in item.parts if isinstance(getattr(part, "source", None), Path)]
