"""A file becomes things: HTML and Markdown as they are read, office documents, pages with their text, segments."""

import builtins
import copy
import importlib.util
import re
import tracemalloc
import zipfile
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import docx
import numpy as np
import openpyxl
import pptx
import pytest
from pptx.util import Inches

from anyseek.errors import ConfigError, DecodeError, LimitError
from anyseek.index import Thing
from anyseek.items import Image, Item, Limits, Page, Text, Video
from anyseek.media import Blob, MediaOptions, load_image, open_source, read_frames
from anyseek.processing.layout import FileVideo, visual_of
from anyseek.search import Found, Library, markup, office, walk
from anyseek.search.markup import is_html, text_of_html, text_of_markdown
from anyseek.search.pieces import Cutting, Unread, content_of, form_of, item_of, pieces_of, thumbnail_of
from tests.films import grey_film
from tests.search.conftest import clip, pdf

MEDIA = MediaOptions()
HTML = """<!DOCTYPE html><html><head><title>My  page</title><style>p{}</style><script>var x="<p>no</p>"</script></head>
<body><h1>Head
line</h1><p>One &amp; two<script>alert(1)</script> three.

the same</p><ul><li>a<li>b</ul><table><tr><th>x</th><th>y</th></tr><tr><td>1</td><td>2</td></tr></table>
<pre>code
   more</pre><img alt="a red apple" src=x> tail<svg><text>hidden</text></svg></body></html>"""


def pieces(path: Path, cutting: Cutting = Cutting()) -> list[Thing]:
    found = list(pieces_of(path, "hash", MEDIA, cutting))
    assert not any(isinstance(piece, Unread) for piece in found)
    assert [piece.part for piece in found] == list(range(len(found)))
    return found  # type: ignore[return-value]


def test_html_is_what_a_reader_sees() -> None:
    blocks = ["My page", "Head line", "One & two three. the same", "a\nb", "x | y\n1 | 2", "code\n   more"]
    assert text_of_html(HTML) == "\n\n".join([*blocks, "a red apple tail"])
    assert text_of_html("<head><title>T</title><body>unclosed <b>head") == "T\n\nunclosed head"
    assert text_of_html("<script>never closed <p>x</p>") == ""
    assert is_html(HTML)
    assert is_html("<!-- a comment -->\n<HTML lang=en>")
    assert not is_html("a text about <html>")


def test_what_a_text_begins_with_is_told_in_one_pass() -> None:
    assert not is_html("<!---->" * 500 + "x")  # a pattern that goes back takes twice as long for each
    assert is_html('<?xml version="1.0"?>\n' + "<!-- -->\n" * 100 + "<!DOCTYPE  html>")
    assert not is_html("<!-- never closed <html>")


@pytest.mark.parametrize(
    "piece",
    [
        *(
            '<a b="',
            "<a b='",
            "<a ",
            "<!--",
            "<!",
            "</",
            "</script ",
            "<![CDATA[",
            " ",
            "\n ",
            " |",
            "<svg><p></p>",
            "&#1",
        ),
        *("<title>", "<script>", "<textarea>x", "<object> ", "<svg><object></svg>", "<head>x", "<button>"),
        *("<div hidden>x", "<div hidden>x</div>", "<p hidden>x", "<b hidden><div></b>", "<a hidden='"),
    ],
)
def test_no_html_takes_more_than_a_few_passes(piece: str) -> None:
    """What takes a time that grows with the square of a text is at these for minutes, or for days."""
    for opened in ("", "<pre>", "<script>", "<a "):
        text_of_html(opened + piece * (300_000 // len(piece)) + "x")
    text_of_html(piece * (300_000 // len(piece)) + "x", prose=True)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<!doctype html><html lang=en><head><meta charset=utf-8><title>T</title><p>Hello world.", "T\n\nHello world."),
        ("<head>\n<title>T</title>\n<link rel=x><style>p{}</style>words<p>more", "T\n\nwords\n\nmore"),
        ("<p>into the <head> of a page</p><p>then", "into the of a page\n\nthen"),
        ("<title>About <svg> & <b></title><p>then", "About <svg> & <b>\n\nthen"),
        ("one <object> two <template><p>three", "one two\n\nthree"),
        ("one <object> two <svg>not</svg> three <object>not</object>", "one two three"),
        ("<svg><object></svg>one", "one"),
        ("<template><pre></template>one   two", "one two"),
        ("one<style>p{}", "one"),
        ("one<!-->two", "onetwo"),
        ("one<!-- not --!>two<!-- not -->", "onetwo"),
        ("one<video>no films here</video> <canvas>nor pictures</canvas>two", "one two"),
    ],
)
def test_what_is_never_closed_hides_nothing(html: str, text: str) -> None:
    assert text_of_html(html) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>one</p><div hidden>not<div>nor</div>this</div><p>two", "one\n\ntwo"),
        ("one <span HIDDEN=''>not</span> two <b hidden='hidden'>not</b><i hidden=false>not</i> three", "one two three"),
        ("<div hidden=until-found>one</div><div hidden='Until-Found'>two</div>", "one\n\ntwo"),
        ("<table><tr><td>1<td hidden>not</td><td>2</tr><tr hidden><td>not</tr></table>", "1 | 2"),
        ("<ul><li>a</li><li hidden>not <ul><li>nor</li></ul></li><li>b</li></ul>", "a\nb"),
        ("one<img alt=not hidden><br hidden><input hidden>two<img alt=' three'>", "onetwo three"),
        ("<pre>a<b hidden>not</b>  b</pre><pre hidden>not</pre>one   two", "a  b\n\none two"),
        ("<div hidden><svg>not</div>one <section hidden><script>'</section>'</script>not</section>", "one"),
        ("<p hidden>not<p>one<p hidden>not<div>two</div></p>three", "one\n\ntwo\n\nthree"),
        ("<div><p hidden>not</div>one<table><tr><td><p hidden>not<td>two</table>", "one\n\ntwo"),
        ("<html hidden><body hidden><p>one", "one"),
    ],
)
def test_what_a_browser_does_not_show_is_not_read(html: str, text: str) -> None:
    assert text_of_html(html) == text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("one <div hidden> two <div>three</div><p>four", "one\n\ntwo\n\nthree\n\nfour"),
        ("<ul><li hidden>one<li>two</li></ul>three", "one\ntwo\n\nthree"),
        ("<p class=hidden data-hidden>one</p><p title='hidden'>two</p><hidden>three</hidden>", "one\n\ntwo\n\nthree"),
        ("<input type=hidden value=x>one <div aria-hidden=true>two</div>", "one\n\ntwo"),
        ("one <b hidden", "one <b hidden"),
    ],
)
def test_what_is_not_closed_or_not_hidden_is_read(html: str, text: str) -> None:
    assert text_of_html(html) == text


def test_markdown_about_tags_keeps_what_follows() -> None:
    about = "Put <{}> here.\n\nThen *more*."
    for tag in ("head", "object", "template", "script", "style", "svg", "iframe", "noscript"):
        assert text_of_markdown(about.format(tag)) == "Put here.\n\nThen more."
    assert text_of_markdown(about.format("b hidden")) == "Put here.\n\nThen more."
    assert text_of_markdown("One <b hidden>not</b> two `<b hidden>`.") == "One two <b hidden>."


def test_words_of_controls_stand_apart() -> None:
    assert text_of_html("<button>Go</button><button>Stop</button> now") == "Go Stop now"
    chosen = "a<select><optgroup label=x><option>One</option><option>Two</select>b<textarea><b></textarea>c"
    assert text_of_html(chosen) == "a\nOne\nTwo b <b> c"


def test_html_that_is_broken_is_read_as_far_as_it_goes() -> None:
    assert text_of_html("<p>one <![foo[ two]]>three") == "one three"
    assert text_of_html("<p>&#" + "1" * 5000 + "; &#65; &lt;p&gt;") == "\ufffd A <p>"
    assert text_of_html("<p>1 < 2 <b title='x > y'>and</b> <i then") == "1 < 2 and <i then"
    assert text_of_html("<p>seen<!-- never closed <p>hidden") == "seen"
    assert text_of_html("a<script src='x' />b<IMG ALT=pear>") == "abpear"


def test_large_markdown_is_read_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markup, "MOST_MARKDOWN", 10)
    assert text_of_markdown("*one* two!") == "one two!"
    assert text_of_markdown("*one* two!!") == "*one* two!!"


def test_markdown_is_what_a_reader_sees() -> None:
    blocks = ["# T", "some *words* [here](http://x)", "- a\n- b", "|x|y|\n|-|-|\n|1|2|", "<script>bad()</script>"]
    markdown = "\n\n".join([*blocks, "![alt](i.png)"])
    assert text_of_markdown(markdown) == "T\n\nsome words here\n\na\nb\n\nx | y\n1 | 2\n\nalt"


def test_markdown_tables_are_rows_of_what_is_written() -> None:
    table = "Text:\n| who | what |\n|:--|---:|\n| *1.* | a \\| b | more |\n| - | `x`\nlast\n# Head\n"
    assert text_of_markdown(table) == "Text:\n\nwho | what\n1. | a | b | more\n- | x\nlast\n\nHead"
    quoted = "> a | b\n> ---|---\n> 1 | 2\n\n- x\n\n  |c|d|\n  |-|-|\n  |3|4|\n- y"
    assert text_of_markdown(quoted) == "a | b\n1 | 2\n\nx\n\nc | d\n3 | 4\n\ny"
    assert text_of_markdown("```\na|b\n-|-\n```\n\na | b\n---\n\n|\n\n---|\n") == "a|b\n-|-\n\na | b\n\n---"


def test_a_wide_table_with_short_rows_takes_memory_for_what_is_written() -> None:
    """Filled up to the width of its head it is 375,000 cells, of 300 MB."""
    table = "|" + "a|" * 250 + "\n|" + "-|" * 250 + "\n" + "a\n" * 250 + "\n"
    tracemalloc.start()
    try:
        text = text_of_markdown(table * 6)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert text.count("a") == 6 * 500


def test_texts_by_their_kind(tmp_path: Path) -> None:
    for name, written, read in (
        ("a.html", "<p>plain <b>words</b>", "plain words"),
        ("b.txt", HTML, text_of_html(HTML)),  # told by its content
        ("c.md", "*one*", "one"),
        ("d.txt", "*one*", "*one*"),
        ("e.py", "x = 1", "x = 1"),
    ):
        (tmp_path / name).write_text(written, encoding="utf-8")
        assert [piece.text for piece in pieces(tmp_path / name)] == [read]


def test_a_content_is_another_where_a_name_says_how_it_is_read(tmp_path: Path) -> None:
    def known(name: str, written: bytes) -> str:
        (tmp_path / name).write_bytes(written)
        blob = open_source(tmp_path / name, MEDIA)
        return content_of(tmp_path / name, blob, form_of(blob), "hash")

    names = [[f"a{end}" for end in ends] for ends in ((".txt", "", ".py"), (".md", ".MARKDOWN"), (".html", ".htm"))]
    plain, markdown, html = ({known(name, b"*one* <b>") for name in listed} for listed in names)
    assert plain == {"hash"}
    assert len(markdown) == len(html) == 1
    assert len(plain | markdown | html) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", content) for content in markdown | html)
    for name in ("b.txt", "b.md", "b.html"):  # it is HTML whatever its name, and a picture is one
        assert known(name, HTML.encode()) == known(name, b"\x89PNG\r\n\x1a\n") == "hash"
    with pytest.raises(DecodeError, match="iconv"):
        known("c.md", "Grüße aus Köln".encode("latin1"))


def test_utf16_without_a_mark_is_read(tmp_path: Path) -> None:
    for coding in ("utf-16-le", "utf-16-be"):
        for name, written, read in (
            ("a.txt", "Größe;\u201cWert\u201d\r\n" + "1;2\r\n" * 999, "Größe;\u201cWert\u201d\r\n1;2"),
            ("b.txt", HTML, text_of_html(HTML)[:9]),
            ("c.md", "*one*", "one"),
        ):
            (tmp_path / name).write_bytes(written.encode(coding))
            blob = open_source(tmp_path / name, MEDIA)
            assert form_of(blob) == "text"
            assert (content_of(tmp_path / name, blob, "text", "hash") == "hash") == (name != "c.md")
            assert (pieces(tmp_path / name)[0].text or "").startswith(read)


def test_text_in_other_encodings(library: Library, tmp_path: Path) -> None:
    root = tmp_path / "texts"
    root.mkdir()
    (root / "wide.txt").write_bytes("a wide pear".encode("utf-32"))
    (root / "late.txt").write_bytes(b"a " * 4000 + "Köln".encode("latin1"))
    (root / "latin.txt").write_bytes("Grüße aus Köln".encode("latin1"))
    assert [piece.text for piece in pieces(root / "wide.txt")] == ["a wide pear"]
    report = library.index([root])
    assert (report.indexed, report.left_out) == (1, [])
    assert {Path(path).name for path, reason in report.failed if "iconv -f latin1" in reason} == {
        "late.txt",
        "latin.txt",
    }


def test_passages_of_a_long_text(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("\n\n".join(f"Paragraph {n} about something." for n in range(50)), encoding="utf-8")
    found = pieces(path, Cutting(passage_bytes=200, passage_overlap=40))
    assert len(found) > 8
    assert path.read_text()[int(found[3].start or 0) : int(found[3].end or 0)] == found[3].text
    assert item_of(found[3], path) == Item((Text(found[3].text or ""),))


def test_pages_bring_their_own_text(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf(3))
    found = pieces(tmp_path / "a.pdf")
    assert [(piece.kind, piece.page, piece.text) for piece in found] == [("page", n, None) for n in (1, 2, 3)]
    assert item_of(found[1], Path("b.pdf")) == Item((Page(Path("b.pdf"), 2),))
    samples = Path(__file__).parents[2] / "samples" / "documents"
    assert any(piece.text for name in ("d001.pdf", "d009.pdf") for piece in pieces(samples / name))


@pytest.mark.parametrize("page", ["null", "<< /Type /Page /MediaBox [0 0 9 9] /CropBox [50 50 60 60] >>"])
def test_a_first_page_that_is_broken_costs_only_itself(library: Library, tmp_path: Path, page: str) -> None:
    root = tmp_path / "papers"
    root.mkdir()
    whole = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 300] >>"
    (root / "a.pdf").write_bytes(pdf(3).replace(whole, page.encode().ljust(len(whole)), 1))
    first, *others = pieces_of(root / "a.pdf", "hash", MEDIA, Cutting())
    assert isinstance(first, Unread)
    assert [piece.page for piece in others if isinstance(piece, Thing)] == [2, 3]
    report = library.index([root])
    assert (report.things, len(report.failed)) == (2, 1)
    assert [one.page for one in walk(root) if isinstance(one, Found)] == [1, 2, 3]


def test_segments_of_a_film(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(clip(20))
    found = pieces(path, Cutting(segment_seconds=8, segment_overlap=2))
    assert [(piece.start, piece.end) for piece in found] == [(0, 8), (6, 14), (12, 20)]
    assert item_of(found[1], path) == Item((Video(path, start=6.0, end=14.0),))
    (whole,) = pieces(path)  # a little longer than a segment is still one
    assert (whole.start, whole.end) == (0, 20)
    uneven = pieces(path, Cutting(segment_seconds=7, segment_overlap=1))
    assert [(piece.start, piece.end) for piece in uneven] == [(0, 7), (6, 13), (12, 19), (13, 20)]
    with pytest.raises(ConfigError, match="share less"):
        Cutting(segment_seconds=4, segment_overlap=4)


def test_word_documents(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("Minutes")
    document.add_paragraph("We met.")
    table = document.add_table(rows=1, cols=2)
    table.cell(0, 0).text, table.cell(0, 1).text = "who", "what"
    document.save(str(tmp_path / "a.docx"))
    assert form_of(open_source(tmp_path / "a.docx", MEDIA)) == "docx"
    (found,) = pieces(tmp_path / "a.docx")
    assert found.text == "Minutes\n\nWe met.\n\nwho | what"


def test_slides_and_sheets(tmp_path: Path) -> None:
    slides = pptx.Presentation()
    for words in ("first slide", "second slide"):
        slide = slides.slides.add_slide(slides.slide_layouts[6])
        slide.shapes.add_textbox(0, 0, Inches(2), Inches(1)).text_frame.text = words
    slide.notes_slide.notes_text_frame.text = "say hello"
    slides.save(str(tmp_path / "a.pptx"))
    found = pieces(tmp_path / "a.pptx")
    assert [(piece.page, piece.text) for piece in found] == [(1, "first slide"), (2, "second slide\n\nsay hello")]
    book = openpyxl.Workbook()
    book.active.title = "Fruit"
    book.active.append(["pear", 3])
    book.active.append([None, "plum"])
    book.save(tmp_path / "a.xlsx")
    assert [piece.text for piece in pieces(tmp_path / "a.xlsx")] == ["Fruit\npear | 3\nplum"]


def test_broken_and_bloated_office_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.docx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "<not a document")
    with pytest.raises(DecodeError, match=r"a\.docx cannot be read as an office document"):
        pieces(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"\0" * (1 << 20))
    monkeypatch.setattr(office, "MOST_UNPACKED", 1 << 19)
    with pytest.raises(LimitError, match="unpacks to 1,048,576 bytes"):
        pieces(path)
    docx.Document().save(str(path))
    with zipfile.ZipFile(tmp_path / "plain.zip", "w") as archive:
        archive.writestr("readme", "x")
    assert form_of(open_source(tmp_path / "plain.zip", MEDIA)) is None


def sheet(path: Path, inside: str) -> Path:
    """An .xlsx whose sheet is written by hand."""
    plain = path.with_name("plain.xlsx")
    openpyxl.Workbook().save(plain)
    written = f'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">{inside}</worksheet>'
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, written if name == "xl/worksheets/sheet1.xml" else old.read(name))
    return path


def test_a_sheet_is_as_large_as_its_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claimed, last = '<dimension ref="A1:XFD1048576"/>', '<row r="1048576"><c r="A1048576"><v>7</v></c></row>'
    (found,) = pieces(sheet(tmp_path / "a.xlsx", f"{claimed}<sheetData>{last}</sheetData>"))
    assert found.text == "Sheet\n7"
    monkeypatch.setattr(office, "MOST_CELLS", 20_000)
    wide = "".join(f'<row r="{row}"><c r="XFD{row}"><v>7</v></c></row>' for row in (1, 2))
    for cells in (wide, last.replace("1048576", "9" * 15)):
        with pytest.raises(LimitError, match=r"a\.xlsx has more than 20,000 cells"):
            pieces(sheet(tmp_path / "a.xlsx", f"<sheetData>{cells}</sheetData>"))


def test_cells_say_what_they_show(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    cells = book.active
    cells.append([date(2024, 3, 5), datetime(2024, 3, 5, 13, 4), time(3, 4), 0.1 + 0.2, 1234, 1e20, True, "100%"])
    for number, (value, form) in enumerate([(0.256, "0%"), (0.256, "#,##0.0%"), (2, "0.00%;[Red]-0.00%"), (3, '0"%"')]):
        cell = cells.cell(2, 1 + number, value)
        cell.number_format = form
    book.save(str(tmp_path / "a.xlsx"))
    (found,) = pieces(tmp_path / "a.xlsx")
    shown = "2024-03-05 | 2024-03-05 13:04:00 | 03:04:00 | 0.3 | 1234 | 1e+20 | True | 100%"
    assert found.text == f"Sheet\n{shown}\n26% | 25.6% | 200.00% | 3"
    noise = '<row r="1"><c r="A1"><v>0.30000000000000004</v></c><c r="B1"><v>1234.5600000000001</v></c></row>'
    (found,) = pieces(sheet(tmp_path / "b.xlsx", f"<sheetData>{noise}</sheetData>"))
    assert found.text == "Sheet\n0.3 | 1234.56"


def test_sheets_and_tables_that_repeat_one_text(tmp_path: Path) -> None:
    cells = "".join(f'<c r="{column}1" t="str"><v>{"x" * 1000}</v></c>' for column in "ABCD")
    blob = open_source(sheet(tmp_path / "a.xlsx", f'<sheetData><row r="1">{cells}</row></sheetData>'), MEDIA)
    with pytest.raises(LimitError, match=r"a\.xlsx has more than 3,500 characters"):
        list(office.office_text(blob, "xlsx", MediaOptions(max_text_bytes=3500)))
    document = docx.Document()
    row = document.add_table(rows=1, cols=2).rows[0]
    row.cells[0].text, row.cells[1].text = "wide", "narrow"
    row._tr.tc_lst[0].grid_span = 2_000_000_000  # columns that it spans, each of them once more the same text
    document.save(str(tmp_path / "a.docx"))
    (found,) = pieces(tmp_path / "a.docx")
    assert found.text == "wide | narrow"


def test_what_a_document_names_twice_is_read_once(tmp_path: Path) -> None:
    slides = pptx.Presentation()
    shown = slides.slides.add_slide(slides.slide_layouts[6])
    shown.shapes.add_textbox(0, 0, Inches(2), Inches(1)).text_frame.text = "once"
    slides.slides._sldIdLst.append(copy.deepcopy(slides.slides._sldIdLst[0]))
    slides.save(str(tmp_path / "a.pptx"))
    assert [piece.text for piece in pieces(tmp_path / "a.pptx")] == ["once"]
    plain = sheet(tmp_path / "a.xlsx", '<sheetData><row r="1"><c r="A1"><v>7</v></c></row></sheetData>')
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(tmp_path / "b.xlsx", "w") as new:
        for name in old.namelist():
            inside = old.read(name).decode()
            if name == "xl/workbook.xml":
                found = re.search(r"<sheet [^>]*/>", inside)
                assert found
                again = re.sub(r'sheetId="1"', 'sheetId="2"', found[0].replace('"Sheet"', '"Again"'))
                inside = inside.replace(found[0], found[0] + again)
            new.writestr(name, inside)
    assert [piece.text for piece in pieces(tmp_path / "b.xlsx")] == ["Sheet\n7"]


def test_xml_has_a_smaller_bound_than_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.docx"
    docx.Document().save(str(path))
    monkeypatch.setattr(office, "MOST_XML", 2 << 20)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/media/a.png", b"\x89PNG" + bytes(4 << 20))
    assert pieces(path) == []
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/media/b.png", b" \n<a/>" + bytes(2 << 20))
    with pytest.raises(LimitError, match=r"a\.docx unpacks to .* bytes of XML"):
        pieces(path)


def test_without_their_library_they_are_left_out_with_the_reason(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "office"
    root.mkdir()
    docx.Document().save(str(root / "a.docx"))
    plain = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "docx" else plain(name, *more))
    ((path, reason),) = library.index([root]).left_out
    assert path.endswith("a.docx")
    assert "pip install 'anyseek[office]'" in reason


def test_office_libraries_are_loaded_only_when_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("words")
    plain = builtins.__import__

    def watching(name: str, *more: Any) -> Any:
        assert name.split(".")[0] not in ("docx", "pptx", "openpyxl")
        return plain(name, *more)

    monkeypatch.setattr(builtins, "__import__", watching)
    assert len(pieces(tmp_path / "a.txt")) == 1


def test_pictures(folder: Path) -> None:
    (found,) = pieces(folder / "red apple.png")
    assert item_of(found, folder / "red apple.png") == Item((Image(folder / "red apple.png"),))


def test_a_text_that_is_renamed_is_read_as_its_name_says(library: Library, tmp_path: Path) -> None:
    root = tmp_path / "notes"
    root.mkdir()
    (root / "a.txt").write_text("# Pears\n\nof [home](http://x)\n")

    def texts() -> list[str | None]:
        library.index([root])
        (file,) = library.store.files()
        return [thing.text for thing in library.store.things_of(str(file.hash))]

    assert texts() == ["# Pears\n\nof [home](http://x)"]
    (root / "a.txt").rename(root / "a.md")
    assert texts() == ["Pears\n\nof home"]
    (root / "a.md").rename(root / "b.markdown")
    assert library.index([root]).known == 1
    (root / "b.markdown").rename(root / "c.txt")
    assert texts() == ["# Pears\n\nof [home](http://x)"]


def test_a_text_is_read_as_a_whole_once(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, plain, read = tmp_path / "notes", Blob.read, list[str]()
    root.mkdir()
    (root / "a.md").write_text("*pears* " * 1000)

    def reading(blob: Blob) -> bytes:
        read.append(blob.name)
        return plain(blob)

    monkeypatch.setattr(Blob, "read", reading)
    assert library.index([root]).indexed == 1
    assert len(read) == 1


def test_a_link_is_read_by_its_own_name(library: Library, tmp_path: Path) -> None:
    root = tmp_path / "notes"
    root.mkdir()
    (root / ".plain.txt").write_text("*pears*")
    (root / "a.md").symlink_to(root / ".plain.txt")
    library.index([root])
    (file,) = library.store.files()
    assert [thing.text for thing in library.store.things_of(str(file.hash))] == ["pears"]


def shades(thing: Thing, path: Path) -> list[int]:
    """How bright the frames are that are seen of a segment."""
    visual = visual_of(Video(path, start=thing.start, end=thing.end), Limits(), MEDIA)
    assert isinstance(visual, FileVideo)
    return [round(shade) for shade in read_frames(path, visual.indices, MEDIA).mean(axis=(1, 2, 3))]


def test_segments_of_a_film_of_varying_rate_have_real_times(tmp_path: Path) -> None:
    """A frame a second for a minute, then twenty white ones a second."""
    times = (*range(0, 60_000, 1000), *range(60_000, 72_000, 50))
    path = grey_film(tmp_path / "a.mkv", [(time, 100 if time < 60_000 else 250) for time in times], rate=20)
    found = pieces(path)
    assert [(thing.start, thing.end) for thing in found[:-1]] == [(12.0 * n, 12.0 * n + 16) for n in range(5)]
    assert (found[-1].start, found[-1].end) == (pytest.approx(56), pytest.approx(72))
    for thing in found:
        assert item_of(thing, path) == Item((Video(path, start=thing.start, end=thing.end),))
        seen = shades(thing, path)
        assert len(seen) == 16
        white = sum(shade > 200 for shade in seen)
        assert white == pytest.approx(max(0.0, (thing.end or 0) - 60), abs=1)  # a frame a second, as of any film
        thumbnail = load_image(thumbnail_of(thing, path, MEDIA), MEDIA)
        assert (np.asarray(thumbnail).mean() > 200) == (((thing.start or 0) + (thing.end or 0)) / 2 > 60)


def test_a_screen_that_is_recorded_when_it_changes(tmp_path: Path) -> None:
    """Slides that stand for long are segments of their own, and as long as they stand."""
    slides = {0: 40, 5000: 90, 60_000: 140, 61_000: 190, 120_000: 240}
    path = grey_film(tmp_path / "a.mp4", slides.items(), rate=20)
    found = pieces(path)
    assert [(thing.start, thing.end) for thing in found[:-1]] == [(0, 16), (12, 52), (48, 64), (60, 76), (72, 112)]
    assert found[-1].end == pytest.approx(120, abs=0.1)
    levels = sorted(slides.values())
    near = [[min(levels, key=lambda level: abs(level - shade)) for shade in shades(thing, path)] for thing in found]
    assert near[1] == [90] * 4
    assert near[4] == [190] * 4
    assert [set(seen) for seen in near[:4:2]] == [{40, 90}, {90, 140, 190}]


def test_segments_of_a_film_of_constant_rate_are_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(clip(seconds=45, rate=5))
    found = pieces(path)
    spans = [(0.0, 16.0), (12.0, 28.0), (24.0, 40.0), (29.0, 45.0)]
    assert [(thing.start, thing.end) for thing in found] == spans
    for thing in found:
        assert item_of(thing, path) == Item((Video(path, start=thing.start, end=thing.end),))
