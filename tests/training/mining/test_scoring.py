"""Scoring for distillation: what is asked, in which order, and what an interrupted run asks again."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from anyseek.engine import Reranker
from anyseek.training.data import Dataset, check
from anyseek.training.mining import Known, score, walking
from tests.training.mining.planted import Judge

Make = Callable[..., Dataset]


def test_scores_of_positives_and_negatives(dataset: Make, tmp_path: Path) -> None:
    corpus = {"a": "apple", "b": "pear", "c": "long list", "d": "dog"}
    data = dataset({"q": "fruit", "r": "pet"}, corpus, {"q": (["a", "b"], ["d"]), "r": (["d"], ["c", "a"])})
    judge = Judge({"apple": 2.0, "pear": 1.0, "dog": -3.0})
    report = score(data, tmp_path / "out", Known(judge, {"model": "judge"}), tmp_path / "work")
    assert check(tmp_path / "out") == []
    rows = {row["query"]: row for row in Dataset.open(tmp_path / "out").judged()}
    assert rows["q"]["scores"] == {"a": 2.0, "b": 1.0, "d": -3.0}
    assert rows["r"] == {"query": "r", "positives": ("d",), "negatives": ("c", "a"), "scores": {"d": -3.0, "a": 2.0}}
    assert report["bad"] == [{"table": "pairs", "id": "r c", "reason": "too long together"}]
    assert report["counts"] == {
        "queries": 2,
        "documents": 4,
        "examples": 2,
        "kept": 2,
        "scores": 5,
        "dropped": 0,
        "bad": 1,
    }
    assert json.loads((tmp_path / "out" / "scoring.json").read_text()) == report
    # One call, the pairs of a query side by side.
    assert [query for query, _ in judge.calls[0]] == ["fruit"] * 3 + ["pet"] * 3 and len(judge.calls) == 1


def test_an_interrupted_run_asks_nothing_twice(
    dataset: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(walking, "QUERIES", 2)
    queries = {f"q{number}": f"query {number}" for number in range(7)}
    data = dataset(queries, {"a": "apple", "b": "pear"}, {key: (["a"], ["b"]) for key in queries})
    first, second = Judge(last=2), Judge()
    with pytest.raises(KeyboardInterrupt):
        score(data, tmp_path / "out", Known(first, {}), tmp_path / "work")
    assert not (tmp_path / "out").exists()
    score(data, tmp_path / "out", Known(second, {}), tmp_path / "work", show=True)
    asked = [query for judge in (first, second) for call in judge.calls for query, _ in call[::2]]
    assert asked == list(queries.values())
    assert "7/7" in capsys.readouterr().err
    score(data, tmp_path / "again", Known(second, {}), tmp_path / "work")
    assert len(second.calls) == 2
    third = Judge()
    score(data, tmp_path / "other", Known(third, {"model": "another"}), tmp_path / "work")
    assert sum(map(len, third.calls)) == 14


def test_bad_rows_cost_themselves(dataset: Make, tmp_path: Path) -> None:
    data = dataset({"q": "x", "r": "y"}, {"a": "apple", "b": "pear"}, {"q": (["a"], ["b"]), "r": (["b"], [])})
    corpus = data.folder / "corpus.jsonl"
    corpus.write_text(corpus.read_text().replace('"text": "pear"', '"image": "gone.png"'))
    with (data.folder / "relevance.jsonl").open("a") as file:
        file.write(
            '{"query": "q", "positives": ["a"]}\n{"query": "z", "positives": ["a"]}\n{"query": "w", "positives": 3}\n'
        )
    report = score(Dataset.open(data.folder), tmp_path / "out", Known(Judge(), {}), tmp_path / "work")
    assert check(tmp_path / "out") == []
    assert [row["negatives"] for row in Dataset.open(tmp_path / "out").judged()] == [()]
    assert [one["query"] for one in report["dropped"]] == ["r", "z"]
    assert [(one["table"], one["id"]) for one in report["bad"]] == [
        ("corpus", "b"),
        ("relevance", "relevance.jsonl:3"),
        ("relevance", "relevance.jsonl:5"),
    ]


def test_of_two_rows_with_one_id_the_first_is_asked(dataset: Make, tmp_path: Path) -> None:
    data = dataset({"q": "x"}, {"a": "apple", "b": "pear"}, {"q": (["a"], ["b"])})
    corpus = data.folder / "corpus.jsonl"
    corpus.write_text('{"id": "b", "txt": "pear"}\n' + corpus.read_text())
    report = score(Dataset.open(data.folder), tmp_path / "out", Known(Judge(), {}), tmp_path / "work")
    (bad,) = [one for one in report["bad"] if one["table"] == "pairs"]
    assert bad["id"] == "q b" and bad["reason"].startswith("corpus.jsonl:1: row: unknown key 'txt'")
    assert next(Dataset.open(tmp_path / "out").judged())["scores"] == {"a": -5.0}


def test_the_engine_gives_the_numbers(dataset: Make, tmp_path: Path, reranker: Reranker) -> None:
    data = dataset({"q": "fruit"}, {"a": "apple", "b": "pear"}, {"q": (["a"], ["b"])}, instruction="Find it.")
    score(data, tmp_path / "out", Known(reranker, {}), tmp_path / "work")
    example = next(Dataset.open(tmp_path / "out").examples())
    query = {"text": "fruit", "instruction": "Find it."}
    right = reranker.predict([(query, "apple"), (query, "pear")], activation="none")
    assert [example.scores["a"], example.scores["b"]] == pytest.approx(right.tolist(), abs=1e-5)
