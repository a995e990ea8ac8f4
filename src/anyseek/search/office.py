"""Documents, slides and sheets of office programs (OOXML) as text, by libraries that are asked for when one is met."""

import importlib.util
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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
    total = 0
    with _decoding(blob.name):
        _check_unpacked(blob)
        with blob.open() as file:
            for page, text in read(file):
                total += len(text)
                if total > options.max_text_bytes:
                    raise LimitError(
                        f"{blob.name} has more than {options.max_text_bytes:,} characters; raise "
                        "MediaOptions.max_text_bytes"
                    )
                yield page, text


def _document(file: Any) -> Iterator[tuple[int | None, str]]:
    """Paragraphs and tables of a Word document, in their order, as one text."""
    import docx
    from docx.table import Table

    blocks = docx.Document(file).iter_inner_content()
    yield None, "\n\n".join(_table(block.rows) if isinstance(block, Table) else block.text for block in blocks)


def _slides(file: Any) -> Iterator[tuple[int | None, str]]:
    """Each slide with its notes."""
    import pptx

    for number, slide in enumerate(pptx.Presentation(file).slides, 1):
        pieces = list(_shapes(slide.shapes))
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
            pieces.append(slide.notes_slide.notes_text_frame.text)
        yield number, "\n\n".join(piece for piece in pieces if piece.strip())


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


def _sheets(file: Any) -> Iterator[tuple[int | None, str]]:
    """The values of each sheet under its name; formulas by their last result."""
    import openpyxl

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about styles and extensions that carry no text
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        for sheet in book.worksheets:
            rows = (" | ".join(str(value) for value in row if value is not None) for row in sheet.values)
            yield None, "\n".join([sheet.title, *(row for row in rows if row)])


def _check_unpacked(blob: Blob) -> None:
    """Raise LimitError for a document that unpacks to too much; `zipfile` never gives more than is declared."""
    with blob.open() as file, zipfile.ZipFile(file) as archive:
        total = sum(entry.file_size for entry in archive.infolist())
    if total > MOST_UNPACKED:
        raise LimitError(f"{blob.name} unpacks to {total:,} bytes, more than {MOST_UNPACKED:,}; split it")


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    """The many errors of those libraries for bad bytes, as ours."""
    try:
        yield
    except LimitError:
        raise
    except DAMAGE as error:
        raise DecodeError(f"{name} cannot be read as an office document ({str(error)[:160]}); save it anew") from error
