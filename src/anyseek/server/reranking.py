"""Relevance: `/v1/rerank` and `/v2/rerank`, as Jina and Cohere have it. Every document gets one score."""

import uuid
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import Field

from anyseek.server.answers import written
from anyseek.server.embeddings import meta
from anyseek.server.faults import documented
from anyseek.server.inputs import Input, given
from anyseek.server.parts import Body, Many, Number, Priority, Strict
from anyseek.server.service import Service

__all__ = ["routes"]

STATUSES = documented(400, 401, 403, 404, 408, 413, 429, 500, 503, 504)


class RerankRequest(Body):
    """A query and the documents to order by it."""

    model: str | None = Field(
        None, max_length=256, description="Which model; /v1/models lists them. Without it, the one that is served."
    )
    query: Input
    documents: Many[Input] = Field(min_length=1)
    top_n: Number | None = Field(None, description="Most results; all without it.")
    return_documents: bool | None = Field(None, description="Give each document back as it came.")
    max_tokens_per_doc: Number | None = Field(None, description="Text of a document after so many tokens is cut off.")
    instruction: str | None = Field(None, description="What counts as relevant.")
    user: str | None = Field(None, description="Accepted, without effect.")
    priority: Priority | None = Field(None, description="Accepted: requests get equal shares.")


class Result(Strict):
    """A document's probability of being relevant."""

    index: int
    relevance_score: float = Field(ge=0, le=1)
    document: dict[str, Any] | None = None


class Usage(Strict):
    """Tokens of all prompts."""

    total_tokens: int


class RerankAnswer(Strict):
    """Documents, the most relevant first."""

    id: str
    model: str
    results: list[Result]
    usage: Usage
    meta: dict[str, Any]


def routes(service: Service) -> APIRouter:
    """The endpoints."""
    router = APIRouter(tags=["reranking"])

    async def rerank(request: Request, body: RerankRequest) -> Response:
        """Order documents by their relevance to a query."""
        models = service.model("reranking", body.model)
        service.count(request, 1 + len(body.documents))
        query = given(body.query, "query", body.instruction)
        documents = [given(one, f"documents[{row}]") for row, one in enumerate(body.documents)]
        scores, rows = await service.score(request, query, documents, body.max_tokens_per_doc)
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
                "model": models.names["reranking"][0],
                "results": results,
                "usage": {"total_tokens": sum(row.tokens for row in rows)},
                "meta": meta(rows),
            }

        return await written(answer, len(scores))

    for version in ("v1", "v2"):
        router.add_api_route(
            f"/{version}/rerank",
            rerank,
            methods=["POST"],
            response_model=RerankAnswer,
            responses=STATUSES,
            operation_id=f"rerank_{version}",
        )
    return router


def _echo(document: Any) -> dict[str, Any]:
    """A document as it came; a string and a list get the field that they stand for."""
    if isinstance(document, str):
        return {"text": document}
    return {"content": document} if isinstance(document, list) else document
