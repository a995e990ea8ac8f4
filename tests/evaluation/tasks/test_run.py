"""What a run computes: each item once, every order and width from the same vectors, measures, groups, comparisons."""

import json
import random
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anyseek.errors import ConfigError, DependencyError
from anyseek.evaluation.tasks import (
    Measure,
    Own,
    Query,
    Result,
    RunOptions,
    TaskResult,
    by_category,
    by_query,
    by_task,
    by_width,
    compare,
    data_task,
    own_task,
    run,
    run_all,
)
from anyseek.evaluation.tasks import plot as plotting
from anyseek.evaluation.tasks.files import as_data, from_data, read
from anyseek.evaluation.tasks.groups import language_group
from anyseek.evaluation.tasks.intervals import mean, resampled
from anyseek.evaluation.tasks.report import against_table, markdown, tables, write
from anyseek.items import Item, Text
from anyseek.search import Fusion
from anyseek.training.data import About, DatasetWriter
from tests.evaluation.tasks.makers import Listed, Planned, orthogonal, ranking, small_task, texts


def result_of(*tasks: TaskResult, model: str = "tiny") -> Result:
    return Result(model=model, reranker=None, settings={"queries": 12}, tasks=tasks)


def rows_of(values: list[float]) -> np.ndarray:
    return np.array(values, dtype=np.float64)[:, None]


def outcome(values: list[float], name: str = "small", category: str = "image QA", **orders: list[float]) -> TaskResult:
    """A task's result with given values."""
    done = run(small_task(len(values), max(20, len(values)), name=name, category=category), Planned(orthogonal(60)))
    return replace(done, rows={"embedder": rows_of(values)} | {key: rows_of(one) for key, one in orders.items()})


# measures


def test_measures_by_hand() -> None:
    order = ranking(4, 2, 9)
    assert Measure("hit@1").row(order, {2: 1.0}) == (0.0,)
    assert Measure("hit@2").row(order, {2: 1.0}) == (1.0,)
    assert Measure("ndcg@5").row(order, {2: 1.0}) == pytest.approx((1 / np.log2(3),))
    assert Measure("ndcg@1").row(order, {2: 1.0}) == (0.0,)
    assert Measure("spearman").row(ranking(7), {7: 0.25}) == (0.0, 0.25)
    assert Measure("spearman").total(np.array([[0.1, 1], [0.2, 2], [0.4, 3]])) == pytest.approx(1.0)
    assert [Measure(name).title for name in ("hit@1", "NDCG@10", "spearman")] == ["hit@1", "nDCG@10", "Spearman"]
    with pytest.raises(ConfigError, match="hit@K"):
        Measure("recall")


@pytest.mark.parametrize("measure", ["hit@1", "ndcg@5"])
def test_chance_agrees_with_random_orders(measure: str) -> None:
    """Candidates and relevance differ by query; 3,000 random orders of each agree within 0.012."""
    few = Query(item=texts("one")[0], relevance={3: 1.0, 5: 1.0}, candidates=(1, 3, 5, 7, 9))
    graded = Query(item=texts("two")[0], relevance={0: 2.0, 6: 1.0})
    task = small_task(measure=measure, asked=(few, graded))
    rng, total = random.Random(0), 0.0
    for _ in range(3000):
        for query in task.queries:
            candidates = list(task.candidates(query))
            total += task.measure.row(ranking(*rng.sample(candidates, len(candidates))), query.relevance)[0]
    assert total / 6000 == pytest.approx(task.chance(), abs=0.012)


def test_tasks_that_cannot_be_judged_are_errors() -> None:
    item = texts("x")[0]
    for wrong, message in (
        (Query(item=item, relevance={}), "needs a relevant document"),
        (Query(item=item, relevance={1: 0.0}), "grades above 0"),
        (Query(item=item, relevance={1: 1.0}, candidates=(2, 3)), "not among its candidates"),
        (Query(item=item, relevance={2: 1.0}, candidates=(2, 2)), "different indices"),
        (Query(item=item, relevance={99: 1.0}, candidates=(99,)), "different indices of 20"),
    ):
        with pytest.raises(ConfigError, match=message):
            small_task(asked=(wrong,))
    with pytest.raises(ConfigError, match="one candidate"):
        small_task(measure="spearman")
    with pytest.raises(ConfigError, match="no queries"):
        small_task(asked=())


# running


def test_each_item_is_embedded_once() -> None:
    task, embedder = small_task(), Planned(orthogonal())
    done = run(task, embedder)
    assert [len(call) for call in embedder.calls] == [12, 20]
    assert {item.instruction for item in embedder.calls[0]} == {"Retrieve."}
    assert {item.instruction for item in embedder.calls[1]} == {None}
    assert set(done.grid) == {(width, kind) for width in (64, 32) for kind in ("float32", "int8", "binary")}
    assert done.score("embedder") == 1.0
    assert done.chance == pytest.approx(1 / 20)


def test_a_query_keeps_its_own_instruction() -> None:
    task, embedder = small_task(), Planned(orthogonal())
    own = replace(task.queries[0], item=Item((Text("query 0"),), "Mine."))
    run(replace(task, queries=(own, *task.queries[1:])), embedder)
    assert [item.instruction for item in embedder.calls[0][:2]] == ["Mine.", "Retrieve."]


def test_widths_and_precisions_are_those_of_the_vectors() -> None:
    """The first half of the numbers is right, the second misleads: only the narrow vectors find anything."""
    vectors = np.concatenate([orthogonal()[:, :32], np.zeros((20, 32), np.float32)], axis=1)
    task = small_task()

    class Misleading(Planned):
        def encode(self, items: Any, **options: Any) -> np.ndarray:
            found = super().encode(items, **options).copy()
            shift = 1 if items[0].parts[0].text.startswith("query") else 0
            found[:, 32:] = 50 * orthogonal()[[(int(i.parts[0].text.split()[-1]) + shift) % 20 for i in items], :32]
            return found

    done = run(task, Misleading(vectors))
    assert done.score("embedder") == 0.0
    assert {key: task.measure.total(rows) for key, rows in done.grid.items() if key[1] != "binary"} == {
        (64, "float32"): 0.0,
        (64, "int8"): 0.0,
        (32, "float32"): 1.0,
        (32, "int8"): 1.0,
    }
    narrow = run(task, Misleading(vectors), options=RunOptions(dim=32, precision="int8", widths=(64,)))
    assert narrow.score("embedder") == 1.0
    assert set(narrow.grid) == {(64, kind) for kind in ("float32", "int8", "binary")}
    with pytest.raises(ConfigError, match="between 1 and 64"):
        run(task, Misleading(vectors), options=RunOptions(dim=65))


def test_int8_takes_the_step_that_the_model_has_learnt() -> None:
    """So large a step makes every number a zero, and then the first document is the best of all queries."""
    embedder = Planned(orthogonal())
    task = small_task()
    assert run(task, embedder, options=RunOptions(precision="int8")).score("embedder") == 1.0
    embedder.steps = {"int8": 1e6}
    done = run(task, embedder, options=RunOptions(precision="int8"))
    assert {ranking.documents[0] for ranking in done.rankings["embedder"]} == {0}
    scores = {key: task.measure.total(rows) for key, rows in done.grid.items() if key[0] == 64}
    assert scores[64, "float32"] == 1.0 > scores[64, "int8"]


def test_the_reranker_reads_the_best_and_the_rest_follows() -> None:
    task, reranker = small_task(queries=1), Listed(range(19, -1, -1))
    done = run(task, Planned(orthogonal()), reranker, RunOptions(top=4))
    by_vector, reread = (done.rankings[name][0].documents for name in ("embedder", "reranked"))
    assert len(reranker.pairs) == 4
    assert {pair[0].instruction for pair in reranker.pairs} == {"Retrieve."}
    assert list(reread[:4]) == sorted(by_vector[:4], reverse=True)
    assert reread[4:] == by_vector[4:]
    assert by_vector[0] == 0
    assert (done.score("embedder"), done.score("reranked")) == (1.0, float(reread[0] == 0))


def test_fusion_weighs_both_opinions() -> None:
    task = small_task()
    for fusion, same in ((Fusion(log_odds=0, similarity=1), "embedder"), (Fusion(), "reranked")):
        done = run(task, Planned(orthogonal()), Listed(range(20)), RunOptions(top=20, fusion=fusion))
        order = [one.documents for one in done.rankings["fused"]]
        assert order == [one.documents for one in done.rankings[same]]


def test_own_candidates_are_ranked_alone() -> None:
    queries = tuple(replace(query, candidates=(15, 14, number)) for number, query in enumerate(small_task().queries))
    done = run(small_task(asked=queries), Planned(orthogonal()))
    assert all(set(one.documents) == {15, 14, number} for number, one in enumerate(done.rankings["embedder"]))
    assert done.chance == pytest.approx(1 / 3)


def test_options_that_cannot_be_run_are_errors() -> None:
    with pytest.raises(ConfigError, match="int4"):
        RunOptions(precision="int4")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="top"):
        RunOptions(top=0)


# intervals


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Of 200 samples of 40 queries with a true rate of 0.4, 90 % or more of the intervals hold it."""
    rng, held = np.random.default_rng(0), 0
    for number in range(200):
        rows = (rng.random((40, 1)) < 0.4).astype(float)
        found = resampled(Measure("hit@1"), rows, str(number)).estimate()
        held += found.low <= 0.4 <= found.high
    assert 180 <= held <= 199


def test_differences_are_paired() -> None:
    """One query in ten better: far more certain in the same queries than in different ones."""
    rng = np.random.default_rng(1)
    base = (rng.random((200, 1)) < 0.5).astype(float)
    better = np.maximum(base, (np.arange(200) % 10 == 0)[:, None])
    one, other = (resampled(Measure("hit@1"), rows, "task") for rows in (better, base))
    gain = (one - other).estimate()
    assert gain.verdict == "better"
    assert (other - one).estimate().verdict == "worse"
    assert (one - one).estimate().verdict == "open"
    alone = resampled(Measure("hit@1"), base, "other draws")
    assert gain.high - gain.low < 0.5 * np.subtract(*np.quantile((one - alone).samples, [0.975, 0.025]))


def test_a_difference_of_few_queries_stays_open() -> None:
    one, other = (resampled(Measure("hit@1"), rows_of([value] * 9), "task") for value in (1.0, 0.0))
    assert (one - other).estimate().verdict == "open"
    assert (mean([one, one]) - mean([other, other])).estimate().verdict == "better"


def test_spearman_is_drawn_over_pairs() -> None:
    rng = np.random.default_rng(2)
    grades = rng.random(60)
    rows = np.stack([grades + 0.3 * rng.random(60), grades], axis=1)
    found = resampled(Measure("spearman"), rows, "likeness").estimate()
    assert found.low < found.score < found.high < 1
    assert found.score > 0.8


# summaries


def test_means_are_over_tasks_and_of_the_suite() -> None:
    tasks = [
        outcome([1.0] * 4, "a", "image QA"),
        outcome([0.0] * 8, "b", "image QA"),
        outcome([1.0] * 6, "c", "video QA"),
        outcome([0.0] * 5, "d", "text retrieval"),
        outcome([1.0] * 5, "e", "own data"),
    ]
    lines = {line.label: line for line in by_category(tasks)}
    scores = {label: line.orders["embedder"].score for label, line in lines.items()}
    assert scores == {
        "all": pytest.approx(2 / 3),
        "image": 0.5,
        "image QA": 0.5,
        "video": 1.0,
        "video QA": 1.0,
        "text": 0.0,
        "text retrieval": 0.0,
        "own data": 1.0,
    }
    assert (lines["all"].count, lines["image"].count) == (3, 2)
    assert [line.label for line in by_task(tasks)] == list("abcde")
    assert set(by_width(tasks)) == {"all", "image", "video", "text", "own data"}


def test_groups_of_queries() -> None:
    done = outcome([1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0])
    lines = {line.label: line for line in by_query([done])}
    assert {label: (line.count, line.orders["embedder"].score) for label, line in lines.items()} == {
        "English": (3, 1.0),
        "other Latin": (3, pytest.approx(1 / 3)),
        "Chinese, Japanese, Korean": (3, 0.0),
        "no words, or not told": (3, pytest.approx(2 / 3)),
        "objects training never shows": (4, pytest.approx(0.5)),
        "known objects, new compositions": (8, pytest.approx(0.5)),
    }


def test_likeness_alone_has_no_groups() -> None:
    pairs = tuple(replace(query, candidates=(number,)) for number, query in enumerate(small_task().queries))
    done = run(small_task(measure="spearman", asked=pairs), Planned(orthogonal()))
    assert by_query([done]) == []
    assert "By language and split" not in tables(result_of(done))


def test_language_groups() -> None:
    groups = [language_group(code) for code in ("en", "en-GB", "de", "zh_Hant", "el", "th", "xx", "")]
    assert groups == [
        "English",
        "English",
        "other Latin",
        "Chinese, Japanese, Korean",
        "Cyrillic, Greek",
        "other scripts",
        "other Latin",
        "no words, or not told",
    ]


def test_two_results_are_compared_query_by_query() -> None:
    good, bad = [1.0] * 20, [0.0] * 18 + [1.0] * 2
    ours, theirs = (result_of(outcome(values), model=name) for values, name in ((good, "ours"), (bad, "theirs")))
    verdicts = {line.label: line.estimates()["embedder"].verdict for line in compare(ours, theirs)}
    assert verdicts == dict.fromkeys(("all", "image", "image QA"), "better")
    assert {line.estimates()["embedder"].verdict for line in compare(ours, ours)} == {"open"}
    assert against_table(theirs, ours)[1][0][2].endswith("worse")


def test_results_of_other_queries_are_not_compared() -> None:
    ours = result_of(outcome([1.0] * 12))
    with pytest.raises(ConfigError, match="other queries"):
        compare(ours, result_of(outcome([1.0] * 11)))
    with pytest.raises(ConfigError, match="other queries"):
        compare(ours, result_of(replace(ours.tasks[0], seed=2)))
    with pytest.raises(ConfigError, match="no task in common"):
        compare(ours, result_of(outcome([1.0] * 12, "other")))


# files and tables


def test_a_result_comes_back_from_its_file(tmp_path: Path) -> None:
    done = run_all([small_task(), small_task(name="second")], Planned(orthogonal()), Listed(range(20)))
    result = result_of(*done)
    path = tmp_path / "result.json"
    path.write_text(json.dumps(as_data(result)), encoding="utf-8")
    again = read(path)
    assert as_data(again) == as_data(result)
    assert {line.estimates()["fused"].verdict for line in compare(result, again)} == {"open"}
    assert np.array_equal(again.tasks[0].grid[32, "int8"], done[0].grid[32, "int8"])
    with pytest.raises(ConfigError, match="none.json"):
        read(tmp_path / "none.json")
    path.write_text('{"model": 1}')
    with pytest.raises(ConfigError, match="not a result"):
        read(path)


def test_the_data_says_what_came_of_each_query() -> None:
    data = as_data(result_of(run(small_task(), Planned(orthogonal()))))
    (task,) = data["tasks"]
    assert task["asked"][1] == {"language": "de", "seen": True, "chance": pytest.approx(0.05)}
    assert task["rankings"]["embedder"][3]["documents"][0] == 3
    assert task["rows"]["embedder"] == [[1.0]] * 12
    assert from_data(data).tasks[0].score("embedder") == 1.0


def test_tables_say_what_was_measured(tmp_path: Path) -> None:
    done = outcome([1.0] * 12, reranked=[0.0] * 12, fused=[1.0] * 11 + [0.0])
    result = result_of(done)
    columns, rows = tables(result)["By task"]
    assert columns[-2:] == (">reranked - embedder", ">fused - embedder")
    assert rows[0][:5] == ("small", "12", "hit@1", "5.0", "100.0 (100.0 to 100.0)")
    assert rows[0][-2:] == ("-100.0 (-100.0 to -100.0) worse", f"-8.3 ({fewer(done)} to +0.0) open")
    brief = tables(result, brief=True)["By task"]
    assert brief[1][0] == ("small", "12", "5.0", "100.0 ±0.0", "0.0 ±0.0", brief[1][0][5], "-8.3 open")
    text = write(result, tmp_path / "new").read_text(encoding="utf-8")
    assert text == markdown(result)
    assert "| small | 12 | hit@1 | 5.0 |" in text
    assert "## Width and precision: all" in text
    assert "## Less theirs" in markdown(result, result_of(done, model="theirs"))


def fewer(done: TaskResult) -> str:
    base, fused = (resampled(done.measure, done.rows[name], done.name) for name in ("embedder", "fused"))
    return f"{100 * (fused - base).estimate().low:+.1f}"


def test_a_plot_says_how_to_install_what_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(DependencyError, match=r"anyseek\[plot\]"):
        plotting.draw(result_of(outcome([1.0] * 4)), tmp_path / "plot.png")


def test_a_plot_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = plotting.draw(result_of(outcome([1.0] * 4)), tmp_path / "new" / "plot.png")
    assert path.read_bytes().startswith(b"\x89PNG")


# own data


def test_own_data() -> None:
    task = own_task(
        ["query 0", "query 3"], ["document 0", "document 1", "document 2", "document 3"], [[0], {3: 2, 1: 0}]
    )
    assert [query.relevance for query in task.queries] == [{0: 1.0}, {3: 2.0}]
    done = run(task, Planned(orthogonal()))
    assert (done.measure.title, done.score("embedder"), done.category) == ("nDCG@10", 1.0, "own data")
    assert done.chance == pytest.approx(sum(1 / np.log2(place + 2) for place in range(4)) / 4)


def test_own_candidates_languages_and_likeness() -> None:
    own = Own(measure="spearman", candidates=[[1], [0]], languages=["de", "en"], category="text similarity")
    task = own_task(["query 1", "query 3"], ["document 0", "document 1"], [{1: 4}, {0: 0}], own)
    assert [query.language for query in task.queries] == ["de", "en"]
    assert run(task, Planned(orthogonal())).score("embedder") == pytest.approx(1.0)
    with pytest.raises(ConfigError, match="relevance has 1 entries for 2 queries"):
        own_task(["a", "b"], ["c"], [[0]])
    with pytest.raises(ConfigError, match="candidates has 1"):
        own_task(["a", "b"], ["c"], [[0], [0]], Own(candidates=[[0]]))
    with pytest.raises(ConfigError, match="query 1"):
        own_task(["a", "b"], ["c"], [[0], []])


def test_a_dataset_on_disk_is_a_task(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "found", About(name="found", instruction="Find it.")) as writer:
        for number in range(3):
            writer.document(f"d{number}", f"document {number}")
        for key, text, positive in (("a", "query 0", "d0"), ("b", "query 0", "d1"), ("c", "query 2", "d2")):
            writer.query(key, text)
            writer.relevance(key, [positive])
    task = data_task(tmp_path / "found")
    assert [query.relevance for query in task.queries] == [{0: 1.0, 1: 1.0}, {2: 1.0}], "asked twice, one query"
    assert (task.name, task.measure.name) == ("found", "ndcg@10")
    assert [query.item.instruction for query in task.queries] == ["Find it."] * 2
    assert data_task(tmp_path / "found", "hit@1").measure.name == "hit@1"


def test_a_dataset_keeps_its_own_candidates_and_grades(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "asked", About(name="asked", task="qa")) as writer:
        for number in range(3):
            writer.document(f"d{number}", f"document {number}")
        writer.query("a", "query 0")
        writer.relevance("a", ["d0"], ["d2"])
    (query,) = data_task(tmp_path / "asked").queries
    assert (query.candidates, query.relevance) == ((0, 2), {0: 1.0})
    with DatasetWriter(tmp_path / "like", About(name="like", task="sts")) as writer:
        for number in range(2):
            writer.document(f"d{number}", f"document {number}")
        writer.query("a", "query 0")
        writer.relevance("a", [], [], {"d0": 5, "d1": 0})
    task = data_task(tmp_path / "like")
    assert [(query.candidates, query.relevance) for query in task.queries] == [((0,), {0: 5.0}), ((1,), {1: 0.0})]
    assert task.measure.name == "spearman"
