"""Locks on files, which the system takes back when their process is gone, however it went."""

import os

__all__ = ["lock"]

FAR = 1 << 30
"""On Windows the byte that is locked: what lies before it can still be read."""


def lock(handle: int, *, wait: bool = False) -> bool:
    """Lock a file until the last handle of it that this process has is closed.

    Args:
        handle: of a file that is open for writing.
        wait: for whoever holds it.

    Returns:
        Whether it was free; always true when it waits.

    Raises:
        OSError: the drive keeps no locks; on Windows also when somebody holds it for ten seconds.
    """
    try:
        if os.name == "nt":
            import msvcrt

            os.lseek(handle, FAR, os.SEEK_SET)
            how = msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK  # type: ignore[attr-defined]
            msvcrt.locking(handle, how, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # what a taken lock is called on POSIX, and on Windows
        if wait:
            raise
        return False
    return True
