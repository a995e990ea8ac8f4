"""The tables of a library on disk, how rows become Arrow and back. Only this room knows the vector store."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from anyseek.index.fingerprint import Fingerprint
from anyseek.index.rows import StoredFile, Thing

__all__ = [
    "ABOUT",
    "FILES",
    "FILE_COLUMNS",
    "THINGS",
    "THING_COLUMNS",
    "about_table",
    "file_rows",
    "files_table",
    "schema_of",
    "thing_rows",
    "things_table",
]

THINGS, FILES, ABOUT = "things", "files", "about"
FILE_COLUMNS = [entry.name for entry in fields(StoredFile)]
THING_COLUMNS = [entry.name for entry in fields(Thing) if entry.name != "thumbnail"]

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


def schema_of(name: str, print_: Fingerprint) -> pa.Schema:
    """The columns of a table."""
    if name == FILES:
        return FILE_SCHEMA
    if name == ABOUT:
        return ABOUT_SCHEMA
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("hash", pa.string(), nullable=False),
            pa.field("part", pa.int32(), nullable=False),
            pa.field("kind", pa.string(), nullable=False),
            pa.field("page", pa.int32()),
            pa.field("start", pa.float64()),
            pa.field("end", pa.float64()),
            pa.field("text", pa.string()),
            pa.field("thumbnail", pa.binary()),
            pa.field("vector", pa.list_(pa.from_numpy_dtype(np.dtype(print_.precision)), print_.width), nullable=False),
        ]
    )


def about_table(values: dict[str, str]) -> pa.Table:
    """Names and values."""
    return pa.table({"key": list(values), "value": list(values.values())}, schema=ABOUT_SCHEMA)


def things_table(things: Sequence[Thing], vectors: NDArray[Any], schema: pa.Schema) -> pa.Table:
    """Rows of things with their vectors, `(things, width)` as they are kept."""
    columns: dict[str, Any] = {"id": [thing.id for thing in things]}
    columns |= {name: [getattr(thing, name) for thing in things] for name in [*THING_COLUMNS, "thumbnail"]}
    flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
    columns["vector"] = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    return pa.table(columns, schema=schema)


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
