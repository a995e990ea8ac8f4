import io
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from anyseek import Library, Page, Video
from anyseek.errors import InputError, SourceError
from anyseek.integrations import Spot, data_uri
from anyseek.integrations.spots import about, input_of
from anyseek.items import File, Image, Item, Text
from anyseek.media import MediaOptions, load_image, read_frames


def seen(jpeg: bytes) -> PIL.Image.Image:
    picture = PIL.Image.open(io.BytesIO(jpeg))
    picture.load()
    assert picture.format == "JPEG"
    return picture


def difference(one: PIL.Image.Image, other: PIL.Image.Image) -> float:
    small = (np.asarray(picture.convert("RGB").resize((64, 64)), np.float32) for picture in (one, other))
    return float(np.abs(next(small) - next(small)).mean())


def test_metadata_and_spots_are_the_same_both_ways(indexed: Library) -> None:
    kinds = set()
    for query in ("a fish", "a chestnut", "a lollipop that moves down", "a shopping cart in Madrid"):
        for hit in indexed.search(query):
            found = about(hit)
            assert None not in found.values()
            assert Spot.of(found) == Spot.of(hit)
            assert (found["score"], found["id"]) == (hit.score, hit.id)
            kinds.add(found["kind"])
    assert kinds == {"image", "page", "video", "text"}


def test_a_page_is_shown_at_the_size_that_was_asked_for(samples: Path) -> None:
    first, second = (Spot(path=samples / "documents/d010.pdf", kind="page", page=number) for number in (1, 2))
    large, small = seen(second.jpeg()), seen(second.jpeg(side=300))
    assert (max(large.size), max(small.size)) == (1536, 300)
    assert difference(large, small) < 4 < difference(large, seen(first.jpeg()))


def test_a_picture_is_never_made_larger_and_is_turned(tmp_path: Path) -> None:
    tag = PIL.Image.Exif()
    tag[0x0112] = 6
    PIL.Image.new("RGB", (40, 30), "red").save(tmp_path / "turned.jpg", exif=tag)
    spot = Spot(path=tmp_path / "turned.jpg", kind="image")
    assert seen(spot.jpeg()).size == (30, 40)
    assert seen(spot.jpeg(side=20)).size == (15, 20)


def test_a_segment_is_shown_by_its_middle(samples: Path) -> None:
    film = samples / "clips/v003.mp4"
    frames = [PIL.Image.fromarray(frame) for frame in read_frames(film, [0, 36], MediaOptions())]
    shown = seen(Spot(path=film, kind="video", start=4.0, end=5.0).jpeg())
    assert difference(shown, frames[1]) < 3 < difference(shown, frames[0])
    assert difference(seen(Spot(path=film, kind="video").jpeg()), frames[0]) > 3


def test_a_film_of_a_phone_is_shown_upright(samples: Path, tmp_path: Path) -> None:
    film, plain = samples / "clips/v003.mp4", struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    data = film.read_bytes()
    assert data.count(plain) >= 1
    place = data.index(plain, data.index(b"tkhd"))
    turned = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    (tmp_path / "a.mp4").write_bytes(data[:place] + turned + data[place + len(plain) :])
    upright = PIL.Image.fromarray(np.rot90(read_frames(film, [36], MediaOptions())[0], -1))
    shown = seen(Spot(path=tmp_path / "a.mp4", kind="video", start=4.0, end=5.0).jpeg())
    assert shown.size == upright.size
    assert difference(shown, upright) < 3


def test_what_cannot_be_shown_says_why(samples: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="n011.txt: text has no picture"):
        Spot(path=samples / "notes/n011.txt", kind="text").jpeg()
    with pytest.raises(SourceError, match=r"gone\.png"):
        Spot(path=tmp_path / "gone.png", kind="image").jpeg()


def test_of_copies_the_one_that_is_there_is_taken(indexed: Library, samples: Path, tmp_path: Path) -> None:
    hit = indexed.search("a fish on a yellow background").hits[0]
    copy = replace(hit, paths=(tmp_path / "gone.png", samples / "pictures/p004.png"))
    assert Spot.of(copy).path == samples / "pictures/p004.png"
    assert Spot.of(replace(hit, paths=(tmp_path / "gone.png",))).path == tmp_path / "gone.png"


@pytest.mark.parametrize(
    ("metadata", "text", "part"),
    [
        ({"path": "a.pdf", "kind": "page", "page": 2}, "its text", Page(Path("a.pdf"), 2)),
        ({"path": "a.pdf", "kind": "page", "page": 2.0}, "", Page(Path("a.pdf"), 2)),  # a store that knows floats only
        ({"path": "a.png", "kind": "image"}, "", Image(Path("a.png"))),
        ({"path": "a.mp4", "kind": "video", "start": 1.0, "end": 2.0}, "", Video(Path("a.mp4"), start=1.0, end=2.0)),
        ({"path": "a.txt", "kind": "text", "start": 0.0}, "words", Text("words")),
        ({"path": "src/main.py"}, "print()", Text("print()")),  # somebody else's metadata
        ({"path": "a.pdf", "page": 2}, " ", Page(Path("a.pdf"), 2)),
        ({"path": "a.jpg"}, "", File(Path("a.jpg"))),
        ({"kind": "memo"}, "words", Text("words")),
        ({}, "words", Text("words")),
    ],
)
def test_what_a_reranker_reads(metadata: dict[str, object], text: str, part: object) -> None:
    read = input_of(text, metadata)
    assert read == Item((part,))
    assert type(getattr(read.parts[0], "number", 0)) is int


def test_metadata_that_lead_nowhere_are_refused() -> None:
    with pytest.raises(InputError, match="metadata say no path"):
        input_of("", {"kind": "page", "page": 3})
    with pytest.raises(InputError, match="kind 'memo' are unknown; the kinds are image, page"):
        input_of("", {"kind": "memo", "path": "a.pdf"})


def test_a_data_uri_is_a_picture(samples: Path) -> None:
    path = samples / "pictures/p004.png"
    shown, source = (
        load_image(data_uri(Spot(path=path, kind="image").jpeg()), MediaOptions()),
        load_image(path, MediaOptions()),
    )
    assert shown.size == source.size
    assert difference(shown, source) < 3


@pytest.mark.parametrize(("module", "package"), [("langchain", "langchain_core"), ("llama_index", "llama_index")])
def test_a_missing_framework_is_named_with_its_extra(module: str, package: str) -> None:
    code = (
        f"import sys; sys.modules['{package}'] = None\n"
        "import anyseek.integrations\n"
        f"try: import anyseek.integrations.{module}\n"
        "except ImportError as error: print(type(error).__name__, error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    extra = module.replace("_", "-")
    assert said.startswith("DependencyError")
    assert f"anyseek.integrations.{module} needs {extra}-core: pip install 'anyseek[{extra}]'" in said


def test_the_room_loads_no_framework() -> None:
    code = "import sys, anyseek.integrations; print('langchain_core' in sys.modules, 'llama_index' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["False", "False"]
