"""One library on disk."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
from lancedb.index import FTS
from numpy.typing import NDArray

from anyseek.errors import ConfigError, DecodeError, InputError, SourceError
from anyseek.index import tables
from anyseek.index.filters import Filter, of_files, of_things, one_of
from anyseek.index.fingerprint import Fingerprint
from anyseek.index.lock import WriterLock
from anyseek.index.rows import FileKey, Recalled, StoredFile, Thing
from anyseek.index.writer import Writer
from anyseek.vectors import normalize

__all__ = ["FORMAT", "Info", "Store"]

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What a library is.

    Attributes:
        folder: where.
        format: version of the tables.
        fingerprint: what its vectors hang on.
        things: how many, unfinished ones included.
        files: done.
        failed: files that could not be read.
        bytes: on disk.
        recall: how the next search without a filter looks for vectors: `exact` or `approximate`.
    """

    folder: str
    format: int
    fingerprint: Fingerprint
    things: int
    files: int
    failed: int
    bytes: int
    recall: str

    @property
    def bytes_per_thing(self) -> float:
        """On disk, indexes, texts and thumbnails included; 0 for an empty library."""
        return self.bytes / self.things if self.things else 0.0


class Store:
    """A library: `create` or `open` one.

    Reading needs no lock and goes on while another process writes; every call sees all that was written before it.
    A Store may be used by several threads.
    """

    def __init__(self, folder: str, fingerprint: Fingerprint, database: Any) -> None:
        """Of tables that are there; see `create` and `open`."""
        self.folder = folder
        self.fingerprint = fingerprint
        self._things = database.open_table(tables.THINGS)
        self._files = database.open_table(tables.FILES)

    @classmethod
    def create(cls, folder: str | Path, fingerprint: Fingerprint) -> "Store":
        """Make an empty library; the folder may be there already. One whose making was interrupted is made anew.

        Raises:
            ConfigError: there is a library in the folder.
        """
        place = str(folder)
        Path(place).mkdir(parents=True, exist_ok=True)
        database = _connect(place)
        if tables.ABOUT in _names(database):
            raise ConfigError(f"{place} holds a library already; open it, or name another folder")
        for name in (tables.THINGS, tables.FILES):
            database.create_table(name, schema=tables.schema_of(name, fingerprint), mode="overwrite")
        config = FTS(base_tokenizer="icu", stem=False, remove_stop_words=False)
        database.open_table(tables.THINGS).create_index("text", config=config)
        about = tables.about_table({"format": str(FORMAT), "fingerprint": fingerprint.to_json()})
        database.create_table(tables.ABOUT, about)  # last: a library is one that has this table
        return cls(place, fingerprint, database)

    @classmethod
    def open(cls, folder: str | Path) -> "Store":
        """Open a library.

        Raises:
            SourceError: there is none in the folder.
            DecodeError: it is damaged, or of a newer format.
        """
        place = str(folder)
        if not Path(place).is_dir():
            raise SourceError(f"there is no library at {place}; make one with: anyseek index")
        database = _connect(place)
        if tables.ABOUT not in _names(database):
            raise SourceError(f"there is no library at {place}; make one with: anyseek index")
        rows = {row["key"]: row["value"] for row in database.open_table(tables.ABOUT).to_arrow().to_pylist()}
        version = int(rows["format"])
        if version > FORMAT:
            raise DecodeError(f"{place} is of format {version}, this anyseek reads up to {FORMAT}; update anyseek")
        return cls(place, Fingerprint.from_json(rows["fingerprint"]), database)

    def check(self, wanted: Fingerprint) -> None:
        """Refuse to go on with another model or setting.

        Raises:
            ConfigError: names what differs.
        """
        if differences := self.fingerprint.differences(wanted):
            raise ConfigError(f"{self.folder} was made otherwise: {'; '.join(differences)}")

    @contextmanager
    def write(self) -> Iterator[Writer]:
        """A writer for the length of a `with`; what was put is written when it ends, at the latest.

        Raises:
            CapacityError: another one is writing; says which process.
        """
        lock = WriterLock(Path(self.folder))
        try:
            writer = Writer(self._things, self._files, self.fingerprint)
            yield writer
            writer.flush()
        finally:
            lock.release()

    def recall(self, vector: NDArray[Any], top: int, where: Filter | None = None) -> list[Recalled]:
        """The things whose vectors are most similar.

        Args:
            vector: `(width,)` of the query; its length does not matter.
            top: at most so many.
            where: which things count.

        Returns:
            Best first; those of equal similarity by id.

        Raises:
            ConfigError: the vector is of another width.
        """
        if vector.shape != (self.fingerprint.width,):
            raise ConfigError(f"a vector of the library has {self.fingerprint.width} numbers (got {vector.shape})")
        found = self._matching(where, ["id", "vector"])
        matrix = normalize(_matrix(found["vector"]))
        similarities = matrix @ normalize(vector.astype(np.float32)[None])[0]
        ids = found["id"].to_pylist()
        order = sorted(range(len(ids)), key=lambda row: (-similarities[row], ids[row]))[:top]
        return [Recalled(ids[row], float(similarities[row])) for row in order]

    def lexical(self, text: str, top: int, where: Filter | None = None) -> list[Recalled]:
        """The things whose own text has words of a text, with the score of BM25 as similarity; best first."""
        counting = set(self._matching(where, ["id"])["id"].to_pylist())
        if not text.strip() or not counting:
            return []
        self._things.checkout_latest()
        query = self._things.search(text, query_type="fts").select(["id", "_score"]).limit(self._things.count_rows())
        rows = [row for row in query.to_list() if row["id"] in counting]
        rows.sort(key=lambda row: (-row["_score"], row["id"]))
        return [Recalled(row["id"], row["_score"]) for row in rows[:top]]

    def near(self, id: str, above: float, top: int = 100) -> list[Recalled]:
        """Other things whose vectors have at least a cosine with that of a thing: near-duplicates.

        Raises:
            InputError: there is no such thing.
        """
        found = self.recall(self.vectors([id])[0], top + 1)
        return [one for one in found if one.id != id and one.similarity >= above][:top]

    def things(self, ids: Iterable[str]) -> dict[str, Thing]:
        """Things by id, without thumbnails; an id that is not there is left out."""
        found = self._things_by_id(ids, tables.THING_COLUMNS)
        return {thing.id: thing for thing in tables.thing_rows(found)}

    def things_of(self, hash: str) -> list[Thing]:
        """All things of a content, by part, without thumbnails; those of an unfinished file too."""
        rows = _rows(self._things, one_of("hash", [hash]), tables.THING_COLUMNS)
        return sorted(tables.thing_rows(rows), key=lambda thing: thing.part)

    def thumbnails(self, ids: Iterable[str]) -> dict[str, bytes]:
        """Thumbnails by id; what is not there, or has none, is left out."""
        rows = self._things_by_id(ids, ["id", "thumbnail"]).to_pylist()
        return {row["id"]: row["thumbnail"] for row in rows if row["thumbnail"] is not None}

    def vectors(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """`(ids, width)` of length 1, in the order of the ids.

        Raises:
            InputError: there is no thing of an id.
        """
        found = self._things_by_id(ids, ["id", "vector"])
        rows = {id: row for row, id in enumerate(found["id"].to_pylist())}
        missing = [id for id in ids if id not in rows]
        if missing:
            raise InputError(f"the library has no thing {missing[0]!r}")
        vectors: NDArray[np.float32] = normalize(_matrix(found["vector"])[[rows[id] for id in ids]])
        return vectors

    def files(self, where: Filter | None = None) -> Iterator[StoredFile]:
        """Rows of files, failed ones too; of a Filter what it says of files. A few are in memory at a time."""
        self._files.checkout_latest()
        query = self._files.search().select(tables.FILE_COLUMNS)
        predicate = of_files(where or Filter())
        for batch in (query.where(predicate) if predicate else query).to_batches():
            yield from tables.file_rows(pa.Table.from_batches([batch]))

    def file(self, key: FileKey) -> StoredFile | None:
        """The row of a file."""
        predicate = f"{one_of('root', [key[0]])} AND {one_of('path', [key[1]])}"
        return next(iter(tables.file_rows(_rows(self._files, predicate, tables.FILE_COLUMNS))), None)

    def files_of(self, hashes: Iterable[str]) -> dict[str, list[StoredFile]]:
        """Done files by the hash of their content, sorted by root and path; a hash without any is left out.

        What is in the answer needs no encoding: its vectors are here.
        """
        predicate = f"{one_of('hash', hashes)} AND state = 'done'"
        found: dict[str, list[StoredFile]] = {}
        for file in sorted(tables.file_rows(_rows(self._files, predicate, tables.FILE_COLUMNS)), key=lambda f: f.key):
            found.setdefault(str(file.hash), []).append(file)
        return found

    def info(self) -> Info:
        """What the library is."""
        for table in (self._things, self._files):
            table.checkout_latest()
        return Info(
            folder=self.folder,
            format=FORMAT,
            fingerprint=self.fingerprint,
            things=self._things.count_rows(),
            files=self._files.count_rows("state = 'done'"),
            failed=self._files.count_rows("state = 'failed'"),
            bytes=sum(path.stat().st_size for path in Path(self.folder).rglob("*") if path.is_file()),
            recall="exact",
        )

    def _things_by_id(self, ids: Iterable[str], columns: list[str]) -> pa.Table:
        """Columns of things by id, in any order."""
        return _rows(self._things, one_of("id", ids), columns)

    def _matching(self, where: Filter | None, columns: list[str]) -> pa.Table:
        """Columns of the things that count."""
        said = where or Filter()
        conditions = [part for part in (of_files(said), "state = 'done'") if part]
        live = set(_rows(self._files, " AND ".join(conditions), ["hash"])["hash"].to_pylist())
        found = _rows(self._things, of_things(said), sorted({*columns, "hash"}))
        return found.filter(pa.array([hash in live for hash in found["hash"].to_pylist()], pa.bool_()))


def _connect(folder: str) -> Any:
    """The database of a folder."""
    return lancedb.connect(folder)


def _names(database: Any) -> set[str]:
    """The tables that are there."""
    return set(database.list_tables().tables)


def _rows(table: Any, predicate: str, columns: list[str]) -> pa.Table:
    """Columns of the rows that a predicate is true of, as of now; an empty one is true of all."""
    table.checkout_latest()
    query = table.search().select(columns)
    found: pa.Table = (query.where(predicate) if predicate else query).to_arrow()
    return found


def _matrix(column: Any) -> NDArray[np.float32]:
    """`(rows, width)` of a column of vectors."""
    column = column.combine_chunks()
    flat: NDArray[Any] = column.flatten().to_numpy(zero_copy_only=False)
    return flat.astype(np.float32).reshape(len(column), column.type.list_size)
