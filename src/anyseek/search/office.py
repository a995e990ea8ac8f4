"""Documents, slides and sheets of office programs (OOXML) as text, by libraries that are asked for when one is met."""

import importlib.util
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from anyseek.errors import DecodeError, LimitError
from anyseek.media import Blob, MediaOptions

__all__ = ["Office", "missing", "office_form", "office_text"]

Office = Literal["docx", "pptx", "xlsx"]

MAGIC = b"PK\x03\x04"
INSIDE: dict[str, Office] = {"word/document.xml": "docx", "ppt/presentation.xml": "pptx", "xl/workbook.xml": "xlsx"}
MODULES: dict[Office, tuple[str, str]] = {
    "docx": ("docx", "Word documents"),
    "pptx": ("pptx", "slides"),
    "xlsx": ("openpyxl", "sheets"),
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
    if blob.head(4) != MAGIC:
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
    read = {"docx": _document, "pptx": _slides, "xlsx": _sheets}[form]
    room = _Room(blob.name, options.max_text_bytes)
    with _decoding(blob.name):
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


def _document(file: Any, room: _Room) -> Iterator[tuple[int | None, str]]:
    """Paragraphs and tables of a Word document, in their order, as one text."""
    import docx
    from docx.table import Table

    blocks = docx.Document(file).iter_inner_content()
    texts = (_cells_of(block) if isinstance(block, Table) else block.text for block in blocks)
    yield None, "\n\n".join(map(room.text, texts))


def _cells_of(table: Any) -> str:
    """A row a line. Cells are taken as they are written: `row.cells` repeats a wide one as often as the file says."""
    from docx.table import _Cell

    return "\n".join(" | ".join(_Cell(cell, table).text for cell in row._tr.tc_lst) for row in table.rows)


def _slides(file: Any, room: _Room) -> Iterator[tuple[int | None, str]]:
    """Each slide with its notes; one that is named twice is read once."""
    import pptx

    seen: set[str] = set()
    for number, slide in enumerate(pptx.Presentation(file).slides, 1):
        if slide.part.partname in seen:
            continue
        seen.add(slide.part.partname)
        pieces = list(_shapes(slide.shapes))
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            pieces.append(slide.notes_slide.notes_text_frame.text)
        yield number, room.text("\n\n".join(piece for piece in pieces if piece.strip()))


def _shapes(shapes: Iterable[Any]) -> Iterator[str]:
    """The text of shapes, and of those grouped in them."""
    for shape in shapes:
        if shape.has_text_frame:
            yield shape.text_frame.text
        elif shape.has_table:
            yield _table(shape.table.rows)
        elif hasattr(shape, "shapes"):
            yield from _shapes(shape.shapes)


def _table(rows: Iterable[Any]) -> str:
    """A row a line."""
    return "\n".join(" | ".join(cell.text for cell in row.cells) for row in rows)


def _sheets(file: Any, room: _Room) -> Iterator[tuple[int | None, str]]:
    """The values of each sheet under its name; formulas by their last result. One that is named twice is read once."""
    import openpyxl

    seen: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about styles and extensions that carry no text
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        for sheet in book.worksheets:
            if sheet._worksheet_path not in seen:
                seen.add(sheet._worksheet_path)
                yield None, "\n".join([sheet.title, *_rows(sheet, room)])


def _rows(sheet: Any, room: _Room) -> Iterator[str]:
    """Rows that have a value."""
    sheet.reset_dimensions()  # or rows are filled up to the size that the file claims
    for row in sheet.values:
        room.row(len(row))
        if shown := [room.text(str(value)) for value in row if value is not None]:
            yield " | ".join(shown)


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
