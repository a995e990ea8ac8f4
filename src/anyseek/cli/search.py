"""`anyseek search`: find things in a folder, or in a library."""

import os
import re
import shlex
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anyseek.cli.index import PLACE, default_library, library_option, open_library
from anyseek.cli.inputs import typed_path
from anyseek.cli.options import ModelChoice, debug_option, json_option, model_options, reading_options, reranker_options
from anyseek.errors import InputError
from anyseek.items import Image, Item, Text

if TYPE_CHECKING:
    from anyseek.index import Filter, Thing
    from anyseek.search import Answer, Answers, Failure, Found, Hits, Library, Skipped

__all__ = ["search"]

LISTED = 5  # failures named in full before the rest is only counted
RANGE = re.compile(r"(\d{1,9})(?:(-)(\d{1,9})?)?")
LAST_PAGE = (1 << 31) - 1
KINDS = ("image", "page", "text", "video")  # of `anyseek.index`, which would make --help slow
OF_LIBRARIES = (
    ("--like", {"metavar": "ID", "help": "Look for things like this one of the library (ids are in --json)."}),
    ("--unlike", {"multiple": True, "metavar": "FILE|TEXT", "help": "An example of what is not sought; repeatable."}),
    ("--kind", {"multiple": True, "type": click.Choice(KINDS), "help": "Only things of this kind; repeatable."}),
    ("--path", {"metavar": "GLOB", "help": "Only files whose path below their folder is like this: **/letters/*.pdf."}),
    ("--tag", {"multiple": True, "metavar": "TAG", "help": "Only files with this tag; repeatable."}),
    ("--after", {"type": click.DateTime(), "help": "Only files changed at this time or later."}),
    ("--before", {"type": click.DateTime(), "help": "Only files changed before this time."}),
    ("--min-bytes", {"type": int, "help": "Only files of at least this size."}),
    ("--max-bytes", {"type": int, "help": "Only files of at most this size."}),
    ("--pages", {"metavar": "FIRST-LAST", "help": "Only these pages of documents; 3- is from the third on."}),
    ("--words", {"type": click.FloatRange(0, 1), "help": "Weight of words beside vectors, 0 to 1; 0 leaves them out."}),
    ("--blend", {"type": click.Choice(["ranks", "scores"]), "help": "How both become one order."}),
    ("--all", {"is_flag": True, "help": "Show what is probably not relevant, too."}),
)
"""Options that are of use in a library only."""


def library_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--library`, and what only a library knows."""
    for name, given in reversed(OF_LIBRARIES):
        function = click.option(name, **given)(function)
    return library_option(PLACE)(function)


@click.command(short_help="Find things in a folder, or in a library.")
@click.argument("typed", nargs=-1, metavar="[FOLDER] [QUERY]")
@click.option("--image", type=click.Path(path_type=Path), multiple=True, help="Look for this picture; may be repeated.")
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True, help="Most hits.")
@click.option("--instruction", default=None, help="What counts as relevant, as a sentence.")
@library_options
@reranker_options
@reading_options
@model_options
@json_option
@debug_option
def search(typed: tuple[str, ...], choice: ModelChoice, place: Path | str | None, as_json: bool, **asked: Any) -> None:
    """Find things in FOLDER that match QUERY, a picture, or both; or in a library that `anyseek index` made.

    With a FOLDER, looks at pictures, the pages of PDFs, videos and text files, in all folders below; nothing is stored.
    With --library, or with a QUERY alone, asks a library.
    """
    folder, query = _folder_and_query(typed, place, alone=not asked["image"])
    picture = {name: asked.pop(name) for name in ("image", "instruction")}
    if folder is None:
        _search_library(choice, place, _asked(query, asked["like"], **picture), as_json, asked)
        return
    needless = [name for name, _ in OF_LIBRARIES if asked[name.strip("-").replace("-", "_")] not in (None, False, ())]
    if needless:
        raise click.UsageError(f"{needless[0]} is for a library: index the folder, then give --library.")
    _search_folder(folder, _query(query, **picture), choice, asked["top"], as_json)


def _folder_and_query(words: Sequence[str], place: Path | str | None, alone: bool) -> tuple[Path | None, str | None]:
    """What the arguments are: FOLDER and QUERY, or QUERY alone, for a library; `alone` without an --image."""
    if place is not None:
        if len(words) > 1:
            raise click.UsageError("With --library, give one QUERY (in quotes) and no FOLDER.")
        return None, words[0] if words else None
    if len(words) > 2:
        raise click.UsageError("Give one FOLDER and one QUERY (in quotes).")
    first, query = words[0] if words else "", words[1] if len(words) == 2 else None
    has_library = default_library().is_dir()
    if first and os.path.isdir(typed_path(first)):  # noqa: PTH112 (the method raises for what is too long for a name)
        if query is None and alone and has_library:
            raise click.UsageError(
                f"{first!r} is a folder: give a QUERY or an --image to look for in it. To ask your library for the "
                f"word: anyseek search --library {shlex.quote(str(default_library()))} {shlex.quote(first)}"
            )
        return typed_path(first), query
    if query is None and has_library:
        return None, first
    raise _no_folder(first, query)


def _no_folder(first: str, query: str | None) -> click.UsageError:
    """What is said when there is neither a folder nor a library to look into."""
    if not first:
        return click.UsageError("Give a FOLDER and a QUERY.")
    hint = "" if query is not None else " To search without a FOLDER, make a library first: anyseek index FOLDER."
    return click.UsageError(f"Invalid value for 'FOLDER': Directory '{first}' does not exist.{hint}")


def _search_folder(folder: Path, query: Item, choice: ModelChoice, top: int, as_json: bool) -> None:
    """Look through a folder once."""
    from anyseek import search as engine

    found, skipped = _walk(folder, choice)
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


def _asked(query: str | None, like: str | None, image: tuple[Path, ...], instruction: str | None) -> Item | None:
    """The query for a library; None for more of the same."""
    if like is not None and (query or image):
        raise click.UsageError("--like stands alone: give it without a QUERY and --image.")
    return None if like is not None else _query(query, image, instruction)


def _search_library(
    choice: ModelChoice, place: Path | str | None, query: Item | None, as_json: bool, asked: dict[str, Any]
) -> None:
    """Ask a library."""
    from anyseek.cli.inputs import read_inputs
    from anyseek.search import AskOptions

    given = {name: asked[name] for name in ("words", "blend") if asked[name] is not None}
    options = AskOptions(top=asked["top"], cut=not asked["all"], **given)
    where = _where(asked)
    unlike = read_inputs(asked["unlike"])
    for example in unlike:
        if isinstance(example, InputError):
            raise example
    with open_library(choice, place, create=False, rerank=query is not None) as library:
        started = time.perf_counter()
        if query is None:
            answers = library.like(asked["like"], where=where, unlike=unlike, options=options)
        else:
            answers = library.search(query, where=where, unlike=unlike, options=options)
        seconds = time.perf_counter() - started
        (_print_answers_json if as_json else _print_answers)(answers, library)
    if not as_json:
        click.echo(f"asked in {seconds:.2f} s", err=True)
    if answers.unread:
        click.echo(f"not read again: {len(answers.unread)} candidate(s), {answers.unread[0][1]}", err=True)


def _where(asked: dict[str, Any]) -> "Filter":
    """Which things count."""
    from anyseek.index import Filter

    return Filter(
        kinds=asked["kind"],
        pages=_pages(asked["pages"]),
        glob=asked["path"],
        after=_nanoseconds(asked["after"]),
        before=_nanoseconds(asked["before"]),
        min_bytes=asked["min_bytes"],
        max_bytes=asked["max_bytes"],
        tags=asked["tag"],
    )


def _pages(text: str | None) -> tuple[int, int] | None:
    """`3`, `3-7`, or `3-` for all from there."""
    if text is None:
        return None
    found = RANGE.fullmatch(text)
    if found is None:
        raise click.UsageError(f"--pages is a page or a range, such as 3-7 or 3- (got {text!r}).")
    first, is_range, last = found.groups()
    return int(first), int(last) if last else LAST_PAGE if is_range else int(first)


def _nanoseconds(moment: datetime | None) -> int | None:
    """A local time as files have it."""
    try:
        return None if moment is None else int(moment.timestamp() * 1e9)
    except (OverflowError, ValueError, OSError) as error:  # as the system has it
        raise click.UsageError(f"{moment} is beyond the times of this machine; leave it out instead.") from error


def _print_answers(answers: "Answers", library: "Library") -> None:
    """Score, what, where; or that nothing relevant is here."""
    from anyseek.cli.output import print_table

    if answers.hits:
        rows = [(f"{hit.score:.3f}", hit.thing.kind, _place(hit)) for hit in answers.hits]
        print_table((">score", "what", "where"), rows)
    elif answers.nothing and answers.below:
        best = answers.below[0]
        click.echo(f"nothing relevant here; nearest, {best.score:.3f}: {_place(best)} (--all shows what was left out)")
    else:
        click.echo("nothing found")


def _place(hit: "Answer") -> str:
    """Where an answer is, and what else of the same file, or like it, was found."""
    from anyseek.cli.output import spot

    path = hit.paths[0].resolve()
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    also = [spot(thing) for thing in hit.also]
    more = f" (also {', '.join(also[:3])}{', ...' if len(also) > 3 else ''})" if any(also) else ""
    copies = len(hit.copies) + len(hit.paths) - 1
    gone = "" if os.path.lexists(hit.paths[0]) else " (gone since it was indexed)"  # those that are there come first
    return f"{shown} {spot(hit.thing)}".rstrip() + gone + more + (f" (and {copies} like it)" if copies else "")


def _print_answers_json(answers: "Answers", library: "Library") -> None:
    """Everything, as one object."""
    from anyseek.cli.output import print_json

    kept = {"library": library.store.folder, "judged": answers.judged, "nothing": answers.nothing}
    rows = {name: [_row(hit) for hit in getattr(answers, name)] for name in ("hits", "below")}
    print_json(kept | rows | {"unread": [{"id": id, "reason": reason} for id, reason in answers.unread]})


def _row(hit: "Answer") -> dict[str, Any]:
    """An answer, for JSON."""
    scores = {name: getattr(hit, name) for name in ("score", "similarity", "words", "reranked")}
    more = {name: [_thing_row(thing) for thing in getattr(hit, name)] for name in ("also", "copies")}
    places = {name: [str(path) for path in getattr(hit, name)] for name in ("paths", "copy_paths")}
    return _thing_row(hit.thing) | scores | places | {"text": hit.thing.text} | more


def _thing_row(thing: "Thing") -> dict[str, Any]:
    """What and where in its file, for JSON; seconds of films only."""
    start, end = (thing.start, thing.end) if thing.kind == "video" else (None, None)
    return {"id": thing.id, "kind": thing.kind, "page": thing.page, "start_seconds": start, "end_seconds": end}


def _query(query: str | None, image: tuple[Path, ...], instruction: str | None) -> Item:
    """Pictures, then text."""
    if not query and not image:
        raise click.UsageError("Give a QUERY, an --image, or both.")
    parts = tuple(Image(path) for path in image) + ((Text(query),) if query else ())
    return Item(parts, instruction)


def _walk(folder: Path, choice: ModelChoice) -> "tuple[list[Found], list[Skipped]]":
    """What is there and what was left out."""
    from anyseek.search import Found, Skipped, walk

    listed = list(walk(folder, choice.media()))
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
