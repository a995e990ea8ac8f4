"""`anyseek data`: training data on disk, looked at, checked, brought in from other formats and taken out to them."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anyseek.cli.options import debug_option, json_option

if TYPE_CHECKING:
    from anyseek.training.data import Problem, Statistics
    from anyseek.training.data.measures import Figures, Spread
    from anyseek.training.data.writer import Form

__all__ = ["data"]

# The names as of `training.data`, which takes a second to load; a test holds them together.
TASKS = ("retrieval", "classification", "sts", "qa", "moment_retrieval", "reranking")
READ = ("beir", "flagembedding", "ms-swift", "sentence-transformers", "tevatron", "vlm2vec")
WRITTEN = ("beir", "flagembedding", "ms-swift", "sentence-transformers")
KINDS = ("scene", "page", "chart", "clip", "note")
SPLITS = ("train", "composition", "object")

PROBLEMS = 1
BAR = 30

HERE = click.Path(path_type=Path, exists=True, file_okay=False)
ANY = click.Path(path_type=Path, exists=True)
NEW = click.Path(path_type=Path)


def parquet_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--parquet`."""
    text = "Tables as Parquet instead of JSONL; needs: pip install 'anyseek[data]'"
    return click.option("--parquet", is_flag=True, help=text)(function)


@click.group(short_help="Look at, check, import and export training data.")
def data() -> None:
    """Training data: queries, corpus and relevance under an instruction, in a folder."""


@data.command()
@click.argument("folder", type=HERE)
@json_option
@debug_option
def show(folder: Path, as_json: bool) -> None:
    """What is in the dataset of FOLDER, counted."""
    from anyseek.cli.output import print_json
    from anyseek.training.data import measure

    found = measure(folder)
    if as_json:
        print_json(asdict(found))
    else:
        _print(found)


def _print(found: "Statistics") -> None:
    """Tables of both sides, of numbers per example, and of scores."""
    from anyseek.cli.output import print_table

    about = found.about
    click.echo(f"{about.name}: {about.task}, {found.examples:,} examples")
    click.echo(f"instruction: {about.instruction or 'none'}")
    sides = (("queries", found.queries), ("documents", found.documents))
    columns = ("", ">count", ">media", ">equal to others", ">unused", "made of")
    print_table(columns, [_side_row(name, side) for name, side in sides])
    spreads = [(f"characters, {name}", side.characters) for name, side in sides]
    spreads += [("positives", found.positives), ("negatives", found.negatives), ("scores", found.scores)]
    rows = [_spread_row(name, spread) for name, spread in spreads if spread is not None]
    print_table(("", ">of", ">least", ">median", ">mean", ">most"), rows)
    if len(found.histogram) > 1:
        most = max(count for _, count in found.histogram)
        bars = [(f"{edge:.3g}", f"{count:,}", "#" * round(BAR * count / most)) for edge, count in found.histogram]
        print_table((">score from", ">count", ""), bars)


def _side_row(name: str, side: "Figures") -> tuple[str, ...]:
    """Queries or documents."""
    shapes = ", ".join(f"{shape} {count:,}" for shape, count in side.shapes.items())
    return (name, f"{side.count:,}", f"{side.media:,}", f"{side.duplicates:,}", f"{side.unused:,}", shapes)


def _spread_row(name: str, spread: "Spread") -> tuple[str, ...]:
    """How numbers are spread."""
    numbers = (spread.least, spread.median, spread.mean, spread.most)
    return (name, f"{spread.count:,}", *(f"{number:.4g}" for number in numbers))


@data.command()
@click.argument("folder", type=HERE)
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Most problems that are looked for."
)
@json_option
@debug_option
def check(folder: Path, limit: int, as_json: bool) -> None:
    """Say what is wrong with the dataset of FOLDER, with file and line. Ends with exit code 1 if anything is."""
    from anyseek.cli.output import note, print_json
    from anyseek.training.data import check as look

    problems: Sequence[Problem] = look(folder, limit)
    if as_json:
        print_json({"problems": [asdict(problem) for problem in problems]})
    else:
        for problem in problems:
            click.echo(str(problem))
        more = f", and perhaps more (--limit {limit})" if len(problems) == limit else ""
        note(f"{len(problems)} problem(s){more}" if problems else "nothing is wrong")
    if problems:
        raise click.exceptions.Exit(PROBLEMS)


@data.command()
@click.argument("folder", type=HERE)
@click.argument("target", type=NEW)
@click.option("--examples", type=click.IntRange(min=1), default=24, show_default=True, help="How many, evenly spread.")
@debug_option
def sheet(folder: Path, target: Path, examples: int) -> None:
    """Write examples of FOLDER side by side into TARGET, an HTML file that needs no other."""
    from anyseek.cli.output import note
    from anyseek.training.data import write_sheet

    note(f"{write_sheet(folder, target, examples)} examples in {target}")


@data.command("import")
@click.argument("format", type=click.Choice(READ))
@click.argument("source", type=ANY)
@click.argument("folder", type=NEW)
@click.option("--name", default=None, help="Of the dataset; that of the folder if not given.")
@click.option("--task", type=click.Choice(TASKS), default="retrieval", show_default=True, help="What it trains.")
@click.option("--instruction", default=None, help="Of queries that bring none.")
@click.option("--media", type=HERE, default=None, help="Where relative paths of media start; beside SOURCE's files.")
@click.option("--split", default=None, help="Of formats that hold several; train if there is one.")
@parquet_option
@debug_option
def bring(format: str, source: Path, folder: Path, **given: Any) -> None:
    """Read SOURCE, a file or folder in a foreign FORMAT, into a new dataset in FOLDER.

    Equal documents are stored once; media are copied.
    """
    from anyseek.cli.output import note
    from anyseek.training.data import About, Dataset, Reading, import_dataset

    about = About(name=given["name"] or folder.resolve().name, task=given["task"], instruction=given["instruction"])
    how = Reading(media=given["media"], split=given["split"])
    import_dataset(format, source, folder, about, how, form="parquet" if given["parquet"] else "jsonl")
    made = Dataset.open(folder)
    note(f"{len(made.queries)} queries, {len(made.corpus)} documents, {len(made)} examples in {folder}")


@data.command()
@click.argument("format", type=click.Choice(WRITTEN))
@click.argument("folder", type=HERE)
@click.argument("target", type=NEW)
@debug_option
def export(format: str, folder: Path, target: Path) -> None:
    """Write the dataset of FOLDER to TARGET in a foreign FORMAT.

    TARGET is a folder for beir, else a file; for sentence-transformers its ending decides: .jsonl, .csv or .parquet.
    """
    from anyseek.cli.output import note
    from anyseek.training.data import FORMATS, export_dataset

    export_dataset(format, folder, target)
    lost = FORMATS[format].loses
    note(f"written: {target}" + (f"; {format} has no place for {lost}" if lost else ""))


@data.command()
@click.argument("folder", type=NEW)
@click.option("--size", type=click.IntRange(min=1), default=100, show_default=True, help="Queries.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything.")
@click.option("--kinds", default=",".join(KINDS), show_default=True, help="Of documents, with commas.")
@click.option("--task", default=None, metavar="NAME", help="A task of `anyseek evaluate --list` instead of all kinds.")
@click.option("--negatives", type=click.IntRange(min=0), default=2, show_default=True, help="Near misses per query.")
@click.option(
    "--split",
    type=click.Choice(SPLITS),
    default="train",
    show_default=True,
    help="For tests: known objects put together in new ways, or unknown objects.",
)
@parquet_option
@debug_option
def world(folder: Path, kinds: str, task: str | None, parquet: bool, **given: Any) -> None:
    """Write a dataset of the procedural world into FOLDER: pictures, pages, charts, clips, notes, exact relevance.

    With --task: what such a task is learnt from, be it classification, questions, grounding, moments or likeness.
    """
    from anyseek.cli.output import note
    from anyseek.training.data import Dataset, WorldOptions, write_world

    form: Form = "parquet" if parquet else "jsonl"
    if task is not None:
        from anyseek.evaluation.tasks import spec_named, write_task

        _refuse(("kinds", "negatives"), "are not for --task, which says what is shown and asked")
        write_task(folder, spec_named(task), given["size"], seed=given["seed"], split=given["split"], form=form)
    else:
        named = tuple(dict.fromkeys(kind.strip() for kind in kinds.split(",")))
        write_world(folder, WorldOptions(kinds=named, form=form, **given))
    made = Dataset.open(folder)
    note(f"{len(made.queries)} queries and {len(made.corpus)} documents in {folder}")


def _refuse(names: Sequence[str], why: str) -> None:
    """Raise UsageError where one of these options was given to the command that runs."""
    source = click.get_current_context().get_parameter_source
    if any(source(name) is not click.core.ParameterSource.DEFAULT for name in names):
        raise click.UsageError(f"{' and '.join(f'--{name}' for name in names)} {why}.")
