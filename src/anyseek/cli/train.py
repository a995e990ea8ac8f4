"""`anyseek train`: a stage of a recipe."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from anyseek.cli.options import debug_option, json_option

if TYPE_CHECKING:
    from anyseek.training.estimate import Needs
    from anyseek.training.stage import Stage

__all__ = ["train"]


@click.command(short_help="Train a model by a recipe.")
@click.argument("recipe")
@click.option("--set", "settings", multiple=True, metavar="FIELD=VALUE", help="Change a field; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Print what would be run, and what it needs, and stop.")
@click.option("--shape", default=None, metavar="NAME", help="With --dry-run: 2b or 8b, for a model not made yet.")
@click.option(
    "--tflops",
    type=click.FloatRange(min=0, min_open=True),
    default=None,
    help="With --dry-run: rate of matrix products where it will train; measured here if not given.",
)
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="With --dry-run: how many will train, where parallel=shard divides the weights among them.",
)
@json_option
@debug_option
def train(recipe: str, settings: tuple[str, ...], dry_run: bool, as_json: bool, **where: Any) -> None:
    """Train by RECIPE, a function `module:name` that gives a stage, such as recipes.captions:stage.

    A run that was stopped goes on when it is started again. Over several processes:
    torchrun --nproc-per-node 2 -m anyseek train RECIPE
    """
    from anyseek.cli.output import note, print_json
    from anyseek.training.processes import join, place
    from anyseek.training.recipes import as_data, as_settings, changed, load_recipe
    from anyseek.training.stage import run_stage

    stage = changed(load_recipe(recipe), settings)
    if dry_run:
        needs = _needs(stage, **where)
        if as_json:
            print_json({"stage": as_data(stage), "needs": asdict(needs) if needs else None})
        else:
            click.echo("\n".join(as_settings(stage)))
            if needs:
                _print_needs(needs)
        return
    join()
    rank, _ = place()
    if rank == 0:
        board = f"; look at them with: tensorboard --logdir {stage.out / 'tensorboard'}" if stage.tensorboard else ""
        note(f"metrics: {stage.out / 'metrics.jsonl'}{board}")
    folder = run_stage(stage)
    if rank > 0:
        return
    if as_json:
        print_json({"model": str(folder)})
    else:
        note(f"written: {folder}")


def _needs(stage: "Stage", shape: str | None, tflops: float | None, processes: int) -> "Needs | None":
    """The estimate; None, with a note, where nothing is known of the model."""
    from anyseek.cli.output import note
    from anyseek.errors import CheckpointError
    from anyseek.model.shapes import shape_named
    from anyseek.training.estimate import config_for, estimate

    try:
        config = shape_named(shape).config() if shape else config_for(stage)
    except CheckpointError as error:
        note(f"no estimate: {error}; or give --shape 2b or 8b")
        return None
    return estimate(stage, config, rate=tflops * 1e12 if tflops else _rate(stage), processes=processes)


def _rate(stage: "Stage") -> float:
    """Of matrix products on this machine; a quarter of the usual sides tells it within a second on a CPU."""
    from anyseek.engine.runtime import resolve_device, resolve_dtype
    from anyseek.evaluation.bench.ceilings import measure_ceilings

    device = resolve_device(stage.device)
    return measure_ceilings(device, resolve_dtype(stage.dtype, device), 0.25 if device.type == "cpu" else 1.0).flops


def _print_needs(needs: "Needs") -> None:
    """Memory, work of a step, notes."""
    from anyseek.cli.output import print_table

    memory = {**asdict(needs.memory), "total": needs.memory.total}
    print_table(("memory", ">GB"), [(name, f"{size / 1e9:,.2f}") for name, size in memory.items()])
    work = {**asdict(needs.work), "total": needs.work.total}
    print_table(("a step", ">TFLOP"), [(name, f"{flops / 1e12:,.3f}") for name, flops in work.items()])
    click.echo(
        f"{needs.tokens:,.0f} tokens a step, {needs.visual:,.0f} of them visual; {needs.pieces} pieces; "
        f"{needs.seconds or 0:,.2f} seconds or more"
    )
    for line in needs.notes:
        click.echo(line)
