"""Keeping a library quick: which indexes there are, when they are made, and when tables are put in order.

Rules by measurement (SEARCH): 30,000 rows outside the index make a search four times slower, 500 commits of a row each
eight times; both are mended by `optimize`, which works on what is new only. It also frees the room of rows that have
gone, and of versions that nobody reads any more.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pyarrow.compute as pc
from lancedb.index import Bitmap, BTree, IvfFlat, IvfRq

from anyseek.index import kept
from anyseek.index.filters import one_of
from anyseek.index.recall import EXACT_ROWS, FEW
from anyseek.index.tables import Tables, rows_of

__all__ = ["KEEP", "Upkeep", "has_vector_index", "homeless", "optimize", "unindexed"]

SCALAR_ROWS = 5_000
"""Rows above which columns that rows are found by get an index."""
SMALL_FRAGMENTS = 32
"""Pieces of a table, each of one commit, that are left as they are."""
UNINDEXED = 5_000
"""Rows outside an index that are left there, or a fiftieth of all rows if that is more."""
SHARE = 50
GROWTH = 2
"""An index is made anew when the table has become so many times as large, so that its lists stay short: with those of a
third of the rows a search finds less. All the making costs twice the last one."""
KEEP = timedelta(hours=1)
"""Old versions are kept so long for readers that have begun with them."""
STALE, DAY = 32, timedelta(days=1)
"""Older versions of a table that are left, for a day."""
GONE = 10
"""Rows of a table are written anew when one of so many has gone; that is what the store itself takes for due."""


@dataclass(slots=True, kw_only=True)
class Upkeep:
    """What was done.

    Attributes:
        removed: things that no file had.
        ordered: tables that were put in order.
        indexed: columns that got a new index.
    """

    removed: int = 0
    ordered: list[str] = field(default_factory=list)
    indexed: list[str] = field(default_factory=list)


def optimize(tables: Tables, *, force: bool = False, keep: timedelta = KEEP) -> Upkeep:
    """Do what is due.

    Args:
        tables: of the library; the caller holds the lock.
        force: put everything in order, due or not.
        keep: how long old versions stay.
    """
    done = Upkeep()
    for name in ("things", "files", "about"):
        table = getattr(tables, name)
        if force or _disordered(table) or _is_wasteful(table, keep):
            table.optimize(cleanup_older_than=keep)
            done.ordered.append(name)
    rows = tables.things.count_rows()
    done.indexed += _scalar_indexes("things", tables.things, {"id": BTree(), "hash": BTree(), "kind": Bitmap()})
    done.indexed += _scalar_indexes("files", tables.files, {"hash": BTree(), "path": BTree()})
    if rows > EXACT_ROWS and rows > GROWTH * int(tables.said().get("trained", "0")):
        done.indexed.append(_vector_index(tables))
        tables.say(trained=str(rows))
    return done


def homeless(tables: Tables) -> dict[str, frozenset[int]]:
    """Contents that no finished file has, unfinished ones and those of removed files, and which parts are stored."""
    done = rows_of(tables.files, "state = 'done'", ["hash"])["hash"]
    stored = rows_of(tables.things, "", ["hash", "part"])
    lost = stored.filter(pc.invert(pc.is_in(stored["hash"], value_set=done.combine_chunks())))
    found: dict[str, set[int]] = {}
    for hash, part in zip(lost["hash"].to_pylist(), lost["part"].to_pylist(), strict=True):
        found.setdefault(hash, set()).add(part)
    return {hash: frozenset(parts) for hash, parts in found.items()}


def remove_homeless(tables: Tables) -> int:
    """Remove the things of contents that no finished file has; how many."""
    lost = homeless(tables)
    hashes = list(lost)
    for start in range(0, len(hashes), FEW):
        tables.things.delete(one_of("hash", hashes[start : start + FEW]))
    return sum(len(parts) for parts in lost.values())


def has_vector_index(tables: Tables) -> bool:
    """Whether vectors are looked for in an index."""
    return _searched(tables) in _indexed(tables.things)


def unindexed(tables: Tables) -> int:
    """Things that an index of vectors does not know yet; 0 when there is none."""
    column = _searched(tables)
    return max(
        (one.num_unindexed_rows or 0 for one in tables.things.list_indices() if one.columns == [column]), default=0
    )


def _searched(tables: Tables) -> str:
    """The column that vectors are looked for in."""
    return kept.VECTOR if kept.is_plain(tables.fingerprint) else kept.BITS


def _indexed(table: Any) -> set[str]:
    """Columns with an index."""
    return {column for one in table.list_indices() for column in one.columns}


def _disordered(table: Any) -> bool:
    """Whether a table is in too many pieces, or too much of it is outside its indexes."""
    if table.stats()["fragment_stats"]["num_small_fragments"] > SMALL_FRAGMENTS:
        return True
    allowed = max(UNINDEXED, table.count_rows() // SHARE)
    return any((one.num_unindexed_rows or 0) > allowed for one in table.list_indices())


def _is_wasteful(table: Any, keep: timedelta) -> bool:
    """Whether many rows have gone from a table, or versions that nobody reads take room."""
    versions = table.list_versions()
    rows, gone = (int(versions[-1]["metadata"].get(f"total_{name}_rows", 0)) for name in ("data_file", "deletion_file"))
    if gone * GONE > rows:
        return True
    now = datetime.now()
    ages = [age for version in versions[:-1] if (age := now - version["timestamp"]) > keep]
    return len(ages) > STALE or any(age > DAY for age in ages)


def _scalar_indexes(name: str, table: Any, wanted: dict[str, Any]) -> Iterable[str]:
    """Make those that are missing, once the table is large enough."""
    if table.count_rows() <= SCALAR_ROWS:
        return
    for column in wanted.keys() - _indexed(table):
        table.create_index(column, config=wanted[column])
        yield f"{name}.{column}"


def _vector_index(tables: Tables) -> str:
    """Make the index of vectors, anew if there is one."""
    column = _searched(tables)
    config = IvfRq(distance_type="cosine") if kept.is_plain(tables.fingerprint) else IvfFlat(distance_type="hamming")
    tables.things.create_index(column, config=config, replace=True)
    return f"things.{column}"
