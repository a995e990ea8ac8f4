"""Recall by vectors, then a second reading by the reranker. A file that cannot be read costs only itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anyseek.errors import InputError
from anyseek.items import Item
from anyseek.search.fusion import Fusion
from anyseek.search.sources import Found

if TYPE_CHECKING:
    from anyseek.engine import Embedder, Reranker

__all__ = ["Embedded", "Failure", "Hit", "Hits", "SearchOptions", "ask", "embed", "search"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """How a search runs.

    Attributes:
        top: most hits.
        candidates: how many of the best by vector the reranker reads (at least `top`).
        fusion: how the reranker's opinion and the cosine become one score; by default the reranker's alone counts.
        show_progress_bar: on standard error.
    """

    top: int = 10
    candidates: int = 20
    fusion: Fusion = Fusion()
    show_progress_bar: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that was found but could not be embedded or scored, and the reason."""

    found: Found
    error: InputError

    @property
    def reason(self) -> str:
        """What was wrong, without the place in a call that the user did not make."""
        return str(self.error.args[0]) if self.error.args else str(self.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One answer.

    Attributes:
        found: what and where.
        score: what the hits are sorted by: the probability after reranking, or the similarity where nothing was reread.
        similarity: cosine of the two vectors.
        reranked: whether the reranker read this pair.
    """

    found: Found
    score: float
    similarity: float
    reranked: bool = False


@dataclass(frozen=True, slots=True)
class Hits:
    """Answers, best first, and what went wrong on the way."""

    hits: tuple[Hit, ...]
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True)
class Embedded:
    """Embedded things: `vectors` is `(found, dim)`, row by row with `found`; what failed is listed apart."""

    found: tuple[Found, ...]
    vectors: NDArray[Any]
    failures: tuple[Failure, ...] = ()


def embed(found: Sequence[Found], embedder: "Embedder", options: SearchOptions = SearchOptions()) -> Embedded:
    """Vectors of everything found; what cannot be decoded goes to `failures` and leaves no row."""
    if not found:
        return Embedded((), np.zeros((0, 0), dtype=np.float32))
    items = [thing.item for thing in found]
    encoded = embedder.encode_document(items, on_error="collect", show_progress_bar=options.show_progress_bar)
    good = [row for row in range(len(found)) if row not in encoded.errors]
    failures = tuple(Failure(found[row], error) for row, error in sorted(encoded.errors.items()))
    return Embedded(tuple(found[row] for row in good), encoded.vectors[good], failures)


def ask(
    query: Item,
    library: Embedded,
    embedder: "Embedder",
    reranker: "Reranker | None" = None,
    options: SearchOptions = SearchOptions(),
) -> Hits:
    """Rank an embedded library for one query.

    Args:
        query: what is sought; its instruction says what counts as relevant.
        library: see `embed`.
        embedder: the model that embedded the library.
        reranker: reads the query with each of the best candidates; None leaves the order of the vectors.
        options: how many hits and candidates.

    Raises:
        InputError: the query itself cannot be used.
    """
    if not library.found:
        return Hits((), library.failures)
    vectors = embedder.encode_query([query])
    similarities = np.asarray(embedder.similarity(vectors, library.vectors), dtype=np.float64)[0]
    order = np.argsort(-similarities, kind="stable")[: max(options.top, options.candidates if reranker else 0)]
    recalled = [
        Hit(found=library.found[row], score=float(similarities[row]), similarity=float(similarities[row]))
        for row in order
    ]
    if reranker is None:
        return Hits(tuple(recalled), library.failures)
    hits, failures = _reread(query, recalled, reranker, options)
    return Hits(tuple(hits[: options.top]), library.failures + failures)


def _reread(
    query: Item, recalled: list[Hit], reranker: "Reranker", options: SearchOptions
) -> tuple[list[Hit], tuple[Failure, ...]]:
    """Candidates by the score after reranking; those it could not read follow, in the order of the vectors."""
    pairs = [(query, hit.found.item) for hit in recalled]
    scored = reranker.predict(pairs, activation="none", on_error="collect", show_progress_bar=options.show_progress_bar)
    scores = options.fusion.probability(scored.scores, np.array([hit.similarity for hit in recalled]))
    read = [
        replace(hit, score=float(scores[row]), reranked=True)
        for row, hit in enumerate(recalled)
        if row not in scored.errors
    ]
    unread = [hit for row, hit in enumerate(recalled) if row in scored.errors]
    failures = tuple(Failure(recalled[row].found, error) for row, error in sorted(scored.errors.items()))
    return sorted(read, key=lambda hit: -hit.score) + unread, failures


def search(
    query: Item,
    found: Sequence[Found],
    embedder: "Embedder",
    reranker: "Reranker | None" = None,
    options: SearchOptions = SearchOptions(),
) -> Hits:
    """Embed what was found and rank it for one query: `embed`, then `ask`."""
    return ask(query, embed(found, embedder, options), embedder, reranker, options)
