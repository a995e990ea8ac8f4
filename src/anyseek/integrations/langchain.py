"""LangChain: embeddings, a retriever over a library, and a reranker that compresses documents.

Calls may come from several threads; a model works for one of them at a time.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anyseek.engine import Embedder, Reranker
from anyseek.index import Filter
from anyseek.integrations.models import OnError, best, embedder_of, given, needs, reranker_of
from anyseek.integrations.spots import SIDE, Spot, about, data_uri, input_of
from anyseek.items import Item
from anyseek.media import MediaOptions
from anyseek.search import AskOptions, Library

try:
    from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun, Callbacks
    from langchain_core.documents import BaseDocumentCompressor, Document
    from langchain_core.embeddings import Embeddings
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.runnables import run_in_executor
except ImportError as error:
    raise needs("langchain-core", "langchain") from error

__all__ = ["AnyseekEmbeddings", "AnyseekReranker", "LibraryRetriever", "image_part"]


class AnyseekEmbeddings(Embeddings):
    """Vectors for any vector store.

    A str is always text, whatever it looks like: chunks are cut by machines. Everything else is what `Item.of` takes:
    a Path, `{"image": ..., "text": ...}`, a PIL image, a Page.

    Args:
        model: an Embedder, or its name, see `Embedder.load`.
        instruction: for queries; None takes the model's own. Documents keep theirs whatever the task.
        truncate_dim: leading numbers kept, renormalised.
    """

    def __init__(
        self, model: Embedder | str | Path, *, instruction: str | None = None, truncate_dim: int | None = None
    ) -> None:
        self.embedder = embedder_of(model)
        self.instruction = instruction
        self.truncate_dim = truncate_dim

    def embed_documents(self, texts: Sequence[Any]) -> list[list[float]]:
        """Vectors of documents, in their order.

        Raises:
            InputError: one cannot be read; its place stands in the message, `items[3]`, and nothing is returned.
        """
        vectors = self.embedder.encode_document([given(one) for one in texts], truncate_dim=self.truncate_dim)
        found: list[list[float]] = vectors.tolist()
        return found

    def embed_query(self, text: Any) -> list[float]:
        """The vector of a query: text, a picture, or both.

        Raises:
            InputError: it cannot be read.
        """
        vectors = self.embedder.encode_query(
            [given(text)], instruction=self.instruction, truncate_dim=self.truncate_dim
        )
        found: list[float] = vectors[0].tolist()
        return found

    def embed_image(self, uris: Sequence[str | Path]) -> list[list[float]]:
        """Vectors of pictures, for `add_images` of the stores that have it, such as those of Chroma and LanceDB.

        Args:
            uris: paths, addresses, or data URIs.

        Raises:
            InputError: as `embed_documents`.
        """
        return self.embed_documents([{"image": uri} for uri in uris])


class LibraryRetriever(BaseRetriever):
    """Asks a library. A query is text, or what `Item.of` takes: a Path, `{"image": ..., "text": ...}`.

    A document has the text of what was found (empty for pictures, films and scans), and metadata: `path`, `kind`,
    `page`, `start` and `end` as far as it has them, `score`, `id`. When nothing relevant is there, and the library's
    models have a judge to say so, there are no documents.

    Attributes:
        library: an open one.
        where: which files and things count; `invoke(query, where=...)` says it for one call.
        options: how many, what is read again, and so on.
    """

    library: Library
    where: Filter | None = None
    options: AskOptions = AskOptions()

    def _get_relevant_documents(
        self, query: Any, *, run_manager: CallbackManagerForRetrieverRun | None = None, where: Filter | None = None
    ) -> list[Document]:
        """Ask."""
        answers = self.library.search(given(query), where=where or self.where, options=self.options)
        return [Document(page_content=hit.thing.text or "", metadata=about(hit), id=hit.id) for hit in answers]

    async def _aget_relevant_documents(
        self, query: Any, *, run_manager: AsyncCallbackManagerForRetrieverRun, where: Filter | None = None
    ) -> list[Document]:
        """Ask in another thread; the one of the base class does not hand on `where`."""
        return await run_in_executor(None, self._get_relevant_documents, query, where=where)


class AnyseekReranker(BaseDocumentCompressor):
    """Reads a query and each document together, and keeps the best.

    Documents of a `LibraryRetriever` are read as what they are: the picture, the page, the seconds of a film. Of
    others the text is read, unless their metadata have `kind` (`image`, `page` or `video`) and `path`.

    Attributes:
        reranker: the model, or its name, see `Reranker.load`.
        top_n: how many are kept; None keeps all.
        instruction: what counts as relevant; None takes the model's own.
        on_error: `raise` at a document that cannot be read, or `leave_out`: it is left out, with a line in the log.
    """

    reranker: Any
    top_n: int | None = None
    instruction: str | None = None
    on_error: OnError = "raise"

    def __init__(self, reranker: Reranker | str | Path, **options: Any) -> None:
        """Take a model and the other attributes by name."""
        super().__init__(**(options | {"reranker": reranker_of(reranker)}))

    def compress_documents(
        self, documents: Sequence[Document], query: Any, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """The best documents, best first, each with its probability as `relevance_score` in the metadata.

        Raises:
            InputError: a document cannot be read; its place stands in the message, `pairs[3]`.
        """
        found = best(
            self.reranker,
            Item.of(given(query)),
            [input_of(one.page_content, one.metadata) for one in documents],
            top=self.top_n,
            instruction=self.instruction,
            on_error=self.on_error,
        )
        return [_scored(documents[row], score) for row, score in found]


def image_part(document: Document, *, side: int = SIDE, media: MediaOptions = MediaOptions()) -> dict[str, Any]:
    """What a document of a `LibraryRetriever` shows, as a part of a chat message for a model that sees.

    Args:
        document: a picture, a page, or a segment of a film, of which the frame in its middle is taken.
        side: longest side in pixels.
        media: sources allowed and limits.

    Raises:
        InputError: there is nothing to see, or it cannot be decoded.
    """
    picture = Spot.of(document.metadata).jpeg(side, media)
    return {"type": "image_url", "image_url": {"url": data_uri(picture)}}


def _scored(document: Document, score: float) -> Document:
    """The document with its score; the one that was handed in is left as it is."""
    return document.model_copy(update={"metadata": document.metadata | {"relevance_score": score}})
