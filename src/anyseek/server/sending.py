"""An answer on its way: in pieces, no faster than it is read, and with what the door must know of it."""

import json
import time
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope, Send

from anyseek.server.audit import Entry
from anyseek.server.faults import answer_to, body_of

__all__ = ["EVENTS", "Sending", "event"]

PIECE = 1 << 16
"""Bytes that are handed on at a time; the next ones wait until these are on their way."""
EVENTS = "text/event-stream"
"""The media type of answers that are events."""


class Sending:
    """Sends an answer; what an application calls.

    As it goes no faster than it is read, the request of an answer that nobody reads stays inside, and counts.

    Attributes:
        is_over: whether all of it was sent.
    """

    def __init__(self, send: Send, entry: Entry) -> None:
        """Hand on to `send`, and note the status in `entry`."""
        self.is_over = False
        self._send, self._entry = send, entry
        self._is_events = self._is_blocked = False
        self._since = time.monotonic()

    async def __call__(self, message: Message) -> None:
        """Send a message, once what was sent before is on its way; a head gets the headers that all of them have."""
        if message["type"] == "http.response.start":
            self._begin(message)
        self._is_blocked = True
        if body := message.get("body"):
            last = (len(body) - 1) // PIECE * PIECE
            for start in range(0, last, PIECE):
                await self._send({**message, "body": body[start : start + PIECE], "more_body": True})
            message = {**message, "body": body[last:]}
        await self._send(message)
        self._is_blocked = False
        self.is_over = message["type"] == "http.response.body" and not message.get("more_body", False)
        self.expect()

    def expect(self) -> None:
        """The next message is expected from now on."""
        self._since = time.monotonic()

    def seconds_left(self, most: float) -> float:
        """Time until the next message is late, for which there are `most` seconds; not while the client has to read."""
        return most if self._is_blocked else self._since + most - time.monotonic()

    async def fail(self, error: Exception, scope: Scope, receive: Receive) -> None:
        """Answer with an error, or end events with one; any other answer that has begun is only cut short."""
        if not self._entry.status:
            await answer_to(error)(scope, receive, self)
        elif self._is_events and not self.is_over and not self._is_blocked:
            await self({"type": "http.response.body", "body": event("error", body_of(error))})

    def _begin(self, message: Message) -> None:
        """Note and complete a head."""
        self._entry.status = message["status"]
        headers = MutableHeaders(scope=message)
        headers["X-Request-Id"] = self._entry.id
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        headers.setdefault("Cache-Control", "no-store")
        self._is_events = headers.get("content-type", "").startswith(EVENTS)


def event(name: str, data: Any) -> bytes:
    """One event, with its data as JSON."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
