"""`anyseek models`: the family, what of it is on this machine, and how to get more."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anyseek.cli.options import debug_option, json_option

if TYPE_CHECKING:
    from anyseek.model.download import Progress
    from anyseek.model.hub import Kind, Released

__all__ = ["models"]

KINDS: "tuple[Kind, ...]" = ("embedding", "reranking")


@click.group(invoke_without_command=True)
@click.pass_context
def models(context: click.Context) -> None:
    """List the models, or get one."""
    if context.invoked_subcommand is None:
        context.invoke(list_models)


@models.command("list")
@json_option
@debug_option
def list_models(as_json: bool = False) -> None:
    """The family: size, licence, memory, and what is on this machine."""
    from anyseek.cli.output import note, print_json, print_table
    from anyseek.cli.settings import default_model

    rows = [_tiny(kind) for kind in KINDS] + _family()
    default = default_model()
    if as_json:
        print_json({"default": default, "models": rows})
        return
    cells = [
        (
            row["name"] + ("*" if row["name"] == default else ""),
            row["kind"],
            f"{row['parameters'] / 1e9:.2f} B" if row["parameters"] else "-",
            str(row["dim"] or "-"),
            row["licence"],
            _gigabytes(row) if row["parameters"] else "-",
            "yes" if row["path"] else "no",
        )
        for row in rows
    ]
    print_table(("name", "kind", ">weights", ">dim", "licence", ">GB bf16/fp32", "here"), cells)
    note(f"* the default ({default}). Memory is that of the weights alone. Get one with: anyseek models get 2b")


def _gigabytes(row: dict[str, Any]) -> str:
    """Memory of the weights in both precisions."""
    return f"{row['bfloat16_bytes'] / 1e9:.2f} / {row['float32_bytes'] / 1e9:.2f}"


def _family() -> list[dict[str, Any]]:
    """The released models."""
    from anyseek.model.hub import FAMILY, on_disk

    return [_row(model, on_disk(model.hub_id)) for model in FAMILY]


def _row(model: "Released", path: Path | None) -> dict[str, Any]:
    """One released model."""
    return {
        "name": model.name,
        "kind": model.kind,
        "hub_id": model.hub_id,
        "parameters": model.parameters,
        "dim": model.dim,
        "licence": model.licence,
        "bfloat16_bytes": model.weight_bytes(2),
        "float32_bytes": model.weight_bytes(4),
        "path": str(path) if path else None,
    }


def _tiny(kind: Any) -> dict[str, Any]:
    """The bundled model, measured from its files."""
    from anyseek.errors import CheckpointError
    from anyseek.model.hub import locate

    try:
        path: Path | None = locate("tiny", kind)
    except CheckpointError:
        path = None
    weights = _weights(path) if path else 0
    size = {"bfloat16_bytes": 2 * weights, "float32_bytes": 4 * weights}
    about = {"name": "tiny", "kind": kind, "hub_id": None, "parameters": weights, "dim": _dim(path, kind)}
    return {**about, "licence": "Apache-2.0", **size, "path": str(path) if path else None}


def _weights(folder: Path) -> int:
    """Number of weights, from the headers of the weight files (8 bytes of length, then JSON)."""
    import json
    from math import prod

    total = 0
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        total += sum(prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
    return total


def _dim(folder: Path | None, kind: str) -> int | None:
    """Width of the vectors, from the config."""
    from anyseek.model import ModelConfig

    if folder is None or kind != "embedding":
        return None
    return ModelConfig.from_file(folder / "config.json").text.hidden_size


@models.command("get")
@click.argument("name")
@click.option("--source", type=click.Choice(["huggingface", "modelscope"]), default="huggingface", show_default=True)
@click.option("--endpoint", default=None, metavar="URL", help="Another address of the hub, such as a mirror.")
@click.option("--only", type=click.Choice(KINDS), default=None, help="One of the pair instead of both.")
@click.option("--default/--no-default", default=True, show_default=True, help="Make it the default model.")
@debug_option
def get(name: str, source: Any, endpoint: str | None, only: Any, default: bool) -> None:
    """Download NAME (2b, 8b, or a hub name), check it, and make it the default.

    A broken download goes on where it stopped when the command is run again.
    """
    from anyseek.cli.settings import remember_model
    from anyseek.model.download import download
    from anyseek.model.hub import FAMILY

    member = next((m for m in FAMILY if name.lower() in (m.name, m.hub_id.lower())), None)
    short = member is not None and name.lower() == member.name
    kinds: list[Kind] = [only] if only else list(KINDS) if short else [member.kind if member else "embedding"]
    with _bars(source) as progress:
        for kind in kinds:
            folder = download(name, kind, source=source, endpoint=endpoint, progress=progress)
            click.echo(str(folder))
    if default and "embedding" in kinds:
        path = remember_model(name)
        click.echo(f"{name} is now the default (kept in {path})", err=True)


class _bars:
    """A bar per file on standard error; Hugging Face's library draws its own, so there a checked file gets a line."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.bar: Any = None
        self.name = ""

    def __enter__(self) -> "Progress":
        return self.line if self.source == "huggingface" else self.move

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def line(self, name: str, done: int, total: int) -> None:
        """Say that a file has been checked."""
        if done == total:
            click.echo(f"checked {name} ({total / 1e6:.1f} MB)", err=True)

    def move(self, name: str, done: int, total: int) -> None:
        """Move the bar of a file, or start the next one."""
        from tqdm import tqdm

        if name != self.name:
            self.__exit__()
            self.name, self.bar = name, tqdm(desc=name, total=total, unit="B", unit_scale=True)
        self.bar.update(done - self.bar.n)
