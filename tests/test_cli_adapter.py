"""`--adapter`: which model takes it, what it makes of an answer, and that results kept for another are not used."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

import anyseek.engine
from anyseek.cli import settings
from anyseek.cli.main import main
from anyseek.engine import Embedder
from anyseek.model import LoraOptions, add_lora, hub, save_adapter
from anyseek.search import Fusion
from anyseek.training.data import About, DatasetWriter
from tests.fakes import FakeEmbedder, FakeReranker

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(settings, "settings_file", lambda: tmp_path / "settings" / "settings.json")


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments], env={"COLUMNS": "80"})


@pytest.fixture
def adapters(tmp_path: Path) -> list[Path]:
    """Two folders that look like adapters, of one size."""
    folders = [tmp_path / "one", tmp_path / "other"]
    for number, folder in enumerate(folders):
        folder.mkdir()
        (folder / "adapter_config.json").write_text("{}")
        (folder / "adapter_model.safetensors").write_bytes(bytes([number] * 8))
    return folders


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The adapter that each model is loaded with, by kind."""
    found: dict[str, Any] = {}

    def load(kind: str, engine: Any) -> Callable[..., Any]:
        def load(name: str, **given: Any) -> Any:
            found[kind] = given["adapter"]
            return engine

        return load

    monkeypatch.setattr(anyseek.engine.Embedder, "load", load("embedder", FakeEmbedder()))
    monkeypatch.setattr(anyseek.engine.Reranker, "load", load("reranker", FakeReranker()))
    monkeypatch.setattr(hub, "locate", lambda name, kind, **_: Path(str(name)))
    return found


def test_an_adapter_changes_what_embed_gives(tmp_path: Path) -> None:
    """The same as `load(adapter=)`, and not what the model gives without it."""
    embedder = Embedder.load("tiny", dtype="float32")
    plain = embedder.encode(["a red apple"])[0]
    for layer in add_lora(embedder.backbone, LoraOptions(rank=2), torch.Generator().manual_seed(1)):
        torch.nn.init.normal_(layer.b, std=0.05)
    save_adapter(embedder.backbone, tmp_path / "adapter")
    result = run("embed", "a red apple", "--model", "tiny", "--dtype", "float32", "--adapter", tmp_path / "adapter")
    found = np.array(json.loads(result.stdout)["embedding"])
    wanted = Embedder.load("tiny", dtype="float32", adapter=tmp_path / "adapter").encode(["a red apple"])[0]
    assert np.abs(found - wanted).max() < 1e-6
    assert np.abs(found - plain).max() > 1e-3
    refused = run("embed", "x", "--model", "tiny", "--adapter", tmp_path / "adapter", "--weights", "int8")
    assert refused.exit_code == 2 and "load it with weights='full'" in " ".join(refused.stderr.split())
    (tmp_path / "adapter" / "adapter_config.json").unlink()
    missing = run("embed", "x", "--model", "tiny", "--adapter", tmp_path / "adapter")
    assert missing.exit_code == 8 and "adapter_config.json is missing" in missing.stderr


def test_each_model_takes_its_own(loaded: dict[str, Any], adapters: list[Path], tmp_path: Path) -> None:
    one, other = adapters
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "pear.txt").write_text("a pear")
    both = ("--adapter", one, "--reranker-adapter", other)
    for command in (("search", tmp_path / "things", "pear"), ("evaluate", "--queries", 3, "--task", "picture-object")):
        loaded.clear()
        run(*command, *both)
        assert loaded == {"embedder": one, "reranker": other}
    loaded.clear()
    assert run("rerank", "pear", "a pear", "--adapter", one).exit_code == 0
    assert loaded == {"reranker": one}
    assert run("embed", "pear", "--adapter", tmp_path / "nothing").exit_code == 2


def test_with_an_adapter_opinions_are_not_fused_as_fitted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The weights of the two opinions were fitted for the models as they are."""
    from anyseek.cli.options import ModelChoice

    fitted = Fusion(log_odds=9.0)
    monkeypatch.setattr(Fusion, "beside", lambda source: fitted)
    reranker: Any = FakeReranker()
    reranker.source = tmp_path
    assert ModelChoice(name="tiny").fusion(reranker) is fitted
    assert ModelChoice(name="tiny", adapter=tmp_path).fusion(reranker) == Fusion()
    assert ModelChoice(name="tiny", reranker_adapter=tmp_path).fusion(reranker) == Fusion()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with DatasetWriter(tmp_path / "data", About(name="words")) as writer:
        writer.document("d", "a pear")
        writer.query("q", "pear")
        writer.relevance("q", ["d"], [])
    return tmp_path / "data"


@pytest.mark.parametrize("kind", ["embedder", "reranker"])
def test_results_of_another_adapter_are_not_used(
    kind: str, monkeypatch: pytest.MonkeyPatch, data: Path, adapters: list[Path], tmp_path: Path
) -> None:
    """The name of the folder says nothing: what it holds does."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    monkeypatch.setattr(hub, "locate", lambda name, kind, **_: model)
    option = {"embedder": "--adapter", "reranker": "--reranker-adapter"}[kind]

    def prints(*given: Any) -> list[str]:
        result = run("mine", data, tmp_path / "out", "--dry-run", "--json", "--reranker", "2b", *given)
        return [one["fingerprint"] for one in json.loads(result.stdout)["shelves"]]

    plain, one, other = prints(), prints(option, adapters[0]), prints(option, adapters[1])
    touched = [place for place, three in enumerate(zip(plain, one, other, strict=True)) if len(set(three)) == 3]
    assert touched == ([0, 1] if kind == "embedder" else [2])
    adapters[0].rename(tmp_path / "renamed")
    assert prints(option, tmp_path / "renamed") == one
    empty = tmp_path / "empty"
    empty.mkdir()
    result = run("mine", data, tmp_path / "out", "--dry-run", "--reranker", "2b", option, empty)
    assert "adapter_config.json is missing" in " ".join(result.stderr.split())


def test_the_teacher_takes_the_adapter(
    monkeypatch: pytest.MonkeyPatch, data: Path, adapters: list[Path], tmp_path: Path
) -> None:
    monkeypatch.setattr(hub, "locate", lambda name, kind, **_: adapters[0])
    prints = {
        json.loads(run("score", data, tmp_path / "out", "--dry-run", "--json", *given).stdout)["shelves"][0][
            "fingerprint"
        ]
        for given in ((), ("--adapter", adapters[0]), ("--adapter", adapters[1]))
    }
    assert len(prints) == 3


def test_a_rerankers_adapter_needs_a_reranker(data: Path, adapters: list[Path], tmp_path: Path) -> None:
    result = run("mine", data, tmp_path / "out", "--reranker-adapter", adapters[0])
    assert result.exit_code == 2 and "Give --reranker with --reranker-adapter" in result.stderr
