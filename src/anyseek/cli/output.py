"""Tables for people, JSON for programs, notes on standard error."""

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from anyseek.index import Thing
    from anyseek.search.sources import Found

__all__ = ["as_json", "as_row", "note", "place", "print_json", "print_table", "shows_progress", "spot"]


def note(message: str) -> None:
    """A line on standard error."""
    click.echo(message, err=True)


def shows_progress() -> bool:
    """Progress bars are for terminals."""
    return sys.stderr.isatty()


def print_json(value: Any) -> None:
    """One line of JSON on standard output; NaN becomes null."""
    click.echo(as_json(value))


def as_json(value: Any) -> str:
    """One line of JSON; NaN becomes null."""
    line = json.dumps(_finite(value), ensure_ascii=False)
    if not line.isascii() and any("\ud800" <= letter <= "\udfff" for letter in line):
        line = json.dumps(_finite(value))  # a file name that is not UTF-8
    return line


def _finite(value: Any) -> Any:
    """The value with every float that JSON cannot say replaced by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    return [_finite(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str | None = None) -> None:
    """A table as wide as the terminal allows; a column whose name starts with `>` is set to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for name in columns:
        right = name.startswith(">")
        table.add_column(name.lstrip(">"), justify="right" if right else "left", overflow="fold", no_wrap=right)
    for row in rows:
        table.add_row(*(Text(_printable(cell)) for cell in row))
    Console().print(table)


def _printable(text: str) -> str:
    """A file name may hold anything; a terminal must not be told what to do by it."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


def place(found: "Found", folder: Path) -> str:
    """Where something is: file, page, time span."""
    path = found.path.relative_to(folder) if found.path.is_relative_to(folder) else found.path
    if found.page is not None:
        return f"{path} page {found.page}"
    if found.span is not None:
        return f"{path} {_clock(found.span[0])}-{_clock(found.span[1])}"
    return str(path)


def spot(thing: "Thing") -> str:
    """Where in its file something of a library is: a page, or seconds of a film; nothing for a whole file or a text."""
    if thing.page is not None:
        return f"page {thing.page}"
    if thing.kind == "video" and thing.start is not None and thing.end is not None:
        return f"{_clock(thing.start)}-{_clock(thing.end)}"
    return ""


def _clock(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def as_row(found: "Found") -> dict[str, Any]:
    """Something found, for JSON."""
    start, end = found.span or (None, None)
    return {"kind": found.kind, "path": str(found.path), "page": found.page, "start_seconds": start, "end_seconds": end}
