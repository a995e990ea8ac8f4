"""What a library holds: how it is, its files, its things, their pictures and their content."""

import asyncio
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path as Place
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from anyseek.index import Filter, Kind
from anyseek.media import MediaOptions, page_thumbnail, picture_thumbnail
from anyseek.server.answers import unless_known
from anyseek.server.content import content_of, file_answer
from anyseek.server.door import is_head
from anyseek.server.faults import Fault, documented
from anyseek.server.hits import ID, ThingAnswer, found_thing, told_thing
from anyseek.server.indexing import Job
from anyseek.server.parts import Strict
from anyseek.server.shelf import Shelf

if TYPE_CHECKING:
    from anyseek.index import StoredFile, Thing

__all__ = ["KEYED", "FileAnswer", "JobAnswer", "file_id", "routes", "told_file", "told_job"]

KEYED = (400, 401, 403, 404, 413, 429, 500, 503)
FOREVER = "private, max-age=31536000, immutable"
DRAWING = 2
"""Threads that draw pages."""

ThingId = Annotated[str, Path(pattern=ID, description="As a search or a list gave it.")]


class JobAnswer(Strict):
    """A run over the folders, and how far it is."""

    state: Literal["running", "done", "failed", "stopped"]
    files_done: int = Field(description="Of those that changed, failed ones too.")
    files_total: int
    things_done: int
    seconds_left: float | None
    current: str | None = Field(description="Name of the file that was read last.")
    error: str | None


class Recall(Strict):
    """How things are looked for."""

    how: Literal["memory", "exact", "approximate"]
    exact_below: int
    unindexed: int


class Folder(Strict):
    """A folder that was indexed."""

    name: str
    files: int
    failed: int


class LibraryAnswer(Strict):
    """A library."""

    object: Literal["library"] = "library"
    things: dict[Kind, int]
    files: int
    failed: int
    bytes: int = Field(description="On disk.")
    recall: Recall
    settings: dict[str, Any] = Field(description="What its vectors hang on.")
    folders: list[Folder]
    job: JobAnswer | None


class FileAnswer(Strict):
    """A file that was looked at."""

    id: str
    path: str = Field(description="Below its folder.")
    folder: str
    kind: Kind | None = Field(description="Null for one that could not be read.")
    size: int
    modified: str = Field(description="Time of its last change, as ISO 8601 in UTC.")
    state: Literal["done", "failed"]
    reason: str | None = Field(description="Why it, or a part of it, could not be read or was left out.")
    tags: list[str]


class FileList(Strict):
    """Files by folder and path."""

    object: Literal["list"] = "list"
    data: list[FileAnswer]
    has_more: bool
    last: str | None = Field(description="For `after`, to have those behind these.")


def routes(shelf: Shelf) -> APIRouter:
    """The endpoints."""
    router = APIRouter(tags=["library"])
    _add_lists(router, shelf)
    _add_things(router, shelf)
    _add_pictures(router, shelf)
    return router


def _add_lists(router: APIRouter, shelf: Shelf) -> None:
    """The library and its files."""

    @router.get("/v1/library", responses=documented(*KEYED))
    async def library() -> LibraryAnswer:
        """How the library is: what it holds, how it is searched, and what is being done to it."""
        return await asyncio.to_thread(_told_library, shelf)

    @router.get("/v1/library/files", responses=documented(*KEYED))
    async def list_files(
        state: Literal["done", "failed"] | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        after: Annotated[str | None, Query(max_length=4096, description="`last` of the list before.")] = None,
        path: Annotated[
            str | None, Query(max_length=1024, description="A file, a folder, or a pattern with * ** and ?.")
        ] = None,
    ) -> FileList:
        """Files of the library by folder and path, a page at a time."""
        return await asyncio.to_thread(_listed, shelf, state, limit, after, path)


def _add_things(router: APIRouter, shelf: Shelf) -> None:
    """One thing: what it is, and what is in it."""

    @router.get("/v1/library/things/{id}", responses=documented(*KEYED))
    async def retrieve_thing(id: ThingId) -> ThingAnswer:
        """A thing of the library, by its id, with the whole of its text."""
        thing, files = await asyncio.to_thread(found_thing, shelf, id)
        return ThingAnswer(**told_thing(thing, files[0], shelf) | {"text": thing.text})

    @router.get(
        "/v1/library/things/{id}/content",
        response_class=Response,
        responses=_binary("application/octet-stream", 200, 206) | documented(*KEYED, 410, 416),
    )
    async def content(request: Request, id: ThingId) -> Response:
        """The file that a thing is of, whole or in part (Range), as it was indexed."""
        thing, files = await asyncio.to_thread(found_thing, shelf, id)
        is_alone = is_head(request.scope)
        return await asyncio.to_thread(file_answer, thing, files, request.headers, is_head=is_alone)


def _add_pictures(router: APIRouter, shelf: Shelf) -> None:
    """What a thing looks like."""
    drawing = ThreadPoolExecutor(DRAWING, "anyseek-drawing")

    @router.get(
        "/v1/library/things/{id}/thumbnail",
        response_class=Response,
        responses=_binary("image/webp") | documented(*KEYED),
    )
    async def thumbnail(request: Request, id: ThingId) -> Response:
        """A small picture of a thing, as WebP."""
        await asyncio.to_thread(found_thing, shelf, id)
        found = await asyncio.to_thread(shelf.library.thumbnail, id)
        if found is None:
            raise Fault(404, f"the library keeps no picture of {id!r}", "no_thumbnail", param="id")
        return _picture(request, found)

    @router.get(
        "/v1/library/things/{id}/page",
        response_class=Response,
        responses=_binary("image/webp") | documented(*KEYED, 410),
    )
    async def page(request: Request, id: ThingId, width: Annotated[int, Query(ge=64, le=2048)] = 1024) -> Response:
        """The page of a PDF, or a picture of any format, its longest side as wide as asked at most, as WebP."""
        thing, files = await asyncio.to_thread(found_thing, shelf, id)
        if thing.kind not in ("page", "image"):
            raise Fault(404, f"{id!r} is no page of a document, and no picture", "no_page", param="id")
        media = shelf.library.embedder.processor.options.media
        found = await asyncio.get_running_loop().run_in_executor(drawing, _drawn, thing, files, media, width)
        return _picture(request, found)


def told_job(job: Job, shelf: Shelf) -> JobAnswer:
    """A job as an answer tells of it."""
    told = {name: getattr(job, name) for name in JobAnswer.model_fields}
    return JobAnswer(**told | {"error": shelf.plain(job.error) if job.error else None})


def file_id(file: "StoredFile") -> str:
    """What a file is called outside: it tells nothing of where the folder lies, and stays when the content changes."""
    return hashlib.blake2b(f"{file.root}\0{file.path}".encode(), digest_size=16).hexdigest()


def told_file(file: "StoredFile", kind: Kind | None, shelf: Shelf) -> FileAnswer:
    """A file as an answer tells of it."""
    folder = shelf.name_of(file.root)
    return FileAnswer(
        id=file_id(file),
        path=file.path,
        folder=folder,
        kind=kind,
        size=file.size,
        modified=datetime.fromtimestamp(file.mtime / 1e9, UTC).isoformat(timespec="milliseconds"),
        state=file.state,
        reason=shelf.plain(file.reason) if file.reason else None,
        tags=list(file.tags or ()),
    )


def _told_library(shelf: Shelf) -> LibraryAnswer:
    """How the library is."""
    library = shelf.library
    info = library.info()
    policy = {"width": info.fingerprint.width, "precision": info.fingerprint.precision, "model": shelf.model}
    counts = library.store.roots().items()
    return LibraryAnswer(
        things=dict(info.things),  # type: ignore[arg-type]
        files=info.files,
        failed=info.failed,
        bytes=info.bytes,
        recall=Recall(how=info.recall, exact_below=info.exact_below, unindexed=info.unindexed),  # type: ignore[arg-type]
        settings=policy | dict(info.fingerprint.policy),
        folders=[Folder(name=shelf.name_of(root), files=done, failed=failed) for root, (done, failed) in counts],
        job=told_job(shelf.indexing.job, shelf) if shelf.indexing.job else None,
    )


def _listed(shelf: Shelf, state: Any, limit: int, after: str | None, path: str | None) -> FileList:
    """Files behind a place, which is a folder's name and a path below it."""
    store = shelf.library.store
    behind = None
    if after is not None:
        folder, _, below = after.partition("/")
        behind = (shelf.roots([folder], "after")[0], below)
    found = store.listed(Filter.at(path), state=state, after=behind, limit=limit + 1)
    shown = found[:limit]
    kinds = store.kinds({file.hash for file in shown if file.hash})
    last = f"{shelf.name_of(shown[-1].root)}/{shown[-1].path}" if shown else None
    data = [told_file(file, kinds.get(file.hash or ""), shelf) for file in shown]
    return FileList(data=data, has_more=len(found) > limit, last=last)


def _drawn(thing: "Thing", files: "Sequence[StoredFile]", media: MediaOptions, width: int) -> bytes:
    """The page or the picture of a thing, as WebP.

    Raises:
        Fault: 410 when the file is not as it was indexed.
    """
    file, handle = content_of(files)
    handle.close()
    inside = replace(media, root=Place(file.root).resolve())
    place = Place(file.root, file.path)
    if thing.kind == "image":
        return picture_thumbnail(place, inside, width)
    return page_thumbnail(place, thing.page or 1, inside, width)


def _picture(request: Request, data: bytes) -> Response:
    """A picture that never changes under its address."""
    return unless_known(request, data, "image/webp", {"Cache-Control": FOREVER})


def _binary(kind: str, *statuses: int) -> dict[int | str, dict[str, Any]]:
    """How an answer of bytes stands in the OpenAPI document."""
    schema = {"type": "string", "format": "binary"}
    return {status: {"description": "Bytes.", "content": {kind: {"schema": schema}}} for status in statuses or (200,)}
