"""Recall from the tables: exact while that is quick, above through an index, exact again where a filter leaves little.

Measured in benchmarks/library.py. A scan costs about ten times as much as the same product in memory; an index of one
bit a number, of whose candidates ten times as many as wanted are rescored, a tenth of it at a million rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from lancedb.query import MatchQuery
from numpy.typing import NDArray

from anyseek.index import kept
from anyseek.index.filters import Filter, of_files, of_things, one_of
from anyseek.index.rows import Recalled
from anyseek.index.tables import Tables, rows_of
from anyseek.index.words import words

__all__ = ["EXACT_ROWS", "FEW", "Scope", "best", "by_vector", "by_words", "ranked", "recalled", "scope_of"]

EXACT_ROWS = 20_000
"""Things that are scanned rather than looked for in an index; also those that a filter leaves."""
PROBES = 20
"""Lists of the index that are read."""
REFINE, LEAST = 10, 300
"""Candidates of an index of numbers that are rescored for each wanted one, and at least. Ten for each are enough where
near things are clearly nearer than others; where they are not, 100 of a million find 0.83 of the true ten, 200 0.95,
300 0.985, 400 0.997, each hundred for 2 % of the time of a float32 product over all."""
CHOSEN = 4
"""Times as many, and as many lists, where a predicate chooses: what it leaves of the lists nearest to a query may be
little, as of pictures near words, and the best of it lies further out."""
SIGNS_REFINE, SIGNS_LEAST = 20, 400
"""Likewise of an index of signs, whose order is rougher."""
SCAN_REFINE, SCAN_LEAST = 50, 1000
"""Likewise when all signs are read, which is to be as good as exact."""
MORE = 8
"""Candidates beyond the wanted ones that the store's own distances decide on: they are off by the query's rounding."""
FEW = 1000
"""Contents that are named one by one in a predicate; of more, what was recalled is looked for among them."""
DEEP = 64
"""Times as many candidates as wanted; when so many of them hold too few that count, all contents are named."""

Find = Callable[[int, str], pa.Table]
"""`(limit, predicate)` to rows with `id`, `hash` and `score`, best first; fewer than limit when there are no more."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What a Filter means to a library as it is now.

    Attributes:
        where: the Filter.
        things: predicate of things; empty for nothing.
        hashes: contents of the finished files that count; None when the Filter says nothing of files.
        files: how many files there are.
    """

    where: Filter
    things: str
    hashes: pa.Array | None
    files: int


def scope_of(tables: Tables, where: Filter) -> Scope:
    """Look up what a Filter says of files."""
    named = of_files(where)
    if not named:
        return Scope(where, of_things(where), None, 0)
    found = rows_of(tables.files, f"{named} AND state = 'done'", ["hash"])
    return Scope(where, of_things(where), pc.unique(found["hash"]), tables.files.count_rows())


def ranked(find: Find, top: int, scope: Scope) -> pa.Table:
    """The best of a scope: rows of `find`, at most `top`.

    Few contents are named in the predicate. Of many, more is recalled than wanted until enough of it counts; when that
    does not come to an end, because what is most similar lies outside the filter, all are named after all.
    """
    if scope.hashes is None:
        return find(top, scope.things)
    named = " AND ".join(part for part in (scope.things, one_of("hash", scope.hashes.to_pylist())) if part)
    if len(scope.hashes) <= FEW:
        return find(top, named) if len(scope.hashes) else find(0, "false")
    limit = 2 * top * max(1, scope.files // len(scope.hashes))
    while limit <= DEEP * top:
        found = find(limit, scope.things)
        counting = found.filter(pc.is_in(found["hash"], value_set=scope.hashes))
        if len(counting) >= top or len(found) < limit:
            return counting[:top]
        limit *= 4
    return find(top, named)


def recalled(found: pa.Table) -> list[Recalled]:
    """Rows as candidates."""
    pairs = zip(found["id"].to_pylist(), found["score"].to_pylist(), strict=True)
    return [Recalled(id, score) for id, score in pairs]


def by_vector(tables: Tables, query: NDArray[np.float32], has_index: bool, things: int) -> Find:
    """How things are found by a vector.

    Args:
        tables: of the library.
        query: `(width,)` of length 1.
        has_index: of vectors.
        things: how many there are.
    """

    search = _by_numbers if kept.is_plain(tables.fingerprint) else _by_signs
    finest = kept.finest(tables.fingerprint)

    def find(limit: int, predicate: str) -> pa.Table:
        rows = tables.things.count_rows(predicate) if predicate else things
        depth = max(LEAST, limit * REFINE)
        scan = not has_index or rows <= EXACT_ROWS or depth * PROBES > rows
        wider = CHOSEN if predicate else 1
        chosen = search(tables.things, query, limit, scan=scan, wider=wider).select(["id", "hash", finest, "_distance"])
        found = (chosen.where(predicate) if predicate else chosen).to_arrow()
        scores = kept.decode(kept.matrix(found[finest]), tables.fingerprint) @ query
        return best(found.select(["id", "hash"]), scores, limit)

    return find


def best(found: pa.Table, scores: NDArray[np.float32], limit: int) -> pa.Table:
    """Rows with their scores, best first, those of equal score by id."""
    table = found.append_column("score", pa.array(scores, pa.float32()))
    return table.sort_by([("score", "descending"), ("id", "ascending")])[:limit]


def by_words(tables: Tables, text: str) -> Find:
    """How things are found by their own text: any of the words, scored by BM25."""
    asked = words(text, query=True)

    def find(limit: int, predicate: str) -> pa.Table:
        match = MatchQuery(asked, "words")  # type: ignore[call-arg]
        search = tables.things.search(match, query_type="fts").select(["id", "hash", "_score"]).limit(max(1, limit))
        found = (search.where(predicate) if predicate else search).to_arrow()
        return best(found.select(["id", "hash"]), found["_score"].to_numpy(), limit)

    return find


def _by_numbers(things: Any, query: NDArray[np.float32], limit: int, *, scan: bool, wider: int) -> Any:
    """A search of vectors, whose own distances are nearly right."""
    wanted = limit + MORE
    search = things.search(query, vector_column_name=kept.VECTOR).distance_type("cosine").limit(wanted)
    if scan:
        return search.bypass_vector_index()
    return _probed(search, wider).refine_factor(-(-wider * max(LEAST, limit * REFINE) // wanted))


def _by_signs(things: Any, query: NDArray[np.float32], limit: int, *, scan: bool, wider: int) -> Any:
    """A search of signs, deep enough for what the rescoring will bring up."""
    search = things.search(kept.signs(query), vector_column_name=kept.BITS).distance_type("hamming")
    if scan:
        return search.bypass_vector_index().limit(max(SCAN_LEAST, limit * SCAN_REFINE))
    return _probed(search, wider).limit(wider * max(SIGNS_LEAST, limit * SIGNS_REFINE))


def _probed(search: Any, wider: int) -> Any:
    """A search of the nearest lists; where a predicate chooses, of further ones too while they have given too few."""
    return search.nprobes(PROBES) if wider == 1 else search.minimum_nprobes(wider * PROBES).maximum_nprobes(0)
