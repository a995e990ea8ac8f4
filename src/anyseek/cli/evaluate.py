"""`anyseek evaluate`: how well a model finds, answers and points, on tasks that training never showed."""

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anyseek.cli.options import ModelChoice, debug_option, json_option, model_options, reranker_options

if TYPE_CHECKING:
    from anyseek.evaluation.tasks import Result, Spec

__all__ = ["evaluate", "write_result"]

RECORDED = ("queries", "seed", "top", "dim", "precision")


@click.command(short_help="Measure quality on held-out tasks.")
@click.option(
    "--task", "wanted", multiple=True, metavar="NAME", help="Task, category or modality; may be repeated; default all."
)
@click.option(
    "--data",
    "folders",
    multiple=True,
    metavar="FOLDER",
    help="Your own dataset (docs/data.md); may be repeated; without --task, these alone.",
)
@click.option("--measure", metavar="NAME", help="Of --data: hit@K, ndcg@K or spearman; default by the dataset's task.")
@click.option("--queries", type=click.IntRange(min=3), default=30, show_default=True, help="Of each task.")
@click.option("--seed", type=int, default=99, show_default=True, help="Of the tasks.")
@click.option("--top", type=click.IntRange(min=1), default=20, show_default=True, help="How many the reranker reads.")
@click.option("--dim", type=click.IntRange(min=1), default=None, help="Leading numbers of a vector that rank.")
@click.option(
    "--precision",
    type=click.Choice(["float32", "float16", "int8", "uint8", "binary", "ubinary"]),
    default="float32",
    show_default=True,
    help="Of the vectors that rank.",
)
@click.option(
    "--against",
    type=click.Path(path_type=Path, dir_okay=False),
    help="An earlier result in JSON, to tell a gain from noise.",
)
@click.option(
    "--write", "folder", type=click.Path(path_type=Path, file_okay=False), help="Write Markdown and JSON into a folder."
)
@click.option("--plot", is_flag=True, help="With --write: draw the score over the width of the vectors, too.")
@click.option("--list", "only_list", is_flag=True, help="Say which tasks there are, and stop.")
@reranker_options
@model_options
@json_option
@debug_option
def evaluate(choice: ModelChoice, wanted: tuple[str, ...], only_list: bool, as_json: bool, **given: Any) -> None:
    """Measure quality on tasks in the shape of MMEB-V2, made of objects and compositions that training never showed.

    The data is drawn here, so nothing is downloaded, and relevance is exact. Each number comes with an interval. With
    --data the same is told of your own queries and documents.
    """
    from anyseek.cli.output import print_json
    from anyseek.evaluation.tasks import choose

    if given["plot"] and given["folder"] is None:
        raise click.UsageError("Give --write with --plot.")
    if given["measure"] and not given["folders"]:
        raise click.UsageError("Give --data with --measure; the suite's tasks have their own.")
    specs = choose(wanted) if wanted or not given["folders"] else ()
    if only_list:
        _list(specs, as_json)
        return
    from anyseek.evaluation.tasks.files import as_data, line_data, read
    from anyseek.evaluation.tasks.summary import compare

    if given["plot"]:
        from anyseek.evaluation.tasks.plot import load_figure

        load_figure()
    theirs = read(given["against"]) if given["against"] else None
    result = _run(choice, specs, given)
    if as_json:
        compared = {"against": [line_data(line) for line in compare(result, theirs)]} if theirs else {}
        print_json(as_data(result) | compared)
    else:
        _print(result, theirs)
    if given["folder"] is not None:
        write_result(result, theirs, given["folder"], given["plot"])


def _list(specs: "tuple[Spec, ...]", as_json: bool) -> None:
    """The tasks there are."""
    from anyseek.cli.output import print_json, print_table
    from anyseek.evaluation.tasks import Measure

    rows = [(spec.name, spec.category, Measure(spec.measure).title) for spec in specs]
    if as_json:
        print_json({"tasks": [dict(zip(("name", "category", "measure"), row, strict=True)) for row in rows]})
    else:
        print_table(("task", "category", "measure"), rows)


def _run(choice: ModelChoice, specs: "tuple[Spec, ...]", given: dict[str, Any]) -> "Result":
    """Load the models and run the tasks."""
    from anyseek.cli.output import note, shows_progress
    from anyseek.evaluation.tasks import Result, RunOptions, data_task, make, run_all
    from anyseek.evaluation.tasks.report import line

    own = [data_task(folder, given["measure"]) for folder in given["folders"]]
    embedder, reranker = choice.pair()
    options = RunOptions(
        top=given["top"],
        dim=given["dim"],
        precision=given["precision"],
        fusion=choice.fusion(reranker),
        show_progress_bar=shows_progress(),
    )
    tasks = chain(own, make(specs, given["seed"], given["queries"]))
    found = run_all(tasks, embedder, reranker, options, lambda result: note(line(result)))
    name = None if reranker is None else choice.reranker_name or choice.name
    settings = {key: given[key] for key in RECORDED}
    adapters = {"adapter": choice.adapter, "reranker-adapter": choice.reranker_adapter}
    settings |= {key: str(folder) for key, folder in adapters.items() if folder}
    return Result(model=choice.name, reranker=name, settings=settings, tasks=tuple(found))


def _print(result: "Result", theirs: "Result | None") -> None:
    """Every table."""
    from anyseek.cli.output import print_table
    from anyseek.evaluation.tasks.report import against_table, tables

    for title, (columns, rows) in tables(result, brief=True).items():
        print_table(columns, rows, title=title)
    if theirs is not None:
        print_table(*against_table(result, theirs), title=f"Less {theirs.model}")


def write_result(result: "Result", theirs: "Result | None", folder: Path, plot: bool) -> None:
    """Markdown, JSON and maybe a picture, into a folder."""
    from anyseek.cli.output import as_json, note
    from anyseek.evaluation.tasks.files import as_data
    from anyseek.evaluation.tasks.report import write

    path = write(result, folder, theirs)
    path.with_suffix(".json").write_text(as_json(as_data(result)) + "\n", encoding="utf-8")
    note(f"written: {path}, {path.with_suffix('.json').name}")
    if plot:
        from anyseek.evaluation.tasks.plot import draw

        note(f"drawn: {draw(result, path.with_suffix('.png'))}")
