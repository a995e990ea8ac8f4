"""sentence-transformers: columns by their order, anchor, positive, negatives, and perhaps a label."""

import csv
import json
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from anyseek.errors import InputError
from anyseek.items import Item, Text
from anyseek.training.data.collector import Collector, Judged
from anyseek.training.data.dataset import Dataset, Example
from anyseek.training.data.formats.reading import Medium, Reading, files_of, for_each_row, number, sources_of
from anyseek.training.data.formats.writing import dictionary_of, drafted, write_lines
from anyseek.training.data.tables import GROUP, parquet

__all__ = ["read", "write"]

LABELS = ("label", "labels", "score", "scores")
SHEETS = (".csv", ".tsv")
"""Files whose rows all have every column: an empty one of the negatives is none."""


def read(source: Path, collector: Collector, how: Reading) -> None:
    """Rows of a JSONL, JSON, CSV, TSV or Parquet file, or of all in a folder. A text is read as text, never as a path.

    Raises:
        InputError: a row is wrong, or its label says only how two scores differ.
    """

    def take(row: dict[str, Any], path: Path) -> None:
        """A query with its documents."""
        cells = [value for key, value in row.items() if key not in LABELS and value is not None]
        if path.suffix in SHEETS:
            cells = cells[:2] + [value for value in cells[2:] if value != ""]
        if len(cells) < 2:
            raise InputError(f"a row needs an anchor and a positive (it has {', '.join(map(repr, row)) or 'nothing'})")
        query, *documents = (_item(cell, how.beside(path)) for cell in cells)
        _judge(row, query, documents, collector)

    for_each_row(files_of(source, ".jsonl", ".json", *SHEETS, ".parquet"), take)


def _judge(row: dict[str, Any], query: Item, documents: list[Item], collector: Collector) -> None:
    """Add a query with its documents, judged by the row's label where it has one."""
    label = next((row[key] for key in LABELS if row.get(key) not in (None, "")), None)
    if isinstance(label, str) and label.startswith("["):
        label = _numbers(label)
    if label is None or isinstance(label, list):
        scores = [number(one, "label") for one in label] if label else [None] * len(documents)
        if len(scores) != len(documents):
            raise InputError(f"the label has {len(scores)} numbers for {len(documents)} documents")
        judged = [Judged(one, score) for one, score in zip(documents, scores, strict=True)]
        collector.group(query, judged[:1], judged[1:])
    elif len(documents) > 1:
        raise InputError("the label of a triplet is the difference of two scores, which a dataset cannot hold")
    else:
        collector.labelled(query, documents[0], number(label, "label"))


def _numbers(text: str) -> Any:
    """A list in a cell of CSV."""
    try:
        return json.loads(text)
    except ValueError:
        raise InputError(f"the label {text[:60]!r} is no list of numbers") from None


def _item(cell: Any, medium: Medium) -> Item:
    """A text, or a dictionary of text, image and video."""
    if isinstance(cell, str):
        return Item((Text(cell),))
    if not isinstance(cell, dict):
        raise InputError(f"a cell must be a text or a dictionary (got {type(cell).__name__})")
    given = {key: value for key, value in cell.items() if value is not None}
    media = {key: sources_of(given[key], medium) for key in ("image", "video") if key in given}
    return Item.of(given | media)


def write(data: Dataset, target: Path) -> None:
    """A JSONL, CSV or Parquet file, told by the ending: rows of anchor, positive and one negative.

    A query has as many rows as the longer of its two sides. Labels are the scores of both, where every row has them;
    pairs of sts are `sentence1`, `sentence2` and `score`. The instruction is no column there: it is left to the prompts
    of the training run. Items that show something are dictionaries, which CSV cannot hold.

    Raises:
        InputError: the ending is none of these, the target is there already, some queries have negatives and others
            not, or an item cannot be said.
    """
    writers = {".jsonl": write_lines, ".csv": _write_csv, ".parquet": _write_parquet}
    if target.suffix not in writers:
        raise InputError(f"{target.name} must end in {', '.join(writers)}")
    writers[target.suffix](target, _rows(data))


def _rows(data: Dataset) -> Iterator[dict[str, Any]]:
    """All rows, with the same columns."""
    plain = all(item.is_text for _, item in chain(data.items("queries"), data.items("corpus")))
    scored = all(set(row["positives"]) | set(row["negatives"]) <= set(row["scores"]) for row in data.judged())
    several = {bool(row["negatives"]) for row in data.judged()}
    if data.task != "sts" and len(several) > 1:
        raise InputError("some queries have negatives and others have none, but every row needs the same columns")

    def cell(item: Item, key: str) -> Any:
        """Text as text where everything is text."""
        if plain:
            return "".join(part.text for part in item.parts if isinstance(part, Text))
        return dictionary_of(item, key)

    for example in data.examples():
        asked = cell(example.query, example.query_id)
        if data.task == "sts":
            for key, score in example.scores.items():
                yield {"sentence1": asked, "sentence2": cell(data.document(key), key), "score": score}
            continue
        for keys in _pairs(example):
            cells = [cell(data.document(key), key) for key in keys]
            row = {"anchor": asked, **dict(zip(("positive", "negative"), cells))}
            yield row | ({"label": [example.scores[key] for key in keys]} if scored else {})


def _pairs(example: Example) -> Iterator[tuple[str, ...]]:
    """A positive and a negative for each row, every one of them at least once."""
    positives, negatives = example.positives, example.negatives
    for index in range(max(len(positives), len(negatives)) if positives else 0):
        negative = (negatives[index % len(negatives)],) if negatives else ()
        yield (positives[index % len(positives)], *negative)


def _only_texts(row: dict[str, Any]) -> dict[str, Any]:
    """The row, if its columns hold what those of every other row hold."""
    if any(isinstance(cell, dict) for cell in row.values()):
        raise InputError("items that show something do not fit into columns of texts; write .jsonl")
    return row


def _write_csv(target: Path, rows: Iterable[dict[str, Any]]) -> None:
    """A header and rows; a list of numbers as JSON."""
    with drafted(target) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        write = csv.writer(file).writerow
        for index, row in enumerate(map(_only_texts, rows)):
            if index == 0:
                write(list(row))
            write([json.dumps(cell) if isinstance(cell, list) else cell for cell in row.values()])


def _write_parquet(target: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Row groups of texts."""
    module = parquet()
    import pyarrow

    rows = map(_only_texts, rows)
    first = list(islice(rows, GROUP))
    schema = pyarrow.Table.from_pylist(first).schema
    with drafted(target) as draft, module.ParquetWriter(draft, schema) as file:
        while first:
            file.write_table(pyarrow.Table.from_pylist(first, schema=schema))
            first = list(islice(rows, GROUP))
