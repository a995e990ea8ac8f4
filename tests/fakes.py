"""Stand-ins for the engine: vectors and scores from the words of an input, so that rankings are known."""

import re
from pathlib import Path
from typing import Any

import numpy as np

from anyseek.engine import Encoded, Scored
from anyseek.errors import DecodeError, InputError
from anyseek.items import Item

DIM = 64


def words(item: Item) -> set[str]:
    """The words of an item: of its text, of a text file's content, or of the file's name."""
    text = ""
    for part in item.parts:
        source = getattr(part, "source", None)
        if isinstance(source, Path):
            if source.name.startswith("corrupt"):
                raise DecodeError(f"{source.name} is corrupt")
            text += f" {source.read_text() if source.suffix == '.txt' else source.stem} {getattr(part, 'number', '')}"
        else:
            text += f" {getattr(part, 'text', source)}"
    return set(re.findall(r"[a-z0-9]+", text.lower()))


def vector(item: Item) -> np.ndarray:
    out = np.zeros(DIM, dtype=np.float32)
    for word in words(item):
        out[sum(map(ord, word)) % DIM] += 1
    return out / max(1e-6, float(np.linalg.norm(out)))


class FakeEmbedder:
    """The calls that search and the command line make."""

    def __init__(self) -> None:
        self.steps: dict[str, float] = {}
        self.calls: list[tuple[list[Item], dict[str, Any]]] = []

    def encode(self, inputs: list[Any], **options: Any) -> Any:
        items = [Item.of(value) for value in inputs]
        self.calls.append((items, options))
        rows, errors = np.zeros((len(items), DIM), dtype=np.float32), {}
        for row, item in enumerate(items):
            try:
                rows[row] = vector(item)
            except InputError as error:
                if options.get("on_error") != "collect":
                    raise
                rows[row], errors[row] = np.nan, error.at(f"items[{row}]")
        return Encoded(rows, errors) if options.get("on_error") == "collect" else rows

    encode_query = encode_document = encode

    def similarity(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return a @ b.T


class FakeReranker:
    """Scores a pair by the share of the query's words that the document has; `unreadable` documents fail."""

    source = None

    def __init__(self, unreadable: str | None = None) -> None:
        self.unreadable = unreadable
        self.pairs: list[tuple[Item, Item]] = []

    def predict(self, pairs: list[tuple[Item, Item]], **options: Any) -> Scored:
        scores, errors = np.zeros(len(pairs), dtype=np.float32), {}
        for row, (query, document) in enumerate(pairs):
            self.pairs.append((query, document))
            try:
                wanted, there = words(query), words(document)
                if self.unreadable in there:
                    raise InputError("cannot be read together with the query")
                share = len(wanted & there) / max(1, len(wanted))
                with np.errstate(divide="ignore"):
                    scores[row] = np.log(share) - np.log1p(-share) if options.get("activation") == "none" else share
            except InputError as error:
                scores[row], errors[row] = np.nan, error
        return Scored(scores, errors)
