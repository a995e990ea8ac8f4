"""`config.json`: both spellings, and every way it can be wrong, by name."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from anyseek.errors import CheckpointError
from anyseek.model import ModelConfig
from tests.parity.conftest import SHAPES

RAW = SHAPES["published"]


def changed(path: str, value: Any) -> dict[str, Any]:
    raw = copy.deepcopy(RAW)
    *sections, name = path.split(".")
    section = raw
    for key in sections:
        section = section[key]
    if value is None:
        section.pop(name)
    else:
        section[name] = value
    return raw


def test_both_spellings_of_the_rotary_fields() -> None:
    current = copy.deepcopy(RAW)
    text = current["text_config"]
    text["rope_parameters"] = text.pop("rope_scaling") | {"rope_theta": text.pop("rope_theta")}
    legacy, new = ModelConfig.from_dict(RAW), ModelConfig.from_dict(current)
    assert legacy.text == new.text
    assert legacy.text.rope_theta == 5_000_000
    assert legacy.text.mrope_section == (24, 20, 20)


def test_tying_is_read_from_the_top_then_from_the_text() -> None:
    for top, inner, expected in ((True, False, True), (False, True, False), (None, True, True), (None, None, False)):
        raw = changed("tie_word_embeddings", top)
        if inner is not None:
            raw["text_config"]["tie_word_embeddings"] = inner
        assert ModelConfig.from_dict(raw).tie_word_embeddings is expected


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("model_type", "qwen2_5_vl", "model_type must be 'qwen3_vl' .*got 'qwen2_5_vl'"),
        ("model_type", None, "model_type must be 'qwen3_vl'"),
        ("text_config", None, "text_config is missing"),
        ("vision_config", [1], "vision_config must be an object"),
        ("image_token_id", None, "image_token_id is missing"),
        ("text_config.hidden_size", None, "text_config.hidden_size is missing"),
        ("text_config.head_dim", 64, r"mrope_section \(24, 20, 20\) does not add up to half of head_dim 64"),
        ("text_config.hidden_act", "gelu", "text_config.hidden_act must be 'silu'"),
        ("text_config.attention_bias", True, "attention_bias is not part of this architecture"),
        ("text_config.rope_theta", None, "rope.rope_theta is missing"),
        ("text_config.rope_scaling.mrope_section", None, "rope.mrope_section is missing"),
        ("text_config.rope_scaling.mrope_section", [64], "does not add up"),
        ("text_config.rope_scaling.mrope_interleaved", False, "rope.mrope_interleaved must be True"),
        ("text_config.rope_scaling.rope_type", "yarn", "rope.rope_type must be 'default'"),
        ("text_config.rope_parameters", [1], "rope_parameters must be an object"),
        ("text_config.num_hidden_layers", 1, "more deepstack_visual_indexes than text layers"),
        ("vision_config.depth", None, "vision_config.depth is missing"),
        ("vision_config.hidden_act", "gelu", "gelu_pytorch_tanh"),
        ("vision_config.out_hidden_size", 8, "out_hidden_size differs"),
        ("vision_config.patch_size", 14, "vision_config.patch_size must be 16"),
        ("vision_config.spatial_merge_size", 4, "vision_config.spatial_merge_size must be 2"),
        ("vision_config.deepstack_visual_indexes", [0, 99], "not ascending blocks of 3"),
        ("vision_config.deepstack_visual_indexes", [2, 0], "not ascending blocks of 3"),
    ],
)
def test_wrong_fields_are_named(path: str, value: Any, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        ModelConfig.from_dict(changed(path, value))


@pytest.mark.parametrize("text", ["", "{", "\xff\xfe", "[]", "3"])
def test_a_file_that_is_no_config(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(CheckpointError, match=r"config.json"):
        ModelConfig.from_file(path)


def test_nothing_of_the_file_is_lost(tmp_path: Path) -> None:
    raw = RAW | {"something_of_theirs": [1, 2]}
    (tmp_path / "config.json").write_text(json.dumps(raw))
    assert ModelConfig.from_file(tmp_path / "config.json").raw == raw
