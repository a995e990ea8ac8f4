"""Small pictures, a clip, and datasets made of them."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

from anyseek.training.data import About, DatasetWriter
from anyseek.world import Clip
from anyseek.world.clips import Actor
from anyseek.world.files import encode_clip

Lines = Sequence[Mapping[str, Any] | str]


@pytest.fixture
def red(tmp_path: Path) -> Path:
    path = tmp_path / "red.png"
    PIL.Image.new("RGB", (8, 8), (255, 0, 0)).save(path)
    return path


@pytest.fixture
def blue(tmp_path: Path) -> Path:
    path = tmp_path / "blue.jpg"
    PIL.Image.new("RGB", (300, 100), (0, 0, 255)).save(path)
    return path


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "clip.mp4"
    actors = (Actor("apple", "left"),)
    clip = Clip(actors=actors, stacked=False, colour="white", texture="plain", seconds=0.5, width=64, height=64, seed=1)
    path.write_bytes(encode_clip(clip, rate=4))
    return path


@pytest.fixture
def raw(tmp_path: Path, red: Path) -> Callable[..., Path]:
    """A dataset written by hand: what is given replaces a file of a correct one."""

    def write(**files: Lines | Mapping[str, Any]) -> Path:
        folder = tmp_path / "raw"
        folder.mkdir(exist_ok=True)
        (folder / "red.png").write_bytes(red.read_bytes())
        about = files.get("dataset", {"format": 1, "name": "raw", "task": "retrieval", "instruction": "Find it."})
        (folder / "dataset.json").write_text(json.dumps(about), encoding="utf-8")
        rows: dict[str, Any] = {
            "queries": [{"id": "q0", "text": "red"}],
            "corpus": [{"id": "d0", "image": "red.png"}, {"id": "d1", "text": "no"}],
            "relevance": [{"query": "q0", "positives": ["d0"], "negatives": ["d1"]}],
        }
        for name, lines in (rows | {key: files[key] for key in rows if key in files}).items():
            text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
            (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
        return folder

    return write


@pytest.fixture(params=["jsonl", "parquet"])
def form(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Two queries, one with two positives; texts alone, every document with a score."""
    folder = tmp_path / "texts"
    with DatasetWriter(folder, About(name="texts")) as writer:
        for key, text in (("a", "apple, red"), ("b", 'a "pear"\nof two lines'), ("c", "dog"), ("d", "Hund")):
            writer.document(key, text)
        writer.query("fruit", {"text": "fruit?", "instruction": "Find fruit."})
        writer.query("pet", {"text": "pet", "instruction": "Find pets."})
        writer.relevance("fruit", ["a", "b"], ["c"], {"a": 3, "b": 1, "c": 0})
        writer.relevance("pet", ["c"], ["a", "b"], {"c": 2, "a": 0, "b": 0})
    return folder


@pytest.fixture
def mixed(tmp_path: Path, red: Path, blue: Path, film: Path) -> Path:
    """Pictures, a clip and texts in the order of the dictionary form."""
    folder = tmp_path / "mixed"
    with DatasetWriter(folder, About(name="mixed")) as writer:
        writer.document("red", {"image": str(red)})
        writer.document("blue", {"image": str(blue), "text": "the sea"})
        writer.document("film", {"video": str(film)})
        writer.document("both", {"image": [str(red), str(blue)]})
        writer.query("q0", {"image": str(blue), "text": "darker", "instruction": "Compare."})
        writer.query("q1", {"text": "a film", "instruction": "Find it."})
        writer.relevance("q0", ["red", "both"], ["blue"])
        writer.relevance("q1", ["film"], ["red", "blue", "both"])
    return folder
