"""`anyseek library`: what a library holds, kept in order, and the user's own tags."""

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anyseek.cli.index import PLACE, default_library, library_option
from anyseek.cli.options import debug_option, json_option

if TYPE_CHECKING:
    from anyseek.index import Info, Store

__all__ = ["library"]

AT_ONCE = timedelta(seconds=1)
"""How long versions stay when everything is put in order. A search that is reading an older one fails."""


@click.group(short_help="Look at a library, put it in order, tag its files.")
def library() -> None:
    """What `anyseek index` has made. No model is loaded."""


@library.command()
@library_option(PLACE)
@json_option
@debug_option
def info(place: Path | str | None, as_json: bool) -> None:
    """What the library holds, with which model it was made, how large it is, and how it is searched."""
    from anyseek.cli.output import print_json, print_table

    found = _open(place).info()
    if as_json:
        print_json(asdict(found) | {"bytes_per_thing": found.bytes_per_thing})
        return
    print_table(("library", found.folder), _rows(found))


def _rows(found: "Info") -> list[tuple[str, str]]:
    """What is known, for people."""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(found.things.items()))
    print_ = found.fingerprint
    search = "every vector is read" if found.recall == "exact" else "an index, then the best are read"
    if found.unindexed:
        search += f"; {found.unindexed:,} things beside the index"
    return [
        ("files", f"{found.files:,}, and {found.failed:,} that could not be read"),
        ("things", f"{sum(found.things.values()):,}{': ' * bool(kinds)}{kinds}"),
        ("model", f"{print_.model or 'unknown'} ({print_.weights[:8]})"),
        ("vectors", f"{print_.width} numbers, {print_.precision}"),
        ("search", f"{found.recall}: {search}; exact up to {found.exact_below:,} things"),
        ("size", f"{found.bytes / 1e6:,.1f} MB, {found.bytes_per_thing:,.0f} bytes a thing"),
        ("format", str(found.format)),
    ]


@library.command()
@library_option(PLACE)
@click.option("--force", is_flag=True, help="Put everything in order, due or not, and free all room at once.")
@json_option
@debug_option
def optimize(place: Path | str | None, force: bool, as_json: bool) -> None:
    """Free the room of removed files and interrupted runs; bring tables and indexes in order where it is due."""
    from anyseek.cli.output import print_json

    with _open(place).write() as writer:
        done = writer.optimize(force=True, keep=AT_ONCE) if force else writer.optimize()
    if as_json:
        print_json(asdict(done))
        return
    click.echo(f"{done.removed:,} things removed; {_listed('put in order', done.ordered)}")
    if done.indexed:
        click.echo(_listed("indexed", done.indexed))


def _listed(what: str, names: list[str]) -> str:
    """What was done to what."""
    return f"{what}: {', '.join(names) or 'nothing was due'}"


@library.command()
@library_option(PLACE)
@json_option
@debug_option
def tags(place: Path | str | None, as_json: bool) -> None:
    """The tags that files have, and how many files have each."""
    from anyseek.cli.output import print_json, print_table

    found = _open(place).tags()
    if as_json:
        print_json(found)
    else:
        print_table(("tag", ">files"), [(name, f"{count:,}") for name, count in found.items()])


@library.command()
@library_option(PLACE)
@click.option("--add", multiple=True, metavar="TAG", help="A tag to give; repeatable.")
@click.option("--remove", multiple=True, metavar="TAG", help="A tag to take away; repeatable.")
@click.option("--under", default=None, metavar="PATH", help="Files of this folder below an indexed one, or this file.")
@click.option("--glob", default=None, help="Files whose path below the indexed folder is like this: 'letters/**.pdf'.")
@debug_option
def tag(place: Path | str | None, add: tuple[str, ...], remove: tuple[str, ...], **chosen: Any) -> None:
    """Give tags to files, or take them away: all files, or those that --under and --glob name."""
    from anyseek.index import Filter

    if not add and not remove:
        raise click.UsageError("Give --add or --remove.")
    store = _open(place)
    keys = [file.key for file in store.files(Filter(**chosen))]
    with store.write() as writer:
        writer.tag(keys, add=add, remove=remove)
    click.echo(f"{len(keys):,} files")


def _open(place: Path | str | None) -> "Store":
    """The library."""
    from anyseek.index import Store

    return Store.open(place or default_library())
