"""The family in miniature: every step runs, in order, and what is done is not done again."""

import json
from pathlib import Path

import pytest

from anyseek.training.recipes import as_data
from anyseek.training.stage import Stage
from recipes import family, family_table, tiny


@pytest.mark.parametrize("name", tiny.__all__)
def test_every_stage_learns_from_what_an_earlier_step_makes(name: str) -> None:
    """In the order of the steps: data, mined, scored, models."""
    stage: Stage = getattr(tiny, name)()
    order = [step.name for step in family.steps(smoke=False, go_on=False)]
    here = order.index(f"train recipes.tiny:{name}")
    made = {step.made for step in list(family.steps(smoke=False, go_on=False))[:here]}
    assert {source.folder for source in stage.sources} <= made
    assert stage.dev in made
    assert stage.model == tiny.model_of("base") or f"train recipes.tiny:{Path(stage.model).parent.name}" in order[:here]
    assert json.dumps(as_data(stage))


def test_names_of_steps_are_unique() -> None:
    names = [step.name for step in family.steps(smoke=False, go_on=False)]
    assert len(set(names)) == len(names)


def test_no_task_but_those_of_the_evaluation_is_trained() -> None:
    assert set(tiny.LESSONS) == {*family.SPECS, tiny.EVERY_KIND}


@pytest.mark.slow
def test_the_whole_family_in_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All steps, then none: a second run finds everything done."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    monkeypatch.setattr("sys.argv", ["family", "--smoke"])
    family.main()
    told = capsys.readouterr().out
    assert told.count("anyseek train") == 3 and told.count("anyseek mine") == len(tiny.FOUND)
    table = (family.RESULTS / "family.md").read_text()
    assert all(f"| {name} " in table for name in ("image classification", "video moment retrieval", "visual documents"))
    assert "| base | s0 | s1 | s2 | s3 |" in table
    weights = {
        name: (Path(tiny.model_of(name)) / "model.safetensors").read_bytes() for name in ("s0", "s1", "s2", "s3")
    }
    assert len(set(weights.values())) == 4
    assert "fusion" in json.loads((Path(tiny.model_of("reranker")) / "anyseek.json").read_text())
    family.main()
    assert "anyseek" not in capsys.readouterr().out
    for wrong in ("--go-on", "--bundle"):
        monkeypatch.setattr("sys.argv", ["family", wrong])
        with pytest.raises(SystemExit):
            family.main()


def test_tables_say_what_results_say(tmp_path: Path) -> None:
    number = {"score": 0.25, "low": 0.2, "high": 0.3}
    line = {"label": "all", "count": 2, "chance": 0.1, "orders": {"embedder": number, "fused": number | {"score": 0.5}}}
    line["gains"] = {"fused": {"score": 0.25, "low": 0.125, "high": 0.375}}
    cells = [{"dim": 8, "precision": kind, **number} for kind in ("float32", "int8")]
    result = {"categories": [line], "groups": [line | {"label": "English"}], "widths": {"all": cells}}
    for name in ("s0", "s3"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "quality.json").write_text(json.dumps(result))
    family_table.write(tmp_path, ("s0", "s3"), tmp_path / "family.md")
    told = (tmp_path / "family.md").read_text()
    assert "| all | 2 | 10.0 | 25.0 | 25.0 | 50.0 (+12.5 to +37.5) |" in told
    assert "| English | 2 |" in told and "| 8 | 25.0 | 25.0 |" in told
