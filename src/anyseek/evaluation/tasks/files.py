"""A result as plain data, for JSON, and back: two results can be compared without running either again."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from anyseek.errors import ConfigError
from anyseek.evaluation.tasks.intervals import Sampled
from anyseek.evaluation.tasks.run import Asked, TaskResult
from anyseek.evaluation.tasks.summary import Line, Result, by_category, by_query, by_task, by_width
from anyseek.evaluation.tasks.task import Measure, Ranking, Rows

__all__ = ["as_data", "from_data", "read"]

DIGITS = 6


def as_data(result: Result) -> dict[str, Any]:
    """Everything: the numbers with their intervals, and what came of each query."""
    return {
        "model": result.model,
        "reranker": result.reranker,
        "settings": dict(result.settings),
        "categories": [line_data(line) for line in by_category(result.tasks)],
        "groups": [line_data(line) for line in by_query(result.tasks)],
        "widths": {
            label: [{"dim": width, "precision": kind, **_number(found)} for (width, kind), found in cells.items()]
            for label, cells in by_width(result.tasks).items()
        },
        "tasks": [
            _task_data(task) | line_data(line) for task, line in zip(result.tasks, by_task(result.tasks), strict=True)
        ],
    }


def line_data(line: Line) -> dict[str, Any]:
    """One line of a table."""
    data = {"label": line.label, "count": line.count, "measure": line.measure, "chance": round(line.chance, DIGITS)}
    gains = line.gains() if "embedder" in line.orders else {}
    return data | {
        "orders": {name: _number(order) for name, order in line.orders.items()},
        "gains": {
            name: {"score": one.score, "low": one.low, "high": one.high, "verdict": one.verdict}
            for name, one in gains.items()
        },
    }


def _number(found: Sampled) -> dict[str, float]:
    """A number with its interval."""
    estimate = found.estimate()
    return {key: round(getattr(estimate, key), DIGITS) for key in ("score", "low", "high")}


def _task_data(task: TaskResult) -> dict[str, Any]:
    """What came of each query of a task."""
    return {
        "name": task.name,
        "category": task.category,
        "seed": task.seed,
        "documents": task.documents,
        "judged": task.measure.name,
        "asked": [{"language": q.language, "seen": q.seen, "chance": q.chance} for q in task.asked],
        "rows": {name: rows.tolist() for name, rows in task.rows.items()},
        "grid": [{"dim": w, "precision": p, "rows": rows.tolist()} for (w, p), rows in task.grid.items()],
        "rankings": {
            name: [{"documents": list(one.documents), "scores": list(one.scores)} for one in rankings]
            for name, rankings in task.rankings.items()
        },
    }


def from_data(data: Mapping[str, Any]) -> Result:
    """The result that `as_data` was made of; means and intervals are computed again."""
    return Result(
        model=data["model"],
        reranker=data["reranker"],
        settings=data["settings"],
        tasks=tuple(_task(task) for task in data["tasks"]),
    )


def _task(data: Mapping[str, Any]) -> TaskResult:
    """One task."""
    return TaskResult(
        name=data["name"],
        category=data["category"],
        measure=Measure(data["judged"]),
        seed=data["seed"],
        documents=data["documents"],
        asked=tuple(Asked(**query) for query in data["asked"]),
        rows={name: _rows(rows) for name, rows in data["rows"].items()},
        rankings={
            name: tuple(Ranking(tuple(one["documents"]), tuple(one["scores"])) for one in rankings)
            for name, rankings in data["rankings"].items()
        },
        grid={(cell["dim"], cell["precision"]): _rows(cell["rows"]) for cell in data["grid"]},
    )


def _rows(rows: Any) -> Rows:
    """Rows as an array."""
    return np.array(rows, dtype=np.float64)


def read(path: Path) -> Result:
    """A result written as JSON.

    Raises:
        ConfigError: it is not there, or is no such file.
    """
    try:
        return from_data(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is not a result of `anyseek evaluate --json` ({error!r})") from error
