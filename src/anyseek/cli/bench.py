"""`anyseek bench`: speed beside other engines, on the same weights and inputs, in one run."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anyseek.cli.options import debug_option, json_option
from anyseek.errors import MismatchError

if TYPE_CHECKING:
    from anyseek.evaluation.bench.run import Result

__all__ = ["bench"]


@click.command(short_help="Measure speed beside other engines.")
@click.option("--shape", default="small", show_default=True, help="small (for CPUs), 2b or 8b; random weights.")
@click.option("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps.")
@click.option("--dtype", type=click.Choice(["auto", "float32", "bfloat16", "float16"]), default="auto")
@click.option("--kernels", type=click.Choice(["auto", "eager", "compiled"]), default="auto", help="Of our engine.")
@click.option(
    "--workload", "workloads", multiple=True, metavar="NAME", help="One row; may be repeated; all if not given."
)
@click.option("--peers/--no-peers", default=True, help="Compare with transformers and sentence-transformers.")
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True, help="Rounds of a row.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=40.0,
    show_default=True,
    help="No new round of a row after so long; quick ones go on for a twentieth of it.",
)
@click.option(
    "--write", "folder", type=click.Path(path_type=Path, file_okay=False), help="Write Markdown into a folder."
)
@json_option
@debug_option
def bench(folder: Path | None, as_json: bool, **given: Any) -> None:
    """Measure speed beside transformers and sentence-transformers: the same random weights, inputs and run.

    Every row compares results before it times anything. Ends with exit code 12 if results differ. The peers are
    installed with: pip install transformers sentence-transformers
    """
    from anyseek.cli.output import note, print_json
    from anyseek.evaluation.bench import report
    from anyseek.evaluation.bench.run import BenchOptions, run_bench

    result = run_bench(BenchOptions(**given), note, lambda row: note(f"   {report.line(row)}"))
    if as_json:
        print_json(report.as_data(result))
    else:
        _print(result)
    if folder is not None:
        note(f"written: {report.write(result, folder)}")
    if result.wrong:
        raise MismatchError(f"results differ in {', '.join(result.wrong)}; the notes say by how much")


def _print(result: "Result") -> None:
    """Tables, then notes."""
    from anyseek.cli.output import print_table
    from anyseek.evaluation.bench import report

    for columns, rows in (report.row_table(result, brief=True), report.load_table(result)):
        if rows:
            print_table(columns, rows)
    for text in report.notes(result):
        click.echo(text)
