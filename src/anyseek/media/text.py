"""Text files: UTF-8, or UTF-16 and UTF-32 with their mark; an encoding is never guessed."""

import codecs
from typing import Any

from anyseek.errors import DecodeError, LimitError
from anyseek.media.options import MediaOptions
from anyseek.media.source import Blob, open_source

__all__ = ["first_text", "read_text"]

# UTF-32 first: its little-endian mark begins with that of UTF-16.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


def read_text(source: Any, options: MediaOptions) -> str:
    """The text of a file; line ends and white space stay as they are.

    Args:
        source: anything `open_source` takes, or a Blob.
        options: sources allowed and limits.

    Raises:
        DecodeError: another encoding, or no text at all.
        LimitError: more bytes than `max_text_bytes`.
    """
    blob = open_source(source, options)
    if blob.size > options.max_text_bytes:
        raise LimitError(
            f"{blob.name} has {blob.size:,} bytes, more than {options.max_text_bytes:,} for text; "
            "split it or raise MediaOptions.max_text_bytes"
        )
    data = blob.read()
    encoding = _encoding(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DecodeError(
            f"{blob.name} is not valid {encoding.upper()} at byte {error.start:,}; convert it first, "
            "for example with `iconv -f latin1 -t utf-8`"
        ) from error
    if "\0" in text:
        raise DecodeError(f"{blob.name} holds NUL characters: it is binary, or UTF-16 without its mark")
    return text


def first_text(blob: Blob, count: int) -> str:
    """The first characters of a text, without reading the rest; what is broken is replaced.

    Args:
        blob: of it.
        count: most characters.

    Raises:
        SourceError: the file went away or cannot be read.
    """
    head = blob.head(4 * (count + 1))  # a character has four bytes at most, and a mark stands before them
    return codecs.getincrementaldecoder(_encoding(head))("replace").decode(head)[:count]


def _encoding(data: bytes) -> str:
    """The encoding that a mark tells, or UTF-8."""
    return next((name for mark, name in MARKS if data.startswith(mark)), "utf-8")
