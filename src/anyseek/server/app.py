"""The application: endpoints, their errors, the document that describes them, and the door before all of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp

import anyseek
from anyseek.errors import AnyseekError
from anyseek.server import about, browsing, changing, embeddings, pages, reranking, searching
from anyseek.server.door import Door, Roles
from anyseek.server.engine import Engine
from anyseek.server.faults import Fault, answer_to, handled
from anyseek.server.metrics import Metrics
from anyseek.server.options import ServerOptions
from anyseek.server.service import Service
from anyseek.server.sessions import Sessions
from anyseek.server.shelf import Shelf

__all__ = ["App"]

OPEN = ("/health", "/ready", "/", "/page/{name}", "/v1/session")
ROLES: Roles = {
    **{("GET", path): None for path in OPEN},
    ("GET", "/metrics"): "admin",
    ("POST", "/v1/library/index"): "write",
    ("DELETE", "/v1/library/index"): "write",
    ("POST", "/v1/library/files"): "write",
    ("DELETE", "/v1/library/files/{id}"): "write",
}
STREAMED = frozenset({("POST", "/v1/library/files")})
"""What reads its body itself, as it comes."""
METHODS = ("GET", "HEAD", "POST", "DELETE")
DAY = 86_400
WIDTHS = (("EmbeddingsRequest", "dimensions"), ("EmbedRequest", "output_dimension"))
"""Fields whose largest value is the model's width."""


class _Pages(CORSMiddleware):
    """What browsers ask before a page's request; a refusal is an answer as all others are."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """Whether the page may ask so."""
        answer = super().preflight_response(request_headers)
        if answer.status_code == 200:
            return answer
        fault = Fault(403, "this page may not ask here; name it with --origin", "origin_not_allowed")
        if self.is_allowed_origin(request_headers["origin"]):
            text = f"no page may ask so here ({bytes(answer.body).decode()}); methods are {', '.join(METHODS)}"
            fault = Fault(403, text, "preflight_refused")
        refused = answer_to(fault)
        refused.headers["Vary"] = answer.headers["Vary"]
        return refused


class App:
    """Everything between a connection and the engine.

    Attributes:
        engine: which the application starts and closes.
        door: which counts who is inside.
        api: the endpoints alone.
        routes: of all of them.
        shelf: the library that is served, or none.
        asgi: what a web server calls.
    """

    def __init__(self, engine: Engine, options: ServerOptions, metrics: Metrics) -> None:
        """Put it together.

        Args:
            engine: not started yet.
            options: how the server runs.
            metrics: that the engine counts in.

        Raises:
            ConfigError: the file of keys is missing or damaged.
            OSError: the audit log cannot be written.
        """
        self.engine = engine
        self.shelf = Shelf(engine, options.library, options.folders, held_bytes=options.held_bytes)
        engine.on_loaded, engine.on_ready = self.shelf.open, self.shelf.begin
        sessions, service = Sessions(), Service(engine, options)
        self.api = FastAPI(
            title="anyseek",
            version=anyseek.__version__,
            description="Vectors and relevance of text, pictures, pages and videos.",
            docs_url=None,  # its page loads scripts from elsewhere
            redoc_url=None,
            lifespan=self._life,
        )
        routers = [embeddings.routes(service), reranking.routes(service), about.routes(service, metrics)]
        routers += [browsing.routes(self.shelf), searching.routes(service, self.shelf)]
        routers += [changing.routes(service, self.shelf)]
        routers += [pages.routes(lambda: self.door)]
        for router in routers:
            self.api.include_router(router)
        for kind in (Fault, AnyseekError, RequestValidationError, HTTPException, Exception):
            self.api.add_exception_handler(kind, handled)
        self.routes = [one for each in (self.api.router, *routers) for one in each.routes if isinstance(one, Route)]
        self.api.add_exception_handler(405, self._refused)
        self.api.openapi = self._document  # type: ignore[method-assign]
        self.door = Door(self.api, options, ROLES, metrics, sessions)
        self.door.streamed = STREAMED
        self.door.routes = self.routes
        self.asgi: ASGIApp = self.door
        if options.origins:
            self.asgi = _Pages(
                self.door,
                allow_origins=options.origins,
                allow_methods=METHODS,
                allow_headers=("*",),  # official clients send some of their own
                expose_headers=("Retry-After", "X-Request-Id"),
                max_age=DAY,
            )

    @asynccontextmanager
    async def _life(self, _: FastAPI) -> AsyncIterator[None]:
        """The engine lives as long as the application."""
        self.engine.start()
        yield
        await asyncio.to_thread(self.shelf.close)
        await asyncio.to_thread(self.engine.close)
        self.door.close()

    async def _refused(self, request: Request, error: Exception) -> Response:
        """The answer to a method that an address does not have: it names all that it has, not those of one endpoint."""
        answer = answer_to(error)
        found = [route for route in self.routes if route.matches(request.scope)[0] != Match.NONE]
        methods = {method for route in found for method in route.methods or ()}
        answer.headers["Allow"] = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
        return answer

    def drain(self) -> None:
        """Refuse new requests from now on; those inside are finished."""
        self.door.is_draining = self.engine.is_closing = True
        self.shelf.stop()

    def _document(self) -> dict[str, Any]:
        """The OpenAPI document. The framework's own 422 is left out: what it stands for is a 400 here."""
        document = FastAPI.openapi(self.api)
        for path in document["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
        for name in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(name, None)
        if self.engine.models is not None and self.engine.models.embedder is not None:
            for name, field in WIDTHS:
                property_of = document["components"]["schemas"][name]["properties"][field]
                property_of["anyOf"][0]["maximum"] = self.engine.models.embedder.dim
        scheme = {"type": "http", "scheme": "bearer", "description": "Needed where the server has keys."}
        document["components"]["securitySchemes"] = {"key": scheme}
        if self.door.keys is not None:
            for path, operations in document["paths"].items():
                for method, operation in operations.items():
                    if self.door.roles.get((method.upper(), path), "read") is not None:
                        operation["security"] = [{"key": []}]
        return document
