"""Reading checkpoints: each spelling and sharding of the same weights gives one model; what does not fit is named."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from anyseek.errors import CheckpointError
from anyseek.model import Backbone, ModelConfig, load_backbone, load_head, load_score_row, save_checkpoint
from tests.parity.conftest import SHAPES

INDEX = "model.safetensors.index.json"
EMBEDDING = "model.language_model.embed_tokens.weight"
Change = Callable[[dict[str, Tensor]], None]


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    """A whole checkpoint by its published names, patch projection as a convolution, with an output head."""
    backbone = Backbone(ModelConfig.from_dict(SHAPES["even"]))
    generator = torch.Generator().manual_seed(0)
    backbone.initialise(generator)
    tensors = {f"model.{name}": tensor for name, tensor in backbone.state_dict().items()}
    patch = "model.visual.patch_embed.proj.weight"
    tensors[patch] = tensors[patch].view(-1, 3, 2, 16, 16)
    tensors["lm_head.weight"] = torch.randn(tensors[EMBEDDING].shape, generator=generator)
    return tensors


def write(folder: Path, tensors: dict[str, Tensor], *, shards: int = 1, tied: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    config = SHAPES["even"] | {"tie_word_embeddings": tied}
    (folder / "config.json").write_text(json.dumps(config))
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    if shards == 1:
        save_file(tensors, folder / "model.safetensors")
        return folder
    names, index = sorted(tensors), {}
    for number in range(shards):
        file, own = f"part-{number}.safetensors", names[number::shards]
        save_file({name: tensors[name] for name in own}, folder / file)
        index |= dict.fromkeys(own, file)
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": index}))
    return folder


def load(folder: Path, dtype: torch.dtype = torch.float32) -> Backbone:
    return load_backbone(folder, dtype=dtype, device="cpu")


def same(backbone: Backbone, weights: dict[str, Tensor], dtype: torch.dtype = torch.float32) -> bool:
    state = backbone.state_dict()
    assert len(state) == len(weights) - 1
    return all(
        torch.equal(tensor, weights[f"model.{name}"].to(dtype).view(tensor.shape)) for name, tensor in state.items()
    )


def bare(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """As sentence-transformers saves a model without its head."""
    return {name.removeprefix("model."): tensor for name, tensor in weights.items() if name != "lm_head.weight"}


@pytest.mark.parametrize("shards", [1, 2, 7])
@pytest.mark.parametrize("published", [True, False])
def test_every_layout_gives_the_same_weights(
    weights: dict[str, Tensor], tmp_path: Path, shards: int, published: bool
) -> None:
    folder = write(tmp_path, weights if published else bare(weights), shards=shards)
    backbone = load(folder)
    assert same(backbone, weights)
    assert not backbone.training
    assert not any(parameter.requires_grad for parameter in backbone.parameters())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_come_in_the_wanted_dtype(weights: dict[str, Tensor], tmp_path: Path, dtype: torch.dtype) -> None:
    backbone = load(write(tmp_path, weights), dtype)
    assert {parameter.dtype for parameter in backbone.parameters()} == {dtype}
    assert same(backbone, weights, dtype)


def test_bf16_files_load_as_fp32(weights: dict[str, Tensor], tmp_path: Path) -> None:
    low = {name: tensor.bfloat16() for name, tensor in weights.items()}
    assert same(load(write(tmp_path, low)), low)


def test_a_flat_patch_projection_is_read_too(weights: dict[str, Tensor], tmp_path: Path) -> None:
    name = "model.visual.patch_embed.proj.weight"
    assert same(load(write(tmp_path, weights | {name: weights[name].flatten(1)})), weights)


def rename(old: str, new: str) -> Change:
    return lambda tensors: tensors.__setitem__(new, tensors.pop(old))


NORM = "model.language_model.norm.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop(NORM), r"1 missing \(language_model.norm.weight\)"),
        (lambda t: t.__setitem__("model.extra.weight", torch.ones(2)), r"1 unexpected \(extra.weight\)"),
        (rename(NORM, "model.language_model.norm.wait"), r"1 missing .*norm.weight\); 1 unexpected .*norm.wait"),
        (lambda t: t.__setitem__(NORM, torch.ones(63)), r"1 mis-shaped .*norm.weight \(63,\) instead of \(64,\)"),
        (lambda t: t.__setitem__(EMBEDDING, t[EMBEDDING].T), "mis-shaped .*embed_tokens"),
        (lambda t: t.__setitem__("norm.weight", torch.ones(2)), r"unexpected \(norm.weight\)"),
        (lambda t: t.__setitem__(NORM.removeprefix("model."), t[NORM].clone()), "with and without 'model.'"),
        (lambda t: [t.pop(n) for n in list(t) if "visual" in n], r"\d\d missing \(visual\.[^)]*, \.\.\.\)"),
    ],
)
@pytest.mark.parametrize("shards", [1, 3])
def test_what_does_not_fit_is_named(
    weights: dict[str, Tensor], tmp_path: Path, change: Change, message: str, shards: int
) -> None:
    tensors = dict(weights)
    change(tensors)
    with pytest.raises(CheckpointError, match=message):
        load(write(tmp_path, tensors, shards=shards))


@pytest.mark.parametrize("share", [0, 4, 0.1, 0.5, 0.999])
def test_a_truncated_file(weights: dict[str, Tensor], tmp_path: Path, share: float) -> None:
    path = write(tmp_path, weights) / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: int(share if share >= 1 else share * len(data))])
    with pytest.raises(CheckpointError, match=r"model.safetensors cannot be read .*download it again"):
        load(tmp_path)


def test_a_missing_shard(weights: dict[str, Tensor], tmp_path: Path) -> None:
    folder = write(tmp_path, weights, shards=3)
    (folder / "part-1.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"part-1.safetensors cannot be read"):
        load(folder)


def test_a_tensor_that_its_shard_does_not_hold(weights: dict[str, Tensor], tmp_path: Path) -> None:
    folder = write(tmp_path, weights, shards=3)
    file = folder / "part-0.safetensors"
    held = load_file(file)
    held.pop(sorted(set(held) - {"lm_head.weight"})[0])
    save_file(held, file)
    with pytest.raises(CheckpointError, match=r"not in part-0.safetensors"):
        load(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no index of weights"),
        ("[]", "is no index of weights"),
        ('{"weight_map": 3}', "is no index of weights"),
        ('{"weight_map": {"a": "../a.safetensors"}}', "not a file beside it"),
        ('{"weight_map": {}}', "missing"),
    ],
)
def test_a_broken_index(weights: dict[str, Tensor], tmp_path: Path, content: str, message: str) -> None:
    (write(tmp_path, weights) / INDEX).write_text(content)
    with pytest.raises(CheckpointError, match=message):
        load(tmp_path)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config.json is missing: is .* a model folder"):
        load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(SHAPES["even"]))
    with pytest.raises(CheckpointError, match=r"has neither model.safetensors nor"):
        load(tmp_path)


def test_the_score_row(weights: dict[str, Tensor], tmp_path: Path) -> None:
    head, embedding = weights["lm_head.weight"], weights[EMBEDDING]
    untied, tied = write(tmp_path / "untied", weights), write(tmp_path / "tied", weights, tied=True)
    assert torch.equal(load_score_row(untied, 17, 42), head[17] - head[42])
    assert torch.equal(load_score_row(tied, 17, 42), embedding[17] - embedding[42])
    low = write(tmp_path / "low", {name: tensor.bfloat16() for name, tensor in weights.items()})
    row = load_score_row(low, 3, 4)
    assert row.dtype == torch.float32
    assert torch.equal(row, head[3].bfloat16().float() - head[4].bfloat16().float())


def test_a_score_that_cannot_be_made(weights: dict[str, Tensor], tmp_path: Path) -> None:
    headless = write(tmp_path / "headless", {n: t for n, t in weights.items() if n != "lm_head.weight"})
    assert same(load(headless), weights | {"lm_head.weight": weights[EMBEDDING]})
    with pytest.raises(CheckpointError, match=r"no lm_head.weight, which the yes/no score needs"):
        load_score_row(headless, 1, 2)
    with pytest.raises(CheckpointError, match="has 105 rows"):
        load_score_row(write(tmp_path / "whole", weights), 1, 105)


@pytest.mark.parametrize("shard_bytes", [10**9, 40_000])
def test_what_is_saved_is_loaded(weights: dict[str, Tensor], tmp_path: Path, shard_bytes: int) -> None:
    backbone = load(write(tmp_path / "source", weights))
    folder = tmp_path / "saved"
    save_checkpoint(backbone, folder, dtype=torch.float32, head=weights["lm_head.weight"], shard_bytes=shard_bytes)
    assert (folder / INDEX).exists() == (shard_bytes < 10**9)
    assert same(load(folder), weights)
    assert torch.equal(load_head(folder), weights["lm_head.weight"])
    assert backbone.config.text == ModelConfig.from_file(folder / "config.json").text
