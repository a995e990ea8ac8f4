"""What a reader of an office document sees is read: in controls, changes, boxes and margins, and nothing twice."""

import zipfile
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pptx
import pytest
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml.parser import parse_xml
from openpyxl.chart import BarChart, Reference
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.opc.package import Part as SlidePart
from pptx.opc.packuri import PackURI as SlideURI
from pptx.oxml import parse_xml as parse_slide
from pptx.util import Inches

from anyseek.media import MediaOptions, open_source
from anyseek.search.office import Office, office_text

SPACES = {
    "w": "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "mc": "http://schemas.openxmlformats.org/markup-compatibility/2006",
    "v": "urn:schemas-microsoft-com:vml",
    "m": "http://schemas.openxmlformats.org/officeDocument/2006/math",
    "a": "http://schemas.openxmlformats.org/drawingml/2006/main",
    "p": "http://schemas.openxmlformats.org/presentationml/2006/main",
    "dgm": "http://schemas.openxmlformats.org/drawingml/2006/diagram",
    "xdr": "http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing",
}
RELATED = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def xml(text: str) -> str:
    """An element with the names that its prefixes stand for."""
    end = min(place for place in (text.find(">"), text.find("/>"), text.find(" ")) if place > 0)
    return text[:end] + "".join(f' xmlns:{prefix}="{name}"' for prefix, name in SPACES.items()) + text[end:]


def run(text: str) -> str:
    return f'<w:r><w:t xml:space="preserve">{text}</w:t></w:r>'


def paragraph(text: str) -> str:
    return f"<w:p>{run(text)}</w:p>"


def read(path: Path, form: Office) -> list[tuple[int | None, str]]:
    return list(office_text(open_source(path, MediaOptions()), form, MediaOptions()))


def word(path: Path, *blocks: str, document: Any = None) -> str:
    """The text of a Word document with these blocks before its last section."""
    document = document or docx.Document()
    for block in blocks:
        document.element.body.insert(len(document.element.body) - 1, parse_xml(xml(block)))
    document.save(str(path))
    ((number, text),) = read(path, "docx")
    assert number is None
    return text


@pytest.mark.parametrize(
    ("block", "text"),
    [
        (f"<w:sdt><w:sdtContent>{paragraph('a cover')}{paragraph('by me')}</w:sdtContent></w:sdt>", "a cover\n\nby me"),
        (f"<w:p>{run('Dear ')}<w:sdt><w:sdtContent>{run('Ada')}</w:sdtContent></w:sdt>{run('!')}</w:p>", "Dear Ada!"),
        (f"<w:p>{run('a ')}<w:ins w:id='1'>{run('new ')}</w:ins>{run('word')}</w:p>", "a new word"),
        (
            f"<w:p>{run('a')}<w:del w:id='1'><w:r><w:delText> bad</w:delText></w:r></w:del>{run(' word')}</w:p>",
            "a word",
        ),
        (f"<w:p><w:moveFrom w:id='1'>{run('x')}</w:moveFrom>{run('a')}<w:moveTo>{run('x')}</w:moveTo></w:p>", "ax"),
        (f"<w:p><w:smartTag><w:hyperlink>{run('Rome')}</w:hyperlink></w:smartTag></w:p>", "Rome"),
        ("<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t><w:noBreakHyphen/></w:r></w:p>", "a\tb\nc-"),
        (f"<w:p><w:pPr><w:tabs><w:tab w:pos='9'/></w:tabs></w:pPr>{run('no stop')}</w:p>", "no stop"),
        (f"<w:p><w:r><w:ruby><w:rt>{run('mao')}</w:rt><w:rubyBase>{run('猫')}</w:rubyBase></w:ruby></w:r></w:p>", "猫"),
        (f"<w:p>{run('so ')}<m:oMath><m:r><m:t>x=1</m:t></m:r></m:oMath></w:p>", "so x=1"),
    ],
)
def test_all_words_of_a_paragraph(tmp_path: Path, block: str, text: str) -> None:
    assert word(tmp_path / "a.docx", paragraph("before"), block, paragraph("after")) == f"before\n\n{text}\n\nafter"


def test_text_boxes_are_read_once_behind_their_paragraph(tmp_path: Path) -> None:
    box = f"<w:txbxContent>{paragraph('in a box')}{paragraph('below')}</w:txbxContent>"
    both = f"<mc:Choice Requires='wps'>{box}</mc:Choice><mc:Fallback><w:pict>{box}</w:pict></mc:Fallback>"
    floating = f"<w:p>{run('one ')}<w:r><mc:AlternateContent>{both}</mc:AlternateContent></w:r>{run('line')}</w:p>"
    old = f"<w:p><w:r><w:pict><v:shape><v:textbox>{box}</v:textbox></v:shape></w:pict></w:r></w:p>"
    text = word(tmp_path / "a.docx", floating, old)
    assert text == "one line\n\nin a box\n\nbelow\n\nin a box\n\nbelow"


def test_tables_in_tables_and_in_controls(tmp_path: Path) -> None:
    def table(*rows: str) -> str:
        return f"<w:tbl>{''.join(rows)}</w:tbl>"

    def row(*cells: str) -> str:
        return f"<w:tr>{''.join(f'<w:tc>{cell}</w:tc>' for cell in cells)}</w:tr>"

    inner = table(row(paragraph("a"), paragraph("b")), row(paragraph("c"), paragraph("d")))
    control = f"<w:sdt><w:sdtContent>{row(paragraph('x'), '<w:p/>', paragraph('z'))}</w:sdtContent></w:sdt>"
    cell = f"<w:sdt><w:sdtContent><w:tc>{paragraph('in')}</w:tc></w:sdtContent></w:sdt>"
    outer = table(row(paragraph("left"), inner + "<w:p/>"), control, f"<w:tr>{cell}</w:tr>", row("<w:p/>"))
    assert word(tmp_path / "a.docx", outer) == "left | a | b\nc | d\nx |  | z\nin"
    deep = paragraph("deep")
    for _ in range(40):
        deep = table(row(deep))
    assert word(tmp_path / "a.docx", deep) == "deep"


def test_headers_footers_and_notes_come_once_behind_the_text(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_paragraph("body")
    first = document.sections[0]
    first.header.paragraphs[0].text, first.footer.paragraphs[0].text = "Minutes", "page"
    second = document.add_section()
    second.header.is_linked_to_previous = False
    second.header.paragraphs[0].text = "Minutes"
    first.different_first_page_header_footer = True
    first.first_page_header.add_table(1, 2, Inches(2)).cell(0, 1).text = "Secret"
    kind, notes = "application/xml", f"<w:footnotes><w:footnote>{paragraph('a note')}</w:footnote></w:footnotes>"
    part = Part(PackURI("/word/footnotes.xml"), kind, xml(notes).encode(), document.part.package)
    document.part.relate_to(part, f"{RELATED}/footnotes")
    assert word(tmp_path / "a.docx", document=document).split("\n\n") == [
        "body",
        "a note",
        "Minutes",
        " | Secret",
        "page",
    ]


def test_all_words_of_a_slide(tmp_path: Path) -> None:
    slides = pptx.Presentation()
    slide = slides.slides.add_slide(slides.slide_layouts[6])
    group = slide.shapes.add_group_shape().shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, 9, 9).text_frame.text = "in groups\nof groups"
    table = slide.shapes.add_table(1, 2, 0, 0, 9, 9).table
    table.cell(0, 0).text, table.cell(0, 1).text = "who", "what"
    shape = "<p:sp><p:txBody><a:p><a:r><a:t>a formula</a:t></a:r></a:p></p:txBody></p:sp>"
    both = f"<mc:Choice Requires='a14'>{shape}</mc:Choice><mc:Fallback>{shape}</mc:Fallback>"
    slide.shapes._spTree.append(parse_slide(xml(f"<mc:AlternateContent>{both}</mc:AlternateContent>")))
    data = CategoryChartData()
    data.categories = ["pears", "plums"]
    data.add_series("sold", (1, 2))
    data.add_series("bought", (3, 4))
    chart = slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 0, 9, 9, data).chart
    chart.chart_title.text_frame.text = "Fruit of the year"
    points = "".join(
        f"<dgm:pt><dgm:t><a:p><a:r><a:t>{text}</a:t></a:r></a:p></dgm:t></dgm:pt>" for text in ("do", "go")
    )
    diagram = xml(f"<dgm:dataModel><dgm:ptLst>{points}</dgm:ptLst></dgm:dataModel>").encode()
    name = SlideURI("/ppt/diagrams/data1.xml")
    part = SlidePart(name, "application/xml", slide.part.package, diagram)
    slide.part.relate_to(part, f"{RELATED}/diagramData")
    notes = slide.notes_slide
    notes.notes_text_frame.text = "say hello"
    notes.shapes._spTree.append(parse_slide(xml(shape.replace("a formula", "and goodbye"))))
    numbered = shape.replace("<p:txBody>", "<p:nvSpPr><p:nvPr><p:ph type='sldNum'/></p:nvPr></p:nvSpPr><p:txBody>")
    notes.shapes._spTree.append(parse_slide(xml(numbered.replace("a formula", "1"))))
    slides.save(str(tmp_path / "a.pptx"))
    ((number, text),) = read(tmp_path / "a.pptx", "pptx")
    assert number == 1
    assert text.split("\n\n") == [
        "in groups\nof groups",
        "who | what",
        "a formula",
        "Fruit of the year\nsold\npears\nplums\nbought",
        "do\ngo",
        "say hello",
        "and goodbye",
    ]


def test_boxes_and_charts_of_sheets(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["pear", 3])
    other = book.create_sheet("Empty")
    for place, title in (
        (book.active, "Fruit of the year"),
        (other, "Nothing"),
        (book.create_chartsheet("C"), "Alone"),
    ):
        chart = BarChart()
        chart.title = title
        chart.add_data(Reference(book.active, min_col=2, min_row=1))
        place.add_chart(chart)
    book.save(tmp_path / "plain.xlsx")
    shape = "<xdr:sp><xdr:txBody><a:p><a:r><a:t>a remark</a:t></a:r></a:p></xdr:txBody></xdr:sp>"
    box = f"<xdr:twoCellAnchor><xdr:grpSp>{shape}</xdr:grpSp></xdr:twoCellAnchor>"
    with zipfile.ZipFile(tmp_path / "plain.xlsx") as old, zipfile.ZipFile(tmp_path / "a.xlsx", "w") as new:
        for name in old.namelist():
            inside = old.read(name).decode()
            if name == "xl/drawings/drawing1.xml":
                head, end, tail = inside.rpartition("</")
                inside = head + xml(box) + end + tail
            elif name == "xl/worksheets/_rels/sheet2.xml.rels":  # and one that is not there, as some programs leave it
                again = inside[inside.index("<Relationship ") : inside.index("</Relationships>")]
                inside = inside.replace(
                    again, again + again.replace("drawing2", "drawing9").replace('"rId1"', '"rId2"')
                )
            new.writestr(name, inside)
    texts = [text for _, text in read(tmp_path / "a.xlsx", "xlsx")]
    assert texts == ["Sheet\npear | 3\na remark\nFruit of the year", "Empty\nNothing", "Alone"]
