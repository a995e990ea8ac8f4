"""Settings change a stage; wrong names and types are refused with the nearest name."""

from dataclasses import replace
from pathlib import Path

import pytest

from anyseek.errors import ConfigError
from anyseek.training import TrainOptions
from anyseek.training.recipes import as_data, changed, load_recipe
from anyseek.training.stage import Stage, StageSource

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
