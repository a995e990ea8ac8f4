"""docs/training.md in small: captioned pictures, a dataset, adapters, and a model that finds what it did not know."""

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image as Pillow

from anyseek import world
from anyseek.cli.main import main
from anyseek.engine import Embedder
from anyseek.training.data import Dataset
from recipes.streams import portrait

NAMES = {"zolk": "apple", "dripple": "dog", "fanta-moo": "house", "krim": "fish", "ullo": "umbrella", "spant": "key"}


def pictures(folder: Path, name: str, each: int, seed: int) -> None:
    """Pictures of six objects under invented names, and the file that says which is which."""
    rng, lines = random.Random(seed), []
    (folder / "pictures").mkdir(exist_ok=True, parents=True)
    for invented, object_id in NAMES.items():
        for number in range(each):
            scene = portrait(rng).positive
            assert isinstance(scene, world.Scene)
            scene = replace(scene, groups=(replace(scene.groups[0], object_id=object_id),))
            path = folder / "pictures" / f"{name}-{invented}-{number}.png"
            Pillow.fromarray(scene.draw()).save(path)
            caption = rng.choice(("a {}", "the {}", "{}", "here is a {}")).format(invented)
            lines.append({"anchor": caption, "positive": {"image": str(path.relative_to(folder))}})
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def anyseek(*arguments: str) -> str:
    done = CliRunner().invoke(main, list(arguments))
    assert done.exit_code == 0, done.output
    return done.output


def found(model: str | Path, folder: Path) -> float:
    """How often the best picture for a name shows what it stands for."""
    embedder, data = Embedder.load(model), Dataset.open(folder)
    shown = [item for _, item in data.items("corpus")]
    keys = [key for key, _ in data.items("corpus")]
    right = {}
    for row in data.judged():
        text = data.query(row["query"])
        right.setdefault(str(text.parts), (text, set()))[1].update(row["positives"])
    asked = [query for query, _ in right.values()]
    best = embedder.similarity(embedder.encode(asked), embedder.encode(shown)).argmax(1)
    return sum(keys[place] in keep for place, (_, keep) in zip(best, right.values(), strict=True)) / len(asked)


@pytest.mark.slow
def test_the_walkthrough_teaches_new_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))
    for name, each, seed in (("train", 6, 1), ("dev", 2, 2), ("test", 4, 3)):
        pictures(tmp_path, name, each, seed)
        anyseek(
            "data", "import", "sentence-transformers", f"{name}.jsonl", f"captions/{name}", "--instruction", "Find it."
        )
    anyseek("data", "check", "captions/train")
    anyseek("data", "sheet", "captions/train", "sheet.html")
    settings = ["--set", "training.steps=30", "--set", "sources.0.queries=12", "--set", "evaluate_every=15"]
    assert "training.steps=30" in anyseek("train", "recipes.captions:stage", *settings, "--dry-run")
    anyseek("train", "recipes.captions:stage", *settings)
    before, after = (found(model, tmp_path / "captions" / "test") for model in ("tiny", "runs/captions/model"))
    assert after >= before + 0.3, (before, after)
