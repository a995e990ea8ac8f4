"""The score over the width of the vectors, one line for each precision, as a picture."""

from pathlib import Path
from typing import TYPE_CHECKING

from anyseek.errors import DependencyError
from anyseek.evaluation.tasks.summary import Result, by_width

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw", "load_figure"]


def load_figure() -> "type[Figure]":
    """What plots are drawn with; called before the work whose result would be drawn.

    Raises:
        DependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DependencyError("plots need matplotlib; install it with: pip install 'anyseek[plot]'") from error
    kind: type[Figure] = Figure
    return kind


def draw(result: Result, path: Path) -> Path:
    """Draw a picture, in the form that the name's ending says (png, svg, pdf); returns where.

    Raises:
        DependencyError: matplotlib is not installed.
    """
    panels = by_width(result.tasks)
    figure = load_figure()(figsize=(4 * len(panels), 3.2), layout="constrained")
    for axes, (label, cells) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for precision in dict.fromkeys(kind for _, kind in cells):
            points = sorted((width, found.estimate()) for (width, kind), found in cells.items() if kind == precision)
            widths = [width for width, _ in points]
            axes.plot(widths, [100 * found.score for _, found in points], marker="o", label=precision)
            axes.fill_between(
                widths, [100 * found.low for _, found in points], [100 * found.high for _, found in points], alpha=0.15
            )
        axes.set_xscale("log", base=2)
        axes.set_xticks(widths, [str(width) for width in widths])
        axes.set(title=label, xlabel="numbers of a vector", ylabel="mean over tasks, %")
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    return path
