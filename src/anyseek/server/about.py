"""What the server is and how it does: models, health, numbers, and what its vectors hang on."""

import hashlib
from dataclasses import asdict
from typing import Any, Literal

from fastapi import APIRouter, Response
from pydantic import Field

import anyseek
from anyseek.engine import Embedder
from anyseek.engine.embedder import QUERY_INSTRUCTION
from anyseek.items import Limits
from anyseek.processing import embedding_chat_template, reranking_chat_template
from anyseek.processing.rules import REFERENCE
from anyseek.processing.template import DEFAULT_EMBEDDING_INSTRUCTION, DEFAULT_RERANKING_INSTRUCTION
from anyseek.server.engine import Engine
from anyseek.server.faults import Fault, closing, documented
from anyseek.server.metrics import CONTENT_TYPE, Metrics
from anyseek.server.models import Served
from anyseek.server.parts import Strict
from anyseek.server.queue import Kind
from anyseek.server.service import Service

__all__ = ["routes"]

POOLING = "last token, after the final norm, in fp32"
GIVEN = (400, 403, 413, 500, 503)
KEYED = (400, 401, 403, 413, 429, 500, 503)


class Status(Strict):
    """How it is."""

    status: Literal["ok", "ready"]


class Model(Strict):
    """A model, as OpenAI tells of one."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "anyseek"
    kind: Kind
    parent: str | None = Field(None, description="Of an adapter: the model whose weights it shares.")


class ModelList(Strict):
    """The models that are served."""

    object: Literal["list"] = "list"
    data: list[Model]


class ModelInfo(Strict):
    """What the vectors or scores of a model hang on."""

    id: str
    names: list[str] = Field(description="Accepted in requests.")
    kind: Kind
    parent: str | None = Field(description="Of an adapter: the model whose weights it shares.")
    dim: int | None = Field(description="Width of a whole vector; null for a reranker.")
    dtype: str
    devices: list[str]
    attention: str
    pooling: str
    template_sha256: str = Field(description="Of the chat template that makes the prompts.")
    default_instruction: str
    query_instruction: str | None
    max_tokens: int
    special_tokens_in_text: bool = Field(description="Whether special tokens written in a text count as such.")
    pixels_and_frames: dict[str, float | None]
    sources: dict[str, float | bool] = Field(description="What may be sent, and how large.")


class Info(Strict):
    """The server."""

    name: Literal["anyseek"] = "anyseek"
    version: str
    models: list[ModelInfo]
    bounds: dict[str, float]
    batch_tokens: int


def routes(service: Service, metrics: Metrics) -> APIRouter:
    """The endpoints."""
    router = APIRouter(tags=["about"])
    _add_health(router, service.engine, metrics)
    _add_models(router, service)
    return router


def _add_health(router: APIRouter, engine: Engine, metrics: Metrics) -> None:
    """How the server does."""

    @router.get("/health", responses=documented(*GIVEN))
    async def health() -> Status:
        """Whether the process lives and its device answers; true while models are being loaded."""
        if not engine.is_well:
            raise Fault(503, "the engine has failed; restart the server", "engine_failed")
        return Status(status="ok")

    @router.get("/ready", responses=documented(*GIVEN))
    async def ready() -> Status:
        """Whether requests are answered: models loaded, not shutting down."""
        engine.ready()
        if engine.is_closing:
            raise closing()
        if not engine.is_well:
            raise Fault(503, "the engine has failed", "not_ready")
        return Status(status="ready")

    @router.get("/metrics", response_class=Response, responses=_plain() | documented(*KEYED))
    async def numbers() -> Response:
        """Numbers for Prometheus."""
        return Response(metrics.text(), media_type=CONTENT_TYPE)


def _add_models(router: APIRouter, service: Service) -> None:
    """What it serves."""
    engine = service.engine

    @router.get("/v1/models", responses=documented(*KEYED))
    async def list_models() -> ModelList:
        """The models that are served."""
        return ModelList(data=list(map(_model, engine.ready().served)))

    @router.get("/v1/models/{name:path}", responses=documented(*KEYED, 404))
    async def retrieve_model(name: str) -> Model:
        """One of them, by any of its names."""
        for one in engine.ready().served:
            if name in one.names:
                return _model(one)
        raise Fault(404, f"the model {name[:100]!r} is not served here", "model_not_found", param="model")

    @router.get("/info", responses=documented(*KEYED))
    async def info() -> Info:
        """What vectors and scores hang on, and how much may be asked."""
        return Info(
            version=anyseek.__version__,
            models=list(map(_told, engine.ready().served)),
            bounds=asdict(service.options.bounds),
            batch_tokens=service.options.batch_tokens,
        )


def _model(one: Served) -> Model:
    """A model, as OpenAI tells of one."""
    return Model(id=one.names[0], kind=one.kind, parent=one.parent)


def _told(one: Served) -> ModelInfo:
    """What a model's vectors or scores hang on."""
    embeds = one.kind == "embedding"
    options, computes = one.model.processor.options, one.model._runner.computes
    template = embedding_chat_template() if embeds else reranking_chat_template()
    whole: Limits = options.limits.over(REFERENCE)
    media = options.media
    return ModelInfo(
        id=one.names[0],
        names=list(one.names),
        kind=one.kind,
        parent=one.parent,
        dim=one.model.dim if isinstance(one.model, Embedder) else None,
        dtype=str(next(computes[0].backbone.parameters()).dtype).removeprefix("torch."),
        devices=[str(compute.device) for compute in computes],
        attention=computes[0].attention,
        pooling=POOLING if embeds else f"{POOLING}; yes less no",
        template_sha256=hashlib.sha256(template.encode()).hexdigest(),
        default_instruction=DEFAULT_EMBEDDING_INSTRUCTION if embeds else DEFAULT_RERANKING_INSTRUCTION,
        query_instruction=QUERY_INSTRUCTION if embeds else None,
        max_tokens=options.limits.max_tokens or options.max_tokens,
        special_tokens_in_text=options.parse_special,
        pixels_and_frames={name: value for name, value in asdict(whole).items() if name != "max_tokens"},
        sources={
            "urls": media.urls,
            "max_bytes": media.max_download_bytes,
            "max_source_pixels": media.max_source_pixels,
            "max_seconds": media.max_seconds,
            "max_pages": media.max_pages,
        },
    )


def _plain() -> dict[int | str, dict[str, Any]]:
    """How an answer of plain text stands in the OpenAPI document."""
    return {200: {"description": "Numbers.", "content": {"text/plain": {"schema": {"type": "string"}}}}}
