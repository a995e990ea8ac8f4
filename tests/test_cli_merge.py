"""`anyseek merge` on small folders: what is written, printed and refused."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from anyseek.cli import settings
from anyseek.cli.drawing import draw_line
from anyseek.cli.main import main
from anyseek.engine import Embedder
from anyseek.errors import DependencyError

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setattr(settings, "settings_file", lambda: tmp_path / "settings" / "settings.json")

    def run(*arguments: Any) -> Result:
        given = ["merge", *map(str, arguments)]
        return CliRunner().invoke(main, given, env={"COLUMNS": "80"})

    return run


@pytest.fixture(scope="module")
def pair(embedding_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The small checkpoint, and the same with noise."""
    other = tmp_path_factory.mktemp("merge") / "noisy"
    embedder = Embedder.load(embedding_folder, device="cpu")
    drawn = torch.Generator().manual_seed(1)
    for parameter in embedder.backbone.parameters():
        if parameter.ndim > 1:
            parameter.data += 0.3 * parameter.std() * torch.randn(parameter.shape, generator=drawn)
    embedder.save(other)
    return embedding_folder, other


@pytest.fixture
def probe(tmp_path: Path) -> Path:
    rows = [{"query": word, "positive": {"text": f"a picture of a {word}"}} for word in ("dog", "red apple", "house")]
    path = tmp_path / "probe.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def vectors(folder: Path) -> np.ndarray:
    return Embedder.load(folder, device="cpu").encode(["dog", "a house"])


@pytest.mark.parametrize("method", ["linear", "slerp"])
def test_weights_one_and_zero_give_a_model_back(run: Run, pair: tuple[Path, Path], tmp_path: Path, method: str) -> None:
    result = run(*pair, "--method", method, "--weights", "0,1", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert np.array_equal(vectors(tmp_path / "out"), vectors(pair[1]))
    assert f"written to {tmp_path / 'out'}" in result.stderr


def test_equal_weights_unless_said_otherwise(run: Run, pair: tuple[Path, Path], tmp_path: Path) -> None:
    answer = json.loads(run(*pair, "--out", tmp_path / "out", "--json").stdout)
    assert answer == {"method": "linear", "weights": [0.5, 0.5], "out": str(tmp_path / "out")}
    assert not np.allclose(vectors(tmp_path / "out"), vectors(pair[0]))


def test_task_arithmetic(run: Run, pair: tuple[Path, Path], tmp_path: Path) -> None:
    given = ("--method", "task", "--base", pair[0], "--weights", "1", "--out", tmp_path / "out")
    assert run(pair[1], *given).exit_code == 0
    assert np.array_equal(vectors(tmp_path / "out"), vectors(pair[1]))


def test_positioning_finds_weights_and_writes(run: Run, pair: tuple[Path, Path], probe: Path, tmp_path: Path) -> None:
    given = ("--method", "positioning", "--base", pair[0], "--probe", probe, "--steps", 3, "--device", "cpu")
    result = run(*pair, *given, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert len(answer["losses"]) == 3
    assert sum(answer["shares"]) == pytest.approx(1)
    assert answer["weights"] == pytest.approx([answer["scale"] * share for share in answer["shares"]])
    assert np.isfinite(vectors(tmp_path / "out")).all()
    again = run(pair[1], *given, "--out", tmp_path / "again")
    assert "loss of the probe set" in again.stderr


def test_sweep_scores_the_way_and_writes_the_best(
    run: Run, pair: tuple[Path, Path], probe: Path, tmp_path: Path
) -> None:
    given = ("--sweep", 3, "--probe", probe, "--device", "cpu")
    answer = json.loads(run(*pair, *given, "--out", tmp_path / "out", "--json").stdout)
    assert [point["weight"] for point in answer["sweep"]] == [0, 0.5, 1]
    assert all(0 <= point["r_at_1"] <= 1 for point in answer["sweep"])
    best = max(answer["sweep"], key=lambda point: point["r_at_1"])["weight"]
    assert answer["weights"] == [1 - best, best]
    assert (tmp_path / "out" / "config.json").is_file()
    table = run(*pair, *given)
    assert table.exit_code == 0, table.output
    assert "0.500" in table.stdout


def test_sweep_is_drawn(run: Run, pair: tuple[Path, Path], probe: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    result = run(*pair, "--sweep", 2, "--probe", probe, "--plot", tmp_path / "sweep.png", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "sweep.png").read_bytes().startswith(b"\x89PNG")


def test_plots_need_matplotlib(
    run: Run, pair: tuple[Path, Path], probe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = run(*pair, "--sweep", 2, "--probe", probe, "--plot", tmp_path / "sweep.png")
    assert result.exit_code == 11
    assert result.stderr == "error: plots need matplotlib; install it with: pip install 'anyseek[plot]'\n"
    with pytest.raises(DependencyError):
        draw_line([(0, 1)], tmp_path / "a.png", across="x", up="y")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("A", "B"), "Give --out"),
        (("A", "--out", "x"), "linear takes 2 model(s) or more"),
        (("A", "B", "--out", "x", "--method", "task"), "task needs --base"),
        (("A", "B", "--out", "x", "--base", "A"), "linear takes no --base"),
        (("A", "B", "--out", "x", "--method", "positioning", "--base", "A"), "need --probe"),
        (("A", "B", "--out", "x", "--probe", "p"), "--probe is for"),
        (("A", "B", "C", "--sweep", "3", "--probe", "p"), "--sweep goes between two"),
        (("A", "B", "--out", "x", "--plot", "p"), "--plot draws a --sweep"),
        (("A", "B", "--sweep", "3", "--probe", "p", "--weights", "0,1"), "--weights are what"),
        (("A", "B", "--sweep", "3", "--probe", "p", "--kind", "reranking"), "embedding models"),
        (("A", "B", "--out", "x", "--weights", "a,b"), "not a list of numbers"),
        (("A", "B", "--out", "x", "--weights", "0.5,0.6"), "must sum to 1"),
        (("A", "B", "--out", "x", "--method", "slerp", "--weights", "1"), "between two models"),
    ],
)
def test_options_that_do_not_belong_together(
    run: Run, pair: tuple[Path, Path], given: tuple[str, ...], message: str
) -> None:
    places = {"A": pair[0], "B": pair[1], "C": pair[1]}
    result = run(*(places.get(argument, argument) for argument in given))
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())


def test_a_folder_is_not_overwritten(run: Run, pair: tuple[Path, Path]) -> None:
    result = run(*pair, "--out", pair[1])
    assert result.exit_code == 2
    assert "name another folder" in result.stderr
