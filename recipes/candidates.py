"""What the reranker is shown in training: queries with documents, the first of which answers, in two pieces each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from anyseek import world
from anyseek.batch import PackedBatch, Sample, pack
from anyseek.items import Item, Text
from anyseek.model import Backbone, pooled_embedding
from anyseek.processing import Processor

__all__ = ["Candidate", "JudgedBatch", "Reader", "packed"]

NOTHING = Item((Text(""),))
DOCUMENT_MARKER = "<Document"
"""What follows the query in the reranking prompt, as far as its tokens never depend on what stands around it."""


@dataclass(frozen=True, slots=True)
class JudgedBatch:
    """Queries, and for each as many documents, the first of which answers it and the others do not.

    Attributes:
        queries: the beginning of each query's prompt, up to its documents.
        query_features: of what the queries show; None without any.
        documents: the rest of each prompt, positions continued, a query's documents next to each other.
        features: of what the documents show; None without any.
        candidates: documents of a query.
        marks: `(documents,)` packed tokens that follow the query, the same in every prompt.
        asked_vectors: `(queries, dim)` of the embedder.
        shown_vectors: `(documents, dim)` likewise.
        asked: the queries: of the world, or of a dataset.
        shown: the documents, likewise.
        kind: of the documents, or the name of their dataset.
    """

    queries: PackedBatch
    query_features: Tensor | None
    documents: PackedBatch
    features: Tensor | None
    candidates: int
    marks: Tensor
    asked_vectors: Tensor
    shown_vectors: Tensor
    asked: tuple[world.Query, ...] | tuple[Item, ...]
    shown: tuple[world.Thing, ...] | tuple[Item, ...]
    kind: str

    @property
    def ends(self) -> Tensor:
        """`(2 * documents,)` packed tokens at which the query has been read, then those at which the document has."""
        return torch.cat([self.marks, self.documents.last_index])


@dataclass(frozen=True, slots=True)
class Reader:
    """An embedder's weights with the processors of both prompts.

    Attributes:
        model: the embedder; the reranker has its vision tower.
        embedding: processor of the embedder.
        reranking: processor of the reranker.
    """

    model: Backbone
    embedding: Processor
    reranking: Processor

    @torch.no_grad()
    def read(self, items: list[Item]) -> tuple[Tensor, list[Tensor]]:
        """Vectors `(items, dim)`, and the features of each item, of no rows where it shows nothing."""
        samples = [self.embedding.sample(item) for item in items]
        batch = pack(samples)
        empty = torch.empty((0, 1 + len(self.model.config.vision.deepstack_visual_indexes), 0))
        features = self.model.see(batch.patches, batch.grids) if len(batch.patches) else empty
        hidden = self.model(batch, last=True, features=features)
        return pooled_embedding(hidden), [f.clone() for f in features.split([len(s.visual_index) for s in samples])]

    def beginning(self, query: Item) -> tuple[Sample, Tensor]:
        """The prompt up to the document, and the `(3, 1)` position that follows."""
        sample = self.reranking.prepare_pair(query, NOTHING).sample
        start = self._document_starts(sample)
        return sample.cut(0, start), sample.position_ids[:, start : start + 1]

    def rest(self, document: Item) -> Sample:
        """The prompt from the document on, at positions that begin with 0."""
        sample = self.reranking.prepare_pair(NOTHING, document).sample
        start = self._document_starts(sample)
        rest = sample.cut(start, sample.num_tokens)
        return replace(rest, position_ids=rest.position_ids - sample.position_ids[:, start : start + 1])

    @property
    def mark(self) -> int:
        """Where in a rest the marker ends: the query has been read, the document has not."""
        return len(self.reranking.tokenizer.encode(DOCUMENT_MARKER, parse_special=False)) - 1

    def _document_starts(self, sample: Sample) -> int:
        """Where the document's marker begins; its tokens never depend on what stands around it."""
        marker = torch.tensor(self.reranking.tokenizer.encode(DOCUMENT_MARKER, parse_special=False))
        return int((sample.token_ids.unfold(0, len(marker), 1) == marker).all(1).nonzero()[0])


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A document that may be judged.

    Attributes:
        item: the document.
        rest: of its prompt, see `Reader.rest`.
        vector: `(dim,)` of the embedder.
        features: of what it shows.
    """

    item: Item
    rest: Sample
    vector: Tensor
    features: Tensor


def packed(
    reader: Reader,
    asked: Sequence[Item],
    vectors: Tensor,
    features: list[Tensor],
    shown: Sequence[Candidate],
    kind: str,
) -> JudgedBatch:
    """A batch of queries and their documents.

    Args:
        reader: of both prompts.
        asked: the queries.
        vectors: `(queries, dim)` of the embedder.
        features: of what each query shows.
        shown: as many documents for each query, next to each other, the first of which answers it.
        kind: of the documents, or the name of their dataset.
    """
    candidates = len(shown) // len(asked)
    beginnings = [reader.beginning(item) for item in asked]
    rests = [
        replace(one.rest, position_ids=one.rest.position_ids + beginnings[place // candidates][1])
        for place, one in enumerate(shown)
    ]
    documents = pack(rests)
    return JudgedBatch(
        queries=pack([beginning for beginning, _ in beginnings]),
        query_features=_joined(features),
        documents=documents,
        features=_joined([one.features for one in shown]),
        candidates=candidates,
        marks=torch.tensor([0, *documents.lengths[:-1]]).cumsum(0) + reader.mark,
        asked_vectors=vectors,
        shown_vectors=torch.stack([one.vector for one in shown]),
        asked=tuple(asked),
        shown=tuple(one.item for one in shown),
        kind=kind,
    )


def _joined(features: list[Tensor]) -> Tensor | None:
    """All features, or None if there are none."""
    some = [one for one in features if len(one)]
    return torch.cat(some) if some else None
