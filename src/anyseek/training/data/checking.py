"""Looks at every row of a dataset and says what is wrong, where, and how it was probably meant."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from anyseek.errors import InputError
from anyseek.training.data.about import ABOUT, TABLES, About
from anyseek.training.data.places import check_file
from anyseek.training.data.rows import check_id, item_of, media_of, relevance_of
from anyseek.training.data.tables import Row, lines_of, parquet_rows, read_line, table_files

__all__ = ["LIMIT", "Problem", "check"]

LIMIT = 100
"""Problems that are looked for before the search ends."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        file: name of the file.
        line: of the file, or number of the row of a Parquet file, both from 1; 0 for the file as a whole.
        text: what is wrong.
    """

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        """As compilers say it."""
        return f"{self.file}:{self.line}: {self.text}" if self.line else f"{self.file}: {self.text}"


def check(folder: Path | str, limit: int = LIMIT) -> list[Problem]:
    """What is wrong with a dataset; empty if nothing is.

    Every row is read, and of every medium its first bytes. Ids are held in memory.

    Args:
        folder: of the dataset.
        limit: most problems; the search ends there.

    Raises:
        DependencyError: it is kept as Parquet, and pyarrow is not installed.
    """
    return list(islice(_Checker(Path(folder).resolve()).problems(), limit))


class _Checker:
    """Walks over the files once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ids: dict[str, dict[str, int]] = {name: {} for name in TABLES}
        self.media: dict[tuple[Path, str], str | None] = {}
        self.about: About | None = None

    def problems(self) -> Iterator[Problem]:
        """Of the head, then of queries, corpus and relevance."""
        try:
            self.about = About.read(self.folder)
        except InputError as error:
            yield Problem(ABOUT, 0, str(error))
        for name in TABLES:
            paths = table_files(self.folder, name)
            if len(paths) == 1:
                yield from self._table(name, paths[0])
            else:
                both = "there is also " + paths[1].name + "; remove one" if paths else "missing (or as .parquet)"
                yield Problem(f"{name}.jsonl", 0, both)

    def _table(self, name: str, path: Path) -> Iterator[Problem]:
        """Of one file."""
        empty = True
        for line, row in _rows(path):
            empty = False
            if isinstance(row, InputError):
                yield Problem(path.name, line, str(row))
                continue
            look = self._relevance(row) if name == "relevance" else self._item(row)
            key = "query" if name == "relevance" else "id"
            yield from (Problem(path.name, line, text) for text in (*self._id(name, row.get(key), key, line), *look))
        if empty:
            yield Problem(path.name, 0, "has no rows")

    def _id(self, name: str, key: Any, column: str, line: int) -> Iterator[str]:
        """Of the id: it can be one, and is new."""
        try:
            check_id(key, repr(column))
        except InputError as error:
            if name != "relevance":  # there `relevance_of` says it
                yield str(error)
            return
        if key in self.ids[name]:
            yield f"{column} {key!r} stands in line {self.ids[name][key]} already"
        self.ids[name].setdefault(key, line)

    def _item(self, row: Row) -> Iterator[str]:
        """Of an item and its media."""
        try:
            item = item_of(row, self.folder)
        except InputError as error:
            yield str(error)
            return
        for path, kind in media_of(item):
            if problem := self._medium(path, kind):
                yield problem

    def _medium(self, path: Path, kind: str) -> str | None:
        """Of one medium; each is opened once."""
        if (path, kind) not in self.media:
            try:
                check_file(path, kind)
            except InputError as error:
                self.media[path, kind] = str(error)
            else:
                self.media[path, kind] = None
        return self.media[path, kind]

    def _relevance(self, raw: Row) -> Iterator[str]:
        """Of a row of relevance: its form, what the task needs, and the ids it names."""
        try:
            row = relevance_of(raw)
        except InputError as error:
            yield str(error)
            return
        if self.about is not None and (lack := self.about.lacks(row)):
            yield lack
        if row["query"] not in self.ids["queries"]:
            yield f"query {row['query']!r} is not among the queries"
        for key in ("positives", "negatives", "scores"):
            absent = [one for one in row[key] if one not in self.ids["corpus"]]
            yield from (f"{key} name {one!r}, which is not in the corpus" for one in absent)
        if self.about is not None and self.about.task != "sts":
            judged = {*row["positives"], *row["negatives"]}
            yield from (
                f"{one!r} has a score but is no positive or negative" for one in row["scores"] if one not in judged
            )


def _rows(path: Path) -> Iterator[tuple[int, Row | InputError]]:
    """Every row with its line, or what is wrong with the line."""
    if path.suffix == ".parquet":
        try:
            yield from parquet_rows(path)
        except InputError as error:
            yield 0, error
        return
    for number, line in lines_of(path):
        try:
            yield number, read_line(line)
        except InputError as error:
            yield number, error
