"""One writer at a time: a lock on a file that the system takes back when its process is gone, however it went."""

import os
from contextlib import suppress
from pathlib import Path
from typing import IO

from anyseek.errors import CapacityError, ConfigError
from anyseek.locks import lock

__all__ = ["WriterLock", "unwritable"]

NAME = "writer.lock"


class WriterLock:
    """The lock of a library in a folder.

    Args:
        folder: of the library.

    Raises:
        CapacityError: another process, or another writer of this one, holds it; says which.
        ConfigError: nobody can write there, or the drive keeps no locks.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._file: IO[str] = (folder / NAME).open("a+", encoding="ascii")
        except OSError as error:
            raise unwritable(folder, error) from error
        try:
            taken = lock(self._file.fileno())
        except OSError as error:
            self._file.close()
            raise ConfigError(
                f"the drive of {folder} keeps no locks ({error.strerror}); name another folder"
            ) from error
        if not taken:
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


def unwritable(folder: Path, error: OSError) -> ConfigError:
    """What is said of a folder that cannot be made, or not written to."""
    return ConfigError(f"{folder} cannot be written to ({error.strerror}); name another folder")
