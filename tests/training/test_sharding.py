"""Weights in shards: losses, gradients, models and states are those of a run in which every process has all weights."""

import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, distributed, multiprocessing, nn
from torch.multiprocessing.spawn import ProcessException

from anyseek.engine import Embedder
from anyseek.errors import ConfigError, TrainingError
from anyseek.model import Backbone, LoraOptions, ModelConfig
from anyseek.training import Keeper, MasterAdamW, TrainOptions, looking, resume
from anyseek.training import stage as stages
from anyseek.training.data import About, Dataset, DatasetWriter
from anyseek.training.stage import ObjectiveOptions, Stage, StageSource, run_stage
from tests.processing.conftest import picture

EXACT = 1e-6  # of losses and weights; measured: 1.2e-7 and 1.8e-7
NORM = 1e-5  # of norms of gradients and the development set's number, relative; measured: 8.4e-7
TARGETS = ("q_proj", "v_proj", "down_proj", "attn.qkv", "linear_fc1")
LORA = LoraOptions(rank=4, targets=TARGETS, vision=True)
RUNS: dict[str, dict[str, Any]] = {
    "full": {},
    "full-shards": {"parallel": "shard", "checkpointing": True},
    "lora": {"lora": LORA, "vision": False},
    "lora-shards": {"parallel": "shard", "lora": LORA, "vision": False},
}


def write_model(folder: Path) -> None:
    """Small, with rows that two processes cannot share evenly."""
    tiny = Embedder.load("tiny", dtype="float32")
    raw = json.loads(json.dumps(tiny.backbone.config.raw))
    heads = {"head_dim": 16, "rope_scaling": raw["text_config"]["rope_scaling"] | {"mrope_section": [4, 2, 2]}}
    raw["text_config"] |= {"hidden_size": 48, "intermediate_size": 75, "num_hidden_layers": 3} | heads
    raw["vision_config"] |= {"hidden_size": 32, "intermediate_size": 51, "depth": 3, "out_hidden_size": 48}
    raw["vision_config"] |= {"num_heads": 2, "num_position_embeddings": 81, "deepstack_visual_indexes": [0, 1]}
    backbone = Backbone(ModelConfig.from_dict(raw))
    backbone.initialise(torch.Generator().manual_seed(3))
    Embedder(backbone, tiny.processor, source=tiny.source).save(folder)


def write_data(folder: Path) -> None:
    """Texts, and pictures of several sizes, each the one answer to its query: nothing of a batch is drawn at random."""
    with DatasetWriter(folder, About(name="things")) as writer:
        for number in range(12):
            side = 32 * (2 + number % 3)
            shown = picture(side, 64, number) if number % 2 else f"thing number {number} in words"
            writer.query(f"q{number}", f"which is thing {number}?")
            writer.document(f"d{number}", shown)
            writer.relevance(f"q{number}", [f"d{number}"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("shards")
    write_model(made / "small")
    write_data(made / "things")
    return made


def stage(folder: Path, name: str, queries: int = 2, **how: Any) -> Stage:
    """Pieces of two inputs, a dev set, a learned step that is not in shards, and a norm that is clipped."""
    options = TrainOptions(steps=3, learning_rate=3e-5, warmup_steps=1, clip=0.1)
    made = Stage(
        kind="embedder",
        model=str(folder / "small"),
        out=folder / name,
        sources=(StageSource(folder=folder / "things", queries=queries, negatives=0),),
        objective=ObjectiveOptions(temperature=0.2, precisions=("int8",)),
        training=options,
        lora=None,
        vision=True,
        dtype="float32",
        device="cpu",
        attention="matmul",
        piece_tokens=150,
        keep_every=1,
        dev=folder / "things",
        evaluate_every=2,
        slack=9.0,
    )
    return replace(made, **how)


def meet(rank: int, folder: Path) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)


def run_all(rank: int, folder: str) -> None:
    """Every run one after the other; what processes tell each other about their passes is written down."""
    meet(rank, Path(folder))
    told: list[tuple[int, int]] = []
    most = stages.most

    def telling(count: int) -> int:
        told.append((int(count), most(count)))
        return told[-1][1]

    stages.most, looking._recall = telling, looked
    for name, how in RUNS.items():
        run_stage(stage(Path(folder), name, **how), show_progress_bar=False)
    (Path(folder) / f"told-{rank}.json").write_text(json.dumps(told))
    resume._to_disk = dying
    run_stage(stage(Path(folder), "broken", **RUNS["full-shards"]), show_progress_bar=False)


def looked(model: Embedder, dataset: Dataset) -> float:
    """A number that hangs on every vector of a development set, where R@1 would hang on few."""
    vectors = model.encode([item for side in ("queries", "corpus") for _, item in dataset.items(side)])
    return float(vectors @ np.linspace(-1, 1, model.dim) @ np.linspace(-1, 1, len(vectors)))


def dying(path: Path) -> None:
    """The second process is killed while it writes its part of the second state."""
    if path.name == "state-00001.safetensors" and path.parent.name == "step-00000002.unfinished":
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(scope="module")
def runs(folder: Path) -> Path:
    """All runs of two processes, the last of which dies, and one of a single process with the same batches."""
    with pytest.raises(ProcessException):
        multiprocessing.spawn(run_all, (str(folder),), nprocs=2)  # type: ignore[no-untyped-call]
    assert all((folder / f"told-{rank}.json").exists() for rank in (0, 1)), "one of the others failed"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(looking, "_recall", looked)
        run_stage(stage(folder, "alone", queries=4), show_progress_bar=False)
    return folder


def told(run: Path, name: str) -> list[float]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line[name] for line in lines if name in line]


def weights(run: Path) -> dict[str, Tensor]:
    (file,) = (run / "model").glob("*.safetensors")
    return load_file(file)


def files(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*")}


def farthest(ones: dict[str, Tensor], others: dict[str, Tensor]) -> float:
    assert {name: (one.dtype, one.shape) for name, one in ones.items()} == {
        name: (one.dtype, one.shape) for name, one in others.items()
    }
    return max(float((ones[name] - others[name]).abs().max()) for name in ones)


@pytest.mark.slow
@pytest.mark.parametrize(("one", "other"), [("full", "full-shards"), ("lora", "lora-shards"), ("alone", "full-shards")])
def test_shards_change_nothing(runs: Path, one: str, other: str) -> None:
    assert told(runs / other, "loss") == pytest.approx(told(runs / one, "loss"), abs=EXACT)
    for name in ("dev", "gradient_norm"):
        assert told(runs / other, name) == pytest.approx(told(runs / one, name), rel=NORM)
        assert len(told(runs / one, name)) == {"dev": 2, "gradient_norm": 4}[name]  # the last step again
    assert min(told(runs / one, "gradient_norm")) > 0.1  # clipped
    assert files(runs / one / "model") == files(runs / other / "model")
    assert farthest(weights(runs / one), weights(runs / other)) <= EXACT
    assert farthest(weights(runs / one), load_file(next((runs / "small").glob("*.safetensors")))) > 5e-5
    steps = [json.loads((runs / name / "model" / "anyseek.json").read_text())["steps"]["int8"] for name in (one, other)]
    assert steps[0] == pytest.approx(steps[1], abs=EXACT)


@pytest.mark.slow
def test_processes_made_passes_for_each_other(runs: Path) -> None:
    """One had nothing to see where the other had, and one had fewer pieces than the other: else nothing was tried."""
    both = [json.loads((runs / f"told-{rank}.json").read_text()) for rank in (0, 1)]
    assert len(both[0]) == len(both[1]) > 10
    pairs = [pair for own in both for pair in own]
    assert any(own == 0 < largest for own, largest in pairs)
    assert any(0 < own < largest for own, largest in pairs)


@pytest.mark.slow
def test_a_state_in_shards_has_a_file_of_each_process(runs: Path) -> None:
    state = runs / "full-shards" / "states" / "step-00000003"
    assert sorted(file.name for file in state.iterdir()) == [
        "state-00000.safetensors",
        "state-00001.safetensors",
        "state.json",
    ]
    parts = [load_file(state / f"state-{rank:05d}.safetensors") for rank in (0, 1)]
    whole = load_file(runs / "full" / "states" / "step-00000003" / "state.safetensors")
    cut = [name for name in whole if name.startswith("weight.") and parts[0][name].shape != whole[name].shape]
    assert len(cut) > 30
    for name in cut:
        assert torch.cat([part[name] for part in parts]).sub(whole[name]).abs().max() <= EXACT
        assert len(parts[0][name]) == -(-len(whole[name]) // 2)


def go_on(rank: int, folder: str) -> None:
    """The run that died, and one of adapters from its second state, again."""
    (Path(folder) / "again").mkdir(exist_ok=True)
    meet(rank, Path(folder) / "again")
    looking._recall = looked
    for name, how in (("broken", "full-shards"), ("lora-again", "lora-shards")):
        run_stage(stage(Path(folder), name, **RUNS[how]), show_progress_bar=False)
    distributed.destroy_process_group()


@pytest.mark.slow
def test_a_killed_run_goes_on_bit_for_bit(runs: Path) -> None:
    states = runs / "broken" / "states"
    assert sorted(one.name for one in states.iterdir()) == ["step-00000001", "step-00000002.unfinished"]
    kept = Path("states", "step-00000002")
    shutil.copytree(runs / "lora-shards" / kept, runs / "lora-again" / kept)
    multiprocessing.spawn(go_on, (str(runs),), nprocs=2)  # type: ignore[no-untyped-call]
    wanted = told(runs / "full-shards", "loss")
    assert told(runs / "broken", "loss") == [*wanted[:2], *wanted[1:]]
    assert farthest(weights(runs / "full-shards"), weights(runs / "broken")) == 0
    assert told(runs / "lora-again", "loss") == told(runs / "lora-shards", "loss")[2:]
    assert farthest(weights(runs / "lora-shards"), weights(runs / "lora-again")) == 0


@pytest.mark.slow
def test_a_state_of_another_division_is_refused(runs: Path) -> None:
    optimiser = MasterAdamW(nn.Linear(2, 2), learning_rate=1.0, weight_decay=0.0, clip=1.0)
    with pytest.raises(TrainingError, match=r"in 2 part\(s\), and this run has 1"):
        Keeper(folder=runs / "full-shards" / "states").restore(optimiser)
    with pytest.raises(TrainingError, match=r"in 1 part\(s\), and this run has 2"):
        Keeper(folder=runs / "full" / "states", part=(0, 2)).restore(optimiser)


def test_shards_need_processes(folder: Path) -> None:
    with pytest.raises(ConfigError, match="torchrun"):
        run_stage(stage(folder, "lonely", parallel="shard"), show_progress_bar=False)
