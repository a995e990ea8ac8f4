"""`anyseek serve`: the HTTP server, and the keys that open it."""

import functools
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anyseek.cli.index import as_stored, default_library, library_option
from anyseek.cli.options import ModelChoice, debug_option, json_option, model_options, reranker_options
from anyseek.errors import ConfigError, DependencyError
from anyseek.paths import expanded

if TYPE_CHECKING:
    from anyseek.engine import Embedder, Reranker
    from anyseek.model.hub import Kind
    from anyseek.server import Models

__all__ = ["serve"]

INSTALL = "the server needs further packages; install them with: pip install 'anyseek[serve]'"
ROLES = ("read", "write", "admin")
FOLDERS = "anyseek.folders"
PLACE = "Library to serve, a folder or s3://...; with FOLDERS and without this, the one of this user."
HOLD = "Hold the vectors of the library in memory while they take no more MiB; 0 searches them on disk."
BOUNDS = {
    "max_body_mib": ("body_bytes", 1 << 20, "Most MiB of one body."),
    "max_upload_mib": ("upload_bytes", 1 << 20, "Most MiB of a file that is sent to the library."),
    "max_items": ("items", 1, "Most inputs or documents of one request."),
    "max_request_tokens": ("request_tokens", 1, "Most tokens of one request."),
    "max_queue_tokens": ("queue_tokens", 1, "Most tokens that wait; more are refused with 503."),
    "concurrency": ("concurrency", 1, "Most requests of one key at a time; more are refused with 429."),
    "timeout": ("request_seconds", 1, "Most seconds from a body to its answer, and to each next piece of it."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedChoice(ModelChoice):
    """Models for requests of strangers: no paths, smaller limits, and special tokens in their text are text.

    Attributes:
        urls: fetch public http(s) addresses.
        aliases: further names in requests.
        lora: names that requests give, and folders of adapters beside the embedding model.
        reranker_lora: likewise beside the reranker.
    """

    urls: bool = False
    aliases: tuple[str, ...] = ()
    lora: tuple[tuple[str, Path], ...] = ()
    reranker_lora: tuple[tuple[str, Path], ...] = ()

    def models(self) -> "Models":
        """Load them."""
        from anyseek.server import Models

        embedder, reranker = self.pair()
        names: dict[Kind, tuple[str, ...]] = {"embedding": self._names(self.name, "embedding")}
        if reranker is not None:
            names["reranking"] = self._names(self.reranker_name or self.name, "reranking")
        elif self.reranker_lora:
            raise ConfigError("--reranker-lora needs a reranker, and none is served; name one with --reranker")
        adapted: list[tuple[str, Embedder | Reranker]] = []
        adapted += [(name, embedder.with_adapter(folder)) for name, folder in self.lora]
        if reranker is not None:
            adapted += [(name, reranker.with_adapter(folder)) for name, folder in self.reranker_lora]
        fusion = self.fusion(reranker)
        return Models(embedder=embedder, reranker=reranker, names=names, adapted=adapted, fusion=fusion)

    def _options(self, *given: Any) -> dict[str, Any]:
        """Keyword arguments of `load`."""
        from anyseek.media import MediaOptions

        kept = MediaOptions.served()
        media = replace(kept, urls=self.urls, exif_orientation=self.exif, scale_16bit=self.scale_16bit)
        return ModelChoice._options(self, *given) | {"media": media, "parse_special": False}

    def _names(self, name: str, kind: "Kind") -> tuple[str, ...]:
        """What requests may call a model; its own name first, and never a path."""
        from anyseek.model.hub import TINY, released

        model = released(name, kind)
        if name == "tiny" or model:
            own = [model.hub_id if model else TINY[kind], name]
        else:
            own = [Path(name).name if expanded(name).is_dir() else name]
        return tuple(dict.fromkeys((*own, *self.aliases)))


def default_keys() -> Path:
    """Where keys are kept unless told otherwise: the platform's folder for settings."""
    return Path(click.get_app_dir("anyseek")) / "keys.json"


def _bounds(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for each of `BOUNDS`, and give the command what was set, by field of `Bounds`."""

    @functools.wraps(function)
    def call(*args: Any, **values: Any) -> Any:
        taken = {field: (values.pop(name), factor) for name, (field, factor, _) in BOUNDS.items()}
        bounds = {field: value * factor for field, (value, factor) in taken.items() if value is not None}
        return function(*args, bounds=bounds, **values)

    command: Callable[..., Any] = call
    for name, (_, _, text) in reversed(BOUNDS.items()):
        option = click.option("--" + name.replace("_", "-"), type=click.IntRange(min=1), default=None, help=text)
        command = option(command)
    return command


def keys_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--keys`."""
    text = "File of keys; the default is keys.json in the folder for settings, once it is there."
    return click.option("--keys", type=click.Path(path_type=Path, dir_okay=False), default=None, help=text)(function)


def _lora_option(name: str, whose: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add an option that takes `NAME=FOLDER`, several times."""

    def pairs(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> tuple[tuple[str, Path], ...]:
        found = [one.partition("=") for one in given]
        for called, equals, folder in found:
            if not (called.strip() and folder and expanded(folder).is_dir()):
                raise click.BadParameter(
                    f"{called + equals + folder!r} is not NAME=FOLDER, with a folder that is there"
                )
        return tuple((called.strip(), expanded(folder)) for called, _, folder in found)

    text = f"LoRA adapter beside {whose}, whose weights it shares; requests name it as their model."
    return click.option(name, multiple=True, callback=pairs, metavar="NAME=FOLDER", help=text)


class _WithFolders(click.Group):
    """A group whose words are folders, unless one of them is a command."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Keep the folders aside; options may stand before and behind them."""
        if any(word in self.commands for word in args):
            return super().parse_args(context, args)
        context.allow_interspersed_args = True
        context.meta[FOLDERS] = click.Command.parse_args(self, context, args)
        context.args = []
        return []


@click.group(
    cls=_WithFolders,
    invoke_without_command=True,
    short_help="Serve vectors, relevance and a library over HTTP.",
    subcommand_metavar="[FOLDER]... | COMMAND",
)
@library_option(PLACE)
@click.option("--hold-mib", type=click.IntRange(min=0), default=None, help=HOLD)
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address; others than loopback only with keys.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes any free one.")
@keys_option
@click.option("--no-keys", is_flag=True, help="Let everybody on this machine in, although there are keys.")
@click.option("--origin", "origins", multiple=True, help="Web page that browsers may let ask: https://example.org")
@click.option("--allow-host", "hosts", multiple=True, help="Further name by which this server may be called.")
@click.option("--alias", "aliases", multiple=True, help="Further name of the models in requests.")
@_lora_option("--lora", "--model")
@_lora_option("--reranker-lora", "the reranker")
@click.option("--audit", type=click.Path(path_type=Path, dir_okay=False), help="File for a line of JSON per request.")
@click.option("--urls", is_flag=True, help="Fetch http(s) addresses in requests, public ones only.")
@_bounds
@reranker_options
@model_options
@debug_option
@click.pass_context
def serve(context: click.Context, /, choice: ModelChoice, **how: Any) -> None:
    """Serve /v1/embeddings, /v2/embed, /v1/rerank, /v2/rerank and more (docs/serving.md).

    With FOLDERS they are indexed in the background, and searched at /v1/search and on a web page.
    """
    if context.invoked_subcommand is None:
        folders = tuple(map(Path, context.meta.get(FOLDERS, ())))
        _serve(choice, folders=_checked(folders), **how)


def _checked(folders: tuple[Path, ...]) -> tuple[Path, ...]:
    """Folders that are there.

    Raises:
        UsageError: one is not; among what it may be is a misspelt command.
    """
    for folder in folders:
        if not expanded(folder).is_dir():
            raise click.UsageError(f"{str(folder)!r} is neither a folder nor a command")
    return tuple(expanded(folder) for folder in folders)


def _serve(choice: ModelChoice, *, bounds: dict[str, int], keys: Path | None, no_keys: bool, **how: Any) -> None:
    """Serve until a signal."""
    place, opens = how.pop("place"), how.pop("opens")
    if keys is not None and no_keys:
        raise click.UsageError("give --keys or --no-keys, not both")
    try:
        from anyseek.server import Bounds, ServerOptions
        from anyseek.server import serve as run
    except ImportError as error:
        raise DependencyError(INSTALL) from error
    if keys is None and not no_keys and default_keys().exists():
        keys = default_keys()
    place = place or (default_library() if how["folders"] else None)
    choice = _of_library(choice, place)
    choice.note_tiny(how["folders"])
    plain = {field.name: getattr(choice, field.name) for field in fields(choice)}
    served = ServedChoice(**plain, **{name: how.pop(name) for name in ("urls", "aliases", "lora", "reranker_lora")})
    held = how.pop("hold_mib")
    if held is not None:
        how["held_bytes"] = held << 20
    options = ServerOptions(bounds=Bounds(**bounds), keys=keys, library=place, **how)
    who = f"keys of {keys}" if keys else "everybody on this machine"

    def announce(address: str) -> None:
        click.echo(f"listening on {address} for {who}", err=True)
        if place is not None:
            click.echo(f"the library {place}: {address}/", err=True)
        if opens:
            click.launch(f"{address}/")

    if run(served.models, options, announce):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _of_library(choice: ModelChoice, place: Path | str | None) -> ModelChoice:
    """The choice with its gaps filled from a library, where there is one."""
    from anyseek.errors import SourceError

    if place is None:
        return choice
    from anyseek.index import Store

    try:
        return as_stored(choice, Store.open(place).fingerprint)
    except SourceError:
        return choice


@serve.group("keys")
def keys_group() -> None:
    """Make, list and remove the keys that open the server; only their hashes are kept."""


@keys_group.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="read", show_default=True, help="What the key may do.")
@keys_option
@json_option
@debug_option
def add(name: str, role: Any, keys: Path | None, as_json: bool) -> None:
    """Make a key for NAME and print it; it cannot be shown again.

    read may ask for vectors and relevance, write may change libraries, admin may read /metrics.
    """
    from anyseek.cli.output import note, print_json

    path = keys or default_keys()
    secret = _keys().add_key(path, name, role)
    if as_json:
        print_json({"name": name, "role": role, "key": secret, "file": str(path)})
        return
    click.echo(secret)
    note(f"kept as a hash in {path}; the key itself cannot be shown again")


@keys_group.command("list")
@keys_option
@json_option
@debug_option
def list_keys(keys: Path | None, as_json: bool) -> None:
    """Names, roles and days of the keys."""
    import time

    from anyseek.cli.output import print_json, print_table

    found = _keys().read_keys(keys or default_keys())
    if as_json:
        print_json([{"name": key.name, "role": key.role, "created": key.created} for key in found])
        return
    rows = [(key.name, key.role, time.strftime("%Y-%m-%d", time.gmtime(key.created))) for key in found]
    print_table(("name", "role", "since"), rows)


@keys_group.command("remove")
@click.argument("name")
@keys_option
@debug_option
def remove(name: str, keys: Path | None) -> None:
    """Take NAME's key away; a running server refuses it from the next request on."""
    _keys().remove_key(keys or default_keys(), name)


def _keys() -> Any:
    """The module of keys."""
    try:
        import anyseek.server.keys
    except ImportError as error:
        raise DependencyError(INSTALL) from error
    return anyseek.server.keys
