"""Settings change a stage; wrong names and types are refused with the nearest name."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from anyseek.errors import ConfigError
from anyseek.items import Limits
from anyseek.model import LoraOptions
from anyseek.training import TrainOptions
from anyseek.training.recipes import as_data, as_settings, changed, load_recipe
from anyseek.training.stage import ObjectiveOptions, Stage, StageSource

STAGE = Stage(
    kind="embedder",
    model="tiny",
    out=Path("runs/x"),
    sources=(StageSource(folder=Path("a")), StageSource(folder=Path("b"), queries=8)),
    training=TrainOptions(steps=10, learning_rate=1e-4),
)


def test_settings_of_every_type() -> None:
    stage = changed(
        STAGE,
        [
            "training.steps=100",
            "training.learning_rate=1",
            "training.max_seconds=null",
            "objective.widths=[64,32]",
            "objective.margin=null",
            "sources.1.queries=16",
            "sources.0.folder=c",
            "lora.rank=8",
            "model=some/folder",
            "kind=reranker",
            "dev=held-out",
            "checkpointing=true",
        ],
    )
    assert stage.training == replace(STAGE.training, steps=100, learning_rate=1.0)
    assert stage.objective.widths == (64, 32) and stage.objective.margin is None
    assert [source.queries for source in stage.sources] == [32, 16] and stage.sources[0].folder == Path("c")
    assert stage.lora is not None and stage.lora.rank == 8
    assert (stage.model, stage.kind, stage.dev, stage.checkpointing) == (
        "some/folder",
        "reranker",
        Path("held-out"),
        True,
    )
    assert changed(stage, ["lora=null"]).lora is None
    assert STAGE.training.steps == 10
    assert changed(STAGE, ["dev=None", "checkpointing=True"]) == replace(STAGE, checkpointing=True)
    words = changed(STAGE, ["lora.targets=q_proj, v_proj", "objective.widths=64,32", "lora.dtype=bfloat16"])
    assert words.lora is not None and words.lora.targets == ("q_proj", "v_proj")
    assert words.lora.dtype == torch.bfloat16 and words.objective.widths == (64, 32)
    assert changed(words, ["lora.targets=['q_proj']"]).lora == replace(words.lora, targets=("q_proj",))


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("training.stesp=3", "no 'stesp', did you mean 'steps'"),
        ("trainin.steps=3", "no 'trainin', did you mean 'training'"),
        ("training.steps=many", "training.steps must be of type int"),
        ("training.steps=2.5", "must be of type int"),
        ("checkpointing=1", "must be of type bool"),
        ("kind=both", "must be one of embedder, reranker"),
        ("sources.2.queries=1", "there are 2, numbered from 0"),
        ("model.name=x", "has no fields"),
        ("training.steps", "field=value"),
        ("sources.0.queries=0", None),
        ("training.steps=0", "training.steps must be at least 1"),
        ("keep_every=0", "keep_every and evaluate_every must be at least 1"),
        ("evaluate_every=0", "dev=null"),
        ("lora.dtype=float33", "must be of type dtype"),
        ("objective.widths=64,wide", "must be of type int"),
    ],
)
def test_what_makes_no_sense_is_refused(setting: str, says: str | None) -> None:
    if says is None:
        assert changed(STAGE, [setting]).sources[0].queries == 0  # refused where the dataset is opened
        return
    with pytest.raises(ConfigError, match=says):
        changed(STAGE, [setting])


def test_recipes_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_recipes_for_a_test.py").write_text(
        "from tests.training.test_recipes import STAGE\ndef mine():\n    return STAGE\ndef other():\n    return 3\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    assert load_recipe("my_recipes_for_a_test:mine") == STAGE
    for name, says in {
        "my_recipes_for_a_test": "module:function",
        "no_such_module_here:mine": "no module 'no_such_module_here'",
        "my_recipes_for_a_test:mien": "did you mean 'mine'",
        "my_recipes_for_a_test:other": "gives a int, not a Stage",
    }.items():
        with pytest.raises(ConfigError, match=says):
            load_recipe(name)


def test_a_stage_as_data_is_what_settings_name() -> None:
    data = as_data(STAGE)
    assert data["training"]["steps"] == 10 and data["sources"][1]["queries"] == 8 and data["out"] == "runs/x"
    assert data["lora"]["targets"][0] == "q_proj" and data["dev"] is None


RECIPES = [f"recipes.tiny:{name}" for name in ("s0", "s1", "s2")]
RECIPES += [f"recipes.qwen3_vl_{size}:{name}" for size in ("2b", "8b") for name in ("s0", "s1", "reranker", "s2")]
STAGES = {name: load_recipe(name) for name in RECIPES}
STAGES["odd"] = replace(STAGE, model="None", dev=Path("12"), lora=replace(LoraOptions(), targets=("true", "3", "é")))


@pytest.mark.parametrize("name", STAGES)
def test_what_is_printed_can_be_set(name: str) -> None:
    """Over another stage of as many sources, too, so that every line is needed."""
    stage = STAGES[name]
    assert changed(stage, as_settings(stage)) == stage
    other = replace(
        stage,
        kind="embedder",
        model="another",
        out=Path("elsewhere"),
        sources=tuple(StageSource(folder=Path("x"), weight=9, queries=1) for _ in stage.sources),
        training=TrainOptions(steps=1, learning_rate=1, spike=3.0, max_seconds=5, warmup_steps=0),
        objective=ObjectiveOptions(temperature=9, margin=5, symmetric=False, widths=(1,), precisions=("x",)),
        lora=stage.lora and replace(stage.lora, rank=99, targets=(), dtype=None),
        limits=Limits(max_pixels=9999),
        dev=Path("there"),
        checkpointing=not stage.checkpointing,
    )
    assert changed(other, as_settings(stage)) == stage


def test_printed_lines_are_words_where_words_are_enough() -> None:
    lines = as_settings(STAGES["odd"])
    assert {"kind=embedder", "checkpointing=false", "lora.dtype=float32", 'model="None"', 'dev="12"'} <= set(lines)
    assert {'lora.targets=["true", "3", "é"]', "objective.widths=[]", "sources.1.queries=8"} <= set(lines)
