"""Rich text: what a reader sees."""

from pathlib import Path

import pytest

from anyseek.errors import LimitError
from anyseek.media import MediaOptions, open_source
from anyseek.search import office
from anyseek.search.pieces import Cutting, Unread, form_of, pieces_of

HEAD = r"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fswiss Arial;}}{\colortbl;\red255\green0\blue0;}{\*\generator Pen;}"


def text_of(path: Path, rtf: str, media: MediaOptions = MediaOptions()) -> str:
    path.write_bytes(rtf.encode("ascii"))
    blob = open_source(path, media)
    assert form_of(blob) == "rtf"
    ((page, text),) = office.office_text(blob, "rtf", media)
    assert page is None
    return text


@pytest.mark.parametrize(
    ("inside", "text"),
    [
        (r"\f0 Hello \b world\b0\par" + "\r\n" + r"again", "Hello world\n\nagain"),
        (r"caf\'e9 \'80 \{x\} a\\b", "café € {x} a\\b"),
        (r"\u8364? and \u-10179?\u-8704?!", "€ and 😀!"),
        (r"before {\pict\pngblip 89504e47}{\field{\*\fldinst HYPERLINK x}{\fldrslt a link}}", "before a link"),
    ],
)
def test_what_a_reader_sees(tmp_path: Path, inside: str, text: str) -> None:
    assert text_of(tmp_path / "a.rtf", HEAD + inside + "}") == text


def test_encodings(tmp_path: Path) -> None:
    assert text_of(tmp_path / "a", r"{\rtf1\ansi\ansicpg1251 \'cf\'f0\'e8\'e2\'e5\'f2}") == "Привет"
    assert text_of(tmp_path / "a", r"{\rtf1\ansi\ansicpg932 \'93\'fa\'96\'7b}") == "日本"


def test_it_is_told_by_its_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text(HEAD + r"pears\par}")
    (found,) = pieces_of(tmp_path / "a.txt", "hash", MediaOptions(), Cutting())
    assert not isinstance(found, Unread)
    assert found.text == "pears"
    (tmp_path / "b.txt").write_text("about {\\rtf")
    assert form_of(open_source(tmp_path / "b.txt", MediaOptions())) == "text"
    monkeypatch.setitem(office.MODULES, "rtf", ("no_such_module", "documents in RTF"))
    assert "anyseek[office]" in str(office.missing("rtf"))


@pytest.mark.parametrize("piece", ["{", "}", "\\", "\\'", "\\u1", "{\\*", "\\par ", " \n", "\\'e9", "a"])
def test_one_pass_is_enough(tmp_path: Path, piece: str) -> None:
    text_of(tmp_path / "a", HEAD + piece * (300_000 // len(piece)) + "x")


def test_too_much(tmp_path: Path) -> None:
    with pytest.raises(LimitError, match="has more than 1,000"):
        text_of(tmp_path / "a", HEAD + "a" * 1000, MediaOptions(max_text_bytes=1000))
