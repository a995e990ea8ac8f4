"""Rich text: what a reader sees."""

from pathlib import Path

import pytest

from anyseek.media import MediaOptions
from anyseek.search.pieces import Cutting, Unread, pieces_of
from anyseek.search.rtf import is_rtf, text_of_rtf

HEAD = r"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fswiss Arial;}}{\colortbl;\red255\green0\blue0;}{\*\generator Pen;}"


@pytest.mark.parametrize(
    ("inside", "text"),
    [
        (r"\f0 Hello \b world\b0\par" + "\r\n" + r"again", "Hello world\n\nagain"),
        (r"caf\'e9 \'80 \{x\} a\\b 1\~2 self\_made hy\-phen", "café € {x} a\\b 1\xa02 self-made hyphen"),
        (r"\u8364? and \u26085\'93\'fa \uc0\u26085 x", "€ and 日ú 日x"),
        (r"\uc2\u26085\'93\'fa!", "日!"),
        (r"{\uc0 \u-10179\u-8704 }!", "😀!"),
        (r"\trowd\intbl a\cell b\cell\row \intbl c\cell\row", "a | b\nc"),
        (
            r"before {\pict\pngblip 89504e47}{\*\bkmkstart x}{\field{\*\fldinst HYPERLINK x}{\fldrslt a link}}",
            "before a link",
        ),
        (r"{\shp{\*\shpinst{\sp{\sn x}{\sv 1}}{\shptxt a box}}} text", "a box text"),
        (r"{\header above\par}text{\footnote below}", "above\n\ntextbelow"),
        (r"a \emdash  b\line c\tab d", "a \u2014 b\nc\td"),
        (r"} } never opened {never closed", "never opened never closed"),
    ],
)
def test_what_a_reader_sees(inside: str, text: str) -> None:
    assert text_of_rtf(HEAD + inside + "}") == text


def test_encodings() -> None:
    assert text_of_rtf(r"{\rtf1\ansi\ansicpg1251 \'cf\'f0\'e8\'e2\'e5\'f2}") == "Привет"
    assert text_of_rtf(r"{\rtf1\ansi\ansicpg932 \'93\'fa\'96\'7b}") == "日本"
    assert text_of_rtf(r"{\rtf1\ansi\ansicpg99999 \'e9}") == "é"


def test_it_is_told_by_its_beginning(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(HEAD + r"pears\par}")
    (found,) = pieces_of(tmp_path / "a.txt", "hash", MediaOptions(), Cutting())
    assert not isinstance(found, Unread)
    assert found.text == "pears"
    assert not is_rtf("about {\\rtf")


@pytest.mark.parametrize("piece", ["{", "}", "\\", "\\'", "\\u1", "{\\*", "\\par ", " \n", "\\'e9", "a"])
def test_one_pass_is_enough(piece: str) -> None:
    text_of_rtf(HEAD + piece * (300_000 // len(piece)) + "x")
