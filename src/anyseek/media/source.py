"""Where bytes come from: paths, file:// and http(s) addresses, data URIs, bytes."""

import base64
import binascii
import io
import re
import stat
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, BinaryIO
from urllib.parse import unquote, unquote_to_bytes

from anyseek.errors import DecodeError, InputError, LimitError, RefusedError, SourceError
from anyseek.media.fetch import fetch
from anyseek.media.options import MediaOptions

__all__ = ["HEAD", "Blob", "open_source"]

HEAD = 4096
NAME_LENGTH = 100
LOGIN = re.compile(r"//[^/]*@")
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,15}(?=://)")


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that are there and within the limits: a local file or memory.

    Every function of this room takes a Blob where it takes a source, so that an address is fetched only once.

    Attributes:
        name: how messages call it; short.
        size: bytes.
        path: the file, symbolic links followed; None when the bytes are in memory.
        data: the bytes; None for a file.
    """

    name: str
    size: int
    path: Path | None = None
    data: bytes | None = None

    def head(self, count: int = HEAD) -> bytes:
        """The first `count` bytes, or all of them when there are fewer.

        Raises:
            SourceError: the file went away or cannot be read.
        """
        if self.data is not None:
            return self.data[:count]
        return self._read(count)

    def open(self) -> BinaryIO:
        """A fresh binary file at its start; the caller closes it.

        Raises:
            SourceError: the file went away or cannot be read.
        """
        if self.data is not None:
            return io.BytesIO(self.data)
        assert self.path is not None
        try:
            return self.path.open("rb")
        except OSError as error:
            raise SourceError(f"cannot read {self.name}: {error.strerror}") from error

    def read(self) -> bytes:
        """All bytes.

        Raises:
            SourceError: the file went away or cannot be read.
        """
        return self.data if self.data is not None else self._read(-1)

    def _read(self, count: int) -> bytes:
        """The first bytes of a file; all for -1."""
        with self.open() as file:
            try:
                return file.read(count)
            except OSError as error:  # a bad disk, a drive that went away
                raise SourceError(f"cannot read {self.name}: {error.strerror}") from error


def open_source(source: Any, options: MediaOptions) -> Blob:
    """Find the bytes of a source and check them against the options; a local file is not read yet.

    Args:
        source: Path, str (path, `file://`, http(s) address, data URI), bytes-like, or a Blob, which is given back.
        options: what is allowed.

    Raises:
        SourceError: missing, a folder, 404, too slow.
        RefusedError: not allowed by the options.
        LimitError: too many bytes.
        DecodeError: no bytes at all, or a broken data URI.
        InputError: not a source.
    """
    if isinstance(source, Blob):
        return source
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
        return _in_memory(data, f"<{len(data)} bytes>", options.max_bytes, "max_bytes")
    if isinstance(source, PurePath):
        return _from_path(str(source), options)
    if isinstance(source, str):
        return _from_text(source, options)
    raise InputError(
        f"cannot load {type(source).__name__}: give a path, a file://, http:// or https:// address, a data URI or bytes"
    )


def _from_text(text: str, options: MediaOptions) -> Blob:
    """A str: address, data URI or path."""
    start = text[:16].lower()
    if start.startswith("data:"):
        return _from_data_uri(text, options)
    if start.startswith(("http://", "https://")):
        name = shorten(LOGIN.sub("//", text.split("?", 1)[0], count=1))
        return _in_memory(fetch(text, name, options), name, options.max_download_bytes, "max_download_bytes")
    if start.startswith("file:"):
        return _from_path(_file_address(text, options), options)
    scheme = SCHEME.match(text)
    if scheme:
        raise RefusedError(
            f"{shorten(text)}: {scheme[0]}:// addresses are not loaded; use http, https, file, data or a path"
        )
    return _from_path(text, options)


def _file_address(text: str, options: MediaOptions) -> str:
    """The path of a file:// address; percent signs that encode nothing real are kept, as the reference keeps them."""
    rest = text[len("file:") :]
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host.lower() not in ("", "localhost"):
            raise RefusedError(f"{shorten(text)}: files of another machine are not loaded; write file:///path")
        rest = slash + path
    decoded = unquote(rest)
    if decoded != rest and _allowed(rest, options) and _exists(rest) and not _exists(decoded):
        return rest
    return decoded


def _exists(text: str) -> bool:
    """Whether a path leads to something."""
    try:
        return Path(text).exists()
    except (OSError, ValueError):  # too long, a NUL
        return False


def _allowed(text: str, options: MediaOptions) -> bool:
    """Whether a path may be looked at (a NUL makes it no path at all)."""
    if "\0" in text or not (options.files or options.root):
        return False
    if options.root is None:
        return True
    try:
        return Path(text).resolve().is_relative_to(options.root.resolve())
    except (OSError, RuntimeError, UnicodeError):  # RuntimeError: links that lead in a circle
        return False


def _from_path(text: str, options: MediaOptions) -> Blob:
    """A regular file that is not empty and not too large.

    The refusal comes before the look whether it exists, so that nobody can ask what lies outside the root.
    """
    name = shorten(text)
    if not text or "\0" in text:
        raise SourceError(f"{name!r} is not a path")
    if not (options.files or options.root):
        raise RefusedError(f"{name}: paths are not allowed here; send the bytes, a data URI, or set MediaOptions.root")
    if not _allowed(text, options):
        raise RefusedError(f"{name}: outside the allowed folder (MediaOptions.root)")
    try:
        path = Path(text).resolve(strict=True)
        status = path.stat()
    except UnicodeError:
        raise SourceError(f"{name!r} holds half a character, which no path does") from None
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "links that lead in a circle"
        raise SourceError(f"cannot read {name}: {reason}") from error
    if not stat.S_ISREG(status.st_mode):
        what = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
        raise SourceError(f"{name} is {what}; give the path of one file")
    _check_size(status.st_size, name, options.max_bytes, "max_bytes")
    return Blob(name, status.st_size, path=path)


def _from_data_uri(text: str, options: MediaOptions) -> Blob:
    """`data:[type][;base64],...`; white space inside base64 and missing padding are forgiven, other bytes are not."""
    comma = text.find(",", 0, HEAD)
    name = shorten(text[:60]) + "..."
    if comma < 0:
        raise DecodeError(f"{name}: a data URI needs a comma between its type and its data")
    coded = text[:comma].lower().rstrip().endswith(";base64")
    most = options.max_download_bytes
    payload = len(text) - comma - 1
    # A first look before anything is decoded, by a lower bound: line breaks and percent signs take room too.
    _check_size(max(1, payload // (2 if coded else 3)), name, most, "max_download_bytes")
    body = text[comma + 1 :]
    if not coded:
        try:
            return _in_memory(unquote_to_bytes(body), name, most, "max_download_bytes")
        except UnicodeEncodeError:
            raise DecodeError(f"{name}: this data URI holds half a character; send valid Unicode") from None
    letters = "".join((unquote(body) if "%" in body else body).split()).rstrip("=")
    letters = letters.replace("-", "+").replace("_", "/")
    try:
        data = base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True)
    except (binascii.Error, ValueError) as error:  # ValueError: letters outside ASCII
        raise DecodeError(f"{name}: the base64 of this data URI is broken ({error})") from error
    return _in_memory(data, name, most, "max_download_bytes")


def _in_memory(data: bytes, name: str, most: int, knob: str) -> Blob:
    """A Blob of bytes, checked."""
    _check_size(len(data), name, most, knob)
    return Blob(name, len(data), data=data)


def _check_size(size: int, name: str, most: int, knob: str) -> None:
    """Raise for no bytes and for too many."""
    if size == 0:
        raise DecodeError(f"{name} is empty (0 bytes)")
    if size > most:
        switch = " (anyseek index --retry --max-file-gib)" if knob == "max_bytes" else ""
        raise LimitError(
            f"{name} has {size:,} bytes, more than {most:,}; raise MediaOptions.{knob} if you trust it{switch}"
        )


def shorten(text: str) -> str:
    """At most 100 printable characters of a name: its start and its end."""
    if len(text) > NAME_LENGTH:
        text = f"{text[:60]}...{text[-37:]}"
    return text if text.isprintable() else ascii(text)[1:-1]
