"""A whole stage on the bundled models: it learns, can be stopped, and leaves a folder that loads."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from anyseek.engine import Embedder, Reranker
from anyseek.errors import ConfigError, TrainingError
from anyseek.model import Backbone, LoraOptions
from anyseek.training import TrainOptions, looking
from anyseek.training import stage as stages
from anyseek.training.data import Dataset, WorldOptions, write_world
from anyseek.training.recipes import changed
from anyseek.training.sampling import Batch, Mixture, Share, Source
from anyseek.training.stage import ObjectiveOptions, Stage, StageSource, _Embedding, _states, run_stage


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stage") / "world"
    write_world(folder, WorldOptions(size=12, kinds=("scene", "note"), negatives=1))
    return folder


@pytest.fixture
def stage(data: Path, tmp_path: Path) -> Stage:
    return Stage(
        kind="embedder",
        model="tiny",
        out=tmp_path / "run",
        sources=(StageSource(folder=data, queries=4),),
        objective=ObjectiveOptions(temperature=0.05, widths=(64,), precisions=("int8",)),
        lora=LoraOptions(rank=4),
        training=TrainOptions(steps=4, learning_rate=2e-3, warmup_steps=1),
        dtype="float32",
        attention="matmul",
        piece_tokens=300,
        keep_every=2,
    )


def losses(stage: Stage) -> list[float]:
    return [json.loads(line)["loss"] for line in (stage.out / "metrics.jsonl").read_text().splitlines()]


def test_an_embedder_learns_through_adapters(stage: Stage) -> None:
    """The same examples again and again: the loss falls; only adapted weights differ in the folder, which loads."""
    longer = replace(stage, training=replace(stage.training, steps=12, learning_rate=5e-3))
    folder = run_stage(longer, show_progress_bar=False)
    assert np.mean(losses(longer)[-3:]) < np.mean(losses(longer)[:3])
    before, after = Embedder.load("tiny").backbone.state_dict(), Embedder.load(folder).backbone.state_dict()
    learnt = {name.split(".")[-2] for name in before if not before[name].equal(after[name])}
    assert learnt == {"q_proj", "k_proj", "v_proj", "gate_proj", "up_proj", "down_proj"}
    alone = Embedder.load("tiny", adapter=longer.out / "adapter").backbone.state_dict()
    assert max(float((alone[name] - after[name]).abs().max()) for name in after) < 1e-6


def test_limits_of_a_stage_are_those_of_its_inputs(stage: Stage, tmp_path: Path) -> None:
    """Nine merged patches of each picture instead of more; the model that is written keeps its own limits."""
    seen: list[int] = []

    class Watched(Mixture):
        def batches(self, first: int = 0) -> Iterator[Batch]:
            for batch in super().batches(first):
                seen.extend(tokens for laid in batch.inputs for _, tokens in laid.row.visuals)
                yield batch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "Mixture", Watched)
        short = replace(stage, training=replace(stage.training, steps=1))
        run_stage(short, show_progress_bar=False)
        assert max(seen) > 9
        seen.clear()
        small = changed(replace(short, out=tmp_path / "small"), ["limits.max_pixels=9216"])
        folder = run_stage(small, show_progress_bar=False)
        assert 0 < max(seen) <= 9
    own = Embedder.load("tiny").processor.options.limits
    assert Embedder.load(folder).processor.options.limits == own
    with pytest.raises(ConfigError, match="max_pixels"):
        changed(stage, ["limits.max_pixels=-1"])
    with pytest.raises(ConfigError, match="did you mean 'max_pixels'"):
        changed(stage, ["limits.max_pixel=9216"])


def test_a_learned_step_goes_with_the_model(stage: Stage) -> None:
    """It is learned, saved, and what int8 vectors are rounded to; saving the model again keeps it."""
    folder = run_stage(stage, show_progress_bar=False)
    embedder = Embedder.load(folder)
    step = json.loads((folder / "anyseek.json").read_text())["steps"]["int8"]
    assert embedder.steps == {"int8": step} and 0.001 < step < 1
    raw = embedder.encode(["a red apple"], normalize_embeddings=False)
    wanted = np.clip(np.rint(raw / step), -128, 127).astype(np.int8)
    assert np.array_equal(embedder.encode(["a red apple"], precision="int8"), wanted) and len(set(wanted[0])) > 20
    assert np.array_equal(
        embedder.encode(["a red apple"], precision="uint8"), (wanted.astype(int) + 128).astype(np.uint8)
    )
    embedder.save(folder.parent / "again")
    assert Embedder.load(folder.parent / "again").steps == embedder.steps


def test_a_stopped_run_goes_on_to_the_same_model(stage: Stage, tmp_path: Path) -> None:
    whole = Embedder.load(run_stage(stage, show_progress_bar=False)).encode(["a red apple"])
    half = replace(stage, out=tmp_path / "half")
    schedule = half.training
    with pytest.raises(KeyboardInterrupt), pytest.MonkeyPatch.context() as patch:
        kept = []

        def stop(self: object, optimiser: object, step: int, seconds: float) -> None:
            original(self, optimiser, step, seconds)  # type: ignore[arg-type]
            kept.append(step)
            raise KeyboardInterrupt

        from anyseek.training.resume import Keeper

        original = Keeper.keep
        patch.setattr(Keeper, "keep", stop)
        run_stage(half, show_progress_bar=False)
    assert kept == [2] and schedule == half.training
    again = Embedder.load(run_stage(half, show_progress_bar=False)).encode(["a red apple"])
    assert losses(half) == losses(stage)
    assert np.array_equal(whole, again)


def test_a_reranker_learns_all_its_weights(stage: Stage) -> None:
    whole = replace(stage, kind="reranker", lora=None, training=replace(stage.training, steps=8, learning_rate=3e-4))
    folder = run_stage(whole, show_progress_bar=False)
    assert losses(whole)[-1] < losses(whole)[0]
    before, after = Reranker.load("tiny").backbone.state_dict(), Reranker.load(folder).backbone.state_dict()
    assert not any(
        before[name].equal(after[name]) for name in before if name.endswith("proj.weight") and "language" in name
    )
    assert all(before[name].equal(after[name]) for name in before if name.startswith("visual"))


def test_a_reranker_is_written_as_it_was_trained(stage: Stage, data: Path) -> None:
    """The output head is the embedding, which learns: the last look before writing and the folder agree to the bit."""
    whole = replace(stage, kind="reranker", lora=None, dev=data, evaluate_every=99, slack=1.0)
    pairs = [("a red apple", "an apple"), ("a red apple", "a blue boat")]
    seen: list[np.ndarray] = []
    with pytest.MonkeyPatch.context() as patch:
        order = looking._order
        patch.setattr(
            looking,
            "_order",
            lambda model, dataset: (seen.append(model.predict(pairs, activation="none")), order(model, dataset))[1],
        )
        folder = run_stage(whole, show_progress_bar=False)
    saved = Reranker.load(folder, dtype="float32")
    assert len(seen) == 2 and np.abs(seen[0] - seen[1]).max() > 1e-3
    assert np.abs(saved.predict(pairs, activation="none") - seen[1]).max() < 1e-5
    assert (saved.score_row - Reranker.load("tiny").score_row).abs().max() > 1e-3, "the row has learnt"
    lines = [json.loads(line) for line in (whole.out / "metrics.jsonl").read_text().splitlines()]
    assert "baseline" in lines[0] and [line["step"] for line in lines] == [0, 1, 2, 3, 3] and "dev" in lines[4]


def test_everything_of_a_loss_is_on_the_device_of_the_model(stage: Stage, data: Path) -> None:
    """A model on the meta device stands for one on a GPU: what was left on the CPU could not be mixed in."""
    embedder = Embedder.load("tiny", dtype="float32")
    source = Source(dataset=Dataset.open(data), queries=4)
    mixture = Mixture([source], embedder.processor, Share(seed=0))
    embedder.backbone.to("meta")
    course = _Embedding(embedder, mixture, stage)
    made: list[torch.Tensor] = []

    def vectors(inputs: object) -> torch.Tensor:
        made.append(torch.empty(len(inputs), embedder.dim, device="meta", requires_grad=True))  # type: ignore[arg-type]
        return made[-1]

    course.states = vectors  # type: ignore[assignment]
    course.stage = replace(stage, piece_tokens=1 << 30)
    assert course.loss(next(mixture.batches())).is_meta
    assert made[0].grad is not None and all(weight.is_meta for weight in course.views.parameters())
    assert all(weight.grad is not None for weight in course.views.parameters())


def test_a_run_goes_on_with_the_same_settings_only(stage: Stage) -> None:
    folder = run_stage(stage, show_progress_bar=False)
    free = replace(stage, keep_every=3, evaluate_every=9, piece_tokens=200)
    assert run_stage(free, show_progress_bar=False) == folder
    longer = replace(stage, training=replace(stage.training, steps=9, learning_rate=1e-3))
    with pytest.raises(ConfigError, match=r"steps was 4 and is 9; training.learning_rate was 0.002 and is 0.001"):
        run_stage(longer, show_progress_bar=False)


def test_what_a_frozen_tower_saw_is_kept(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_stage(stage, show_progress_bar=False)
    seen: list[int] = []
    see = Backbone.see
    monkeypatch.setattr(Backbone, "see", lambda self, *given: (seen.append(len(given[1])), see(self, *given))[1])
    keeping = replace(stage, out=tmp_path / "keeping", feature_bytes=1 << 26)
    run_stage(keeping, show_progress_bar=False)
    assert losses(keeping) == pytest.approx(losses(stage), abs=1e-5)
    once = sum(seen)
    seen.clear()
    run_stage(replace(stage, out=tmp_path / "again"), show_progress_bar=False)
    assert once <= sum(seen) / 2, "each batch is computed twice where gradients are cached"


def test_features_are_not_kept_of_a_tower_that_learns(stage: Stage) -> None:
    learning = replace(stage, lora=None, vision=True, feature_bytes=1)
    with pytest.raises(ConfigError, match="vision=False"):
        run_stage(learning, show_progress_bar=False)
    with pytest.raises(ConfigError, match="parallel=shard"):
        _states(Embedder.load("tiny").backbone, replace(stage, feature_bytes=1, parallel="shard"))


def test_a_model_that_gets_worse_is_stopped(stage: Stage, data: Path) -> None:
    wild = replace(stage, training=replace(stage.training, learning_rate=3.0, clip=1e9), dev=data, evaluate_every=1)
    with pytest.raises(TrainingError, match="below the|not finite|nan"):
        run_stage(wild, show_progress_bar=False)


def test_widths_beyond_the_model_are_refused(stage: Stage) -> None:
    with pytest.raises(ConfigError, match="widths go up to 999"):
        run_stage(replace(stage, objective=ObjectiveOptions(widths=(999,))), show_progress_bar=False)
