"""Expected numbers in a folder: `cases.json`, `golden.json` and `inputs/`, made with the public code."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from anyseek.errors import ConfigError
from anyseek.evaluation.conformance.compare import Tolerance, difference
from anyseek.evaluation.conformance.diagnosis import Finding
from anyseek.evaluation.conformance.pack import Case
from anyseek.evaluation.conformance.trace import Trace, Tracer
from anyseek.items import Item
from anyseek.model.hub import Kind

__all__ = ["golden_findings"]

MEDIA = ("image", "video")


def golden_findings(tracer: Tracer, folder: Path, kind: Kind, tolerance: Tolerance) -> Iterator[Finding]:
    """Our records against the expected ones: token ids, grids, vectors or scores.

    Args:
        tracer: our model, of the checkpoint that the numbers were made with.
        folder: with the three.
        kind: which of its cases.
        tolerance: how far we may be from them.

    Raises:
        ConfigError: the folder is not such a folder.
    """
    try:
        cases, expected = (
            json.loads((folder / name).read_text("utf-8"))[kind] for name in ("cases.json", "golden.json")
        )
        entries = list(zip(cases, expected, strict=True))
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ConfigError(f"{folder} holds no cases.json and golden.json that fit together ({error})") from error
    for number, (case, record) in enumerate(entries):
        pairs = _embedding(case, record, folder) if kind == "embedding" else _reranking(case, record, folder)
        for place, (items, right) in enumerate(pairs):
            name = f"{number}" if kind == "embedding" else f"{number}.{place}"
            own = tracer.trace(Case(name=name, items=items))
            yield Finding(f"golden {name}", difference(right, own, tolerance))


Expected = tuple[tuple[Item, ...], Trace]


def _embedding(case: Mapping[str, Any], record: Mapping[str, Any], folder: Path) -> list[Expected]:
    """One input."""
    grids = [grid for name in ("video_grid_thw", "image_grid_thw") for grid in record.get(name, ())]
    right = Trace(
        token_ids=tuple(record["input_ids"]),
        grids=tuple(map(tuple, grids)),
        vector=torch.tensor(record["embedding"]),
    )
    return [((_item(case, folder),), right)]


def _reranking(case: Mapping[str, Any], record: Mapping[str, Any], folder: Path) -> list[Expected]:
    """One query and its documents."""
    query = replace(_item(case["query"], folder), instruction=case.get("instruction"))
    scores = torch.tensor(record["logits"], dtype=torch.float64).sigmoid().tolist()
    pairs = zip(case["documents"], scores, strict=True)
    return [((query, _item(document, folder)), Trace(score=score)) for document, score in pairs]


def _item(case: Mapping[str, Any], folder: Path) -> Item:
    """The dictionary form, its files found."""

    def found(value: Any) -> Any:
        return [found(entry) for entry in value] if isinstance(value, list) else str(folder / "inputs" / value)

    return Item.of({key: found(value) if key in MEDIA else value for key, value in case.items()})
