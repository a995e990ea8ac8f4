"""Queries and documents of a dataset into a new one, which stands alone: media are copied."""

from collections.abc import Callable, Collection
from pathlib import Path

from anyseek.errors import InputError
from anyseek.training.data import Dataset, DatasetWriter
from anyseek.training.data.rows import item_of
from anyseek.training.data.writer import Form
from anyseek.training.mining.reading import Side, table_of

__all__ = ["check_new", "copy_items", "form_of"]

Bad = Callable[[str, str, str], None]


def check_new(folder: Path) -> None:
    """Raise InputError where the new dataset cannot go, before the work that would be lost."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already; remove it, or write to another folder")


def form_of(data: Dataset) -> Form:
    """The form of its corpus, which the new dataset takes over."""
    return "parquet" if data.corpus.path.suffix == ".parquet" else "jsonl"


def copy_items(
    data: Dataset, writer: DatasetWriter, side: Side, bad: Bad, without: Collection[int] = ()
) -> tuple[list[str], set[str]]:
    """Copy a table.

    Args:
        data: where from.
        writer: where to.
        side: which table.
        bad: told table, id and reason of each row that is left out.
        without: numbers of rows that are left out, and were told already.

    Returns:
        Every id by number of the row, and the ids that were left out.
    """
    put = writer.query if side == "queries" else writer.document
    ids: list[str] = []
    left: set[str] = set()
    written: set[str] = set()
    for number, row in enumerate(table_of(data, side)):
        key = row["id"]
        ids.append(key)
        if number in without:
            left.add(key)
            continue
        try:
            put(key, item_of(row, data.folder))
            written.add(key)
        except InputError as error:
            left.add(key)
            bad(side, key, str(error))
    return ids, left - written  # of two rows with one id the first stands
