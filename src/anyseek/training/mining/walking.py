"""From a dataset into a new one: its items are copied, its relevance is gone over, and what cannot be used is told."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from anyseek.errors import InputError
from anyseek.training.data import Dataset, DatasetWriter
from anyseek.training.data.dataset import SIDES, Side
from anyseek.training.data.writer import check_new
from anyseek.training.mining.copying import copy_items
from anyseek.training.mining.pairs import PairScores
from anyseek.training.mining.reading import read_judged
from anyseek.training.mining.report import Account
from anyseek.training.mining.shards import QUERIES

__all__ = ["JudgedQuery", "Take", "Tell", "Walk", "check_judged"]

Row = TypeVar("Row")
Tell = Callable[[str], None]
"""Takes a line on what is going on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedQuery:
    """A query that is there, and the documents it names that are there.

    Attributes:
        key: its id.
        number: of its row.
        positives: id and number of the row of each.
        negatives: likewise, where they are wanted.
    """

    key: str
    number: int
    positives: Mapping[str, int]
    negatives: Mapping[str, int]


Take = Callable[[int, Iterator[JudgedQuery]], None]
"""Is given number and queries of a block, each read when it is asked for: what is wrong is told in order."""


def check_judged(data: Dataset, out: Path) -> None:
    """Raise InputError for a dataset without positives, or a place that is taken: before the work, not after it."""
    if data.task == "sts":
        raise InputError(f"{data.name} is of the task sts, whose pairs are graded: it has no positives and negatives")
    check_new(out)


class Walk:
    """A way through a dataset.

    Args:
        data: whose rows.
        account: is told what cannot be used.
        negatives: whether those that the dataset names are wanted.
    """

    def __init__(self, data: Dataset, account: Account, *, negatives: bool) -> None:
        self.data, self.account, self.negatives = data, account, negatives
        self.document_ids: list[str] = []
        self.left: dict[Side, set[str]] = {}

    def copy(self, writer: DatasetWriter, errors: Mapping[Side, Mapping[int, str]] | None = None) -> None:
        """Copy both tables.

        Args:
            writer: of the new dataset.
            errors: what is wrong with items that are to be left out, by number of the row.
        """
        for side in SIDES:
            table, wrong = self.data.table(side), (errors or {}).get(side, {})
            for row, text in wrong.items():
                self.account.add_bad(side, table[row]["id"], text)
            ids, self.left[side] = copy_items(self.data, writer, side, self.account.add_bad, wrong)
            self.account.counts["queries" if side == "queries" else "documents"] = len(ids)
        self.document_ids = ids

    def for_each_block(self, take: Take, name: str, *, scores: PairScores | None, show: bool) -> None:
        """Go over the relevance of what was copied.

        Args:
            take: is given one block of queries after the other.
            name: of the progress bar.
            scores: what asks a reranker for a block, if anything does.
            show: whether there is a bar, on stderr.
        """
        with tqdm(total=len(self.data), desc=name, unit="query", disable=not show) as bar:
            for number, rows in _blocks(read_judged(self.data)):
                before = scores.asked if scores else 0
                take(number, (query for row in rows if (query := self._usable(row)) is not None))
                if scores:
                    _keep_rate(bar, len(rows), scores.asked, before)
                bar.update(len(rows))

    def _usable(self, row: dict[str, Any] | InputError) -> JudgedQuery | None:
        """A row of relevance without documents that are not there, or None where nothing of it can be used."""
        self.account.counts["examples"] += 1
        if isinstance(row, InputError):
            self.account.add_bad("relevance", row.place or "", str(row))
            return None
        key, number = row["query"], self.data.queries.find(row["query"])
        if number is None or key in self.left["queries"]:
            self.account.drop(key, "there is no such query" if number is None else "the query is bad")
            return None
        positives = self._there(key, row["positives"])
        negatives = self._there(key, row["negatives"]) if self.negatives else {}
        return JudgedQuery(key=key, number=number, positives=positives, negatives=negatives)

    def _there(self, query: str, documents: Iterable[str]) -> dict[str, int]:
        """Numbers of documents that a query names; those that are not there are told."""
        numbers = {one: self.data.corpus.find(one) for one in documents}
        for one in (one for one, number in numbers.items() if number is None):
            self.account.add_bad("relevance", query, f"there is no document {one!r}")
        return {one: number for one, number in numbers.items() if number is not None}


def _blocks(rows: Iterable[Row]) -> Iterator[tuple[int, list[Row]]]:
    """Number and rows of one block after the other."""
    waiting, number = iter(rows), 0
    while block := list(islice(waiting, QUERIES)):
        yield number, block
        number += 1


def _keep_rate(bar: "tqdm[Any]", queries: int, asked: int, before: int) -> None:
    """Let the rate of a bar be that of what is scored now, not of what was there.

    Args:
        bar: of queries.
        queries: of the block.
        asked: pairs that were scored until now.
        before: until the block began.
    """
    if asked == before and not bar.disable:
        bar.initial += queries
    bar.set_postfix(pairs=asked, refresh=False)
