"""Hits are told by files that fit the filter, and texts by the words that were asked for."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import PIL.Image
import pytest

from anyseek.index import Filter
from anyseek.search import Library
from anyseek.server.hits import hits_of
from tests.search import conftest

library, seen, weights = conftest.library, conftest.seen, conftest.weights


def test_only_copies_that_fit_the_filter_are_told(library: Library, tmp_path: Path) -> None:
    root = tmp_path / "years"
    for year in ("2024", "2025"):
        (root / year).mkdir(parents=True)
        PIL.Image.new("RGB", (40, 30), "red").save(root / year / "pear.png")
    library.index([root])
    shelf: Any = SimpleNamespace(library=library, name_of=lambda root: "years")
    for where, expected in ((None, ["2024/pear.png", "2025/pear.png"]), (Filter(under="2025"), ["2025/pear.png"])):
        (hit,) = hits_of(library.search("pear", where=where).hits, shelf, "pear", judged=False, where=where)
        assert [hit["path"], *(copy["path"] for copy in hit["copies"])] == expected


ABOUT = "The report of the committee. " * 40
SAID = ("Found in Lima: a xylograph.", "红苹果在狗的左边。", "A cafe\u0301 in Zu\u0308rich, by the Straße.")
TEXT = ABOUT + "".join(said + " More." * 100 for said in SAID)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("the xylograph of Lima", SAID[0]),  # "the" stands in front
        ("lima", SAID[0]),
        ("the 红苹果", SAID[1]),
        ("左", SAID[1]),
        ("of ZÜRICH", SAID[2]),
        ("cafe", SAID[2]),
        ("strasse", SAID[2]),
        ("nothing that occurs", ABOUT[:300]),
        ("", ABOUT[:300]),
    ],
)
def test_a_text_is_shown_about_the_word_that_says_most(
    library: Library, tmp_path: Path, query: str, expected: str
) -> None:
    root = tmp_path / "notes"
    root.mkdir()
    (root / "note.txt").write_text("a pear", encoding="utf-8")
    library.index([root])
    shelf: Any = SimpleNamespace(library=library, name_of=lambda root: "notes")
    (answer,) = library.search("pear").hits
    answer = replace(answer, thing=replace(answer.thing, text=TEXT))
    (hit,) = hits_of([answer], shelf, query, judged=False)
    assert expected in hit["text"]
    assert len(hit["text"].strip("…")) <= 300
