"""Plots, by matplotlib, which is asked for when one is wanted."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from anyseek.evaluation.tasks.plot import load_figure

__all__ = ["draw_histograms", "draw_line"]


def draw_line(points: Sequence[tuple[float, float]], path: Path, *, across: str, up: str) -> None:
    """Draw points joined by a line.

    Args:
        points: across and up.
        path: its ending says the form: png, svg or pdf.
        across: name of the axis.
        up: likewise.

    Raises:
        DependencyError: matplotlib is not installed.
    """
    figure = load_figure()(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([x for x, _ in points], [y for _, y in points], marker="o")
    axes.set(xlabel=across, ylabel=up)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)


def draw_histograms(
    edges: Sequence[float], counts: Mapping[str, Sequence[int]], path: Path, *, across: str, mark: float
) -> None:
    """Draw histograms over each other, each as shares of its own sum.

    Args:
        edges: of the bins.
        counts: of each bin, by name.
        path: its ending says the form: png, svg or pdf.
        across: name of the axis.
        mark: where a line stands.

    Raises:
        DependencyError: matplotlib is not installed.
    """
    figure = load_figure()(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, numbers in counts.items():
        total = max(1, sum(numbers))
        axes.stairs([number / total for number in numbers], edges, fill=True, alpha=0.4, label=f"{name} ({total:,})")
    axes.axvline(mark, linestyle="--", color="black")
    axes.set(xlabel=across, ylabel="share")
    axes.legend()
    figure.savefig(path, dpi=150)
