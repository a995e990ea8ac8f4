"""API keys: only their hashes are kept, in a file that the running server reads again when it changes."""

import contextlib
import hashlib
import hmac
import json
import logging
import os
import re
import secrets
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from anyseek.errors import ConfigError
from anyseek.locks import lock

__all__ = ["ROLES", "Key", "Keys", "Role", "add_key", "read_keys", "remove_key"]

log = logging.getLogger("anyseek.server")

Role = Literal["read", "write", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Each may do what those before it may."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key as it is kept.

    Attributes:
        name: who it was given to; stands in the audit log.
        role: what it may do.
        sha256: of the key itself. It is 256 random bits, so that a slow hash would add nothing.
        created: seconds since 1970.
    """

    name: str
    role: Role
    sha256: str
    created: int

    def may(self, role: Role) -> bool:
        """Whether it may do what needs this role."""
        return ROLES.index(self.role) >= ROLES.index(role)


def read_keys(path: Path) -> tuple[Key, ...]:
    """The keys of a file.

    Raises:
        ConfigError: missing, damaged, or others than its owner may write it.
    """
    try:
        mode = path.stat().st_mode
        rows = json.loads(path.read_text(encoding="utf-8"))["keys"]
        found = tuple(Key(**row) for row in rows)
    except FileNotFoundError:
        raise ConfigError(f"{path} is missing; make it with: anyseek serve keys add NAME --keys {path}") from None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} is damaged ({error!r}); mend it, or make the keys anew") from None
    if os.name == "posix" and mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(f"{path} may be written by others than its owner; run: chmod 600 {path}")
    for key in found:
        if key.role not in ROLES or not DIGEST.fullmatch(str(key.sha256)) or not NAME.fullmatch(str(key.name)):
            raise ConfigError(f"{path} is damaged (key {str(key.name)[:64]!r}); remove the key and add it again")
    return found


def add_key(path: Path, name: str, role: Role) -> str:
    """Make a key and keep its hash; the file is made when missing.

    Returns:
        The key, which cannot be shown again.

    Raises:
        ConfigError: the name is taken or malformed, or the file is damaged.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(f"key name {name!r} must be 1 to 64 letters, digits or ._@- and begin with one of the former")
    secret = f"anyseek-{secrets.token_urlsafe(32)}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path):
        keys = read_keys(path) if path.exists() else ()
        if any(key.name == name for key in keys):
            raise ConfigError(f"there is a key {name!r} already; remove it first, or take another name")
        _write(path, [*keys, Key(name=name, role=role, sha256=_hash(secret), created=int(time.time()))])
    return secret


def remove_key(path: Path, name: str) -> None:
    """Take a key away; a running server refuses it from its next request on.

    Raises:
        ConfigError: no key of that name.
    """
    read_keys(path)  # where there are none, nothing is made beside them
    with _alone(path):
        keys = read_keys(path)
        kept = [key for key in keys if key.name != name]
        if len(kept) == len(keys):
            raise ConfigError(f"{path} has no key {name!r}; it has {', '.join(key.name for key in keys) or 'none'}")
        _write(path, kept)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until nobody else changes a file: of two at once, the second would write over what the first added.

    Raises:
        ConfigError: the file beside it, which is locked, cannot be made or locked.
    """
    beside = path.with_name(f"{path.name}.lock")
    try:
        handle = os.open(beside, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigError(f"cannot write {beside}: {error.strerror}") from error
    try:
        try:
            lock(handle, wait=True)
        except OSError as error:
            raise ConfigError(f"cannot lock {beside}: {error.strerror}") from error
        yield
    finally:
        os.close(handle)  # which also unlocks


def _write(path: Path, keys: Sequence[Key]) -> None:
    """Replace the file at once, readable by its owner only."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # made with mode 600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"keys": [asdict(key) for key in keys]}, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def _hash(secret: str) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


class Keys:
    """The keys of a running server."""

    def __init__(self, path: Path) -> None:
        """Read the file, see `read_keys`."""
        self.path = path
        self._keys = read_keys(path)
        self._state = self._stat()

    def find(self, secret: str) -> Key | None:
        """The key, or None; takes equally long whichever it is, and whether or not it is one.

        A file that is gone or damaged lets nobody in until it is mended.
        """
        self._refresh()
        digest, found = _hash(secret), None
        for key in self._keys:
            if hmac.compare_digest(digest, key.sha256):
                found = key
        return found

    def has(self, key: Key) -> bool:
        """Whether a key is still there, as it was."""
        self._refresh()
        return key in self._keys

    def _refresh(self) -> None:
        """Read the file again when it has changed."""
        state = self._stat()
        if state == self._state:
            return
        self._state = state
        try:
            self._keys = read_keys(self.path)
        except ConfigError as error:
            self._keys = ()
            log.error("nobody is let in: %s", error)

    def _stat(self) -> tuple[int, ...] | None:
        """What changes when the file does."""
        try:
            state = self.path.stat()
        except OSError:
            return None
        return (state.st_ino, state.st_mtime_ns, state.st_size, state.st_mode)
