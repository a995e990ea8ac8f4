"""One stage of training: a model, a mixture of datasets, and how it learns from them.

mixture ─ batch ─> vectors or log-odds, in pieces ─> objective on all views ─> step ─> kept, told, guarded
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from tqdm import tqdm

from anyseek.engine import Embedder, Reranker
from anyseek.engine.features import CacheOptions
from anyseek.errors import ConfigError
from anyseek.items import Limits
from anyseek.model import Backbone, LoraOptions, add_lora, merge_lora, save_adapter, yes_no_logit
from anyseek.model.hub import keep_own, released
from anyseek.training.caching import backward_in_pieces
from anyseek.training.data import Dataset
from anyseek.training.encoding import Laid, States
from anyseek.training.fields import as_data, by_name
from anyseek.training.looking import dev_metric, score_row
from anyseek.training.loop import StepReport, TrainOptions, train
from anyseek.training.losses import Objective, classification, contrastive, cosent, distillation, yes_no
from anyseek.training.processes import gather, meet, most, place
from anyseek.training.resume import Keeper
from anyseek.training.sampling import Batch, Draws, Mixture, Pairs, Share, Source
from anyseek.training.sharding import quiet, shard, whole
from anyseek.training.views import Views
from anyseek.training.watching import Guard, Metrics

__all__ = ["ObjectiveOptions", "Stage", "StageSource", "run_stage"]

ObjectiveName = Literal["auto", "contrastive", "classification", "cosent", "distillation"]
FIRST = 8
"""Documents that the first size of a quantisation step is taken from."""
OF_TASK: dict[str, ObjectiveName] = {"classification": "classification", "sts": "cosent"}
"""The others are contrastive."""
DRAWS: dict[ObjectiveName, Draws] = {"distillation": "scored", "cosent": "graded"}
"""The others draw any documents."""
FREE = (
    *("out", "keep_every", "dev", "evaluate_every", "slack", "tensorboard"),
    *("device", "attention", "kernels", "piece_tokens", "feature_bytes", "checkpointing", "parallel"),
)
"""Fields of a stage that may change when a run goes on: its losses do not follow from them, rounding aside."""


LORA = LoraOptions()
"""The report's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSource:
    """A dataset of a stage; see `Source`.

    Attributes:
        folder: of the dataset.
        weight: how often it is drawn.
        queries: of a batch.
        negatives: hard negatives of a query.
        objective: `auto` follows the task of the dataset.
    """

    folder: Path
    weight: float = 1.0
    queries: int = 32
    negatives: int = 1
    objective: ObjectiveName = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveOptions:
    """What the objectives of an embedder take.

    Attributes:
        temperature: of every softmax over cosines.
        margin: of the false-negative mask; None turns it off.
        symmetric: whether queries are compared with queries and documents with documents too, as in stage 1.
        widths: of vectors that should be good alone, besides the whole.
        precisions: in which they should be good too: `int8`, `binary`.
    """

    temperature: float = 0.02
    margin: float | None = 0.1
    symmetric: bool = True
    widths: tuple[int, ...] = ()
    precisions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything that a stage depends on.

    Attributes:
        kind: which model is trained.
        model: to begin with: a folder, or a name that `Embedder.load` takes.
        out: folder of the run; the model is written into its `model`, adapters alone into its `adapter`.
        sources: datasets.
        objective: of an embedder.
        training: steps and rates.
        lora: adapters that learn instead of the weights; None trains these.
        vision: whether the vision tower learns too, where there are no adapters.
        limits: how much of an input the model is shown while it learns; gaps are filled by the model's own, which the
            written model keeps.
        dtype: of the model while it learns; masters are fp32.
        device: where.
        attention: backend.
        kernels: what stands between the matrix products, one of `ops.KERNELS`.
        piece_tokens: tokens and merged patches of which the graph is held at once.
        feature_bytes: of vision features that are kept from step to step, where the tower does not learn.
        checkpointing: whether layers are computed again for their gradients.
        parallel: whether each of several processes has all the weights (`replicate`), or a part of each with its
            masters, moments and gradients, and layers are whole only while they run (`shard`).
        keep_every: steps between states that a run can go on from.
        dev: dataset on which the model must not get worse (R@1 of an embedder, accuracy of a reranker); None for none.
        evaluate_every: steps between looks at it.
        slack: how far the model may fall below its beginning there, for the noise of a small set.
        tensorboard: whether metrics go there too.
    """

    kind: Literal["embedder", "reranker"]
    model: str
    out: Path
    sources: tuple[StageSource, ...]
    training: TrainOptions
    objective: ObjectiveOptions = ObjectiveOptions()
    lora: LoraOptions | None = LORA
    vision: bool = False
    limits: Limits = Limits()
    dtype: str = "bfloat16"
    device: str = "auto"
    attention: str = "auto"
    kernels: str = "auto"
    piece_tokens: int = 16_384
    feature_bytes: int = 0
    checkpointing: bool = False
    parallel: Literal["replicate", "shard"] = "replicate"
    keep_every: int = 200
    dev: Path | None = None
    evaluate_every: int = 200
    slack: float = 0.0
    tensorboard: bool = False

    def __post_init__(self) -> None:
        """Raise ConfigError for looks or states that never come."""
        if self.keep_every < 1 or self.evaluate_every < 1:
            raise ConfigError(
                f"keep_every and evaluate_every must be at least 1 (got {self.keep_every} and {self.evaluate_every}); "
                "dev=null turns the looks off"
            )

    @property
    def sharded(self) -> bool:
        """Whether the weights are divided among the processes."""
        return self.parallel == "shard"


def run_stage(stage: Stage, *, show_progress_bar: bool = True) -> Path:
    """Train, and write the model; a run that was stopped goes on.

    Args:
        stage: what to do; the same `out` means the same run.
        show_progress_bar: on stderr.

    Returns:
        Folder of the trained model, adapters merged.

    Raises:
        ConfigError: something of the stage makes no sense, or a stopped run in `out` had other settings.
        InputError: a dataset cannot be read.
        TrainingError: the loss is not finite, or the model gets worse on the development set.
    """
    rank, processes = place()
    model = _loaded(stage)
    learning = _learning(model.backbone, stage)
    share = Share(seed=stage.training.seed, rank=rank, processes=processes)
    mixture = Mixture([_source(one, stage) for one in stage.sources], model.processor, share)
    course = _Embedding(model, mixture, stage) if isinstance(model, Embedder) else _Reranking(model, mixture, stage)
    keeper = _keeper(stage, rank, processes)
    look = dev_metric(model, stage.dev) if stage.dev else None
    with ExitStack() as stack:
        metrics = stack.enter_context(Metrics(stage.out, stage.tensorboard)) if rank == 0 else None
        bar = stack.enter_context(
            tqdm(total=stage.training.steps, desc=stage.out.name, disable=rank > 0 or not show_progress_bar)
        )
        if stage.sharded:
            stack.enter_context(quiet())
        guard = None
        if look and (rank == 0 or stage.sharded):  # with shards all look at it together
            guard = Guard(look, stage.out, stage.evaluate_every, stage.slack, keeper)

        def after_step(report: StepReport) -> None:
            """Tell, and look at the development set now and then."""
            bar.update(report.step + 1 - bar.n)
            bar.set_postfix(loss=f"{report.loss:.3f}")
            found = guard(report) if guard else {}
            if metrics:
                metrics(report, **found)

        parts: nn.Module = learning
        if isinstance(course, _Embedding):
            course.begin()
            parts = nn.ModuleList([learning, course.views])
        train(parts, course.batches, course.loss, stage.training, after_step, keeper)
        found = guard.end() if guard else {}
        if metrics and guard and guard.last and found:
            metrics(guard.last, **found)
    return _finish(model, stage, rank, course.views if isinstance(course, _Embedding) else None)


def _source(one: StageSource, stage: Stage) -> Source:
    """A dataset with what its objective draws."""
    dataset = Dataset.open(one.folder)
    draws = "judged" if stage.kind == "reranker" else DRAWS.get(_objective_name(one, dataset), "any")
    return Source(dataset=dataset, weight=one.weight, queries=one.queries, negatives=one.negatives, draws=draws)


def _keeper(stage: Stage, rank: int, processes: int) -> Keeper:
    """What keeps the states of the run, and knows whose they are."""
    settings = {name: value for name, value in by_name(as_data(stage)) if name not in FREE}
    return Keeper(
        folder=stage.out / "states",
        every=stage.keep_every,
        writes=rank == 0,
        part=(rank, processes) if stage.sharded else None,
        settings=settings | {"processes": processes},
    )


def _loaded(stage: Stage) -> Embedder | Reranker:
    """The model to begin with."""
    load = Embedder.load if stage.kind == "embedder" else Reranker.load
    caches = CacheOptions(graphs=0) if stage.sharded else CacheOptions()  # a graph cannot bring shards together
    given = {name: getattr(stage, name) for name in ("dtype", "device", "kernels", "limits")}
    return load(stage.model, caches=caches, **given)


def _learning(backbone: Backbone, stage: Stage) -> Backbone:
    """The model with what should learn of it, in shards where that is wanted."""
    backbone.train().requires_grad_(False)
    backbone.use_checkpointing(stage.checkpointing)
    if stage.lora:
        add_lora(backbone, stage.lora, torch.Generator().manual_seed(stage.training.seed))
    else:
        backbone.language_model.requires_grad_(True)
        if stage.vision and backbone.visual is not None:
            backbone.visual.requires_grad_(True)
    if stage.sharded:
        shard(backbone)
    return backbone


class _Embedding:
    """How an embedder learns."""

    def __init__(self, model: Embedder, mixture: Mixture, stage: Stage) -> None:
        """See `Stage`."""
        self.states = _states(model.backbone, stage)
        self.stage, self.batches = stage, mixture.batches
        self.objectives = [
            _objective(one, source.dataset, stage.objective)
            for one, source in zip(stage.sources, mixture.sources, strict=True)
        ]
        widths = sorted({model.dim, *stage.objective.widths}, reverse=True)
        if widths[0] > model.dim:
            raise ConfigError(f"widths go up to {widths[0]}, but the vectors of {stage.model} have {model.dim} numbers")
        self.views = Views(widths, stage.objective.precisions).to(next(model.backbone.parameters()).device)

    @torch.no_grad()
    def begin(self) -> None:
        """Let the steps of quantisation begin with vectors of the model; a run that goes on then reads its own."""
        if self.stage.objective.precisions:
            batch = next(iter(self.batches(0)))
            self.views.start(gather(self.states(batch.inputs[batch.queries :][:FIRST]).float()))

    def loss(self, batch: Batch) -> Tensor:
        """Of all processes' batches together; gradients lie on the weights afterwards."""
        judged, count = batch.judged(), batch.queries
        objective = self.objectives[batch.source]

        def loss_of(vectors: Tensor) -> Tensor:
            """In fp32, as cosines are compared closely."""
            queries, documents = gather(vectors[:count].float()), gather(vectors[count:].float())
            found: Tensor = self.views(objective, queries, documents, judged.to(queries.device))
            return found

        return _backward(self.states, batch.inputs, self.stage, loss_of)


class _Reranking:
    """How a reranker learns."""

    def __init__(self, model: Reranker, mixture: Mixture, stage: Stage) -> None:
        """See `Stage`."""
        self.states = _states(model.backbone, stage)
        self.model, self.stage, self.batches = model, stage, mixture.pairs

    def loss(self, pairs: Pairs) -> Tensor:
        """Gradients lie on the weights afterwards."""

        def loss_of(states: Tensor) -> Tensor:
            """With the row as it is now, which learns too where the output head is the embedding."""
            return yes_no(yes_no_logit(states, score_row(self.model)), pairs.labels.to(states.device))

        return _backward(self.states, pairs.inputs, self.stage, loss_of)


def _states(backbone: Backbone, stage: Stage) -> States:
    """How inputs are computed."""
    if stage.sharded and stage.feature_bytes:
        raise ConfigError("feature_bytes and parallel=shard exclude each other: all processes make the same passes")
    shared = most if stage.sharded else None
    return States(backbone, stage.attention, most=shared, feature_bytes=stage.feature_bytes)


def _backward(states: States, inputs: tuple[Laid, ...], stage: Stage, loss_of: Callable[[Tensor], Tensor]) -> Tensor:
    """The loss, with its gradients on the weights."""
    alike = most if stage.sharded else int
    return backward_in_pieces(states, inputs, [one.cost for one in inputs], stage.piece_tokens, loss_of, alike)


def _objective_name(source: StageSource, dataset: Dataset) -> ObjectiveName:
    """What a dataset is learnt by, by name."""
    return source.objective if source.objective != "auto" else OF_TASK.get(dataset.task, "contrastive")


def _objective(source: StageSource, dataset: Dataset, options: ObjectiveOptions) -> Objective:
    """What a dataset is learnt by."""
    name = _objective_name(source, dataset)
    known: dict[str, Callable[..., Tensor]] = {
        "contrastive": partial(contrastive, margin=options.margin, symmetric=options.symmetric),
        "classification": classification,
        "cosent": cosent,
        "distillation": distillation,
    }
    if name not in known:
        raise ConfigError(f"{dataset.name}: objective {name!r} is unknown; choose from auto, {', '.join(known)}")
    return partial(known[name], temperature=options.temperature)


def _finish(model: Embedder | Reranker, stage: Stage, rank: int, views: Views | None) -> Path:
    """The trained model as a folder, and what learns beside its weights as another."""
    folder = stage.out / "model"
    if stage.sharded:
        model.backbone = whole(model.backbone)
    if rank == 0:
        if stage.lora:
            known = released(stage.model, "embedding" if stage.kind == "embedder" else "reranking")
            save_adapter(model.backbone, stage.out / "adapter", base=known.hub_id if known else stage.model)
        merge_lora(model.backbone)
        model.backbone.eval()
        model.save(folder)
        if views is not None and views.steps:
            keep_own(folder, "steps", views.sizes())
    meet()
    return folder
