"""A running server: it listens, drains when it is told to end, and ends."""

import asyncio
import json
import logging
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from types import FrameType

import h11
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from anyseek.errors import ConfigError
from anyseek.server.app import App
from anyseek.server.descriptors import ACCEPTED, WAITING, fitting
from anyseek.server.engine import Engine
from anyseek.server.faults import Fault, answer_to, body_of
from anyseek.server.metrics import Metrics
from anyseek.server.models import Models
from anyseek.server.options import ServerOptions, is_loopback, named

__all__ = ["Server", "listening", "serve"]

log = logging.getLogger("anyseek.server")

HEADER_BYTES = 16 << 10
SENT_BYTES = 256 << 10
"""Of an answer that the system holds for a connection. It says that something was read once a third of it was: of the
megabytes that it takes by itself, that may be minutes, in which a slow reader seems to stand still."""
SWITCH_SECONDS = 0.0005
"""For which Python lets a thread go on while others wait. The lane lets go of it at each operation of the model, and by
default waits up to ten times as long for threads that read and write requests."""
LAST_SECONDS = 5
"""After the time for draining, until what still runs is cut off."""


def serve(load: Callable[[], Models], options: ServerOptions, announce: Callable[[str], None]) -> bool:
    """Serve until a signal tells to end.

    Args:
        load: gives the models; called in the thread that will own them.
        options: how the server runs.
        announce: told the address, once it is open and a signal ends the server as it should.

    Returns:
        Whether a thread is left behind that still loads the models, plans or computes. A program should then end with
        `os._exit`: such a thread is in the middle of other libraries' code, and tidying up waits for it, or aborts.

    Raises:
        ConfigError: an address that cannot be listened on, or no readable keys.
        Exception: whatever `load` raised.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    options = replace(options, bounds=fitting(options.bounds))
    metrics = Metrics()
    engine = Engine(load, options, metrics)
    app = App(engine, options, metrics)
    with listening(options) as opened:
        host, port = opened.getsockname()[:2]
        Server(app, options, lambda: announce(f"http://{named(host)}:{port}")).run(sockets=[opened])
    if engine.failure is not None:
        raise engine.failure
    return engine.is_busy


def listening(options: ServerOptions) -> socket.socket:
    """An open socket.

    Raises:
        ConfigError: the address is taken or not of this machine, or turned out to be reachable from others.
    """
    try:
        found = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        opened = socket.create_server(address[:2], family=family)
        # Connections inherit it. asyncio sets it itself, but not on sockets that were opened like this one; the second
        # part of an answer then waits 40 ms for the client to acknowledge the first.
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SENT_BYTES)
    except OSError as error:
        raise ConfigError(f"cannot listen on {options.host} port {options.port}: {error.strerror}") from error
    if options.keys is None and not is_loopback(str(opened.getsockname()[0])):
        opened.close()
        raise ConfigError(f"{options.host!r} leads to an address that other machines can reach, so keys are needed")
    return opened


class Server(uvicorn.Server):
    """Ends in two steps: new requests are refused while those inside are finished, then the sockets close."""

    def __init__(self, app: App, options: ServerOptions, started: Callable[[], None] = lambda: None) -> None:
        """Serve an application; `started` is called once it listens."""
        bounds = options.bounds
        super().__init__(
            uvicorn.Config(
                app.asgi,
                loop="asyncio",
                http=type("Bounded", (Patient,), {"seconds": bounds.body_seconds, "most": bounds.connections}),
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=ACCEPTED,
                timeout_graceful_shutdown=LAST_SECONDS,
                h11_max_incomplete_event_size=HEADER_BYTES,
            )
        )
        self.app = app
        self.options = options
        self._on_started = started
        self._draining_since: float | None = None
        self._is_told = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        for opened in sockets or ():  # so many may wait in the system, although fewer are taken at once
            opened.listen(self.options.bounds.connections)
        self._on_started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal: the first one drains, at the next tick, the second one ends at once.

        Nothing else is done here, since the thread that a signal interrupts may hold a lock that draining needs.
        """
        if self._is_told:
            self.should_exit = self.force_exit = True
        self._is_told = True

    def drain(self) -> None:
        """Refuse new requests; end when none is inside."""
        log.info("shutting down: %d requests are being finished", self.app.door.inside)
        self._draining_since = time.monotonic()
        self.app.drain()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether it is time to end."""
        if self._is_told and self._draining_since is None:
            self.drain()
        if self._draining_since is not None:
            late = time.monotonic() - self._draining_since > self.options.bounds.drain_seconds
            self.should_exit = self.should_exit or late or not self.app.door.inside
        if self.app.engine.stopped.is_set():
            self.should_exit = True
        return await super().on_tick(counter)


async def full(scope: Scope, receive: Receive, send: Send) -> None:
    """The application of a connection too many."""
    answer = answer_to(Fault(503, "the server has too many connections", "server_full", retry_after=2))
    answer.headers["Connection"] = "close"
    await answer(scope, receive, send)


class Patient(H11Protocol):
    """A connection of HTTP/1.1.

    It waits for `seconds`, and no longer, for headers, for the rest of a body that nobody wants, and for a client that
    reads nothing of its answer; one that reads slowly is waited for. Beyond `most` connections it only says so, and
    well beyond them it is closed at once; what is no HTTP is answered as all other errors are.
    """

    seconds: float
    most: int
    _timer: asyncio.TimerHandle | None = None
    _looking: asyncio.TimerHandle | None = None
    _has_moved = False
    _unread = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """It opens."""
        super().connection_made(transport)
        beyond = len(self.connections) - self.most
        if beyond > WAITING:
            transport.abort()
            return
        if beyond > 0:
            self.app = full
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Something came."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """An answer has been sent."""
        super().on_response_complete()
        self._watch()
        self._has_moved = True  # since what waits may be another answer than at the last look
        self._look()

    def pause_writing(self) -> None:
        """More has been sent than was read."""
        super().pause_writing()
        self._look()

    def resume_writing(self) -> None:
        """Most of it was read."""
        super().resume_writing()
        self._has_moved = True

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP."""
        body = json.dumps(body_of(Fault(400, msg, "invalid_http"))).encode()
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
        ]
        start = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
        for event in (start, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """It closes."""
        super().connection_lost(exc)
        self._stop()
        if self._looking is not None:
            self._looking.cancel()

    def _watch(self) -> None:
        """Begin to wait, or stop, as the state of the connection has it; a byte now and then gains no time."""
        theirs = self.conn.their_state
        answered = self.cycle is not None and self.cycle.response_complete
        if theirs is not h11.IDLE and not (answered and theirs is h11.SEND_BODY):
            self._stop()
        elif self._timer is None:
            self._timer = self.loop.call_later(self.seconds, self.transport.close)

    def _stop(self) -> None:
        """Wait no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """While something is left to be read, see every `seconds` whether it has become less."""
        left = self.transport.get_write_buffer_size()
        if left and self._looking is None:
            self._has_moved, self._unread = False, left
            self._looking = self.loop.call_later(self.seconds, self._look_again)

    def _look_again(self) -> None:
        """Cut the connection when nothing was read since; closing it would wait for that for ever."""
        self._looking = None
        if self._has_moved or self.transport.get_write_buffer_size() < self._unread:
            self._look()
        else:
            self.transport.abort()
