"""What importers share: rows of foreign files, cells of rows, and where media lie."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from anyseek.errors import InputError, RefusedError, SourceError
from anyseek.training.data.tables import lines_of, parquet_rows, read_line

__all__ = ["Medium", "Reading", "at", "files_of", "for_each_row", "listed", "number", "sources_of", "text", "texts"]

Medium = Callable[[Any], Any]
"""Finds a medium that a cell names: its path, or its bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How foreign data are read.

    Attributes:
        media: folder that relative paths of media start from; None is the folder of the file.
        split: of formats that have several; None takes `train`, or the only one.
    """

    media: Path | None = None
    split: str | None = None

    def beside(self, file: Path) -> Medium:
        """What finds the media that the rows of a file name."""
        return partial(_found, folder=self.media or file.parent)


def _found(cell: Any, folder: Path) -> Any:
    """The source of a medium: a path, or bytes of a `{"path", "bytes"}` cell.

    Args:
        cell: names it.
        folder: that its path starts from.

    Raises:
        InputError: it is no name.
        RefusedError: it is an address.
        SourceError: there is no such file.
    """
    if isinstance(cell, Mapping):
        if isinstance(cell.get("bytes"), bytes) and cell["bytes"]:
            return cell["bytes"]
        cell = cell.get("path")
    if not isinstance(cell, str) or not cell:
        raise InputError(f"a medium is named by a path (got {cell!r})")
    if "://" in cell or cell.startswith("data:"):
        raise RefusedError(f"{cell[:100]!r} is an address; download it first and name the file")
    path = folder / cell
    with suppress(OSError):  # a name that is too long
        if path.is_file():
            return path
    raise SourceError(f"there is no file {str(path)[:200]!r}; say where media lie with --media")


def sources_of(cell: Any, medium: Medium) -> Any:
    """The source of a cell, or those of a list, such as the frames of a film."""
    return [sources_of(one, medium) for one in cell] if isinstance(cell, list) else medium(cell)


def files_of(source: Path, *suffixes: str) -> list[Path]:
    """A file itself, or the files of a folder that end so, by name.

    Raises:
        SourceError: there is none.
    """
    found = [source] if source.is_file() else sorted(path for path in source.glob("*") if path.suffix in suffixes)
    if not found:
        raise SourceError(f"{source} is no file, and no folder with files that end in {', '.join(suffixes)}")
    return found


def for_each_row(paths: Iterable[Path], take: Callable[[dict[str, Any], Path], None]) -> None:
    """Hand over every row of some files, and the file it stands in; what is wrong with a row says where it is.

    Raises:
        InputError: a file or a row cannot be read, or `take` raised it.
    """
    for path in paths:
        for where, row in _rows_of(path):
            with at(where):
                take(row, path)


def _rows_of(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every row of a JSONL, JSON, CSV, TSV or Parquet file with its place.

    Raises:
        InputError: the file or a row cannot be read.
    """
    reader = {".json": _json, ".csv": _csv, ".tsv": _csv, ".parquet": parquet_rows}.get(path.suffix, _jsonl)
    try:
        for line, row in reader(path):
            yield f"{path.name}:{line}", dict(row)
    except OSError as error:
        raise SourceError(f"cannot read {path} ({error.strerror or error})") from error
    except InputError:
        raise
    except (ValueError, csv.Error) as error:
        raise InputError(
            f"{path} cannot be read as {path.suffix.lstrip('.') or 'jsonl'} ({str(error)[:160]})"
        ) from error


def _jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Lines of JSON."""
    for number, line in lines_of(path):
        with at(f"{path.name}:{number}"):
            row = dict(read_line(line))
        yield number, row


def _json(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """One list of objects; many tools call lines of JSON `.json` as well."""
    with path.open("rb") as file:
        if file.read(1) != b"[":
            yield from _jsonl(path)
            return
    rows = json.loads(path.read_bytes())
    for line, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise InputError(f"{path.name}: entry {line} must be an object (got {type(row).__name__})")
        yield line, row


def _csv(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows under a header."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ",", restkey="")
        for row in reader:
            if "" in row or None in row.values():
                raise InputError(f"{path.name}:{reader.line_num}: has other columns than the header")
            yield reader.line_num, row


@contextmanager
def at(where: str) -> Iterator[None]:
    """Errors of input from inside say where it stands."""
    try:
        yield
    except InputError as error:
        raise error.at(where) from None


def listed(cell: Any) -> list[Any]:
    """A cell that holds nothing, one or a list, as a list; an empty text is nothing."""
    if cell is None or cell == "":
        return []
    return list(cell) if isinstance(cell, (list, tuple)) else [cell]


def texts(row: Mapping[str, Any], key: str, *, needed: bool = False) -> list[str]:
    """A cell of texts.

    Raises:
        InputError: something in it is no text, or it is needed and empty.
    """
    values = listed(row.get(key))
    if not all(isinstance(value, str) for value in values):
        raise InputError(f"{key!r} must be a text or a list of texts (got {str(row[key])[:60]!r})")
    if needed and not values:
        raise InputError(f"{key!r} is missing or empty; the row has {', '.join(map(repr, row)) or 'nothing'}")
    return values


def text(row: Mapping[str, Any], key: str) -> str:
    """A cell that must have a text; of several the first.

    Raises:
        InputError: it has none, or something else.
    """
    return texts(row, key, needed=True)[0]


def number(value: Any, key: str) -> float:
    """A number, or the text of one.

    Raises:
        InputError: it is none.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        return float(value)
    except (TypeError, ValueError):
        raise InputError(f"{key!r} must be a number (got {str(value)[:60]!r})") from None
