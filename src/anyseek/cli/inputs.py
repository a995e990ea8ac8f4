"""What a person types becomes items: file names, text, or lines of JSON on standard input."""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anyseek.errors import InputError, SourceError
from anyseek.items import URL, File, Item, Page
from anyseek.paths import expanded

__all__ = ["Given", "label", "paths_of", "read_inputs", "typed_path"]

PAGE = re.compile(r"(.+)#page=([1-9][0-9]*)\Z", re.DOTALL)

Given = Item | InputError
"""An item, or why it could not be made: a bad input costs only its own row."""


def typed_path(text: str) -> Path:
    """A path as a person types it, with `~` as shells read it; of a user that there is not it is a name like others."""
    path = expanded(text)
    return Path.cwd() / path if str(path).startswith("~") else path  # so that nobody takes it for a user again


def read_inputs(arguments: Sequence[str]) -> list[Given]:
    """One entry per argument, or per line of standard input for `-`."""
    given: list[Given] = []
    for argument in arguments:
        if argument == "-":
            lines = sys.stdin.buffer.read().splitlines()
            given += [_of_line(number, line) for number, line in enumerate(lines, 1) if line.strip()]
        else:
            given.append(_of_argument(argument))
    return given


def _of_argument(argument: str) -> Given:
    """A file that exists (for a PDF with `#page=N`) or an address is loaded; anything else is text.

    What looks like a mistyped file name is neither, but an error.
    """
    if not argument.strip():
        return InputError('nothing was given; an empty text goes on a line of standard input, as "", with -')
    if URL.match(argument):
        return Item((File(argument),))
    path, page = typed_path(argument), PAGE.match(argument)
    if _exists(path):
        return Item((File(path),))
    if page and _exists(typed_path(page[1])):
        return Item((Page(typed_path(page[1]), int(page[2])),))
    if not any(map(str.isspace, argument)) and ("/" in argument or path.suffix):
        return SourceError(f"no file {argument!r}; to use it as text, write it on a line of standard input and give -")
    return Item.of(argument)


def _exists(path: Path) -> bool:
    """Whether there is such a file; text that can be no file name is none."""
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or a null character
        return False


def _of_line(number: int, line: bytes) -> Given:
    """A JSON string, or the dictionary form, in UTF-8."""
    try:
        value: Any = json.loads(line)
        if not isinstance(value, (str, dict)):
            raise InputError(f"a line must hold a JSON string or object, not {type(value).__name__}")
        return Item.of(value)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
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
    sources = [getattr(part, "source", None) for item in items for part in item.parts]
    return [source for source in sources if isinstance(source, Path)]
