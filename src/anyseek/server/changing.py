"""What changes a library: jobs that bring it up to date, files that are sent to it, and taking those away again."""

import asyncio
import os
import re
import secrets
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as InPath
from pydantic import Field
from starlette.requests import ClientDisconnect

from anyseek.errors import AnyseekError
from anyseek.index import Filter
from anyseek.search import IndexOptions
from anyseek.server.browsing import KEYED, FileAnswer, JobAnswer, file_id, told_file, told_job
from anyseek.server.door import LEFT, entry_of
from anyseek.server.faults import Fault, documented, unkept
from anyseek.server.indexing import BATCH_SECONDS
from anyseek.server.parts import Strict
from anyseek.server.service import Service
from anyseek.server.shelf import Shelf

if TYPE_CHECKING:
    from anyseek.index import StoredFile

__all__ = ["clean_name", "routes"]

NAME_BYTES = 200
TRIES = 1000
FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"|?*\u200e\u200f\u202a-\u202e\u2066-\u2069]')
"""What some system refuses in a name, and signs that show a name in another order."""
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that are devices on Windows."""
BODY = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}, "required": True}


class IndexRequest(Strict):
    """How to bring the library up to date."""

    retry: bool = Field(False, description="Read files again that failed, or were left out, last time.")


def routes(service: Service, shelf: Shelf) -> APIRouter:
    """The endpoints."""
    router = APIRouter(tags=["library"])
    _add_jobs(router, shelf)
    _add_uploads(router, service, shelf)
    return router


def _add_jobs(router: APIRouter, shelf: Shelf) -> None:
    """Beginning and ending."""

    @router.post("/v1/library/index", status_code=202, responses=documented(*KEYED, 409))
    async def start_indexing(body: IndexRequest | None = None) -> JobAnswer:
        """Begin to bring the library up to date with its folders, in the background; /v1/library tells how far."""
        return told_job(shelf.indexing.start(retry=body.retry if body else False), shelf)

    @router.delete("/v1/library/index", responses=documented(*KEYED))
    async def stop_indexing() -> JobAnswer | None:
        """Have it end after what is being computed; what is stored stays, and the next run goes on there."""
        job = shelf.indexing.stop()
        return told_job(job, shelf) if job else None


def _add_uploads(router: APIRouter, service: Service, shelf: Shelf) -> None:
    """Sending and taking away."""
    turn = asyncio.Lock()  # one of them at a time waits for the library, so that the others leave threads for searching
    named = Query(min_length=1, max_length=1024, description="Of the file; cleaned, and numbered where it is taken.")

    @router.post(
        "/v1/library/files",
        status_code=201,
        responses=documented(*KEYED, 408, 409, 504, 507),
        openapi_extra={"requestBody": BODY},
    )
    async def upload(request: Request, name: Annotated[str, named]) -> FileAnswer:
        """Keep a file in the library's own folder and index it at once; one that cannot be read is not kept."""
        folder, plain = shelf.uploads, clean_name(name)
        waiting = folder / f".{secrets.token_hex(16)}.part"
        try:
            with _written():
                await _received(request, waiting)
                async with turn:
                    entry = entry_of(request.scope)
                    return await service.engine.in_thread(lambda: _taken(shelf, waiting, plain), entry, patient=True)
        finally:
            with suppress(OSError):
                waiting.unlink()

    @router.delete("/v1/library/files/{id}", status_code=204, responses=documented(*KEYED, 409, 507))
    async def delete_file(id: Annotated[str, InPath(pattern="^[0-9a-f]{32}$")]) -> Response:
        """Delete a file that was sent here; files of indexed folders leave when they leave their folder."""
        file = await service.engine.in_thread(lambda: _file(shelf, id))
        async with turn:
            with _written():
                await service.engine.in_thread(lambda: _deleted(shelf, file))
        return Response(status_code=204)


def clean_name(name: str) -> str:
    """One component of a path, that every system takes and that says what it is.

    Raises:
        Fault: 400 when nothing is left.
    """
    plain = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode()).replace("\\", "/").rpartition("/")[2]
    plain = FORBIDDEN.sub("_", plain).strip(" .")
    stem, dot, suffix = plain.rpartition(".")
    if not dot or len(suffix) > 20:
        stem, suffix = plain, ""
    room = NAME_BYTES - len((dot + suffix).encode())
    stem = stem.encode()[:room].decode(errors="ignore").rstrip(" .")
    plain = f"{stem}.{suffix}" if suffix else stem
    if not plain.strip("._ "):
        raise Fault(400, f"name {name[:100]!r} is no name of a file", "invalid_name", param="name")
    return f"_{plain}" if DEVICES.fullmatch(plain) else plain


@contextmanager
def _written() -> Iterator[None]:
    """Raise Fault for a disk that is full, or takes nothing."""
    try:
        yield
    except OSError as error:
        if isinstance(error, AnyseekError):
            raise
        raise unkept(error) from error


async def _received(request: Request, place: Path) -> None:
    """Write a body to disk as it comes; the door counts it.

    Raises:
        Fault: 400 for an empty one, 408 and 413 by the door.
        OSError: the disk is full, or takes nothing.
    """
    place.parent.mkdir(mode=0o700, exist_ok=True)
    size = 0
    with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        try:
            async for piece in request.stream():
                size += len(piece)
                await asyncio.to_thread(file.write, piece)
        except ClientDisconnect:
            raise Fault(LEFT, "the client has left", "left") from None
    if not size:
        raise Fault(400, "the body is empty; send the bytes of the file", "empty_body")


def _taken(shelf: Shelf, waiting: Path, name: str) -> FileAnswer:
    """A file that was received, indexed under a name of its own.

    Raises:
        Fault: 400 when it cannot be read; then it is not kept. 409 when another process is writing.
    """

    def work() -> FileAnswer:
        store, place = shelf.library.store, _placed(waiting, name)
        key = (str(place.parent), place.name)
        try:
            shelf.library.index([place.parent], options=IndexOptions(batch_seconds=BATCH_SECONDS))
            row = store.file(key)
            if row is None or row.state != "done":
                reason = row.reason if row else "it changed while it was read"
                raise Fault(400, shelf.plain(f"{name}: {reason}"), "file_not_readable", param="body")
        except BaseException:
            place.unlink(missing_ok=True)
            _forgotten(shelf, key)
            raise
        return told_file(row, store.kinds([row.hash or ""]).get(row.hash or ""), shelf)

    return shelf.indexing.meanwhile(work)


def _placed(waiting: Path, name: str) -> Path:
    """A file under its name, or that with a number; nothing is ever written over."""
    stem, dot, suffix = name.rpartition(".")
    if not dot:
        stem, suffix = name, ""
    for number in range(1, TRIES):
        place = waiting.with_name(name if number == 1 else f"{stem} ({number}){dot}{suffix}")
        with suppress(FileExistsError):
            os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            try:
                waiting.replace(place)
            except OSError:  # whoever sent it has left
                place.unlink(missing_ok=True)
                raise
            return place
    raise Fault(409, f"{TRIES - 1} files are called {name!r} already; choose another name", "name_taken", param="name")


def _forgotten(shelf: Shelf, key: tuple[str, str]) -> None:
    """The library without a file, where it knows it."""
    store = shelf.library.store
    if store.file(key) is not None:
        with store.write() as writer:
            writer.remove_files([key])


def _deleted(shelf: Shelf, file: "StoredFile") -> None:
    """An upload taken away.

    Raises:
        Fault: 404 where somebody was faster, 409 when another process is writing.
    """

    def work() -> None:
        store = shelf.library.store
        if store.file(file.key) is None:
            raise _unknown(file_id(file))
        with store.write() as writer:
            Path(file.root, file.path).unlink(missing_ok=True)
            writer.remove_files([file.key])

    shelf.indexing.meanwhile(work)


def _file(shelf: Shelf, id: str) -> "StoredFile":
    """The upload of an id.

    Raises:
        Fault: 404 for an id that no file has, 409 for a file of an indexed folder.
    """
    store, own = shelf.library.store, str(shelf.uploads)
    for file in store.files(Filter(roots=(own,))):
        if file_id(file) == id:
            return file
    if any(file_id(file) == id for file in store.files()):
        text = "this file lies in an indexed folder; remove it there, and the library forgets it with the next run"
        raise Fault(409, text, "not_an_upload", param="id")
    raise _unknown(id)


def _unknown(id: str) -> Fault:
    """The answer to an id that no file has."""
    return Fault(404, f"the library has no file {id!r}", "file_not_found", param="id")
