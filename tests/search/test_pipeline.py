"""Recall, reranking, and failures that cost only themselves."""

from pathlib import Path
from typing import Any

import pytest

from anyseek.errors import InputError
from anyseek.items import File, Item, Text
from anyseek.search import Found, SearchOptions, ask, embed, search
from tests.fakes import FakeEmbedder, FakeReranker


def files(folder: Path, texts: dict[str, str]) -> list[Found]:
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [Found(path=folder / name, kind="text", item=Item((File(folder / name),))) for name in texts]


@pytest.fixture
def found(tmp_path: Path) -> list[Found]:
    texts = {
        "a.txt": "red apple",
        "b.txt": "blue dog",
        "c.txt": "red apple left of a big brown dog",
        "corrupt.txt": "red",
        "d.txt": "pear",
    }
    return files(tmp_path, texts)


def query(text: str) -> Item:
    return Item((Text(text),), "Find it.")


def run(*arguments: Any, **options: Any) -> tuple[list[str], Any]:
    hits = search(*arguments, **options)
    return [hit.found.path.name for hit in hits.hits], hits


def test_ranks_by_similarity(found: list[Found]) -> None:
    names, hits = run(query("red apple"), found, FakeEmbedder())
    assert names[:2] == ["a.txt", "c.txt"]
    assert hits.hits[0].score == pytest.approx(1.0)
    assert not hits.hits[0].reranked
    assert len(names) == 4


def test_a_bad_file_is_listed_and_costs_only_itself(found: list[Found]) -> None:
    good = [thing for thing in found if thing.path.name != "corrupt.txt"]
    names, hits = run(query("red apple"), found, FakeEmbedder())
    assert [(f.found.path.name, str(f.error)) for f in hits.failures] == [
        ("corrupt.txt", "items[3]: corrupt.txt is corrupt")
    ]
    assert names == run(query("red apple"), good, FakeEmbedder())[0]


def test_the_reranker_reads_the_candidates_only(found: list[Found]) -> None:
    embedder, reranker = FakeEmbedder(), FakeReranker()
    library = embed(found, embedder)
    hits = ask(query("apple left of dog"), library, embedder, reranker, SearchOptions(top=1, candidates=2))
    assert [hit.found.path.name for hit in hits.hits] == ["c.txt"]
    assert hits.hits[0].reranked
    assert hits.hits[0].score == pytest.approx(1.0)
    assert hits.hits[0].similarity < 1
    assert len(reranker.pairs) == 2
    assert all(asked.instruction == "Find it." for asked, _ in reranker.pairs)


def test_what_the_reranker_cannot_read_comes_last(found: list[Found]) -> None:
    names, hits = run(query("red apple"), found, FakeEmbedder(), FakeReranker(unreadable="left"))
    assert names[0] == "a.txt"
    assert names[-1] == "c.txt"
    assert not hits.hits[-1].reranked
    assert {f.found.path.name for f in hits.failures} == {"c.txt", "corrupt.txt"}


def test_top(found: list[Found]) -> None:
    assert len(run(query("red"), found, FakeEmbedder(), FakeReranker(), SearchOptions(top=2))[0]) == 2


def test_equal_scores_keep_the_order_of_the_folder(tmp_path: Path) -> None:
    same = files(tmp_path, {f"{n}.txt": "same words" for n in range(7)})
    names, _ = run(query("same"), same, FakeEmbedder(), FakeReranker())
    assert names == [f"{n}.txt" for n in range(7)]


def test_nothing_found_is_no_hit() -> None:
    assert search(query("x"), [], FakeEmbedder()).hits == ()


def test_everything_corrupt_is_no_hit(tmp_path: Path) -> None:
    hits = search(query("x"), files(tmp_path, {"corrupt.txt": ""}), FakeEmbedder())
    assert hits.hits == ()
    assert len(hits.failures) == 1


def test_a_bad_query_is_raised(found: list[Found], tmp_path: Path) -> None:
    bad = Item((File(tmp_path / "corrupt.txt"),))
    with pytest.raises(InputError, match="corrupt"):
        search(bad, found, FakeEmbedder())
