"""The report's stages (arXiv 2601.04720); `qwen3_vl_2b` and `qwen3_vl_8b` have them for the models of these sizes.

    base ─ s0 ─┬─ s1 ─┬─ s2 ─┐
               │      └──────┴─ s3, merged
               └─ reranker ─ teacher of s2

anyseek train recipes.qwen3_vl_2b:s0 --dry-run

The report's are the adapters (rank 32, alpha 32, six projections), the objectives with the mask's margin of 0.1 and the
terms of each stage, the stages themselves, and that vectors are trained in many widths, as int8 and as binary. It gives
no learning rates, batch sizes, steps, temperatures, weights of the mixture or list of widths: these are ours, and so
is where the reranker begins. Batches are those of one process. Its pictures had at most 1,280 tokens and its videos
4,500: a folder's `anyseek.json` limits what a model is shown, for instance {"limits": {"max_pixels": 1310720,
"total_pixels": 4608000}}. Data is made, mined and scored beforehand (docs/training.md), each task in a folder.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from anyseek.training import TrainOptions
from anyseek.training.stage import ObjectiveName, ObjectiveOptions, Stage, StageSource

__all__ = ["STAGES", "Merged", "reranker", "s0", "s1", "s2", "s3"]

Size = Literal["2b", "8b"]
BASES = {"2b": "Qwen/Qwen3-VL-2B-Instruct", "8b": "Qwen/Qwen3-VL-8B-Instruct"}
WIDTHS = {"2b": (1024, 512, 256, 128, 64), "8b": (2048, 1024, 512, 256, 128, 64)}
"""Besides the whole; ours: the report says many."""
PRECISIONS = ("int8", "binary")
RATE = {"2b": 1e-4, "8b": 5e-5}
"""Of adapters; ours. Later stages take a part of it."""
DATA, RUNS = Path("data"), Path("runs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What `anyseek merge` makes one of.

    Attributes:
        models: folders that are merged.
        base: what both were trained from.
        probe: lines of queries and positives that the weights are found on.
        out: folder of the new model.
    """

    models: tuple[Path, ...]
    base: Path
    probe: Path
    out: Path

    @property
    def command(self) -> str:
        """The line that does it: self positioning (Li et al. 2024, arXiv 2410.15035)."""
        models = " ".join(map(str, self.models))
        return f"anyseek merge {models} --method positioning --base {self.base} --probe {self.probe} --out {self.out}"


def s0(size: Size, data: Path = DATA / "s0", runs: Path = RUNS) -> Stage:
    """Contrastive pre-training on synthetic data, with query-query and document-document terms.

    Args:
        size: of the model.
        data: folders `image`, `video` and `document`.
        runs: where runs are written.
    """
    sources = (
        _source(data / "image", weight=3, queries=256, negatives=0),
        _source(data / "video", weight=1, queries=64, negatives=0),
        _source(data / "document", weight=2, queries=256, negatives=0),
    )
    return _embedder(size, "s0", BASES[size], runs, sources, TrainOptions(steps=5000, learning_rate=RATE[size]))


def s1(size: Size, data: Path = DATA / "s1", runs: Path = RUNS) -> Stage:
    """Many tasks, mined with s0: each dataset has its own objective, by its task.

    That of retrieval is the report's for its second stage, without query-query and document-document terms.

    Args:
        size: of the model.
        data: folders `retrieval`, `document`, `video`, `question`, `classification` and `sts`.
        runs: where runs are written.
    """
    sources = (
        _source(data / "retrieval", weight=4, queries=128, negatives=2),
        _source(data / "document", weight=2, queries=128, negatives=2),
        _source(data / "video", weight=1, queries=32, negatives=1),
        _source(data / "question", weight=2, queries=128, negatives=2),
        _source(data / "classification", weight=1, queries=128, negatives=8, objective="classification"),
        _source(data / "sts", weight=1, queries=128, negatives=0, objective="cosent"),
    )
    training = TrainOptions(steps=5000, learning_rate=RATE[size] / 2)
    return _embedder(size, "s1", str(_model(runs, size, "s0")), runs, sources, training, symmetric=False)


def reranker(size: Size, data: Path = DATA / "s1", runs: Path = RUNS) -> Stage:
    """Yes or no on the retrieval part of the data of s1.

    Args:
        size: of the model.
        data: folders `retrieval`, `document` and `video`.
        runs: where runs are written.
    """
    sources = (
        _source(data / "retrieval", weight=4, queries=32, negatives=3),
        _source(data / "document", weight=2, queries=32, negatives=3),
        _source(data / "video", weight=1, queries=8, negatives=3),
    )
    return Stage(
        kind="reranker",
        model=BASES[size],
        out=_run(runs, size, "reranker"),
        sources=sources,
        training=TrainOptions(steps=5000, learning_rate=RATE[size]),
        checkpointing=True,
    )


def s2(size: Size, data: Path = DATA / "s2", runs: Path = RUNS) -> Stage:
    """s1 distilled from the reranker, whose log-odds stand in the datasets, beside the retrieval of s1.

    Args:
        size: of the model.
        data: folders `scored` (a positive and its negatives, each with a score) and `retrieval`.
        runs: where runs are written.
    """
    sources = (
        _source(data / "scored", weight=3, queries=64, negatives=7, objective="distillation"),
        _source(data / "retrieval", weight=1, queries=128, negatives=2, objective="contrastive"),
    )
    training = TrainOptions(steps=2000, learning_rate=RATE[size] / 5)
    return _embedder(size, "s2", str(_model(runs, size, "s1")), runs, sources, training, symmetric=False)


def s3(size: Size, data: Path = DATA / "s3", runs: Path = RUNS) -> Merged:
    """What s1 and s2 become, with weights found on a small probe set.

    Args:
        size: of the models.
        data: folder with `probe.jsonl`.
        runs: where runs are written.
    """
    return Merged(
        models=(_model(runs, size, "s1"), _model(runs, size, "s2")),
        base=_model(runs, size, "s0"),
        probe=data / "probe.jsonl",
        out=_model(runs, size, "s3"),
    )


STAGES = (s0, s1, reranker, s2, s3)
"""In their order."""


def _source(
    folder: Path, *, weight: float, queries: int, negatives: int, objective: ObjectiveName = "auto"
) -> StageSource:
    """A dataset of a stage."""
    return StageSource(folder=folder, weight=weight, queries=queries, negatives=negatives, objective=objective)


def _embedder(
    size: Size,
    name: str,
    model: str,
    runs: Path,
    sources: tuple[StageSource, ...],
    training: TrainOptions,
    *,
    symmetric: bool = True,
) -> Stage:
    """What the stages of an embedder have in common."""
    return Stage(
        kind="embedder",
        model=model,
        out=_run(runs, size, name),
        sources=sources,
        objective=ObjectiveOptions(symmetric=symmetric, widths=WIDTHS[size], precisions=PRECISIONS),
        training=training,
        checkpointing=True,
    )


def _run(runs: Path, size: Size, name: str) -> Path:
    """Folder of a run."""
    return runs / f"qwen3_vl_{size}" / name


def _model(runs: Path, size: Size, name: str) -> Path:
    """The model that a run leaves."""
    return _run(runs, size, name) / "model"
