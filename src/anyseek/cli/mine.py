"""`anyseek mine`: a dataset with refined positives and hard negatives, from an embedder's own similarities."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anyseek.cli.data import HERE, NEW
from anyseek.cli.options import ModelChoice, debug_option, json_option, model_options, reranker_adapter_option

if TYPE_CHECKING:
    from anyseek.engine import Embedder, Reranker
    from anyseek.training.data import Dataset
    from anyseek.training.mining import Known, MineOptions, Shelf

__all__ = ["identity_of", "mine", "print_end", "print_shelves", "work_of", "work_option"]

FILE = click.Path(path_type=Path, dir_okay=False)
LISTED = 10
"""Rows that could not be used, of those that a report lists."""


def _ranks(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, int | None]:
    """`10:50` or `10:` as the first and last rank."""
    if value is None:
        return 1, None
    first, colon, last = value.partition(":")
    if not colon or not first.isdecimal() or (last and not last.isdecimal()):
        raise click.BadParameter(f"{value!r} is not a window of ranks such as 10:50 or 10:")
    return int(first), int(last) if last else None


def work_option(function: Any) -> Any:
    """Add `--work`."""
    text = "Folder of vectors and scores, which another run goes on with; DATASET.work if not given."
    return click.option("--work", type=click.Path(path_type=Path, file_okay=False), default=None, help=text)(function)


@click.command(short_help="Refine positives and mine hard negatives.")
@click.argument("dataset", type=HERE)
@click.argument("out", type=NEW)
@click.option("--top", type=click.IntRange(min=1), default=100, show_default=True, help="K, documents per query.")
@click.option("--positive-above", type=float, default=0.4, show_default=True, help="t+, a cosine.")
@click.option("--margin", type=float, default=0.0, show_default=True, help="delta-, a difference of cosines.")
@click.option("--negatives", type=click.IntRange(min=0), default=8, show_default=True, help="Most of a query.")
@click.option("--ranks", callback=_ranks, default=None, metavar="A:B", help="Take negatives from these ranks only.")
@click.option("--sample", is_flag=True, help="Draw negatives at random; otherwise the hardest are taken.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the draw.")
@click.option("--reranker", default=None, metavar="NAME", help="Reads candidates, and writes its log-odds as scores.")
@click.option(
    "--pool", type=click.IntRange(min=1), default=2, show_default=True, help="Candidates it reads per negative."
)
@click.option(
    "--relevant-above", type=float, default=0.0, show_default=True, help="Log-odds that make a candidate no negative."
)
@work_option
@click.option("--plot", type=FILE, default=None, help="Draw the similarities, as .png, .svg or .pdf.")
@click.option("--dry-run", is_flag=True, help="Say what would be done and what is there already, and stop.")
@reranker_adapter_option
@model_options
@json_option
@debug_option
def mine(dataset: Path, out: Path, choice: ModelChoice, as_json: bool, **how: Any) -> None:
    """Mine DATASET with an embedding model into OUT, a new dataset that stands alone.

    Of the --top documents most similar to a query, its positives above --positive-above stay, and a query without any
    is left out. Other documents below the mean of those positives plus --margin become hard negatives; the rest are
    suspected to be positives that nobody has marked. OUT/mining.json reports counts, similarities and what was left
    out and why, OUT/suspects.jsonl the suspects. An interrupted run goes on where it stopped.
    """
    from anyseek.cli.output import print_json
    from anyseek.training.data import Dataset

    if choice.reranker_adapter and not choice.reranker_name:
        raise click.UsageError("Give --reranker with --reranker-adapter.")
    data, options = Dataset.open(dataset), _options(dataset, how)
    if how["dry_run"]:
        print_shelves(data, out, _shelves(data, options, choice), as_json)
        return
    report = _run(data, out, choice, options, how["plot"])
    print_json(report) if as_json else _print(report, out)


def _options(dataset: Path, how: dict[str, Any]) -> "MineOptions":
    """How to mine."""
    from anyseek.cli.output import shows_progress
    from anyseek.training.mining import Bounds, MineOptions, Preference

    first, last = how["ranks"]
    return MineOptions(
        work=work_of(dataset, how["work"]),
        top=how["top"],
        bounds=Bounds(positive=how["positive_above"], margin=how["margin"]),
        preference=Preference(most=how["negatives"], first=first, last=last, sampled=how["sample"], seed=how["seed"]),
        pool=how["pool"],
        relevant=how["relevant_above"],
        show_progress_bar=shows_progress(),
    )


def work_of(dataset: Path, work: Path | None) -> Path:
    """The folder of work: beside the dataset, if none was named."""
    folder = dataset.resolve()
    return work or folder.with_name(f"{folder.name}.work")


def identity_of(choice: ModelChoice, name: str, kind: Any, adapter: Path | None) -> dict[str, Any]:
    """What results of a model with this adapter hang on, apart from the input."""
    from anyseek.model.hub import locate
    from anyseek.training.mining import adapter_print, model_print

    given = {key: getattr(choice, key) for key in ("dtype", "weights", "exif", "scale_16bit")}
    limits = {key: value for key, value in asdict(choice.limits).items() if value is not None}
    folder = locate(name, kind).resolve()
    identity = {"name": folder.name, "model": model_print(folder), **given, "limits": limits}
    return identity | ({"adapter": adapter_print(adapter)} if adapter else {})


def _shelves(data: "Dataset", options: "MineOptions", choice: ModelChoice) -> "list[Shelf]":
    """What is or will be kept."""
    from anyseek.training.mining import Shelves

    shelves = Shelves.of(data, options.work)
    identity = identity_of(choice, choice.name, "embedding", choice.adapter)
    found = [shelves.vectors("queries", identity), shelves.vectors("corpus", identity)]
    if choice.reranker_name:
        found.append(shelves.pairs(identity_of(choice, choice.reranker_name, "reranking", choice.reranker_adapter)))
    return found


def print_shelves(data: "Dataset", out: Path, shelves: "list[Shelf]", as_json: bool) -> None:
    """What would be done, and what is there already."""
    from anyseek.cli.output import note, print_json, print_table
    from anyseek.training.data.writer import is_taken

    items = {"queries": len(data.queries), "corpus": len(data.corpus), "pairs": len(data)}
    rows = [
        {"what": one.what, "items": items[one.what], "there": one.there(items[one.what]), "folder": str(one.folder)}
        | {"fingerprint": one.fingerprint, "news": one.news()}
        for one in shelves
    ]
    if as_json:
        print_json({"shelves": rows, "out": str(out), "out_is_taken": is_taken(out)})
        return
    columns = ("", ">items", ">there", ">fingerprint")
    print_table(columns, [tuple(str(row[key]) for key in ("what", "items", "there", "fingerprint")) for row in rows])
    for row in rows:
        note(str(row["news"]))
    note(f"{out} is there already" if is_taken(out) else f"would be written: {out}")


def _run(data: "Dataset", out: Path, choice: ModelChoice, options: "MineOptions", plot: Path | None) -> dict[str, Any]:
    """Mine, and draw; what can be refused is refused before the models are loaded."""
    from anyseek.cli.drawing import draw_histograms
    from anyseek.cli.output import note
    from anyseek.evaluation.tasks.plot import load_figure
    from anyseek.training.mining import check_judged
    from anyseek.training.mining import mine as run

    check_judged(data, out)
    if plot is not None:
        load_figure()
    choice.note_tiny([data.folder])
    embedder, reranker = _models(choice)
    report = run(data, out, embedder, options, reranker, note)
    if plot is not None:
        edges, counts = _bins(report)
        draw_histograms(edges, counts, plot, across="cosine", mark=report["t_plus"])
    return report


def _models(choice: ModelChoice) -> "tuple[Known[Embedder], Known[Reranker] | None]":
    """The embedder, and the reranker if one was named."""
    from anyseek.training.mining import Known

    embedder = Known(choice.embedder(), identity_of(choice, choice.name, "embedding", choice.adapter))
    if not choice.reranker_name:
        return embedder, None
    reranker = choice.reranker()
    assert reranker is not None, "one that is named is loaded or an error"
    identity = identity_of(choice, choice.reranker_name, "reranking", choice.reranker_adapter)
    return embedder, Known(reranker, identity)


def _bins(report: dict[str, Any]) -> tuple[list[float], dict[str, list[int]]]:
    """Edges of the histograms, and the counts between them by name."""
    counts = dict(report["histograms"])
    return counts.pop("edges"), counts


def _print(report: dict[str, Any], out: Path) -> None:
    """Counts, similarities, and why queries were left out."""
    from anyseek.cli.output import note, print_table

    rows = [(name.replace("_", " "), f"{count:,}") for name, count in report["counts"].items()]
    print_table(("", ">count"), rows, title=f"t+ {report['t_plus']}, delta- {report['delta_minus']}")
    edges, counts = _bins(report)
    bins = [(edge, *counted) for edge, *counted in zip(edges, *counts.values()) if any(counted)]
    lines = [(f"{edge:.2f}", *(f"{count:,}" for count in counted)) for edge, *counted in bins]
    print_table((">cosine from", *(f">{name}" for name in counts)), lines)
    for reason, count in report["reasons"].items():
        note(f"{count:,} queries left out: {reason}")
    print_end(report, out, "mining.json")


def print_end(report: dict[str, Any], out: Path, name: str) -> None:
    """What could not be used, the first of it, and where the rest is told."""
    from anyseek.cli.output import note

    for bad in report["bad"][:LISTED]:
        note(f"{bad['table']} {bad['id']}: {bad['reason']}")
    note(f"written to {out}; the report is {out / name}")
