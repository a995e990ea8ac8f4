"""Rows of a dataset one by one, each read or what is wrong with it."""

from collections.abc import Iterator
from typing import Any

from anyseek.errors import InputError
from anyseek.items import Item
from anyseek.training.data import Dataset
from anyseek.training.data.dataset import Side
from anyseek.training.data.rows import item_of, relevance_of
from anyseek.training.data.tables import Row

__all__ = ["read_item", "read_judged", "unplaced"]


def read_item(data: Dataset, side: Side, number: int, row: Row) -> Item | InputError:
    """The item of a row, a query with its instruction, or what is wrong with it."""
    try:
        item = item_of(row, data.folder)
    except InputError as error:
        return error.at(data.table(side).place(number))
    return data.asked(item) if side == "queries" else item


def read_judged(data: Dataset) -> Iterator[dict[str, Any] | InputError]:
    """Every row of relevance, as `relevance_of` reads it, or what is wrong with it; of a query the first row."""
    seen: set[str] = set()
    for number, row in enumerate(data.relevance):
        try:
            read = relevance_of(row)
            if read["query"] in seen:
                raise InputError(f"query {read['query']!r} has a row already")
            seen.add(read["query"])
            yield read
        except InputError as error:
            yield error.at(data.relevance.place(number))


def unplaced(error: InputError) -> str:
    """The message of an error without its place in a call, which nobody saw."""
    error.place = None
    return str(error)
