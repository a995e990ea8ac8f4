"""`anyseek index`: folders into a library; and what every command that asks a library needs to open it."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anyseek.cli.inputs import typed_path
from anyseek.cli.options import ModelChoice, debug_option, json_option, model_options, reading_options

if TYPE_CHECKING:
    from anyseek.search import IndexOptions, Library, LibrarySettings, Progress, Report

__all__ = ["PLACE", "as_stored", "default_library", "index", "library_option", "open_library"]

LISTED = 5  # failures named in full before the rest is only counted
PRECISIONS = ("float32", "float16", "int8", "binary")
PLACE = "Where the library lies, a folder or s3://...; by default one for this user."


def default_library() -> Path:
    """The library of those who name none: in the platform's folder for data."""
    if sys.platform == "win32":
        root = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        root = str(Path.home() / "Library" / "Application Support")
    else:
        root = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(root) / "anyseek" / "library"


def library_option(told: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds `--library`, explained so."""
    kind = _Place(path_type=Path, file_okay=False)
    return click.option("--library", "place", type=kind, default=None, metavar="DIR", help=told)


class _Folder(click.Path):
    """A folder; `~` is the home of a user also where no shell has seen it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A Path."""
        return super().convert(str(typed_path(str(value))), param, ctx)


class _Place(_Folder):
    """A folder, or an address such as `s3://bucket/name`, which stays as it was written."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A Path, or the text of an address."""
        return value if "://" in str(value) else super().convert(value, param, ctx)


def open_library(
    choice: ModelChoice,
    place: Path | str | None,
    settings: "LibrarySettings | None" = None,
    *,
    create: bool,
    rerank: bool,
) -> "Library":
    """Open a library with the models that were chosen; what was not chosen is as the library has it.

    Args:
        choice: models and how files are shown; without `--model`, a library that is there says its own.
        place: of the library; None takes the default.
        settings: of a new library, or to be checked.
        create: make it when there is none.
        rerank: whether a reranker is of use.

    Raises:
        ConfigError: the library was made with another model or other settings.
        SourceError: there is none, and `create` is False.
    """
    from anyseek.errors import SourceError
    from anyseek.index import Store
    from anyseek.search import Library

    folder = place or default_library()
    try:
        choice = as_stored(choice, Store.open(folder).fingerprint)
    except SourceError:
        if not create:
            raise
    embedder, reranker = choice.pair() if rerank else (choice.embedder(), None)
    fusion = choice.fusion(reranker)
    return Library.open(folder, embedder, reranker, settings=settings, fusion=fusion, create=create)


def as_stored(choice: ModelChoice, fingerprint: Any) -> ModelChoice:
    """The choice with its gaps filled from a library."""
    from anyseek.errors import CheckpointError
    from anyseek.model.hub import locate
    from anyseek.search.prints import load_options

    shown = load_options(fingerprint)
    if not _given("model"):
        with suppress(CheckpointError):  # it is not here: the library then says what differs
            locate(fingerprint.model, "embedding")
            choice = replace(choice, name=fingerprint.model)
    media = shown["media"]
    return replace(
        choice,
        limits=choice.limits.over(shown["limits"]),
        exif=choice.exif or media.exif_orientation,
        scale_16bit=choice.scale_16bit or media.scale_16bit,
    )


def _given(name: str) -> bool:
    """Whether an option stands on the command line."""
    source = click.get_current_context().get_parameter_source(name)
    return source is not None and source is not click.core.ParameterSource.DEFAULT


@click.command(short_help="Index folders, to search them at once later.")
@click.argument("folders", nargs=-1, type=_Folder(path_type=Path))
@library_option(PLACE)
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Give all files of the folders a tag; repeatable.")
@click.option("--retry", is_flag=True, help="Read files again that failed, or were left out, last time.")
@click.option("--watch", is_flag=True, help="Go on, and take up what changes, until interrupted.")
@click.option("--every", type=click.FloatRange(min=0.1), default=5.0, show_default=True, help="Seconds between looks.")
@click.option("--failed", is_flag=True, help="Only list files (of FOLDERS) that could not be read, with the reasons.")
@click.option("--forget", is_flag=True, help="Let the folders go, with all their files.")
@click.option("--width", type=click.IntRange(min=1), default=None, help="Numbers of a vector, of a new library.")
@click.option("--precision", type=click.Choice(PRECISIONS), default=None, help="How vectors are kept, likewise.")
@click.option("--passage-bytes", type=int, default=None, help="Length of a passage of text, likewise.")
@click.option("--segment-seconds", type=float, default=None, help="Length of a segment of a film, likewise.")
@click.option("--thumbnails/--no-thumbnails", default=True, show_default=True, help="Keep small pictures.")
@reading_options
@model_options
@json_option
@debug_option
def index(
    folders: tuple[Path, ...], choice: ModelChoice, place: Path | str | None, as_json: bool, **asked: Any
) -> None:
    """Bring a library up to date with FOLDERS, or with all folders it has: pictures, PDF pages, texts and films.

    Files that did not change cost nothing, renamed ones keep their vectors, deleted ones leave. A run that was stopped
    is gone on with by the next.
    """
    if asked["failed"]:
        _list_failed(folders, place, as_json)
    elif asked["forget"]:
        _forget(folders, place, as_json)
    else:
        _check(folders)
        choice.note_tiny(folders)
        settings, options = _settings(place, **asked), _options(**asked)
        with open_library(choice, place, settings, create=bool(folders), rerank=False) as library:
            _run(library, list(folders) or None, as_json, options, every=asked["every"] if asked["watch"] else None)


def _check(folders: tuple[Path, ...]) -> None:
    """Refuse a folder that is not there before a library is made, whose settings stay."""
    from anyseek.search.looking import root_of

    for folder in folders:
        root_of(folder)


def _settings(place: Path | str | None, **asked: Any) -> "LibrarySettings | None":
    """Settings of a new library, or those asked for of one that is there; None when nothing is asked for."""
    from anyseek.errors import SourceError
    from anyseek.index import Store
    from anyseek.search import LibrarySettings
    from anyseek.search.prints import settings_of

    whole = {name: asked[name] for name in ("width", "precision") if asked[name] is not None}
    cutting: dict[str, Any] = {}
    if asked["passage_bytes"] is not None:
        cutting |= {"passage_bytes": asked["passage_bytes"], "passage_overlap": asked["passage_bytes"] * 3 // 20}
    if asked["segment_seconds"] is not None:
        cutting |= {"segment_seconds": asked["segment_seconds"], "segment_overlap": asked["segment_seconds"] / 4}
    if not whole and not cutting:
        return None
    try:
        known = settings_of(Store.open(place or default_library()).fingerprint)
    except SourceError:
        known = LibrarySettings()
    return replace(known, **whole, cutting=replace(known.cutting, **cutting))


def _options(**asked: Any) -> "IndexOptions":
    """How the folders are indexed."""
    from anyseek.search import IndexOptions

    return IndexOptions(retry=asked["retry"], tags=asked["tags"], thumbnails=asked["thumbnails"])


def _run(
    library: "Library", folders: list[Path] | None, as_json: bool, options: "IndexOptions", every: float | None
) -> None:
    """Index once; or go on, with so many seconds between looks."""
    with _Bar(silent=as_json) as tell:
        if every is None:
            _tell(library.index(folders, options=options, tell=tell), library, as_json)
            return
        with suppress(KeyboardInterrupt):  # how a watch ends
            for report in library.watch(folders, every=every, options=options, tell=tell):
                if isinstance(report, Exception):
                    click.echo(f"waiting: {report}", err=True)
                else:
                    _tell(report, library, as_json)


def _tell(report: "Report", library: "Library", as_json: bool) -> None:
    """What a run did."""
    from anyseek.cli.output import print_json

    if as_json:
        print_json({"library": library.store.folder} | asdict(report))
        return
    counts = [f"{report.unchanged:,} unchanged", f"{report.indexed:,} indexed ({report.things:,} things)"]
    counts += [f"{report.known:,} known by their content"] * bool(report.known)
    counts += [f"{report.removed:,} removed"] * bool(report.removed)
    counts += [f"{len(report.waiting):,} still being written"] * bool(report.waiting)
    click.echo(f"{report.found:,} files: {', '.join(counts)}; {report.seconds:.1f} s; library {library.store.folder}")
    for path, reason in report.failed[:LISTED]:
        click.echo(f"unreadable: {path}: {reason}", err=True)
    if len(report.failed) > LISTED:
        click.echo(f"unreadable: {len(report.failed) - LISTED} more (--failed lists them)", err=True)
    for folder in report.unread:
        click.echo(f"unreadable: {folder} cannot be listed; what is known of it stays", err=True)
    if report.left_out:
        click.echo(f"left out: {len(report.left_out):,} file(s) of other kinds (--failed lists them)", err=True)


def _list_failed(folders: tuple[Path, ...], place: Path | str | None, as_json: bool) -> None:
    """Files with a reason: of folders, or of all."""
    from anyseek.cli.output import print_json, print_table
    from anyseek.index import Store
    from anyseek.search.looking import root_of

    roots = [root_of(folder) for folder in folders]
    files = [file for file in Store.open(place or default_library()).files() if file.reason]
    rows = [(Path(file.root, file.path), file.reason or "") for file in files]
    rows = [row for row in rows if not roots or any(row[0].is_relative_to(root) for root in roots)]
    if as_json:
        print_json([{"path": str(path), "reason": reason} for path, reason in rows])
    else:
        print_table(("file", "reason"), [(str(path), reason) for path, reason in rows])


def _forget(folders: tuple[Path, ...], place: Path | str | None, as_json: bool) -> None:
    """Let folders go; needs no model."""
    from anyseek.cli.output import print_json
    from anyseek.index import Store
    from anyseek.search.library import forget

    if not folders:
        raise click.UsageError("Give the FOLDERS to forget.")
    store = Store.open(place or default_library())
    forgotten = []
    for folder in folders:
        forgotten.append({"folder": str(folder), "files": forget(store, folder)})
        if not as_json:
            click.echo(f"{folder}: {forgotten[-1]['files']:,} files forgotten")
    if as_json:
        print_json(forgotten)


class _Bar:
    """Progress on standard error, with the rate and the time left; on a terminal only."""

    def __init__(self, *, silent: bool) -> None:
        from anyseek.cli.output import shows_progress

        self._silent = silent or not shows_progress()
        self._bar: Any = None

    def __enter__(self) -> "Callable[[Progress], None]":
        return self._move

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def _move(self, progress: "Progress") -> None:
        """Show where it is."""
        if self._silent:
            return
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(desc="index", bar_format="{desc}: {percentage:3.0f}% |{bar}| {postfix}", leave=False)
        left = progress.seconds_left
        clock = tqdm.format_interval(left) if left is not None else "?"
        self._bar.total, self._bar.n = 1.0, progress.share
        self._bar.set_postfix_str(
            f"{progress.files:,} of {progress.of_files:,} files, {progress.rate:.1f} things/s, {clock} left"
        )
