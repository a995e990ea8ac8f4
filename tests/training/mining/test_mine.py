"""Mining on angles: what is written, what is listed, what an interrupted run does again, and one run with the model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from anyseek.engine import Embedder
from anyseek.errors import ConfigError, InputError
from anyseek.items import Image, Text
from anyseek.model.hub import locate
from anyseek.training.data import Dataset, DatasetWriter, WorldOptions, check, write_world
from anyseek.training.mining import Bounds, Known, MineOptions, Preference, mine, model_print, shards
from anyseek.training.mining.prints import rows_print
from tests.training.mining.planted import Angles, Judge

Make = Callable[..., Dataset]
CORPUS = {"d0": "0", "d10": "10", "d20": "20", "d25": "25", "d40": "40", "d60": "60", "d90": "90", "again": "10"}
COS = {name: float(np.cos(np.radians(float(text)))) for name, text in CORPUS.items()}


def run(data: Dataset, out: Path, model: Any = None, judge: Any = None, **given: Any) -> dict[str, Any]:
    options = MineOptions(work=out.parent / "work", **{"bounds": Bounds(positive=0.5), **given})
    reader = None if judge is None else Known(judge, {"model": "judge"})
    return mine(data, out, Known(model or Angles(), {"model": "angles"}), options, reader)


def judged(folder: Path) -> dict[str, Any]:
    return {row["query"]: row for row in Dataset.open(folder).judged()}


def test_the_rule_reaches_the_new_dataset(dataset: Make, tmp_path: Path) -> None:
    data = dataset({"q": "0 q", "far": "0 far"}, CORPUS, {"q": (["d10", "d40", "d90"], ["d0"]), "far": (["d90"], [])})
    report = run(data, tmp_path / "out", preference=Preference(most=2))
    assert check(tmp_path / "out") == []
    row = judged(tmp_path / "out")["q"]
    assert row["positives"] == ("d10", "d40")  # d90 is not above t+
    assert row["negatives"] == ("d60",)  # below the mean of both: d20 and d25 are above it, d90 is a positive
    assert report["dropped"] == [
        {"query": "far", "reason": "no positive above t+", "best_positive": pytest.approx(COS["d90"], abs=1e-6)}
    ]
    assert [one["document"] for one in report["suspects"]] == ["d0", "d20", "d25"]  # not `again`, which equals d10
    assert report["suspects"][0]["bound"] == pytest.approx((COS["d10"] + COS["d40"]) / 2)
    assert report["counts"] == {
        "queries": 2,
        "documents": 8,
        "examples": 2,
        "positives": 4,
        "equal_to_a_positive": 1,
        "suspects_by_cosine": 3,
        "kept": 1,
        "refined_positives": 2,
        "hard_negatives": 1,
        "queries_with_fewer_negatives": 1,
        "dropped": 1,
        "bad": 0,
    }
    assert (report["t_plus"], report["delta_minus"], report["top"]) == (0.5, 0.0, 100)
    assert json.loads((tmp_path / "out" / "mining.json").read_text()) == report
    lines = (tmp_path / "out" / "suspects.jsonl").read_text().splitlines()
    assert [json.loads(line)["document"] for line in lines] == ["d0", "d20", "d25"]
    new = Dataset.open(tmp_path / "out")
    assert dict(new.items("corpus")) == dict(data.items("corpus"))
    assert dict(new.items("queries")) == dict(data.items("queries"))


def test_histograms(dataset: Make, tmp_path: Path) -> None:
    data = dataset({"q": "0 q"}, CORPUS, {"q": (["d10", "d90"], [])})
    found = run(data, tmp_path / "out")["histograms"]
    assert len(found["edges"]) == 41 and sum(found["positive"]) == 2  # all positives, to choose t+ by
    assert found["positive"][-1] == 1 and sum(found["positive"][19:21]) == 1
    assert sum(found["negative"]) == 4
    # Of 10,000 draws, a quarter hits one of the two positives and is no stranger.
    assert 7200 < sum(found["random"]) < 7800


def test_top_hardest_and_windows(dataset: Make, tmp_path: Path) -> None:
    data = dataset({"q": "0 q"}, CORPUS, {"q": (["d10"], [])})
    run(data, tmp_path / "a", preference=Preference(most=2))
    assert judged(tmp_path / "a")["q"]["negatives"] == ("d20", "d25")
    run(data, tmp_path / "b", preference=Preference(most=9, first=6))
    assert judged(tmp_path / "b")["q"]["negatives"] == ("d40", "d60", "d90")
    run(data, tmp_path / "c", top=4)
    assert judged(tmp_path / "c")["q"]["negatives"] == ("d20",)
    report = run(data, tmp_path / "d", top=1)
    assert report["reasons"] == {"no positive among the 1 recalled": 1} and report["counts"]["dropped"] == 1
    assert len(Dataset.open(tmp_path / "d")) == 0
    with pytest.raises(ConfigError, match="ranks begin at 20"):
        run(data, tmp_path / "e", top=10, preference=Preference(first=20))


def test_equal_contents_are_no_negatives_though_rounding_may_part_them(dataset: Make, tmp_path: Path) -> None:
    corpus = {"p": "10 x", "twin": "10 x", "other": "10 y", "low": "50 z"}
    data = dataset({"q": "0 q"}, corpus, {"q": (["p"], [])})
    run(data, tmp_path / "out", bounds=Bounds(positive=0.5, margin=0.1))
    assert judged(tmp_path / "out")["q"]["negatives"] == ("other", "low")


def test_bad_items_cost_their_own_row(dataset: Make, tmp_path: Path) -> None:
    queries = {"q": "0 q", "worse": "bad query", "lost": "0 lost"}
    corpus = {"d10": "10", "d20": "20", "wrong": "bad document", "gone": "40"}
    data = dataset(queries, corpus, {"q": (["d10", "wrong"], []), "worse": (["d10"], []), "lost": (["gone"], [])})
    path = data.folder / "corpus.jsonl"
    path.write_text(path.read_text().replace('{"id": "gone", "text": "40"}', '{"id": "gone", "image": "no.png"}'))
    report = run(Dataset.open(data.folder), tmp_path / "out", model=_Pictures())
    assert check(tmp_path / "out") == []
    bad = {(one["table"], one["id"]): one["reason"] for one in report["bad"]}
    assert bad == {
        ("queries", "worse"): "cannot be read",
        ("corpus", "wrong"): "cannot be read",
        ("corpus", "gone"): "no picture",
    }
    assert {one["query"]: one["reason"] for one in report["dropped"]} == {
        "worse": "the query is bad",
        "lost": "no positive among the 2 recalled",
    }
    assert set(judged(tmp_path / "out")) == {"q"}
    assert [key for key, _ in Dataset.open(tmp_path / "out").items("corpus")] == ["d10", "d20"]


class _Pictures(Angles):
    """A picture cannot be read."""

    def encode(self, items: Any, **given: Any) -> Any:
        shown = [any(isinstance(part, Image) for part in item.parts) for item in items]
        found = super().encode(
            [item if not image else type(item)((Text("bad"),)) for item, image in zip(items, shown)], **given
        )
        return type(found)(
            found.vectors, {row: InputError("no picture") if shown[row] else one for row, one in found.errors.items()}
        )

    encode_query = encode_document = encode


def test_an_interrupted_run_encodes_nothing_twice(
    dataset: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "ROWS", 3)
    corpus = {f"d{number}": f"{number} document" for number in range(20)}
    data = dataset({"q": "0 q", "r": "5 r"}, corpus, {"q": (["d1"], []), "r": (["d2"], [])})
    first = Angles(last=10)
    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path / "out", first)
    assert not (tmp_path / "out").exists()
    second = Angles()
    report = run(data, tmp_path / "out", second)
    whole = [*(corpus.values()), "0 q", "5 r"]
    # 2 queries and 2 shards of 3 were kept; 2 documents of the third were seen, and are seen again.
    assert len(first.seen) == 10 and len(second.seen) == len(whole) - 8
    assert sorted({*first.seen, *second.seen}) == sorted(whole)
    third = Angles()
    assert run(data, tmp_path / "more", third, bounds=Bounds(positive=0.9)) != report  # another t+ needs no vectors
    assert third.seen == []
    plain = run(data, tmp_path / "plain" / "out")
    assert plain == report


def test_what_changed_is_encoded_anew_with_a_word(dataset: Make, tmp_path: Path) -> None:
    data = dataset({"q": "0 q"}, CORPUS, {"q": (["d10"], [])})
    told: list[str] = []
    options = MineOptions(work=tmp_path / "work")
    mine(data, tmp_path / "a", Known(Angles(), {"model": "one", "dtype": "auto"}), options, tell=told.append)
    assert told[1].startswith("corpus: begins in ")
    other = Angles()
    mine(data, tmp_path / "b", Known(other, {"model": "two", "dtype": "auto"}), options, tell=told.append)
    assert "corpus: begins anew, since model changed" in told[3] and len(other.seen) == 9
    with (data.folder / "corpus.jsonl").open("a") as file:
        file.write('{"id": "new", "text": "33"}\n')
    again = Angles()
    known = Known(again, {"model": "two", "dtype": "auto"})
    mine(Dataset.open(data.folder), tmp_path / "c", known, options, tell=told.append)
    assert told[4].startswith("queries: goes on with") and "since rows changed" in told[5].replace("model, ", "")
    assert len(again.seen) == 9  # the documents, not the query


def test_a_medium_that_changed_is_encoded_anew(dataset: Make, tmp_path: Path) -> None:
    picture = tmp_path / "red.png"
    PIL.Image.new("RGB", (8, 8)).save(picture)
    data = dataset({"q": "0 q"}, {"p": {"image": str(picture), "text": "10"}, "n": "40"}, {"q": (["p"], [])})
    (medium,) = data.folder.rglob("*.png")
    first = rows_print(data, "corpus")
    assert rows_print(data, "corpus") == first
    PIL.Image.new("RGB", (9, 9)).save(medium)
    assert rows_print(data, "corpus") != first
    second, queries = rows_print(data, "corpus"), rows_print(data, "queries")
    medium.unlink()
    assert rows_print(data, "corpus") not in (first, second)
    assert rows_print(data, "queries") == queries


def test_rows_that_are_wrong_cost_themselves(dataset: Make, tmp_path: Path) -> None:
    data = dataset({"q": "0 q"}, {"p": "10", "n": "40", "w": "50"}, {"q": (["p"], [])})
    for name, old, new in (("corpus", '"text": "50"', '"txt": "50"'), ("relevance", '["p"]', '["p", "ghost"]')):
        path = data.folder / f"{name}.jsonl"
        path.write_text(path.read_text().replace(old, new))
    report = run(Dataset.open(data.folder), tmp_path / "out")
    assert [(one["table"], one["id"]) for one in report["bad"]] == [("corpus", "w"), ("relevance", "q")]
    assert [one["reason"].partition(" 'txt'")[0] for one in report["bad"]] == [
        "corpus.jsonl:3: row: unknown key",
        "there is no document 'ghost'",
    ]
    assert judged(tmp_path / "out")["q"]["negatives"] == ("n",)


def test_a_reranker_takes_out_what_it_judges_relevant(dataset: Make, tmp_path: Path) -> None:
    corpus = {"p": "10", "a": "20", "b": "25", "c": "30", "l": "35 long", "e": "50", "f": "70"}
    data = dataset({"q": "0 q"}, corpus, {"q": (["p"], [])})
    judge = Judge({"10": 3.0, "20": 2.5, "25": -1.0, "30": 0.5, "50": -2.0})
    report = run(data, tmp_path / "out", judge=judge, preference=Preference(most=2), relevant=0.4)
    row = judged(tmp_path / "out")["q"]
    assert (row["positives"], row["negatives"]) == (("p",), ("b", "l"))  # 4 were read: a, b, c, l
    assert row["scores"] == {"p": 3.0, "b": -1.0, "l": -5.0}
    assert [(one["document"], one["log_odds"]) for one in report["suspects"]] == [("a", 2.5), ("c", 0.5)]
    assert [len(call) for call in judge.calls] == [5]
    again = Judge(judge.odds)
    wider = run(data, tmp_path / "more", judge=again, preference=Preference(most=3), relevant=0.6)
    assert [document for call in again.calls for _, document in call] == ["50", "70"]  # the others are known
    assert judged(tmp_path / "more")["q"]["negatives"] == ("b", "c", "l")
    assert wider["reranker"] == {"model": "judge"}


def test_where_it_cannot_go(dataset: Make, tmp_path: Path) -> None:
    data = dataset({"q": "0 q"}, CORPUS, {"q": (["d10"], [])})
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    model = Angles()
    with pytest.raises(InputError, match="is there already"):
        run(data, tmp_path / "taken", model)
    assert model.seen == []  # told before the work, not after it
    with DatasetWriter(tmp_path / "sts", type(data.about)(name="s", task="sts")) as writer:
        writer.document("d", "1")
        writer.query("q", "1")
        writer.relevance("q", [], [], {"d": 3})
    with pytest.raises(InputError, match="graded"):
        run(Dataset.open(tmp_path / "sts"), tmp_path / "new", model)
    (tmp_path / "work").write_text("a file")
    with pytest.raises(InputError, match="name another folder for work"):
        run(data, tmp_path / "new", model)
    for wrong in ({"top": 0}, {"pool": 0}):
        with pytest.raises(ConfigError, match="top and pool must be 1 or more"):
            MineOptions(work=tmp_path, **wrong)


def test_the_print_of_a_model(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    first = model_print(tmp_path)
    assert model_print(tmp_path) == first
    (tmp_path / "config.json").write_text("[]")
    assert model_print(tmp_path) != first


def test_the_bundled_model_on_the_world(tmp_path: Path) -> None:
    """Pictures and notes by the bundled embedder: what is written is what the rule gives on the whole matrix."""
    write_world(tmp_path / "world", WorldOptions(size=12, seed=5, kinds=("scene", "note")))
    data = Dataset.open(tmp_path / "world")
    folder = locate("tiny", "embedding")
    embedder = Known(Embedder.load("tiny", device="cpu"), {"model": model_print(folder)})
    options = MineOptions(work=tmp_path / "work", top=20, bounds=Bounds(positive=0.2), preference=Preference(most=4))
    report = mine(data, tmp_path / "out", embedder, options)
    assert check(tmp_path / "out") == []
    counts = report["counts"]
    assert counts["kept"] >= 8 and counts["hard_negatives"] > counts["kept"] and counts["bad"] == 0
    vectors = embedder.model.encode([item for _, item in data.items("corpus")])
    ids = [key for key, _ in data.items("corpus")]
    for example in Dataset.open(tmp_path / "out").examples():
        scores = dict(zip(ids, (vectors @ embedder.model.encode_query([example.query])[0]).tolist()))
        top = sorted(ids, key=scores.__getitem__, reverse=True)[:20]
        before = set(next(row["positives"] for row in data.judged() if row["query"] == example.query_id))
        assert set(example.positives) == {one for one in top if one in before and scores[one] > 0.2}
        bound = np.mean([scores[one] for one in example.positives])
        right = [one for one in top if one not in before and scores[one] < bound]
        assert list(example.negatives) == right[:4]
