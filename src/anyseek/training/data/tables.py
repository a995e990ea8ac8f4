"""Rows on disk by number and by id: JSONL over an index of byte offsets, Parquet over its row groups."""

import hashlib
import itertools
import json
import os
import secrets
from array import array
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anyseek.errors import DependencyError, InputError, SourceError

__all__ = [
    "GROUP",
    "JsonlTable",
    "ParquetTable",
    "Row",
    "Table",
    "hash_of",
    "lines_of",
    "open_table",
    "parquet",
    "parquet_rows",
    "read_line",
    "table_files",
]

Row = Mapping[str, Any]

SUFFIXES = (".jsonl", ".parquet")
INDEX = ".index.npy"
BATCH = 256
GROUP = 1024
"""Rows of a row group of a Parquet file that is written: what one random access has to decode."""
GROUPS_HELD = 2
"""Row groups of a Parquet file that stay decoded."""

ENTRY = np.dtype([("offset", "<u8"), ("line", "<u8"), ("hash", "<u8"), ("row", "<u8")])


class Table(Protocol):
    """Rows of one file."""

    path: Path

    def __len__(self) -> int:
        """How many rows."""
        ...

    def __getitem__(self, row: int) -> Row:
        """One row by number."""
        ...

    def __iter__(self) -> Iterator[Row]:
        """All rows in order; a few are held at a time."""
        ...

    def find(self, key: str) -> int | None:
        """The number of the first row with an id, or None."""
        ...

    def place(self, row: int) -> str:
        """Where a row stands, for a message, such as `corpus.jsonl:12`."""
        ...


def open_table(folder: Path, name: str, key: str) -> Table:
    """The table of a name in a folder, in either form.

    Args:
        folder: of the dataset.
        name: `queries`, `corpus` or `relevance`.
        key: column that rows are found by.

    Raises:
        SourceError: there is no such table.
        InputError: it is there in both forms, or damaged.
        DependencyError: it is Parquet, and pyarrow is not installed.
    """
    found = table_files(folder, name)
    if not found:
        raise SourceError(f"{folder} has neither {name}.jsonl nor {name}.parquet")
    if len(found) > 1:
        raise InputError(f"{folder} has both {found[0].name} and {found[1].name}; remove one")
    return JsonlTable(found[0], key) if found[0].suffix == ".jsonl" else ParquetTable(found[0], key)


def table_files(folder: Path, name: str) -> list[Path]:
    """The files that hold a table; there should be one."""
    return [path for suffix in SUFFIXES if (path := folder / (name + suffix)).is_file()]


def hash_of(key: str) -> int:
    """64 bits of an id."""
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def lines_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """Every line of a file that is not blank, with its number from 1."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, line


def read_line(line: bytes) -> Row:
    """The object of one line.

    Raises:
        InputError: the line is no object of JSON.
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON ({str(error)[:120]})") from error
    if not isinstance(row, dict):
        raise InputError(f"must be an object (got {type(row).__name__})")
    return row


class _Hashes:
    """Rows by the hash of their id.

    Args:
        hashes: sorted.
        rows: number of the row of each.
    """

    def __init__(self, hashes: NDArray[np.uint64], rows: NDArray[np.uint64]) -> None:
        self.hashes, self.rows = hashes, rows

    def find(self, key: str, id_of: Callable[[int], Any]) -> int | None:
        """The first row with an id, or None; `id_of` looks at a row, since two ids may share a hash."""
        wanted = np.uint64(hash_of(key))
        first = int(np.searchsorted(self.hashes, wanted, "left"))
        last = int(np.searchsorted(self.hashes, wanted, "right"))
        return next((row for row in sorted(map(int, self.rows[first:last])) if id_of(row) == key), None)


class JsonlTable:
    """A JSONL file, opened afresh for each row.

    The index is kept beside the file, as `.corpus.jsonl.index.npy`, and mapped into memory: 32 bytes a row, of which
    only what is asked for is read. It is made again when the file's size or time has changed, and held in memory where
    the folder cannot be written. Blank lines count as none.

    Args:
        path: the file.
        key: column that rows are found by.

    Raises:
        InputError: a line is no object with a text under `key`.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key
        index = _load_index(path)
        self._index = _make_index(path, key) if index is None else index
        self._hashes = _Hashes(self._index["hash"][1:], self._index["row"][1:])

    def __len__(self) -> int:
        """How many rows."""
        return len(self._index) - 1

    def __getitem__(self, row: int) -> Row:
        """One row by number."""
        with self.path.open("rb") as file:
            file.seek(int(self._index["offset"][1 + range(len(self))[row]]))
            return read_line(file.readline())

    def __iter__(self) -> Iterator[Row]:
        """All rows in order."""
        for _, line in lines_of(self.path):
            yield read_line(line)

    def find(self, key: str) -> int | None:
        """The number of the first row with an id, or None."""
        return self._hashes.find(key, lambda row: self[row].get(self.key))

    def place(self, row: int) -> str:
        """File and line."""
        return f"{self.path.name}:{int(self._index['line'][1 + row])}"


def _mark(path: Path) -> tuple[int, int, int, int]:
    """What tells one state of a file from another: the first entry of its index."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns, 1, 0


def _index_path(path: Path) -> Path:
    """Where the index of a file is kept."""
    return path.with_name(f".{path.name}{INDEX}")


def _load_index(path: Path) -> NDArray[Any] | None:
    """The index beside a file, or None where there is none for its present state."""
    try:
        index: NDArray[Any] = np.load(_index_path(path), mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    fits = index.dtype == ENTRY and index.ndim == 1 and len(index) > 0
    return index if fits and index[0].item() == _mark(path) else None


def _make_index(path: Path, key: str) -> NDArray[Any]:
    """Read a file once, and keep its index beside it where that is possible."""
    offsets, lines, hashes = (array("Q", [0]) for _ in range(3))
    mark, at = _mark(path), 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                offsets.append(at)
                lines.append(number)
                hashes.append(hash_of(_key_of(line, key, f"{path.name}:{number}")))
            at += len(line)
    index = np.zeros(len(offsets), ENTRY)
    index["offset"], index["line"] = offsets, lines
    found = np.array(hashes[1:], np.uint64)
    order = np.argsort(found, kind="stable")
    index["hash"][1:], index["row"][1:] = found[order], order
    index[0] = mark
    _keep_index(path, index)
    return index


def _key_of(line: bytes, key: str, where: str) -> str:
    """The id of a line."""
    try:
        found = read_line(line).get(key)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    if not isinstance(found, str):
        raise InputError(f"{where}: {_no_id(key, found)}")
    return found


def _no_id(key: str, found: Any) -> str:
    """What is said of a row that cannot be found by its id."""
    return f"{key!r} must be a text (got {found!r}); see: anyseek data check"


def _keep_index(path: Path, index: NDArray[Any]) -> None:
    """Write the index under another name, then give it its own: a reader never sees half of one."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.npy")
    try:
        np.save(draft, index)
        draft.replace(_index_path(path))
    except OSError:
        with suppress(OSError):
            os.unlink(draft)  # noqa: PTH108


def parquet() -> ModuleType:
    """The module of pyarrow for Parquet.

    Raises:
        DependencyError: pyarrow is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise DependencyError(
            f"Parquet needs pyarrow ({error}); install it with: pip install 'anyseek[data]'"
        ) from error
    found: ModuleType = pyarrow.parquet
    return found


def parquet_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Every row with its number from 1; absent values are left out.

    Raises:
        InputError: the file is damaged.
        DependencyError: pyarrow is not installed.
    """
    start = 1
    try:
        with parquet().ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=BATCH):
                rows = batch.to_pylist()
                yield from enumerate(map(_present, rows), start)
                start += len(rows)
    except (OSError, ValueError) as error:  # pyarrow's errors are kinds of these
        raise InputError(f"{path.name} cannot be read as Parquet ({str(error)[:160]})") from error


def _present(row: Row) -> Row:
    """A row without what is absent."""
    return {key: value for key, value in row.items() if value is not None}


class ParquetTable:
    """A Parquet file: ids as hashes in memory, and the last row groups that were asked for.

    Args:
        path: the file.
        key: column that rows are found by.

    Raises:
        InputError: it is no Parquet file, or has no column `key` of texts.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key
        self._parquet = parquet()
        try:
            with self._parquet.ParquetFile(path) as file:
                self._metadata = file.metadata
                batches = (batch.column(0).to_pylist() for batch in file.iter_batches(columns=[key]))
                keys = (self._hash(one, row) for row, one in enumerate(itertools.chain.from_iterable(batches)))
                hashes = np.fromiter(keys, np.uint64)
        except InputError:
            raise
        except (OSError, ValueError, LookupError) as error:  # pyarrow's errors are kinds of these
            raise InputError(f"{path.name} cannot be read ({str(error)[:160]})") from error
        groups = [self._metadata.row_group(group).num_rows for group in range(self._metadata.num_row_groups)]
        self._starts = np.concatenate([[0], np.cumsum(groups, dtype=np.int64)]).astype(np.int64)
        order = np.argsort(hashes, kind="stable")
        self._hashes = _Hashes(hashes[order], order.astype(np.uint64))
        self._held: dict[int, list[Row]] = {}

    def __len__(self) -> int:
        """How many rows."""
        return int(self._starts[-1])

    def __getitem__(self, row: int) -> Row:
        """One row by number."""
        row = range(len(self))[row]
        group = int(np.searchsorted(self._starts, row, "right")) - 1
        return self._group(group)[row - int(self._starts[group])]

    def __iter__(self) -> Iterator[Row]:
        """All rows in order, a row group at a time."""
        for group in range(len(self._starts) - 1):
            yield from self._group(group)

    def _hash(self, key: Any, row: int) -> int:
        """The hash of a row's id."""
        if not isinstance(key, str):
            raise InputError(f"{self.place(row)}: {_no_id(self.key, key)}")
        return hash_of(key)

    def _group(self, group: int) -> list[Row]:
        """The rows of a group; absent values are left out."""
        rows = self._held.get(group)
        if rows is None:
            with self._parquet.ParquetFile(self.path, metadata=self._metadata) as file:
                read = file.read_row_group(group).to_pylist()
            rows = [_present(row) for row in read]
            # Another dict each time, so that threads which read at once never see one that is being changed.
            self._held = dict([*self._held.items(), (group, rows)][-GROUPS_HELD:])
        return rows

    def find(self, key: str) -> int | None:
        """The number of the first row with an id, or None."""
        return self._hashes.find(key, lambda row: self[row].get(self.key))

    def place(self, row: int) -> str:
        """File and row, counted from 1."""
        return f"{self.path.name}, row {row + 1}"
