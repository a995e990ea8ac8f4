"""`anyseek search`: find things in a folder."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from anyseek.cli.options import ModelChoice, debug_option, json_option, model_options, reranker_options
from anyseek.errors import InputError
from anyseek.items import Image, Item, Text

if TYPE_CHECKING:
    from anyseek.search import Failure, Found, Hits, Skipped

__all__ = ["search"]

LISTED = 5  # failures named in full before the rest is only counted


@click.command(short_help="Find things in a folder.")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("query", required=False)
@click.option("--image", type=click.Path(path_type=Path), multiple=True, help="Look for this picture; may be repeated.")
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True, help="Most hits.")
@click.option("--instruction", default=None, help="What counts as relevant, as a sentence.")
@reranker_options
@model_options
@json_option
@debug_option
def search(folder: Path, choice: ModelChoice, top: int, as_json: bool, **asked: object) -> None:
    """Find things in FOLDER that match QUERY, a picture, or both.

    Looks at pictures, the pages of PDFs, videos and text files, in all folders below. Nothing is stored.
    """
    from anyseek import search as engine

    query = _query(**asked)  # type: ignore[arg-type]
    found, skipped = _walk(folder)
    choice.note_tiny([folder])
    started = time.perf_counter()
    embedder, reranker = choice.pair()
    fusion = choice.fusion(reranker)
    options = engine.SearchOptions(top=top, fusion=fusion, show_progress_bar=_bar(as_json))
    hits = engine.search(query, found, embedder, reranker, options)
    if as_json:
        _print_json(hits, found, skipped)
    else:
        _print(hits, folder)
        seconds = time.perf_counter() - started
        click.echo(f"searched {len(found)} things in {seconds:.1f} s", err=True)
    _report(hits.failures, skipped)


def _query(query: str | None, image: tuple[Path, ...], instruction: str | None) -> Item:
    """Pictures, then text."""
    if not query and not image:
        raise click.UsageError("Give a QUERY, an --image, or both.")
    parts = tuple(Image(path) for path in image) + ((Text(query),) if query else ())
    return Item(parts, instruction)


def _walk(folder: Path) -> "tuple[list[Found], list[Skipped]]":
    """What is there and what was left out."""
    from anyseek.search import Found, Skipped, walk

    listed = list(walk(folder))
    found = [thing for thing in listed if isinstance(thing, Found)]
    if not found:
        raise InputError(f"found no picture, PDF, video or text file in {folder}")
    return found, [thing for thing in listed if isinstance(thing, Skipped)]


def _bar(as_json: bool) -> bool:
    """Whether to show progress."""
    from anyseek.cli.output import shows_progress

    return shows_progress() and not as_json


def _print(hits: "Hits", folder: Path) -> None:
    """Score, what, where."""
    from anyseek.cli.output import place, print_table

    rows = [(f"{hit.score:.3f}", hit.found.kind, place(hit.found, folder)) for hit in hits.hits]
    print_table((">score", "what", "where"), rows)


def _print_json(hits: "Hits", found: "list[Found]", skipped: "list[Skipped]") -> None:
    """Everything, as one object."""
    from anyseek.cli.output import as_row, print_json

    answers = [
        {"score": hit.score, "similarity": hit.similarity, "reranked": hit.reranked, **as_row(hit.found)}
        for hit in hits.hits
    ]
    failures = [{**as_row(failure.found), "error": failure.reason} for failure in hits.failures]
    left_out = [{"path": str(file.path), "reason": file.reason} for file in skipped]
    print_json({"searched": len(found), "hits": answers, "failures": failures, "skipped": left_out})


def _report(failures: "tuple[Failure, ...]", skipped: "list[Skipped]") -> None:
    """What could not be read, by name; what is of no known kind, by number."""
    known = [(file.path, file.reason) for file in skipped if file.error]
    known += [(failure.found.path, failure.reason) for failure in failures]
    reasons = [reason if path.name in reason else f"{path}: {reason}" for path, reason in known]
    for reason in reasons[:LISTED]:
        click.echo(f"unreadable: {reason}", err=True)
    if len(reasons) > LISTED:
        click.echo(f"unreadable: {len(reasons) - LISTED} more (--json lists them)", err=True)
    others = sum(not file.error for file in skipped)
    if others:
        click.echo(f"left out: {others} file(s) of other kinds (--json lists them)", err=True)
