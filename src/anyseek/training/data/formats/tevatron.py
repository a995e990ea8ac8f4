"""tevatron: a corpus and queries that name its documents, or rows of passages with scores of a teacher."""

from pathlib import Path
from typing import Any

from anyseek.errors import InputError, SourceError
from anyseek.items import Item, Text
from anyseek.training.data.collector import Collector, Judged
from anyseek.training.data.formats.reading import Medium, Reading, for_each_row, listed, number, text, texts

__all__ = ["read"]

SUFFIXES = (".jsonl", ".json", ".parquet")
KINDS = ("text", "image", "video")


def read(source: Path, collector: Collector, how: Reading) -> None:
    """A folder with `corpus` and `train` or `queries` (files, or folders of files), or a file of a teacher.

    Raises:
        InputError: a file is missing or a row is wrong.
    """

    def document(row: dict[str, Any], path: Path) -> None:
        """With its id."""
        collector.document(_item(row, ("", "document_"), how.beside(path)), text(row, "docid"))

    def query(row: dict[str, Any], path: Path) -> None:
        """With its id, and those of its documents."""
        _judge(row, collector.query(_item(row, ("query_",), how.beside(path)), text(row, "query_id")), collector)

    if source.is_file():
        for_each_row([source], lambda row, _: _taught(row, collector))
        return
    for_each_row(_files(source, "corpus"), document)
    for_each_row(_files(source, how.split or "train", "queries"), query)


def _files(source: Path, *names: str) -> list[Path]:
    """The files of the first name that has any."""
    for name in names:
        beside, below = (sorted(source.glob(pattern)) for pattern in (f"{name}.*", f"{name}/*"))
        if found := [path for path in beside + below if path.suffix in SUFFIXES]:
            return found
    raise SourceError(f"{source} has no {' or '.join(names)} that ends in {', '.join(SUFFIXES)}")


def _judge(row: dict[str, Any], query: str, collector: Collector) -> None:
    """Add what a row knows of a query: the ids of its documents."""
    positives, negatives = (
        [collector.find("document", key) for key in texts(row, f"{side}_document_ids", needed=side == "positive")]
        for side in ("positive", "negative")
    )
    collector.judge(query, positives, negatives)


def _item(row: dict[str, Any], prefixes: tuple[str, ...], medium: Medium) -> Item:
    """Video, image and text of a row; names with a prefix are those of older files."""
    found: dict[str, Any] = {}
    for kind in KINDS:
        values = next((cells for prefix in prefixes if (cells := listed(row.get(prefix + kind)))), [])
        if values:
            found[kind] = values if kind == "text" else list(map(medium, values))
    if len(found.get("video", ())) == 1:
        found["video"] = found["video"][0]  # a list would be frames if its name ended like a picture's
    if not found:
        raise InputError(f"has no {', '.join(prefixes[0] + kind for kind in KINDS)}")
    return Item.of(found)


def _taught(row: dict[str, Any], collector: Collector) -> None:
    """A query, passages of which the first is relevant, and their scores."""
    passages, scores = listed(row.get("passages")), listed(row.get("scores"))
    if not passages or not all(isinstance(one, dict) for one in passages):
        raise InputError("'passages' must be a list of objects with 'text', the relevant one first")
    if scores and len(scores) != len(passages):
        raise InputError(f"'scores' has {len(scores)} numbers for {len(passages)} passages")
    judged = []
    for place, one in enumerate(passages):
        words = " ".join([*texts(one, "title"), *texts(one, "text")])
        judged.append(Judged(Item((Text(words),)), number(scores[place], "scores") if scores else None))
    collector.group(text(row, "query"), judged[:1], judged[1:])
