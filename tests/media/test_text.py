import codecs
import random
from pathlib import Path

import numpy as np
import pytest

from anyseek.errors import DecodeError, LimitError
from anyseek.media import MediaOptions, first_text, open_source, read_text, sniff, unmarked_utf16

OPTIONS = MediaOptions()
WORDS = "größer\r\n 大\t😀 \n"


@pytest.mark.parametrize(
    "data",
    [
        WORDS.encode(),
        codecs.BOM_UTF8 + WORDS.encode(),
        codecs.BOM_UTF16_LE + WORDS.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + WORDS.encode("utf-16-be"),
        codecs.BOM_UTF32_LE + WORDS.encode("utf-32-le"),
        codecs.BOM_UTF32_BE + WORDS.encode("utf-32-be"),
    ],
    ids=["plain", "utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"],
)
def test_encodings_with_their_marks(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_bytes(data)
    assert read_text(data, OPTIONS) == read_text(tmp_path / "words.txt", OPTIONS) == WORDS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_the_first_characters_are_those_of_the_text(encoding: str, tmp_path: Path) -> None:
    for words in (WORDS, "😀" * 9, "ab"):
        (tmp_path / "words.txt").write_bytes(words.encode(encoding))
        blob = open_source(tmp_path / "words.txt", OPTIONS)
        assert [first_text(blob, count) for count in (1, 3, 8)] == [words[:1], words[:3], words[:8]]


def test_latin1_is_never_guessed() -> None:
    with pytest.raises(DecodeError, match=r"<9 bytes> is not valid UTF-8 at byte 3; convert it first.*iconv -f latin1"):
        read_text("caf\xe9 noir".encode("latin-1"), OPTIONS)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "words",
    [
        "Name;Größe\r\n\u201cApple\u201d;3\r\n" + "Pear;4 \u20ac\r\n" * 5,
        "Привет, мир! Это проверка.\r\n",
        "Καλημέρα κόσμε, τι κάνεις;\r\n",
        "שלום עולם, מה שלומך?\r\n",
        "नमस्ते दुनिया, आप कैसे हैं?\r\n",
        "Zażółć gęślą jaźń\r\n" * 999,
    ],
    ids=["latin", "cyrillic", "greek", "hebrew", "devanagari", "polish"],
)
def test_utf16_without_a_mark(words: str, encoding: str, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_bytes(words.encode(encoding))
    blob = open_source(tmp_path / "words.txt", OPTIONS)
    assert unmarked_utf16(blob.head()) == encoding
    assert read_text(blob, OPTIONS) == words
    assert first_text(blob, 5) == words[:5]


@pytest.mark.parametrize(
    "data",
    [
        "abc".encode("utf-16-le"),
        "words".encode("utf-16-le")[:-1],
        "words".encode("utf-32-le"),
        "\x01 words".encode("utf-16-le"),
        "words \x90".encode("utf-16-le"),
        "words\0".encode("utf-16-le"),
        "words".encode("utf-16-le") + b"\0\xd8x\xd8",
        b"Hello\0you\0and\0all\0the\0others\0",
        b"\x7fELF\x02\x01\x01" + bytes(9),
        bytes(200),
        *(random.Random(seed).randbytes(400) for seed in range(3)),
        np.arange(300, 9000, 7, dtype="<u2").tobytes(),
        np.round(3000 * np.sin(np.arange(2000))).astype("<i2").tobytes(),
    ],
)
def test_what_is_no_utf16(data: bytes) -> None:
    assert unmarked_utf16(data) is None
    assert sniff(data) is None
    with pytest.raises(DecodeError):
        read_text(data, OPTIONS)


def test_utf16_that_breaks_off_into_something_else() -> None:
    words = "words " * 999
    for rest, message in ((b"\0\0", "NUL"), (b"\0", "not valid UTF-16-LE at byte 11,988"), (b"\0\xd8", "UTF-16-LE")):
        with pytest.raises(DecodeError, match=message):
            read_text(words.encode("utf-16-le") + rest, OPTIONS)
    assert read_text("größer 大 and smaller".encode(), OPTIONS) == "größer 大 and smaller"


def test_binary() -> None:
    for data in (b"a\0b", "abc".encode("utf-16-le")):
        with pytest.raises(DecodeError, match="NUL"):
            read_text(data, OPTIONS)


def test_broken_utf16() -> None:
    with pytest.raises(DecodeError, match="not valid UTF-16"):
        read_text(codecs.BOM_UTF16_LE + b"a\0b", OPTIONS)


def test_limit() -> None:
    assert read_text(b"abcd", MediaOptions(max_text_bytes=4)) == "abcd"
    with pytest.raises(LimitError, match="max_text_bytes"):
        read_text(b"abcde", MediaOptions(max_text_bytes=4))
