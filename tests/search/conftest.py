"""A folder with one of each, made on the spot."""

import io
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import PIL.Image
import pytest
import torch
from safetensors.torch import save_file

from anyseek.engine import Encoded
from anyseek.errors import DecodeError
from anyseek.items import Item, Limits, Text
from anyseek.media import MediaOptions
from anyseek.search import Library
from tests.fakes import DIM, vector, words


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


def said(item: Item) -> Item:
    """A file by its name and place, whatever its ending, as words."""
    pieces = [
        getattr(part, "text", None)
        or f"{Path(part.source).stem} {getattr(part, 'number', '')} {getattr(part, 'start', None) or ''}"
        for part in item.parts
    ]
    return Item((Text(" ".join(pieces)),))


class Seen:
    """An embedder of words, as `tests.fakes`, that a library can be made with, and that counts what it encodes."""

    dim = DIM + 1

    def __init__(self, source: Path) -> None:
        self.source = source
        options = SimpleNamespace(
            limits=Limits(), media=MediaOptions(), max_tokens=8192, parse_special=True, shrink=True
        )
        self.processor = SimpleNamespace(options=options)
        self.encoded: list[Item] = []
        self.refused: set[str] = set()
        self.dies_at: int | None = None

    def encode_document(
        self, inputs: list[Item], *, on_error: str, truncate_dim: int | None = None, **_: object
    ) -> Encoded:
        rows, errors = np.zeros((len(inputs), self.dim), np.float32), {}
        for row, item in enumerate(inputs):
            if self.dies_at is not None and len(self.encoded) >= self.dies_at:
                raise KeyboardInterrupt
            self.encoded.append(item)
            if words(said(item)) & self.refused:
                errors[row] = DecodeError("cannot be decoded").at(f"items[{row}]")
            else:
                rows[row] = self.vector(item)
        return Encoded(rows[:, :truncate_dim], errors)

    def similarity(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return a @ b.T

    def encode_query(self, inputs: list[Item], *, truncate_dim: int | None = None) -> np.ndarray:
        return np.stack([self.vector(item) for item in inputs])[:, :truncate_dim]

    def vector(self, item: Item) -> np.ndarray:
        return np.append(vector(said(item)), np.float32(0.05))  # a text without Latin words has a vector too


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with weights and nothing else."""
    folder = tmp_path_factory.mktemp("model") / "model"
    folder.mkdir()
    save_file({"w": torch.arange(12.0).reshape(3, 4)}, folder / "model.safetensors")
    return folder


@pytest.fixture
def seen(weights: Path) -> Seen:
    return Seen(weights)


@pytest.fixture
def library(tmp_path: Path, seen: Seen) -> Library:
    return Library.open(tmp_path / "library", seen)
