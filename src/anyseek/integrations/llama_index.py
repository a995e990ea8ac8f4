"""LlamaIndex: embeddings of texts and pictures, a retriever over a library, and a reranker of nodes.

Calls may come from several threads; a model works for one of them at a time.
"""

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from anyseek.engine import Embedder, Reranker
from anyseek.errors import InputError
from anyseek.index import Filter
from anyseek.integrations.models import OnError, best, embedder_of, given, name_of, needs, reranker_of
from anyseek.integrations.spots import SEEN, SIDE, Spot, about, input_of
from anyseek.items import Image, Item, Part, Text
from anyseek.media import MediaOptions
from anyseek.search import Library
from anyseek.search.answers import Answer, AskOptions

try:
    from llama_index.core.base.base_retriever import BaseRetriever
    from llama_index.core.bridge.pydantic import PrivateAttr
    from llama_index.core.embeddings.multi_modal_base import MultiModalEmbedding
    from llama_index.core.postprocessor.types import BaseNodePostprocessor
    from llama_index.core.schema import BaseNode, ImageNode, MetadataMode, NodeWithScore, QueryBundle, TextNode
except ImportError as error:
    raise needs("llama-index-core", "llama-index") from error

__all__ = ["AnyseekEmbedding", "AnyseekReranker", "LibraryRetriever"]

SPOKEN = ("path", "page", "start", "end")
UNSPOKEN = ("kind", "score", "id", "unread")
"""Metadata that a model which writes the answer is told, and those that it is not."""


@dataclass
class ItemQuery(QueryBundle):
    """A query that words and the path of a picture cannot say.

    Attributes:
        item: what a reranker reads.
    """

    item: Item | None = field(default=None, repr=False)


class AnyseekEmbedding(MultiModalEmbedding):
    """Vectors of texts and pictures, in one space, for any index.

    Text of a node is a document, whatever it looks like; a query gets its instruction. A picture is a document too:
    for one as a query see `AnyseekEmbedding.picture_query`.

    Attributes:
        model: name or folder that it was loaded by; a copy, of another process too, loads it again.
        instruction: for queries; None takes the model's own. Documents keep theirs whatever the task.
        truncate_dim: leading numbers kept, renormalised.
        embed_batch_size: how many this framework hands over at a time; the engine makes batches of its own of them.
    """

    model: str | None = None
    instruction: str | None = None
    truncate_dim: int | None = None
    _embedder: Any = PrivateAttr()

    def __init__(self, model: Embedder | str | Path, *, embed_batch_size: int = 256, **options: Any) -> None:
        """Take an Embedder, or its name, see `Embedder.load`, and the other attributes by name."""
        embedder = embedder_of(model)
        named: dict[str, Any] = {"model": name_of(model)}
        if embedder.source:
            named["model_name"] = embedder.source.name
        super().__init__(embed_batch_size=embed_batch_size, **(named | options))
        self._embedder = embedder

    @classmethod
    def class_name(cls) -> str:
        """What this framework calls it."""
        return "AnyseekEmbedding"

    def picture_query(self, value: Any, words: str = "") -> QueryBundle:
        """A query by a picture, or whatever else `Item.of` takes, for an index over the vectors of this model.

        Args:
            value: the query, `{"image": ..., "text": ...}` for both.
            words: what stands for it where only words do, such as in a prompt.

        Raises:
            InputError: it cannot be read.
        """
        item = Item.of(given(value))
        return ItemQuery(words, embedding=self._query(item), item=item)

    def _query(self, value: Any) -> list[float]:
        """The vector of a query."""
        vectors = self._embedder.encode_query(
            [given(value)], instruction=self.instruction, truncate_dim=self.truncate_dim
        )
        found: list[float] = vectors[0].tolist()
        return found

    def _documents(self, values: Sequence[Any]) -> list[list[float]]:
        """Vectors of documents."""
        vectors = self._embedder.encode_document(list(values), truncate_dim=self.truncate_dim)
        found: list[list[float]] = vectors.tolist()
        return found

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._query(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._query, query)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._documents([given(text)])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._documents([given(text) for text in texts])

    async def _aget_text_embedding(self, text: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, text)

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_text_embeddings, texts)

    def _get_image_embedding(self, img_file_path: str | BytesIO) -> list[float]:
        return self._documents([_image(img_file_path)])[0]

    def _get_image_embeddings(self, img_file_paths: list[str | BytesIO]) -> list[list[float]]:
        return self._documents([_image(one) for one in img_file_paths])

    async def _aget_image_embedding(self, img_file_path: str | BytesIO) -> list[float]:
        return await asyncio.to_thread(self._get_image_embedding, img_file_path)

    async def _aget_image_embeddings(self, img_file_paths: list[str | BytesIO]) -> list[list[float]]:
        return await asyncio.to_thread(self._get_image_embeddings, img_file_paths)


class LibraryRetriever(BaseRetriever):
    """Asks a library, by words, by a picture (`QueryBundle("", image_path=...)`), or by both.

    Pictures, pages and segments of films come as ImageNode, which holds what is to be seen as JPEG, and the text of
    the page; passages as TextNode, and so does what can no longer be shown, with the reason as `unread` in its
    metadata. Metadata are `path`, `kind`, `page`, `start` and `end` as far as there are any, `score` and `id`; a model
    that writes the answer is told the path, page, start and end. When nothing relevant is there, and the library's
    models have a judge to say so, there are no nodes.

    Args:
        library: an open one.
        where: which files and things count.
        options: how many, what is read again, and so on.
        side: longest side in pixels of the pictures.
        **base: of `BaseRetriever`.
    """

    def __init__(
        self,
        library: Library,
        *,
        where: Filter | None = None,
        options: AskOptions = AskOptions(),
        side: int = SIDE,
        **base: Any,
    ) -> None:
        super().__init__(**base)
        self.library, self.where, self.options, self.side = library, where, options, side
        self._media: MediaOptions = library.embedder.processor.options.media

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        answers = self.library.search(_asked(query_bundle), where=self.where, options=self.options)
        return [NodeWithScore(node=self._node(hit), score=hit.score) for hit in answers]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)

    def _node(self, hit: Answer) -> TextNode:
        """An answer as a node."""
        spot, text = Spot.of(hit), hit.thing.text or ""
        fields: dict[str, Any] = {
            "id_": hit.id,
            "text": text,
            "metadata": about(hit),
            "excluded_embed_metadata_keys": [*SPOKEN, *UNSPOKEN],
            "excluded_llm_metadata_keys": list(UNSPOKEN),
        }
        if spot.kind == "text":
            return TextNode(start_char_idx=int(spot.start or 0), end_char_idx=int(spot.end or 0), **fields)
        try:
            picture = spot.jpeg(self.side, self._media)
        except InputError as error:
            fields["metadata"]["unread"] = str(error)
            return TextNode(**fields)
        return ImageNode(image=base64.b64encode(picture).decode("ascii"), image_mimetype="image/jpeg", **fields)


class AnyseekReranker(BaseNodePostprocessor):
    """Reads a query and each node together, and keeps the best, with the probability as their score.

    Nodes of a `LibraryRetriever` are read as what they are: the picture, the page, the seconds of a film. Of other
    ImageNodes the picture is read, of all others the text.

    Attributes:
        reranker: name or folder that it was loaded by; a copy, of another process too, loads it again.
        top_n: how many are kept; None keeps all.
        instruction: what counts as relevant; None takes the model's own.
        on_error: `raise` at a node that cannot be read, or `leave_out`: it is left out, with a line in the log.
    """

    reranker: str | None = None
    top_n: int | None = None
    instruction: str | None = None
    on_error: OnError = "raise"
    _reranker: Any = PrivateAttr()

    def __init__(self, reranker: Reranker | str | Path, **options: Any) -> None:
        """Take a Reranker, or its name, see `Reranker.load`, and the other attributes by name."""
        named: dict[str, Any] = {"reranker": name_of(reranker)}
        super().__init__(**(named | options))
        self._reranker = reranker_of(reranker)

    @classmethod
    def class_name(cls) -> str:
        """What this framework calls it."""
        return "AnyseekReranker"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        if query_bundle is None:
            raise InputError("a reranker needs the query; give query_str=... or query_bundle=...")
        found = best(
            self._reranker,
            _asked(query_bundle),
            [_read(one.node) for one in nodes],
            top=self.top_n,
            instruction=self.instruction,
            on_error=self.on_error,
        )
        return [NodeWithScore(node=nodes[row].node, score=score) for row, score in found]


def _image(source: str | BytesIO | Path) -> Image:
    """A picture as this framework has it: a path or address, or an open file."""
    return Image(source.getvalue() if isinstance(source, BytesIO) else source)


def _asked(query: QueryBundle) -> Item:
    """A query by picture, by words, or by both.

    Raises:
        InputError: it has neither, but perhaps a vector, which cannot be read.
    """
    if isinstance(query, ItemQuery) and query.item is not None:
        return query.item
    parts: list[Part] = [Image(query.image_path)] if query.image_path else []
    if query.query_str:
        parts.append(Text(query.query_str))
    if not parts:
        raise InputError("the query has neither words nor a picture; give query_str or image_path")
    return Item(tuple(parts))


def _read(node: BaseNode) -> Item:
    """What the reranker reads of a node."""
    if node.metadata.get("kind") not in SEEN and isinstance(node, ImageNode):
        held = base64.b64decode(node.image) if node.image else None
        source = held or node.image_path or node.image_url
        if source:
            return Item((Image(source),))
    return input_of(node.get_content(metadata_mode=MetadataMode.EMBED), node.metadata)
