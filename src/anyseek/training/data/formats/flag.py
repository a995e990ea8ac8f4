"""FlagEmbedding: `query`, `pos`, `neg`, with scores of a teacher and the instruction as `prompt`; text only."""

from pathlib import Path
from typing import Any

from anyseek.errors import InputError
from anyseek.items import Item, Text
from anyseek.training.data.collector import Collector, Judged
from anyseek.training.data.dataset import Dataset, Example
from anyseek.training.data.formats.reading import Reading, files_of, for_each_row, listed, number, text, texts
from anyseek.training.data.formats.writing import only_text, write_lines

__all__ = ["read", "write"]

TYPES = {"sts": "symmetric_sts", "classification": "symmetric_class"}


def read(source: Path, collector: Collector, how: Reading) -> None:
    """Rows of a JSONL file, or of all in a folder.

    Raises:
        InputError: a row is wrong.
    """

    def take(row: dict[str, Any], _: Path) -> None:
        """A query with its documents."""
        query = Item((Text(text(row, "query")),), next(iter(texts(row, "prompt")), None))
        collector.group(query, _side(row, "pos"), _side(row, "neg"))

    for_each_row(files_of(source, ".jsonl", ".json"), take)


def _side(row: dict[str, Any], side: str) -> list[Judged]:
    """Documents of one side with their scores."""
    found = texts(row, side, needed=side == "pos")
    scores: list[float | None] = [number(one, f"{side}_scores") for one in listed(row.get(f"{side}_scores"))]
    if scores and len(scores) != len(found):
        raise InputError(f"'{side}_scores' has {len(scores)} numbers for {len(found)} texts")
    return list(map(Judged, found, scores or [None] * len(found)))


def write(data: Dataset, target: Path) -> None:
    """A JSONL file; scores where every document of an example has one.

    Raises:
        InputError: the target is there already, or an item is more than text.
    """
    write_lines(target, (_row(data, example) for example in data.examples()))


def _row(data: Dataset, example: Example) -> dict[str, Any]:
    """One example; graded pairs of sts count as positives."""
    sides = {"pos": example.positives or tuple(example.scores), "neg": example.negatives}
    row: dict[str, Any] = {"query": only_text(example.query, example.query_id, "FlagEmbedding")}
    for side, keys in sides.items():
        row[side] = [only_text(data.document(key), key, "FlagEmbedding") for key in keys]
    if example.scores and all(key in example.scores for keys in sides.values() for key in keys):
        row |= {f"{side}_scores": [example.scores[key] for key in keys] for side, keys in sides.items()}
    if example.query.instruction:
        row["prompt"] = example.query.instruction
    return row | {"type": TYPES.get(data.task, "normal")}
