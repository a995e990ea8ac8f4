"""Every kind of fault is found where it is, and a correct dataset has none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anyseek.errors import InputError
from anyseek.items import Image, Text, Video
from anyseek.training.data import About, Dataset, DatasetWriter, Problem, check

Raw = Callable[..., Path]
GOOD = {"id": "d0", "text": "x"}
STS = {"format": 1, "name": "x", "task": "sts", "instruction": None}


def test_nothing_is_wrong(raw: Raw) -> None:
    assert check(raw()) == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"corpus": [GOOD, {"id": "d1", "txt": "x"}]}, "corpus.jsonl:2: row: unknown key 'txt', did you mean 'text'?"),
        ({"corpus": [GOOD, {"id": "d1", "zzz": "x"}]}, "corpus.jsonl:2: row: unknown key 'zzz'; there are id, text"),
        ({"corpus": [GOOD, {"id": "d1"}]}, "corpus.jsonl:2: a row needs a text, an image or a video"),
        ({"corpus": [GOOD, {"id": "d1", "text": 3}]}, "corpus.jsonl:2: 'text' must be a string"),
        ({"corpus": [GOOD, {"id": "d1", "text": ["x", 3]}]}, "corpus.jsonl:2: 'text' must be a string"),
        ({"corpus": [GOOD, {"id": "d1", "image": 3}]}, "corpus.jsonl:2: a medium is named by a path (got 3)"),
        ({"corpus": [GOOD, {"id": "d1", "image": []}]}, "corpus.jsonl:2: 'image' is an empty list"),
        ({"corpus": [GOOD, {"id": "d1", "image": [["red.png"]]}]}, "corpus.jsonl:2: a medium is named by a path"),
        ({"corpus": [GOOD, {"id": "d1", "video": ["red.png", ["red.png"]]}]}, "corpus.jsonl:2: a medium is named by"),
        ({"corpus": [GOOD, {"id": "d1", "image": "\ud800"}]}, "corpus.jsonl:2: '\\ud800' cannot be followed"),
        ({"corpus": [GOOD, {"id": "d1", "image": "no.png"}]}, "corpus.jsonl:2: cannot read"),
        ({"corpus": [GOOD, {"id": "d1", "image": "queries.jsonl"}]}, "corpus.jsonl:2: queries.jsonl should be of kind"),
        ({"corpus": [GOOD, {"id": "d1", "video": "red.png", "fps": "2"}]}, "corpus.jsonl:2: fps of a video must be"),
        ({"corpus": [GOOD, {"id": "d1", "video": "v.mp4", "fps": -1}]}, "corpus.jsonl:2: fps of a video must be"),
        ({"corpus": [GOOD, {"id": "d1", "image": "../red.png"}]}, "corpus.jsonl:2: '../red.png' leads out of"),
        ({"corpus": [GOOD, {"id": "d1", "text": "x", "instruction": 1}]}, "corpus.jsonl:2: an instruction must be"),
        ({"corpus": [GOOD, {"id": "d1", "content": "x"}]}, "corpus.jsonl:2: 'content' must be a list"),
        ({"corpus": [GOOD, {"id": "d1", "content": ["x"]}]}, "corpus.jsonl:2: a part of 'content' must be an object"),
        ({"corpus": [GOOD, {"id": "d1", "content": [{"txt": ""}]}]}, "corpus.jsonl:2: a part of 'content' has one of"),
        ({"corpus": [GOOD, {"id": "d1", "content": [{"text": "", "fps": 1}]}]}, "corpus.jsonl:2: part: unknown key"),
        ({"corpus": [GOOD, {"id": "d1", "content": [], "text": ""}]}, "corpus.jsonl:2: a row with 'content' has no"),
        ({"corpus": [GOOD, {"id": "d1", "content": [{"frames": "a"}]}]}, "corpus.jsonl:2: 'frames' must be a list"),
        (
            {"corpus": [GOOD, {"id": "d1", "content": [{"page": "a.pdf", "number": 0}]}]},
            "corpus.jsonl:2: the number of a page is a whole number from 1",
        ),
        ({"corpus": [GOOD, {"id": "d1", "text": "x"}, GOOD]}, "corpus.jsonl:3: id 'd0' stands in line 1 already"),
        ({"queries": [{"id": "q0", "text": "x"}, {"text": "x"}]}, "queries.jsonl:2: 'id' must be a text that is not"),
        (
            {"queries": [{"id": "q0", "text": "x"}, {"id": "q\t1", "text": "x"}]},
            "queries.jsonl:2: 'id' holds a control",
        ),
        ({"queries": [{"id": "q0", "text": "x"}, "", "{"]}, "queries.jsonl:3: not JSON"),
        ({"relevance": [{"query": "q1", "positives": ["d0"]}]}, "relevance.jsonl:1: query 'q1' is not among"),
        ({"relevance": [{"positives": ["d0"]}]}, "relevance.jsonl:1: 'query' must be a text that is not empty"),
        ({"relevance": [{"query": "q0"}]}, "relevance.jsonl:1: a retrieval row needs at least one positive"),
        ({"relevance": [{"query": "q0", "positives": ["d9"]}]}, "relevance.jsonl:1: positives name 'd9', which is not"),
        (
            {"relevance": [{"query": "q0", "positives": ["d0"], "negatives": ["d9"]}]},
            "relevance.jsonl:1: negatives name 'd9', which is not",
        ),
        (
            {"relevance": [{"query": "q0", "positives": ["d0"], "negatives": ["d0"]}]},
            "relevance.jsonl:1: 'd0' is both a positive and a negative",
        ),
        (
            {"relevance": [{"query": "q0", "positives": ["d0", "d0"]}]},
            "relevance.jsonl:1: 'positives' names 'd0' twice",
        ),
        ({"relevance": [{"query": "q0", "positive": ["d0"]}]}, "relevance.jsonl:1: row: unknown key 'positive', did"),
        (
            {"relevance": [{"query": "q0", "positives": ["d0"], "scores": {"d1": 1}}]},
            "relevance.jsonl:1: 'd1' has a score but is no positive or negative",
        ),
        ({"relevance": [{"query": "q0", "positives": ["d0"], "scores": [1]}]}, "relevance.jsonl:1: 'scores' must be"),
        (
            {"relevance": [{"query": "q0", "positives": ["d0"], "scores": {"d0": "1"}}]},
            "relevance.jsonl:1: the score of 'd0' must be a finite number",
        ),
        (
            {"relevance": ['{"query": "q0", "positives": ["d0"], "scores": {"d0": NaN}}']},
            "relevance.jsonl:1: the score",
        ),
        ({"relevance": [{"query": "q0", "positives": ["d0"]}] * 2}, "relevance.jsonl:2: query 'q0' stands in line 1"),
        ({"relevance": []}, "relevance.jsonl: has no rows"),
        ({"dataset": STS}, "relevance.jsonl:1: an sts row needs scores"),
        ({"dataset": {"format": 1, "name": "x", "task": "s"}}, "dataset.json: "),
    ],
)
def test_each_fault_is_found_alone(files: dict[str, Any], expected: str, raw: Raw) -> None:
    if "corpus" in files:  # the other rows name what this corpus has
        files = {"relevance": [{"query": "q0", "positives": ["d0"]}], **files}
    problems = check(raw(**files))
    assert len(problems) == 1, problems
    assert str(problems[0]).startswith(expected)


def test_sts_may_grade_without_positives(raw: Raw) -> None:
    assert check(raw(dataset=STS, relevance=[{"query": "q0", "scores": {"d0": 0.5, "d1": 4}}])) == []


def test_films_of_frames(raw: Raw) -> None:
    films: list[Any] = [["red.png"] * 2, [["red.png"] * 2, ["red.png"]]]
    folder = raw(corpus=[{"id": f"d{n}", "video": film} for n, film in enumerate(films)])
    assert check(folder) == []
    parts = [Dataset.open(folder).document(f"d{n}").parts for n in range(2)]
    assert [[len(part.source) for part in film if isinstance(part, Video)] for film in parts] == [[2], [2, 1]]


def test_problems_are_collected_up_to_a_limit(raw: Raw) -> None:
    folder = raw(queries=[{"id": "q0", "text": "x"}] + ["{"] * 500)
    assert len(check(folder)) == 100
    assert check(folder, limit=2) == check(folder)[:2]
    assert check(folder)[1] == Problem("queries.jsonl", 3, check(folder)[1].text)


def test_missing_and_double_files(raw: Raw, tmp_path: Path) -> None:
    folder = raw()
    (folder / "queries.jsonl").unlink()
    (folder / "corpus.parquet").touch()
    (folder / "dataset.json").unlink()
    found = [(problem.file, problem.line) for problem in check(folder)]
    assert found[:3] == [("dataset.json", 0), ("queries.jsonl", 0), ("corpus.jsonl", 0)]
    assert len(check(tmp_path / "none")) == 4


def test_each_missing_medium_is_said_at_its_row(raw: Raw) -> None:
    rows = [{"id": f"d{n}", "image": ["no.png", "red.png"]} for n in range(3)]
    assert [problem.line for problem in check(raw(corpus=rows))] == [1, 2, 3]


def test_parquet_is_checked_by_rows(tmp_path: Path, red: Path) -> None:
    with DatasetWriter(tmp_path / "mine", About(name="mine"), form="parquet") as writer:
        writer.query("q", "x")
        writer.document("d0", "x")
        writer.document("d1", {"image": str(red)})
        writer.relevance("q", ["d0"], ["d1"], {"d0": 1})
    folder = tmp_path / "mine"
    assert check(folder) == []
    (medium,) = folder.rglob("*.png")
    medium.unlink()
    (problem,) = check(folder)
    assert (problem.file, problem.line) == ("corpus.parquet", 2)
    whole = (folder / "relevance.parquet").read_bytes()
    (folder / "relevance.parquet").write_bytes(whole[: len(whole) // 2])
    assert check(folder)[1].text.startswith("relevance.parquet cannot be read as Parquet")


def test_parquet_without_rows_and_with_columns_of_other_makers(raw: Raw) -> None:
    folder = raw()
    tables: dict[str, list[dict[str, Any]]] = {
        "queries": [{"id": "q0", "text": "x", "fps": None}],
        "corpus": [{"id": "d0", "text": None, "image": "red.png"}, {"id": "d1", "text": "no", "image": None}],
        "relevance": [{"query": "q0", "positives": ["d0"], "negatives": ["d1"], "scores": {"d0": 1, "d1": None}}],
    }
    for name, rows in tables.items():
        (folder / f"{name}.jsonl").unlink()
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")
    assert check(folder) == []
    data = Dataset.open(folder)
    assert next(data.examples()).scores == {"d0": 1.0}
    assert [type(data.document(key).parts[0]) for key in ("d0", "d1")] == [Image, Text]
    pq.write_table(pa.table({"id": pa.array([], pa.string())}), folder / "queries.parquet")
    assert str(check(folder)[0]) == "queries.parquet: has no rows"
    pq.write_table(pa.table({"id": [1]}), folder / "queries.parquet")
    with pytest.raises(InputError, match="queries.parquet, row 1: 'id' must be a text"):
        Dataset.open(folder)
    pq.write_table(pa.table({"key": ["q0"]}), folder / "queries.parquet")
    with pytest.raises(InputError, match="queries.parquet cannot be read"):
        Dataset.open(folder)


def test_what_passes_can_be_read(raw: Raw) -> None:
    folder = raw()
    data = Dataset.open(folder)
    assert all(data.document(key) for example in data.examples() for key in example.documents)
