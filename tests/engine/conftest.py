"""Inputs of every kind, good and bad, for whole calls."""

import io
import threading
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from anyseek.items import File, Image, Item, Page, Text, Video
from tests.processing.conftest import encode_film, page_bytes, picture


def picture_bytes(kind: str = "PNG", size: tuple[int, int] = (80, 60)) -> bytes:
    out = io.BytesIO()
    Pillow.fromarray(picture(*size)).save(out, kind)
    return out.getvalue()


def bomb() -> bytes:
    """A PNG of 60,000 x 60,000 pixels in a few bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    header = (60_000).to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode_film(tmp_path_factory.mktemp("film") / "film.mp4", frames=30, size=(96, 64))


@pytest.fixture(scope="session")
def mixed(film: Path) -> list[Any]:
    """Good inputs of every kind and very different lengths."""
    return [
        "a red apple",
        {"text": "shoes", "instruction": "Find pictures"},
        Image(picture(120, 80)),
        ["front", picture(64, 64, 1), "back", picture(64, 96, 2)],
        {"video": film, "text": "what moves?"},
        {"video": [picture(64, 64, seed) for seed in range(3)]},
        Page(page_bytes(100, 140)),
        "word " * 200,
        {},
        File(picture_bytes("JPEG", (333, 47))),
        "",
        Item((Text("a"), Video(film, fps=2.0, max_frames=4)), "Count."),
    ]


@pytest.fixture(scope="session")
def missing_address() -> Iterator[str]:
    """An address on this machine that answers 404."""

    class Nothing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Nothing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/gone.png"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def bad(tmp_path_factory: pytest.TempPathFactory, film: Path, missing_address: str) -> dict[str, Callable[[], Any]]:
    """Bad inputs by name."""
    folder = tmp_path_factory.mktemp("bad")
    files = {
        "corrupt.png": picture_bytes()[:60] + b"\x55" * 400,
        "truncated.jpg": picture_bytes("JPEG")[:700],
        "empty.png": b"",
        "bomb.png": bomb(),
        "truncated.mp4": film.read_bytes()[: film.stat().st_size // 2],
        "corrupt.pdf": b"%PDF-1.4\nnothing of the kind",
        "noise.bin": bytes(np.random.default_rng(0).integers(0, 256, 500, np.uint8)),
        "sound.wav": b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 60,
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    inputs = {name: (lambda path=folder / name: path) for name in files}
    return inputs | {
        "corrupt picture in a mix": lambda: ["text", Image(folder / "corrupt.png"), picture(64, 64)],
        "missing file": lambda: folder / "missing.png",
        "a folder": lambda: folder,
        "404": lambda: Image(missing_address),
        "an address as text": lambda: "https://example.org/a.png",
        "wrong type": lambda: 7,
        "nothing": lambda: None,
        "nested": lambda: ["a", ["b"]],
        "unknown key": lambda: {"txt": "a"},
        "half a character": lambda: "a\ud83d",
        "20000x3": lambda: Image(np.zeros((3, 20_000, 3), np.uint8)),
        "no pixels": lambda: Image(np.zeros((0, 5, 3), np.uint8)),
        "a picture as a video": lambda: {"video": folder / "corrupt.png"},
        "a film as a picture": lambda: {"image": film},
        "no frames": lambda: Video([]),
        "frames of two sizes": lambda: {"video": [Pillow.new("RGB", (64, 64)), Pillow.new("RGB", (640, 64))]},
        "a frame that is missing": lambda: Video([picture(64, 64), folder / "missing.png"]),
        "no such page": lambda: Page(page_bytes(90, 90), 2),
        "two pages": lambda: File(page_bytes(90, 90, 2)),
        "one frame of a film": lambda: Video(film, max_frames=1),
    }
