"""`POST /v1/search`: a library is asked, in one answer or stage by stage."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, ConfigDict, Discriminator, Field, Tag
from starlette.responses import StreamingResponse

from anyseek.errors import ConfigError
from anyseek.index import Filter, Kind, Thing, is_unicode
from anyseek.items import Item, Text
from anyseek.server.audit import Entry
from anyseek.server.door import entry_of, fetched_of
from anyseek.server.faults import COMPUTED, TAG, Fault, body_of
from anyseek.server.hits import ID, Hit, hits_of
from anyseek.server.inputs import Given, Input, given
from anyseek.server.parts import WHOLE, Body, Strict, absent, given_as, one_of
from anyseek.server.planning import opened
from anyseek.server.sending import EVENTS, event
from anyseek.server.service import Service
from anyseek.server.shelf import Shelf

if TYPE_CHECKING:
    from anyseek.search import Answers, AskOptions
    from anyseek.search.answers import Stage

__all__ = ["routes"]

MOST_INT = (1 << 63) - 1
MOST_BYTES = 1 << 50
MOST_CHARACTERS = 1 << 15
"""Of a query with its instruction, about as much as a model reads. It stands in the prompt of each thing read again."""


def _day(text: str) -> str:
    """A day that there is."""
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a day such as 2026-11-21") from None
    return text


def _unicode(text: str) -> str:
    """Text that can be written down."""
    if not is_unicode(text):
        raise ValueError("holds half a character; send valid Unicode")
    return text


Day = Annotated[str, AfterValidator(_day), Field(pattern=r"^\d{4}-\d{2}-\d{2}$", json_schema_extra={"format": "date"})]
Word = Annotated[str, AfterValidator(_unicode), Field(min_length=1, max_length=1024)]
Bytes = Annotated[int, Field(ge=0, le=MOST_BYTES), WHOLE]
PageNumber = Annotated[int, Field(ge=1, le=1_000_000), WHOLE]


class Filters(Strict):
    """Which things count: everything that is given must hold."""

    kinds: list[Kind] = absent(max_length=4, description="Any of these.")
    path: Word = absent(description="A file, a folder, or a pattern with * ** and ?, below the folders of the library.")
    folders: list[Word] = absent(max_length=100, description="Any of these, by the names that /v1/library tells.")
    tags: list[Word] = absent(max_length=100, description="All of these.")
    after: Day = absent(description="Files changed on this day (UTC) or later.")
    before: Day = absent(description="Files changed before this day (UTC).")
    min_bytes: Bytes = absent()
    max_bytes: Bytes = absent()
    pages: Annotated[list[PageNumber], Field(min_length=2, max_length=2)] = absent(description="First and last.")


class Known(Strict):
    """A thing of the library."""

    id: str = Field(pattern=ID)


def _example(value: Any) -> str:
    """The branch of an example."""
    return TAG + ("known" if isinstance(value, dict) and "id" in value else "input")


Example = Annotated[
    Annotated[Known, Tag(TAG + "known")] | Annotated[Input, Tag(TAG + "input")], Discriminator(_example)
]


class SearchRequest(Body):
    """What is sought. Either `query` or `like`."""

    model_config = ConfigDict(json_schema_extra=one_of("query", "like"))

    query: Input = absent()
    like: str = absent(pattern=ID, description="Id of a thing: more like it.")
    unlike: list[Example] = absent(max_length=16, description="Examples of what is not sought: inputs, or things.")
    instruction: str | None = Field(None, description="What is to be found; for a query without its own.")
    top: Annotated[int, Field(ge=1, le=200), WHOLE] = Field(20, description="Most results.")
    candidates: Annotated[int, Field(ge=1, le=1000), WHOLE] = Field(100, description="Things that each leg recalls.")
    rerank: bool = Field(True, description="Whether the reranker, where there is one, reads the best again.")
    words: float = Field(0.3, ge=0, le=1, description="Weight of the words beside the vectors.")
    all: bool = Field(False, description="Leave nothing out, also what is probably not relevant.")
    filters: Filters = absent()
    stream: bool = Field(False, description="Answer with events: first, progress, final.")


class SearchAnswer(Strict):
    """What was found, best first."""

    object: Literal["search.results"]
    results: list[Hit]
    nothing: bool = Field(description="Whether nothing that is here is relevant, as far as can be told.")
    nearest: Hit | None = Field(description="The best of what was left out, when nothing is left.")
    stage: Literal["first", "final"]
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class _Search:
    """A search, ready to be run in a thread.

    Attributes:
        shelf: what is searched.
        item: what is sought; None for more like a thing.
        like: that thing.
        words: of the query.
        unlike: examples.
        where: which things count.
        options: how.
        begun: when.
        entry: of the request.
    """

    shelf: Shelf
    item: Item | None
    like: str | None
    words: str
    unlike: tuple[Item | Thing, ...]
    where: Filter
    options: "AskOptions"
    begun: float
    entry: Entry

    def run(self, tell: "Callable[[dict[str, Any]], None] | None" = None) -> dict[str, Any]:
        """The answer; `tell` is given that of the first stage, then how many have been read."""
        library, heard = self.shelf.library, dict[str, float]()

        def told(stage: "Stage") -> None:
            if stage.first is not None:
                heard["first"] = time.perf_counter() - self.begun
                if tell:
                    tell({"event": "first", "data": self._told(stage.first, "first", heard)})
            elif tell:
                tell({"event": "progress", "data": {"read": stage.read, "of": stage.of}})

        if self.like is not None:
            found = library.like(self.like, where=self.where, unlike=self.unlike, options=self.options)
        else:
            how = told if tell else None
            found = library.search(self.item, where=self.where, unlike=self.unlike, options=self.options, tell=how)
        return self._told(found, "final", heard)

    def _told(self, found: "Answers", stage: str, heard: dict[str, float]) -> dict[str, Any]:
        """Answers as `SearchAnswer`."""
        shown = found.below[:1] if found.nothing else found.hits
        told = hits_of(shown, self.shelf, self.words, judged=found.judged, where=self.where)
        return {
            "object": "search.results",
            "results": [] if found.nothing else told,
            "nothing": found.nothing,
            "nearest": told[0] if found.nothing and told else None,
            "stage": stage,
            "seconds": heard | {"total": time.perf_counter() - self.begun},
        }


def routes(service: Service, shelf: Shelf) -> APIRouter:
    """The endpoint."""
    router = APIRouter(tags=["library"])
    events = {EVENTS: {"schema": {"type": "string"}}}
    answers: dict[int | str, dict[str, Any]] = {200: {"model": SearchAnswer, "content": events}, **COMPUTED}

    @router.post("/v1/search", response_model=SearchAnswer, responses=answers)
    async def search(request: Request, body: SearchRequest) -> Response:
        """What is relevant to a query in the library, best first; look-alikes and parts of a file are one."""
        asked = await _asked(request, body, service, shelf)
        if body.stream:
            return await _streamed(asked, service)
        found = await service.engine.in_thread(asked.run, asked.entry)
        return Response(json.dumps(found), media_type="application/json")

    return router


async def _asked(request: Request, body: SearchRequest, service: Service, shelf: Shelf) -> _Search:
    """The search of a request, its sources open.

    Raises:
        Fault: 400 for both ways at once or none, or filters that hold nothing; 404, 413 and 503 as elsewhere.
        InputError: an input cannot be used.
    """
    from anyseek.search import AskOptions

    library, begun = shelf.library, time.perf_counter()
    given_as(body, "query", "like")
    query = None if body.query is None else given(body.query, "query", body.instruction)
    examples = [_example_of(one, f"unlike[{row}]") for row, one in enumerate(body.unlike or ())]
    service.check(request, [*([query] if query else []), *(one for one in examples if isinstance(one, Given))])
    words = _words(query) if query else ""
    processor, fetched = library.queries.processor, fetched_of(request.scope)

    def prepared() -> tuple[Item | None, list[Item | Thing], Filter]:
        known = {one: f"unlike[{row}].id" for row, one in enumerate(examples) if isinstance(one, str)}
        things = _things(shelf, known | ({body.like: "like"} if body.like else {}))
        item = opened(query, processor, fetched) if query else None
        avoided = [things[one] if isinstance(one, str) else opened(one, processor, fetched) for one in examples]
        return item, avoided, _filter(body.filters, shelf)

    item, avoided, where = await service.engine.in_thread(prepared)
    options = AskOptions(
        top=body.top, candidates=body.candidates, words=body.words, rerank=body.rerank, cut=not body.all
    )
    entry = entry_of(request.scope)
    return _Search(shelf, item, body.like, words, tuple(avoided), where, options, begun, entry)


def _example_of(one: Any, place: str) -> Given | str:
    """An example: an input, or the id of a thing."""
    return one.id if isinstance(one, Known) else given(one, place)


def _words(query: Given) -> str:
    """The words of a query.

    Raises:
        Fault: 413 for too many of them.
    """
    words = " ".join(part.text for part in query.item.parts if isinstance(part, Text))
    if len(words) + len(query.item.instruction or "") > MOST_CHARACTERS:
        text = f"a query has at most {MOST_CHARACTERS:,} characters; shorten it"
        raise Fault(413, text, "query_too_long", param="query")
    return words


def _things(shelf: Shelf, places: dict[str, str]) -> dict[str, Thing]:
    """Things of the library, by the ids that stood at some places of a request.

    Raises:
        Fault: 404 for one that it does not have.
    """
    found = shelf.library.store.things(list(places)) if places else {}
    for id, place in places.items():
        if id not in found:
            raise Fault(404, f"the library has no thing {id!r}", "thing_not_found", param=place)
    return found


def _filter(asked: Filters | None, shelf: Shelf) -> Filter:
    """Which things count.

    Raises:
        Fault: 400 for a folder that there is not, or a range that is empty.
    """
    if asked is None:
        return Filter()
    try:
        return replace(
            Filter.at(asked.path),
            kinds=tuple(asked.kinds or ()),
            pages=(asked.pages[0], asked.pages[1]) if asked.pages else None,
            roots=shelf.roots(asked.folders or [], "filters.folders"),
            after=_moment(asked.after),
            before=_moment(asked.before),
            min_bytes=asked.min_bytes,
            max_bytes=asked.max_bytes,
            tags=tuple(asked.tags or ()),
        )
    except ConfigError as error:
        raise Fault(400, str(error), "invalid_filter", param="filters") from None


def _moment(day: str | None) -> int | None:
    """The beginning of a day in nanoseconds since 1970, as far as such a number goes."""
    if day is None:
        return None
    seconds = int((datetime.fromisoformat(day).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    return max(-MOST_INT, min(MOST_INT, seconds * 1_000_000_000))


async def _streamed(asked: _Search, service: Service) -> Response:
    """An answer of events; what goes wrong before the first of them is answered as elsewhere."""
    loop, events = asyncio.get_running_loop(), asyncio.Queue[dict[str, Any] | None]()

    def tell(told: dict[str, Any]) -> None:
        loop.call_soon_threadsafe(events.put_nowait, told)

    task = asyncio.create_task(service.engine.in_thread(lambda: asked.run(tell), asked.entry))
    task.add_done_callback(lambda _: events.put_nowait(None))
    try:
        first = await events.get()
    except asyncio.CancelledError:
        task.cancel()
        raise
    if first is None:
        task.result()

    async def written() -> AsyncIterator[bytes]:
        told = first
        try:
            while told is not None:
                yield event(told["event"], told["data"])
                told = await events.get()
            try:
                yield event("final", task.result())
            except Exception as error:
                yield event("error", body_of(error))
        finally:
            task.cancel()

    return StreamingResponse(written(), media_type=EVENTS, headers={"X-Accel-Buffering": "no"})
