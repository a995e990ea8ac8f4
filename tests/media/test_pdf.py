import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from anyseek.errors import DecodeError, InputError, LimitError
from anyseek.media import MediaOptions, count_pages, page_text, pdf, probe_page, render_page

OPTIONS = MediaOptions()
Make = Callable[..., bytes]
CORNER = "1 0 0 rg 0 250 100 50 re f"
"""A red box in the upper left quarter's corner of a 200x300 page."""
# The standard handler with a user key that no empty password gives.
LOCKED_TRAILER = (
    "/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 "
    f"/O <{'28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a'}> /U <{'00' * 32}> >> "
    f"/ID [<{'11' * 16}> <{'11' * 16}>]"
)


def red(image: object) -> np.ndarray:
    pixels = np.asarray(image).astype(int)
    return (pixels[..., 0] > 200) & (pixels[..., 1] < 60)


def test_size_and_pages(make_pdf: Make, tmp_path: Path) -> None:
    data = make_pdf("/MediaBox [0 0 200 300]", "/MediaBox [0 0 400.5 100]", "/MediaBox [0 0 10 20] /Rotate 90")
    path = tmp_path / "a.pdf"
    path.write_bytes(data)
    for source in (data, path, bytearray(data)):
        info = probe_page(source, 2, OPTIONS)
        assert (info.width_points, info.height_points, info.pages) == (400.5, 100, 3)
        assert (probe_page(source, 3, OPTIONS).width_points, probe_page(source, 3, OPTIONS).height_points) == (20, 10)


@pytest.mark.parametrize("size", [(200, 300), (64, 96), (1, 1), (333, 97), (1000, 3)])
def test_exact_size_on_white(make_pdf: Make, size: tuple[int, int]) -> None:
    image = render_page(make_pdf(content=CORNER), 1, size, OPTIONS)
    assert image.mode == "RGB"
    assert image.size == size


def test_what_is_where(make_pdf: Make) -> None:
    image = render_page(make_pdf(content=CORNER), 1, (200, 300), OPTIONS)
    assert red(image)[:50, :100].all()
    assert red(image).sum() == 5000
    assert (np.asarray(image)[100:] == 255).all()
    stretched = render_page(make_pdf(content=CORNER), 1, (400, 300), OPTIONS)
    assert red(stretched)[:50, :200].all()
    assert red(stretched).sum() == 10000


def test_rotation_and_crop_box(make_pdf: Make) -> None:
    turned = make_pdf("/MediaBox [0 0 200 300] /Rotate 90", content=CORNER)
    image = render_page(turned, 1, (300, 200), OPTIONS)
    assert red(image)[:100, 250:].all()
    assert red(image).sum() == 5000
    cropped = make_pdf("/MediaBox [0 0 200 300] /CropBox [50 200 150 300]", content=CORNER)
    info = probe_page(cropped, 1, OPTIONS)
    assert (info.width_points, info.height_points) == (100, 100)
    image = render_page(cropped, 1, (100, 100), OPTIONS)
    assert red(image)[:50, :50].all()
    assert red(image).sum() == 2500


def test_filled_in_forms_and_annotations_are_drawn(make_pdf: Make) -> None:
    page = "/MediaBox [0 0 200 300] /Annots [6 0 R 7 0 R]"
    draw = "1 0 0 rg 0 0 50 50 re f"
    look = "/F 4 /AP << /N 8 0 R >> /Type /Annot"
    more = (
        f"<< {look} /Subtype /Widget /FT /Tx /T (a) /V (x) /Rect [0 0 50 50] /P 5 0 R >>",
        f"<< {look} /Subtype /Square /Rect [100 200 150 250] >>",
        f"<< /Type /XObject /Subtype /Form /BBox [0 0 50 50] /Length {len(draw)} >>\nstream\n{draw}\nendstream",
    )
    image = render_page(make_pdf(page, root="/AcroForm << /Fields [6 0 R] >>", more=more), 1, (200, 300), OPTIONS)
    assert red(image)[250:, :50].all()
    assert red(image)[50:100, 100:150].all()


def test_text(make_pdf: Make) -> None:
    words = "BT /F 20 Tf 20 200 Td (Hello there) Tj 0 -40 Td (second line) Tj ET"
    assert page_text(make_pdf(content=words), 1, OPTIONS) == "Hello there\nsecond line"
    assert page_text(make_pdf(), 1, OPTIONS) == ""


@pytest.mark.parametrize("hyphen", ["-", "\\255"])
def test_words_that_are_parted_at_a_line_end_are_whole(make_pdf: Make, hyphen: str) -> None:
    lines = f"BT /F 20 Tf 22 TL 20 200 Td (self-made infor{hyphen}) Tj T* (mation) Tj ET"
    data = make_pdf(content=lines).replace(b"/Helvetica", b"/Helvetica /Encoding /WinAnsiEncoding")
    assert page_text(data, 1, OPTIONS) == "self-made information"


def test_the_text_of_forms_and_notes_on_the_page(make_pdf: Make) -> None:
    words = "BT /F 20 Tf 20 200 Td (Name:) Tj ET"
    fields = (
        "<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /V (Ada\rLovelace) /Rect [0 0 90 20] /F 4 >>",
        "<< /Type /Annot /Subtype /Widget /FT /Tx /T (secret) /V (sesame) /Ff 8192 /Rect [0 0 90 20] /F 4 >>",
        "<< /Type /Annot /Subtype /Widget /FT /Btn /T (yes) /V /On /Rect [0 0 90 20] /F 4 >>",
        "<< /Type /Annot /Subtype /FreeText /Contents (paid) /DA (/F 9 Tf) /Rect [0 0 90 20] /F 4 >>",
        "<< /Type /Annot /Subtype /FreeText /Contents (hidden) /DA (/F 9 Tf) /Rect [0 0 90 20] /F 2 >>",
        "<< /Type /Annot /Subtype /Text /Contents (a comment) /Rect [0 0 90 20] /F 4 >>",
    )
    data = make_pdf(
        "/MediaBox [0 0 200 300] /Annots [6 0 R 7 0 R 8 0 R 9 0 R 10 0 R 11 0 R]",
        content=words,
        root="/AcroForm << /Fields [6 0 R 7 0 R 8 0 R] >>",
        more=fields,
    )
    assert page_text(data, 1, OPTIONS) == "Name:\nAda\nLovelace\npaid"
    assert page_text(data.replace(b"/AcroForm", b"/NoForms "), 1, OPTIONS) == "Name:\npaid"


@pytest.mark.parametrize("number", [0, 3, -1, True, 1.0, None, 10**30])
def test_no_such_page(make_pdf: Make, number: int) -> None:
    data = make_pdf(*["/MediaBox [0 0 9 9]"] * 2)
    for call in (
        lambda: probe_page(data, number, OPTIONS),
        lambda: render_page(data, number, (5, 5), OPTIONS),
        lambda: page_text(data, number, OPTIONS),
    ):
        with pytest.raises(InputError, match=r"<\d+ bytes> has pages 1 to 2; there is no page"):
            call()


def test_limits(make_pdf: Make) -> None:
    data = make_pdf(*["/MediaBox [0 0 9 9]"] * 3)
    assert probe_page(data, 1, MediaOptions(max_pages=3)).pages == 3
    assert count_pages(data, MediaOptions(max_pages=3)) == 3
    for call in (lambda media: probe_page(data, 1, media), lambda media: count_pages(data, media)):
        with pytest.raises(LimitError, match=r"has 3 pages, more than 2; raise MediaOptions.max_pages"):
            call(MediaOptions(max_pages=2))
    with pytest.raises(LimitError, match=r"page 1 of <\d+ bytes> is 100x101 pixels"):
        render_page(data, 1, (100, 101), MediaOptions(max_source_pixels=10_000))
    for size in ((0, 5), (5, -1)):
        with pytest.raises(InputError, match="both must be positive"):
            render_page(data, 1, size, OPTIONS)


def test_not_a_pdf_and_broken(make_pdf: Make) -> None:
    with pytest.raises(DecodeError, match=r"is not a PDF \(its content looks like text\)"):
        probe_page(b"words", 1, OPTIONS)
    for data in (b"%PDF-1.7\nnothing more", b"%PDF-1.4\n" + bytes(range(256)) * 4):
        with pytest.raises(DecodeError, match="cannot be read as a PDF"):
            probe_page(data, 1, OPTIONS)


def test_locked(make_pdf: Make) -> None:
    data = make_pdf().replace(b"/Root 1 0 R", b"/Root 1 0 R " + LOCKED_TRAILER.encode())
    with pytest.raises(DecodeError, match="locked by a password; save a copy without one"):
        probe_page(data, 1, OPTIONS)


def test_threads_take_turns(make_pdf: Make) -> None:
    data = make_pdf(*["/MediaBox [0 0 200 300]"] * 4, content=CORNER)
    truth = np.asarray(render_page(data, 1, (100, 150), OPTIONS))
    same: list[bool] = []

    def work(number: int) -> None:
        for _ in range(10):
            same.append(bool((np.asarray(render_page(data, number, (100, 150), OPTIONS)) == truth).all()))

    workers = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert same == [True] * 40


def test_a_long_document_stays_open_until_it_changes(make_pdf: Make, tmp_path: Path) -> None:
    path = tmp_path / "long.pdf"
    path.write_bytes(make_pdf(*["/MediaBox [0 0 200 300]"] * 40))
    pdf.OPEN.clear()
    assert probe_page(path, 40, OPTIONS).width_points == 200
    ((document, uses),) = pdf.OPEN.values()
    assert probe_page(path, 1, OPTIONS).pages == 40
    assert [*pdf.OPEN.values()] == [(document, uses + 1)]
    with pytest.raises(InputError):
        probe_page(path, 41, OPTIONS)
    assert not pdf.OPEN  # what failed is not kept
    assert probe_page(path, 2, OPTIONS).pages == 40
    path.write_bytes(make_pdf(*["/MediaBox [0 0 100 300]"] * 41))
    assert probe_page(path, 41, OPTIONS).width_points == 100


def test_few_documents_stay_open_and_short_ones_not_at_all(
    make_pdf: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pdf.OPEN.clear()
    monkeypatch.setattr(pdf, "MOST_USES", 2)
    for number in range(4):
        path = tmp_path / f"{number}.pdf"
        path.write_bytes(make_pdf(*["/MediaBox [0 0 200 300]"] * (1 if number == 3 else 40)))
        probe_page(path, 1, OPTIONS)
    assert [Path(state[0]).name for state in pdf.OPEN] == ["1.pdf", "2.pdf"]
    for _ in range(2):
        probe_page(tmp_path / "2.pdf", 1, OPTIONS)
    assert [Path(state[0]).name for state in pdf.OPEN] == ["1.pdf"]  # opened anew after so many uses
