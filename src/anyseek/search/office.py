"""Documents, slides and sheets of office programs (OOXML, RTF) as text, by libraries asked for when one is met."""

import importlib.util
import re
import warnings
import zipfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, time
from itertools import chain
from typing import Any, Literal

from anyseek.errors import DecodeError, LimitError
from anyseek.media import Blob, MediaOptions

__all__ = ["Office", "missing", "office_form", "office_text"]

Office = Literal["docx", "pptx", "xlsx", "rtf"]

MAGIC, RICH = b"PK\x03\x04", b"{\\rtf"
INSIDE: dict[str, Office] = {"word/document.xml": "docx", "ppt/presentation.xml": "pptx", "xl/workbook.xml": "xlsx"}
MODULES: dict[Office, tuple[str, str]] = {
    "docx": ("docx", "Word documents"),
    "pptx": ("pptx", "slides"),
    "xlsx": ("openpyxl", "sheets"),
    "rtf": ("striprtf", "documents in RTF"),
}
MOST_UNPACKED = 512 << 20
"""Bytes a document may unpack to: its libraries hold all of them."""
MOST_XML = 64 << 20
"""Bytes of XML among them, of which the libraries make objects that take many times as much."""
LARGE = 1 << 20
"""Bytes from which a part is looked at, as it may be a picture; smaller ones count as XML."""
OPENS = (b"", b"<", b"L")
"""How XML begins behind marks of its encoding and white space; L is < in EBCDIC."""
MOST_CELLS = 10_000_000
"""Cells of a document's sheets, with the empty ones before the last of each row, and rows without any."""
BLOCKS = frozenset({"p", "tbl"})
WORDS = {"t": "", "tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
"""What a paragraph's text is made of, and what it stands for; nothing for its own text."""
CONTENT = BLOCKS | WORDS.keys()
UNSEEN = frozenset({"pPr", "rPr", "del", "moveFrom", "rt"})
"""Elements that have no text, or text that is not shown in its place: settings, what was deleted, readings of signs."""
SHAPES = frozenset({"sp", "graphicFrame"})
FIGURES = frozenset({"diagramData", "chart"})
PERCENT = re.compile(r"[#,0]*(?:\.([0#?]+))?%")
"""A number's format in which it is a hundred times as large."""
NAMES = frozenset({"strCache", "multiLvlStrCache"})
BESIDE = ("footnotes", "endnotes", "diagramData", "chart", "header", "footer")
MARGINS = frozenset({"sldNum", "dt", "hdr", "ftr", "sldImg"})
DAMAGE = (
    zipfile.BadZipFile,
    OSError,
    SyntaxError,  # lxml's errors are of this class
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    EOFError,
    MemoryError,
    RuntimeError,
    AssertionError,
)


def office_form(blob: Blob) -> Office | None:
    """What kind of office document a file is, by what is in it; None for anything else."""
    if blob.head(len(RICH)) == RICH:
        return "rtf"
    if blob.head(len(MAGIC)) != MAGIC:
        return None
    try:
        with blob.open() as file, zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
    except DAMAGE:
        return None
    return next((form for name, form in INSIDE.items() if name in names), None)


def missing(form: str) -> str | None:
    """Why a kind of document is not read here: its library is not installed. None when it is, or none is needed."""
    if form not in MODULES:
        return None
    module, name = MODULES[form]
    if importlib.util.find_spec(module) is not None:
        return None
    return f"{name} are not read without an extra; install it with: pip install 'anyseek[office]'"


def office_text(blob: Blob, form: Office, options: MediaOptions) -> Iterator[tuple[int | None, str]]:
    """The text of an office document, in parts.

    Args:
        blob: the file.
        form: see `office_form`.
        options: limits; `max_text_bytes` is of the text of one document.

    Yields:
        Number of the slide (None elsewhere) and its text; for sheets one part each, rows as lines.

    Raises:
        DecodeError: broken or locked.
        LimitError: more than may be held.
    """
    read = {"docx": _document, "pptx": _slides, "xlsx": _sheets, "rtf": _rich}[form]
    room = _Room(blob.name, options.max_text_bytes)
    with _decoding(blob.name):
        if form != "rtf":
            _check_unpacked(blob)
        with blob.open() as file:
            yield from read(file, room)


@dataclass(slots=True)
class _Room:
    """What may still be taken from a document.

    Attributes:
        name: of the document.
        most: characters in all.
        characters: taken so far.
        cells: likewise.
    """

    name: str
    most: int
    characters: int = 0
    cells: int = 0

    def text(self, text: str) -> str:
        """A piece of text, when there is room for it; else LimitError."""
        self.characters += len(text)
        if self.characters > self.most:
            raise LimitError(f"{self.name} has more than {self.most:,} characters; raise MediaOptions.max_text_bytes")
        return text

    def row(self, cells: int) -> None:
        """Raise LimitError when there is no room for a row of so many cells."""
        self.cells += max(1, cells)
        if self.cells > MOST_CELLS:
            raise LimitError(f"{self.name} has more than {MOST_CELLS:,} cells, empty ones among them; split it")


def _rich(file: Any, room: _Room) -> Iterator[tuple[int | None, str]]:
    """A document in RTF as one text."""
    from striprtf.striprtf import rtf_to_text

    written = room.text(file.read(room.most + 1).decode("latin-1"))  # it names the code page of its bytes itself
    halves: str = rtf_to_text(written, errors="replace")  # type: ignore[no-untyped-call]
    # Signs beyond 16 bits are two halves in RTF.
    yield None, halves.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\n", "\n\n").strip()


def _document(file: Any, room: _Room) -> Iterator[tuple[int | None, str]]:
    """A Word document as one text: its body in order, then what stands beside it, of equal headers one."""
    import docx
    from docx.oxml.parser import parse_xml

    document, seen = docx.Document(file), set[str]()
    parts = (part for kind in BESIDE for part in _related(document.part, {kind}, seen))
    beside = dict.fromkeys(_figure(parse_xml(part.blob)) for part in parts)
    texts = chain(_texts(_nearest(document.element.body, BLOCKS)), filter(None, beside))
    yield None, "\n\n".join(map(room.text, texts))


def _slides(file: Any, room: _Room) -> Iterator[tuple[int | None, str]]:
    """Each slide with its notes; one that is named twice is read once."""
    import pptx
    from pptx.oxml import parse_xml

    seen: set[str] = set()
    for number, slide in enumerate(pptx.Presentation(file).slides, 1):
        if slide.part.partname in seen:
            continue
        seen.add(slide.part.partname)
        pieces = [_inside(shape) for shape in _nearest(slide.element, SHAPES)]
        pieces += [_figure(parse_xml(part.blob)) for part in _related(slide.part, FIGURES, seen)]
        if slide.has_notes_slide:
            notes = _nearest(slide.notes_slide.element, SHAPES)
            pieces += [_inside(shape) for shape in notes if _role(shape) not in MARGINS]
        yield number, room.text("\n\n".join(piece for piece in pieces if piece.strip()))


def _role(shape: Any) -> str | None:
    """What a shape is a place for, such as `sldNum`."""
    return next((place.get("type") for place in _nearest(shape, {"ph"})), None)


def _related(part: Any, kinds: Collection[str], seen: set[str]) -> Iterator[Any]:
    """The parts of some kinds that a part refers to and that have not been seen."""
    for relation in part.rels.values():
        if not relation.is_external and relation.reltype.rpartition("/")[2] in kinds:
            related = relation.target_part
            if related.partname not in seen:
                seen.add(related.partname)
                yield related


def _figure(root: Any) -> str:
    """The text of a part: its paragraphs and tables, and of a chart the names of its series and values."""
    names = (name.text or "" for cache in _nearest(root, NAMES) for name in _nearest(cache, {"v"}))
    return "\n".join(filter(None, (_inside(root), *dict.fromkeys(names))))


def _inside(element: Any) -> str:
    """The paragraphs and tables below an element, one below the other."""
    return "\n".join(_texts(_nearest(element, BLOCKS)))


def _texts(blocks: Iterable[Any]) -> Iterator[str]:
    """Paragraphs, and tables with a row a line, without blank ones; what floats in a paragraph comes behind it."""
    waiting = list(blocks)[::-1]
    while waiting:
        block = waiting.pop()
        if _name(block) == "tbl":
            text = _table(block)
        else:
            text, floating = _paragraph(block)
            waiting += floating[::-1]
        if text.strip():
            yield text


def _table(table: Any) -> str:
    """A table with a row a line."""
    rows = ([_inside(cell) for cell in _nearest(row, {"tc"})] for row in _nearest(table, {"tr"}))
    return "\n".join(" | ".join(cells) for cells in rows if any(cells))


def _paragraph(paragraph: Any) -> tuple[str, list[Any]]:
    """The text of a paragraph, and what floats in it."""
    inside = list(_nearest(paragraph, CONTENT))
    text = "".join(WORDS[_name(one)] or one.text or "" for one in inside if _name(one) in WORDS)
    return text, [one for one in inside if _name(one) in BLOCKS]


def _nearest(element: Any, names: Collection[str]) -> Iterator[Any]:
    """The outermost elements of some names below one, in order, of what is shown."""
    waiting = _shown(element)
    while waiting:
        one = waiting.pop()
        if _name(one) in names:
            yield one
        else:
            waiting += _shown(one)


def _shown(element: Any) -> list[Any]:
    """The elements in one that are shown, last first; of two ways to say the same, the first."""
    inside = [one for one in element if isinstance(one.tag, str) and _name(one) not in UNSEEN]
    return inside[:1] if _name(element) == "AlternateContent" else inside[::-1]


def _name(element: Any) -> str:
    """Of an element, without its namespace: Word, slides and drawings have the same names for the same things."""
    return str(element.tag).rpartition("}")[2]


def _sheets(file: Any, room: _Room) -> Iterator[tuple[int | None, str]]:
    """The values of each sheet under its name; formulas by their last result. One that is named twice is read once."""
    import openpyxl

    seen: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about styles and extensions that carry no text
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        for sheet in book.worksheets:
            path = sheet._worksheet_path
            if path not in seen:
                seen.add(path)
                drawn = map(room.text, _drawn(book._archive, path, seen))
                yield None, "\n".join([sheet.title, *_rows(sheet, room), *drawn])
        for path, _ in _parts(book._archive, "xl/workbook.xml", {"chartsheet"}, seen):
            yield None, "\n".join(map(room.text, _drawn(book._archive, path, seen)))


def _drawn(archive: zipfile.ZipFile, path: str, seen: set[str]) -> Iterator[str]:
    """The text of boxes, charts and diagrams on a sheet."""
    for drawing, root in _parts(archive, path, {"drawing"}, seen):
        texts = [_inside(shape) for shape in _nearest(root, SHAPES)]
        texts += [_figure(figure) for _, figure in _parts(archive, drawing, FIGURES, seen)]
        yield from filter(None, texts)


def _parts(archive: zipfile.ZipFile, path: str, kinds: Collection[str], seen: set[str]) -> Iterator[tuple[str, Any]]:
    """As `_related`, of a workbook: paths and what is there."""
    from openpyxl.packaging.relationship import get_dependents, get_rels_path
    from openpyxl.xml.functions import fromstring

    relations = get_rels_path(path)
    there = archive.NameToInfo
    for relation in get_dependents(archive, relations) if relations in there else ():
        target = relation.Target
        if relation.Type.rpartition("/")[2] in kinds and target in there and target not in seen:
            seen.add(target)
            yield target, fromstring(archive.read(target))


def _rows(sheet: Any, room: _Room) -> Iterator[str]:
    """Rows that have a value."""
    sheet.reset_dimensions()  # or rows are filled up to the size that the file claims
    for row in sheet.iter_rows():
        room.row(len(row))
        if shown := [room.text(_value(cell)) for cell in row if cell.value is not None]:
            yield " | ".join(shown)


def _value(cell: Any) -> str:
    """What a cell shows, as far as it matters to who searches: percent, days, and digits that are not noise."""
    value = cell.value
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    percent = PERCENT.match(cell.number_format)
    if percent:
        return f"{value:.{len(percent[1] or '')}%}"
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _check_unpacked(blob: Blob) -> None:
    """Raise LimitError for a document that unpacks to too much; `zipfile` never gives more than is declared."""
    with blob.open() as file, zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        total = sum(entry.file_size for entry in entries)
        if total > MOST_UNPACKED:
            raise LimitError(f"{blob.name} unpacks to {total:,} bytes, more than {MOST_UNPACKED:,}; split it")
        xml = sum(entry.file_size for entry in entries if entry.file_size < LARGE or _is_xml(archive, entry))
    if xml > MOST_XML:
        raise LimitError(f"{blob.name} unpacks to {xml:,} bytes of XML, more than {MOST_XML:,}; split it")


def _is_xml(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bool:
    """Whether a part may be XML, whatever its name."""
    with archive.open(entry) as part:
        return part.read(256).lstrip(b"\xef\xbb\xbf\xfe\xff\0 \t\r\n")[:1] in OPENS


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    """The many errors of those libraries for bad bytes, as ours."""
    try:
        yield
    except LimitError:
        raise
    except DAMAGE as error:
        raise DecodeError(f"{name} cannot be read as an office document ({str(error)[:160]}); save it anew") from error
