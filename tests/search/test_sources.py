"""A folder becomes items: every kind, in order, and nothing that lies outside."""

import codecs
import random
from pathlib import Path

import pytest

from anyseek.errors import DecodeError, SourceError
from anyseek.items import File, Image, Page, Text, Video
from anyseek.search import Found, Skipped, walk
from anyseek.search.sources import UNKNOWN


def split(folder: Path) -> tuple[list[Found], dict[str, Skipped]]:
    things = list(walk(folder))
    left = {thing.path.relative_to(folder).as_posix(): thing for thing in things if isinstance(thing, Skipped)}
    return [thing for thing in things if isinstance(thing, Found)], left


def test_every_kind_is_found_by_content(folder: Path) -> None:
    found, _ = split(folder)
    listed = [(thing.path.relative_to(folder).as_posix(), thing.kind, thing.page) for thing in found]
    assert listed == [
        ("notes.txt", "text", None),
        ("red apple.png", "image", None),
        ("report.pdf", "page", 1),
        ("report.pdf", "page", 2),
        ("report.pdf", "page", 3),
        ("sub/ball.mp4", "video", None),
        ("sub/blue dog.jpg", "image", None),
        ("sub/deep/misnamed.txt", "image", None),
    ]
    kinds = [type(thing.item.parts[0]) for thing in found]
    assert kinds == [File, Image, Page, Page, Page, Video, Image, Image]
    clip = found[5]
    assert clip.span == pytest.approx((0.0, 3.0), abs=0.2)
    assert found[3].item.parts == (Page(folder / "report.pdf", 2),)


def test_what_is_left_out_is_told(folder: Path) -> None:
    _, left = split(folder)
    assert set(left) == {"empty.txt", "program.bin", "broken.pdf"}
    assert left["program.bin"].error is None
    assert isinstance(left["broken.pdf"].error, DecodeError)
    assert isinstance(left["empty.txt"].error, DecodeError)


def test_links_neither_lead_out_nor_loop(folder: Path, tmp_path: Path) -> None:
    before, _ = split(folder)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("secret", encoding="utf-8")
    (folder / "out.txt").symlink_to(outside / "secret.txt")
    (folder / "outdoors").symlink_to(outside)
    (folder / "sub" / "up").symlink_to(folder)
    (folder / "round").symlink_to(folder / "round")
    (folder / "again.png").symlink_to(folder / "red apple.png")
    (folder / "dangling").symlink_to(folder / "nothing here")
    after, left = split(folder)
    assert len(after) == len(before)
    assert {name for name, file in left.items() if "leads out" in file.reason} == {"out.txt", "outdoors"}


def test_a_link_to_a_hidden_file_inside_is_the_file(folder: Path) -> None:
    (folder / "shown.txt").symlink_to(folder / ".hidden.txt")
    found, _ = split(folder)
    assert folder / "shown.txt" in [thing.path for thing in found]


def test_a_linked_folder_can_itself_be_searched(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    before = len(split(folder)[0])
    (folder / "again.png").symlink_to(folder / "red apple.png")
    assert len(split(link)[0]) == len(split(folder)[0]) == before


def test_an_unreadable_file_costs_only_itself(folder: Path) -> None:
    before = len(split(folder)[0])
    (folder / "notes.txt").chmod(0)
    try:
        (folder / "notes.txt").read_bytes()
    except PermissionError:
        found, left = split(folder)
        assert len(found) == before - 1
        assert isinstance(left["notes.txt"].error, SourceError)
    else:
        pytest.skip("this user may read everything")


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not a folder"):
        list(walk(tmp_path / "none"))


def test_text_in_other_encodings(tmp_path: Path) -> None:
    foreign = {
        "latin1": "Grüße aus Köln\n",
        "cp1251": "Привет, мир",
        "shift-jis": "日本語 です",
        "latin2": "Łódź i Lwów",
    }
    wide = {"utf-32": "any words", "utf-32-le": "\ufeffany words", "utf-32-be": "\ufeffany words" * 999}
    wide |= {"utf-16-le": "no mark", "utf-16-be": "Привет, мир\r\n" * 999}
    for coding, text in (foreign | wide).items():
        (tmp_path / coding).write_bytes(text.encode(coding))
    found, left = split(tmp_path)
    assert {thing.path.name: thing.item.parts for thing in found} == {
        coding: (Text(text.removeprefix("\ufeff")),) for coding, text in wide.items()
    }
    assert set(left) == set(foreign)
    assert all(isinstance(file.error, DecodeError) and "iconv -f latin1" in file.reason for file in left.values())


def test_binaries_are_no_text(tmp_path: Path) -> None:
    rng = random.Random(0)
    for number in range(50):
        (tmp_path / f"random {number}").write_bytes(rng.randbytes(200))
    (tmp_path / "wide").write_bytes(codecs.BOM_UTF32_LE + rng.randbytes(200))
    (tmp_path / "controls").write_bytes("a\x01b words".encode("utf-32"))
    (tmp_path / "nul").write_bytes("Grüße\0aus\0Köln".encode("latin1"))
    (tmp_path / "pairs").write_bytes("no \0 mark".encode("utf-16-le"))
    found, left = split(tmp_path)
    assert not found
    assert len(left) == 54
    assert {(file.reason, file.error) for file in left.values()} == {(UNKNOWN, None)}
