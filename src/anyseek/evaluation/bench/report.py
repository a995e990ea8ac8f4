"""A result as a table for the terminal, as Markdown, and as plain data."""

import math
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from anyseek.evaluation.bench.engines import FEATURE_BYTES
from anyseek.evaluation.bench.fresh import Load
from anyseek.evaluation.bench.measure import Entry, Row
from anyseek.evaluation.bench.run import Result

__all__ = ["as_data", "file_name", "line", "load_table", "markdown", "notes", "row_table", "write"]

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""Column names, a leading `>` setting one to the right, and rows."""


def row_table(result: Result, *, brief: bool = False) -> Table:
    """One line of each workload: what we reach, its share of the machine's limit, ratios measured (and predicted).

    Args:
        result: of a run.
        brief: names of workloads instead of titles and no seconds, for narrow terminals.
    """
    peers = [name for name in result.versions if name not in ("Python", "torch")]
    columns = ("workload", ">items/s", ">tokens/s", ">limit", *(f"x {name}" for name in peers))
    if not brief:
        columns += ("seconds",)
    if result.device.startswith("cuda"):
        columns += (">GB",)
    return columns, [_cells(row, peers, result, brief) for row in result.rows]


def _cells(row: Row, peers: Sequence[str], result: Result, brief: bool) -> tuple[str, ...]:
    """The cells of a row."""
    ours = row.ours
    flops = ours.work.flops if ours.work else math.nan
    share = result.ceilings.least_seconds(flops, row.weight_bytes) / ours.median
    cells = (
        row.name if brief else row.title,
        _short(row.items / ours.median),
        _short(row.tokens / ours.median),
        f"{share:.0%}",
        *(next((_ratio(e, ours) for e in row.others if e.engine.split(" ")[0] == peer), "-") for peer in peers),
    )
    if not brief:
        cells += (_seconds(ours),)
    if result.device.startswith("cuda"):
        cells += ("-" if ours.peak_bytes is None else f"{ours.peak_bytes / 1e9:.2f}",)
    return cells


def load_table(result: Result) -> Table:
    """Load time and peak memory of each engine."""
    columns = ("engine", "load, s", "process to first vector, s", "peak host memory, GB", "peak device memory, GB")
    return columns, [_load_cells(load) for load in result.loads]


def _load_cells(load: Load) -> tuple[str, ...]:
    """The cells of one engine."""
    if load.reason:
        return load.engine, f"failed: {load.reason}", "", "", ""
    on_device = "-" if load.device_bytes is None else f"{load.device_bytes / 1e9:.2f}"
    times = f"{load.load_seconds:.1f}", f"{load.first_seconds:.1f}"
    return load.engine, *times, f"{load.peak_bytes / 1e9:.2f}", on_device


def line(row: Row) -> str:
    """A row in a few words, for progress."""
    parts = [f"{_seconds(row.ours)} s"]
    for entry in row.others:
        ratio = "" if entry.reason else f"{_ratio(entry, row.ours)} "
        equal = f"equal within {entry.difference:.1g}" if entry.difference is not None else ""
        parts.append(f"{ratio}{entry.engine}: {entry.reason or equal}")
    return "; ".join(parts)


def notes(result: Result) -> list[str]:
    """What the tables leave out: comparisons without a column, why something was not run, how equal results were."""
    found: list[str] = []
    for row in result.rows:
        for entry in row.others:
            if entry.engine == "its first query":
                found.append(f"{row.title}: {_ratio(entry, row.ours)} its first query, which saw the same pages.")
            elif entry.reason and entry.difference is None:
                found.append(f"{row.title}: {entry.engine}: {entry.reason}.")
            elif entry.is_wrong:
                found.append(f"{row.title}: {entry.engine} was not timed: {entry.reason}.")
    largest = max((e.difference for r in result.rows for e in r.others if e.difference is not None), default=math.nan)
    found.append(
        f"Results were compared before anything was timed, where no peer ran with the same inputs one by one: the "
        f"largest difference is {largest:.1g}. Allowed are {result.tolerance.vectors:.2g} between vectors of length 1 "
        f"and {result.tolerance.scores:.2g} between probabilities."
    )
    return list(dict.fromkeys(found))


READING = f"""\
- seconds: median of the rounds (fastest to slowest, rounds); engines take turns in each round.
- GB: memory of the accelerator that a round needs above the loaded models.
- tokens/s: tokens of the whole prompts, whether or not they had to be computed.
- limit: the least time that this machine could take (operations that were run at the rate of the matrix product, or all
  weights read once at the rate of the copy, whichever is longer), as a share of the time taken.
- x PEER: its time over ours; in brackets what the operations alone predict, counted while both ran, padding and
  repetition included.
- transformers goes the way of the public code: padded batches of 16 to embed, one pair at a time to score.
  sentence-transformers is called with its defaults. Both open the same files as we do, and both choose their own
  attention.
- load: from the call to a loaded model. The peers import their own modules in it, we do not: compare the whole process.
- Vision features are forgotten before each round but for a second query; the cache may hold {FEATURE_BYTES >> 30} GB.
  The template's keys and values stay, as in service. Weights are random.
"""


def markdown(result: Result) -> str:
    """The whole result."""
    options, ceilings = result.options, result.ceilings
    when = date.fromisoformat(f"{result.month}-01").strftime("%B %Y")
    place = f"{result.threads} threads" if result.device == "cpu" else result.device
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    chosen = "".join(f" --workload {name}" for name in options.workloads)
    chosen += f" --kernels {options.kernels}" if options.kernels != "auto" else ""
    command = f"anyseek bench --shape {options.shape} --device {result.device} --dtype {result.dtype}{chosen}"
    pieces = [
        f"# Speed: {options.shape} shape on {result.hardware}, {when}",
        f"`{command}`, {result.dtype}, {place}. {versions}. The machine's own limits, measured in the same run: "
        f"{ceilings.flops / 1e9:,.0f} GFLOP/s in a matrix product, {ceilings.bytes / 1e9:,.1f} GB/s in a copy.",
    ]
    pieces += [_as_markdown(table) for table in (row_table(result), load_table(result)) if table[1]]
    pieces += ["\n".join(f"- {note}" for note in notes(result)), READING]
    return "\n\n".join(pieces)


def as_data(result: Result) -> dict[str, Any]:
    """Everything, for JSON: what is not a number becomes null there."""
    data = asdict(result)
    for row, plain in zip(result.rows, data["rows"], strict=True):
        plain["ours"]["median"] = row.ours.median
        for entry, other in zip(row.others, plain["others"], strict=True):
            other |= {
                "median": entry.median,
                "ratio": entry.median / row.ours.median,
                "predicted": _predicted(entry, row.ours),
            }
    return data


def file_name(result: Result) -> str:
    """`speed-SHAPE-HARDWARE-MONTH.md`."""
    hardware = re.sub(r"\([^)]*\)|\b(cpu|processor|@.*)", " ", result.hardware, flags=re.IGNORECASE)
    return "-".join(re.findall(r"[a-z0-9]+", f"speed {result.options.shape} {hardware} {result.month}".lower())) + ".md"


def write(result: Result, folder: Path) -> Path:
    """Write the Markdown; returns where."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file_name(result)
    path.write_text(markdown(result), encoding="utf-8")
    return path


def _ratio(entry: Entry, ours: Entry) -> str:
    """`4.1x (3.9x)`: measured, and what the operations predict."""
    if entry.reason:
        return "-"
    return f"{entry.median / ours.median:.1f}x ({_predicted(entry, ours):.1f}x)"


def _predicted(entry: Entry, ours: Entry) -> float:
    """The ratio of operations."""
    return entry.work.flops / ours.work.flops if entry.work and ours.work else math.nan


def _seconds(entry: Entry) -> str:
    """`1.20 (1.10-1.40, 5)`."""
    low, high = min(entry.seconds), max(entry.seconds)
    return f"{entry.median:.3g} ({low:.3g}-{high:.3g}, {len(entry.seconds)})"


def _short(number: float) -> str:
    """Three digits of a small number, whole thousands set apart in a large one."""
    return f"{number:.3g}" if number < 100 else f"{number:,.0f}"


def _as_markdown(table: Table) -> str:
    """A table in Markdown."""
    columns, rows = table
    head = "| " + " | ".join(name.lstrip(">") for name in columns) + " |"
    rule = "|" + "|".join("---:" if name.startswith(">") else "---" for name in columns) + "|"
    return "\n".join([head, rule, *("| " + " | ".join(cells) + " |" for cells in rows)])
