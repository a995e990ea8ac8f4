"""Fetching an http(s) address safely: judged addresses only, limited in bytes, redirects and whole time.

httpcore (which httpx stands on) lets us make the connection ourselves. The name is resolved there, once per hop, and
the judged address itself is connected to, so that a second answer of the name server cannot lead elsewhere; Host header
and TLS name stay those of the address. Nothing is read from the environment, no proxies either.
"""

import ssl
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import httpcore

from anyseek.errors import LimitError, RefusedError, SourceError
from anyseek.media.address import resolve
from anyseek.media.options import MediaOptions

__all__ = ["fetch"]

REDIRECTS = (301, 302, 303, 307, 308)
HEADERS = ((b"Accept", b"*/*"), (b"Accept-Encoding", b"identity"), (b"User-Agent", b"anyseek"))
TARGET = "/%:=&?~+!$,;'@()*[]-._"
FAILURES = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
    httpcore.ConnectionNotAvailable,
    ssl.SSLError,
    OSError,
)


def fetch(url: str, name: str, options: MediaOptions) -> bytes:
    """The body at an http(s) address.

    Args:
        url: the address.
        name: how messages call it.
        options: urls, private_addresses, max_download_bytes, max_redirects, timeout_seconds.

    Raises:
        RefusedError: URLs are off, or a hop leads to a private address or another scheme.
        SourceError: no answer, not 200, too slow, too many redirects.
        LimitError: more bytes than allowed.
    """
    if not options.urls:
        raise RefusedError(
            f"{name}: addresses are not fetched here; send the bytes or a data URI, or set MediaOptions.urls"
        )
    backend = _Backend(name, options)
    try:
        with httpcore.ConnectionPool(network_backend=backend) as pool:
            for _ in range(options.max_redirects + 1):
                body = _hop(pool, url, name, options)
                if isinstance(body, bytes):
                    return body
                url = _joined(url, body, name)
    except httpcore.TimeoutException as error:
        raise SourceError(
            f"cannot load {name}: not finished after {options.timeout_seconds:g} s (MediaOptions.timeout_seconds)"
        ) from error
    except FAILURES as error:
        if isinstance(error, (SourceError, RefusedError)):
            raise
        raise SourceError(f"cannot load {name}: {str(error)[:200] or type(error).__name__}") from error
    raise SourceError(f"cannot load {name}: more than {options.max_redirects} redirects (MediaOptions.max_redirects)")


def _hop(pool: httpcore.ConnectionPool, url: str, name: str, options: MediaOptions) -> bytes | str:
    """One request: the body, or the address that a redirect names."""
    target = _target(url, name)
    host = target.host if target.port is None else target.host + b":%d" % target.port
    headers = [(b"Host", host), *HEADERS]
    with pool.stream("GET", target, headers=headers) as answer:
        fields = {key.lower(): value for key, value in answer.headers}
        if answer.status in REDIRECTS and b"location" in fields:
            return fields[b"location"].decode("latin-1")
        if answer.status != 200:
            raise SourceError(f"cannot load {name}: the server answers {answer.status}")
        if fields.get(b"content-encoding", b"identity").lower() != b"identity":
            raise SourceError(f"cannot load {name}: the server packs the body although asked not to")
        length = fields.get(b"content-length", b"0")
        if length.isdigit() and int(length) > options.max_download_bytes:
            raise _too_large(name, int(length), options)
        return _collect(answer.iter_stream(), name, options)


def _target(url: str, name: str) -> httpcore.URL:
    """The parsed address; our own parse is the one that is connected to, so no two parsers can disagree."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, (parts.hostname or "").encode("ascii" if (parts.hostname or "").isascii() else "idna")
        path = quote(parts.path or "/", safe=TARGET) + ("?" + quote(parts.query, safe=TARGET) if parts.query else "")
    except ValueError as error:  # UnicodeError is one
        raise SourceError(f"cannot load {name}: the address is malformed ({str(error)[:80]})") from error
    if parts.scheme.lower() not in ("http", "https"):
        raise RefusedError(f"{name}: leads to a {parts.scheme[:16]!r} address; only http and https are fetched")
    if not host:
        raise SourceError(f"cannot load {name}: the address names no host")
    if parts.username is not None or parts.password is not None:
        raise RefusedError(f"{name}: addresses with a user name or password are not fetched")
    if b":" in host:
        host = b"[" + host + b"]"
    return httpcore.URL(scheme=parts.scheme.lower().encode(), host=host, port=port, target=path.encode())


def _joined(url: str, location: str, name: str) -> str:
    """The address that a redirect leads to."""
    try:
        return urljoin(url, location)
    except ValueError as error:
        raise SourceError(f"cannot load {name}: it leads to a malformed address ({str(error)[:80]})") from error


def _collect(chunks: Iterable[bytes], name: str, options: MediaOptions) -> bytes:
    """The chunks as one, counted while they come."""
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > options.max_download_bytes:
            raise _too_large(name, len(body), options)
    return bytes(body)


def _too_large(name: str, size: int, options: MediaOptions) -> LimitError:
    """The error of a body above the limit."""
    return LimitError(
        f"{name} has {size:,} bytes or more, above {options.max_download_bytes:,} (MediaOptions.max_download_bytes)"
    )


class _Backend(httpcore.NetworkBackend):
    """Connects to judged addresses, within one deadline for everything."""

    def __init__(self, name: str, options: MediaOptions) -> None:
        self.name = name
        self.private_addresses = options.private_addresses
        self.deadline = time.monotonic() + options.timeout_seconds
        self.sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first of the judged addresses that answers."""
        failure: httpcore.ConnectError | None = None
        for address in resolve(host.strip("[]"), port, self.name, self.private_addresses):
            try:
                stream = self.sockets.connect_tcp(address, port, _left(self.deadline))
            except httpcore.ConnectError as error:
                failure = error
            else:
                return _TimedStream(stream, self.deadline)
        raise failure or httpcore.ConnectError("no address")


class _TimedStream(httpcore.NetworkStream):
    """A connection whose every step ends at the deadline, however slowly the bytes drip."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self.stream = stream
        self.deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.stream.read(max_bytes, _left(self.deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.stream.write(buffer, _left(self.deadline))

    def close(self) -> None:
        self.stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _TimedStream(self.stream.start_tls(ssl_context, server_hostname, _left(self.deadline)), self.deadline)

    def get_extra_info(self, info: str) -> Any:
        return self.stream.get_extra_info(info)


def _left(deadline: float) -> float:
    """Seconds until the deadline."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("deadline")
    return left
