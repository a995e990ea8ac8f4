"""What the foreign formats share: rows of files, cells of rows, places of media, files that appear when whole."""

import csv
import json
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyseek.errors import InputError, RefusedError, SourceError
from anyseek.items import Item, Text
from anyseek.training.data.tables import parquet_rows, read_line

__all__ = [
    "Reading",
    "at",
    "dictionary_of",
    "drafted",
    "files_of",
    "listed",
    "number",
    "only_text",
    "rows_of",
    "texts",
    "write_lines",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How foreign data are read.

    Attributes:
        media: folder that relative paths of media start from; None is the folder of the file.
        split: of formats that have several; None takes `train`, or the only one.
    """

    media: Path | None = None
    split: str | None = None

    def medium(self, name: Any, beside: Path) -> Any:
        """The source of a medium: a path, or bytes of a `{"path", "bytes"}` cell.

        Args:
            name: the cell.
            beside: the file that holds it.

        Raises:
            InputError: it is no name.
            RefusedError: it is an address.
            SourceError: there is no such file.
        """
        if isinstance(name, Mapping):
            if isinstance(name.get("bytes"), bytes) and name["bytes"]:
                return name["bytes"]
            name = name.get("path")
        if not isinstance(name, str) or not name:
            raise InputError(f"a medium is named by a path (got {name!r})")
        if "://" in name or name.startswith("data:"):
            raise RefusedError(f"{name[:100]!r} is an address; download it first and name the file")
        path = (self.media or beside.parent) / name
        with suppress(OSError):  # a name that is too long
            if path.is_file():
                return path
        raise SourceError(f"there is no file {str(path)[:200]!r}; say where media lie with --media")


def files_of(source: Path, *suffixes: str) -> list[Path]:
    """A file itself, or the files of a folder that end so, by name.

    Raises:
        SourceError: there is none.
    """
    found = [source] if source.is_file() else sorted(path for path in source.glob("*") if path.suffix in suffixes)
    if not found:
        raise SourceError(f"{source} is no file, and no folder with files that end in {', '.join(suffixes)}")
    return found


def rows_of(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
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
    except (ValueError, csv.Error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path} cannot be read as {path.suffix.lstrip('.') or 'jsonl'} ({str(error)[:160]})"
        ) from error


def _jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Lines of JSON."""
    with path.open("rb") as file:
        for line, text in enumerate(file, 1):
            if text.strip():
                with at(f"{path.name}:{line}"):
                    row = dict(read_line(text))
                yield line, row


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


def listed(row: Mapping[str, Any], key: str) -> list[Any]:
    """A cell that holds nothing, one or a list, as a list.

    Empty texts count as nothing.
    """
    value = row.get(key)
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def texts(row: Mapping[str, Any], key: str, *, needed: bool = False) -> list[str]:
    """A cell of texts.

    Raises:
        InputError: something in it is no text, or it is needed and empty.
    """
    values = listed(row, key)
    if not all(isinstance(value, str) for value in values):
        raise InputError(f"{key!r} must be a text or a list of texts (got {str(row[key])[:60]!r})")
    if needed and not values:
        raise InputError(f"{key!r} is missing or empty; the row has {', '.join(map(repr, row)) or 'nothing'}")
    return values


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
