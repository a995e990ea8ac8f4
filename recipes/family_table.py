"""The results of the family side by side, as Markdown: what each stage gives, what reranking adds, what widths cost."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["tables", "write"]

Result = Mapping[str, Any]
LAST = "s3"


def write(results: Path, names: Iterable[str], out: Path) -> None:
    """Write the tables of the results of `anyseek evaluate --write results/NAME`."""
    found = {name: json.loads(next((results / name).glob("*.json")).read_text(encoding="utf-8")) for name in names}
    out.write_text("\n\n".join(tables(found)) + "\n", encoding="utf-8")


def tables(results: Mapping[str, Result]) -> list[str]:
    """Categories by stage, then of the last model languages, and widths by precision."""
    return [_categories(results), _groups(results), _widths(results[LAST])]


def _categories(results: Mapping[str, Result]) -> str:
    """One line for each category, one column for each model, and what the reranker makes of the last one's order."""
    lines = _by_label(results, "categories")
    head = ["mean over", "tasks", "chance", *results, f"{LAST}, reranked (95 %)"]
    return _table(head, [[*_row(label, found), _gain(found[LAST])] for label, found in lines.items()])


def _groups(results: Mapping[str, Result]) -> str:
    """One line for each group of languages, and for what training showed or not."""
    lines = _by_label(results, "groups")
    head = ["queries", "number", "chance", *results, f"{LAST}, reranked (95 %)"]
    return _table(head, [[*_row(label, found), _gain(found[LAST])] for label, found in lines.items()])


def _widths(result: Result) -> str:
    """One line for each width, one column for each precision: the mean over all tasks of the suite."""
    cells = {(one["dim"], one["precision"]): one["score"] for one in result["widths"]["all"]}
    precisions = list(dict.fromkeys(precision for _, precision in cells))
    rows = [
        [str(width), *(_percent(cells[width, precision]) for precision in precisions)]
        for width in dict.fromkeys(width for width, _ in cells)
    ]
    return _table(["numbers", *precisions], rows)


def _by_label(results: Mapping[str, Result], part: str) -> dict[str, dict[str, Any]]:
    """Label -> model -> line."""
    found: dict[str, dict[str, Any]] = {}
    for name, result in results.items():
        for line in result[part]:
            found.setdefault(line["label"], {})[name] = line
    return found


def _row(label: str, lines: Mapping[str, Any]) -> list[str]:
    """What all tables of lines begin with."""
    one = lines[LAST]
    scores = [_percent(line["orders"]["embedder"]["score"]) for line in lines.values()]
    return [label, f"{one['count']}", _percent(one["chance"]), *scores]


def _gain(line: Mapping[str, Any]) -> str:
    """The fused order, and its gain with an interval."""
    gain = line["gains"]["fused"]
    low, high = (f"{100 * gain[end]:+.1f}" for end in ("low", "high"))
    return f"{_percent(line['orders']['fused']['score'])} ({low} to {high})"


def _percent(share: float) -> str:
    """One decimal."""
    return f"{100 * share:.1f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
