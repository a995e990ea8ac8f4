"""The examples as their readers run them: a process of their own, the bundled samples, the bundled models."""

import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import numpy as np
import PIL.Image
import pytest

from anyseek.integrations import Spot
from anyseek.media import MediaOptions, read_frames

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples"
QUESTION = "a letter about hot peppers"

pytestmark = pytest.mark.slow


def run(name: str, *arguments: object, code: int = 0, columns: int = 80) -> str:
    """What an example prints; of one that fails, what it says on standard error."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / name), *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": str(columns), "PYTHONPATH": str(ROOT / "src")},
        timeout=300,
    )
    assert done.returncode == code, done.stderr
    return done.stderr if code else done.stdout


def copied(folder: Path, *names: str) -> Path:
    """Some samples in a folder of their own."""
    folder.mkdir()
    for name in names:
        shutil.copy(SAMPLES / name, folder)
    return folder


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = [f"documents/d{number:03}.pdf" for number in (4, 9, 12)]
    return copied(tmp_path_factory.mktemp("papers") / "papers", *names)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the library of the papers is kept from test to test."""
    return tmp_path_factory.mktemp("kept") / "library"


class Reader(ThreadingHTTPServer):
    """Stands in for a vision-language model behind an OpenAI-compatible address."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, str | None, dict[str, Any]]] = []
        self.reply: tuple[int, dict[str, Any]] = (200, {})
        self.address = f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Reader

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, self.headers["Authorization"], body))
        status, reply = self.server.reply
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(reply).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def reader() -> Iterator[Reader]:
    server = Reader()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_photo_search_by_words_and_more_like_the_first(tmp_path: Path) -> None:
    folder = copied(tmp_path / "pictures", *(f"pictures/{name}" for name in ("p002.jpg", "p004.png", "p011.jpg")))
    (folder / f"a {'very ' * 8}long name.png").write_bytes((SAMPLES / "pictures/p013.png").read_bytes())
    said = run("photo_search.py", folder, "a fish on a yellow background", "--more", 2, columns=40)
    lines = said.splitlines()
    assert lines[1:3][1].endswith("p004.png")
    assert re.search(r"4 files, 4 read anew", lines[0])
    more = lines[lines.index("more like the first:") + 2 :]
    assert len(more) == 2
    assert not any("p004.png" in line for line in more)
    assert max(map(len, lines)) == 40
    assert any("…" in line and line.endswith("long name.png") for line in lines)


def test_photo_search_by_picture_and_both_with_a_library_that_is_kept(tmp_path: Path) -> None:
    folder = copied(tmp_path / "pictures", *(f"pictures/{name}" for name in ("p002.jpg", "p004.png", "p011.jpg")))
    options = ("--image", SAMPLES / ".asked/fish.png", "--library", tmp_path / "library", "--top", 1)
    first = run("photo_search.py", folder, *options)
    again = run("photo_search.py", folder, "a fish", *options)
    assert "3 files, 3 read anew" in first
    assert "3 files, 0 read anew" in again
    assert first.splitlines()[-1].endswith("p004.png")
    assert again.splitlines()[-1].endswith("p004.png")
    assert (len(first.splitlines()), len(again.splitlines())) == (3, 3)


def test_pdf_questions_shows_the_right_pages(papers: Path, kept: Path, reader: Reader) -> None:
    reader.reply = (200, {"choices": [{"message": {"content": "Peppers are in the letter [1]."}}]})
    told = run(
        "pdf_questions.py",
        papers,
        QUESTION,
        "--library",
        kept,
        "--url",
        reader.address,
        "--api-key",
        "secret",
        "--side",
        900,
    )
    assert told.splitlines() == ["Peppers are in the letter [1].", f"[1] {papers.resolve() / 'd012.pdf'}, page 3"]
    ((path, key, body),) = reader.requests
    assert (path, key) == ("/v1/chat/completions", "Bearer secret")
    *pages, question = body["messages"][1]["content"]
    assert question == {"type": "text", "text": QUESTION}
    assert len(pages) == 6
    labels = [part["text"] for part in pages[::2]]
    assert labels[0] == "[1] d012.pdf, page 3"
    for label, part in zip(labels, pages[1::2], strict=True):
        _, name, page = re.fullmatch(r"\[(\d)\] (.+), page (\d+)", label).groups()
        head, _, data = part["image_url"]["url"].partition(",")
        assert head == "data:image/jpeg;base64"
        jpeg = base64.b64decode(data, validate=True)
        assert jpeg == Spot(path=papers / name, kind="page", page=int(page)).jpeg(side=900)
        assert max(PIL.Image.open(io.BytesIO(jpeg)).size) == 900
        assert len(jpeg) < 1 << 20


def test_pdf_questions_can_be_looked_at_first(papers: Path, kept: Path, reader: Reader) -> None:
    said = run(
        "pdf_questions.py", papers, QUESTION, "--library", kept, "--url", reader.address, "--dry-run", "--pages", 1
    )
    request = json.loads(said)
    assert request["messages"][1]["content"][0]["text"] == "[1] d012.pdf, page 3"
    assert re.fullmatch(
        r"data:image/jpeg;base64,.{1,20}\.\.\. \([\d,]+ characters\)",
        request["messages"][1]["content"][1]["image_url"]["url"],
    )
    assert not reader.requests


def test_pdf_questions_says_what_went_wrong(papers: Path, kept: Path, reader: Reader) -> None:
    reader.reply = (400, {"error": {"message": "too many images"}})
    said = run("pdf_questions.py", papers, QUESTION, "--library", kept, "--url", reader.address, code=1)
    assert "says 400" in said
    assert "too many images" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("photo_search.py", ["nowhere", "a cat"], "nowhere is not a folder"),
        ("photo_search.py", [SAMPLES], "say what is sought"),
        ("pdf_questions.py", [SAMPLES, "why?"], "say who answers"),
        ("video_moments.py", [SAMPLES, "a cat", "--cut", __file__], "is there already"),
        ("video_moments.py", [SAMPLES, "a cat", "--cut", "moment.xyz"], "--cut writes .mp4 or .mkv"),
    ],
)
def test_mistakes_are_told(name: str, arguments: list[object], said: str) -> None:
    told = run(name, *arguments, code=1 if "nowhere" in arguments else 2)
    assert said in told
    assert "Traceback" not in told


def joined(path: Path, *names: str) -> list[float]:
    """Clips as one film; the seconds at which they end."""
    ends, frames = [], 0
    with av.open(path, "w") as film:
        stream = film.add_stream("libx264", rate=8, options={"threads": "1"})
        stream.width, stream.height, stream.pix_fmt = 240, 192, "yuv420p"
        for name in names:
            with av.open(SAMPLES / "clips" / name) as clip:
                for frame in clip.decode(video=0):
                    plain = frame.reformat(240, 192, "yuv420p")
                    plain.pts, plain.time_base, plain.pict_type = frames, Fraction(1, 8), 0
                    film.mux(stream.encode(plain))
                    frames += 1
            ends.append(frames / 8)
        film.mux(stream.encode(None))
    return ends


def test_video_moments_finds_the_moment_and_cuts_it_out(tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    film = tmp_path / "films" / "film.mp4"
    begins, ends, _ = joined(film, "v005.mp4", "v003.mp4", "v009.mp4")
    cut = tmp_path / "cut.mp4"
    said = run(
        "video_moments.py", tmp_path / "films", "a lollipop that moves down", "--seconds", 4, "--top", 2, "--cut", cut
    )
    found = re.match(r" *[\d.]+  0:([\d.]+) to 0:([\d.]+)  (.+)", said)
    start, end = float(found[1]), float(found[2])
    assert Path(found[3]) == film.resolve()
    assert end - start == 4
    assert begins - 1 <= start < end <= ends + 1  # a second is a quarter of a moment
    with av.open(cut) as result:
        shown = [frame.to_ndarray(format="rgb24") for frame in result.decode(video=0)]
        assert result.duration == pytest.approx(4e6, abs=2e5)
    assert len(shown) == 32
    source = read_frames(film, range(round(start * 8), round(end * 8)), MediaOptions())
    assert np.abs(np.stack(shown).astype(int) - source).mean() < 3


def test_the_readme_of_the_examples_names_each() -> None:
    text = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    for script in (ROOT / "examples").glob("*.py"):
        assert f"python examples/{script.name} " in text
        assert f"python examples/{script.name} " in script.read_text(encoding="utf-8").partition('"""\n\nimport')[0]
