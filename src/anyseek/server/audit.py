"""The audit log: one line of JSON for every request, never with anything of its contents."""

import json
import logging
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Audit", "Entry"]

log = logging.getLogger("anyseek.server")


@dataclass(slots=True)
class Entry:
    """What is known of a request.

    Attributes:
        id: in the answer's header too.
        key: name of the key; None without one.
        endpoint: method and the address as documented, never what somebody wrote there.
        items: inputs or documents.
        tokens: of their prompts.
        status: of the answer; 0 before it, and 499 when the client left before it.
        seconds: from the headers to the answer.
    """

    id: str
    key: str | None = None
    endpoint: str = ""
    items: int = 0
    tokens: int = 0
    status: int = 0
    seconds: float = 0.0


class Audit:
    """Appends to a file; a line is written at once, so that no two mix.

    The file stays open, so that lines are written also when no more files can be opened; one that was moved away, as
    by a rotation, is let go.
    """

    def __init__(self, path: Path | None) -> None:
        """Write to this file, or nowhere.

        Raises:
            OSError: it cannot be written.
        """
        self.path = path
        self._handle: int | None = None
        if path is not None:
            self._open(path)

    def write(self, entry: Entry) -> None:
        """One line; a full disk costs the line, and says so in the log."""
        if self.path is None:
            return
        moment = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{int(moment % 1 * 1000):03d}Z"
        line = {
            "time": stamp,
            "id": entry.id,
            "key": entry.key,
            "endpoint": entry.endpoint,
            "items": entry.items,
            "tokens": entry.tokens,
            "status": entry.status,
            "seconds": round(entry.seconds, 4),
        }
        try:
            os.write(self._open(self.path), json.dumps(line).encode() + b"\n")
        except OSError as error:
            log.error("the audit log cannot be written: %s", error.strerror)

    def close(self) -> None:
        """Let the file go; one more line opens it again."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _open(self, path: Path) -> int:
        """The file, which only its owner may read when it is new."""
        if self._handle is not None:
            with suppress(OSError):
                if os.path.samestat(path.stat(), os.fstat(self._handle)):
                    return self._handle
        fresh = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.close()
        self._handle = fresh
        return fresh
