"""A folder with one of each, made on the spot."""

import io
from pathlib import Path

import av
import numpy as np
import PIL.Image
import pytest


def pdf(pages: int) -> bytes:
    """A PDF of blank pages, written by hand."""
    kids = " ".join(f"{3 + n} 0 R" for n in range(pages))
    bodies = ["<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {pages} >>"]
    bodies += ["<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 300] >>"] * pages
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(bodies, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    start = len(out)
    out += f"xref\n0 {len(bodies) + 1}\n0000000000 65535 f \n{table}".encode()
    return out + f"trailer\n<< /Size {len(bodies) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()


def clip(seconds: int = 3, rate: int = 10) -> bytes:
    """A small grey video."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for n in range(seconds * rate):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), n, dtype=np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return out.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures, a PDF of three pages, a clip, text, and what must be left out."""
    root = tmp_path / "mine"
    (root / "sub" / "deep").mkdir(parents=True)
    PIL.Image.new("RGB", (40, 30), "red").save(root / "red apple.png")
    PIL.Image.new("RGB", (40, 30), "blue").save(root / "sub" / "blue dog.jpg")
    PIL.Image.new("RGB", (40, 30), "green").save(root / "sub" / "deep" / "misnamed.txt", format="PNG")
    (root / "report.pdf").write_bytes(pdf(3))
    (root / "sub" / "ball.mp4").write_bytes(clip())
    (root / "notes.txt").write_text("a recipe for pear cake", encoding="utf-8")
    (root / ".hidden.txt").write_text("secret", encoding="utf-8")
    (root / "empty.txt").write_bytes(b"")
    (root / "program.bin").write_bytes(bytes(range(256)) * 4)
    (root / "broken.pdf").write_bytes(b"%PDF-1.4\nnothing else")
    return root
