"""The tables of a library, how they are made and opened, and how rows become Arrow and back."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import lancedb
import numpy as np
import pyarrow as pa
from lancedb.index import FTS
from numpy.typing import NDArray

from anyseek.errors import AnyseekError, CapacityError, ConfigError, DecodeError, SourceError
from anyseek.index import kept
from anyseek.index.filters import one_of
from anyseek.index.fingerprint import Fingerprint
from anyseek.index.rows import StoredFile, Thing
from anyseek.index.words import words
from anyseek.paths import expanded

__all__ = [
    "FILE_COLUMNS",
    "FORMAT",
    "THINGS",
    "THING_COLUMNS",
    "Tables",
    "file_rows",
    "files_table",
    "is_remote",
    "merge",
    "needs_room",
    "place_of",
    "rows_of",
    "thing_rows",
    "things_schema",
    "things_table",
]

FORMAT = 1
"""Version of the tables; changes whenever an older anyseek could not read what a newer one wrote."""
THINGS, FILES, ABOUT = "things", "files", "about"
FILE_COLUMNS = [entry.name for entry in fields(StoredFile)]
THING_COLUMNS = [entry.name for entry in fields(Thing) if entry.name != "thumbnail"]

FULL = re.compile("No space left on device|Disk quota exceeded|not enough space on the disk")
"""What systems say of a full disk."""

FILE_SCHEMA = pa.schema(
    [
        pa.field("root", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("hash", pa.string()),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("mtime", pa.int64(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("tags", pa.list_(pa.string()), nullable=False),
    ]
)
ABOUT_SCHEMA = pa.schema([pa.field("key", pa.string(), nullable=False), pa.field("value", pa.string(), nullable=False)])


@dataclass(frozen=True, slots=True)
class Tables:
    """The open tables of a library; each call on one sees what was last written.

    Attributes:
        folder: where they lie, a path or an address such as `s3://bucket/name`.
        database: they are tables of.
        fingerprint: what the vectors hang on.
        things: one row for each thing.
        files: one row for each file.
        about: names and values: `format`, `fingerprint`, `settled`, `trained`.
    """

    folder: str
    database: Any
    fingerprint: Fingerprint
    things: Any
    files: Any
    about: Any

    @classmethod
    def create(cls, folder: str, fingerprint: Fingerprint, storage: Mapping[str, str]) -> Self:
        """Make empty ones; `about` comes last: a library is what has it."""
        database = _connect(folder, storage)
        if ABOUT in _names(database):
            raise ConfigError(f"{folder} holds a library already; open it, or name another folder")
        for name in _names(database) & {THINGS, FILES}:  # of a making that was interrupted
            database.drop_table(name)
        things = database.create_table(THINGS, schema=things_schema(fingerprint))
        things.create_index("words", config=FTS(base_tokenizer="whitespace", **_AS_THEY_ARE))
        files = database.create_table(FILES, schema=FILE_SCHEMA)
        said = {"format": str(FORMAT), "fingerprint": fingerprint.to_json(), "settled": "yes"}
        about = database.create_table(ABOUT, _about_rows(said))
        return cls(folder, database, fingerprint, things, files, about)

    @classmethod
    def open(cls, folder: str, storage: Mapping[str, str]) -> Self:
        """Open them.

        Raises:
            SourceError: there is no library.
            ConfigError: nobody can say, since it cannot be reached or may not be read.
            DecodeError: it is damaged, or of a newer format.
        """
        missing = SourceError(f"there is no library at {folder}; make one with: anyseek index")
        if not is_remote(folder) and not Path(folder).is_dir():
            raise missing
        try:
            database = _connect(folder, storage)
            names = _names(database)
        except (RuntimeError, ValueError, OSError) as error:
            raise _unreached(folder, error) from error
        if ABOUT not in names:
            raise missing
        try:
            about = database.open_table(ABOUT)
            known = _about_of(about)
            _check_format(folder, known.get("format", ""))
            print_ = Fingerprint.from_json(known["fingerprint"])
            things, files = database.open_table(THINGS), database.open_table(FILES)
            for table, schema in ((things, things_schema(print_)), (files, FILE_SCHEMA)):
                _check_columns(table, schema)
        except (RuntimeError, ValueError, KeyError, OSError) as error:
            if isinstance(error, AnyseekError):
                raise
            if "Permission denied" in str(error):
                raise _unreached(folder, error) from error
            raise DecodeError(f"the library at {folder} is damaged ({_first_line(error)}); index it anew") from error
        return cls(folder, database, print_, things, files, about)

    def said(self) -> dict[str, str]:
        """Names and values of `about` as of now."""
        return _about_of(self.about)

    def say(self, **values: str) -> None:
        """Set values of `about`."""
        merge(self.about, ["key"], _about_rows(values))

    def live(self, hashes: Iterable[str]) -> set[str]:
        """Those of some contents that a finished file has."""
        found = rows_of(self.files, f"{one_of('hash', hashes)} AND state = 'done'", ["hash"])
        return set(found["hash"].to_pylist())


_AS_THEY_ARE: dict[str, Any] = {
    "stem": False,
    "remove_stop_words": False,
    "ascii_folding": False,
    "lower_case": False,
    "max_token_length": None,
}
"""The words are made by `words`, for documents and queries alike; the store takes them as they are."""


def things_schema(fingerprint: Fingerprint) -> pa.Schema:
    """Columns of things."""
    plain = [
        pa.field("id", pa.string(), nullable=False),
        pa.field("hash", pa.string(), nullable=False),
        pa.field("part", pa.int32(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("page", pa.int32()),
        pa.field("start", pa.float64()),
        pa.field("end", pa.float64()),
        pa.field("text", pa.string()),
        pa.field("words", pa.string()),
        pa.field("thumbnail", pa.binary()),
    ]
    return pa.schema([*plain, *kept.columns(fingerprint)])


def things_table(things: Sequence[Thing], vectors: NDArray[np.float32], fingerprint: Fingerprint) -> pa.Table:
    """Rows of things with their vectors, `(things, width)` of length 1."""
    columns: dict[str, Any] = {"id": [thing.id for thing in things]}
    columns |= {name: [getattr(thing, name) for thing in things] for name in [*THING_COLUMNS, "thumbnail"]}
    columns["words"] = [words(thing.text) if thing.text else None for thing in things]
    return pa.table(columns | kept.encode(vectors, fingerprint), schema=things_schema(fingerprint))


def files_table(files: Iterable[StoredFile]) -> pa.Table:
    """Rows of files."""
    listed = list(files)
    columns = {name: [getattr(file, name) for file in listed] for name in FILE_COLUMNS}
    columns["tags"] = [list(file.tags or ()) for file in listed]
    return pa.table(columns, schema=FILE_SCHEMA)


def file_rows(table: pa.Table) -> list[StoredFile]:
    """Files of rows."""
    return [StoredFile(**{**row, "tags": tuple(row["tags"])}) for row in table.select(FILE_COLUMNS).to_pylist()]


def thing_rows(table: pa.Table) -> list[Thing]:
    """Things of rows, without thumbnails."""
    return [Thing(**row) for row in table.select(THING_COLUMNS).to_pylist()]


def rows_of(table: Any, predicate: str, columns: list[str]) -> pa.Table:
    """Columns of the rows that a predicate is true of; an empty one is true of all."""
    query = table.search().select(columns)
    found: pa.Table = (query.where(predicate) if predicate else query).to_arrow()
    return found


def merge(table: Any, on: list[str], rows: pa.Table) -> None:
    """Insert rows, or replace those of the same key, in one commit."""
    table.merge_insert(on).when_matched_update_all().when_not_matched_insert_all().execute(rows)


def place_of(folder: str | Path) -> str:
    """Where a library lies, as its tables have it: an address, or a folder with `~` as the user's own."""
    text = str(folder)
    return text if is_remote(text) else str(expanded(text))


def is_remote(folder: str) -> bool:
    """Whether a place is an address of object storage."""
    return "://" in folder


def _connect(folder: str, storage: Mapping[str, str]) -> Any:
    """The database; its tables look for a newer version before each call."""
    return lancedb.connect(folder, read_consistency_interval=timedelta(0), storage_options=dict(storage) or None)


def _names(database: Any) -> set[str]:
    """The tables that are there."""
    return set(database.list_tables().tables)


def _about_of(table: Any) -> dict[str, str]:
    """Names and values."""
    return {row["key"]: row["value"] for row in rows_of(table, "", ["key", "value"]).to_pylist()}


def _about_rows(values: Mapping[str, str]) -> pa.Table:
    """Names and values as rows."""
    return pa.table({"key": list(values), "value": list(values.values())}, schema=ABOUT_SCHEMA)


def _check_format(folder: str, said: str) -> None:
    """Refuse what this version cannot read."""
    if not said.isdecimal():
        raise DecodeError(f"the library at {folder} is damaged (its format is {said!r}); index it anew")
    if int(said) > FORMAT:
        raise DecodeError(f"the library at {folder} is of format {said}, this anyseek reads {FORMAT}; update anyseek")


def _check_columns(table: Any, wanted: pa.Schema) -> None:
    """Raise ValueError unless a table has the columns that it should have."""
    for field in wanted:
        place = table.schema.get_field_index(field.name)
        if place < 0 or table.schema.field(place).type != field.type:
            raise ValueError(f"table {table.name} has no column {field.name} of {field.type}")


@contextmanager
def needs_room(folder: str) -> Iterator[None]:
    """Say of a full disk that it is full, whoever finds it so.

    Raises:
        CapacityError: in place of what the store, or the system, raises.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        if isinstance(error, AnyseekError) or not FULL.search(str(error)):
            raise
        raise CapacityError(
            f"the disk of {folder} is full; make room and do the same again: nothing that was stored is lost"
        ) from error


def _unreached(folder: str, error: Exception) -> ConfigError:
    """What is said of a library that may be whole, but cannot be looked at; it is not one that is missing."""
    where = "its address, its keys and the network" if is_remote(folder) else "its drive and your right to read it"
    return ConfigError(f"the library at {folder} cannot be opened ({_first_line(error)}); look at {where}")


def _first_line(error: Exception) -> str:
    """What another library says, in short."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return json.dumps(lines[0][:200], ensure_ascii=False)
