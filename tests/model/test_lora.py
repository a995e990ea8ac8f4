"""Adapters: equal to the slow definition, merged and taken out again, and through PEFT's files in both spellings."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from anyseek.batch import PackedBatch
from anyseek.engine import Embedder, Reranker
from anyseek.errors import CheckpointError, ConfigError
from anyseek.model import (
    Backbone,
    LoraLinear,
    LoraOptions,
    ModelConfig,
    add_lora,
    load_adapter,
    lora_layers,
    merge_lora,
    save_adapter,
    save_checkpoint,
    unmerge_lora,
)
from anyseek.model.adapter import CONFIG, WEIGHTS
from anyseek.training import MasterAdamW
from tests.parity.conftest import SHAPES

SMALL = LoraOptions(rank=4, alpha=8)
Change = Callable[[dict[str, Tensor]], None]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def model(dtype: torch.dtype = torch.float32) -> Backbone:
    backbone = Backbone(ModelConfig.from_dict(SHAPES["even"])).to(dtype)
    backbone.initialise(seeded())
    backbone.language_model.lay_side_by_side()
    return backbone.eval()


def batch() -> PackedBatch:
    lengths = (5, 9)
    return PackedBatch(
        token_ids=torch.randint(0, 100, (14,), generator=seeded(1)),
        position_ids=torch.cat([torch.arange(length) for length in lengths]).expand(3, -1),
        lengths=lengths,
        patches=torch.randint(0, 256, (16, 1536), generator=seeded(2), dtype=torch.uint8),
        grids=((1, 4, 4),),
        visual_index=torch.tensor([1, 2, 3, 4]),
    )


def learned(backbone: Backbone, options: LoraOptions = SMALL) -> Backbone:
    """With an adapter that has left zero."""
    drawn = seeded(7)
    for layer in add_lora(backbone, options, seeded(3)):
        layer.b.data.normal_(0, 0.2, generator=drawn)
    return backbone


def distance(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm())


def run(backbone: Backbone) -> Tensor:
    with torch.inference_mode():
        return backbone(batch(), last=True)


# The layer


@pytest.mark.parametrize("rslora", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_equals_the_slow_definition_in_value_and_gradient(rslora: bool, bias: bool) -> None:
    base = nn.Linear(6, 5, bias=bias, dtype=torch.float64)
    options = LoraOptions(rank=3, alpha=7, rslora=rslora, dtype=None)
    layer = LoraLinear(base, options, seeded())
    layer.b.data.normal_(generator=seeded(1))
    x = torch.randn(4, 6, dtype=torch.float64, generator=seeded(2), requires_grad=True)
    scale = 7 / (3**0.5 if rslora else 3)
    slow = [
        sum(
            x[token, i] * (base.weight[row, i] + scale * sum(layer.b[row, r] * layer.a[r, i] for r in range(3)))
            for i in range(6)
        )
        + (base.bias[row] if bias else 0)
        for token in range(4)
        for row in range(5)
    ]
    weights = torch.randn(20, dtype=torch.float64, generator=seeded(3))
    learning = (x, layer.a, layer.b)
    ours, theirs = layer(x).flatten(), torch.stack(slow)
    torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=1e-12)
    gradients = [torch.autograd.grad((out * weights).sum(), learning) for out in (ours, theirs)]
    torch.testing.assert_close(*gradients, atol=1e-12, rtol=1e-12)
    assert base.weight.grad is None and not base.weight.requires_grad


def test_starts_as_the_model_it_was() -> None:
    backbone = model()
    before = run(backbone)
    added = add_lora(backbone, SMALL, seeded())
    assert len(added) == 4 * 6
    assert torch.equal(run(backbone), before)
    assert all(layer.a.any() and not layer.b.any() for layer in added)


def test_the_start_depends_on_the_generator_alone() -> None:
    first, second = (add_lora(model(), SMALL, seeded(5)) for _ in range(2))
    torch.manual_seed(1)
    assert all(torch.equal(a.a, b.a) for a, b in zip(first, second, strict=True))
    wide = add_lora(model(), LoraOptions(rank=64), seeded(5))[0].a
    assert float(wide.detach().std()) == pytest.approx(64**-0.5, rel=0.03)


@pytest.mark.parametrize(("dtype", "expected"), [(torch.float32, torch.float32), (None, torch.bfloat16)])
def test_only_the_adapter_learns(dtype: torch.dtype | None, expected: torch.dtype) -> None:
    backbone = model(torch.bfloat16)
    backbone.requires_grad_(True)
    added = add_lora(backbone, LoraOptions(rank=4, dtype=dtype), seeded())
    learning = {name: p.dtype for name, p in backbone.named_parameters() if p.requires_grad}
    assert {name.rpartition(".")[2] for name in learning} == {"a", "b"}
    assert set(learning.values()) == {expected}
    assert not any(".o_proj." in name or name.startswith("visual.") for name in learning)
    out = backbone(batch(), last=True)
    assert out.dtype == torch.bfloat16
    out.float().square().sum().backward()
    assert all(layer.b.grad is not None and layer.b.grad.abs().sum() > 0 for layer in added)
    assert all(p.grad is None for p in backbone.parameters() if not p.requires_grad)


def test_learns_and_leaves_the_base_alone() -> None:
    backbone = model(torch.bfloat16)
    untouched = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    add_lora(backbone, SMALL, seeded())
    wanted = torch.randn(2, 64, generator=seeded(4))
    optimiser = MasterAdamW(backbone, learning_rate=2e-2, weight_decay=0.0, clip=1.0)
    losses = []
    for _ in range(15):
        loss = (backbone(batch(), last=True).float() - wanted).square().mean()
        loss.backward()
        optimiser.step(1.0)
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    state = {name.replace(".base.", "."): tensor for name, tensor in backbone.state_dict().items()}
    assert all(torch.equal(state[name], tensor) for name, tensor in untouched.items())


def test_vision_when_asked_for() -> None:
    backbone = model()
    targets = ("attn.qkv", "attn.proj", "linear_fc1", "layers.0.mlp.up_proj")
    names = [name for name, _ in lora_layers(learned(backbone, LoraOptions(rank=2, targets=targets, vision=True)))]
    assert len(names) == 4 + 4 + (4 + 1 + 3) + 1
    before, taken = run(backbone), merge_lora(backbone)
    assert len(taken) == len(names)
    assert distance(run(backbone), before) < 1e-6


def test_dropout_leaves_the_mean_and_only_acts_in_training() -> None:
    layer = LoraLinear(nn.Linear(8, 8), LoraOptions(rank=2, dropout=0.25), seeded())
    layer.b.data.normal_(generator=seeded(1))
    x = torch.ones(40_000, 8)
    plain = layer.eval()(x)
    assert torch.equal(layer(x), plain)
    torch.manual_seed(0)
    drawn = layer.train()(x)
    assert not torch.equal(drawn, plain)
    assert distance(drawn.detach().mean(0), plain.detach().mean(0)) < 0.02


def test_dropout_is_the_same_where_layers_are_computed_again() -> None:
    backbone = learned(model(), LoraOptions(rank=2, dropout=0.5)).train()
    gradients = []
    for again in (False, True):
        backbone.language_model.checkpointing = again
        torch.manual_seed(0)
        out = backbone(batch(), last=True).square().mean()
        gradients.append(torch.autograd.grad(out, [p for p in backbone.parameters() if p.requires_grad]))
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(recomputed, plain, atol=1e-6, rtol=1e-5)


# Merging


def test_merged_gives_the_same_and_one_product(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = learned(model())
    plain, adapted = run(model()), run(backbone)
    assert distance(adapted, plain) > 0.05
    merge_lora(backbone)
    assert distance(run(backbone), adapted) < 1e-6  # 3e-7 measured
    assert not list(lora_layers(backbone))
    attention = backbone.language_model.layers[0].self_attn
    assert {type(attention.q_proj), type(attention.k_proj)} == {nn.Linear}
    storages = {attention.get_submodule(f"{n}_proj").weight.untyped_storage().data_ptr() for n in "qkv"}
    assert len(storages) == 1  # `project` makes one product of the three
    assert not any(p.requires_grad for p in backbone.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_unmerging_restores_every_bit(dtype: torch.dtype) -> None:
    untouched = {name: tensor.clone() for name, tensor in model(dtype).state_dict().items()}
    backbone = learned(model(dtype))
    adapted = run(backbone)
    for _ in range(3):
        unmerge_lora(backbone, merge_lora(backbone))
    assert torch.equal(run(backbone), adapted)
    state = {
        name.replace(".base.", "."): t for name, t in backbone.state_dict().items() if name[-2:] not in (".a", ".b")
    }
    assert state.keys() == untouched.keys()
    assert all(torch.equal(state[name], untouched[name]) for name in untouched)


def test_what_is_merged_is_rounded_once() -> None:
    layer = next(iter(dict(lora_layers(learned(model(torch.bfloat16)))).values()))
    exact = layer.base.weight.double() + layer.options.scale * layer.b.double() @ layer.a.double()
    assert ((layer.merged().weight - exact).abs() <= exact.abs() * 2**-8 + 1e-6).all()  # half of the last digit of bf16


def test_options_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="rank .* at least 1"):
        LoraOptions(rank=0)
    with pytest.raises(ConfigError, match="dropout"):
        LoraOptions(dropout=1.0)
    with pytest.raises(ConfigError, match="'qkv' names no linear layer of the text tower .* q_proj"):
        add_lora(model(), LoraOptions(targets=("q_proj", "qkv")), seeded())
    with pytest.raises(ConfigError, match="patch_embed"):
        add_lora(model(), LoraOptions(targets=("proj",), vision=True), seeded())
    backbone = learned(model())
    with pytest.raises(ConfigError, match="an adapter already"):
        add_lora(backbone, SMALL, seeded())


def test_a_model_with_an_adapter_is_not_saved_by_mistake(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="after merge_lora"):
        save_checkpoint(learned(model()), tmp_path, dtype=torch.float32)
    assert not list(tmp_path.iterdir())


# Files


@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("rslora", [True, False])
def test_round_trip_in_both_spellings(tmp_path: Path, published: bool, rslora: bool) -> None:
    options = LoraOptions(rank=4, alpha=6.5 if rslora else 8, rslora=rslora, dropout=0.1)
    backbone = learned(model(), options)
    save_adapter(backbone, tmp_path, published=published, base="me/mine")
    key = "language_model.layers.0.mlp.up_proj.lora_A.weight"
    names = load_file(tmp_path / WEIGHTS).keys()
    assert (f"base_model.model.model.{key}" in names) == published
    assert (f"base_model.model.{key}" in names) != published
    config = json.loads((tmp_path / CONFIG).read_text())
    assert (config["r"], config["lora_alpha"], config["use_rslora"]) == (4, options.alpha, rslora)
    assert config["base_model_name_or_path"] == "me/mine"
    again = model()
    added = load_adapter(again, tmp_path)
    assert added[0].options.dropout == 0.1 and set(added[0].options.targets) == set(options.targets)
    assert torch.equal(run(again), run(backbone))
    assert all(p.requires_grad for layer in added for p in (layer.a, layer.b))


def test_an_adapter_of_some_layers_keeps_to_them(tmp_path: Path) -> None:
    backbone = learned(model(), LoraOptions(rank=2, targets=("layers.1.mlp.up_proj", "layers.3.self_attn.q_proj")))
    save_adapter(backbone, tmp_path)
    again = model()
    targets = load_adapter(again, tmp_path)[0].options.targets
    assert targets == ("language_model.layers.1.mlp.up_proj", "language_model.layers.3.self_attn.q_proj")
    assert torch.equal(run(again), run(backbone))
    save_adapter(again, tmp_path / "again")
    load_adapter(model(), tmp_path / "again")


def test_patterns_leave_the_choice_to_the_tensors(tmp_path: Path) -> None:
    backbone = learned(model())
    save_adapter(backbone, tmp_path)
    configure(tmp_path, target_modules=r"^model\.language_model.*_proj$", exclude_modules=".*visual.*")
    again = model()
    load_adapter(again, tmp_path)
    assert torch.equal(run(again), run(backbone))


def test_a_model_without_its_vision_tower_takes_the_rest(tmp_path: Path) -> None:
    both = learned(model(), LoraOptions(rank=2, targets=("q_proj", "attn.qkv"), vision=True))
    save_adapter(both, tmp_path)
    text = Backbone(ModelConfig.from_dict(SHAPES["even"]), vision=False)
    assert len(load_adapter(text, tmp_path)) == 4
    assert len(load_adapter(model(), tmp_path)) == 8


def configure(folder: Path, **settings: Any) -> None:
    path = folder / CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"use_dora": True}, "use_dora=True"),
        ({"rank_pattern": {"q_proj": 8}, "bias": "all"}, "bias='all', rank_pattern"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights='pissa'"),
        ({"a_setting_of_tomorrow": 1}, "a_setting_of_tomorrow=1"),
        ({"peft_type": "LOHA"}, "'LOHA'"),
        ({"r": 0}, "r must be a whole number"),
        ({"r": "4"}, "r must be a whole number"),
        ({"lora_alpha": None}, "lora_alpha must be"),
        ({"lora_dropout": 1}, "lora_dropout must be"),
        ({"r": 8}, r"24 missing|48 mis-shaped .*up_proj.*\(4, 64\) instead of \(8, 64\)|mis-shaped"),
        ({"target_modules": ["q_proj", "o_proj"]}, r"8 missing \(language_model.layers.0.self_attn.o_proj.a"),
    ],
)
def test_settings_that_do_not_fit(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    save_adapter(learned(model()), tmp_path)
    configure(tmp_path, **settings)
    backbone = model()
    with pytest.raises(CheckpointError, match=message):
        load_adapter(backbone, tmp_path)
    assert not list(lora_layers(backbone))


def test_settings_that_say_nothing(tmp_path: Path) -> None:
    save_adapter(learned(model()), tmp_path)
    nothing = {"megatron_core": "megatron.core", "qalora_group_size": 16, "loftq_config": {}, "rank_pattern": {}}
    configure(
        tmp_path, **nothing, peft_version="0.21", use_qalora=False, task_type="FEATURE_EXTRACTION", eva_config=None
    )
    load_adapter(model(), tmp_path)


KEY = "base_model.model.model.language_model.layers.2.mlp.down_proj.lora_B.weight"


def rename(to: str) -> Change:
    return lambda tensors: tensors.update({to: tensors.pop(KEY)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop(KEY), r"1 missing \(language_model.layers.2.mlp.down_proj.b\)"),
        (rename(KEY.replace("layers.2", "layers.9")), r"1 missing .* 1 unexpected \(language_model.layers.9"),
        (rename(KEY.replace("lora_B", "lora_magnitude_vector")), "not hold plain LoRA: 1 unexpected"),
        (rename(KEY.removeprefix("base_model.")), "not hold plain LoRA: 1 unexpected"),
        (lambda tensors: tensors.update({KEY: tensors[KEY][:, :2].clone()}), r"\(64, 2\) instead of \(64, 4\)"),
        (lambda tensors: tensors.update({KEY.replace("model.model.", "model."): tensors[KEY].clone()}), "same tensor"),
        (lambda tensors: tensors.clear(), "missing"),
    ],
)
def test_tensors_that_do_not_fit(tmp_path: Path, change: Change, message: str) -> None:
    save_adapter(learned(model()), tmp_path)
    tensors = load_file(tmp_path / WEIGHTS)
    change(tensors)
    save_file(tensors, tmp_path / WEIGHTS)
    with pytest.raises(CheckpointError, match=message):
        load_adapter(model(), tmp_path)


def test_files_that_are_not_there_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="adapter_config.json is missing"):
        load_adapter(model(), tmp_path)
    save_adapter(learned(model()), tmp_path)
    (tmp_path / WEIGHTS).write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_adapter(model(), tmp_path)
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(CheckpointError, match="other forms"):
        load_adapter(model(), tmp_path)
    for text, message in (("{", "not valid JSON"), ("[1]", "must hold an object")):
        (tmp_path / CONFIG).write_text(text)
        with pytest.raises(CheckpointError, match=message):
            load_adapter(model(), tmp_path)
    with pytest.raises(ConfigError, match="no adapter that could be saved"):
        save_adapter(model(), tmp_path)


# Whole models


def test_embedder_and_reranker_take_an_adapter(
    embedder: Embedder, embedding_folder: Path, reranking_folder: Path, tmp_path: Path
) -> None:
    backbone = copy.deepcopy(embedder.backbone)
    learned(backbone)
    save_adapter(backbone, tmp_path / "adapter")
    adapted = Embedder.load(embedding_folder, device="cpu", adapter=tmp_path / "adapter")
    text = ["a red apple", "a dog"]
    vectors = adapted.encode(text)
    expected = Embedder(backbone, embedder.processor).encode(text)
    assert np.abs(vectors - expected).max() < 1e-6
    assert np.abs(vectors - embedder.encode(text)).max() > 1e-3
    adapted.save(tmp_path / "saved")
    assert np.array_equal(Embedder.load(tmp_path / "saved", device="cpu").encode(text), vectors)
    loaded = [Reranker.load(reranking_folder, device="cpu", adapter=which) for which in (None, tmp_path / "adapter")]
    scores = [reranker.predict([("apple", "a red apple")]) for reranker in loaded]
    assert abs(float(scores[0][0]) - float(scores[1][0])) > 1e-4
    with pytest.raises(CheckpointError, match=r"does not fit this model: .*mis-shaped \(language_model.layers.0"):
        save_adapter(learned(model()), tmp_path / "other")
        Embedder.load(embedding_folder, device="cpu", adapter=tmp_path / "other")
    with pytest.raises(ConfigError, match="weights='full'"):
        Embedder.load(embedding_folder, device="cpu", adapter=tmp_path / "adapter", weights="int8")
