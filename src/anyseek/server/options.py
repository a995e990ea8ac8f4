"""How the server runs: where it listens, who may ask, and how much."""

import ipaddress
import socket
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit

from anyseek.errors import ConfigError

__all__ = ["Bounds", "ServerOptions", "is_loopback"]

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much one request, one key and all of them together may ask for.

    Attributes:
        body_bytes: most bytes of one body.
        upload_bytes: most bytes of a file that is sent to the library; it goes to disk as it comes.
        bodies_bytes: most bytes of all bodies that are being worked on.
        fetched_bytes: most bytes that the addresses in one request may lead to, all of them together.
        all_fetched_bytes: the same of all requests that are being worked on.
        held_bytes: most memory for the vectors of a library that is to be held, at the start.
        items: most inputs or documents of one request.
        characters: most characters in the prompts of one request; they are tokenised before anything can be cut.
        request_tokens: most tokens of one request, all its prompts together.
        queue_tokens: most tokens that wait for the model; more are refused with 503.
        concurrency: most requests of one key at a time; more are refused with 429.
        requests: most requests of all keys at a time; more are refused with 503.
        connections: most open connections.
        body_seconds: most time that a body may take to arrive, and the headers of a request; of an upload each piece.
        upload_rate: fewest bytes a second of an upload, after its first `body_seconds`.
        request_seconds: most time from the body to the answer.
        drain_seconds: most time that a shutdown waits for what was taken.
    """

    body_bytes: int = 64 * MIB
    upload_bytes: int = 2048 * MIB
    bodies_bytes: int = 512 * MIB
    fetched_bytes: int = 256 * MIB
    all_fetched_bytes: int = 1024 * MIB
    held_bytes: int = 16384 * MIB
    items: int = 2048
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
        """Raise ConfigError for a bound that is not positive."""
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise ConfigError(f"{field.name} must be positive (got {getattr(self, field.name)!r})")


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
        hold: whether all its vectors are held in memory.
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
    hold: bool = False
    audit: Path | None = None
    bounds: Bounds = Bounds()
    batch_tokens: int = 8192
    batch_seconds: float = 0.5

    def __post_init__(self) -> None:
        """Raise ConfigError for an open door: another address than loopback without keys, or any origin."""
        if self.keys is None and not is_loopback(self.host):
            raise ConfigError(
                f"host {self.host!r} can be reached from other machines, so keys are needed: make one with "
                "'anyseek serve keys add NAME' and give the file with --keys, or listen on 127.0.0.1"
            )
        for origin in self.origins:
            parts = urlsplit(origin)
            if (
                parts.scheme not in ("http", "https")
                or not parts.netloc
                or origin != f"{parts.scheme}://{parts.netloc}"
            ):
                raise ConfigError(f"origin {origin!r} must be scheme://host[:port], named one by one (no '*', no path)")
        if self.hold and self.library is None:
            raise ConfigError("hold needs a library; name one, or folders")
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port must be between 0 and 65535 (got {self.port})")
        for name in ("batch_tokens", "batch_seconds"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive (got {getattr(self, name)!r})")


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
