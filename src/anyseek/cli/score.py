"""`anyseek score`: a reranker's log-odds of positives and negatives, to distil an embedder from."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from anyseek.cli.data import HERE, NEW
from anyseek.cli.mine import identity_of, print_end, print_shelves, work_of, work_option
from anyseek.cli.options import ModelChoice, debug_option, json_option, model_options

__all__ = ["score"]


@click.command(short_help="Score training data with a reranker.")
@click.argument("dataset", type=HERE)
@click.argument("out", type=NEW)
@click.option("--reranker", default=None, metavar="NAME", help="The teacher; that of --model if not given.")
@work_option
@click.option("--dry-run", is_flag=True, help="Say what would be done and what is there already, and stop.")
@model_options
@json_option
@debug_option
def score(dataset: Path, out: Path, choice: ModelChoice, as_json: bool, **how: Any) -> None:
    """Write DATASET with a reranker's log-odds as scores of positives and negatives into OUT, a new dataset.

    --adapter belongs to the teacher. What the pairs of a query share is computed once. OUT/scoring.json lists what
    could not be read. An interrupted run goes on where it stopped.
    """
    from anyseek.cli.output import note, print_json, print_table, shows_progress
    from anyseek.training.data import Dataset
    from anyseek.training.mining import Known, Shelves, check_judged
    from anyseek.training.mining import score as run

    data, work = Dataset.open(dataset), work_of(dataset, how["work"])
    name = choice.reranker_name or choice.name
    identity = identity_of(choice, name, "reranking", choice.adapter)
    if how["dry_run"]:
        print_shelves(data, out, [Shelves.of(data, work).pairs(identity)], as_json)
        return
    check_judged(data, out)
    choice.note_tiny([data.folder])
    reranker = replace(choice, rerank=True, reranker_name=name, reranker_adapter=choice.adapter).reranker()
    assert reranker is not None, "one that is named is loaded or an error"
    report = run(data, out, Known(reranker, identity), work, note, shows_progress())
    if as_json:
        print_json(report)
        return
    print_table(("", ">count"), [(key, f"{count:,}") for key, count in report["counts"].items()])
    print_end(report, out, "scoring.json")
