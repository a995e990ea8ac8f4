"""What the frameworks share of the models: loading by name, vectors as lists, the best of some documents."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from anyseek.engine import Embedder, Reranker, Scored
from anyseek.errors import ConfigError, DependencyError
from anyseek.items import Item

__all__ = ["OnError", "best", "embedder_of", "given", "name_of", "needs", "reranker_of"]

log = logging.getLogger("anyseek")

OnError = Literal["raise", "leave_out"]


def needs(package: str, extra: str) -> DependencyError:
    """What is said to whoever lacks a framework."""
    module = extra.replace("-", "_")
    return DependencyError(f"anyseek.integrations.{module} needs {package}: pip install 'anyseek[{extra}]'")


def embedder_of(model: Embedder | str | Path) -> Embedder:
    """A model that is loaded, or is now, by its name."""
    return Embedder.load(model) if isinstance(model, (str, Path)) else model


def reranker_of(model: Reranker | str | Path) -> Reranker:
    """A model that is loaded, or is now, by its name."""
    return Reranker.load(model) if isinstance(model, (str, Path)) else model


def name_of(model: Embedder | Reranker | str | Path) -> str | None:
    """What a copy loads the same model by: a name or a folder; None when it came from neither."""
    source = model if isinstance(model, (str, Path)) else model.source
    return None if source is None else str(source)


def given(value: Any) -> Any:
    """What these frameworks hand over, for `Item.of`: a str is text, even one that looks like an address."""
    return {"text": value} if isinstance(value, str) else value


def best(
    reranker: Reranker,
    query: Item,
    documents: Sequence[Item],
    *,
    top: int | None,
    instruction: str | None,
    on_error: OnError,
) -> list[tuple[int, float]]:
    """Row and probability of the best documents, best first.

    Args:
        reranker: reads them.
        query: with each.
        documents: in any order.
        top: how many; None gives all.
        instruction: what counts as relevant, for a query without its own.
        on_error: `raise`, or `leave_out` with a line in the log.

    Raises:
        InputError: a document cannot be read; the message names its row, `pairs[3]`.
        ConfigError: fewer than one are wanted.
    """
    if top is not None and top < 1:
        raise ConfigError(f"top_n must be at least 1, or None for all (got {top})")
    pairs = [(query, document) for document in documents]
    if on_error == "raise":
        found = Scored(reranker.predict(pairs, instruction=instruction))
    else:
        found = reranker.predict(pairs, instruction=instruction, on_error="collect")
    for row, error in found.errors.items():
        log.warning("document %d is left out: %s", row, error)
    rows = [int(row) for row in np.argsort(-found.scores, kind="stable") if row not in found.errors]
    return [(row, float(found.scores[row])) for row in rows[:top]]
