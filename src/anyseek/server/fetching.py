"""What requests have had fetched from addresses, in bytes: for one of them, and for all that are inside."""

import threading
from typing import Any

from anyseek.errors import LimitError
from anyseek.media import Blob, MediaOptions, open_source
from anyseek.server.faults import Fault
from anyseek.server.options import Bounds

__all__ = ["Fetched", "Fetches"]


class Fetches:
    """What all requests hold together.

    Attributes:
        bounds: how much it may be.
        bytes: how much it is.
        lock: for whoever changes it.
    """

    def __init__(self, bounds: Bounds) -> None:
        """Nothing yet."""
        self.bounds, self.bytes, self.lock = bounds, 0, threading.Lock()


class Fetched:
    """What one request holds; may be added to by several threads."""

    def __init__(self, everybody: Fetches) -> None:
        """Nothing yet."""
        self._all, self._bytes, self._is_over = everybody, 0, False

    def open(self, source: Any, media: MediaOptions) -> Blob:
        """`open_source`, where what comes from an address is counted.

        Raises:
            LimitError: this request has had too much fetched.
            Fault: 503 when all of them have.
        """
        blob = open_source(source, media)
        if isinstance(source, str) and source[:5].lower() != "data:":
            self._add(blob.size)
        return blob

    def release(self) -> None:
        """The request is over: it holds nothing, and what still comes for it is not kept."""
        with self._all.lock:
            self._all.bytes -= self._bytes
            self._bytes, self._is_over = 0, True

    def _add(self, count: int) -> None:
        """Count bytes, while somebody waits for them."""
        bounds = self._all.bounds
        with self._all.lock:
            if self._is_over:
                return
            if self._bytes + count > bounds.fetched_bytes:
                text = f"the addresses of this request hold more than {bounds.fetched_bytes:,} bytes"
                raise LimitError(f"{text}; send several requests")
            if self._all.bytes + count > bounds.all_fetched_bytes:
                raise Fault(503, "too much is being fetched for all together", "server_full", retry_after=2)
            self._bytes += count
            self._all.bytes += count
