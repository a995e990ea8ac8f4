"""The web page and a browser's session with it. Nothing is loaded from elsewhere, and nothing runs but these files."""

import asyncio
from collections.abc import Callable
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Path, Request, Response

from anyseek.server.answers import unless_known
from anyseek.server.door import key_of
from anyseek.server.faults import Fault, documented
from anyseek.server.keys import Role
from anyseek.server.parts import Strict
from anyseek.server.sessions import cookie, token_of

if TYPE_CHECKING:
    from anyseek.server.door import Door

__all__ = ["routes"]

TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "png": "image/png",
    "ico": "image/vnd.microsoft.icon",
    "woff2": "font/woff2",
}
FIRST = "page.html"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self'; font-src 'self'; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class SessionAnswer(Strict):
    """Who asks."""

    keys: bool
    """Whether keys are needed here."""
    role: Literal["read", "write", "admin"] | None
    """What the one who asks may do; null without a valid key or session."""


def routes(door: "Callable[[], Door]") -> APIRouter:
    """The endpoints; `door` gives the one that they stand behind."""
    router = APIRouter(tags=["page"])
    _add_page(router)
    _add_sessions(router, door)
    return router


def _add_page(router: APIRouter) -> None:
    """The page and its files."""

    @router.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        """The page."""
        return await asyncio.to_thread(_file, FIRST, request)

    @router.get("/page/{name}", include_in_schema=False)
    async def file(request: Request, name: Annotated[str, Path(max_length=100)]) -> Response:
        """A file of the page."""
        return await asyncio.to_thread(_file, name, request)


def _add_sessions(router: APIRouter, door: "Callable[[], Door]") -> None:
    """A cookie in place of a key."""

    @router.get("/v1/session", responses=documented(400, 403, 413, 500))
    async def session(request: Request) -> SessionAnswer:
        """Whether keys are needed here, and what the one who asks may do."""
        return _told(door(), door().whoever(request.headers))

    @router.post("/v1/session", responses=documented(400, 401, 403, 413, 429, 500, 503))
    async def open_session(request: Request, response: Response) -> SessionAnswer:
        """Set a cookie that stands for the key of this request, so that a page can show pictures and films."""
        key = key_of(request.scope)
        if key is not None:
            token = door().sessions.begin(key)
            response.headers["Set-Cookie"] = cookie(token, secure=_is_secure(request))
        return _told(door(), key.role if key else "admin")

    @router.delete("/v1/session", status_code=204, responses=documented(400, 401, 403, 413, 429, 500, 503))
    async def end_session(request: Request) -> Response:
        """End the session of this browser."""
        door().sessions.end(token_of(request.headers.get("cookie")) or "")
        return Response(status_code=204, headers={"Set-Cookie": cookie("", secure=_is_secure(request))})


def _told(door: "Door", role: Role | None) -> SessionAnswer:
    """Who asks."""
    return SessionAnswer(keys=door.keys is not None, role=role)


def _is_secure(request: Request) -> bool:
    """Whether the page was loaded over TLS; what lies between may speak plain HTTP with this server."""
    return request.headers.get("origin", "").startswith("https://")


def _file(name: str, request: Request) -> Response:
    """A file of the page; only names that are in its folder, of kinds that it is made of.

    Raises:
        Fault: 404 for any other.
    """
    folder = resources.files("anyseek.server") / "page"
    names = {entry.name: entry for entry in folder.iterdir()} if folder.is_dir() else {}
    kind = TYPES.get(name.rpartition(".")[2])
    if kind is None or name not in names:
        raise Fault(404, "the page has no such file", "not_found")
    return unless_known(request, names[name].read_bytes(), kind, HEADERS)
