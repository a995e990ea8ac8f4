"""Rows of a dataset one by one, each an item or what is wrong with it, and what their content is known by."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from anyseek.errors import InputError
from anyseek.items import Item
from anyseek.training.data import Dataset
from anyseek.training.data.rows import item_of, media_of, relevance_of, row_of
from anyseek.training.data.store import file_hash
from anyseek.training.data.tables import Row, Table

__all__ = ["SIDES", "Contents", "Side", "model_print", "read_item", "read_judged", "rows_print", "table_of"]

Side = Literal["queries", "corpus"]
SIDES: tuple[Side, Side] = ("queries", "corpus")

WHOLE = 1 << 20
"""Bytes of a file of a model that is hashed; larger ones are known by size and time."""


def table_of(data: Dataset, side: Side) -> Table:
    """The table of a side."""
    return data.queries if side == "queries" else data.corpus


def read_item(data: Dataset, side: Side, number: int, row: Row) -> Item | InputError:
    """The item of a row, a query with its instruction, or what is wrong with it."""
    try:
        item = item_of(row, data.folder)
    except InputError as error:
        return error.at(table_of(data, side).place(number))
    bare = side == "queries" and item.instruction is None
    return replace(item, instruction=data.instruction) if bare else item


def read_judged(data: Dataset) -> Iterator[dict[str, Any] | InputError]:
    """Every row of relevance, as `relevance_of` reads it, or what is wrong with it; of a query the first row."""
    seen: set[str] = set()
    for number, row in enumerate(data.relevance):
        try:
            read = relevance_of(row)
            if read["query"] in seen:
                raise InputError(f"query {read['query']!r} has a row already")
            seen.add(read["query"])
            yield read
        except InputError as error:
            yield error.at(data.relevance.place(number))


def rows_print(data: Dataset, side: Side) -> str:
    """What the rows of a side and their media are known by; media by size and time."""
    digest = hashlib.blake2b((data.instruction or "").encode() if side == "queries" else b"", digest_size=8)
    for number, row in enumerate(table_of(data, side)):
        item = read_item(data, side, number, row)
        paths = [] if isinstance(item, InputError) else [path for path, _ in media_of(item)]
        said = json.dumps([row, [_state(path) for path in paths]], sort_keys=True, default=str)
        digest.update(said.encode())
    return digest.hexdigest()


def model_print(folder: Path) -> str:
    """What the files of a model are known by: small ones by content, large ones by size and time."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        small = path.stat().st_size <= WHOLE
        digest.update(f"{path.name}\0{file_digest(path) if small else _state(path)}\0".encode())
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """The content of a small file."""
    return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()


def _state(path: Path) -> tuple[int, int] | None:
    """Size and time of a file, or None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


class Contents:
    """What documents are, apart from their ids; each is looked at once.

    Args:
        data: whose documents.
    """

    def __init__(self, data: Dataset) -> None:
        self.data = data
        self._known: dict[str, bytes] = {}

    def of(self, document: str) -> bytes:
        """16 bytes that are equal for equal contents.

        Raises:
            InputError: there is no such document, or it cannot be read.
        """
        if document not in self._known:
            row = row_of(self.data.document(document), lambda source, _: file_hash(Path(source)).hex())
            said = json.dumps(row, sort_keys=True)
            self._known[document] = hashlib.blake2b(said.encode(), digest_size=16).digest()
        return self._known[document]
