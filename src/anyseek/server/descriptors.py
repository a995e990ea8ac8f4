"""File descriptors: every connection takes one, as does every open file of a library, an upload and the audit log."""

import errno
import logging
from contextlib import suppress
from dataclasses import replace

from anyseek.server.options import Bounds

__all__ = ["ACCEPTED", "EXHAUSTED", "WAITING", "fitting"]

log = logging.getLogger("anyseek.server")

RESERVE = 256
"""Descriptors that are kept for what is no connection, and for connections that are there only to be refused."""
ACCEPTED = 64
"""Connections that are taken at once from those that wait in the system; the bound is only seen behind them."""
WAITING = 32
"""Connections beyond the bound that are told so; further ones are closed without a word."""
EXHAUSTED = (errno.EMFILE, errno.ENFILE)
"""What the system says when no more can be opened."""


def fitting(bounds: Bounds) -> Bounds:
    """The bounds, with as many connections as this process may have, which is first let open all the files it may."""
    try:
        import resource
    except ImportError:  # on Windows, where nothing of this kind is bounded
        return bounds
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = bounds.connections + RESERVE
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return bounds
    if hard != resource.RLIM_INFINITY:
        wanted = min(hard, wanted)
    with suppress(ValueError, OSError):  # a system with a further bound of its own
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    most = min(bounds.connections, soft - min(RESERVE, soft // 2))
    if most < bounds.connections:
        log.warning("only %d connections at a time, as this process may open %d files (ulimit -n)", most, soft)
    return replace(bounds, connections=most)
