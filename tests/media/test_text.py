import codecs
from pathlib import Path

import pytest

from anyseek.errors import DecodeError, LimitError
from anyseek.media import MediaOptions, first_text, open_source, read_text

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


def test_binary_and_unmarked_utf16() -> None:
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
