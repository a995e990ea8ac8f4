"""`anyseek mine` and `anyseek score`: what is printed where, and what is refused."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import anyseek.engine
from anyseek.cli import settings
from anyseek.cli.drawing import draw_histograms
from anyseek.cli.main import main
from anyseek.errors import DependencyError
from anyseek.model import hub
from anyseek.training.data import About, Dataset, DatasetWriter
from anyseek.training.mining import MineOptions
from tests.training.mining.planted import Angles, Judge

Run = Callable[..., Result]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with DatasetWriter(tmp_path / "data", About(name="plane")) as writer:
        for text in ("10", "20", "40", "60"):
            writer.document(f"d{text}", text)
        writer.document("broken", "bad")
        for name, positive in (("q", "d20"), ("far", "broken")):
            writer.query(name, f"0 {name}")
            writer.relevance(name, [positive], ["d60"])
    return tmp_path / "data"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    models = tmp_path / "models"
    for name in ("embedding", "reranking"):
        (models / name).mkdir(parents=True)
        (models / name / "config.json").write_text(name)
    engine = Angles()
    monkeypatch.setattr(anyseek.engine.Embedder, "load", lambda *_, **__: engine)
    monkeypatch.setattr(anyseek.engine.Reranker, "load", lambda *_, **__: Judge({"10": 2.0, "40": -1.0}))
    monkeypatch.setattr(hub, "locate", lambda name, kind, **_: models / kind)
    monkeypatch.setattr(settings, "settings_file", lambda: tmp_path / "settings" / "settings.json")

    def run(*arguments: Any) -> Result:
        return CliRunner().invoke(main, [str(one) for one in arguments], env={"COLUMNS": "80"})

    return run


def no_model(*_: Any, **__: Any) -> None:
    raise AssertionError("no model is needed")


def test_mine_prints_tables(run: Run, data: Path, tmp_path: Path) -> None:
    result = run("mine", data, tmp_path / "out", "--positive-above", 0.5)
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0].strip() == "t+ 0.5, delta- 0.0"
    assert {"kept 1", "hard negatives 2", "suspects by cosine 1", "dropped 1", "bad 1"} <= set(lines)
    assert "cosine from positive negative random" in lines
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "1 queries left out: no positive among the 4 recalled" in result.stderr
    assert "corpus broken: cannot be read" in result.stderr
    assert f"written to {tmp_path / 'out'}" in result.stderr
    row = next(Dataset.open(tmp_path / "out").judged())
    assert (row["positives"], row["negatives"]) == (("d20",), ("d40", "d60"))


@pytest.mark.parametrize("command", ["mine", "score"])
def test_a_taken_place_is_told_before_a_model_is_loaded(
    run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "file").touch()
    for kind in (anyseek.engine.Embedder, anyseek.engine.Reranker):
        monkeypatch.setattr(kind, "load", no_model)
    result = run(command, data, tmp_path / "out")
    assert result.exit_code == 3 and "is there already; remove it" in result.stderr


def test_mine_json_with_a_reranker(run: Run, data: Path, tmp_path: Path) -> None:
    given = ("--margin", 0.1, "--reranker", "tiny", "--relevant-above", 1, "--negatives", 1, "--pool", 3, "--top", 4)
    report = json.loads(run("mine", data, tmp_path / "out", "--json", *given).stdout)
    assert (report["delta_minus"], report["top"], report["counts"]["suspects_by_reranker"]) == (0.1, 4, 1)
    assert report["reranker"]["name"] == "reranking"
    row = next(Dataset.open(tmp_path / "out").judged())
    assert (row["negatives"], row["scores"]) == (("d40",), {"d20": -5.0, "d40": -1.0})


def test_dry_run_writes_nothing(run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(anyseek.engine.Embedder, "load", no_model)
        first = run("mine", data, out, "--dry-run", "--reranker", "tiny")
        assert first.exit_code == 0, first.output
        assert not out.exists() and not (tmp_path / "data.work").exists()
    rows = [line.split() for line in first.stdout.splitlines() if line.strip()]
    assert [row[:3] for row in rows[2:]] == [["queries", "2", "0"], ["corpus", "5", "0"], ["pairs", "2", "0"]]
    assert "corpus: begins in" in first.stderr and f"would be written: {out}" in first.stderr
    run("mine", data, out)
    answer = json.loads(run("mine", data, out, "--dry-run", "--json").stdout)
    assert answer["out_is_taken"] and [one["there"] for one in answer["shelves"]] == [2, 5]
    assert answer["shelves"][1]["fingerprint"] == rows[3][3]
    changed = json.loads(run("mine", data, out, "--dry-run", "--json", "--max-tokens", 99).stdout)
    assert [one["there"] for one in changed["shelves"]] == [0, 0]
    assert "since limits changed" in changed["shelves"][1]["news"]


def test_defaults_are_those_of_the_library() -> None:
    given = {parameter.name: parameter.default for parameter in main.commands["mine"].params}
    options = MineOptions(work=Path())
    assert (given["top"], given["pool"], given["relevant_above"]) == (options.top, options.pool, options.relevant)
    assert (given["positive_above"], given["margin"]) == (options.bounds.positive, options.bounds.margin)
    assert (given["negatives"], given["seed"]) == (options.preference.most, options.preference.seed)


def test_ranks_are_checked(run: Run, data: Path, tmp_path: Path) -> None:
    for wrong in ("5", "a:b", ":7"):
        assert "is not a window of ranks" in run("mine", data, tmp_path / "out", "--ranks", wrong).stderr
    assert run("mine", data, tmp_path / "out", "--ranks", "3:2").exit_code == 2
    assert run("mine", data, tmp_path / "out", "--ranks", "4:", "--positive-above", 0.1).exit_code == 0
    assert next(Dataset.open(tmp_path / "out").judged())["negatives"] == ("d60",)


def test_score(run: Run, data: Path, tmp_path: Path) -> None:
    result = run("score", data, tmp_path / "out", "--reranker", "tiny")
    assert result.exit_code == 0, result.output
    assert "scores 4" in [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert [row["scores"] for row in Dataset.open(tmp_path / "out").judged()] == [
        {"d20": -5.0, "d60": -5.0},
        {"broken": -5.0, "d60": -5.0},
    ]
    dry = json.loads(run("score", data, tmp_path / "more", "--dry-run", "--json").stdout)
    assert [(one["what"], one["items"], one["there"]) for one in dry["shelves"]] == [("pairs", 2, 2)]
    report = json.loads(run("score", data, tmp_path / "more", "--json").stdout)
    assert report["counts"]["scores"] == 4
    assert run("score", data, tmp_path / "more").exit_code == 3


def test_plot(run: Run, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib.figure", None)
        result = run("mine", data, tmp_path / "out", "--plot", tmp_path / "plot.png")
        assert result.exit_code == 11 and "anyseek[plot]" in result.stderr
        assert not (tmp_path / "out").exists() and not (tmp_path / "data.work").exists()
        with pytest.raises(DependencyError):
            draw_histograms([0, 1], {"a": [1]}, tmp_path / "plot.png", across="x", mark=0.5)
    pytest.importorskip("matplotlib")
    assert run("mine", data, tmp_path / "out", "--plot", tmp_path / "plot.png").exit_code == 0
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
