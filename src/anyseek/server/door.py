"""The door: who comes in, with how much, for how long. It stands before the framework: nobody else's body is read.

A browser that was led here by another page carries its Origin, and its Host when a name was bent to this address:
both are judged, so that a page cannot use a server that listens on its reader's own machine. A cookie in place of a key
is taken from this server's own page only.
"""

import asyncio
import re
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anyseek.server.audit import Audit, Entry
from anyseek.server.faults import Fault, closing
from anyseek.server.fetching import Fetched, Fetches
from anyseek.server.keys import Key, Keys, Role
from anyseek.server.metrics import Metrics
from anyseek.server.options import ServerOptions
from anyseek.server.sending import Sending
from anyseek.server.sessions import Sessions, token_of

__all__ = ["LEFT", "Door", "Roles", "entry_of", "fetched_of", "is_head", "key_of"]

LOCAL = ("localhost", "127.0.0.1", "::1")
ENTRY = "anyseek.entry"
KEY = "anyseek.key"
ASKED = "anyseek.asked"
HEAD = "anyseek.head"
FETCHED = "anyseek.fetched"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OTHER = "other"
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
LEFT = 499

Roles = dict[tuple[str, str], Role | None]
"""(method, address as its route has it) -> the role that it needs, None for everybody; all others need `read`."""


def entry_of(scope: Scope) -> Entry:
    """What the audit log will say of a request, for its endpoint to fill in."""
    entry: Entry = scope[ENTRY]
    return entry


def key_of(scope: Scope) -> Key | None:
    """The key of a request; None where none are needed."""
    key: Key | None = scope.get(KEY)
    return key


def is_head(scope: Scope) -> bool:
    """Whether only the head of an answer is asked for."""
    return HEAD in scope


def fetched_of(scope: Scope) -> Fetched:
    """What has been fetched for a request, which is let go with its answer."""
    fetched: Fetched = scope[FETCHED]
    return fetched


class Door:
    """Lets requests in, one by one, and writes down what became of them."""

    def __init__(
        self, app: ASGIApp, options: ServerOptions, roles: Roles, metrics: Metrics, sessions: Sessions
    ) -> None:
        """Stand before `app`.

        Raises:
            ConfigError: the file of keys is missing or damaged.
            OSError: the audit log cannot be written.
        """
        self.app = app
        self.options = options
        self.keys = Keys(options.keys) if options.keys else None
        self.roles = roles
        self.sessions = sessions
        self.metrics = metrics
        self.routes: Sequence[Route] = ()
        self.streamed: frozenset[tuple[str, str]] = frozenset()
        self.is_draining = False
        self.inside = 0
        self._audit = Audit(options.audit)
        self._active: Counter[str | None] = Counter()
        self._bytes = 0
        self._fetches = Fetches(options.bounds)
        metrics.inside.set_function(lambda: self.inside)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await _lived(self.app, scope, receive, send)
            return
        if scope["method"] == "HEAD":  # as GET; the web server sends the head alone
            scope = {**scope, "method": "GET", HEAD: True}
        entry, begun = Entry(secrets.token_hex(8)), time.perf_counter()
        scope[ENTRY], scope[ASKED] = entry, self._asked(scope)
        sending = Sending(send, entry)
        try:
            async with self._admitted(scope, entry):
                await self._answered(scope, receive, sending)
        except _LeftError:
            entry.status = LEFT
        except asyncio.CancelledError:  # a shutdown that waits no longer
            await sending.fail(closing(), scope, receive)
        except Exception as error:  # the framework raises again what it has answered
            await sending.fail(error, scope, receive)
        finally:
            entry.endpoint = " ".join(scope[ASKED])
            entry.seconds = time.perf_counter() - begun
            self._audit.write(entry)
            self.metrics.request(entry.endpoint, entry.status, entry.seconds, items=entry.items, tokens=entry.tokens)

    def close(self) -> None:
        """Let the audit log go."""
        self._audit.close()

    def _asked(self, scope: Scope) -> tuple[str, str]:
        """The method, and the address of the route that the framework will choose; nothing that somebody made up."""
        found = {route.matches(scope)[0]: route.path for route in reversed(self.routes)}
        path = found.get(Match.FULL) or found.get(Match.PARTIAL, OTHER)
        return scope["method"] if scope["method"] in METHODS else OTHER, path

    @asynccontextmanager
    async def _admitted(self, scope: Scope, entry: Entry) -> AsyncIterator[None]:
        """A place inside, for those who may have one.

        Raises:
            Fault: 400, 401, 403, 429 or 503.
        """
        if CONTROL.search(scope["path"]):
            raise Fault(400, "an address has no control characters; leave them out", "invalid_address")
        headers = Headers(scope=scope)
        self._judge_page(headers)
        role = self._role(scope)
        if role is None:
            yield
            return
        scope[KEY] = key = self._key(headers, scope["method"]) if self.keys else None
        entry.key = key.name if key else None
        if key is not None and not key.may(role):
            raise Fault(403, f"this needs a key with the role {role}; this one has {key.role}", "role_not_allowed")
        if self.is_draining:
            raise closing()
        bounds = self.options.bounds
        if self._active[entry.key] >= bounds.concurrency:
            text = f"more than {bounds.concurrency} requests at a time; wait for answers before you ask again"
            raise Fault(429, text, "too_many_requests", retry_after=1)
        if self.inside >= bounds.requests:
            raise Fault(503, "the server is full", "server_full", retry_after=2)
        self._active[entry.key] += 1
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1
            self._active[entry.key] -= 1
            if not self._active[entry.key]:
                del self._active[entry.key]

    def _role(self, scope: Scope) -> Role | None:
        """What a request needs; who needs none may send no body either."""
        return self.roles.get(scope[ASKED], "read")

    def _judge_page(self, headers: Headers) -> None:
        """Raise Fault for a page that was not named, and for a name that is not this server's."""
        origin, host = headers.get("origin"), headers.get("host", "")
        if origin is not None and origin not in self.options.origins and not _is_own(headers):
            raise Fault(403, "this page may not ask here; name it with --origin", "origin_not_allowed")
        if self.keys is None and _name(host) not in (*LOCAL, self.options.host, *self.options.hosts):
            raise Fault(403, "this server is not called so; name it with --allow-host", "host_not_allowed")

    def _key(self, headers: Headers, method: str) -> Key:
        """The key of a request, or that of its session; raises 401 or 403 for none, where keys are needed."""
        assert self.keys is not None
        key: Key | None
        if "authorization" in headers:
            scheme, _, secret = headers["authorization"].partition(" ")
            found = self.keys.find(secret.strip())
            key = found if scheme.lower() == "bearer" else None
        else:
            key = self._session_key(headers, method)
        if key is None:
            raise Fault(401, "a valid key is needed, as 'Authorization: Bearer KEY'", "invalid_api_key")
        return key

    def whoever(self, headers: Headers) -> Role | None:
        """What somebody may do who is let in without having to say so; None for nothing."""
        if self.keys is None:
            return "admin"
        try:
            return self._key(headers, "GET").role
        except Fault:
            return None

    def _session_key(self, headers: Headers, method: str) -> Key | None:
        """The key of a session, by its cookie; None without one, or where the key has gone since.

        Raises:
            Fault: 403 for another page than this server's own, or for a change that no page says to have asked for.
        """
        token = token_of(headers.get("cookie"))
        key = self.sessions.find(token) if token else None
        if key is None or self.keys is None or not self.keys.has(key):
            return None
        foreign = headers.get("sec-fetch-site") not in (None, "same-origin", "none")
        if foreign or (("origin" in headers or method != "GET") and not _is_own(headers)):
            raise Fault(403, "a session is for this server's own page; use a key", "origin_not_allowed")
        return key

    async def _answered(self, scope: Scope, receive: Receive, sending: Sending) -> None:
        """Read the body, then let the application answer; a client that leaves ends the work for it."""
        if scope[ASKED] in self.streamed:
            await self._streamed(scope, receive, sending)
            return
        body = bytearray()
        scope[FETCHED] = fetched = Fetched(self._fetches)
        try:
            await self._read(scope, receive, body)
            task = asyncio.ensure_future(self.app(scope, _once(bytes(body)), sending))
            await self._finished(task, receive, sending)
        finally:
            self._bytes -= len(body)
            fetched.release()

    async def _finished(self, task: "asyncio.Future[None]", receive: Receive, sending: Sending) -> None:
        """Wait for an answer, unless the client leaves, or its head, or what follows, does not come in time.

        Who reads slowly is waited for; the connection is cut where nothing is read at all.
        """
        gone = asyncio.ensure_future(_left(receive))
        seconds = self.options.bounds.request_seconds
        sending.expect()
        try:
            while not task.done():
                pending = {task} if sending.is_over else {task, gone}
                left = sending.seconds_left(seconds)
                await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                has_left = gone.done() and not sending.is_over
                if not task.done() and (has_left or sending.seconds_left(seconds) <= 0):
                    task.cancel()
                    await asyncio.wait({task})
                    raise _LeftError if has_left else Fault(504, f"not computed in {seconds:g} s", "timeout")
            task.result()
        finally:
            task.cancel()
            gone.cancel()

    async def _streamed(self, scope: Scope, receive: Receive, sending: Sending) -> None:
        """Let the application read the body as it comes, counted, and never slower than it may be.

        Raises:
            Fault: 413 before the body when it says that it is too large; the application meets 408 and 413 as it reads.
        """
        bounds = self.options.bounds
        _refuse_declared(scope, bounds.upload_bytes)
        read, waited, ended = 0, 0.0, asyncio.Event()

        async def counted() -> Message:
            nonlocal read, waited
            if ended.is_set():
                await asyncio.Event().wait()
            begun, late = time.perf_counter(), bounds.body_seconds + read / bounds.upload_rate - waited
            try:
                async with asyncio.timeout(min(bounds.body_seconds, late)):
                    message = await receive()
            except TimeoutError:
                text = f"nothing came for {bounds.body_seconds:g} s, or less than {bounds.upload_rate:,} bytes a second"
                raise Fault(408, text, "body_timeout") from None
            waited += time.perf_counter() - begun  # for the client alone, not for the disk
            read += len(message.get("body", b""))
            if read > bounds.upload_bytes:
                raise _too_large(bounds.upload_bytes)
            if not message.get("more_body", False):
                ended.set()
            return message

        task = asyncio.ensure_future(self.app(scope, counted, sending))
        over = asyncio.ensure_future(ended.wait())
        try:
            await asyncio.wait({task, over}, return_when=asyncio.FIRST_COMPLETED)
            await self._finished(task, receive, sending)
        finally:
            task.cancel()
            over.cancel()

    async def _read(self, scope: Scope, receive: Receive, body: bytearray) -> None:
        """Read the body, which is counted while it comes, and until the answer.

        Raises:
            Fault: 408, 413 or 503.
        """
        bounds = self.options.bounds
        most = bounds.body_bytes if self._role(scope) else 0
        _refuse_declared(scope, most)
        try:
            async with asyncio.timeout(bounds.body_seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _LeftError
                    chunk, more = message.get("body", b""), message.get("more_body", False)
                    if len(body) + len(chunk) > most:
                        raise _too_large(most)
                    if self._bytes + len(chunk) > bounds.bodies_bytes:
                        raise Fault(503, "too much is being sent by all together", "server_full", retry_after=2)
                    self._bytes += len(chunk)
                    body += chunk
        except TimeoutError:
            raise Fault(408, f"the body took more than {bounds.body_seconds:g} s", "body_timeout") from None


class _LeftError(Exception):
    """The client has left."""


def _is_own(headers: Headers) -> bool:
    """Whether a request comes from a page of this server."""
    host = headers.get("host", "")
    return bool(host) and headers.get("origin") in (f"http://{host}", f"https://{host}")


def _refuse_declared(scope: Scope, most: int) -> None:
    """Raise Fault for a body that says itself that it is too large."""
    declared = Headers(scope=scope).get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise _too_large(most)


def _too_large(most: int) -> Fault:
    """The answer to a body that is too large."""
    return Fault(413, f"the body has more than {most:,} bytes; send several requests", "body_too_large")


def _name(host: str) -> str | None:
    """The name in a Host header, lower case; None when there is none."""
    if not host or set(host) & set("/\\@?# "):
        return None
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _once(body: bytes) -> Receive:
    """The body in one piece; after it nothing comes until the request is over."""
    given = False

    async def receive() -> Message:
        nonlocal given
        if given:
            await asyncio.Event().wait()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _lived(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """The life of an application; one that a second signal cuts off is no failure of its end."""
    task = asyncio.current_task()

    async def told(message: Message) -> None:
        if task is None or not task.cancelling():
            await send(message)

    with suppress(asyncio.CancelledError):
        await app(scope, receive, told)


async def _left(receive: Receive) -> None:
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
