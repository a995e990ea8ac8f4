"""How good a model is on a development set while it learns."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from anyseek.engine import Embedder, Reranker
from anyseek.errors import ConfigError
from anyseek.training.data import Dataset
from anyseek.training.ranking import recall_at_1
from anyseek.training.sharding import in_shards

__all__ = ["dev_metric", "score_row"]


def dev_metric(model: Embedder | Reranker, folder: Path) -> Callable[[], float]:
    """What looks at a development set with the model as it then is.

    Returns:
        A function that gives R@1 of an embedder, or how often a reranker puts the positive before the negatives.

    Raises:
        ConfigError: no row of the dataset can tell.
        InputError: it cannot be read.
    """
    dataset, judges = Dataset.open(folder), isinstance(model, Reranker)
    if not any(row["positives"] and (row["negatives"] or not judges) for row in dataset.judged()):
        needs = "a positive and a negative" if judges else "a positive"
        remedy = "add them (`anyseek mine` finds negatives)" if judges else "choose a dataset of another task"
        raise ConfigError(
            f"dev={dataset.folder}: no row has {needs}, so that nothing tells whether the model gets worse; {remedy}, "
            "or set dev=null"
        )
    return partial(_on_dev, model, dataset)


def score_row(model: Reranker) -> Tensor:
    """`(hidden,)` from no to yes: of a tied model whose embeddings learn, as they are now and with their gradient."""
    embeddings = model.backbone.language_model.embed_tokens
    weight: Tensor = embeddings.weight
    if not (model.backbone.config.tie_word_embeddings and weight.requires_grad):
        return model.score_row.to(weight.device)
    ids = torch.tensor(model.processor.tokenizer.yes_no_ids(), device=weight.device)
    if torch.is_grad_enabled():
        rows: Tensor = embeddings(ids)  # not those of its weight: the gradient of shards goes through the layer
    else:  # a layer in shards cannot run before the model has
        rows = (weight.full_tensor() if in_shards(weight) else weight)[ids]
    yes: Tensor = rows[0].float()
    return yes - rows[1].float()


@torch.inference_mode()
def _on_dev(model: Embedder | Reranker, dataset: Dataset) -> float:
    """R@1, or the share of queries in the right order."""
    model.backbone.eval()
    try:
        if isinstance(model, Embedder):
            return _recall(model, dataset)
        model.score_row = score_row(model).cpu()
        return _order(model, dataset)
    finally:
        model.backbone.train()


def _recall(model: Embedder, dataset: Dataset) -> float:
    """Share of queries whose best document is a positive."""
    keys, documents = zip(*dataset.items("corpus"), strict=True)
    examples = [example for example in dataset.examples() if example.positives]
    queries, shown = model.encode([example.query for example in examples]), model.encode(list(documents))
    number = {key: place for place, key in enumerate(keys)}
    relevant = [{number[key] for key in one.positives if key in number} for one in examples]
    return recall_at_1(model.similarity(queries, shown), relevant)


def _order(model: Reranker, dataset: Dataset) -> float:
    """Share of queries whose first positive scores above all of their negatives."""
    examples = [example for example in dataset.examples() if example.positives and example.negatives]
    pairs: list[tuple[Any, Any]] = [
        (one.query, dataset.document(key)) for one in examples for key in (one.positives[0], *one.negatives)
    ]
    scores = iter(model.predict(pairs, activation="none"))
    right = [next(scores) > max(next(scores) for _ in one.negatives) for one in examples]
    return float(np.mean(right))
