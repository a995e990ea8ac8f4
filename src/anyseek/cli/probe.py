"""A probe set: a few pairs that say whether a model is any good, read from lines of JSON."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyseek.errors import InputError, SourceError
from anyseek.items import Item

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from anyseek.engine import Embedder
    from anyseek.processing import Processor
    from anyseek.training.merging import Forward

__all__ = ["Probe", "probe_loss", "read_probe", "recall"]

TEMPERATURE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Queries and what answers them.

    Attributes:
        queries: one per row.
        documents: each once, however many queries it answers.
        positive: number of the document of each query.
    """

    queries: tuple[Item, ...]
    documents: tuple[Item, ...]
    positive: tuple[int, ...]


def read_probe(path: Path) -> Probe:
    """Read rows `{"query": item, "positive": item}`, where an item is a string or the dictionary form.

    Raises:
        InputError: a line is no such row (the message has its number), or there are fewer than two documents.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error})") from error
    rows = [_row(line, f"{path.name}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    numbers: dict[str, int] = {}
    positive = [numbers.setdefault(key, len(numbers)) for _, _, key in rows]
    documents = {key: document for _, document, key in rows}
    if len(documents) < 2:
        raise InputError(f"{path} has {len(documents)} different positive(s); a probe set needs two or more")
    queries = tuple(query for query, _, _ in rows)
    return Probe(queries=queries, documents=tuple(documents.values()), positive=tuple(positive))


def _row(line: bytes, place: str) -> tuple[Item, Item, str]:
    """Query, document, and what makes two documents the same."""
    try:
        row: Any = json.loads(line)
        if not isinstance(row, dict) or row.keys() != {"query", "positive"}:
            raise InputError('a row of a probe set is {"query": ..., "positive": ...}')
        for value in row.values():
            if not isinstance(value, (str, dict)):
                raise InputError(f"an item is a string or an object, not {type(value).__name__}")
        return Item.of(row["query"]), Item.of(row["positive"]), json.dumps(row["positive"], sort_keys=True)
    except ValueError as error:
        if isinstance(error, InputError):
            raise error.at(place) from None
        raise InputError(f"not valid JSON ({error})").at(place) from error


def recall(probe: Probe, embedder: "Embedder") -> float:
    """Share of the queries whose document comes first (R@1)."""
    from anyseek.training.ranking import recall_at_1

    queries, documents = embedder.encode_query(list(probe.queries)), embedder.encode_document(list(probe.documents))
    return recall_at_1(embedder.similarity(queries, documents), [(answer,) for answer in probe.positive])


def probe_loss(probe: Probe, processor: "Processor", device: "torch.device") -> "Callable[[Forward], Tensor]":
    """InfoNCE over the whole probe set, from a forward pass; everything is decoded once."""
    import torch

    from anyseek.batch import pack
    from anyseek.engine.embedder import QUERY_INSTRUCTION
    from anyseek.model import pooled_embedding
    from anyseek.training import Relevance, contrastive

    queries = [replace(item, instruction=item.instruction or QUERY_INSTRUCTION) for item in probe.queries]
    samples = [processor.produce(processor.prepare(item)) for item in (*queries, *probe.documents)]
    batch = pack(samples).to(device)
    positive = torch.tensor(probe.positive, device=device)
    answers = torch.nn.functional.one_hot(positive, len(probe.documents)).bool()
    judged = Relevance(positive=positive, own=answers, answers=answers)

    def loss_of(forward: "Forward") -> "Tensor":
        vectors = pooled_embedding(forward(batch, last=True))
        own, others = vectors[: len(queries)], vectors[len(queries) :]
        return contrastive(own, others, judged, temperature=TEMPERATURE, margin=None, symmetric=False)

    return loss_of
