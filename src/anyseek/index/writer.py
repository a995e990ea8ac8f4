"""Putting things and files into a library, in an order that a dying process cannot spoil."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from anyseek.errors import ConfigError, InputError
from anyseek.index import tables
from anyseek.index.filters import one_of
from anyseek.index.fingerprint import Fingerprint
from anyseek.index.rows import FileKey, StoredFile, Thing
from anyseek.vectors import normalize, quantize

__all__ = ["Writer"]

ROWS = 1024
"""Things or files that are gathered into one commit."""


class Writer:
    """Writes to a library; from `Store.write`.

    What is put is gathered and written in batches, always things before files, so that a row that says done has all its
    things. Call `flush` to have it on disk now. Everything is idempotent: putting the same again changes nothing.
    """

    def __init__(self, things: Any, files: Any, fingerprint: Fingerprint) -> None:
        """Of open tables; see `Store.write`."""
        self._things, self._files, self._fingerprint = things, files, fingerprint
        self._schema = tables.schema_of(tables.THINGS, fingerprint)
        self._new_things: dict[str, tuple[Thing, NDArray[np.float32]]] = {}
        self._new_files: dict[FileKey, StoredFile] = {}

    def put(self, things: Sequence[Thing], vectors: NDArray[Any]) -> None:
        """Store things; one that is there already (by id) is replaced.

        Args:
            things: of one file or of many; of a long document also a few at a time.
            vectors: `(things, width)`, of any length and precision; kept as the fingerprint says.

        Raises:
            ConfigError: the vectors are of another number or width.
            InputError: a vector is not finite or all zero.
        """
        wanted = (len(things), self._fingerprint.width)
        if vectors.shape != wanted:
            raise ConfigError(f"vectors must be {wanted} (got {vectors.shape})")
        whole = vectors.astype(np.float32)
        lengths = np.linalg.norm(whole, axis=1)
        for row in np.flatnonzero(~np.isfinite(lengths) | (lengths == 0)):
            raise InputError(f"the vector of {things[int(row)].id} is not finite or is zero; encode it again")
        whole = normalize(whole)
        self._new_things |= {thing.id: (thing, row) for thing, row in zip(things, whole, strict=True)}
        self._flush_when_full()

    def put_files(self, files: Iterable[StoredFile]) -> None:
        """Store rows of files, new ones or in place of the same root and path.

        A file that is done must have all its things put before this call. For a renamed or copied file this is all that
        is needed: `hash` says where its things are.
        """
        self._new_files |= {file.key: file for file in files}
        self._flush_when_full()

    def remove_files(self, keys: Iterable[FileKey]) -> None:
        """Forget files. Things that no file has any more are not found from now on; `optimize` frees their room."""
        self.flush()
        by_root: dict[str, list[str]] = {}
        for root, path in keys:
            by_root.setdefault(root, []).append(path)
        for root, paths in by_root.items():
            self._files.delete(f"{one_of('root', [root])} AND {one_of('path', paths)}")

    def tag(self, keys: Iterable[FileKey], add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Change the tags of files; a key that is not there is passed over."""
        self.flush()
        more, less = set(add), set(remove)
        files = self._known(keys)
        self.put_files(replace(file, tags=tuple(sorted({*(file.tags or ()), *more} - less))) for file in files.values())

    def unfinished(self) -> dict[str, frozenset[int]]:
        """Contents without a finished file, and which parts of each are stored already: what a resumed run may keep."""
        self.flush()
        self._files.checkout_latest()
        done = self._files.search().where("state = 'done'").select(["hash"]).to_arrow()["hash"]
        known = set(done.to_pylist())
        self._things.checkout_latest()
        found: dict[str, set[int]] = {}
        for row in self._things.search().select(["hash", "part"]).to_arrow().to_pylist():
            if row["hash"] not in known:
                found.setdefault(row["hash"], set()).add(row["part"])
        return {hash: frozenset(parts) for hash, parts in found.items()}

    def optimize(self) -> None:
        """Remove things that no file has, unfinished ones too, and put the tables in order."""
        gone = list(self.unfinished())
        if gone:
            self._things.delete(one_of("hash", gone))
        for table in (self._things, self._files):
            table.optimize()

    def flush(self) -> None:
        """Write what was put: things, then files."""
        if self._new_things:
            things, rows = zip(*self._new_things.values(), strict=True)
            kept = quantize(np.stack(rows), self._fingerprint.precision)
            _merge(self._things, ["id"], tables.things_table(things, kept, self._schema))
            self._new_things = {}
        if self._new_files:
            bare = [file.key for file in self._new_files.values() if file.tags is None]
            known = self._known(bare) if bare else {}
            files = [
                replace(file, tags=known[file.key].tags) if file.tags is None and file.key in known else file
                for file in self._new_files.values()
            ]
            _merge(self._files, ["root", "path"], tables.files_table(files))
            self._new_files = {}

    def _flush_when_full(self) -> None:
        """Write when there is enough for a commit."""
        if max(len(self._new_things), len(self._new_files)) >= ROWS:
            self.flush()

    def _known(self, keys: Iterable[FileKey]) -> dict[FileKey, StoredFile]:
        """Rows of files that are there, by key."""
        wanted = set(keys)
        self._files.checkout_latest()
        rows = self._files.search().where(one_of("path", {path for _, path in wanted})).to_arrow()
        return {file.key: file for file in tables.file_rows(rows) if file.key in wanted}


def _merge(table: Any, on: list[str], rows: pa.Table) -> None:
    """Insert rows, or replace those of the same key, in one commit."""
    table.checkout_latest()
    table.merge_insert(on).when_matched_update_all().when_not_matched_insert_all().execute(rows)
