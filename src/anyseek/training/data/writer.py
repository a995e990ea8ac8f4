"""Writes a dataset row by row into a folder of another name, which gets its own name when all is there."""

import json
import secrets
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol

from anyseek.errors import InputError
from anyseek.items import Item
from anyseek.training.data.about import TABLES, About
from anyseek.training.data.rows import check_id, relevance_of, row_of
from anyseek.training.data.store import MediaStore
from anyseek.training.data.tables import GROUP, parquet

__all__ = ["DatasetWriter", "Form", "What", "check_new", "is_taken"]

Form = Literal["jsonl", "parquet"]
What = Literal["query", "document"]


class DatasetWriter:
    """Writes a dataset; nothing is at `folder` until the `with` block ends without an error.

        with DatasetWriter(Path("mine"), About(name="mine")) as writer:
            writer.document("d0", {"image": "cat.jpg"})
            writer.query("q0", "a cat")
            writer.relevance("q0", ["d0"])

    Media are copied, each content once. Ids are held in memory, rows are not. Other files that are put into `draft`
    come along.

    Args:
        folder: must not exist, or be empty.
        about: name, task and instruction.
        form: of the three tables.

    Raises:
        InputError: the folder holds something; at the end of the block, relevance that names an absent id.
        DependencyError: Parquet is wanted, and pyarrow is not installed.
    """

    def __init__(self, folder: Path | str, about: About, *, form: Form = "jsonl") -> None:
        self.folder, self.about = Path(folder).resolve(), about
        check_new(self.folder)
        self.draft = self.folder.with_name(f".{self.folder.name}.{secrets.token_hex(4)}.writing")
        if form == "parquet":
            parquet()  # absent, it is to leave nothing behind
        kind = _ParquetSink if form == "parquet" else _JsonlSink
        self.draft.mkdir(parents=True)
        self._sinks: dict[str, _Sink] = {name: kind(self.draft, name) for name in TABLES}
        self._media = MediaStore(self.draft)
        self._ids: dict[str, set[str]] = {"query": set(), "document": set(), "relevance": set()}
        self._named: set[str] = set()

    def __enter__(self) -> "DatasetWriter":
        """The writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the folder its name, or leave nothing behind."""
        try:
            for sink in self._sinks.values():
                sink.close()
            if kind is None:
                self._finish()
        finally:
            shutil.rmtree(self.draft, ignore_errors=True)

    def query(self, key: str, item: Any) -> None:
        """Write a query.

        Args:
            key: its id, not given before.
            item: whatever `Item.of` takes.

        Raises:
            InputError: the id is taken, or the item cannot be stored.
        """
        self.put("query", key, self.row(item))

    def document(self, key: str, item: Any) -> None:
        """Write a document; as `query`."""
        self.put("document", key, self.row(item))

    def row(self, item: Any) -> dict[str, Any]:
        """The row of an item, its media stored: equal items give equal rows.

        Raises:
            InputError: the item cannot be stored.
        """
        return row_of(Item.of(item), self._media.put)

    def put(self, what: What, key: str, row: Mapping[str, Any]) -> None:
        """Write what `row` gave.

        Raises:
            InputError: the id is taken.
        """
        self._take(what, key)
        self._sinks["queries" if what == "query" else "corpus"].write({"id": key, **row})

    def relevance(
        self,
        query: str,
        positives: Iterable[str],
        negatives: Iterable[str] = (),
        scores: Mapping[str, float] | None = None,
    ) -> None:
        """Write what is known of a query; once for each.

        Args:
            query: its id, which may be written later.
            positives: ids of relevant documents.
            negatives: ids of hard negatives.
            scores: by id of a document: a grade, or what a teacher gave.

        Raises:
            InputError: the query has a row already, or the task needs more.
        """
        given = {"query": query, "positives": list(positives), "negatives": list(negatives), "scores": scores}
        row = relevance_of(given)
        if lack := self.about.lacks(row):
            raise InputError(f"query {query!r}: {lack}")
        self._take("relevance", query)
        self._named.update(row["positives"], row["negatives"], row["scores"])
        self._sinks["relevance"].write({key: value for key, value in given.items() if value})

    def _take(self, what: str, key: str) -> None:
        """Raise InputError for an id that is none or is taken."""
        check_id(key, f"the id of a {what}")
        if key in self._ids[what]:
            raise InputError(f"{what} {key!r} is there already")
        self._ids[what].add(key)

    def _finish(self) -> None:
        """Check what relevance names, then rename."""
        for what, named in (("query", self._ids["relevance"]), ("document", self._named)):
            if absent := named - self._ids[what]:
                raise InputError(f"relevance names {what} {min(absent)!r}, which was not written")
        self.about.write(self.draft)
        if self.folder.exists():
            self.folder.rmdir()
        self.draft.replace(self.folder)


def is_taken(folder: Path) -> bool:
    """Whether no dataset can be written there: something is, and it is not an empty folder."""
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))


def check_new(folder: Path) -> None:
    """Raise InputError where a folder is taken."""
    if is_taken(folder):
        raise InputError(f"{folder} is there already; remove it, or write to another folder")


class _Sink(Protocol):
    """Takes rows of one table."""

    def write(self, row: dict[str, Any]) -> None:
        """One row."""
        ...

    def close(self) -> None:
        """No more rows."""
        ...


class _JsonlSink:
    """Lines of JSON."""

    def __init__(self, folder: Path, name: str) -> None:
        self._file = (folder / f"{name}.jsonl").open("w", encoding="utf-8", newline="\n")

    def write(self, row: dict[str, Any]) -> None:
        """One line."""
        self._file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _ParquetSink:
    """Row groups of `GROUP` rows."""

    def __init__(self, folder: Path, name: str) -> None:
        module = parquet()
        self._schema = _schema(name)
        self._writer = module.ParquetWriter(folder / f"{name}.parquet", self._schema)
        self._rows: list[dict[str, Any]] = []

    def write(self, row: dict[str, Any]) -> None:
        """One row; written with its group."""
        listed: dict[str, Any] = {key: [row[key]] for key in ("text", "image") if isinstance(row.get(key), str)}
        listed |= {"scores": list(row["scores"].items())} if "scores" in row else {}
        self._rows.append(row | listed)
        if len(self._rows) == GROUP:
            self._flush()

    def close(self) -> None:
        """Write what is left."""
        if self._rows:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        """One row group."""
        import pyarrow

        self._writer.write_table(pyarrow.Table.from_pylist(self._rows, schema=self._schema))
        self._rows.clear()


def _schema(name: str) -> Any:
    """Columns of a table; absent values are null."""
    import pyarrow as pa

    text, number, whole = pa.string(), pa.float64(), pa.int64()
    if name == "relevance":
        ids = pa.list_(text)
        return pa.schema([("query", text), ("positives", ids), ("negatives", ids), ("scores", pa.map_(text, number))])
    part = {"text": text, "image": text, "video": text, "frames": pa.list_(text), "page": text, "file": text}
    part |= {"fps": number, "max_frames": whole, "rate": number, "number": whole}
    columns = {
        "id": text,
        "text": pa.list_(text),
        "image": pa.list_(text),
        "video": text,
        "content": pa.list_(pa.struct(part)),
        "instruction": text,
    }
    return pa.schema(list((columns | {"fps": number, "max_frames": whole}).items()))
