"""Several models as one: identities bit for bit, formulas on vectors, folders like those they come from, and weights
that are found where they are known."""

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from anyseek.cli.probe import probe_loss, read_probe, recall
from anyseek.engine import Embedder
from anyseek.errors import CheckpointError, ConfigError, InputError, TrainingError
from anyseek.items import Item
from anyseek.model import hub, load_backbone, save_checkpoint
from anyseek.model.streaming import StoredWeights
from anyseek.training.merging import (
    Forward,
    MergeOptions,
    Method,
    PositionOptions,
    merge,
    merge_folders,
    mix,
    position,
    slerp,
    sweep,
)


def draw(seed: int, *size: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed)).to(dtype)


def how(method: Method, *weights: float) -> MergeOptions:
    return MergeOptions(method=method, weights=weights)


def same_bits(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and torch.equal(a.view(torch.uint8), b.view(torch.uint8))


# Formulas


def test_the_mean_is_the_formula() -> None:
    tensors, weights = [draw(seed, 5, 7) for seed in range(3)], (0.2, 0.5, 0.3)
    slow = sum(weight * tensor.double() for weight, tensor in zip(weights, tensors, strict=True))
    torch.testing.assert_close(merge(tensors, how("linear", *weights)).double(), slow, atol=1e-6, rtol=0)


@pytest.mark.parametrize("method", ["linear", "slerp"])
def test_a_model_alone_and_equal_models_come_out_bit_for_bit(method: Method) -> None:
    a, b = draw(0, 9, 4), draw(1, 9, 4)
    a[0, 0], b[0, 0] = -0.0, -0.0
    assert same_bits(merge([a, b], how(method, 1, 0)), a)
    assert same_bits(merge([a, b], how(method, 0, 1)), b)
    for weight in (0.1, 0.3, 1 / 3, 0.7):
        assert torch.equal(merge([a, a.clone()], how(method, 1 - weight, weight)), a)


def test_slerp_is_the_formula() -> None:
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    for t in (0.25, 0.5, 0.9):
        expected = [math.cos(t * math.pi / 2), math.sin(t * math.pi / 2)]
        torch.testing.assert_close(slerp(a, b, t), torch.tensor(expected), atol=1e-7, rtol=0)
    c, d = draw(0, 6, 5), 3 * draw(1, 6, 5)
    x, y = c.double().flatten(), d.double().flatten()
    angle = torch.arccos(x @ y / x.norm() / y.norm())
    slow = (torch.sin(0.7 * angle) * x + torch.sin(0.3 * angle) * y) / torch.sin(angle)
    torch.testing.assert_close(slerp(c, d, 0.3).double().flatten(), slow, atol=1e-6, rtol=0)


def test_slerp_of_what_is_parallel_is_the_line() -> None:
    a = draw(0, 50)
    for b in (a + 1e-4 * draw(1, 50), 2 * a, -a, torch.zeros(50)):
        assert torch.equal(slerp(a, b, 0.3), mix([a, b], [0.7, 0.3]))
        assert slerp(a, b, 0.5).isfinite().all()


def test_task_arithmetic() -> None:
    base, a, b = (draw(seed, 8, 3) for seed in range(3))
    slow = base.double() + 0.5 * (a.double() - base) + 0.8 * (b.double() - base)
    torch.testing.assert_close(merge([a, b], how("task", 0.5, 0.8), base).double(), slow, atol=1e-6, rtol=0)
    assert same_bits(merge([a], how("task", 1), base), a)
    assert same_bits(merge([a, b], how("task", 0, 0), base), base)
    assert same_bits(merge([a, b], how("task", 0, 1), base), b)
    assert torch.equal(merge([base, base], how("task", 0.3, 0.9), base), base)


@pytest.mark.parametrize(
    ("method", "weights", "message"),
    [
        ("linear", (0.5, 0.6), "must sum to 1"),
        ("slerp", (0.2, 0.3, 0.5), "between two"),
        ("slerp", (0.2, 0.3), "must sum to 1"),
        ("task", (math.nan,), "finite"),
        ("linear", (), "finite"),
        ("ties", (1.0,), "unknown"),
    ],
)
def test_weights_that_cannot_be(method: Method, weights: Sequence[float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MergeOptions(method=method, weights=tuple(weights))


# Folders


@pytest.fixture(scope="module")
def folders(embedding_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The small checkpoint, and another of its shape: bf16, in shards."""
    other = tmp_path_factory.mktemp("other") / "model"
    backbone = load_backbone(embedding_folder, dtype=torch.float32, device="cpu")
    drawn = torch.Generator().manual_seed(5)
    for parameter in backbone.parameters():
        parameter.data += 0.2 * parameter.std() * torch.randn(parameter.shape, generator=drawn)
    shutil.copytree(embedding_folder, other, ignore=shutil.ignore_patterns("*.safetensors*"))
    save_checkpoint(backbone, other, dtype=torch.bfloat16, shard_bytes=10**6)
    return embedding_folder, other


def tensors(folder: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for path in folder.glob("*.safetensors"):
        found |= {name.removeprefix("model."): tensor for name, tensor in load_file(path).items()}
    return found


@pytest.mark.parametrize("first", [0, 1])
def test_folders_merge_as_tensors_do(folders: tuple[Path, Path], tmp_path: Path, first: int) -> None:
    a, b = folders[first], folders[1 - first]
    (tmp_path / "out").mkdir()
    save_file({"stale": torch.zeros(1)}, tmp_path / "out" / "stale.safetensors")
    merge_folders([a, b], tmp_path / "out", how("linear", 0.25, 0.75))
    own, others, out = tensors(a), tensors(b), tensors(tmp_path / "out")
    assert out.keys() == own.keys()
    for name, tensor in own.items():
        assert same_bits(out[name], mix([tensor, others[name]], [0.25, 0.75]).to(tensor.dtype)), name
    files = {p.relative_to(a) for p in a.rglob("*") if p.is_file() and p.suffix != ".md"}
    assert {path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*") if path.is_file()} == files
    for path in files - {p.relative_to(a) for p in a.rglob("*.safetensors")}:
        assert (tmp_path / "out" / path).read_bytes() == (a / path).read_bytes()
    backbone = load_backbone(tmp_path / "out", dtype=torch.float32, device="cpu")
    assert all(torch.equal(p, out[name].float().view(p.shape)) for name, p in backbone.state_dict().items())


@pytest.mark.parametrize(("method", "weights"), [("linear", (1, 0)), ("slerp", (1, 0)), ("task", (1, 0))])
def test_weight_one_gives_the_folder_back(
    folders: tuple[Path, Path], tmp_path: Path, method: Method, weights: tuple[float, float]
) -> None:
    for models in (folders, folders[::-1]):
        out = tmp_path / models[0].name
        merge_folders(models, out, how(method, *weights), folders[1] if method == "task" else None)
        own, new = tensors(models[0]), tensors(out)
        assert all(same_bits(new[name], own[name]) for name in own)


def test_the_merge_runs_here_and_in_transformers(folders: tuple[Path, Path], tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    merge_folders([folders[1], folders[0]], tmp_path / "out", how("slerp", 0.5, 0.5))
    ours = Embedder.load(tmp_path / "out", device="cpu", dtype="float32")
    vectors = ours.encode(["a red apple"])
    assert np.abs(vectors - Embedder.load(folders[0], device="cpu").encode(["a red apple"])).max() > 1e-3
    model, about = transformers.Qwen3VLForConditionalGeneration.from_pretrained(
        tmp_path / "out", dtype=torch.float32, output_loading_info=True
    )
    assert not any(about[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    prepared = ours.processor.prepare(Item.of("a red apple"))
    with torch.inference_mode():
        states = model.model(input_ids=prepared.sample.token_ids[None]).last_hidden_state[0, -1]
    assert np.abs((states / states.norm()).numpy() - vectors[0]).max() < 1e-5


def test_only_one_tensor_is_held(folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    read = StoredWeights.read
    monkeypatch.setattr(StoredWeights, "read", lambda self, name: asked.append(name) or read(self, name))
    merge_folders(folders, tmp_path / "out", how("linear", 0.5, 0.5))
    assert asked[::2] == asked[1::2]  # both models' tensor, then the next
    assert len(set(asked)) == len(asked) / 2


def test_folders_that_do_not_merge(folders: tuple[Path, Path], tmp_path: Path) -> None:
    a, b = folders
    half = how("linear", 0.5, 0.5)
    with pytest.raises(ConfigError, match="2 models need as many weights"):
        merge_folders([a, b], tmp_path / "out", how("linear", 1.0))
    with pytest.raises(ConfigError, match="starts from a base"):
        merge_folders([a, b], tmp_path / "out", how("task", 1, 1))
    with pytest.raises(ConfigError, match="have none"):
        merge_folders([a, b], tmp_path / "out", half, a)
    for out in (a, b, a / "inside"):
        with pytest.raises(ConfigError, match="stands apart|another folder"):
            merge_folders([a, b], out, half)
    changed = {"config": tmp_path / "config", "names": tmp_path / "names", "shape": tmp_path / "shape"}
    for folder in changed.values():
        shutil.copytree(a, folder)
    config = json.loads((a / "config.json").read_text())
    config["text_config"]["rope_theta"] = 10_000
    (changed["config"] / "config.json").write_text(json.dumps(config))
    file = next(changed["names"].glob("*.safetensors"))
    weights = load_file(file)
    name = sorted(weights)[0]
    save_file({f"{key}.old" if key == name else key: t for key, t in weights.items()}, file)
    shaped = next(changed["shape"].glob("*.safetensors"))
    save_file({key: t[..., :-1].clone() if key == name else t for key, t in weights.items()}, shaped)
    for kind, message in (
        ("config", "another config.json"),
        ("names", "1 missing .* 1 unexpected"),
        ("shape", "1 mis-shaped"),
    ):
        with pytest.raises(CheckpointError, match=message):
            merge_folders([a, changed[kind]], tmp_path / "out", half)
    save_file({key: t.to(torch.int8) for key, t in weights.items()}, file)
    with pytest.raises(CheckpointError, match="other weights than floats"):
        merge_folders([changed["names"], a], tmp_path / "out", half)
    assert not (tmp_path / "out").exists()


# Positioning


class Toy(nn.Module):
    def __init__(self, seed: int) -> None:
        super().__init__()
        self.first, self.second = nn.Parameter(draw(seed, 6, 5)), nn.Parameter(draw(seed + 100, 5))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.first + self.second


def test_known_weights_are_found() -> None:
    """The target is at known shares and scale: a square loss is convex in the weights."""
    base, models = Toy(0), [Toy(seed) for seed in (1, 2, 3)]
    shares, scale = (0.2, 0.5, 0.3), 0.8
    wanted = {
        name: mix(
            [p.detach(), *(m.get_parameter(name).detach() for m in models)], [1 - scale, *(scale * s for s in shares)]
        )
        for name, p in base.named_parameters()
    }
    x = draw(9, 40, 6)
    target = x @ wanted["first"] + wanted["second"]
    before = [p.detach().clone() for p in base.parameters()]
    found = position(
        models,
        base,
        lambda forward: (forward(x) - target).square().mean(),
        PositionOptions(steps=300, learning_rate=0.1),
    )
    assert found.scale == pytest.approx(scale, abs=2e-3)
    assert found.shares == pytest.approx(shares, abs=2e-3)
    assert found.weights == pytest.approx([scale * share for share in shares], abs=2e-3)
    assert min(found.losses) < 1e-4 * found.losses[0]
    assert all(torch.equal(a, b) for a, b in zip(before, base.parameters(), strict=True))


def test_slopes_are_the_gradient() -> None:
    """The chain rule by hand against autograd through the whole sum."""
    from anyseek.training.merging import _aligned, _descend, _running

    base, models = Toy(0), [Toy(1), Toy(2)]
    x = draw(9, 10, 6)

    def loss_of(forward: Forward) -> Tensor:
        return forward(x).sin().sum()

    start = dict(base.named_parameters())
    weights = torch.tensor([0.3, 0.9], requires_grad=True)
    mixed = {
        n: p.detach()
        + sum(w * (m.get_parameter(n).detach() - p.detach()) for w, m in zip(weights, models, strict=True))
        for n, p in start.items()
    }
    (expected,) = torch.autograd.grad(loss_of(_running(base, mixed)), weights)
    learned = [_aligned(model, base) for model in models]
    _, slopes = _descend(learned, start, weights.tolist(), lambda own: loss_of(_running(base, own)))
    torch.testing.assert_close(torch.tensor(slopes), expected, atol=1e-4, rtol=1e-5)


def test_positioning_that_cannot_be() -> None:
    with pytest.raises(TrainingError, match="step 0"):
        position([Toy(1)], Toy(0), lambda forward: forward(draw(0, 1, 6)).sum() * math.inf)
    with pytest.raises(ConfigError, match="differ in bias, first, second"):
        position([nn.Linear(2, 2)], Toy(0), lambda forward: forward(draw(0, 1, 6)).sum())
    with pytest.raises(ConfigError, match="must be positive"):
        PositionOptions(steps=0)
    with pytest.raises(ConfigError, match="at least two points"):
        sweep(Toy(0), Toy(1), lambda model: 0.0, points=1)


def test_sweep_goes_from_one_to_the_other() -> None:
    a, b = Toy(0), Toy(1)
    before = a.first.detach().clone()
    points = sweep(a, b, lambda model: float(model.get_parameter("first").detach()[0, 0]), points=5)
    assert [t for t, _ in points] == [0, 0.25, 0.5, 0.75, 1]
    ends = [float(m.first.detach()[0, 0]) for m in (a, b)]
    assert [score for _, score in points] == pytest.approx(
        [ends[0] + t * (ends[1] - ends[0]) for t, _ in points], abs=1e-6
    )
    assert torch.equal(a.first, before)


# With the bundled model


@pytest.fixture
def probe_file(tmp_path: Path) -> Path:
    pairs = [
        ("red apple", "a red apple"),
        ("blue dog", "a dog that is blue"),
        ("house", "a house"),
        ("Apfel", "a red apple"),
    ]
    path = tmp_path / "probe.jsonl"
    path.write_text("\n".join(json.dumps({"query": {"text": q}, "positive": {"text": d}}) for q, d in pairs) + "\n\n")
    return path


def test_positioning_improves_the_probe_of_the_tiny_model(probe_file: Path) -> None:
    """One model is tiny, the other has noise on it: the noise gets little."""
    good = Embedder.load("tiny", device="cpu")
    noisy, base = (load_backbone(hub.locate("tiny", "embedding"), dtype=torch.float32, device="cpu") for _ in range(2))
    drawn = torch.Generator().manual_seed(0)
    for parameter in noisy.parameters():
        parameter.data += (
            0.5 * parameter.std() * torch.randn(parameter.shape, generator=drawn) if parameter.ndim > 1 else 0
        )
    for parameter in base.parameters():
        parameter.data *= 0.9
    probe = read_probe(probe_file)
    loss_of = probe_loss(probe, good.processor, torch.device("cpu"))
    found = position([good.backbone, noisy], base, loss_of, PositionOptions(steps=6, learning_rate=0.5))
    assert min(found.losses) < 0.8 * found.losses[0]
    assert found.shares[0] > 0.6
    assert recall(probe, good) >= 0.75


def test_a_probe_set(probe_file: Path, tmp_path: Path) -> None:
    probe = read_probe(probe_file)
    assert (len(probe.queries), len(probe.documents), probe.positive) == (4, 3, (0, 1, 2, 0))
    bad = {
        '{"query": "a"}': "line 1: a row of a probe set is",
        "{": "line 1: not valid JSON",
        '{"query": "a", "positive": 3}': "line 1: an item is a string or an object",
        '{"query": "a", "positive": {"txt": "b"}}': "line 1: unknown key 'txt'",
        '{"query": "a", "positive": "b"}': "1 different positive",
    }
    for text, message in bad.items():
        (tmp_path / "bad.jsonl").write_text(text)
        with pytest.raises(InputError, match=message):
            read_probe(tmp_path / "bad.jsonl")
    with pytest.raises(InputError, match="cannot be read"):
        read_probe(tmp_path / "none.jsonl")
