"""The door: what becomes an Item, in which order, and what is turned away."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from anyseek.errors import ConfigError, InputError
from anyseek.items import File, Image, Item, Limits, Page, Text, Video

PICTURE = Pillow.new("RGB", (2, 2))
FRAMES = np.zeros((4, 8, 8, 3), np.uint8)


def parts(value: Any) -> tuple[Any, ...]:
    return Item.of(value).parts


def test_plain_values() -> None:
    assert parts("a red apple") == (Text("a red apple"),)
    assert parts(Path("a.jpg")) == (File(Path("a.jpg")),)
    assert parts(b"abc") == (File(b"abc"),)
    assert parts(Text("a")) == (Text("a"),)
    assert parts(PICTURE) == (Image(PICTURE),)
    assert isinstance(parts(FRAMES)[0], Video)
    assert isinstance(parts(FRAMES[0])[0], Image)
    assert Item.of(item := Item((Text("a"),), "find")) is item


def test_a_list_keeps_its_order() -> None:
    mixed = ["front", Path("a.jpg"), "back", Page("b.pdf", 2), PICTURE]
    expected = (Text("front"), File(Path("a.jpg")), Text("back"), Page("b.pdf", 2), Image(PICTURE))
    assert parts(mixed) == parts(tuple(mixed)) == expected
    assert parts([]) == ()


def test_dictionary_puts_videos_before_pictures_before_texts() -> None:
    value = {"text": ["one", "two"], "image": "a.jpg", "video": "b.mp4", "instruction": "find"}
    item = Item.of(value)
    assert item.parts == (Video("b.mp4"), Image("a.jpg"), Text("one"), Text("two"))
    assert item.instruction == "find"


@pytest.mark.parametrize("empty", [{}, {"text": None}, {"text": []}, {"image": [], "video": []}, {"instruction": None}])
def test_nothing_is_an_item_without_parts(empty: dict[str, Any]) -> None:
    assert parts(empty) == ()


def test_an_empty_text_is_a_text() -> None:
    assert parts({"text": ""}) == parts("") == (Text(""),)


@pytest.mark.parametrize(
    ("value", "videos"),
    [
        ("a.mp4", ["a.mp4"]),
        (["a.mp4", "b.webm"], ["a.mp4", "b.webm"]),
        (["a.png", "b.png"], [["a.png", "b.png"]]),
        (["https://h/a.JPG?x=.mp4#y", "b"], [["https://h/a.JPG?x=.mp4#y", "b"]]),
        ([Path("a.PNG")], [[Path("a.PNG")]]),
        ([PICTURE, PICTURE], [[PICTURE, PICTURE]]),
        ([["a.png"], "b.mp4"], [["a.png"], "b.mp4"]),
        (["a.tif"], ["a.tif"]),  # the reference does not know this ending
        (["data:image/png;base64,xx"], ["data:image/png;base64,xx"]),
        ([], []),
    ],
)
def test_what_a_list_of_videos_means(value: Any, videos: list[Any]) -> None:
    assert [part.source for part in parts({"video": value})] == videos


def test_arrays_as_videos() -> None:
    assert parts({"video": FRAMES})[0].is_frames
    assert len(parts({"video": [FRAMES, FRAMES]})) == 2
    assert len(parts({"video": [FRAMES[0], FRAMES[1]]})) == 1
    assert not parts({"video": "a.mp4"})[0].is_frames


def test_fps_and_max_frames_act_on_files_only() -> None:
    file, frames = parts({"video": ["a.mp4", ["a.png", "b.png"]], "fps": 2.5, "max_frames": 8})
    assert (file.fps, file.max_frames) == (2.5, 8)
    assert (frames.fps, frames.max_frames) == (None, None)


def test_zero_means_not_given_as_in_the_reference() -> None:
    assert parts({"video": "a.mp4", "fps": 0, "max_frames": 0}) == (Video("a.mp4"),)


@pytest.mark.parametrize("text", ["http://h/a.jpg", "https://h", "FILE:///a.jpg", "data:image/png;base64,AAAA"])
def test_an_address_alone_is_ambiguous(text: str) -> None:
    with pytest.raises(InputError, match=r"is an address.*Image\(\.\.\.\).*Text\(\.\.\.\)"):
        Item.of(text)
    assert parts(Text(text)) == (Text(text),)
    assert parts({"text": text}) == (Text(text),)
    assert parts({"image": text}) == (Image(text),)


@pytest.mark.parametrize("text", ["see http://h/a.jpg", "http://h/a.jpg is it", "http", "data:text/plain,x", "a.jpg"])
def test_a_text_with_an_address_in_it_is_text(text: str) -> None:
    assert parts(text) == (Text(text),)


@pytest.mark.parametrize("value", [None, 3, 2.5, True, {1, 2}, object(), [["a"]], [{"text": "a"}], [None]])
def test_what_is_no_input(value: Any) -> None:
    with pytest.raises(InputError, match="cannot make an input of"):
        Item.of(value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"txt": "a"}, "did you mean 'text'"),
        ({"colour": "a"}, "there are text, image"),
        ({"text": 3}, "'text' must be a string"),
        ({"text": ["a", None]}, "'text' must be a string"),
        ({"text": "a", "instruction": 3}, "an instruction must be a string"),
        ({"text": "a\ud800"}, "half of a UTF-16 pair at character 1"),
        ({"video": "a.mp4", "fps": "2"}, "fps of a video must be a positive number"),
        ({"video": "a.mp4", "fps": -1}, "fps of a video"),
        ({"video": "a.mp4", "fps": float("nan")}, "fps of a video"),
        ({"video": "a.mp4", "max_frames": 7.5}, "max_frames of a video must be a positive whole number"),
    ],
)
def test_a_wrong_dictionary_says_what_is_wrong(value: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Item.of(value)


def test_parts_and_items_are_checked_where_they_are_made() -> None:
    for make in (
        lambda: Text(3),
        lambda: Video("a", rate=0),
        lambda: Video("a", rate=None),
        lambda: Video("a", max_frames=True),
        lambda: Video("a", start=-1),
        lambda: Video("a", end="2"),
        lambda: Video("a", start=2, end=2),
        lambda: Video(["a.png", "b.png"], end=1),
        lambda: Item(("a",)),
        lambda: Item("a"),
        lambda: Item([Text("a")]),
        lambda: Item((), instruction=b"x"),
        lambda: Item((), limits=None),
    ):
        with pytest.raises(InputError):
            make()


@pytest.mark.parametrize("name", Limits.__dataclass_fields__)
@pytest.mark.parametrize("value", [0, -1, float("nan"), "many", True])
def test_limits_are_positive_numbers(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"limit {name} must be a positive"):
        Limits(**{name: value})


def test_limits_that_exclude_every_size() -> None:
    with pytest.raises(ConfigError, match=r"min_pixels \(9\) is above max_pixels \(8\)"):
        Limits(min_pixels=9, max_pixels=8)
    with pytest.raises(ConfigError, match="min_frame_pixels"):
        Limits(min_frame_pixels=9, max_frame_pixels=8)


def test_limits_fill_their_gaps() -> None:
    defaults = Limits(fps=1, max_frames=64, min_pixels=100, max_pixels=1000)
    assert Limits(fps=np.float64(2), max_frames=np.int64(8)).over(defaults) == Limits(
        fps=2, max_frames=8, min_pixels=100, max_pixels=1000
    )
    assert Limits().over(defaults) == defaults
    assert defaults.over(Limits(max_tokens=9)).max_tokens == 9


def test_a_default_gives_way_to_a_given_limit() -> None:
    defaults = Limits(min_pixels=100, max_pixels=1000)
    assert Limits(max_pixels=50).over(defaults) == Limits(min_pixels=50, max_pixels=50)
    assert Limits(min_pixels=5000).over(defaults) == Limits(min_pixels=5000, max_pixels=5000)


def test_items_need_neither_torch_nor_numpy() -> None:
    code = "import sys, anyseek.items; print(sorted({'torch', 'numpy', 'PIL'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
