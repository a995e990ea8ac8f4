"""A dataset as training reads it: items by id, and examples in order, none of it held in memory."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from anyseek.errors import InputError
from anyseek.items import Item
from anyseek.training.data.about import About
from anyseek.training.data.rows import item_of, relevance_of
from anyseek.training.data.tables import Row, Table, open_table

__all__ = ["SIDES", "Dataset", "Example", "Side"]

Made = TypeVar("Made")
Side = Literal["queries", "corpus"]
SIDES: tuple[Side, Side] = ("queries", "corpus")
"""The two tables of items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A query and what is known of it.

    Attributes:
        query_id: its id.
        query: with its instruction, its own or that of the dataset.
        positives: ids of relevant documents.
        negatives: ids of hard negatives.
        scores: by id of a document: a grade, or what a teacher gave; empty where there are none.
    """

    query_id: str
    query: Item
    positives: tuple[str, ...]
    negatives: tuple[str, ...]
    scores: Mapping[str, float]

    @property
    def documents(self) -> tuple[str, ...]:
        """Every document named, positives first."""
        return tuple(dict.fromkeys((*self.positives, *self.negatives, *self.scores)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Queries, corpus and relevance under one instruction.

    Attributes:
        folder: where it lies.
        about: name, task and instruction.
        queries: rows of queries.
        corpus: rows of documents.
        relevance: rows of relevance, at most one for a query.
    """

    folder: Path
    about: About
    queries: Table
    corpus: Table
    relevance: Table

    @classmethod
    def open(cls, folder: Path | str) -> "Dataset":
        """The dataset in a folder. Rows are looked at when they are asked for; `check` looks at all of them.

        Raises:
            InputError: the folder is no dataset, or a row has no id.
            DependencyError: it is kept as Parquet, and pyarrow is not installed.
        """
        folder = Path(folder).resolve()
        return cls(
            folder=folder,
            about=About.read(folder),
            queries=open_table(folder, "queries", "id"),
            corpus=open_table(folder, "corpus", "id"),
            relevance=open_table(folder, "relevance", "query"),
        )

    @property
    def name(self) -> str:
        """What it is called."""
        return self.about.name

    @property
    def task(self) -> str:
        """One of `TASKS`."""
        return self.about.task

    @property
    def instruction(self) -> str | None:
        """Of queries that have none of their own."""
        return self.about.instruction

    def __len__(self) -> int:
        """How many examples."""
        return len(self.relevance)

    def query(self, key: str) -> Item:
        """The query of an id, with its instruction.

        Raises:
            InputError: there is no such query, or its row is wrong.
        """
        return self.asked(self._item(self.queries, key, "query"))

    def asked(self, query: Item) -> Item:
        """A query with its instruction: its own, or that of the dataset."""
        return query if query.instruction is not None else replace(query, instruction=self.instruction)

    def document(self, key: str) -> Item:
        """The document of an id.

        Raises:
            InputError: there is no such document, or its row is wrong.
        """
        return self._item(self.corpus, key, "document")

    def example(self, row: int) -> Example:
        """One example by number.

        Raises:
            InputError: its row or its query is wrong.
        """
        read = _read(self.relevance, row, self.relevance[row], relevance_of)
        key = read.pop("query")
        return Example(query_id=key, query=self.query(key), **read)

    def examples(self) -> Iterator[Example]:
        """Every example in order.

        Raises:
            InputError: a row or its query is wrong.
        """
        for row in self.judged():
            key = row.pop("query")
            yield Example(query_id=key, query=self.query(key), **row)

    def judged(self) -> Iterator[dict[str, Any]]:
        """Every row of relevance, as `relevance_of` reads it: ids alone.

        Raises:
            InputError: a row is wrong.
        """
        for number, row in enumerate(self.relevance):
            yield _read(self.relevance, number, row, relevance_of)

    def table(self, side: Side) -> Table:
        """The rows of queries or of the corpus."""
        return self.queries if side == "queries" else self.corpus

    def items(self, side: Side) -> Iterator[tuple[str, Item]]:
        """Every id of a table with its item, in order; queries with no instruction but their own.

        Raises:
            InputError: a row is wrong.
        """
        table = self.table(side)
        for number, row in enumerate(table):
            yield row["id"], _read(table, number, row, self._made)

    def _item(self, table: Table, key: str, what: str) -> Item:
        """The item of an id."""
        row = table.find(key)
        if row is None:
            raise InputError(f"no {what} {key!r} in {table.path}")
        return _read(table, row, table[row], self._made)

    def _made(self, row: Row) -> Item:
        """A row as an item."""
        return item_of(row, self.folder)


def _read(table: Table, row: int, raw: Row, make: Callable[[Row], Made]) -> Made:
    """What is made of a row; its errors say where it stands."""
    try:
        return make(raw)
    except InputError as error:
        raise error.at(table.place(row)) from None
