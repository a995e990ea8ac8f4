"""The door: keys and roles, pages and names, sizes and times, too many at once, and what is written down."""

import asyncio
import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from anyseek.server import Bounds, Metrics, Models, ServerOptions, add_key, remove_key
from anyseek.server import sending as module
from anyseek.server.audit import Entry
from anyseek.server.door import Door
from anyseek.server.faults import Fault
from anyseek.server.sending import Sending
from anyseek.server.sessions import Sessions
from tests.server.conftest import WAIT, Running, Start, picture, png, spoken, until

EMBED = "/v1/embeddings"


@contextlib.contextmanager
def held(models: Models) -> Iterator[None]:
    """The models compute nothing meanwhile."""
    computes = [compute for one in models.served for compute in models.computes(one.key)]
    with contextlib.ExitStack() as stack:
        for compute in computes:
            stack.enter_context(compute._lock)
        yield


class Asking:
    """Requests under way."""

    def __init__(self, live: Running) -> None:
        self.live = live
        self.answers: list[httpx.Response] = []
        self.threads: list[threading.Thread] = []

    def post(self, body: Any, **more: Any) -> None:
        """Ask in a thread, and return when the request is inside."""
        waiting = sum(thread.is_alive() for thread in self.threads)
        until(lambda: self.live.app.door.inside <= waiting)  # somebody before has their answer, and may not be out yet

        def ask() -> None:
            with contextlib.suppress(httpx.TransportError):  # a connection that the server closes
                answer = httpx.post(self.live.url + EMBED, json=body, timeout=WAIT, trust_env=False, **more)
                self.answers.append(answer)

        self.threads.append(threading.Thread(target=ask))
        self.threads[-1].start()
        until(lambda: self.live.app.door.inside > waiting)

    def join(self) -> None:
        for thread in self.threads:
            thread.join(WAIT)


def error(answer: httpx.Response) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["error"]
    assert set(found) == {"message", "type", "param", "code"}
    return found


# keys


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    return {role: add_key(path, f"the {role} one".replace(" ", "-"), role) for role in ("read", "write", "admin")} | {
        "file": str(path)
    }


@pytest.fixture(scope="module")
def guarded(start: Start, secrets: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    audit = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    with start(keys=Path(secrets["file"]), audit=audit, bounds=Bounds(concurrency=3)) as live:
        yield live


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("x"),
        bearer("anyseek-" + "A" * 43),
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer"},
        {"X-Api-Key": "x"},
    ],
)
def test_without_a_key_there_is_nothing(guarded: Running, headers: dict[str, str]) -> None:
    for method, path in (("POST", EMBED), ("POST", "/v2/rerank"), ("GET", "/info"), ("GET", "/v1/models"),
                         ("GET", "/metrics"), ("GET", "/openapi.json"), ("GET", "/nothing")):  # fmt: skip
        answer = guarded.client.request(method, path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert error(answer)["type"] == "authentication_error"


def test_a_body_without_a_key_is_not_read(guarded: Running) -> None:
    """The answer comes although the body never does."""
    head = f"POST {EMBED} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9999999\r\n"
    answer = spoken(guarded.url, (head + "Connection: close\r\n\r\n{").encode())
    assert answer.startswith(b"HTTP/1.1 401")


def test_roles(guarded: Running, secrets: dict[str, str]) -> None:
    for role, status in (("read", 403), ("write", 403), ("admin", 200)):
        assert guarded.post(EMBED, {"input": "a"}, headers=bearer(secrets[role])).status_code == 200
        answer = guarded.client.get("/metrics", headers=bearer(secrets[role]))
        assert answer.status_code == status
        if status == 403:
            assert error(answer)["type"] == "permission_error"


def plainly(live: Running, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
    """The answer to a request whose address nobody tidies up on the way."""
    connection = http.client.HTTPConnection(live.url.removeprefix("http://"), timeout=WAIT)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_no_spelling_of_an_address_goes_round_its_role(guarded: Running, secrets: dict[str, str]) -> None:
    """The role is that of the route which answers; one that lets in says that there is no library, or the numbers."""
    read = bearer(secrets["read"])
    spelt = ["{}%0A", "{}%0a%0A", "%0A{}", "{}%00", "{}%0D", "{}%C2%85", "{}/", "{}//", "/{}", "{}%20", "{}?a=%0A"]
    for address, methods in (
        ("/v1/library/index", ("POST", "DELETE", "HEAD", "OPTIONS", "post")),
        ("/v1/library/files?name=x", ("POST",)),
        ("/v1/library/files/" + "0" * 32, ("DELETE",)),
        ("/metrics", ("GET", "HEAD", "OPTIONS")),
    ):
        path, mark, query = address.partition("?")
        coded = f"{path[:-1]}%{ord(path[-1]):02X}"
        for method in methods:
            for one in [*(form.format(path) for form in spelt), path.upper(), path.replace("/", "//"), coded, path]:
                status, text = plainly(guarded, method, one + (mark + query if "?" not in one else ""), read)
                assert status in (307, 400, 403, 404, 405), (method, one)
                assert b"no_library" not in text and b"anyseek_requests" not in text, (method, one)
        assert plainly(guarded, methods[0], coded, read)[0] == 403
        assert plainly(guarded, methods[0], path + "%0A", read)[0] == 400
        asked = {"type": "http", "method": methods[0], "root_path": "", "path": path + "\n"}
        assert guarded.app.door.roles[guarded.app.door._asked(asked)] in ("write", "admin"), "as the framework has it"
    assert b"no_library" in plainly(guarded, "DELETE", "/v1/library/inde%78", bearer(secrets["write"]))[1]


def test_what_is_invented_is_counted_as_one(guarded: Running) -> None:
    """Nobody needs a key to be refused, so that what strangers make up must not grow anything."""
    guarded.client.get("/nothing")
    before = guarded.app.door.metrics.text().count(b"\n")
    for number in range(100):
        assert plainly(guarded, f"INVENTED{number}", f"/invented{number}", {})[0] == 401
        assert plainly(guarded, "GET", f"/v1/library/things/invented{number}", {})[0] == 401
        assert plainly(guarded, f"INVENTED{number}", "/health", {})[0] in (401, 405)
    text = guarded.app.door.metrics.text()
    assert text.count(b"\n") < before + 150, "three endpoints, with the lines of a histogram each"
    assert b"invented" not in text.lower()
    assert guarded.app.door.options.audit is not None
    assert "invented" not in guarded.app.door.options.audit.read_text(encoding="utf-8").lower()


def test_health_is_for_everybody(guarded: Running) -> None:
    for path in ("/health", "/ready"):
        assert guarded.client.get(path).status_code == 200


def test_the_head_of_an_answer(guarded: Running, secrets: dict[str, str]) -> None:
    """HEAD is answered as GET is, by the same rules, and without the body."""
    read = bearer(secrets["read"])
    for path in ("/health", "/ready", "/", "/page/page.js", "/v1/models", "/info", "/openapi.json", "/nothing"):
        whole, head = (guarded.client.request(method, path, headers=read) for method in ("GET", "HEAD"))
        assert (head.status_code, head.content) == (whole.status_code, b""), path
        for name in ("content-type", "content-length", "etag"):
            assert head.headers.get(name) == whole.headers.get(name), path
    assert guarded.client.head("/health").status_code == 200
    assert guarded.client.head("/info").status_code == 401
    assert guarded.client.head("/metrics", headers=read).status_code == 403
    refused = [guarded.client.request(*asked, headers=read) for asked in (("HEAD", EMBED), ("PUT", "/info"))]
    assert [(answer.status_code, answer.headers["Allow"]) for answer in refused] == [(405, "POST"), (405, "GET, HEAD")]
    assert not any("head" in operations for operations in guarded.app.api.openapi()["paths"].values())


def test_a_key_that_was_removed_is_refused_at_once(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    ann, _ = add_key(path, "ann", "read"), add_key(path, "bob", "read")
    with start(keys=path) as live:
        assert live.client.get("/info", headers=bearer(ann)).status_code == 200
        remove_key(path, "ann")
        assert live.client.get("/info", headers=bearer(ann)).status_code == 401


def test_the_key_is_told_nowhere(guarded: Running, secrets: dict[str, str]) -> None:
    answer = guarded.client.get("/nothing", headers=bearer(secrets["read"]))
    assert answer.status_code == 404
    told = answer.text + str(answer.headers) + guarded.client.get("/metrics", headers=bearer(secrets["admin"])).text
    assert not any(secret in told for secret in secrets.values())


# pages in browsers


def test_other_pages_may_not_ask(live: Running) -> None:
    """A page that its reader opened elsewhere cannot use the server on the reader's machine."""
    for origin in ("https://example.org", "null", "http://localhost:1", "https://127.0.0.1.example.org"):
        answer = live.post(EMBED, {"input": "a"}, headers={"Origin": origin})
        assert (answer.status_code, error(answer)["code"]) == (403, "origin_not_allowed")
        assert "access-control-allow-origin" not in answer.headers
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        preflight = live.client.options(EMBED, headers=asked)
        assert "access-control-allow-origin" not in preflight.headers
    assert live.post(EMBED, {"input": "a"}, headers={"Origin": live.url}).status_code == 200  # our own page


def test_named_pages_may_ask(start: Start) -> None:
    with start(origins=("https://example.org",)) as live:
        asked = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
        preflight = live.client.options(EMBED, headers=asked)
        assert preflight.headers["access-control-allow-origin"] == "https://example.org"
        answer = live.post(EMBED, {"input": "a"}, headers={"Origin": "https://example.org"})
        assert answer.headers["access-control-allow-origin"] == "https://example.org"
        other = live.post(EMBED, {"input": "a"}, headers={"Origin": "https://example.com"})
        assert other.status_code == 403
        assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1.example.org", "example.org:80", "a@127.0.0.1", "[::1", ""])
def test_a_name_bent_to_this_machine_is_refused(live: Running, host: str) -> None:
    """DNS rebinding: the page's own name leads here, and the browser takes it for the same origin."""
    headers = {"Host": host, "Origin": f"http://{host}"}
    answer = live.post(EMBED, {"input": "a"}, headers=headers)
    assert answer.status_code == 403


def test_names_of_this_machine(live: Running, start: Start) -> None:
    for host in ("localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000"):
        assert live.client.get("/health", headers={"Host": host}).status_code == 200
    with start(hosts=("mybox.lan",)) as other:
        assert other.client.get("/health", headers={"Host": "mybox.lan:8000"}).status_code == 200


def test_a_form_of_another_page_is_no_request(live: Running) -> None:
    """What a browser sends without asking first (text/plain) is not read as JSON."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = live.client.post(EMBED, content=b'{"input": "a"}', headers={"Content-Type": kind})
        assert answer.status_code == 400


# sizes and times


def test_bodies_are_limited(start: Start) -> None:
    with start(bounds=Bounds(body_bytes=10_000)) as live:
        answer = live.post(EMBED, {"input": "a" * 20_000})
        assert (answer.status_code, error(answer)["code"]) == (413, "body_too_large")

        def pieces() -> Iterator[bytes]:
            for _ in range(30):
                yield b" " * 1000

        streamed = live.client.post(EMBED, content=pieces(), headers={"Content-Type": "application/json"})
        assert streamed.status_code == 413  # no length was told beforehand
        assert live.post(EMBED, {"input": "a" * 5000, "truncate": "END"}).status_code == 200


def test_what_needs_no_body_takes_none(live: Running) -> None:
    answer = live.client.request("GET", "/health", content=b"x" * 100)
    assert answer.status_code == 413


def test_all_bodies_together_are_limited(start: Start, models: Models) -> None:
    with start(bounds=Bounds(body_bytes=10_000, bodies_bytes=12_000)) as live:
        asking = Asking(live)
        with held(models):
            asking.post({"input": "a" * 7000, "truncate": "END"})
            until(lambda: live.app.door._bytes > 7000)
            answer = live.post(EMBED, {"input": "a" * 7000, "truncate": "END"})
            assert (answer.status_code, error(answer)["code"]) == (503, "server_full")
            assert int(answer.headers["Retry-After"]) >= 1
        asking.join()
        assert asking.answers[0].status_code == 200
        until(lambda: live.app.door._bytes == 0)


def test_items_and_tokens_are_limited(start: Start) -> None:
    with start(bounds=Bounds(items=3, request_tokens=200, characters=2000)) as live:
        cases = [
            ({"input": ["a"] * 4}, "too_many_items"),
            ({"input": ["word " * 60] * 3}, "too_many_tokens"),
            ({"input": ["a", "b" * 2001]}, "too_many_characters"),
            ({"input": ["a", "b"], "instruction": "c" * 1001}, "too_many_characters"),  # each prompt has it
        ]
        for body, code in cases:
            answer = live.post(EMBED, body)
            assert (answer.status_code, error(answer)["code"]) == (413, code)
        assert live.post(EMBED, {"input": ["a"] * 3}).status_code == 200
        answer = live.post("/v1/rerank", {"query": "a", "documents": ["b"] * 3})
        assert error(answer)["code"] == "too_many_items"  # the query is one too
        answer = live.post("/v1/rerank", {"query": "a" * 1001, "documents": ["b"] * 2})
        assert error(answer)["code"] == "too_many_characters"


def test_what_addresses_lead_to_is_limited(start: Start, models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anyseek.media.source.fetch", lambda url, name, options: png())
    size = len(png())

    def body(count: int) -> Any:
        return {"input": [{"image": f"http://example.org/{number}.png"} for number in range(count)]}

    with start(bounds=Bounds(fetched_bytes=2 * size, all_fetched_bytes=3 * size)) as live:
        answer = live.post(EMBED, body(3))
        assert (answer.status_code, error(answer)["code"]) == (413, "input_too_large")
        assert "the addresses of this request hold more than" in error(answer)["message"]
        documents = {"query": "a", "documents": body(3)["input"]}
        assert live.post("/v1/rerank", documents).status_code == 413
        frames = {"input": {"video": [f"http://example.org/{number}.png" for number in range(3)]}}
        assert live.post(EMBED, frames).status_code == 413
        assert live.post(EMBED, {"input": [{"image": picture()}] * 3}).status_code == 200, "sent, not fetched"
        asking = Asking(live)
        with held(models):
            asking.post(body(2))
            until(lambda: live.app.door._fetches.bytes == 2 * size)
            answer = live.post(EMBED, body(2))
            assert (answer.status_code, error(answer)["code"]) == (503, "server_full")
        asking.join()
        assert asking.answers[0].status_code == 200
        until(lambda: live.app.door._fetches.bytes == 0)
        assert live.post(EMBED, body(2)).status_code == 200


@pytest.mark.parametrize(("piece", "pieces"), [(b"a", 10_000), (b"a" * 1000, 20)])
def test_an_upload_that_drips_is_not_waited_for(piece: bytes, pieces: int) -> None:
    """Each piece comes in time, but a byte at a time is too slow for the whole."""
    left = pieces

    async def receive() -> Any:
        nonlocal left
        if not left:
            await asyncio.Event().wait()
        await asyncio.sleep(0.05)
        left -= 1
        return {"type": "http.request", "body": piece, "more_body": left > 0}

    async def read(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            pass

    async def send(message: Any) -> None:
        raise AssertionError(message)

    options = ServerOptions(bounds=Bounds(body_seconds=0.5, upload_rate=100))
    door = Door(read, options, {}, Metrics(), Sessions())
    sending = Sending(send, Entry("0"))
    sent = asyncio.wait_for(door._streamed({"type": "http", "headers": []}, receive, sending), 60)
    if len(piece) == 1:
        with pytest.raises(Fault, match="bytes a second") as caught:
            asyncio.run(sent)
        assert caught.value.status == 408
    else:
        asyncio.run(sent)
        assert not left


def test_a_body_that_drips_is_not_waited_for(start: Start) -> None:
    with start(bounds=Bounds(body_seconds=0.5)) as live:
        head = "POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        answer = spoken(live.url, (head + "Content-Length: 50\r\n\r\n{").encode())
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"timeout_error" in answer


def test_headers_that_never_end_are_not_waited_for(start: Start) -> None:
    with start(bounds=Bounds(body_seconds=0.5)) as live:
        assert spoken(live.url, b"") == b""
        assert spoken(live.url, b"POST /v1/embeddings HTTP/1.1\r\nHost: loc") == b""


def test_headers_that_drip_gain_no_time(start: Start) -> None:
    async def drip(url: str) -> float:
        host, _, port = url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        begun = time.monotonic()
        with contextlib.suppress(ConnectionError):
            writer.write(b"GET /health HTTP/1.1\r\nX: ")
            while time.monotonic() - begun < WAIT and not reader.at_eof():
                writer.write(b"a")
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(1), 0.1)
        writer.close()
        return time.monotonic() - begun

    with start(bounds=Bounds(body_seconds=1)) as live:
        assert asyncio.run(drip(live.url)) < WAIT / 2


def test_large_headers_are_refused(live: Running) -> None:
    answer = spoken(live.url, b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000, finish=True)
    assert answer.startswith(b"HTTP/1.1 400")


def test_an_answer_in_time_or_none(start: Start, models: Models) -> None:
    with start(bounds=Bounds(request_seconds=0.5)) as live:
        with held(models):
            answer = live.post(EMBED, {"input": "a"})
        assert (answer.status_code, error(answer)["type"]) == (504, "timeout_error")
        until(lambda: not len(live.app.engine._queue))
        live.app.door.options = ServerOptions()
        assert live.post(EMBED, {"input": "a"}).status_code == 200


# answers that are read slowly, or not at all


def answering(*pieces: bytes, kind: str = "text/plain", ends: bool = True) -> Any:
    """An application that sends these pieces, and ends its answer or works on for ever."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", kind.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        if not ends:
            await asyncio.Event().wait()
        await send({"type": "http.response.body", "body": b""})

    return app


def whole(body: bytes) -> Any:
    """An application that sends a body in one piece."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


@contextlib.contextmanager
def asked(live: Running, room: int = 4096) -> Iterator[socket.socket]:
    """A connection that has asked, with little room for what comes back."""
    host, port = live.url.removeprefix("http://").split(":")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        connection.settimeout(WAIT)
        connection.connect((host, int(port)))
        connection.sendall(b"GET /info HTTP/1.1\r\nHost: localhost\r\n\r\n")
        yield connection


def unread(live: Running) -> list[int]:
    """Bytes that each connection holds for who does not read them."""
    found = [connection.transport.get_write_buffer_size() for connection in list(live.server.server_state.connections)]
    return [size for size in found if size]


@pytest.mark.parametrize("body", [whole(bytes(20 << 20)), answering(*[bytes(1 << 20)] * 20)], ids=["whole", "pieces"])
def test_an_answer_that_nobody_reads_counts_and_is_cut(
    start: Start, monkeypatch: pytest.MonkeyPatch, body: Any
) -> None:
    """It is held for as long as its request counts as one of its key's, which has so many, and not for ever."""
    with start(bounds=Bounds(body_seconds=3, concurrency=2)) as live:
        monkeypatch.setattr(live.app.door, "app", body)
        with asked(live), asked(live):
            until(lambda: live.app.door.inside == 2)
            assert live.client.get("/info").status_code == 429
            until(lambda: len(unread(live)) == 2)
            assert max(unread(live)) < 3 * module.PIECE
            until(lambda: not live.app.door.inside and not unread(live))
        monkeypatch.undo()
        answer = httpx.get(
            f"{live.url}/info", timeout=WAIT, trust_env=False
        )  # the client's own is closed by now, or soon
        assert answer.status_code == 200


def test_a_connection_on_which_nothing_moves_is_cut(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after the answer, as the server sees it: closing waits for what is not read."""
    monkeypatch.setattr(module, "PIECE", 1 << 30)
    with start(bounds=Bounds(body_seconds=1)) as live:
        monkeypatch.setattr(live.app.door, "app", whole(bytes(20 << 20)))
        with asked(live):
            until(lambda: bool(unread(live)))
            until(lambda: not live.app.door.inside)
            until(lambda: not unread(live))
            assert not any(one.transport.is_closing() for one in live.server.server_state.connections)


def waiting(live: Running) -> Any:
    """The connection that waits for its reader."""
    until(lambda: any(one._looking for one in list(live.server.server_state.connections)))
    return next(one for one in live.server.server_state.connections if one._looking)


def look(connection: Any) -> None:
    """Have it see now whether something was read, as it does by itself from time to time."""
    done = threading.Event()

    def now() -> None:
        connection._looking.cancel()
        connection._look_again()
        done.set()

    connection.loop.call_soon_threadsafe(now)
    assert done.wait(WAIT)
    until(lambda: connection._looking is not None or connection.transport.is_closing())


def has_moved(connection: Any) -> bool:
    """Whether it sees that something was read since the last look."""
    moved: bool = connection._has_moved or connection.transport.get_write_buffer_size() < connection._unread
    return moved


@pytest.mark.parametrize("piece", [module.PIECE, 1 << 30])
@pytest.mark.parametrize("body", [whole(bytes(20 << 20)), answering(*[bytes(1 << 18)] * 80)], ids=["whole", "pieces"])
def test_who_reads_slowly_is_waited_for(start: Start, monkeypatch: pytest.MonkeyPatch, body: Any, piece: int) -> None:
    """A little between two looks is enough, however long the whole takes; with nothing between them it is cut."""
    monkeypatch.setattr(module, "PIECE", piece)
    with start(bounds=Bounds(body_seconds=WAIT)) as live:
        monkeypatch.setattr(live.app.door, "app", body)
        for is_read in (True, False):
            with asked(live, room=1 << 16) as connection:
                read, server = 0, waiting(live)
                for _ in range(8):
                    while not has_moved(server):
                        read += len(connection.recv(1 << 16))
                    look(server)
                assert read < 10 << 20
                while not is_read and not server.transport.is_closing():
                    look(server)  # what the system takes by itself moves too, for a while
                while is_read and read < 20 << 20:
                    found = connection.recv(1 << 18)
                    assert found, f"cut after {read} bytes"
                    read += len(found)
            until(lambda: not live.server.server_state.connections)
        assert not live.app.door.inside


def test_who_reads_very_slowly_is_waited_for_too(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system, which holds a part of the answer, tells of its being read after 400 kB: 13 a second for 30 s."""
    with start(bounds=Bounds(body_seconds=WAIT)) as live:
        monkeypatch.setattr(live.app.door, "app", whole(bytes(20 << 20)))
        with asked(live, room=1 << 17) as connection:
            server = waiting(live)
            for _ in range(8):
                for _ in range(40):
                    assert connection.recv(10_000)
                until(lambda: has_moved(server))
                look(server)
            assert live.app.door.inside == 1


def test_an_answer_is_not_late_while_it_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    now, left = 1000.0, list[float]()

    async def send(message: Any) -> None:
        nonlocal now
        now += 500
        left.append(sending.seconds_left(10))

    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    sending = Sending(send, Entry("0"))
    now += 9
    assert sending.seconds_left(10) == 1
    asyncio.run(sending({"type": "http.response.start", "status": 200, "headers": []}))
    assert left == [10]
    assert sending.seconds_left(10) == 10, "the next piece is expected from when this one was read"
    now += 11
    assert sending.seconds_left(10) < 0


def test_an_answer_that_stands_still_is_cut(start: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It has begun, and the application sends no more of it; events end with one that says so."""
    audit = tmp_path / "audit.jsonl"
    with start(bounds=Bounds(request_seconds=1), audit=audit) as live:
        monkeypatch.setattr(live.app.door, "app", answering(b"some", ends=False))
        with pytest.raises(httpx.RemoteProtocolError):
            live.client.get("/info")
        event = b'event: first\ndata: {"a": 1}\n\n'
        monkeypatch.setattr(live.app.door, "app", answering(event, kind="text/event-stream", ends=False))
        first, last = live.client.get("/info").text.strip().split("\n\n")
        assert first == event.decode().strip()
        name, data = last.split("\n")
        assert name == "event: error"
        assert json.loads(data.removeprefix("data: "))["error"]["code"] == "timeout"
        monkeypatch.setattr(live.app.door, "app", answering(*[event] * 3, kind="text/event-stream"))
        assert live.client.get("/info").text == 3 * event.decode()
        until(lambda: audit.read_text(encoding="utf-8").count("\n") == 3)
    assert [json.loads(line)["status"] for line in audit.read_text(encoding="utf-8").splitlines()] == [200] * 3


def test_pieces_come_in_time_although_the_whole_takes_longer(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(8):
            await asyncio.sleep(0.5)
            await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        await asyncio.sleep(0.1)  # what a framework does after its answer

    with start(bounds=Bounds(request_seconds=2)) as live:
        monkeypatch.setattr(live.app.door, "app", app)
        assert live.client.get("/info").text == "a" * 8
        monkeypatch.undo()
        until(lambda: 'endpoint="GET /info",status="200"} 1.0' in live.client.get("/metrics").text)


# too many


def test_a_key_has_so_many_requests_at_a_time(guarded: Running, secrets: dict[str, str], models: Models) -> None:
    asking = Asking(guarded)
    with held(models):
        for _ in range(3):
            asking.post({"input": "a"}, headers=bearer(secrets["read"]))
        answer = guarded.post(EMBED, {"input": "a"}, headers=bearer(secrets["read"]))
        assert (answer.status_code, error(answer)["type"]) == (429, "rate_limit_error")
        assert int(answer.headers["Retry-After"]) >= 1
        asking.post({"input": "a"}, headers=bearer(secrets["write"]))  # another key has its own
        assert guarded.client.get("/health").status_code == 200
    asking.join()
    assert [answer.status_code for answer in asking.answers] == [200] * 4


def test_a_full_queue_says_when_to_come_back(start: Start, models: Models) -> None:
    with start(bounds=Bounds(queue_tokens=60)) as live:
        asking = Asking(live)
        with held(models):
            asking.post({"input": "first"})
            until(lambda: not len(live.app.engine._queue))  # the lane has it
            asking.post({"input": "word " * 50})
            until(lambda: len(live.app.engine._queue) == 1)
            answer = live.post(EMBED, {"input": "word " * 50})
            assert (answer.status_code, error(answer)["code"]) == (503, "queue_full")
            assert 1 <= int(answer.headers["Retry-After"]) <= 60
        asking.join()
        assert [answer.status_code for answer in asking.answers] == [200, 200]


def test_a_connection_too_many_is_told_so(start: Start) -> None:
    with start(bounds=Bounds(connections=2)) as live:
        host, port = live.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))), socket.create_connection((host, int(port))):
            until(lambda: len(live.server.server_state.connections) == 2)
            head, _, body = spoken(live.url, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 2" in head.lower()
        assert json.loads(body)["error"]["code"] == "server_full"
        until(lambda: not live.server.server_state.connections)
        assert live.client.get("/health").status_code == 200


def test_all_keys_together_have_so_many_requests(start: Start, models: Models) -> None:
    with start(bounds=Bounds(requests=2)) as live:
        asking = Asking(live)
        with held(models):
            for _ in range(2):
                asking.post({"input": "a"})
            assert error(live.post(EMBED, {"input": "a"}))["code"] == "server_full"
        asking.join()


def test_a_flood_is_refused_and_the_server_stays_well(start: Start) -> None:
    async def flood(url: str) -> list[int]:
        limits = httpx.Limits(max_connections=120)
        async with httpx.AsyncClient(base_url=url, timeout=WAIT, limits=limits, trust_env=False) as client:
            body = {"input": ["some words of a flood"] * 8}
            answers = await asyncio.gather(*(client.post(EMBED, json=body) for _ in range(120)))
            return [answer.status_code for answer in answers]

    with start(bounds=Bounds(concurrency=4)) as live:
        statuses = asyncio.run(flood(live.url))
        assert set(statuses) == {200, 429}
        assert live.client.get("/ready").status_code == 200
        assert live.post(EMBED, {"input": "a"}).status_code == 200
        until(lambda: live.app.door.inside == 0)


# those who leave


def test_who_leaves_costs_nothing(start: Start, models: Models, tmp_path: Path) -> None:
    audit = tmp_path / "audit.jsonl"
    with start(audit=audit) as live:
        queue = live.app.engine._queue
        asking = Asking(live)
        with held(models):
            asking.post({"input": "first"})
            until(lambda: not len(queue))
            with pytest.raises(httpx.ReadTimeout):
                httpx.post(live.url + EMBED, json={"input": ["word"] * 500}, timeout=1.5, trust_env=False)
            until(lambda: len(queue) == 0)
            assert queue.tokens == 0
        asking.join()
        until(lambda: audit.read_text(encoding="utf-8").count("\n") == 2)
    statuses = [json.loads(line)["status"] for line in audit.read_text(encoding="utf-8").splitlines()]
    assert sorted(statuses) == [200, 499]
    assert live.app.door.inside == 0


# what is written down


def test_the_audit_log_has_counts_and_no_contents(start: Start, tmp_path: Path, secrets: dict[str, str]) -> None:
    audit = tmp_path / "audit.jsonl"
    with start(keys=Path(secrets["file"]), audit=audit) as live:
        secret = "xyzzy"
        read = bearer(secrets["read"])
        answer = live.post(EMBED, {"input": [secret, secret], "instruction": secret}, headers=read)
        live.post("/v1/rerank", {"query": secret, "documents": [secret, {"image": picture()}]}, headers=read)
        live.post(EMBED, {"input": {"image": f"/home/{secret}"}}, headers=read)
        live.client.get(f"/{secret}?{secret}={secret}", headers=read)
        live.client.get(f"/v1/models/{secret}", headers=read)
        assert live.client.get("/metrics", headers=read).status_code == 403
        live.post(EMBED, {"input": secret})
        until(lambda: audit.read_text(encoding="utf-8").count("\n") == 7)
    text = audit.read_text(encoding="utf-8")
    assert secret not in text
    assert not any(value in text for value in secrets.values())
    rows = [json.loads(line) for line in text.splitlines()]
    assert all(list(row) == ["time", "id", "key", "endpoint", "items", "tokens", "status", "seconds"] for row in rows)
    assert [(row["key"], row["endpoint"], row["items"], row["status"]) for row in rows] == [
        ("the-read-one", "POST /v1/embeddings", 2, 200),
        ("the-read-one", "POST /v1/rerank", 3, 200),
        ("the-read-one", "POST /v1/embeddings", 0, 400),
        ("the-read-one", "GET other", 0, 404),
        ("the-read-one", "GET /v1/models/{name:path}", 0, 404),
        ("the-read-one", "GET /metrics", 0, 403),
        (None, "POST /v1/embeddings", 0, 401),
    ]
    assert rows[0]["tokens"] == answer.json()["usage"]["total_tokens"]
    assert rows[0]["id"] == answer.headers["X-Request-Id"]
    assert audit.stat().st_mode & 0o777 == 0o600


def test_numbers_for_prometheus(start: Start) -> None:
    with start() as live:
        live.post(EMBED, {"input": ["a", "b"]})
        live.post("/v1/rerank", {"query": "a", "documents": ["b"]})
        live.post(EMBED, {})
        text = live.client.get("/metrics").text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines['anyseek_requests_total{endpoint="POST /v1/embeddings",status="200"}'] == "1.0"
    assert lines['anyseek_requests_total{endpoint="POST /v1/embeddings",status="400"}'] == "1.0"
    assert lines['anyseek_items_total{endpoint="POST /v1/embeddings"}'] == "2.0"
    assert float(lines['anyseek_tokens_total{endpoint="POST /v1/rerank"}']) > 10
    assert lines['anyseek_batch_rows_sum{model="embedding"}'] == "2.0"
    assert float(lines['anyseek_busy_seconds_total{model="reranking"}']) > 0
    assert (lines["anyseek_queue_tokens"], lines["anyseek_up"]) == ("0.0", "1.0")
