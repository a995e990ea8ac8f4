"""One library on disk."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from anyseek.errors import CapacityError, ConfigError, InputError
from anyseek.index import kept, recall, tables, upkeep
from anyseek.index.filters import Filter, of_files, one_of, text
from anyseek.index.fingerprint import Fingerprint
from anyseek.index.held import Held
from anyseek.index.info import Info
from anyseek.index.lock import WriterLock, unwritable
from anyseek.index.rows import FileKey, Kind, Recalled, State, StoredFile, Thing
from anyseek.index.tables import FILE_COLUMNS, THING_COLUMNS, Tables, rows_of
from anyseek.index.words import words
from anyseek.index.writer import Writer
from anyseek.vectors import normalize

__all__ = ["Store"]


class Store:
    """A library: `create` or `open` one.

    Reading needs no lock and goes on while another process writes; every call sees all that was written before it.
    A Store may be used by several threads.
    """

    def __init__(self, opened: Tables) -> None:
        """Of tables that are there; see `create` and `open`."""
        self._tables = opened
        self._held: Held | None = None
        self._noted: tuple[int, bool] = (-1, False)
        self._known: tuple[int, bool, int] = (-1, False, 0)

    @classmethod
    def create(
        cls, folder: str | Path, fingerprint: Fingerprint, *, storage: Mapping[str, str] | None = None
    ) -> "Store":
        """Make an empty library. One whose making was interrupted is made anew.

        Args:
            folder: made when missing; or an address such as `s3://bucket/name`.
            fingerprint: what its vectors will hang on.
            storage: options of object storage, in the words of LanceDB: keys, region, endpoint.

        Raises:
            ConfigError: there is a library already, or nobody can write there.
            CapacityError: another process is making one there, or the disk is full.
        """
        place = tables.place_of(folder)
        if not tables.is_remote(place):
            try:
                Path(place).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise unwritable(Path(place), error) from error
        with _alone(place):
            return cls(Tables.create(place, fingerprint, storage or {}))

    @classmethod
    def open(cls, folder: str | Path, *, storage: Mapping[str, str] | None = None) -> "Store":
        """Open a library.

        Raises:
            SourceError: there is none.
            ConfigError: nobody can say, since it cannot be reached or may not be read.
            DecodeError: it is damaged, or of a newer format.
        """
        return cls(Tables.open(tables.place_of(folder), storage or {}))

    @property
    def folder(self) -> str:
        """Where it is."""
        return self._tables.folder

    @property
    def is_remote(self) -> bool:
        """Whether it lies on object storage."""
        return tables.is_remote(self.folder)

    @property
    def fingerprint(self) -> Fingerprint:
        """What its vectors hang on."""
        return self._tables.fingerprint

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

        On object storage nothing keeps a second writer out. Commits are atomic and rows known by their ids, so that
        several lose nothing and double nothing, as long as none of them calls `optimize` with `force`; each search then
        asks for the files of what it found.

        Raises:
            CapacityError: another one is writing, says which process; or the disk is full.
            ConfigError: nobody can write there.
        """
        with _alone(self.folder) as alone:
            writer = Writer(self._tables, alone=alone)
            yield writer
            writer.flush()

    def hold(self, max_bytes: int | None = None) -> int:
        """Hold all vectors in memory from now on, until they take too much: for a server that is asked often.

        Searches read what is new by themselves. After much of it say this again, which puts it in lists.

        Args:
            max_bytes: most memory; None for no limit.

        Returns:
            Bytes that it takes, about.

        Raises:
            CapacityError: it takes more than that; nothing is held then.
        """
        held = self._held
        if held is None or held.max_bytes != max_bytes:
            held = Held(self._tables, max_bytes)
        try:
            held.arrange()
        except CapacityError:
            self._held = None
            raise
        self._held = held
        return held.bytes

    def recall(self, vector: NDArray[Any], top: int, where: Filter | None = None) -> list[Recalled]:
        """The things whose vectors are most similar.

        Args:
            vector: `(width,)` of the query; its length does not matter.
            top: at most so many.
            where: which things count.

        Returns:
            Best first; those of equal similarity by id.

        Raises:
            ConfigError: the vector is of another width, or not finite.
        """
        query, where = self._query(vector), where or Filter()
        if held := self._held:
            try:
                return self._counting(lambda limit: held.best(query, limit, where), top, where)
            except CapacityError:  # it has outgrown its bound
                self._held = None
        scope = recall.scope_of(self._tables, where)
        find = recall.by_vector(self._tables, query, *self._indexed())
        return self._counting(lambda limit: recall.ranked(find, limit, scope), top, where)

    def lexical(self, text: str, top: int, where: Filter | None = None) -> list[Recalled]:
        """The things whose own text has words of a text, with the score of BM25 as similarity; best first."""
        if not words(text, query=True):
            return []
        where = where or Filter()
        scope = recall.scope_of(self._tables, where)
        find = recall.by_words(self._tables, text)
        return self._counting(lambda limit: recall.ranked(find, limit, scope), top, where)

    def things(self, ids: Iterable[str]) -> dict[str, Thing]:
        """Things by id, without thumbnails; an id that is not there is left out."""
        found = self._things_by_id(ids, THING_COLUMNS)
        return {thing.id: thing for thing in tables.thing_rows(found)}

    def things_of(self, hash: str) -> list[Thing]:
        """All things of a content, by part, without thumbnails; those of an unfinished file too."""
        rows = rows_of(self._tables.things, one_of("hash", [hash]), THING_COLUMNS)
        return sorted(tables.thing_rows(rows), key=lambda thing: thing.part)

    def thumbnails(self, ids: Iterable[str]) -> dict[str, bytes]:
        """Thumbnails by id; what is not there, or has none, is left out."""
        rows = self._things_by_id(ids, ["id", "thumbnail"]).to_pylist()
        return {row["id"]: row["thumbnail"] for row in rows if row["thumbnail"] is not None}

    def vectors(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """`(ids, width)` of length 1 as they are kept, in the order of the ids.

        Raises:
            InputError: there is no thing of an id.
        """
        there, found = self.present(ids)
        missing = set(ids).difference(there)
        if missing:
            raise InputError(f"the library has no thing {next(id for id in ids if id in missing)!r}")
        return found

    def present(self, ids: Sequence[str]) -> tuple[list[str], NDArray[np.float32]]:
        """Those of some ids that are there, in their order, and their vectors as `vectors` gives them."""
        column = kept.finest(self.fingerprint)
        found = self._things_by_id(ids, ["id", column])
        rows = {id: row for row, id in enumerate(found["id"].to_pylist())}
        there = [id for id in ids if id in rows]
        return there, kept.decode(kept.matrix(found[column]), self.fingerprint)[[rows[id] for id in there]]

    def files(self, where: Filter | None = None) -> Iterator[StoredFile]:
        """Rows of files, failed ones too; of a Filter what it says of files. A few are in memory at a time."""
        query = self._tables.files.search().select(FILE_COLUMNS)
        predicate = of_files(where or Filter())
        for batch in (query.where(predicate) if predicate else query).to_batches():
            yield from tables.file_rows(pa.Table.from_batches([batch]))

    def file(self, key: FileKey) -> StoredFile | None:
        """The row of a file."""
        predicate = f"{one_of('root', [key[0]])} AND {one_of('path', [key[1]])}"
        return next(iter(tables.file_rows(rows_of(self._tables.files, predicate, FILE_COLUMNS))), None)

    def files_of(self, hashes: Iterable[str], where: Filter | None = None) -> dict[str, list[StoredFile]]:
        """Done files by the hash of their content, sorted by root and path; a hash without any is left out.

        What is in the answer needs no encoding: its vectors are here. Of a Filter what it says of files must hold.
        """
        parts = (one_of("hash", hashes), "state = 'done'", of_files(where or Filter()))
        rows = rows_of(self._tables.files, " AND ".join(part for part in parts if part), FILE_COLUMNS)
        found: dict[str, list[StoredFile]] = {}
        for file in sorted(tables.file_rows(rows), key=lambda file: file.key):
            found.setdefault(str(file.hash), []).append(file)
        return found

    def listed(
        self, where: Filter | None = None, *, state: State | None = None, after: FileKey | None = None, limit: int = 100
    ) -> list[StoredFile]:
        """Rows of files by root and path, as many as `limit`, those behind the key `after`; of a Filter as `files`."""
        parts = [part for part in (of_files(where or Filter()), f"state = '{state}'" if state else "") if part]
        if after is not None:
            root, path = (text(part) for part in after)
            parts.append(f"(root > {root} OR (root = {root} AND path > {path}))")
        keys = rows_of(self._tables.files, " AND ".join(parts), ["root", "path"])
        chosen = keys.take(pc.select_k_unstable(keys, limit, [("root", "ascending"), ("path", "ascending")]))
        by_root: dict[str, list[str]] = {}
        for row in chosen.to_pylist():
            by_root.setdefault(row["root"], []).append(row["path"])
        found: list[StoredFile] = []
        for root, paths in by_root.items():
            named = f"{one_of('root', [root])} AND {one_of('path', paths)}"
            found += tables.file_rows(rows_of(self._tables.files, named, FILE_COLUMNS))
        return sorted(found, key=lambda file: file.key)

    def roots(self) -> dict[str, tuple[int, int]]:
        """Roots by name, and how many of the files of each are done and failed."""
        rows = rows_of(self._tables.files, "", ["root", "state"])
        found: dict[str, list[int]] = {}
        for row in rows.group_by(["root", "state"]).aggregate([([], "count_all")]).to_pylist():
            found.setdefault(row["root"], [0, 0])[row["state"] == "failed"] += row["count_all"]
        return {root: (done, failed) for root, (done, failed) in sorted(found.items())}

    def kinds(self, hashes: Iterable[str]) -> dict[str, Kind]:
        """What each content is: of what kind its things are; one that has none is left out."""
        rows = rows_of(self._tables.things, one_of("hash", hashes), ["hash", "kind"])
        return {row["hash"]: row["kind"] for row in rows.group_by(["hash", "kind"]).aggregate([]).to_pylist()}

    def tags(self) -> dict[str, int]:
        """Tags, and how many files have each."""
        rows = rows_of(self._tables.files, "", ["tags"])
        return dict(sorted(Counter(pc.list_flatten(rows["tags"]).to_pylist()).items()))

    def info(self) -> Info:
        """What the library is."""
        opened = self._tables
        kinds = rows_of(opened.things, "", ["kind"])["kind"]
        indexed = upkeep.has_vector_index(opened) and len(kinds) > recall.EXACT_ROWS
        return Info(
            folder=self.folder,
            format=tables.FORMAT,
            fingerprint=self.fingerprint,
            things={row["values"]: row["counts"] for row in pc.value_counts(kinds).to_pylist()},
            files=opened.files.count_rows("state = 'done'"),
            failed=opened.files.count_rows("state = 'failed'"),
            bytes=_bytes(opened),
            recall="memory" if self._held else "approximate" if indexed else "exact",
            exact_below=recall.EXACT_ROWS,
            unindexed=upkeep.unindexed(opened),
            held_bytes=self._held.bytes if self._held else 0,
        )

    def _query(self, vector: NDArray[Any]) -> NDArray[np.float32]:
        """A vector of length 1."""
        if vector.shape != (self.fingerprint.width,):
            raise ConfigError(f"a vector of the library has {self.fingerprint.width} numbers (got {vector.shape})")
        query: NDArray[np.float32] = normalize(vector.astype(np.float32)[None])[0]
        if not np.isfinite(query).all():
            raise ConfigError("the vector of the query is not finite; encode it again")
        return query

    def _counting(self, find: Callable[[int], pa.Table], top: int, where: Filter) -> list[Recalled]:
        """The best that belong to a finished file.

        Unless everything is known to, or was chosen by its file, the files of what was found are looked up.
        """
        limit, by_file = top, bool(of_files(where))
        while True:
            found = find(limit)
            if by_file or self._settled():
                return recall.recalled(found[:top])
            live = self._tables.live(pc.unique(found["hash"]).to_pylist())
            counting = found.filter(pc.is_in(found["hash"], value_set=pa.array(live, pa.string())))
            if len(counting) >= top or len(found) < limit:
                return recall.recalled(counting[:top])
            limit *= 4

    def _indexed(self) -> tuple[bool, int]:
        """Whether there is an index of vectors, and how many things there are."""
        things, known = self._tables.things, self._known
        version = things.version
        if known[0] != version:
            self._known = known = (version, upkeep.has_vector_index(self._tables), things.count_rows())
        return known[1:]

    def _settled(self) -> bool:
        """Whether every thing has a finished file. To be asked after things were found, not before."""
        version = self._tables.about.version
        if self._noted[0] != version:
            self._noted = (version, self._tables.said().get("settled") == "yes")
        return self._noted[1]

    def _things_by_id(self, ids: Iterable[str], columns: list[str]) -> pa.Table:
        """Columns of things by id, in any order."""
        return rows_of(self._tables.things, one_of("id", ids), columns)


@contextmanager
def _alone(folder: str) -> Iterator[bool]:
    """Keep other writers out, where that can be done: not on object storage. A full disk is told of."""
    with tables.needs_room(folder):
        lock = None if tables.is_remote(folder) else WriterLock(Path(folder))
        try:
            yield lock is not None
        finally:
            if lock:
                lock.release()


def _bytes(opened: Tables) -> int:
    """On disk, without what vanishes meanwhile; on object storage what the tables say of themselves, of now alone."""
    if tables.is_remote(opened.folder):
        return sum(int(table.stats()["total_bytes"]) for table in (opened.things, opened.files))
    total = 0
    for folder, _, names in os.walk(opened.folder):  # which passes over folders that have gone
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(folder, name).stat().st_size
    return total
