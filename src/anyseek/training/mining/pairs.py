"""Log-odds of pairs on disk, a block of queries in a file: what was scored once is not scored again."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from tqdm import tqdm

from anyseek.engine import Reranker
from anyseek.errors import InputError
from anyseek.training.data import Dataset
from anyseek.training.mining.shards import QUERIES, Shelf

__all__ = ["PairScores", "blocks_of", "keep_rate"]

Row = TypeVar("Row")
Scores = dict[str, dict[str, float | str]]
"""By query, then by document: log-odds, or what is wrong with the pair."""


class PairScores:
    """Asks a reranker for pairs that are not on the shelf yet.

    Args:
        reranker: who is asked.
        data: whose queries and documents.
        shelf: where answers are kept.
    """

    def __init__(self, reranker: Reranker, data: Dataset, shelf: Shelf) -> None:
        self.reranker, self.data, self.shelf = reranker, data, shelf
        self.asked = 0
        shelf.begin()

    def of(self, block: int, wanted: Mapping[str, Sequence[str]]) -> Scores:
        """The scores of a block of queries.

        Args:
            block: its number, which a query keeps whatever the options are.
            wanted: documents by query.
        """
        known = self._read(block)
        fresh = [(query, one) for query, named in wanted.items() for one in named if one not in known.get(query, {})]
        if fresh:
            for (query, document), score in zip(fresh, self._ask(fresh), strict=True):
                known.setdefault(query, {})[document] = score
            self.shelf.write(self.shelf.path(block, ".json"), json.dumps(known, ensure_ascii=False).encode())
            self.asked += len(fresh)
        return {query: {one: known[query][one] for one in named} for query, named in wanted.items()}

    def _read(self, block: int) -> Scores:
        """What is on the shelf."""
        try:
            found: Scores = json.loads(self.shelf.path(block, ".json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return found

    def _ask(self, pairs: Sequence[tuple[str, str]]) -> list[float | str]:
        """Log-odds of pairs of ids, those of a query side by side."""
        made = [self._pair(*pair) for pair in pairs]
        good = [place for place, pair in enumerate(made) if isinstance(pair, tuple)]
        answers: list[float | str] = [pair if isinstance(pair, str) else math.nan for pair in made]
        if good:
            asked: list[Any] = [made[place] for place in good]
            found = self.reranker.predict(asked, activation="none", on_error="collect")
            for place, score in zip(good, found.scores.tolist(), strict=True):
                answers[place] = score if math.isfinite(score) else f"the reranker gave {score}"
            for place, error in found.errors.items():
                error.place = None
                answers[good[place]] = str(error)
        return answers

    def _pair(self, query: str, document: str) -> tuple[Any, Any] | str:
        """Both items, or what is wrong with one of them."""
        try:
            return self.data.query(query), self.data.document(document)
        except InputError as error:
            return str(error)


def blocks_of(rows: Iterable[Row]) -> Iterator[tuple[int, list[Row]]]:
    """Number and rows of one block after the other."""
    waiting, number = iter(rows), 0
    while block := list(islice(waiting, QUERIES)):
        yield number, block
        number += 1


def keep_rate(bar: "tqdm[Any]", queries: int, asked: int, before: int) -> None:
    """Move a bar by a block; its rate is that of what is scored now, not of what was there.

    Args:
        bar: of queries.
        queries: of the block.
        asked: pairs that were scored until now.
        before: until the block began.
    """
    if asked == before and not bar.disable:
        bar.initial += queries
    bar.set_postfix(pairs=asked, refresh=False)
    bar.update(queries)
