"""Putting things and files into a library, in an order that a dying process cannot spoil."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyseek.errors import ConfigError, InputError
from anyseek.index import upkeep
from anyseek.index.filters import one_of
from anyseek.index.recall import FEW
from anyseek.index.rows import FileKey, StoredFile, Thing
from anyseek.index.tables import Tables, file_rows, files_table, merge, rows_of, things_table
from anyseek.index.upkeep import Upkeep
from anyseek.vectors import normalize

__all__ = ["Writer"]

ROWS = 1024
"""Things or files that are gathered into one commit."""
COMMITS = 64
"""Commits after which the tables are put in order while writing goes on, so that searching stays quick."""
KEYS = 500
"""Paths that are named in one predicate."""


class Writer:
    """Writes to a library; from `Store.write`.

    What is put is gathered and written in batches, always things before files, so that a row that says done has all its
    things. Call `flush` to have it on disk now. Everything is idempotent: putting the same again changes nothing.
    """

    def __init__(self, tables: Tables, *, alone: bool) -> None:
        """Of open tables; `alone` when a lock keeps others from writing. See `Store.write`."""
        self._tables, self._alone = tables, alone
        self._new_things: dict[str, tuple[Thing, NDArray[np.float32]]] = {}
        self._new_files: dict[FileKey, StoredFile] = {}
        self._settled = tables.said().get("settled") == "yes"
        self._commits = 0

    def put(self, things: Sequence[Thing], vectors: NDArray[Any]) -> None:
        """Store things; one that is there already (by id) is replaced.

        Args:
            things: of one file or of many; of a long document also a few at a time.
            vectors: `(things, width)`, of any length and precision; kept as the fingerprint says.

        Raises:
            ConfigError: the vectors are of another number or width.
            InputError: a vector is not finite or all zero.
        """
        wanted = (len(things), self._tables.fingerprint.width)
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
        for file in files:
            waiting = self._new_files.get(file.key)
            self._new_files[file.key] = replace(file, tags=waiting.tags) if waiting and file.tags is None else file
            self._flush_when_full()

    def remove_files(self, keys: Iterable[FileKey]) -> None:
        """Forget files. Things that no file has any more are not found from now on; `optimize` frees their room."""
        wanted = list(keys)
        self.flush()
        if wanted:
            self._unsettle()
        for predicate in _named(wanted):
            self._tables.files.delete(predicate)

    def remove_things(self, ids: Sequence[str]) -> None:
        """Remove things of files that are not done; put before or not yet written."""
        self.flush()
        for start in range(0, len(ids), FEW):
            self._tables.things.delete(one_of("id", ids[start : start + FEW]))

    def tag(self, keys: Iterable[FileKey], add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Change the tags of files; a key that is not there is passed over.

        Raises:
            InputError: a tag that is to be given has no name.
        """
        add = tuple(add)
        if not all(tag.strip() for tag in add):
            raise InputError("a tag needs a name (got an empty one)")
        self.flush()
        more, less = set(add), set(remove)
        for file in self._known(keys).values():
            tags = tuple(sorted({*(file.tags or ()), *more} - less))
            if tags != file.tags:
                self.put_files([replace(file, tags=tags)])

    def unfinished(self) -> dict[str, frozenset[int]]:
        """Contents without a finished file, and which parts of each are stored already: what a resumed run may keep.

        Among them are those of files that were removed since the last `optimize`.
        """
        self.flush()
        return {} if self._settled else upkeep.homeless(self._tables)

    def optimize(self, *, force: bool = False, keep: timedelta = upkeep.KEEP) -> Upkeep:
        """Remove things that no finished file has, then put in order and index what is due.

        Where no lock keeps others out (on object storage) things are removed with `force` only: those of a file that
        another writer has not finished would be among them.

        Args:
            force: put everything in order, due or not; no other writer is at work.
            keep: how long old versions stay for readers that have begun with them.
        """
        self.flush()
        removed = 0
        if not self._settled and (self._alone or force):
            removed = upkeep.remove_homeless(self._tables)
        if not self._settled and self._alone:
            self._tables.say(settled="yes")
            self._settled = True
        done = upkeep.optimize(self._tables, force=force, keep=keep)
        done.removed = removed
        return done

    def flush(self) -> None:
        """Write what was put: things, then files."""
        if self._new_things:
            self._unsettle()
            things, rows = zip(*self._new_things.values(), strict=True)
            merge(self._tables.things, ["id"], things_table(things, np.stack(rows), self._tables.fingerprint))
            self._new_things = {}
            self._count()
        if self._new_files:
            self._flush_files()

    def _flush_files(self) -> None:
        """Write rows of files; those without tags of their own keep what they have."""
        known = self._known(self._new_files)
        files = []
        for key, file in self._new_files.items():
            old = known.get(key)
            files.append(replace(file, tags=old.tags) if file.tags is None and old else file)
            if old and old.state == "done" and (old.hash, old.state) != (file.hash, file.state):
                self._unsettle()
        merge(self._tables.files, ["root", "path"], files_table(files))
        self._new_files = {}
        self._count()

    def _flush_when_full(self) -> None:
        """Write when there is enough for a commit."""
        if max(len(self._new_things), len(self._new_files)) >= ROWS:
            self.flush()

    def _unsettle(self) -> None:
        """Have it on disk, before it is so, that not every thing has a finished file."""
        if self._settled:
            self._tables.say(settled="no")
            self._settled = False

    def _count(self) -> None:
        """Put the tables in order every so often."""
        self._commits += 1
        if self._commits % COMMITS == 0:
            upkeep.optimize(self._tables)

    def _known(self, keys: Iterable[FileKey]) -> dict[FileKey, StoredFile]:
        """Rows of files that are there, by key."""
        names = [field.name for field in self._tables.files.schema]
        rows = [file for predicate in _named(keys) for file in file_rows(rows_of(self._tables.files, predicate, names))]
        return {file.key: file for file in rows}


def _named(keys: Iterable[FileKey]) -> Iterable[str]:
    """Predicates that are together true of the files of some keys."""
    by_root: dict[str, list[str]] = {}
    for root, path in keys:
        by_root.setdefault(root, []).append(path)
    for root, paths in by_root.items():
        for start in range(0, len(paths), KEYS):
            yield f"{one_of('root', [root])} AND {one_of('path', paths[start : start + KEYS])}"
