"""`anyseek embed`: inputs become vectors."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anyseek.cli.inputs import Given, paths_of, read_inputs
from anyseek.cli.options import ModelChoice, debug_option, json_option, model_options
from anyseek.errors import InputError
from anyseek.items import Item

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["embed", "leave"]

PRECISIONS = ("float32", "float16", "int8", "uint8", "binary", "ubinary")


@click.command(short_help="Turn inputs into vectors.")
@click.argument("inputs", nargs=-1, required=True)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="Write a .npy file, one row per input.")
@click.option("--instruction", default=None, help="What the vectors are for, as a sentence.")
@click.option("--truncate-dim", type=click.IntRange(min=1), default=None, help="Keep the first numbers only.")
@click.option("--precision", type=click.Choice(PRECISIONS), default="float32", show_default=True)
@model_options
@json_option
@debug_option
def embed(inputs: tuple[str, ...], output: Path | None, choice: ModelChoice, as_json: bool, **how: Any) -> None:
    """Embed INPUTS: files, text, or - for lines of JSON (strings or objects with text, image, video, instruction).

    Prints one line of JSON per input, or writes --output. A bad input costs only its own row; the exit code is then
    that of the first error. Name one page of a PDF as report.pdf#page=2.
    """
    from anyseek.cli.output import note, print_json

    if output is not None and output.suffix != ".npy":
        raise click.UsageError("--output must end in .npy")
    given = read_inputs(inputs)
    choice.note_tiny(paths_of(given))
    vectors, errors = _encode(choice, given, how)
    if output is not None:
        _save(output, vectors)
        for row, error in sorted(errors.items()):
            note(f"row {row}: {error}")
        if as_json:
            bad = {str(row): str(error) for row, error in sorted(errors.items())}
            print_json({"output": str(output), "shape": list(vectors.shape), "errors": bad})
    else:
        for row, vector in enumerate(vectors):
            bad_row = {"error": str(errors[row])} if row in errors else {"embedding": vector.tolist()}
            print_json({"index": row, **bad_row})
    leave(errors)


def _encode(
    choice: ModelChoice, given: list[Given], how: dict[str, Any]
) -> "tuple[NDArray[Any], dict[int, InputError]]":
    """`(inputs, dim)` with NaN or zero rows where an input is bad, and the errors by row."""
    import numpy as np

    from anyseek.cli.output import shows_progress

    errors = {row: entry for row, entry in enumerate(given) if isinstance(entry, InputError)}
    rows = [row for row, entry in enumerate(given) if isinstance(entry, Item)]
    items = [entry for entry in given if isinstance(entry, Item)]
    if not items:
        return np.full((len(given), 0), np.nan, dtype=np.float32), errors
    embedder = choice.embedder()
    encoded = embedder.encode(items, on_error="collect", show_progress_bar=shows_progress(), **how)
    errors |= {rows[row]: error for row, error in encoded.errors.items()}
    blank = np.nan if np.issubdtype(encoded.vectors.dtype, np.floating) else 0
    vectors = np.full((len(given), encoded.vectors.shape[1]), blank, dtype=encoded.vectors.dtype)
    vectors[rows] = encoded.vectors
    return vectors, errors


def _save(path: Path, vectors: "NDArray[Any]") -> None:
    """Write a `.npy` file."""
    import numpy as np

    np.save(path, vectors)


def leave(errors: dict[int, InputError]) -> None:
    """End with the exit code of the first error, if there was one."""
    from anyseek.cli.main import exit_code

    if errors:
        sys.exit(exit_code(errors[min(errors)]))
