"""Vectors: `/v1/embeddings` as OpenAI has it, `/v2/embed` as Cohere has it."""

import uuid
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, Field

from anyseek import vectors
from anyseek.engine import Embedder
from anyseek.engine.embedder import QUERY_INSTRUCTION
from anyseek.items import Image, Item
from anyseek.server.answers import Raw, coded, numbers, written
from anyseek.server.faults import COMPUTED, Fault
from anyseek.server.inputs import Content, Given, Inputs, Messages, given, listed
from anyseek.server.models import Served
from anyseek.server.parts import Body, Many, Number, Priority, Source, Strict, Unset, absent, given_as, one_of
from anyseek.server.planning import Planned
from anyseek.server.service import Service

__all__ = ["Name", "Usage", "meta", "routes"]

Whole = Literal["float", "int8", "uint8", "binary", "ubinary"]
Name = Field(
    None, max_length=256, description="Which model; /v1/models lists them. Without it, the one that is served."
)


class EmbeddingsRequest(Body):
    """Inputs to embed. Either `input` or `messages`."""

    model_config = ConfigDict(json_schema_extra=one_of("input", "messages"))

    model: str | None = Name
    input: Inputs = absent(description="One input, or a list of inputs, or messages.")
    messages: Messages = absent(description="One input as chat messages, or a list of such.")
    instruction: str | None = Field(None, description="What the vectors are for; for inputs without their own.")
    encoding_format: Literal["float", "base64"] = Field(
        "float", description="base64 is of little-endian float32, and for output_dtype float only."
    )
    dimensions: Number | None = Field(None, description="Leading numbers kept, renormalised.")
    output_dtype: Whole = Field("float", description="How numbers are stored; others than float are always lists.")
    truncate: Literal["NONE", "END"] = Field(
        "NONE", description="What to do with an input that is too long: an error, or cut its text from its end."
    )
    user: str | None = Field(None, description="Accepted, without effect.")
    add_generation_prompt: bool | None = Field(None, description="Accepted: the prompt always opens the answer.")
    add_special_tokens: bool | None = Field(None, description="Accepted: the prompt is always the model's own.")
    continue_final_message: bool | None = Field(None, description="Accepted: the prompt always opens the answer.")
    chat_template_kwargs: Unset | None = Field(None, description="Accepted when empty.")
    mm_processor_kwargs: Unset | None = Field(None, description="Accepted when empty.")


class Embedding(Strict):
    """One vector."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class Usage(Strict):
    """Tokens of the prompts."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsAnswer(Strict):
    """Vectors, in the order of the inputs."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Usage


class EmbedRequest(Body):
    """Inputs to embed, as Cohere has them: one of `texts`, `images` and `inputs`."""

    model_config = ConfigDict(json_schema_extra=one_of("texts", "images", "inputs"))

    model: str | None = Name
    input_type: Literal["search_document", "search_query", "classification", "clustering", "image"] | None = Field(
        None, description="search_query gets the instruction for queries, all others the model's default."
    )
    texts: Many[str] = absent(min_length=1)
    images: Many[Source] = absent(min_length=1)
    inputs: Many[Content] = absent(min_length=1)
    instruction: str | None = Field(None, description="In place of that of input_type.")
    output_dimension: Number | None = Field(None, description="Leading numbers kept, renormalised.")
    embedding_types: list[Literal["float", "int8", "uint8", "binary", "ubinary", "base64"]] = Field(
        default=["float"], min_length=1, max_length=6
    )
    truncate: Literal["NONE", "END"] = Field("END", description="START is not known here.")
    max_tokens: Number | None = Field(None, description="Most tokens of the text of an input.")
    priority: Priority | None = Field(None, description="Accepted: requests get equal shares.")


class Embeddings(Strict):
    """Vectors by type."""

    float_: list[list[float]] | None = Field(None, alias="float")
    int8: list[list[int]] | None = None
    uint8: list[list[int]] | None = None
    binary: list[list[int]] | None = None
    ubinary: list[list[int]] | None = None
    base64: list[str] | None = None


class EmbedAnswer(Strict):
    """Vectors by type, in the order of the inputs."""

    id: str
    response_type: Literal["embeddings_by_type"]
    embeddings: Embeddings
    texts: list[str] | None = None
    meta: dict[str, Any]


def routes(service: Service) -> APIRouter:
    """The endpoints."""
    router = APIRouter(tags=["embeddings"])
    _add_openai(router, service)
    _add_cohere(router, service)
    return router


def _add_openai(router: APIRouter, service: Service) -> None:
    """As OpenAI has it."""

    @router.post("/v1/embeddings", response_model=EmbeddingsAnswer, responses=COMPUTED)
    async def create_embeddings(request: Request, body: EmbeddingsRequest) -> Response:
        """Vectors of texts, pictures, pages, videos and mixes of them, as OpenAI answers."""
        model, embedder, dim = _chosen(service, body.model, body.dimensions, "dimensions")
        name, asked = given_as(body, "input", "messages")
        service.count(request, len(asked) if isinstance(asked, list) else 1)
        inputs = listed(asked, name, body.instruction)
        states, rows = await service.embed(request, model, inputs, None, whole=body.truncate == "NONE")
        in_base64 = body.encoding_format == "base64" and body.output_dtype == "float"
        tokens = sum(row.tokens for row in rows)

        def answer() -> dict[str, Any]:
            found = _finished(embedder, states.numpy(), dim, body.output_dtype)
            vectors = (coded if in_base64 else numbers)(found)
            data = [{"object": "embedding", "index": row, "embedding": one} for row, one in enumerate(vectors)]
            usage = {"prompt_tokens": tokens, "total_tokens": tokens}
            return {"object": "list", "data": data, "model": model.names[0], "usage": usage}

        return await written(answer, len(rows) * (dim or embedder.dim))


def _add_cohere(router: APIRouter, service: Service) -> None:
    """As Cohere has it."""

    @router.post("/v2/embed", response_model=EmbedAnswer, responses=COMPUTED)
    async def embed(request: Request, body: EmbedRequest) -> Response:
        """Vectors by type, as Cohere answers."""
        model, embedder, dim = _chosen(service, body.model, body.output_dimension, "output_dimension")
        name, asked = given_as(body, "texts", "images", "inputs")
        service.count(request, len(asked))
        instruction = body.instruction or (QUERY_INSTRUCTION if body.input_type == "search_query" else None)
        inputs = _cohere_inputs(asked, name, instruction)
        states, rows = await service.embed(request, model, inputs, body.max_tokens, whole=body.truncate == "NONE")
        kinds = list(dict.fromkeys(body.embedding_types))

        def answer() -> dict[str, Any]:
            by_type = {kind: _by_type(embedder, states.numpy(), dim, kind) for kind in kinds}
            told = {"texts": body.texts} if body.texts is not None else {}
            return {
                "id": str(uuid.uuid4()),
                "response_type": "embeddings_by_type",
                "embeddings": by_type,
                **told,
                "meta": meta(rows),
            }

        return await written(answer, states.numel() * len(kinds))


def _cohere_inputs(asked: Sequence[Any], name: str, instruction: str | None) -> list[Given]:
    """The inputs of a request, which are pictures where the field says so."""
    places = [f"{name}[{row}]" for row in range(len(asked))]
    if name == "images":
        pairs = zip(asked, places, strict=True)
        return [Given(Item((Image(source),), instruction), place, (place,)) for source, place in pairs]
    return [given(one, place, instruction) for one, place in zip(asked, places, strict=True)]


def _chosen(service: Service, called: str | None, dim: int | None, name: str) -> tuple[Served, Embedder, int | None]:
    """The model of a request, and a width that it has, which stood in the field `name`.

    Raises:
        Fault: 400 for another width, 404 for another model, 503 while none is loaded.
    """
    model = service.model("embedding", called)
    embedder = model.model
    assert isinstance(embedder, Embedder)
    if dim is not None and dim > embedder.dim:
        raise Fault(400, f"{name} must be between 1 and {embedder.dim} (got {dim})", "invalid_request", param=name)
    return model, embedder, dim


def _finished(embedder: Embedder, states: np.ndarray, dim: int | None, kind: Whole) -> np.ndarray:
    """Vectors as `Embedder.encode` finishes them."""
    return vectors.finish(
        states,
        truncate_dim=dim,
        normalize_embeddings=True,
        precision="float32" if kind == "float" else kind,
        step=embedder.steps.get("int8"),
    )


def _by_type(embedder: Embedder, states: np.ndarray, dim: int | None, kind: Whole | Literal["base64"]) -> list[Raw]:
    """Vectors in one of Cohere's types."""
    if kind == "base64":
        return coded(_finished(embedder, states, dim, "float"))
    return numbers(_finished(embedder, states, dim, kind))


def meta(rows: Sequence[Planned]) -> dict[str, Any]:
    """What Cohere tells beside an answer: tokens, pictures, and what was left out."""
    units = {"input_tokens": sum(row.tokens for row in rows), "images": sum(len(row.visuals) for row in rows)}
    told = dict.fromkeys(
        f"{place}: {number} characters were cut from its end, to fit"
        for row in rows
        for place, number in row.cuts.items()
        if number
    )
    return {"api_version": {"version": "2"}, "billed_units": units} | ({"warnings": list(told)} if told else {})
