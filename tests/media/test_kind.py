import codecs
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from anyseek.media import kind, sniff

Film = Callable[[str], Path]


@pytest.mark.parametrize("name", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "JPEG2000", "AVIF"])
def test_pictures(name: str) -> None:
    out = io.BytesIO()
    Image.new("RGB", (5, 4)).save(out, name)
    assert sniff(out.getvalue()[:4096]) == "image"
    assert kind.image_format(out.getvalue()) == name


def test_films(film: Film, film_name: str) -> None:
    head = film(film_name).read_bytes()[:4096]
    assert sniff(head) == ("image" if film_name.endswith(".gif") else "video")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", "pdf"),
        (b"\xef\xbb\xbf\n%PDF-1.4", "pdf"),
        (bytes(900) + b"%PDF-1.4", "pdf"),
        (b"\x01" * 1200 + b"%PDF-1.4", None),
        (b"a PDF begins with %PDF-1.4", "text"),
        (b"BMW is a car, and this is a sentence about it", "text"),
        (b"GIF stands for", "text"),
        (b"The free encyclopedia", "text"),
        (b"plain", "text"),
        ("größer 大 😀".encode(), "text"),
        ("abc".encode("utf-16"), "text"),
        (codecs.BOM_UTF16_BE + "abc".encode("utf-16-be"), "text"),
        (codecs.BOM_UTF8 + b"abc", "text"),
        (b"caf\xe9 au lait", None),
        (b"a\x00b", None),
        (b"a\x07b", None),
        (b"\x7fELF\x02\x01\x01", None),
        (b"PK\x03\x04\x14\x00", None),
        (b"", None),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", None),
        (b"\x00\x00\x00\x18ftypM4A \x00\x00\x00\x00M4A mp42", None),
        (b"\x00\x00\x00\x14ftyp3gp4\x00\x00\x00\x003gp4", "video"),
        (b"\x00\x00\x00\x08wide\x00\x00\x10\x00mdat", "video"),
        (b"OggS\x00\x02" + bytes(22) + b"\x01\x1e\x01vorbis", None),
        (b"OggS\x00\x02" + bytes(22) + b"\x01\x2a\x80theora", "video"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", None),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9", "video"),
        ((b"\x00\x00\x01\x02G" + bytes(187)) * 4, "video"),
        (b"G" + b"x" * 187 + b"G" + b"x" * 187 + b"Great", "text"),
    ],
    ids=lambda value: repr(value)[:24] if isinstance(value, bytes) else None,
)
def test_the_rest(head: bytes, expected: str | None) -> None:
    assert sniff(head) == expected


def test_text_may_be_cut_within_a_character() -> None:
    assert sniff(("x" * 4095 + "ß").encode()[:4096]) == "text"


@given(st.binary(max_size=600))
def test_any_bytes_have_an_answer(head: bytes) -> None:
    assert sniff(head) in ("image", "video", "pdf", "text", None)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1))
def test_any_words_are_text(words: str) -> None:
    assert sniff(("- " + words).encode()) == "text"
