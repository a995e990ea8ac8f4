"""The comparison of trainers in miniature: both compute the same, and what differs is told instead of timed."""

import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from anyseek.errors import ConfigError
from anyseek.evaluation.bench.shapes import Models, write_models
from anyseek.items import Image, Text
from anyseek.model import hub
from benchmarks import training, training_peers, training_report
from benchmarks.training import ROWS, Side
from benchmarks.training_peers import Batch, Kind, Ours, Setting, Theirs, draw, heaviest, narrow

QUERIES = 4
SIZES = {"hidden_size": 64, "intermediate_size": 64}
MINI = replace(
    narrow(),
    text=narrow().text | SIZES | {"num_hidden_layers": 2, "num_attention_heads": 1},
    vision=narrow().vision | SIZES | {"depth": 2, "num_heads": 1, "deepstack_visual_indexes": [0]},
    limits=replace(narrow().limits, max_pixels=16 * 1024),
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    source, folder = hub.locate("tiny", "embedding"), tmp_path_factory.mktemp("models")
    return write_models(MINI, source, folder, dtype=torch.float32, device=torch.device("cpu"))


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_peers, "ROWS_OF_A_PIECE", 2)


def setting(models: Models, row: str) -> Setting:
    return training.setting_of(ROWS[row], models, "cpu")


def kinds(items: tuple[Any, ...]) -> set[tuple[str, ...]]:
    return {tuple(type(part).__name__ for part in item.parts) for item in items}


# Batches


@pytest.mark.parametrize(
    ("kind", "queries", "documents"),
    [
        ("search", {("Text",)}, {("Image",)}),
        ("questions", {("Image", "Text")}, {("Text",)}),
        ("mixed", {("Text",), ("Image", "Text")}, {("Image",), ("Text",)}),
        ("texts", {("Text",)}, {("Text",)}),
        ("pictures", {("Image",)}, {("Image",)}),
    ],
)
def test_batches_hold_what_their_name_says(kind: Kind, queries: set[Any], documents: set[Any], tmp_path: Path) -> None:
    batch = draw(kind, 6, tmp_path)
    assert (len(batch.queries), len(batch.documents)) == (6, 6)
    assert (kinds(batch.queries), kinds(batch.documents)) == (queries, documents)
    again = draw(kind, 6, tmp_path)
    assert batch == again
    files = [part.source for item in batch.items for part in item.parts if isinstance(part, Image)]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in files)


def test_passages_differ_in_length(tmp_path: Path) -> None:
    lengths = [len(part.text) for item in draw("texts", 12, tmp_path).documents for part in item.parts]
    assert max(lengths) > 4 * min(lengths)


def test_answers_are_different(tmp_path: Path) -> None:
    answers = [item.parts[0] for item in draw("questions", 12, tmp_path).documents]
    assert all(isinstance(answer, Text) for answer in answers) and len(set(answers)) == 12


def test_neighbours_of_one_column_only() -> None:
    assert heaviest([1, 2, 9, 8, 1, 1], 3) == 9  # 1+2, 9 | 8+1, 1: never 9 with 8
    assert heaviest([1, 2, 3, 8, 2, 1], 3) == 10


# Trainers


@pytest.mark.parametrize(
    ("row", "kind"),  # release 5.7 fails on a mini-batch without a picture in a column that has some
    [
        ("mixed", "questions"),
        ("mixed-tokens", "search"),
        ("mixed-whole", "mixed"),
        ("mixed-plain", "mixed"),
        ("mixed-frozen", "pictures"),
    ],
)
def test_both_give_the_same_loss_and_gradients(row: str, kind: Kind, models: Models, tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    batch = draw(kind, QUERIES, tmp_path)
    ours, theirs = Ours(setting(models, row)), Theirs(setting(models, row))
    sides = [Side(), Side()]
    loss, gradient = training.distances(ours, theirs, batch, sides)
    assert loss < 1e-5 and gradient < 1e-4  # measured: 1e-7 and 3e-6
    passes = {"mixed-whole": (1, 2), "mixed-plain": (1, 1)}.get(row, (2, 2))
    patches = sum(len(seen.patches) for one in ours.prepare(batch) for seen in one.seen.values())
    assert [side.patches for side in sides] == [patches * count for count in passes]
    assert 0 < sides[0].tokens <= sides[1].tokens
    assert kind != "mixed" or 1.2 * sides[0].tokens < sides[1].tokens  # padding, and what inputs share
    ours.backward(ours.prepare(batch))
    learns = any(weight.grad is not None for weight in ours.model.get_submodule("visual").parameters())
    assert learns == (row != "mixed-frozen")


def test_another_loss_shows(models: Models, tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    batch = draw("search", QUERIES, tmp_path)
    ours, theirs = Ours(setting(models, "mixed")), Theirs(setting(models, "mixed"))
    with torch.no_grad():
        next(ours.model.get_submodule("visual").parameters()).mul_(1.5)
    loss, gradient = training.distances(ours, theirs, batch, [Side(), Side()])
    most = training.APART["float32"]
    assert loss > most[0] and gradient > most[1]


def test_what_differs_is_not_timed(models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(training_peers.TRAINERS, "sentence-transformers", Ours)
    monkeypatch.setattr(training, "distances", lambda *_: (0.5, 0.0))
    monkeypatch.setattr(training, "take_turns", lambda *_: pytest.fail("timed"))
    with pytest.raises(ConfigError, match=r"losses are 0.5 apart.*the trainers do not compute the same"):
        training.measure("texts", models, Namespace(queries=QUERIES, rounds=1, device="cpu"), tmp_path)


class Counted:
    """A trainer that notes its calls, and learns one number."""

    name = "counted"

    def __init__(self, calls: list[str], letter: str) -> None:
        self.model, self.calls, self.letter = torch.nn.Linear(1, 1), calls, letter

    def prepare(self, batch: Batch) -> Tensor:
        self.calls.append(f"{self.letter} reads")
        return torch.ones(1, 1)

    def backward(self, prepared: Tensor) -> float:
        self.calls.append(f"{self.letter} learns")
        loss = self.model(prepared).sum()
        loss.backward()
        return float(loss.detach())


@pytest.mark.parametrize("files", [False, True])
def test_trainers_take_turns_and_read_files_where_asked(files: bool) -> None:
    calls: list[str] = []
    trainers, sides = [Counted(calls, "a"), Counted(calls, "b")], [Side(), Side()]
    before = [trainer.model.weight.item() for trainer in trainers]
    training.take_turns(trainers, Batch((), ()), replace(ROWS["mixed"], files=files), 3, sides)
    assert [call[0] for call in calls if "learns" in call] == list("baabbaab")  # the first of each is thrown away
    assert sum("reads" in call for call in calls) == (8 if files else 2)
    for trainer, side, weight in zip(trainers, sides, before, strict=True):
        assert len(side.wall) == len(side.processor) == 3
        assert trainer.model.weight.item() != weight


# Result


def whole(row: str = "mixed", month: str = "2026-11") -> dict[str, Any]:
    where = {"month": month, "shape": "narrow", "queries": 16, "rounds": 2, "device": "cpu", "threads": 1}
    where |= {"processors": 2, "hardware": "x86_64", "versions": {"Python": "3.11"}}
    ours = {"wall": [4.0, 1.0], "processor": [1.0, 2.0], "tokens": 100, "patches": 8, "peak_bytes": 2 * 10**8}
    theirs = {"wall": [4.0, 4.0], "processor": [3.0, 3.0], "tokens": 3000, "patches": 8, "peak_bytes": 5 * 10**8}
    told = {"row": {"title": ROWS[row].title}, "apart": [1e-7, 2e-6], "load": 3.25, "sides": [ours, theirs]}
    return {"where": where, "rows": {row: told}}


def test_the_table_has_the_ratio_of_each_round() -> None:
    (line,) = [line for line in training_report.markdown(whole()).splitlines() if "mixed |" in line]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[1:8] == ["3.00", "1.50", "2.25 (1.50-3.00)", "2.50 (1.00-4.00)", "500", "200", "2.50"]
    assert cells[8:] == ["3,000 / 100", "8 / 8", "1e-07, 2e-06"]


def test_with_threads_the_clock_decides() -> None:
    result = whole()
    assert "seconds of the one processor" in training_report.markdown(result)
    result["where"]["threads"] = 2
    text = training_report.markdown(result)
    assert "| 4.00 | 2.50 |" in text and "seconds that passed" in text


def test_rows_of_earlier_runs_are_kept_where_nothing_else_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "training.json"
    monkeypatch.setattr(training, "RESULT", path)

    def names(row: str, month: str) -> list[str]:
        new = whole(row, month)
        training.keep(new["rows"], new["where"])
        assert path.with_suffix(".md").read_text() == training_report.markdown(json.loads(path.read_text()))
        return list(json.loads(path.read_text())["rows"])

    assert names("texts", "2026-11") == ["texts"]
    assert names("mixed", "2026-11") == ["mixed", "texts"]  # in the order of the table
    assert names("pictures", "2026-12") == ["pictures"]


@pytest.mark.slow
def test_the_whole_in_miniature(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sentence_transformers")
    monkeypatch.setattr(training, "RESULT", tmp_path / "training.json")
    monkeypatch.setattr(training, "write_models", lambda *_, **__: models)
    training.main(["--row", "texts", "--queries", str(QUERIES), "--rounds", "1", "--write"])
    (row,) = json.loads((tmp_path / "training.json").read_text())["rows"].values()
    ours, theirs = row["sides"]
    weights = sum(weight.nbytes for weight in Ours(setting(models, "texts")).model.parameters())
    for side in (ours, theirs):
        assert side["peak_bytes"] > 2 * weights  # gradients and moments, of the text tower at least
        assert len(side["wall"]) == 1
    assert (tmp_path / "training.md").read_text() == capsys.readouterr().out.removesuffix("\n")


def test_too_little_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        training.main(["--queries", "1"])
    assert "--queries must be at least 2" in capsys.readouterr().err
