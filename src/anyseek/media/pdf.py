"""PDF pages: their size, their picture at exact pixels, their text."""

import atexit
import ctypes
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from PIL import Image

from anyseek.errors import DecodeError, InputError, LimitError
from anyseek.media.image import Size, check_pixels
from anyseek.media.kind import sniff
from anyseek.media.options import MediaOptions
from anyseek.media.source import Blob, open_source

__all__ = ["PageInfo", "count_pages", "page_text", "probe_page", "render_page"]

# PDFium keeps process-wide state and is not safe in threads, even with a document for each thread: one lock for all.
LOCK = threading.Lock()
DAMAGE = (pdfium.PdfiumError, OSError, ValueError, LookupError, MemoryError, OverflowError, ctypes.ArgumentError)
WHITE = (255, 255, 255, 255)
HYPHEN = re.compile("\ufffe(?: *\n)?|\u00ad *\n")
"""What PDFium gives for a hyphen at the end of a line, and a soft hyphen there."""
FILLED = (pdfium_c.FPDF_FORMFIELD_TEXTFIELD, pdfium_c.FPDF_FORMFIELD_COMBOBOX, pdfium_c.FPDF_FORMFIELD_LISTBOX)
UNSEEN = pdfium_c.FPDF_ANNOT_FLAG_HIDDEN | pdfium_c.FPDF_ANNOT_FLAG_NOVIEW
PASSWORD = 1 << 13
"""Flag of a field that shows stars."""

State = tuple[str, int, int]
OPEN: "OrderedDict[State, tuple[pdfium.PdfDocument, int]]" = OrderedDict()
"""Long documents that stay open, and how often each was used; only touched under the lock. Finding a late page takes
far longer than reading it: 0.35 s against 2 ms for the last of 10,000."""
MOST_OPEN, MOST_USES, LONG = 2, 1024, 32
"""Documents kept open; uses before one is opened anew, as PDFium keeps what it has parsed; pages of a long one."""


@dataclass(frozen=True, slots=True)
class PageInfo:
    """One page of a PDF as it is seen: crop box applied, turned.

    Attributes:
        width_points: width in points (1/72 inch).
        height_points: height in points.
        pages: pages of the document.
    """

    width_points: float
    height_points: float
    pages: int

    def within(self, side: int) -> tuple[int, int]:
        """Width and height in pixels when the longer of them is `side`."""
        scale = side / max(self.width_points, self.height_points)
        return max(1, round(scale * self.width_points)), max(1, round(scale * self.height_points))


@atexit.register
def _close_all() -> None:
    """Close what is open before PDFium itself goes."""
    while OPEN:
        OPEN.popitem()[1][0].close()


def count_pages(source: Any, options: MediaOptions) -> int:
    """How many pages there are; none is looked at, so that a broken one costs only itself.

    Args:
        source: anything `open_source` takes, or a Blob.
        options: sources allowed and limits.

    Raises:
        DecodeError: not a PDF, broken, or locked by a password.
        LimitError: more pages than `max_pages`.
    """
    with _open(source, options) as (document, blob):
        return _count(document, blob, options)


def probe_page(source: Any, number: int, options: MediaOptions) -> PageInfo:
    """Size of a page, and how many pages there are.

    Args:
        source: anything `open_source` takes, or a Blob.
        number: page, counted from 1.
        options: sources allowed and limits.

    Raises:
        DecodeError: not a PDF, broken, or locked by a password.
        InputError: there is no such page.
        LimitError: more pages than `max_pages`.
    """
    with _page(source, number, options) as (document, page, name):
        return _info(document, page, name)


def render_page(source: Any, number: int, size: tuple[int, int], options: MediaOptions) -> Image.Image:
    """A page as an RGB picture on white, with its annotations and filled-in forms.

    Args:
        source: anything `open_source` takes, or a Blob.
        number: page, counted from 1.
        size: (width, height) in pixels, met exactly.
        options: sources allowed and limits.

    Raises:
        InputError: as `probe_page`, or a size that is not positive.
        LimitError: more pixels than `max_source_pixels`.
    """
    wanted = Size(*size)
    if wanted.width < 1 or wanted.height < 1:
        raise InputError(f"a page cannot be rendered at {wanted.width}x{wanted.height} pixels; both must be positive")
    with _page(source, number, options) as (document, page, name):
        check_pixels(wanted, f"page {number} of {name}", options)
        _info(document, page, name)
        return _rendered(document, page, wanted)


def page_text(source: Any, number: int, options: MediaOptions) -> str:
    """The text of a page in the order the file gives it, with plain line ends; empty for a scan.

    Words that are hyphenated at the end of a line are whole. What is filled into forms, and notes that are written onto
    the page, come last.

    Args:
        source: anything `open_source` takes, or a Blob.
        number: page, counted from 1.
        options: sources allowed and limits.

    Raises:
        InputError: as `probe_page`.
    """
    with _page(source, number, options) as (document, page, name):
        _info(document, page, name)
        text = page.get_textpage()
        try:
            printed = str(text.get_text_range()).replace("\r\n", "\n").replace("\r", "\n")
        finally:
            text.close()
        return "\n".join(filter(None, (HYPHEN.sub("", printed), *_added(document, page))))


@contextmanager
def _open(source: Any, options: MediaOptions) -> Iterator[tuple[pdfium.PdfDocument, Blob]]:
    """An open document under the lock."""
    blob = open_source(source, options)
    head = blob.head()
    if b"%PDF-" not in head[:1024]:
        raise DecodeError(f"{blob.name} is not a PDF (its content looks like {sniff(head) or 'nothing known'})")
    with LOCK, _decoding(blob.name), _document(blob) as document:
        yield document, blob


@contextmanager
def _page(source: Any, number: int, options: MediaOptions) -> Iterator[tuple[pdfium.PdfDocument, pdfium.PdfPage, str]]:
    """An open page under the lock; everything is closed before the lock is given back."""
    with _open(source, options) as (document, blob):
        page = _opened(document, number, blob, options)
        try:
            yield document, page, blob.name
        finally:
            page.close()


@contextmanager
def _document(blob: Blob) -> Iterator[pdfium.PdfDocument]:
    """An open document; a long file stays open for the next page of it, unless something goes wrong."""
    state = _state(blob)
    document, uses = OPEN.pop(state) if state in OPEN else (_loaded(blob), 0)
    keep = False
    try:
        yield document
        keep = blob.path is not None and uses < MOST_USES and len(document) >= LONG
    finally:
        if keep:
            OPEN[state] = (document, uses + 1)
        else:
            document.close()
        while len(OPEN) > MOST_OPEN:
            OPEN.popitem(last=False)[1][0].close()


def _state(blob: Blob) -> State:
    """A file as it is now: with another size or time it is another one."""
    if blob.path is None:
        return "", 0, 0
    status = blob.path.stat()
    return str(blob.path), status.st_size, status.st_mtime_ns


def _loaded(blob: Blob) -> pdfium.PdfDocument:
    """The document, its forms made ready before anything else, because PDFium wants it so."""
    document = pdfium.PdfDocument(blob.data if blob.path is None else str(blob.path))
    document.init_forms()
    return document


def _opened(document: pdfium.PdfDocument, number: int, blob: Blob, options: MediaOptions) -> pdfium.PdfPage:
    """The page of that number."""
    count = _count(document, blob, options)
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= count:
        raise InputError(f"{blob.name} has pages 1 to {count}; there is no page {number!r}")
    return document[number - 1]


def _count(document: pdfium.PdfDocument, blob: Blob, options: MediaOptions) -> int:
    """How many pages it has, when it may have so many."""
    count = len(document)
    if count > options.max_pages:
        raise LimitError(
            f"{blob.name} has {count:,} pages, more than {options.max_pages:,}; raise MediaOptions.max_pages "
            "(anyseek index --retry --max-pages)"
        )
    return count


def _info(document: pdfium.PdfDocument, page: pdfium.PdfPage, name: str) -> PageInfo:
    """The size, when the page has one."""
    width, height = page.get_size()
    if not (width > 0 and height > 0):
        raise DecodeError(f"{name}: the page has no area ({width:g}x{height:g} points)")
    return PageInfo(width, height, len(document))


def _rendered(document: pdfium.PdfDocument, page: pdfium.PdfPage, size: Size) -> Image.Image:
    """Draw into a bitmap of exactly this size; `page.render` knows one scale only and rounds up."""
    bitmap = pdfium.PdfBitmap.new_native(size.width, size.height, pdfium_c.FPDFBitmap_BGRx, rev_byteorder=True)
    try:
        bitmap.fill_rect(WHITE, 0, 0, size.width, size.height)
        place = (0, 0, size.width, size.height, 0, pdfium_c.FPDF_ANNOT | pdfium_c.FPDF_REVERSE_BYTE_ORDER)
        pdfium_c.FPDF_RenderPageBitmap(bitmap, page, *place)
        if document.formenv:
            pdfium_c.FPDF_FFLDraw(document.formenv, bitmap, page, *place)
        picture: Image.Image = bitmap.to_pil()
        return picture.convert("RGB")
    finally:
        bitmap.close()


def _added(document: pdfium.PdfDocument, page: pdfium.PdfPage) -> Iterator[str]:
    """What fields of forms hold and free notes say, where it is seen."""
    for number in range(pdfium_c.FPDFPage_GetAnnotCount(page)):
        note = pdfium_c.FPDFPage_GetAnnot(page, number)
        if not note:
            continue
        try:
            yield _said(document, note)
        finally:
            pdfium_c.FPDFPage_CloseAnnot(note)


def _said(document: pdfium.PdfDocument, note: Any) -> str:
    """The text of a field or a free note; of anything else nothing."""
    kind, form = pdfium_c.FPDFAnnot_GetSubtype(note), document.formenv
    if pdfium_c.FPDFAnnot_GetFlags(note) & UNSEEN:
        return ""
    if kind == pdfium_c.FPDF_ANNOT_FREETEXT:
        return _long(lambda *room: pdfium_c.FPDFAnnot_GetStringValue(note, b"Contents", *room))
    if kind != pdfium_c.FPDF_ANNOT_WIDGET or not form:
        return ""
    if pdfium_c.FPDFAnnot_GetFormFieldType(form, note) not in FILLED:
        return ""
    if pdfium_c.FPDFAnnot_GetFormFieldFlags(form, note) & PASSWORD:
        return ""
    return _long(lambda *room: pdfium_c.FPDFAnnot_GetFormFieldValue(form, note, *room))


def _long(read: Callable[[Any, int], int]) -> str:
    """A text that PDFium writes where it is told to, when it is given enough room."""
    length = read(None, 0)
    room = ctypes.create_string_buffer(length)
    read(ctypes.cast(room, ctypes.POINTER(pdfium_c.FPDF_WCHAR)), length)
    return room.raw[:length].decode("utf-16-le", "ignore").rstrip("\0").replace("\r\n", "\n").replace("\r", "\n")


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    """PDFium's errors, as ours."""
    try:
        yield
    except InputError:
        raise
    except DAMAGE as error:
        if getattr(error, "err_code", None) == pdfium_c.FPDF_ERR_PASSWORD:
            raise DecodeError(
                f"{name} is locked by a password; save a copy without one, for example with qpdf"
            ) from error
        raise DecodeError(f"{name} cannot be read as a PDF ({str(error)[:160]})") from error
