"""Adapters beside the weights: the vectors and scores of merged ones, in the memory of one model."""

from pathlib import Path

import numpy as np
import pytest
import torch

from anyseek.engine import Embedder, Reranker
from anyseek.engine.features import CacheOptions, FeatureCache
from anyseek.errors import CheckpointError, ConfigError
from anyseek.model import LoraOptions, add_lora, save_adapter

ROOT = Path(__file__).parents[2]
PICTURE = {"image": ROOT / "samples" / "pictures" / "p001.png"}
INPUTS = ["a red apple", PICTURE, {**PICTURE, "text": "what is this?"}]
PAIRS = [("apple", "a red apple"), ("a snake", PICTURE)]
CLOSE = 2e-5  # of a number of a vector or a probability; measured: 1e-6 at most


def learned(folder: Path, model: type[Embedder | Reranker], *, vision: bool = False) -> Path:
    """An adapter of the tiny model that has left zero."""
    backbone = model.load("tiny").backbone
    targets = LoraOptions().targets + (("qkv", "linear_fc1") if vision else ())
    drawn = torch.Generator().manual_seed(7)
    for layer in add_lora(backbone, LoraOptions(rank=4, alpha=8, targets=targets, vision=vision), drawn):
        layer.b.data.normal_(0, 0.02, generator=drawn)
    save_adapter(backbone, folder)
    return folder


@pytest.mark.parametrize("vision", [False, True])
def test_vectors_are_those_of_the_merged_adapter(tmp_path: Path, vision: bool) -> None:
    folder = learned(tmp_path / "adapter", Embedder, vision=vision)
    plain, merged = Embedder.load("tiny"), Embedder.load("tiny", adapter=folder)
    before = plain.encode(INPUTS)
    beside = plain.with_adapter(folder)
    found = beside.encode(INPUTS)
    assert np.abs(found - merged.encode(INPUTS)).max() < CLOSE
    assert np.abs(found - before).max() > 100 * CLOSE
    assert np.array_equal(plain.encode(INPUTS), before)
    assert (beside.adapter, beside.source, beside.steps) == (folder, plain.source, plain.steps)


def test_scores_are_those_of_the_merged_adapter(tmp_path: Path) -> None:
    folder = learned(tmp_path / "adapter", Reranker)
    plain, merged = Reranker.load("tiny"), Reranker.load("tiny", adapter=folder)
    before = plain.predict(PAIRS)
    found = plain.with_adapter(str(folder)).predict(PAIRS)
    assert np.abs(found - merged.predict(PAIRS)).max() < CLOSE
    assert np.abs(found - before).max() > 100 * CLOSE
    assert np.array_equal(plain.predict(PAIRS), before)


def test_the_weights_are_there_once(tmp_path: Path) -> None:
    folder = learned(tmp_path / "adapter", Embedder)
    plain = Embedder.load("tiny")
    own = {weight.data_ptr() for weight in plain.backbone.parameters()}
    beside = plain.with_adapter(folder)
    further = [weight for weight in beside.backbone.parameters() if weight.data_ptr() not in own]
    assert all(4 in weight.shape for weight in further), "only A and B"
    assert own == {weight.data_ptr() for weight in plain.backbone.parameters()}


def test_what_one_has_seen_the_other_need_not_see_again(tmp_path: Path) -> None:
    folder = learned(tmp_path / "adapter", Embedder)
    plain = Embedder.load("tiny", caches=CacheOptions(shared=FeatureCache(64 << 20)))
    beside = plain.with_adapter(folder)
    seen: list[int] = []
    assert beside.backbone.visual is not None
    beside.backbone.visual.register_forward_hook(lambda *_: seen.append(1))
    plain.encode([PICTURE])
    beside.encode([PICTURE])
    assert not seen
    other = learned(tmp_path / "other", Embedder, vision=True)
    seeing = plain.with_adapter(other)
    assert seeing.backbone.visual is not None
    seeing.backbone.visual.register_forward_hook(lambda *_: seen.append(1))
    seeing.encode([PICTURE])
    assert seen == [1], "its tower gives other features"


def test_what_cannot_be(tmp_path: Path) -> None:
    folder = learned(tmp_path / "adapter", Embedder)
    with pytest.raises(ConfigError, match="is in this model already"):
        Embedder.load("tiny", adapter=folder).with_adapter(folder)
    beside = Embedder.load("tiny").with_adapter(folder)
    with pytest.raises(ConfigError, match="is in this model already"):
        beside.with_adapter(folder)
    with pytest.raises(CheckpointError, match="merge_lora"):
        beside.save(tmp_path / "saved")
    with pytest.raises(CheckpointError, match="is missing"):
        Embedder.load("tiny").with_adapter(tmp_path)
    with pytest.raises(CheckpointError, match="full weights|does not fit"):
        Embedder.load("tiny", weights="int8").with_adapter(folder)
