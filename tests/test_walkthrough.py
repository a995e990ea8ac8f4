"""docs/training.md in small: captioned pictures, a dataset, adapters, and a model that finds what it did not know."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from anyseek import world
from anyseek.cli.main import main
from recipes import captions

NAMES = {"zolk": "apple", "dripple": "dog", "fanta-moo": "house", "krim": "fish", "ullo": "umbrella", "spant": "key"}


def anyseek(*arguments: str) -> str:
    done = CliRunner().invoke(main, list(arguments))
    assert done.exit_code == 0, done.output
    return done.stdout


def found(model: str, folder: str) -> float:
    """How often the best picture for a caption shows what it stands for."""
    told = json.loads(
        anyseek("evaluate", "--data", folder, "--measure", "hit@1", "--model", model, "--no-rerank", "--json")
    )
    score: float = told["tasks"][0]["orders"]["embedder"]["score"]
    return score


@pytest.mark.slow
def test_the_walkthrough_teaches_new_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))
    for name, each, seed in (("train", 6, 1), ("dev", 2, 2), ("test", 4, 3)):
        captions.write(tmp_path, NAMES, name, each, seed)
        anyseek(
            "data", "import", "sentence-transformers", f"{name}.jsonl", f"captions/{name}", "--instruction", "Find it."
        )
    anyseek("data", "check", "captions/train")
    anyseek("data", "sheet", "captions/train", "sheet.html")
    settings = ["--set", "training.steps=30", "--set", "sources.0.queries=12", "--set", "evaluate_every=15"]
    assert "training.steps=30" in anyseek("train", "recipes.captions:stage", *settings, "--dry-run")
    anyseek("train", "recipes.captions:stage", *settings)
    before, after = (found(model, "captions/test") for model in ("tiny", "runs/captions/model"))
    assert after >= before + 0.3, (before, after)


def test_names_are_invented_for_things_that_are_there() -> None:
    names = captions.invented(25)
    assert len(set(names)) == len(set(names.values())) == 25
    assert set(names.values()) <= {*world.object_ids("train"), *world.object_ids("object")}
    assert len(set(names.values()) & set(world.object_ids("object"))) >= 12
