"""`anyseek merge`: several models of one shape become one."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anyseek.cli.options import debug_option, json_option

if TYPE_CHECKING:
    import torch

    from anyseek.cli.probe import Probe
    from anyseek.model import Backbone
    from anyseek.processing import Processor
    from anyseek.training.merging import Position

__all__ = ["merge"]

METHODS = ("linear", "slerp", "task", "positioning")
FILE = click.Path(path_type=Path, dir_okay=False)


def _numbers(_: click.Context, __: click.Parameter, value: str | None) -> tuple[float, ...] | None:
    """`0.3,0.7` as numbers."""
    try:
        return None if value is None else tuple(float(number) for number in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a list of numbers such as 0.3,0.7") from None


@click.command(short_help="Make one model of several.")
@click.argument("models", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=None, help="Folder of the new model.")
@click.option("--method", type=click.Choice(METHODS), default="linear", show_default=True)
@click.option("--weights", callback=_numbers, default=None, metavar="A,B,..", help="One per model; default: all alike.")
@click.option("--base", default=None, metavar="NAME", help="What the models were trained from (task, positioning).")
@click.option("--kind", type=click.Choice(["embedding", "reranking"]), default="embedding", help="What a name means.")
@click.option("--probe", type=FILE, default=None, help='Lines of JSON {"query": .., "positive": ..} to judge by.')
@click.option("--steps", type=click.IntRange(min=1), default=40, show_default=True, help="Of positioning.")
@click.option("--sweep", type=click.IntRange(min=2), default=None, help="Points to score between two models.")
@click.option("--plot", type=FILE, default=None, help="Draw the sweep, as .png, .svg or .pdf.")
@click.option("--device", default="auto", help="For positioning and sweep: auto, cpu, cuda, cuda:1 or mps.")
@json_option
@debug_option
def merge(models: tuple[str, ...], out: Path | None, as_json: bool, **how: Any) -> None:
    """Merge MODELS (folders, or names as for --model) of one shape into the folder --out.

    linear: the mean by weights that sum to 1. slerp: the arc between two. task: --base, and a weighted sum of what each
    model learned since. These take the memory of one tensor. positioning: task with weights and scale found by gradient
    descent on the contrastive loss of --probe; it holds all models in float32. --sweep scores --probe (R@1) at points
    between two models; with --out the best of them is written. The first model lends tokenizer and settings.
    """
    from anyseek.cli.output import print_json

    _check(models, out, how)
    from anyseek.model.hub import locate
    from anyseek.training.merging import MergeOptions, merge_folders

    folders = [locate(name, how["kind"]) for name in models]
    base = locate(how["base"], how["kind"]) if how["base"] else None
    method, weights = how["method"], how["weights"] or (1 / len(models),) * len(models)
    report: dict[str, Any] = {"method": method}
    if how["sweep"]:
        report["sweep"] = _sweep(folders, how)
        best = max(report["sweep"], key=lambda point: point["r_at_1"])["weight"]
        weights = (1 - best, best)
    elif method == "positioning" and base is not None:
        found = _position(folders, base, how)
        report |= {"losses": found.losses, "shares": found.shares, "scale": found.scale}
        method, weights = "task", found.weights
    report |= {"weights": weights, "out": str(out) if out else None}
    options = MergeOptions(method=method, weights=weights)
    if out:
        merge_folders(folders, out, options, base)
    print_json(report) if as_json else _print(report, models)


def _check(models: tuple[str, ...], out: Path | None, how: dict[str, Any]) -> None:
    """Raise UsageError for options that do not belong together."""
    method, sweep = how["method"], how["sweep"]
    based, judged = method in ("task", "positioning"), method == "positioning" or sweep is not None
    fewest = 1 if based else 2
    wrong = {
        f"{method} takes {fewest} model(s) or more": len(models) < fewest,
        f"{method} needs --base": based and how["base"] is None,
        f"{method} takes no --base": not based and how["base"] is not None,
        "Give --out, the folder of the new model": out is None and sweep is None,
        "--sweep goes between two models, by linear or slerp": sweep is not None and (based or len(models) != 2),
        "--plot draws a --sweep": how["plot"] is not None and sweep is None,
        "positioning and --sweep need --probe": judged and how["probe"] is None,
        "--probe is for positioning and --sweep": not judged and how["probe"] is not None,
        "--weights are what positioning and --sweep look for": judged and how["weights"] is not None,
        "positioning and --sweep are for embedding models": judged and how["kind"] != "embedding",
    }
    for message, is_so in wrong.items():
        if is_so:
            raise click.UsageError(message)


def _judged(folder: Path, how: dict[str, Any]) -> "tuple[Probe, Processor, torch.device]":
    """The probe set, and what it runs with."""
    from anyseek.cli.probe import read_probe
    from anyseek.engine.embedder import MAX_TOKENS
    from anyseek.engine.runtime import LoadOptions, load_processor, resolve_device

    return read_probe(how["probe"]), load_processor(folder, LoadOptions(), MAX_TOKENS), resolve_device(how["device"])


def _loaded(folder: Path, device: "torch.device") -> "Backbone":
    """A model in float32."""
    import torch

    from anyseek.model import load_backbone

    return load_backbone(folder, dtype=torch.float32, device=device)


def _position(folders: list[Path], base: Path, how: dict[str, Any]) -> "Position":
    """Where the probe set is best served."""
    from anyseek.cli.probe import probe_loss
    from anyseek.training.merging import PositionOptions, position

    probe, processor, device = _judged(folders[0], how)
    loss_of = probe_loss(probe, processor, device)
    models = [_loaded(folder, device) for folder in folders]
    return position(models, _loaded(base, device), loss_of, PositionOptions(steps=how["steps"]))


def _sweep(folders: list[Path], how: dict[str, Any]) -> list[dict[str, float]]:
    """R@1 at points between two models."""
    from anyseek.cli.drawing import draw_line
    from anyseek.cli.probe import recall
    from anyseek.engine import Embedder
    from anyseek.evaluation.tasks.plot import load_figure
    from anyseek.training.merging import sweep

    if how["plot"] is not None:
        load_figure()
    probe, processor, device = _judged(folders[0], how)
    a, b = (_loaded(folder, device) for folder in folders)

    def score_of(model: Any) -> float:  # a new Embedder each time: what another has kept belongs to other weights
        return recall(probe, Embedder(model, processor))

    points = sweep(a, b, score_of, points=how["sweep"], method=how["method"])
    if how["plot"] is not None:
        draw_line(points, how["plot"], across=f"weight of {folders[1].name}", up="R@1 of the probe set")
    return [{"weight": t, "r_at_1": score} for t, score in points]


def _print(report: dict[str, Any], models: tuple[str, ...]) -> None:
    """Tables, and where the model lies."""
    from anyseek.cli.output import note, print_table

    if "sweep" in report:
        rows = [(f"{point['weight']:.3f}", f"{100 * point['r_at_1']:.1f}") for point in report["sweep"]]
        print_table((">weight", ">R@1"), rows, title=f"from {models[0]} to {models[1]}")
    if "losses" in report:
        note(f"loss of the probe set {report['losses'][0]:.4f}, then {min(report['losses']):.4f}")
    if report["out"]:
        print_table((">weight", "model"), [(f"{w:.4f}", name) for w, name in zip(report["weights"], models)])
        note(f"written to {report['out']}")
