"""Numbers of a small dataset, counted by hand, and the contact sheet."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from anyseek.errors import InputError
from anyseek.items import File, Image, Item, Page, Text, Video
from anyseek.training.data import About, DatasetWriter, measure, write_sheet
from anyseek.training.data.measures import Spread

PAGE = Path(__file__).parents[3] / "samples" / "documents" / "d001.pdf"


@pytest.fixture
def counted(tmp_path: Path, form: Any, red: Path, blue: Path, film: Path) -> Path:
    with DatasetWriter(tmp_path / "c", About(name="c", instruction="Find."), form=form) as writer:
        for key in ("x", "twin"):
            writer.document(key, {"image": str(red), "text": "four"})
        writer.document("film", {"video": str(film)})
        writer.document("spare", {"text": ["ab", "cdef"]})
        writer.query("q0", "four")
        writer.query("q1", {"image": str(blue)})
        writer.query("q2", "never asked")
        writer.relevance("q0", ["x", "film"], ["twin"], {"x": 1.0, "film": 0.5})
        writer.relevance("q1", ["x"], scores={"x": 0.0})
    return tmp_path / "c"


def test_counts(counted: Path) -> None:
    found = measure(counted)
    assert (found.about.name, found.examples) == ("c", 2)
    assert (found.queries.count, found.queries.media, found.queries.duplicates, found.queries.unused) == (3, 1, 0, 1)
    side = found.documents
    assert (side.count, side.media, side.duplicates, side.unused) == (4, 2, 1, 1)
    assert side.shapes == {"image+text": 2, "video": 1, "text": 1}
    assert side.characters == Spread(count=3, least=4, median=4, mean=14 / 3, most=6)
    assert found.positives == Spread(count=2, least=1, median=1.5, mean=1.5, most=2)
    assert found.negatives == Spread(count=2, least=0, median=0.5, mean=0.5, most=1)
    assert found.scores == Spread(count=3, least=0, median=0.5, mean=0.5, most=1)
    assert [count for _, count in found.histogram] == [1, 0, 0, 0, 0, 1, 0, 0, 0, 1]
    assert [round(edge, 6) for edge, _ in found.histogram][:3] == [0.0, 0.1, 0.2]


def test_equal_content_under_two_names_is_a_duplicate(tmp_path: Path, red: Path) -> None:
    with DatasetWriter(tmp_path / "c", About(name="c")) as writer:
        for key in ("a", "b", "c"):
            writer.document(key, {"image": str(red)})
    rows = tmp_path / "c" / "corpus.jsonl"
    text = rows.read_text("utf-8")
    (medium,) = (tmp_path / "c").rglob("*.png")
    name = medium.relative_to(tmp_path / "c").as_posix()
    (medium.parent / "copy.png").write_bytes(medium.read_bytes())
    (medium.parent / "other.png").write_bytes(medium.read_bytes()[:-1] + b"?")  # as long, not equal
    lines = text.splitlines()
    folder = name.rpartition("/")[0]
    lines[1:] = [lines[1].replace(name, f"{folder}/copy.png"), lines[2].replace(name, f"{folder}/other.png")]
    rows.write_text("\n".join(lines), "utf-8")
    side = measure(tmp_path / "c").documents
    assert (side.media, side.duplicates, side.unused) == (3, 1, 3)


def test_one_score_and_none(texts: Path, tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "c", About(name="c")) as writer:
        writer.document("a", "x")
        writer.query("q", "x")
        writer.relevance("q", ["a"], scores={"a": 2})
    assert measure(tmp_path / "c").histogram == ((2.0, 1),)
    with DatasetWriter(tmp_path / "none", About(name="c")):
        pass
    found = measure(tmp_path / "none")
    assert (found.positives, found.scores, found.histogram, found.documents.count) == (None, None, (), 0)


def test_a_missing_medium_says_so(counted: Path) -> None:
    next(counted.rglob("*.mp4")).unlink()
    with pytest.raises(InputError, match="see: anyseek data check"):
        measure(counted)


# The sheet


class Seen(HTMLParser):
    """Tags, their attributes, and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("img", "meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def sheet(folder: Path, target: Path, examples: int = 24) -> Seen:
    write_sheet(folder, target, examples)
    seen = Seen(target.read_text("utf-8"))
    assert seen.open == []
    return seen


def test_a_sheet_shows_pictures_clips_and_pages(tmp_path: Path, mixed: Path) -> None:
    assert write_sheet(mixed, tmp_path / "out.html") == 2
    seen = sheet(mixed, tmp_path / "out.html")
    images = [attributes["src"] for tag, attributes in seen.tags if tag == "img"]
    # q0: itself, red, both (2), blue; q1: three frames of the film at most, red, blue, both (2)
    assert 5 + 4 + 2 <= len(images) <= 5 + 4 + 3
    assert all(str(source).startswith("data:image/jpeg;base64,") for source in images)
    assert [text for text in ("Compare.", "darker", "the sea", "q1", "film") if text not in seen.text] == []
    assert not re.search(r"(src|href)=.(?!data:)", (tmp_path / "out.html").read_text("utf-8"))


def test_what_a_person_wrote_is_text(tmp_path: Path) -> None:
    bad = '<script>alert("x")</script><img src=x onerror=alert(1)> & \'"'
    with DatasetWriter(tmp_path / "mine", About(name=bad, instruction=bad)) as writer:
        writer.document(bad, bad)
        writer.query(bad, bad)
        writer.relevance(bad, [bad])
    seen = sheet(tmp_path / "mine", tmp_path / "out.html")
    assert {tag for tag, _ in seen.tags} & {"script", "img"} == set()
    assert seen.text.count(bad) >= 6
    (policy,) = (a["content"] for tag, a in seen.tags if tag == "meta" and "http-equiv" in a)
    assert str(policy).startswith("default-src 'none'; img-src data:")


def test_a_medium_that_cannot_be_read_costs_its_own_place(tmp_path: Path, red: Path) -> None:
    with DatasetWriter(tmp_path / "mine", About(name="mine")) as writer:
        writer.document("bad", Item((Image(red.read_bytes()[:40]), Text("beside"))))
        writer.document("film", Item((Video(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"),)))
        writer.document("page", Item((Page(b"%PDF-1.4"),)))
        writer.query("q", "x")
        writer.relevance("q", ["bad", "film", "page"])
    seen = sheet(tmp_path / "mine", tmp_path / "out.html")
    assert sum(attributes.get("class") == "error" for _, attributes in seen.tags) == 3
    assert "beside" in seen.text


def test_a_file_is_shown_as_what_it_is(tmp_path: Path, blue: Path, film: Path) -> None:
    sources = {"text": b"plain & simple", "picture": blue, "film": film, "page": PAGE}
    with DatasetWriter(tmp_path / "mine", About(name="mine")) as writer:
        for key, source in sources.items():
            writer.document(key, Item((File(source),)))
        writer.document("frames", Item((Video([blue] * 5),)))
        writer.query("q", "x")
        writer.relevance("q", [*sources, "frames"])
    seen = sheet(tmp_path / "mine", tmp_path / "out.html")
    assert "plain & simple" in seen.text
    # the picture, two frames of the film or three, the page, and three of the frames
    assert 7 <= sum(tag == "img" for tag, _ in seen.tags) <= 8
    assert not [tag for tag, attributes in seen.tags if attributes.get("class") == "error"]


def test_examples_are_spread_and_long_things_cut(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "mine", About(name="mine")) as writer:
        for number in range(40):
            writer.document(f"d{number}", f"w{number:02}" + "x" * 5000)
            writer.query(f"q{number}", "?")
            writer.relevance(f"q{number}", [f"d{number}"], [f"d{n}" for n in range(40) if n != number])
    seen = sheet(tmp_path / "mine", tmp_path / "out.html", examples=4)
    assert re.findall(r"Example (\d+)", seen.text) == ["1", "11", "21", "31"]
    assert seen.text.count("and 33 more") == 4
    assert len(seen.text) < 4 * 8 * 700


def test_graded_pairs_are_shown(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "mine", About(name="mine", task="sts")) as writer:
        writer.document("d", "near")
        writer.query("q", "x")
        writer.relevance("q", [], scores={"d": 0.75})
    seen = sheet(tmp_path / "mine", tmp_path / "out.html")
    assert "Graded (1)" in seen.text and "score 0.75" in seen.text
