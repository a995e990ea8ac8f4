"""A result as tables for the terminal and as Markdown."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from anyseek.evaluation.tasks.intervals import Estimate, Sampled
from anyseek.evaluation.tasks.run import EMBEDDER, TaskResult
from anyseek.evaluation.tasks.summary import Line, Result, by_category, by_query, by_task, by_width, compare

__all__ = ["Table", "against_table", "file_stem", "line", "markdown", "tables", "write"]

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""Column names, a leading `>` setting one to the right, and rows."""

READING = """\
- All numbers are in %. In brackets: 95 % of the draws when the queries are drawn again (bootstrap, 1,000 draws). A
  gain is taken draw by draw from the same queries: it is better or worse where its interval does not hold 0, and open
  where it does, or where there are fewer than 10 queries.
- The categories have the shape of MMEB-V2's and its measures: hit@1 for pictures and videos, nDCG@5 for visual
  documents. The data is this project's own world, so the numbers do not stand beside MMEB-V2's.
- A mean over a category is over its tasks; `all` is over the tasks of pictures, videos and visual documents.
- Every query has compositions of objects that training never shows; a third has objects it never shows at all.
- chance: what random orders are expected to give.
- reranked: the order of the reranker alone among the best by vector. fused: its log-odds and the cosine as one score.
- By language: means over the queries of all tasks that are judged query by query; the tasks in them differ.
"""


def line(result: TaskResult) -> str:
    """A task in a few words, for progress."""
    scores = ", ".join(f"{name} {100 * result.score(name):.1f}" for name in result.rows)
    return f"{result.name}: {result.measure.title} {scores} (chance {100 * result.chance:.1f})"


def tables(result: Result, *, brief: bool = False) -> dict[str, Table]:
    """The tables of a result by title.

    Args:
        result: of a run.
        brief: for narrow terminals: half the interval behind `±`, and only the last order's gain.
    """
    tasks = result.tasks
    found = {"By category": (by_category(tasks), "mean over", "tasks"), "By task": (by_task(tasks), "task", "queries")}
    if groups := by_query(tasks):
        found["By language and split"] = (groups, "queries", "number")
    made = {title: (_brief if brief else _lines)(*given) for title, given in found.items()}
    return made | {f"Width and precision: {label}": _widths(cells) for label, cells in by_width(tasks).items()}


def _lines(lines: Sequence[Line], label: str, count: str) -> Table:
    """One row of each line: measure, chance, then each order, then gains over the vectors alone."""
    orders = tuple(lines[0].orders)
    others = tuple(name for name in orders if name != EMBEDDER)
    columns = (label, f">{count}", "measure", ">chance", *(f">{name}" for name in orders))
    rows = []
    for one in lines:
        estimates, gains = one.estimates(), one.gains()
        cells = [one.label, str(one.count), one.measure or "mean", f"{100 * one.chance:.1f}"]
        cells += [_cell(estimates[name]) for name in orders]
        rows.append((*cells, *(f"{_cell(gains[name], '+')} {gains[name].verdict}" for name in others)))
    return columns + tuple(f">{name} - {EMBEDDER}" for name in others), rows


def _brief(lines: Sequence[Line], label: str, count: str) -> Table:
    """The same in fewer letters."""
    rows = []
    for one in lines:
        estimates, gains = one.estimates(), one.gains()
        cells = [one.label, str(one.count), f"{100 * one.chance:.1f}"]
        cells += [f"{100 * found.score:.1f} ±{50 * (found.high - found.low):.1f}" for found in estimates.values()]
        rows.append((*cells, *(f"{100 * gain.score:+.1f} {gain.verdict}" for gain in list(gains.values())[-1:])))
    gain = (">gain",) if len(lines[0].orders) > 1 else ()
    return (label, f">{count}", ">chance", *(f">{name}" for name in lines[0].orders), *gain), rows


def _widths(cells: Mapping[tuple[int, str], Sampled]) -> Table:
    """One row of each width, one column of each precision."""
    precisions = tuple(dict.fromkeys(precision for _, precision in cells))
    rows = [
        (str(width), *(_cell(cells[width, precision].estimate()) for precision in precisions))
        for width in dict.fromkeys(width for width, _ in cells)
    ]
    return (">numbers", *(f">{precision}" for precision in precisions)), rows


def against_table(ours: Result, theirs: Result) -> Table:
    """Differences of two results, ours less theirs.

    Raises:
        ConfigError: they do not have the same queries.
    """
    lines = compare(ours, theirs)
    orders = tuple(lines[0].orders)
    rows = []
    for one in lines:
        estimates = one.estimates()
        cells = tuple(f"{_cell(estimates[name], '+')} {estimates[name].verdict}" for name in orders)
        rows.append((one.label, str(one.count), *cells))
    return ("mean over", ">tasks", *(f">{name}" for name in orders)), rows


def _cell(estimate: Estimate, sign: str = "") -> str:
    """`41.2 (35.0 to 47.1)`."""
    low, high = (f"{100 * bound:{sign}.1f}" for bound in (estimate.low, estimate.high))
    return f"{100 * estimate.score:{sign}.1f} ({low} to {high})"


def markdown(result: Result, theirs: Result | None = None) -> str:
    """The whole result, beside another where one is given."""
    settings = " ".join(f"--{name} {value}" for name, value in result.settings.items() if value is not None)
    reranker = f", reranker {result.reranker}" if result.reranker else ""
    pieces = [f"# Quality of {result.model}", f"`anyseek evaluate --model {result.model} {settings}`{reranker}."]
    for title, table in tables(result).items():
        pieces += [f"## {title}", _as_markdown(table)]
    if theirs is not None:
        pieces += [f"## Less {theirs.model}", _as_markdown(against_table(result, theirs))]
    return "\n\n".join([*pieces, "## How to read it", READING])


def file_stem(result: Result) -> str:
    """`quality-MODEL`."""
    return "-".join(["quality", *re.findall(r"[a-z0-9]+", Path(result.model).name.lower())])


def write(result: Result, folder: Path, theirs: Result | None = None) -> Path:
    """Write the Markdown; returns where."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{file_stem(result)}.md"
    path.write_text(markdown(result, theirs), encoding="utf-8")
    return path


def _as_markdown(table: Table) -> str:
    """A table in Markdown."""
    columns, rows = table
    head = "| " + " | ".join(name.lstrip(">") for name in columns) + " |"
    rule = "|" + "|".join("---:" if name.startswith(">") else "---" for name in columns) + "|"
    return "\n".join([head, rule, *("| " + " | ".join(cells) + " |" for cells in rows)])
