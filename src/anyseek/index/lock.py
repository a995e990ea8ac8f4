"""One writer at a time: a lock on a file that the system takes back when its process is gone, however it went."""

import os
from contextlib import suppress
from pathlib import Path
from typing import IO

from anyseek.errors import CapacityError

__all__ = ["WriterLock"]

NAME = "writer.lock"
FAR = 1 << 30
"""On Windows the byte that is locked: what lies before it, the number of the process, can still be read."""


class WriterLock:
    """The lock of a library in a folder.

    Args:
        folder: of the library.

    Raises:
        CapacityError: another process, or another writer of this one, holds it; says which.
    """

    def __init__(self, folder: Path) -> None:
        self._file: IO[str] = (folder / NAME).open("a+", encoding="ascii")
        if not _take(self._file):
            self._file.seek(0)
            holder = self._file.read().strip()
            self._file.close()
            who = f"process {holder}" if holder else "another process"
            raise CapacityError(f"{folder} is being written by {who}; wait for it, or stop it")
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Let the next one write."""
        with suppress(ValueError):
            self._file.truncate(0)
        self._file.close()  # which also unlocks


def _take(file: IO[str]) -> bool:
    """Whether the lock was free; the system drops it with the last handle of the process."""
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(FAR)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
