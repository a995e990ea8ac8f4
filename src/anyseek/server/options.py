"""How the server runs: where it listens, who may ask, and how much."""

import ipaddress
import socket
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit

from anyseek.errors import ConfigError

__all__ = ["MOST_ITEMS", "Bounds", "ServerOptions", "is_loopback", "named"]

MIB = 1 << 20
MOST_ITEMS = 1 << 16
"""Of any list of inputs or parts in a request. It stands in the schema, so that no more of a list is examined."""
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much one request, one key and all of them together may ask for.

    Attributes:
        body_bytes: most bytes of one body.
        upload_bytes: most bytes of a file that is sent to the library; it goes to disk as it comes.
        bodies_bytes: most bytes of all bodies that are being worked on.
        fetched_bytes: most bytes that the addresses in one request may lead to, all of them together.
        all_fetched_bytes: the same of all requests that are being worked on.
        items: most inputs or documents of one request, at most `MOST_ITEMS`.
        parts: most texts, pictures, pages and videos in the prompts of one request, each of which repeats the query.
        characters: most characters in the prompts of one request; they are tokenised before anything can be cut.
        request_tokens: most tokens of one request, all its prompts together.
        queue_tokens: most tokens that wait for the model; more are refused with 503.
        concurrency: most requests of one key at a time; more are refused with 429.
        requests: most requests of all keys at a time; more are refused with 503.
        connections: most open connections; fewer where the process may not open so many files.
        body_seconds: most time that a body may take to arrive, and the headers of a request; of an upload each piece;
            and in which something must be read of an answer.
        upload_rate: fewest bytes a second of an upload, after its first `body_seconds`.
        request_seconds: most time from the body to the head of the answer, and from there to each next piece of it.
        drain_seconds: most time that a shutdown waits for what was taken.
    """

    body_bytes: int = 64 * MIB
    upload_bytes: int = 2048 * MIB
    bodies_bytes: int = 512 * MIB
    fetched_bytes: int = 256 * MIB
    all_fetched_bytes: int = 1024 * MIB
    items: int = 2048
    parts: int = MOST_ITEMS
    characters: int = 1 << 22
    request_tokens: int = 1 << 20
    queue_tokens: int = 1 << 22
    concurrency: int = 64
    requests: int = 512
    connections: int = 2048
    body_seconds: float = 30
    upload_rate: int = 16 << 10
    request_seconds: float = 600
    drain_seconds: float = 60

    def __post_init__(self) -> None:
        """Raise ConfigError for a bound that is not positive, or lets in more items than the schema does."""
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise ConfigError(f"{field.name} must be positive (got {getattr(self, field.name)!r})")
        if self.items > MOST_ITEMS:
            raise ConfigError(f"items must be at most {MOST_ITEMS:,} (got {self.items:,})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """How the server runs.

    Attributes:
        host: address to listen on; other than loopback only with keys.
        port: 0 takes any free one.
        keys: file of API keys (`anyseek serve keys`); None lets everybody on this machine in.
        origins: web pages that browsers may let ask, each `scheme://host[:port]`; none by default.
        hosts: further names by which browsers and clients call this server, for one that has no keys.
        aliases: further names of the models in requests, such as one that a client has built in.
        library: folder or address of the library that is served; None for none.
        folders: what is indexed into it from the start.
        held_bytes: its vectors are held in memory while they take no more; 0 searches them on disk.
        audit: file that gets a line of JSON for every request, without contents; None for none.
        bounds: how much may be asked.
        batch_tokens: most tokens and merged patches computed together.
        batch_seconds: a batch is kept so small that it takes about this long, as measured, and whoever comes next
            waits no longer.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    keys: Path | None = None
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    library: Path | str | None = None
    folders: tuple[Path, ...] = ()
    held_bytes: int = 2048 * MIB
    audit: Path | None = None
    bounds: Bounds = Bounds()
    batch_tokens: int = 8192
    batch_seconds: float = 0.5

    def __post_init__(self) -> None:
        """Write hosts and origins as browsers send them.

        Raises:
            ConfigError: an open door: another address than loopback without keys, or any origin.
        """
        object.__setattr__(self, "host", self.host.lower())
        object.__setattr__(self, "hosts", tuple(host.lower() for host in self.hosts))
        object.__setattr__(self, "origins", tuple(map(_origin, self.origins)))
        if self.keys is None and not is_loopback(self.host):
            raise ConfigError(
                f"host {self.host!r} can be reached from other machines, so keys are needed: make one with "
                "'anyseek serve keys add NAME' and give the file with --keys, or listen on 127.0.0.1"
            )
        if self.held_bytes < 0:
            raise ConfigError(f"held_bytes must not be negative (got {self.held_bytes})")
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port must be between 0 and 65535 (got {self.port})")
        for name in ("batch_tokens", "batch_seconds"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive (got {getattr(self, name)!r})")


def _origin(given: str) -> str:
    """An origin as browsers send it: in lower case, and without the port that its scheme has anyway.

    Raises:
        ConfigError: it is none.
    """
    wrong = ConfigError(f"origin {given!r} must be scheme://host[:port], named one by one (no '*', no path)")
    try:
        parts = urlsplit(given)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    more = parts.path or parts.query or parts.fragment or set("@*") & set(parts.netloc)
    if parts.scheme not in PORTS or not host or more:
        raise wrong
    return f"{parts.scheme}://{named(host)}" + ("" if port in (None, PORTS[parts.scheme]) else f":{port}")


def named(host: str) -> str:
    """A host as addresses have it: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def is_loopback(host: str) -> bool:
    """True when a name or number leads to this machine and nowhere else.

    Raises:
        ConfigError: there is no such host.
    """
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host or "0.0.0.0", None, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"host {host!r} has no address on this machine; use 127.0.0.1") from error
    return all(ipaddress.ip_address(one.partition("%")[0]).is_loopback for one in found)
