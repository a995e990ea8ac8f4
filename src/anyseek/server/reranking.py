"""Relevance: `/rerank` as Jina and Cohere have it, `/score` as vLLM does. Every document gets one score."""

import time
import uuid
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, Field

from anyseek.server.answers import written
from anyseek.server.embeddings import Name, Usage, meta
from anyseek.server.faults import COMPUTED, Fault
from anyseek.server.inputs import Input, Several, given, listed
from anyseek.server.parts import Body, Many, Number, Priority, Strict, absent, given_as, one_of
from anyseek.server.planning import Cuts
from anyseek.server.service import Service

__all__ = ["routes"]

QUERIES, DOCUMENTS = ("queries", "text_1", "data_1"), ("documents", "items", "text_2", "data_2")
"""What the two sides of pairs are called, by whom."""


class RerankRequest(Body):
    """A query and the documents to order by it."""

    model: str | None = Name
    query: Input
    documents: Many[Input] = Field(min_length=1)
    top_n: Number | None = Field(None, description="Most results; all without it.")
    return_documents: bool | None = Field(None, description="Give each document back as it came.")
    max_tokens_per_doc: Number | None = Field(None, description="Text of a document after so many tokens is cut off.")
    max_tokens_per_query: Number | None = Field(None, description="Likewise of a query.")
    max_chunks_per_doc: Number | None = Field(
        None, description="Accepted: a document has one score, whatever it holds."
    )
    instruction: str | None = Field(None, description="What counts as relevant.")
    user: str | None = Field(None, description="Accepted, without effect.")
    priority: Priority | None = Field(None, description="Accepted: requests get equal shares.")


class Result(Strict):
    """A document's probability of being relevant."""

    index: int
    relevance_score: float = Field(ge=0, le=1)
    document: dict[str, Any] | None = None


class Total(Strict):
    """Tokens of all prompts."""

    total_tokens: int


class RerankAnswer(Strict):
    """Documents, the most relevant first."""

    id: str
    model: str
    results: list[Result]
    usage: Total
    meta: dict[str, Any]


class ScoreRequest(Body):
    """Pairs to score: one query and some documents, or as many of both."""

    model_config = ConfigDict(json_schema_extra={"allOf": [one_of(*QUERIES), one_of(*DOCUMENTS)]})

    model: str | None = Name
    queries: Several = absent(description="One for all documents, or a list with one for each.")
    text_1: Several = absent(description="Another name of queries.")
    data_1: Several = absent(description="Another name of queries.")
    documents: Several = absent(description="One, or a list of them.")
    items: Several = absent(description="Another name of documents.")
    text_2: Several = absent(description="Another name of documents.")
    data_2: Several = absent(description="Another name of documents.")
    max_tokens_per_doc: Number | None = Field(None, description="Text of a document after so many tokens is cut off.")
    max_tokens_per_query: Number | None = Field(None, description="Likewise of a query.")
    instruction: str | None = Field(None, description="What counts as relevant.")
    user: str | None = Field(None, description="Accepted, without effect.")
    priority: Priority | None = Field(None, description="Accepted: requests get equal shares.")


class Score(Strict):
    """A pair's probability of being relevant."""

    index: int
    object: Literal["score"]
    score: float = Field(ge=0, le=1)


class ScoreAnswer(Strict):
    """Scores, in the order of the documents."""

    id: str
    object: Literal["list"]
    created: int
    model: str
    data: list[Score]
    usage: Usage


def routes(service: Service) -> APIRouter:
    """The endpoints."""
    router = APIRouter(tags=["reranking"])
    for version in ("", "/v1", "/v2"):
        _add(router, f"{version}/rerank", _reranking(service), RerankAnswer)
    for version in ("", "/v1"):
        _add(router, f"{version}/score", _scoring(service), ScoreAnswer)
    return router


def _add(router: APIRouter, path: str, endpoint: Callable[..., Any], answered: type[Strict]) -> None:
    """One endpoint at one address."""
    name = "_".join(reversed(path.strip("/").split("/")))
    router.add_api_route(
        path, endpoint, methods=["POST"], response_model=answered, responses=COMPUTED, operation_id=name
    )


def _reranking(service: Service) -> Callable[..., Any]:
    """The endpoint that orders documents."""

    async def rerank(request: Request, body: RerankRequest) -> Response:
        """Order documents by their relevance to a query."""
        model = service.model("reranking", body.model)
        service.count(request, 1 + len(body.documents))
        query = given(body.query, "query", body.instruction)
        documents = [given(one, f"documents[{row}]") for row, one in enumerate(body.documents)]
        scores, rows = await service.score(request, model, [query], documents, _cuts(body))
        given_back = (await request.json())["documents"] if body.return_documents else []
        order = np.argsort(-np.asarray(scores), kind="stable")[: body.top_n].tolist()

        def answer() -> dict[str, Any]:
            results = [
                {"index": row, "relevance_score": scores[row]}
                | ({"document": _echo(given_back[row])} if body.return_documents else {})
                for row in order
            ]
            return {
                "id": str(uuid.uuid4()),
                "model": model.names[0],
                "results": results,
                "usage": {"total_tokens": sum(row.tokens for row in rows)},
                "meta": meta(rows),
            }

        return await written(answer, len(scores))

    return rerank


def _scoring(service: Service) -> Callable[..., Any]:
    """The endpoint that scores pairs."""

    async def score(request: Request, body: ScoreRequest) -> Response:
        """Score pairs of a query and a document."""
        model = service.model("reranking", body.model)
        (name, first), (other, second) = given_as(body, *QUERIES), given_as(body, *DOCUMENTS)
        service.count(request, sum(len(side) if isinstance(side, list) else 1 for side in (first, second)))
        queries, documents = listed(first, name, body.instruction), listed(second, other, None)
        if len(queries) not in (1, len(documents)):
            text = f"{name} are {len(queries)} for {len(documents)} of {other}; give one, or one for each"
            raise Fault(400, text, "invalid_pairs", param=name)
        scores, rows = await service.score(request, model, queries, documents, _cuts(body))
        tokens = sum(row.tokens for row in rows)

        def answer() -> dict[str, Any]:
            return {
                "id": str(uuid.uuid4()),
                "object": "list",
                "created": int(time.time()),
                "model": model.names[0],
                "data": [{"index": row, "object": "score", "score": one} for row, one in enumerate(scores)],
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            }

        return await written(answer, len(scores))

    return score


def _cuts(body: RerankRequest | ScoreRequest) -> Cuts:
    """Where texts are cut."""
    return Cuts(query=body.max_tokens_per_query, document=body.max_tokens_per_doc)


def _echo(document: Any) -> dict[str, Any]:
    """A document as it came; a string and a list get the field that they stand for."""
    if isinstance(document, str):
        return {"text": document}
    return {"content": document} if isinstance(document, list) else document
