"""The benchmark in miniature: it runs, it compares before it times, and what it counts is what runs."""

import importlib
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from anyseek.batch import pack
from anyseek.cli.main import main
from anyseek.errors import ConfigError, DependencyError
from anyseek.evaluation.bench import ceilings, fresh, measure, peers, report, run, shapes, work, workloads
from anyseek.evaluation.bench.engines import Anyseek
from anyseek.evaluation.bench.measure import TOLERANCES, Rules
from anyseek.evaluation.bench.workloads import Sizes, Workload
from anyseek.items import Item, Text
from anyseek.model import Backbone, hub
from anyseek.processing import Tokenizer

SIZES = Sizes(short=4, mixed=3, pictures=3, pages=2, clips=1, candidates=3, few_pages=2, many_pages=3, page_scale=1)
SMALL = shapes.shape_named("small")
MINI = replace(
    SMALL,
    text=SMALL.text
    | {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
    | {"num_attention_heads": 2, "num_key_value_heads": 1},
    vision=SMALL.vision
    | {"depth": 2, "hidden_size": 64, "intermediate_size": 96, "num_heads": 2}
    | {"deepstack_visual_indexes": [0]},
)
CPU = torch.device("cpu")
RULES = Rules(tolerance=TOLERANCES["float32"], repeats=1)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> shapes.Models:
    folder = tmp_path_factory.mktemp("bench")
    source = hub.locate("tiny", "embedding")
    return shapes.write_models(MINI, source, folder, dtype=torch.float32, device=CPU)


@pytest.fixture(scope="module")
def ours(models: shapes.Models) -> Anyseek:
    return Anyseek(models, "cpu", "float32")


@pytest.fixture(scope="module")
def drawn(models: shapes.Models, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Workload]:
    tokenizer, folder = Tokenizer(models.embedding), tmp_path_factory.mktemp("inputs")
    return {w.name: w for w in workloads.make_workloads(workloads.NAMES, folder, SIZES, tokenizer)}


class Peer:
    """An engine that gives what it is told, and notes what happens to it."""

    slack = 0.0

    def __init__(self, results: np.ndarray, name: str = "peer 1.0") -> None:
        self.name, self.results, self.calls = name, results, []
        self._model = nn.Linear(2, 2)

    def refusal(self, workload: Workload) -> str:
        return ""

    def models(self, workload: Workload) -> Sequence[nn.Module]:
        return [self._model]

    def forget(self) -> None:
        self.calls.append("forget")

    def run(self, workload: Workload) -> np.ndarray:
        self.calls.append("run")
        return self.results


# Shapes


@pytest.mark.parametrize("name", ["2b", "8b"])
def test_the_large_shapes_are_the_released_ones(name: str) -> None:
    tokenizer = Tokenizer(hub.locate("tiny", "embedding"))
    with torch.device("meta"):
        backbone = Backbone(shapes.config_of(shapes.shape_named(name), tokenizer))
    (released,) = (model for model in hub.FAMILY if model.name == name and model.kind == "embedding")
    assert sum(weight.numel() for weight in backbone.parameters()) == released.parameters


def test_both_folders_hold_the_same_weights_once(models: shapes.Models) -> None:
    for file in models.embedding.glob("*.safetensors"):
        assert file.samefile(models.reranking / file.name)
    assert Tokenizer(models.embedding).suffix
    assert not Tokenizer(models.reranking).suffix


def test_an_untied_shape_has_a_head_of_its_own(tmp_path: Path) -> None:
    shape = replace(MINI, tied=False)
    source = hub.locate("tiny", "embedding")
    untied = shapes.write_models(shape, source, tmp_path, dtype=torch.bfloat16, device=CPU)
    scores = Anyseek(untied, "cpu", "float32").reranker.predict([("a red apple", "two dogs"), ("a dog", "rain")])
    assert np.ptp(scores) > 0


def test_an_unknown_shape() -> None:
    with pytest.raises(ConfigError, match="choose from small, 2b, 8b"):
        shapes.shape_named("3b")


# Workloads


def test_workloads_are_as_large_as_asked(drawn: dict[str, Workload], ours: Anyseek) -> None:
    counts = {name: len(workload.items) for name, workload in drawn.items()}
    assert (counts["short"], counts["images"], counts["clips"], counts["rerank-many-pages"]) == (4, 3, 1, 3)
    lengths = [ours.embedder.plan(item).tokens - ours.embedder.plan("").tokens for item in drawn["mixed"].items]
    assert max(lengths) == pytest.approx(2000, abs=20)
    assert min(lengths) == pytest.approx(20, abs=3)
    assert ours.embedder.plan(drawn["clips"].items[0]).frames == (64,)
    assert len({ours.embedder.plan(item).sizes for item in drawn["images"].items}) == 3


def test_workloads_are_the_same_every_time(drawn: dict[str, Workload], models: shapes.Models, tmp_path: Path) -> None:
    names = ("mixed", "images", "rerank-image")
    for again in workloads.make_workloads(names, tmp_path, SIZES, Tokenizer(models.embedding)):
        first = drawn[again.name]
        for one, other in zip(first.items, again.items, strict=True):
            sources = [getattr(item.parts[0], "source", None) for item in (one, other)]
            assert one == other if sources[0] is None else sources[0].read_bytes() == sources[1].read_bytes()


# Counting


def test_what_is_counted_is_what_the_shapes_say(ours: Anyseek) -> None:
    embedder = ours.embedder
    sample = embedder.processor.sample(Item((Text("a red apple beside two dogs"),)))
    config, length = embedder.backbone.config.text, sample.num_tokens
    queries, keys = (heads * config.head_dim for heads in (config.num_attention_heads, config.num_key_value_heads))
    linear = config.hidden_size * (2 * queries + 2 * keys + 3 * config.intermediate_size)
    with work.counted([embedder.backbone]) as found, torch.inference_mode():
        embedder.backbone(pack([sample, sample]))
    pairs = length * (length + 1) / 2
    expected = 2 * config.num_hidden_layers * (2 * linear * length + 4 * queries * pairs)
    assert (found.tokens, found.patches) == (2 * length, 0)
    assert found.flops == expected
    with work.counted([embedder.backbone]) as nothing:
        pass
    assert nothing == work.Work()


def test_shared_and_known_work_is_not_counted(drawn: dict[str, Workload], ours: Anyseek) -> None:
    workload = drawn["rerank-image"]
    ours.run(workload)
    ours.forget()
    with work.counted(ours.models(workload)) as cold:
        ours.run(workload)
    with work.counted(ours.models(workload)) as known:
        ours.run(workload)
    one = ours.reranker.plan(workload.query, workload.items[0])
    assert cold.patches == one.patches
    assert cold.tokens < 2 * one.tokens
    assert (known.patches, known.tokens) == (0, cold.tokens)


# Equal before timed


@pytest.mark.parametrize("name", ["short", "rerank-texts"])
def test_a_wrong_peer_is_found_and_not_timed(name: str, drawn: dict[str, Workload], ours: Anyseek) -> None:
    workload = drawn[name]
    right = ours.run(workload)
    swapped = Peer(right[::-1].copy())
    row = measure.measure(workload, ours, [swapped], RULES)
    (entry,) = row.others
    assert row.is_wrong
    assert "results differ by" in entry.reason
    assert entry.seconds == ()
    assert swapped.calls == ["run"]
    near = Peer(right + np.float32(1e-7))
    row = measure.measure(workload, ours, [near], RULES)
    assert not row.is_wrong
    assert len(row.others[0].seconds) == len(row.ours.seconds) == 1
    assert near.calls == ["run", "forget", "run"]


def test_results_that_are_all_alike_prove_nothing(
    drawn: dict[str, Workload], ours: Anyseek, monkeypatch: pytest.MonkeyPatch
) -> None:
    constant = np.full(len(drawn["rerank-texts"].items), 0.5, dtype=np.float32)
    monkeypatch.setattr(ours, "run", lambda workload: constant)
    row = measure.measure(drawn["rerank-texts"], ours, [Peer(constant + np.float32(1e-5))], RULES)
    assert "those of different inputs by no more than" in row.others[0].reason


def test_other_pixels_are_allowed_their_slack(drawn: dict[str, Workload], ours: Anyseek) -> None:
    right = ours.run(drawn["short"])
    peer = Peer(right + np.float32(1e-4))
    assert measure.measure(drawn["short"], ours, [peer], RULES).is_wrong
    peer.slack = 5e-3
    assert not measure.measure(drawn["short"], ours, [peer], RULES).is_wrong


def test_differences() -> None:
    ones = np.ones((2, 3))
    assert measure.difference(ones, ones) == 0
    assert measure.difference(np.array([0.5, 0.25]), np.array([0.5, 0.5])) == 0.25
    assert measure.difference(ones, np.ones((3, 3))) == float("inf")
    assert measure.difference(ones, np.full((2, 3), np.nan)) == float("inf")


def test_engines_take_turns_until_time_is_up() -> None:
    order: list[str] = []
    runs = {name: lambda name=name: order.append(name) or 1.0 for name in "abc"}
    times = measure.alternate(runs, Rules(tolerance=TOLERANCES["float32"], repeats=2, seconds=100))
    assert order == list("abcbca")
    assert times == dict.fromkeys("abc", (1.0, 1.0))
    times = measure.alternate(runs, Rules(tolerance=TOLERANCES["float32"], repeats=5, seconds=0))
    assert times == dict.fromkeys("abc", (1.0,))
    quick = Rules(tolerance=TOLERANCES["float32"], repeats=1, seconds=100, least_seconds=0.01)
    assert len(measure.alternate(runs, quick)["a"]) > 1
    with pytest.raises(ConfigError, match="at least 1"):
        Rules(tolerance=TOLERANCES["float32"], repeats=0)


def test_a_second_query_is_measured_beside_its_first(drawn: dict[str, Workload], ours: Anyseek) -> None:
    rules = replace(RULES, repeats=2)
    row = measure.measure(drawn["rerank-pages-again"], ours, [Peer(np.zeros(2))], rules)
    (first,) = row.others
    assert not row.is_wrong
    assert first.engine == "its first query"
    assert (len(first.seconds), len(row.ours.seconds)) == (2, 2)
    assert first.work.patches == 2 * 560
    assert row.ours.work.patches == 0


# Peers


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["mixed", "images", "latency", "rerank-texts", "rerank-image", "rerank-pages"])
def test_peers_give_our_results(
    name: str, drawn: dict[str, Workload], ours: Anyseek, public: Any, sentence: Any
) -> None:
    workload = drawn[name]
    row = measure.measure(workload, ours, [public, sentence], RULES)
    assert not row.is_wrong, [entry.reason for entry in row.others]
    transformers = row.others[0]
    assert transformers.difference < 5e-6  # measured: 1e-6
    assert len(transformers.seconds) == 1
    if name == "mixed":
        longest = max(ours.embedder.plan(item).tokens for item in workload.items)
        assert transformers.work.tokens == longest * len(workload.items)
    if name.startswith("rerank"):
        assert transformers.work.tokens == row.tokens
        assert transformers.work.flops > row.ours.work.flops


@pytest.fixture(scope="module")
def public(models: shapes.Models) -> peers.PublicCode:
    pytest.importorskip("transformers")
    return fresh.make_engine("transformers", place(models))


@pytest.fixture(scope="module")
def sentence(models: shapes.Models) -> peers.SentenceTransformers:
    pytest.importorskip("sentence_transformers")
    return fresh.make_engine("sentence-transformers", place(models))


def place(models: shapes.Models) -> fresh.Place:
    return fresh.Place(models=models, shape="small", device="cpu", dtype="float32")


def test_peers_are_not_shown_video(
    drawn: dict[str, Workload], ours: Anyseek, public: peers.PublicCode, sentence: peers.SentenceTransformers
) -> None:
    row = measure.measure(drawn["clips"], ours, [public, sentence], RULES)
    assert [entry.engine for entry in row.others] == [public.name, sentence.name, "anyseek, one by one"]
    assert all("video" in entry.reason for entry in row.others[:2])
    assert row.others[2].difference < 1e-5
    assert not row.is_wrong


def test_a_missing_peer_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(DependencyError, match="pip install sentence-transformers; or leave it out with --no-peers"):
        peers.library("sentence_transformers")


def test_loading_in_a_process_of_its_own(models: shapes.Models) -> None:
    load = fresh.measure_load("anyseek", place(models))
    assert load.reason == ""
    assert 0 < load.load_seconds < load.first_seconds
    assert load.peak_bytes > 30e6
    gone = fresh.measure_load("anyseek", place(replace(models, embedding=Path("/nowhere"))))
    assert "nowhere" in gone.reason


# The whole


@pytest.fixture(scope="module")
def result() -> run.Result:
    told: list[str] = []
    options = run.BenchOptions(device="cpu", peers=False, repeats=1, seconds=0, sizes=SIZES, workloads=workloads.NAMES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "shape_named", lambda name: MINI)
        patch.setattr(run, "measure_ceilings", partial(ceilings.measure_ceilings, share=0.05))
        found = run.run_bench(options, told.append, lambda row: told.append(report.line(row)))
    assert sum("one by one: compared only" in line for line in told) == len(workloads.NAMES) - 2
    return found


def test_every_workload_runs(result: run.Result) -> None:
    assert [row.name for row in result.rows] == list(workloads.NAMES)
    assert not result.wrong
    for row in result.rows:
        assert row.ours.seconds
        assert row.tokens >= row.ours.work.tokens > 0


def test_the_report(result: run.Result, tmp_path: Path) -> None:
    path = report.write(result, tmp_path / "results")
    assert path.name.startswith("speed-small-")
    assert path.name.endswith(f"-{result.month}.md")
    text = path.read_text(encoding="utf-8")
    for row in result.rows:
        assert text.count(f"| {row.title} |") == 1
    assert "x) its first query" in text
    assert "GFLOP/s in a matrix product" in text
    assert json.loads(json.dumps(report.as_data(result)))["rows"][0]["name"] == "short"


def test_the_report_names_what_was_wrong_and_what_failed(result: run.Result) -> None:
    wrong = measure.Entry(engine="peer 1.0", difference=1.0, reason="results differ by 1", is_wrong=True)
    right = measure.Entry(engine="other 2.0", difference=0.0, seconds=(3.0,), work=work.Work(flops=8.0))
    ours = measure.Entry(engine="anyseek", seconds=(1.0, 2.0, 1.0), work=work.Work(flops=2.0))
    row = replace(result.rows[0], ours=ours, others=(wrong, right))
    failed = fresh.Load(engine="peer", reason="no module")
    found = replace(result, rows=[row], loads=[failed], versions={"torch": "2", "peer": "1.0", "other": "2.0"})
    assert found.wrong == ["short"]
    columns, (cells,) = report.row_table(found)
    assert (cells[columns.index("x peer")], cells[columns.index("x other")]) == ("-", "3.0x (4.0x)")
    text = report.markdown(found)
    assert "peer 1.0 was not timed: results differ by 1." in text
    assert "| peer | failed: no module |" in text


def test_ceilings() -> None:
    found = ceilings.measure_ceilings(CPU, torch.float32, share=0.05)
    assert found.flops > 1e6
    assert found.bytes > 1e6
    assert ceilings.Ceilings(10.0, 5.0).least_seconds(20.0, 5.0) == 2.0
    assert ceilings.Ceilings(10.0, 5.0).least_seconds(20.0, 50.0) == 10.0


def test_the_command(result: run.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[run.BenchOptions] = []

    def fake(options: run.BenchOptions, *_: Any) -> run.Result:
        asked.append(options)
        return result

    monkeypatch.setattr(run, "run_bench", fake)
    done = CliRunner().invoke(main, ["bench", "--shape", "2b", "--workload", "short", "--write", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert asked == [run.BenchOptions(shape="2b", workloads=("short",))]
    assert "rerank-many-pages-again" in done.stdout
    assert list(tmp_path.glob("speed-*.md"))
    assert json.loads(CliRunner().invoke(main, ["bench", "--json"]).stdout)["dtype"] == "float32"
    bad = replace(result.rows[0], others=(measure.Entry(engine="p", reason="x", is_wrong=True, difference=1.0),))
    monkeypatch.setattr(run, "run_bench", lambda *_: replace(result, rows=[bad]))
    done = CliRunner().invoke(main, ["bench"])
    assert done.exit_code == 12
    assert "results differ in short" in done.stderr


def test_an_unknown_workload() -> None:
    done = CliRunner().invoke(main, ["bench", "--workload", "nothing"])
    assert done.exit_code == 2
    assert "choose from load, short, mixed" in done.stderr
