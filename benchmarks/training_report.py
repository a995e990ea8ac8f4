"""What `benchmarks.training` measured, as Markdown."""

import statistics
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

COLUMNS = (
    "a step learns from",
    "sentence-transformers, s",
    "anyseek, s",
    "times faster",
    "by the clock",
    "sentence-transformers, MB",
    "anyseek, MB",
    "times less",
    "text tokens",
    "patches",
    "apart",
)
READING = """\
- A step: forward, backward, clipping, AdamW, on the same weights, files and loss (InfoNCE over the documents of the
  batch, temperature 0.02, nothing masked). Batches are of the world, queries and documents drawn at random.
- Cached: mini-batches are 8 rows of a column in sentence-transformers; pieces of ours hold as much as the heaviest of
  those, in tokens and merged patches. In one piece its cached loss still computes all twice, the plain one does not.
- s: {clock}; median of the rounds. Trainers take turns, each round beginning with the other one. times faster: of the
  same round, median (lowest to highest). by the clock: the same of the time that passed, which other work lengthens.
- MB: the most that was resident during two steps above the loaded model, gradients and moments of AdamW among it, each
  trainer in a process of its own.
- text tokens, patches: what goes through the towers in the forward passes of a step, sentence-transformers / anyseek:
  both passes of a cached step, padding included, what inputs share once.
- apart: the losses, and the gradients of all weights, as shares, before anything was timed.
"""


def markdown(result: Mapping[str, Any]) -> str:
    """The whole result."""
    where, rows = result["where"], result["rows"]
    when = date.fromisoformat(f"{where['month']}-01").strftime("%B %Y")
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items())
    asked = " ".join(f"--{name} {where[name]}" for name in ("shape", "queries", "rounds"))
    loads = [row["load"] for row in rows.values()]
    head = (
        f"`python -m benchmarks.training {asked}`: "
        f"{where['queries']} queries and as many documents, {where['rounds']} rounds. {where['hardware']}, "
        f"threads: {where['threads']}. {versions}. Load average of the {where['processors']} processors meanwhile, "
        f"of which this run is 1: {min(loads):.1f} to {max(loads):.1f}."
    )
    lines = [cells(row, where) for row in rows.values()]
    rule = ["---", *["---:"] * (len(COLUMNS) - 1)]
    body = "\n".join(f"| {' | '.join(line)} |" for line in [COLUMNS, rule, *lines])
    title = f"# A training step beside sentence-transformers, {when}"
    return "\n\n".join([title, head, body, READING.format(clock=clock(where))])


def cells(row: Mapping[str, Any], where: Mapping[str, Any]) -> Sequence[str]:
    """A line of the table."""
    ours, theirs = row["sides"]
    key = "processor" if by_processor(where) else "wall"
    return (
        row["row"]["title"],
        f"{statistics.median(theirs[key]):.2f}",
        f"{statistics.median(ours[key]):.2f}",
        times(theirs[key], ours[key]),
        times(theirs["wall"], ours["wall"]),
        f"{theirs['peak_bytes'] / 1e6:,.0f}",
        f"{ours['peak_bytes'] / 1e6:,.0f}",
        f"{theirs['peak_bytes'] / ours['peak_bytes']:.2f}",
        f"{theirs['tokens']:,} / {ours['tokens']:,}",
        f"{theirs['patches']:,} / {ours['patches']:,}",
        f"{row['apart'][0]:.0e}, {row['apart'][1]:.0e}",
    )


def times(theirs: Sequence[float], ours: Sequence[float]) -> str:
    """`1.52 (1.48-1.60)`: the ratio of each round."""
    ratios = [their / our for their, our in zip(theirs, ours, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


def by_processor(where: Mapping[str, Any]) -> bool:
    """Whether the time of the processor says what a step takes: with one thread, and nothing computed elsewhere."""
    return bool(where["threads"] == 1 and where["device"] == "cpu")


def clock(where: Mapping[str, Any]) -> str:
    """What the seconds are."""
    return "seconds of the one processor that a step had" if by_processor(where) else "seconds that passed"
