"""The report's stages, told at their true shapes: nothing is loaded, nothing is opened."""

from pathlib import Path
from types import ModuleType

import pytest

from anyseek.model.shapes import shape_named
from anyseek.training.estimate import config_for, estimate
from anyseek.training.recipes import load_recipe
from recipes import qwen3_vl, qwen3_vl_2b, qwen3_vl_8b

H200 = 139 * 2**30


@pytest.mark.parametrize("name", ["s0", "s1", "reranker", "s2"])
@pytest.mark.parametrize(("recipes", "size"), [(qwen3_vl_2b, "2b"), (qwen3_vl_8b, "8b")])
def test_every_stage_fits_one_device(recipes: ModuleType, size: str, name: str) -> None:
    """The report's adapters; six projections of every text layer learn, and nothing else."""
    stage = load_recipe(f"{recipes.__name__}:{name}")
    config = shape_named(size).config()
    needs = estimate(stage, config, rate=400e12)
    text = config.text
    queries, keys = text.num_attention_heads * text.head_dim, text.num_key_value_heads * text.head_dim
    ends = (queries, keys, keys, *[text.intermediate_size] * 3)
    assert needs.memory.adapters == 4 * 32 * text.num_hidden_layers * sum(text.hidden_size + end for end in ends)
    assert needs.memory.weights == 2 * {"2b": 2_127_532_032, "8b": 8_144_793_840}[size]
    assert needs.memory.total < H200 / 2
    assert len(needs.notes) == 1 + len(stage.sources)
    assert stage.objective.symmetric == (name in ("s0", "reranker"))
    assert name == "reranker" or (set(stage.objective.precisions) == {"int8", "binary"} and stage.objective.widths)
    assert all(width < text.hidden_size for width in stage.objective.widths)


def test_stages_follow_each_other() -> None:
    for size in ("2b", "8b"):
        assert config_for(qwen3_vl.s0(size)) == config_for(qwen3_vl.reranker(size)) == shape_named(size).config()
        assert [Path(stage(size).model) for stage in (qwen3_vl.s1, qwen3_vl.s2)] == [
            stage(size).out / "model" for stage in (qwen3_vl.s0, qwen3_vl.s1)
        ]
        merged = qwen3_vl.s3(size)
        assert merged.models == (qwen3_vl.s1(size).out / "model", qwen3_vl.s2(size).out / "model")
        assert merged.command.startswith(f"anyseek merge {merged.models[0]} {merged.models[1]} --method positioning")
