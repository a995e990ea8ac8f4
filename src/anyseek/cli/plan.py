"""`anyseek plan`: what inputs will cost, told from headers before anything is decoded."""

from typing import TYPE_CHECKING, Any

import click

from anyseek.cli.embed import leave
from anyseek.cli.inputs import label, read_inputs
from anyseek.cli.options import ModelChoice, debug_option, json_option, model_options
from anyseek.errors import InputError

if TYPE_CHECKING:
    from anyseek.processing import Plan

__all__ = ["plan"]


@click.command(short_help="Tell tokens and frames before decoding.")
@click.argument("inputs", nargs=-1, required=True)
@model_options
@json_option
@debug_option
def plan(inputs: tuple[str, ...], choice: ModelChoice, as_json: bool) -> None:
    """Tell tokens, grids and frames of INPUTS (files, text, or - for lines of JSON) without decoding them.

    Name one page of a PDF as report.pdf#page=2.
    """
    given = read_inputs(inputs)
    processor = choice.processor()
    plans: list[Any] = []
    for row, entry in enumerate(given):
        try:
            plans.append(entry if isinstance(entry, InputError) else processor.plan(entry))
        except InputError as error:
            plans.append(error.at(f"inputs[{row}]"))
    if as_json:
        _print_json(plans)
    else:
        _print(plans, [label(entry, 200) for entry in given])
    leave({row: entry for row, entry in enumerate(plans) if isinstance(entry, InputError)})


def _print(plans: list[Any], labels: list[str]) -> None:
    """One row per input, errors below."""
    from anyseek.cli.output import note, print_table

    rows = [_row(name, entry) for name, entry in zip(labels, plans, strict=True) if not isinstance(entry, InputError)]
    print_table((">tokens", ">visual", ">patches", ">frames", "pixels", "input"), rows)
    for entry in plans:
        if isinstance(entry, InputError):
            note(str(entry))


def _row(name: str, entry: "Plan") -> tuple[str, ...]:
    """The cells of one plan; `cut` counts characters of user text."""
    sizes = " ".join(f"{width}x{height}" for width, height in entry.sizes) or "-"
    sizes += " (lowered)" if entry.shrunk else ""
    name += f" ({entry.cut_characters} cut)" if entry.cut_characters else ""
    return (str(entry.tokens), str(entry.visual_tokens), str(entry.patches), str(sum(entry.frames)), sizes, name)


def _print_json(plans: list[Any]) -> None:
    """One line per input."""
    from dataclasses import asdict

    from anyseek.cli.output import print_json

    for row, entry in enumerate(plans):
        print_json({"index": row, **({"error": str(entry)} if isinstance(entry, InputError) else asdict(entry))})
