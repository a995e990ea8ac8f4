"""Queries and documents of a dataset into a new one, which stands alone: media are copied."""

from collections.abc import Callable, Collection

from anyseek.errors import InputError
from anyseek.training.data import Dataset, DatasetWriter
from anyseek.training.data.dataset import Side
from anyseek.training.data.rows import item_of
from anyseek.training.data.writer import Form

__all__ = ["copy_items", "form_of"]

Bad = Callable[[str, str, str], None]
"""Is told table, id and reason of what cannot be used."""


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
    for number, row in enumerate(data.table(side)):
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
