import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from anyseek.errors import AnyseekError, LimitError, RefusedError, SourceError
from anyseek.media import MediaOptions, address, open_source

INSIDE = MediaOptions(private_addresses=True, max_download_bytes=100_000, timeout_seconds=5)


class Pages(BaseHTTPRequestHandler):
    """A little web: each path misbehaves in its own way."""

    seen: ClassVar[list[tuple[str, str]]] = []

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers["Host"]))
        name = self.path.lstrip("/").split("?")[0]
        getattr(self, f"get_{name.partition('/')[0]}", self.get_plain)()

    def reply(self, status: int, body: bytes = b"", **fields: str) -> None:
        self.send_response(status)
        for key, value in fields.items():
            self.send_header(key.replace("_", "-"), value)
        if "Content_Length" not in fields:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def get_plain(self) -> None:
        self.reply(200, b"hello " + self.path.encode())

    def get_missing(self) -> None:
        self.reply(404)

    def get_failing(self) -> None:
        self.reply(500, b"x")

    def get_hop(self) -> None:
        left = int(self.path.rsplit("/", 1)[1])
        self.reply(302, Location=f"/hop/{left - 1}" if left > 1 else "../plain")

    def get_to(self) -> None:
        self.reply(301, Location=self.path.split("?", 1)[1])

    def get_nowhere(self) -> None:
        self.reply(302)

    def get_empty(self) -> None:
        self.reply(200)

    def get_announced(self) -> None:
        self.reply(200, b"x", Content_Length="100001")

    def get_endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        with self.quietly():
            while True:
                self.wfile.write(bytes(10_000))

    def get_dripping(self) -> None:
        self.send_response(200)
        self.end_headers()
        with self.quietly():
            for _ in range(100):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.05)

    def get_headers(self) -> None:
        with self.quietly():
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            for _ in range(100):
                self.wfile.write(b"X-Y: z\r\n")
                self.wfile.flush()
                time.sleep(0.05)

    def get_short(self) -> None:
        self.reply(200, b"x", Content_Length="10")

    def get_packed(self) -> None:
        self.reply(200, b"x", Content_Encoding="gzip")

    def get_nonsense(self) -> None:
        self.wfile.write(b"this is not http\r\n\r\n")

    def quietly(self) -> Any:
        return contextlib.suppress(ConnectionError)

    def log_message(self, *given: Any) -> None:
        pass


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_success(web: str) -> None:
    blob = open_source(f"{web}/plain?secret=1", INSIDE)
    assert blob.data == b"hello /plain?secret=1"
    assert blob.name == f"{web}/plain"
    assert open_source(f"{web.upper().replace('HTTP', 'Http')}/a b/ü%20?q=ü&r=a b#part", INSIDE).data == (
        b"hello /a%20b/%C3%BC%20?q=%C3%BC&r=a%20b"
    )


def test_redirects(web: str) -> None:
    assert open_source(f"{web}/hop/3", INSIDE).data == b"hello /plain"
    with pytest.raises(SourceError, match=r"more than 3 redirects \(MediaOptions.max_redirects\)"):
        open_source(f"{web}/hop/4", INSIDE)
    none = MediaOptions(private_addresses=True, max_redirects=0)
    assert open_source(f"{web}/plain", none).data == b"hello /plain"
    with pytest.raises(SourceError, match="more than 0 redirects"):
        open_source(f"{web}/hop/1", none)
    for target in ("file:///etc/passwd", "ftp://127.0.0.1/", "data:,x", "gopher://127.0.0.1:70/"):
        with pytest.raises(RefusedError, match="only http and https are fetched"):
            open_source(f"{web}/to?{target}", INSIDE)
    with pytest.raises(SourceError, match="leads to a malformed address"):
        open_source(f"{web}/to?http://[foo", INSIDE)


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("missing", SourceError, "the server answers 404"),
        ("failing", SourceError, "the server answers 500"),
        ("nowhere", SourceError, "the server answers 302"),
        ("empty", AnyseekError, "empty"),
        ("announced", LimitError, "100,001 bytes or more.*max_download_bytes"),
        ("endless", LimitError, "bytes or more.*max_download_bytes"),
        ("short", SourceError, "cannot load"),
        ("packed", SourceError, "packs the body"),
        ("nonsense", SourceError, "cannot load"),
    ],
)
def test_misbehaving_servers(web: str, path: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        open_source(f"{web}/{path}", INSIDE)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("path", ["dripping", "headers"])
def test_the_whole_time_is_limited_however_the_bytes_drip(web: str, path: str) -> None:
    start = time.monotonic()
    with pytest.raises(SourceError, match=r"not finished after 0.4 s \(MediaOptions.timeout_seconds\)"):
        open_source(f"{web}/{path}", MediaOptions(private_addresses=True, timeout_seconds=0.4))
    assert time.monotonic() - start < 1.5


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("http:///path", SourceError, "names no host"),
        ("http://host:99999/", SourceError, "malformed"),
        ("http://[::1/", SourceError, "malformed"),
        ("http://user:word@127.0.0.1/", RefusedError, "user name or password"),
        ("http://127.0.0.1:1/", SourceError, "cannot load http://127.0.0.1:1/"),
        ("http://a..b/", SourceError, "cannot load"),
        ("http://no.such.host.invalid/", SourceError, "no address for host"),
        ("http://127.0.0.1/\ud800", SourceError, "malformed"),
        ("http://127.0.0.1/?\udcff", SourceError, "malformed"),
        ("http://\ud800/", SourceError, "malformed"),
    ],
)
def test_wrong_addresses(url: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        open_source(url, INSIDE)


PRIVATE = [
    "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%1",
    "fc00::1", "fd00::1", "ff02::1", "fec0::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::a00:1", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::", "2001:0:1::1", "2001:db8::1", "::127.0.0.1",
    "192.0.0.8", "192.0.0.170", "192.0.0.192", "192.88.99.1", "100::1", "100:0:0:1::1", "2001:10::1", "2001:2::1",
    "3fff::1", "3fff:fff::1", "5f00::1", "::ffff:192.0.0.8", "2002:c000:8::", "no address",
]  # fmt: skip


@pytest.mark.parametrize("text", PRIVATE)
def test_private_addresses(text: str) -> None:
    assert not address.is_public(text)


@pytest.mark.parametrize(
    "text", ["8.8.8.8", "93.184.216.34", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses(text: str) -> None:
    assert address.is_public(text)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "0"]
)
def test_no_spelling_of_loopback_gets_through(host: str, web: str) -> None:
    port = web.rsplit(":", 1)[1]
    count = len(Pages.seen)
    with pytest.raises((RefusedError, SourceError)) as caught:
        open_source(f"http://{host}:{port}/plain", MediaOptions())
    assert isinstance(caught.value, RefusedError) or "no address" in str(caught.value)
    assert len(Pages.seen) == count


def resolver(monkeypatch: pytest.MonkeyPatch, names: dict[str, list[str]]) -> list[str]:
    """Answer host names from a table; several answers come one per question."""
    asked: list[str] = []
    plain = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *given: Any, **more: Any) -> list[Any]:
        if host not in names:
            return plain(host, port, *given, **more)
        asked.append(host)
        answers = names[host]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers.pop(0) if len(answers) > 1 else answers[0], port))]

    monkeypatch.setattr(address.socket, "getaddrinfo", getaddrinfo)
    return asked


def test_redirect_to_a_private_address_is_refused(web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = resolver(monkeypatch, {"public.example": ["8.8.8.8"], "inside.example": ["10.1.2.3"]})
    port = web.rsplit(":", 1)[1]
    connected: list[tuple[str, int]] = []
    plain = socket.create_connection

    def connect(target: tuple[str, int], *given: Any, **more: Any) -> socket.socket:
        connected.append(target)
        return plain(("127.0.0.1", int(port)), *given, **more)

    monkeypatch.setattr(socket, "create_connection", connect)
    assert open_source(f"http://public.example:{port}/plain", MediaOptions()).data == b"hello /plain"
    assert Pages.seen[-1] == ("/plain", f"public.example:{port}")
    with pytest.raises(RefusedError, match=r"leads to 10.1.2.3, which is not a public address"):
        open_source(f"http://public.example:{port}/to?http://inside.example/", MediaOptions())
    with pytest.raises(RefusedError, match=r"10\.1\.2\.3"):
        open_source("http://inside.example/", MediaOptions())
    assert connected == [("8.8.8.8", int(port))] * 2
    assert asked == ["public.example", "public.example", "inside.example", "inside.example"]


def test_the_judged_address_is_the_one_connected_to(web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = resolver(monkeypatch, {"rebinding.example": ["8.8.8.8", "127.0.0.1"]})
    connected: list[tuple[str, int]] = []

    def connect(target: tuple[str, int], *given: Any, **more: Any) -> socket.socket:
        connected.append(target)
        raise ConnectionRefusedError("closed")

    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(SourceError, match="closed"):
        open_source("http://rebinding.example/", MediaOptions())
    assert connected == [("8.8.8.8", 80)]
    assert asked == ["rebinding.example"]


def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 80)) for ip in ("8.8.8.8", "192.168.0.1")]
    monkeypatch.setattr(address.socket, "getaddrinfo", lambda *given, **more: found)
    with pytest.raises(RefusedError, match=r"192\.168\.0\.1"):
        open_source("http://mixed.example/", MediaOptions())


def test_proxies_of_the_environment_are_not_used(web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert open_source(f"{web}/plain", INSIDE).data == b"hello /plain"


def test_the_name_asked_of_tls_is_that_of_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        resolver(monkeypatch, {"secure.example": ["127.0.0.1"]})

        def listen() -> None:
            connection, _ = server.accept()
            with connection:
                heard.append(connection.recv(4096))

        thread = threading.Thread(target=listen)
        thread.start()
        with pytest.raises(SourceError, match=r"cannot load https://secure\.example"):
            open_source(f"https://secure.example:{port}/", INSIDE)
        thread.join()
    assert heard[0][:1] == b"\x16"
    assert b"secure.example" in heard[0]


def test_neither_passwords_nor_queries_are_told() -> None:
    with pytest.raises(RefusedError) as caught:
        open_source("http://user:hunter2@example.org/a?token=abc", MediaOptions())
    assert "hunter2" not in str(caught.value)
    assert "token" not in str(caught.value)


def test_a_long_address_is_named_shortly(web: str) -> None:
    with pytest.raises(SourceError) as caught:
        open_source(f"{web}/missing/{'x' * 3000}?{'y' * 3000}", INSIDE)
    assert len(str(caught.value)) < 250
