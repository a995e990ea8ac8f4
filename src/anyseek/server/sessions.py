"""Sessions: a browser's cookie in place of a key, so that a page can show pictures and films of a guarded server.

A session is a random token, of which only the hash is kept, in memory. It ends after a while, with the server, when it
is told to, and when the key that it was opened with is taken away or changed.
"""

import hashlib
import secrets
import time
from collections.abc import Callable

from starlette.requests import cookie_parser

from anyseek.server.keys import Key

__all__ = ["COOKIE", "SECONDS", "Sessions", "cookie", "token_of"]

COOKIE = "anyseek_session"
SECONDS = 12 * 3600
"""How long a session lasts."""
MOST = 10_000
"""Sessions; beyond it the oldest ends."""


class Sessions:
    """Open sessions, by the hash of their token."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """None yet."""
        self._clock = clock
        self._open: dict[str, tuple[float, Key]] = {}

    def begin(self, key: Key) -> str:
        """Open one for whoever has this key; its token, which is not kept."""
        now = self._clock()
        self._open = {digest: one for digest, one in self._open.items() if one[0] > now}
        while len(self._open) >= MOST:
            del self._open[next(iter(self._open))]
        token = secrets.token_urlsafe(32)
        self._open[_hash(token)] = (now + SECONDS, key)
        return token

    def find(self, token: str) -> Key | None:
        """The key that a session was opened with; None for none. It is looked up by hash, so time tells nothing."""
        ends, key = self._open.get(_hash(token), (0.0, None))
        return key if ends > self._clock() else None

    def end(self, token: str) -> None:
        """End one, if it is open."""
        self._open.pop(_hash(token), None)


def token_of(header: str | None) -> str | None:
    """The token in a Cookie header, whatever other programs on this machine have put beside it."""
    return cookie_parser(header or "").get(COOKIE)


def cookie(token: str, *, secure: bool) -> str:
    """The header that sets the cookie; an empty token takes it away.

    Args:
        token: of the session.
        secure: whether the page was loaded over TLS, and the cookie may travel in nothing else.
    """
    age = SECONDS if token else 0
    return f"{COOKIE}={token}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")


def _hash(token: str) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
