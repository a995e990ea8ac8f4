"""The vectors of a library in memory, for servers that are asked often; what it pays is in benchmarks/library.py.

Of a small library whole numbers are held, and every search is exact. Of a large one two things are held: the signs of
all vectors, laid out number by number, so that one pass over them counts differing bits, and the vectors as they are
kept, for rescoring the best. Of a very large one the signs are also put in lists, of which a search reads a few; rows
that came later are read as well. When the table changes only new rows are read.
"""

import threading
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from anyseek.errors import CapacityError
from anyseek.index import kept
from anyseek.index.filters import Filter, of_files, of_things
from anyseek.index.fingerprint import Fingerprint
from anyseek.index.lists import Lists
from anyseek.index.recall import EXACT_ROWS, Scope, best, scope_of
from anyseek.index.signs import MOST, differing, least, nearest, words_of
from anyseek.index.tables import THINGS, Tables, things_schema

__all__ = ["Held"]

COLUMNS = ["id", "hash", "kind", "page"]
ROWS = 4096
"""Rows that are read together."""
REFINE, LEAST = 20, 600
"""Candidates that are rescored for each wanted one, and at least."""
LISTED_ROWS = 100_000
"""Rows from which on there are lists; the signs of fewer are read in two milliseconds."""
UNLISTED = 4
"""Lists are made anew when there is a row outside for every so many inside."""
MASKS = 16
"""Filters of which it is known what they leave, a byte for each row: servers are asked with the same ones again."""
ROW_BYTES = 100
"""Memory of what is held of a thing beside its vectors, about."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """What is held at one moment. Arrays may be longer than `count`; what lies behind belongs to later moments.

    Attributes:
        count: rows, those that have gone included.
        places: `(rows,)` address of each in the table; a row never changes at its address.
        alive: `(rows,)` whether it is still there.
        about: id, hash, kind and page.
        signs: `(words, rows)` signs, 64 in each word; of a small library none.
        vectors: `(rows, numbers)` finest kept column; of a small library `(rows, width)` float32 of length 1.
        reading: of which it is a moment; rows have other numbers in another one.
        lists: of the first rows; None when there are none.
        masks: `(rows,)` what Filters leave of it, by the Filter and the version of the files.
    """

    count: int
    places: NDArray[np.uint64]
    alive: NDArray[np.bool_]
    about: pa.Table
    signs: NDArray[np.uint64]
    vectors: NDArray[Any]
    reading: object
    lists: Lists | None = None
    masks: dict[tuple[Filter, int], NDArray[np.bool_]] = field(default_factory=dict, init=False)

    @classmethod
    def none(cls, fingerprint: Fingerprint, *, small: bool) -> Self:
        """No rows."""
        columns = things_schema(fingerprint)
        finest = columns.field(kept.finest(fingerprint)).type
        about = pa.schema([columns.field(name) for name in COLUMNS]).empty_table()
        return cls(
            count=0,
            places=np.zeros(0, np.uint64),
            alive=np.zeros(0, np.bool_),
            about=about,
            signs=np.zeros((0 if small else -(-fingerprint.width // 64), 0), np.uint64),
            vectors=np.zeros((0, fingerprint.width), np.float32)
            if small
            else np.zeros((0, finest.list_size), finest.value_type.to_pandas_dtype()),
            reading=object(),
        )

    @property
    def is_small(self) -> bool:
        """Whether it is asked by a product over everything."""
        return len(self.signs) == 0

    def nearest(self, query: NDArray[np.float32], chosen: NDArray[np.bool_] | None, number: int) -> NDArray[np.int64]:
        """Numbers of rows whose signs differ least from those of a query.

        Without a filter most rows are known to be no such rows by their list. With one all are compared: its best may
        lie far from the query, and finding out what it leaves takes longer anyway.

        Args:
            query: `(width,)` of length 1.
            chosen: `(count,)` rows of a filter that are still there; None for all of those.
            number: at least so many, if there are.
        """
        wanted, signs = words_of(kept.signs(query[None]))[0], self.signs[:, : self.count]
        if self.lists is None or chosen is not None:
            return nearest(signs, wanted, self.alive if chosen is None else chosen, number)
        start = len(self.lists.order)
        rows, distances = self.lists.nearest(query, wanted, number)
        rows = np.concatenate([rows, np.arange(start, self.count)])
        distances = np.concatenate([distances, differing(signs[:, start:], wanted)])
        distances[~self.alive[rows]] = MOST
        best = least(distances, number)
        return rows[best[distances[best] < MOST]]

    def without(self, places: NDArray[np.uint64]) -> Self:
        """Those that are still among some places."""
        return replace(self, alive=self.alive & np.isin(self.places[: self.count], places))

    def extended(self, read: pa.Table, fingerprint: Fingerprint) -> Self:
        """With rows that were read."""
        start, end = self.count, self.count + len(read)
        vectors = kept.matrix(read[kept.finest(fingerprint)])
        room = self if end <= len(self.vectors) else self._grown(max(end, 2 * start))
        room.places[start:end] = read["_rowid"].to_numpy()
        if self.is_small:
            room.vectors[start:end] = kept.decode(vectors, fingerprint)
        else:
            room.vectors[start:end] = vectors
            room.signs[:, start:end] = words_of(_signs(vectors, fingerprint)).T
        return replace(
            room,
            count=end,
            alive=np.concatenate([self.alive, np.ones(len(read), np.bool_)]),
            about=pa.concat_tables([self.about, read.select(COLUMNS)]),
        )

    def _grown(self, rows: int) -> Self:
        """The same with room for more."""
        more = rows - len(self.vectors)
        return replace(
            self,
            places=np.concatenate([self.places, np.zeros(more, np.uint64)]),
            signs=np.concatenate([self.signs, np.zeros((len(self.signs), more), np.uint64)], axis=1),
            vectors=np.concatenate([self.vectors, np.zeros((more, self.vectors.shape[1]), self.vectors.dtype)]),
        )


class Held:
    """What is held of a library; may be asked by several threads.

    Args:
        tables: of the library.
        max_bytes: most memory; None for no limit.
    """

    def __init__(self, tables: Tables, max_bytes: int | None) -> None:
        self.max_bytes = max_bytes
        self._tables = tables
        self._table = tables.database.open_table(THINGS)  # a handle of its own, which may be set to a version
        self._reading, self._listing, self._noting = (threading.Lock() for _ in range(3))
        self._version = -1
        self._rows = Vectors.none(tables.fingerprint, small=True)

    @property
    def bytes(self) -> int:
        """Memory that is taken, about."""
        rows = self._rows
        arrays = (rows.signs, rows.vectors, rows.places, rows.alive)
        lists = rows.lists.bytes if rows.lists else 0
        return sum(int(array.nbytes) for array in arrays) + int(rows.about.nbytes) + lists

    def refresh(self) -> Vectors:
        """Read what is new and drop what has gone.

        Raises:
            CapacityError: it takes more than it may; says how much.
        """
        with self._reading:
            version = self._tables.things.version
            if version == self._version:
                return self._rows
            self._table.checkout(version)
            self._check_room(self._table.count_rows())
            places = self._places()
            small = len(places) <= EXACT_ROWS
            none = Vectors.none(self._tables.fingerprint, small=small)
            known = self._rows.without(places)
            if known.is_small != small or known.alive.sum() * 2 < known.count:  # compaction moves most rows
                known = none
            new = np.setdiff1d(places, known.places[: known.count], assume_unique=True)
            self._rows = self._with(known, new, everything=len(new) == len(places))
            self._version = version
            return self._rows

    def arrange(self) -> None:
        """Put the rows in lists, if there are many and those outside have become too many; searches go on meanwhile.

        Raises:
            CapacityError: as `refresh`.
        """
        with self._listing:
            rows = self.refresh()
            inside = len(rows.lists.order) if rows.lists else 0
            if rows.is_small or rows.count < LISTED_ROWS or (rows.count - inside) * UNLISTED <= inside:
                return
            fingerprint = self._tables.fingerprint
            lists = Lists.of(lambda chosen: kept.decode(rows.vectors[chosen], fingerprint), rows.signs[:, : rows.count])
            with self._reading:
                if self._rows.reading is rows.reading:
                    self._rows = replace(self._rows, lists=lists)

    def best(self, query: NDArray[np.float32], limit: int, where: Filter) -> pa.Table:
        """The best of what a Filter leaves: `id`, `hash` and `score`.

        Args:
            query: `(width,)` of length 1.
            limit: at most so many.
            where: which things count.
        """
        rows = self.refresh()
        chosen = self._chosen(rows, where) if of_files(where) or of_things(where) else None
        if rows.is_small:
            found = np.flatnonzero(rows.alive if chosen is None else chosen)
            scores = (rows.vectors[: rows.count] @ query)[found]
        else:
            found = rows.nearest(query, chosen, max(LEAST, limit * REFINE))
            scores = kept.decode(rows.vectors[found], self._tables.fingerprint) @ query
        if len(scores) > limit:  # those that are as good as the last one stay: they are put in the order of their ids
            enough = scores >= np.partition(scores, -limit)[-limit] if limit else np.zeros(len(scores), np.bool_)
            found, scores = found[enough], scores[enough]
        return best(rows.about.select(["id", "hash"]).take(found), scores, limit)

    def _chosen(self, rows: Vectors, where: Filter) -> NDArray[np.bool_]:
        """`(count,)` which rows are there and count."""
        asked = (where, self._tables.files.version)
        if (known := rows.masks.get(asked)) is not None:
            return known
        mask = rows.alive & _counting(rows.about, scope_of(self._tables, where))
        with self._noting:
            while len(rows.masks) >= MASKS:
                del rows.masks[next(iter(rows.masks))]
            rows.masks[asked] = mask
        return mask

    def _places(self) -> NDArray[np.uint64]:
        """Addresses of all rows."""
        read = self._table.search().select(["part"]).with_row_id(True).to_arrow()
        places: NDArray[np.uint64] = read["_rowid"].to_numpy()
        return places

    def _with(self, known: Vectors, new: NDArray[np.uint64], *, everything: bool) -> Vectors:
        """Known rows and new ones."""
        columns = [*COLUMNS, kept.finest(self._tables.fingerprint)]
        if everything:
            for batch in self._table.search().select(columns).with_row_id(True).to_batches(ROWS):
                known = known.extended(pa.Table.from_batches([batch]), self._tables.fingerprint)
            return replace(known, about=known.about.combine_chunks())
        for start in range(0, len(new), ROWS):
            chosen = new[start : start + ROWS].tolist()
            read = self._table.take_row_ids(chosen).select(columns).with_row_id().to_arrow()
            known = known.extended(read, self._tables.fingerprint)
        return known

    def _check_room(self, count: int) -> None:
        """Refuse what does not fit."""
        width, column = self._tables.fingerprint.width, kept.finest(self._tables.fingerprint)
        stored = things_schema(self._tables.fingerprint).field(column).type
        signs = 2 * -(-width // 8)  # in lists once more
        large = stored.list_size * stored.value_type.bit_width // 8 + signs
        needed = count * (ROW_BYTES + (4 * width if count <= EXACT_ROWS else large))
        if self.max_bytes is not None and needed > self.max_bytes:
            raise CapacityError(
                f"{count:,} things take about {needed / 1e6:,.0f} MB in memory, more than the allowed "
                f"{self.max_bytes / 1e6:,.0f} MB; allow more, or search from disk"
            )


def _counting(about: pa.Table, scope: Scope) -> NDArray[np.bool_]:
    """`(rows,)` which rows count."""
    where = scope.where
    mask = np.ones(len(about), np.bool_)
    if where.kinds:
        mask &= _true(pc.is_in(about["kind"], value_set=pa.array(where.kinds)))
    if where.pages is not None:
        page = about["page"]
        mask &= _true(pc.and_(pc.greater_equal(page, where.pages[0]), pc.less_equal(page, where.pages[1])))
    if scope.hashes is not None:
        mask &= _true(pc.is_in(about["hash"], value_set=scope.hashes))
    return mask


def _true(column: Any) -> NDArray[np.bool_]:
    """Where a column is true; null is not."""
    values: NDArray[np.bool_] = pc.fill_null(column, False).to_numpy()
    return values


def _signs(vectors: NDArray[Any], fingerprint: Fingerprint) -> NDArray[np.uint8]:
    """Signs of kept vectors."""
    return vectors if fingerprint.precision == "binary" else kept.signs(vectors)
