"""Text files: UTF-8, or UTF-16 and UTF-32 with their mark, or UTF-16 that can be nothing else; else never guessed."""

import codecs
import re
from collections import Counter
from typing import Any

from anyseek.errors import DecodeError, LimitError
from anyseek.media.kind import is_text
from anyseek.media.options import MediaOptions
from anyseek.media.source import HEAD, Blob, open_source

__all__ = ["first_text", "read_text", "unmarked_utf16"]

# UTF-32 first: its little-endian mark begins with that of UTF-16.
MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
LEAST_NARROW = 4
"""Characters below U+0100 without which nothing is taken for UTF-16 that has no mark."""
UNSEEN = re.compile("[\x80-\x84\x86-\x9f]")
"""Control characters beyond ASCII, but for the end of a line."""


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
    head = blob.head(max(HEAD, 4 * (count + 1)))  # a character has four bytes at most, and a mark stands before them
    return codecs.getincrementaldecoder(_encoding(head))("replace").decode(head)[:count]


def unmarked_utf16(head: bytes) -> str | None:
    """The name of UTF-16 without a mark, by the first bytes of a text that can be nothing else.

    Of its bytes every other one is NUL now and then, and of the rest none, which East Asian texts seldom keep to. It
    has no control characters, and is of one alphabet.

    Args:
        head: all bytes, or the first 4096.

    Returns:
        `utf-16-le` or `utf-16-be`, None for anything else.
    """
    nuls = [head[half::2].count(0) for half in (0, 1)]
    if len(head) % 2 or min(nuls) or max(nuls) < LEAST_NARROW:
        return None
    name = "utf-16-be" if nuls[0] else "utf-16-le"
    try:
        text = codecs.getincrementaldecoder(name)().decode(head)
    except UnicodeDecodeError:
        return None
    return name if is_text(text.encode()) and not UNSEEN.search(text) and _is_of_one_alphabet(text) else None


def _is_of_one_alphabet(text: str) -> bool:
    """Whether nearly all characters are below U+0100, or those and of one other block of 256.

    Pairs of letters, such as stand between the NULs of a list of words, are of many blocks, and beyond U+2000.
    """
    blocks = Counter(ord(letter) >> 8 for letter in text)
    other = max((count for block, count in blocks.items() if 0 < block < 0x20), default=0)
    return (blocks[0] + other) * 10 >= len(text) * 9


def _encoding(data: bytes) -> str:
    """The encoding that a mark tells, or UTF-16 that needs none, or UTF-8."""
    marked = next((name for mark, name in MARKS if data.startswith(mark)), None)
    return marked or unmarked_utf16(data[:HEAD]) or "utf-8"
