"""`anyseek train`: a stage of a recipe."""

from typing import Any

import click

from anyseek.cli.options import debug_option, json_option

__all__ = ["train"]


@click.command(short_help="Train a model by a recipe.")
@click.argument("recipe")
@click.option("--set", "settings", multiple=True, metavar="FIELD=VALUE", help="Change a field; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Print what would be run, and what it needs, and stop.")
@json_option
@debug_option
def train(recipe: str, settings: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Train by RECIPE, a function `module:name` that gives a stage, such as recipes.captions:stage.

    A run that was stopped goes on when it is started again. Over several processes:
    torchrun --nproc-per-node 2 -m anyseek train RECIPE
    """
    from anyseek.cli.output import note, print_json
    from anyseek.training.processes import join
    from anyseek.training.recipes import as_data, changed, load_recipe
    from anyseek.training.stage import run_stage

    stage = changed(load_recipe(recipe), settings)
    if dry_run:
        resolved = as_data(stage)
        if as_json:
            print_json(resolved)
        else:
            _print(resolved)
        return
    join()
    folder = run_stage(stage)
    if as_json:
        print_json({"model": str(folder)})
    else:
        note(f"written: {folder}")


def _print(resolved: dict[str, Any], path: str = "") -> None:
    """One field a line, as `--set` takes it."""
    for name, value in resolved.items():
        if isinstance(value, dict):
            _print(value, f"{path}{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for number, one in enumerate(value):
                _print(one, f"{path}{name}.{number}.")
        else:
            click.echo(f"{path}{name}={value}")
