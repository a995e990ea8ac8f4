"""`anyseek demo`: questions about the bundled samples, with known answers."""

import json
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anyseek.cli.options import ModelChoice, debug_option, json_option, model_options, reranker_options
from anyseek.errors import InputError
from anyseek.items import Image, Item, Text

if TYPE_CHECKING:
    from anyseek.search import Found, Hit

__all__ = ["demo"]

QUERIES = "queries.json"
LIBRARY = "anyseek-demo.library"
"""Beside the user's own, which the samples are no part of."""
CANDIDATES = 10  # what the reranker reads per query: the demo is to end within a minute on two cores


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A query with its known answers, each a path below the samples and perhaps a page."""

    label: str
    item: Item
    answers: tuple[tuple[Path, int | None], ...]

    def is_answer(self, found: "Found") -> bool:
        """True when this is one of the answers."""
        return any(found.path == path and page in (None, found.page) for path, page in self.answers)


@click.command(short_help="Search the bundled samples, with known answers.")
@reranker_options
@model_options
@json_option
@debug_option
def demo(choice: ModelChoice, as_json: bool) -> None:
    """Search the bundled samples with the bundled model, and say whether the answers are right.

    Works without a network. Ends with exit code 1 if an answer is wrong.
    """
    from anyseek.cli.output import shows_progress
    from anyseek.model.hub import bundled
    from anyseek.search import SearchOptions, ask, embed

    started = time.perf_counter()
    folder = bundled(".", "samples")
    questions = read_questions(folder)
    found = _samples(folder)
    embedder, reranker = choice.pair()
    library = embed(found, embedder, SearchOptions(show_progress_bar=shows_progress() and not as_json))
    best: list[Hit | None] = []
    options = SearchOptions(top=1, candidates=CANDIDATES, fusion=choice.fusion(reranker))
    for question in questions:
        hits = ask(question.item, library, embedder, reranker, options).hits
        best.append(hits[0] if hits else None)
    right = [hit is not None and question.is_answer(hit.found) for question, hit in zip(questions, best, strict=True)]
    (_print_json if as_json else _print)(questions, best, right, folder)
    seconds = time.perf_counter() - started
    click.echo(f"{sum(right)} of {len(right)} right; {len(found)} things in {seconds:.1f} s", err=True)
    for failure in library.failures:
        click.echo(f"unreadable: {failure.found.path}: {failure.reason}", err=True)
    click.echo(f"on a web page: {page_command(folder)}", err=True)
    if not all(right):
        sys.exit(1)


def page_command(folder: Path) -> str:
    """The line that searches the samples in a browser; from the folder it is said in, as this program was called."""
    called, here = Path(sys.argv[0]), Path.cwd()
    program = [_near(called, here)] if called.name == "anyseek" else [sys.executable, "-m", "anyseek"]
    return shlex.join([*program, "serve", _near(folder, here), "--library", LIBRARY, "--open"])


def _near(path: Path, here: Path) -> str:
    """A path as it is said from a folder."""
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def read_questions(folder: Path) -> list[Question]:
    """The questions of `queries.json`: a list of `{"query": text or {"text", "image"}, "expected": answer or answers}`.

    Raises:
        InputError: the file is missing or not of this form.
    """
    path = folder / QUERIES
    try:
        return [_question(entry, folder) for entry in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read as a list of questions ({type(error).__name__}: {error})") from error


def _question(entry: dict[str, Any], folder: Path) -> Question:
    """One entry; file names are relative to the samples."""
    asked, expected = entry["query"], entry["expected"]
    fields = {"text": asked} if isinstance(asked, str) else asked
    parts: tuple[Image | Text, ...] = (Image(folder / fields["image"]),) if "image" in fields else ()
    parts += (Text(fields["text"]),) if "text" in fields else ()
    answers = expected if isinstance(expected, list) else [expected]
    return Question(
        label=" + ".join(str(value) for value in fields.values()),
        item=Item(parts, entry.get("instruction")),
        answers=tuple((folder / answer["path"], answer.get("page")) for answer in answers),
    )


def _samples(folder: Path) -> "list[Found]":
    """The samples, without the file of questions."""
    from anyseek.search import Found, walk

    return [thing for thing in walk(folder) if isinstance(thing, Found) and thing.path != folder / QUERIES]


def _print(questions: list[Question], best: "list[Hit | None]", right: list[bool], folder: Path) -> None:
    """Query, best hit, right or wrong."""
    from anyseek.cli.output import place, print_table

    rows = [
        (question.label, place(hit.found, folder) if hit else "-", f"{hit.score:.2f}" if hit else "-", _verdict(good))
        for question, hit, good in zip(questions, best, right, strict=True)
    ]
    print_table(("query", "best hit", ">score", "answer"), rows)


def _verdict(good: bool) -> str:
    """A word, so that it needs no colour."""
    return "right" if good else "WRONG"


def _print_json(questions: list[Question], best: "list[Hit | None]", right: list[bool], folder: Path) -> None:
    """One object."""
    from anyseek.cli.output import as_row, print_json

    rows = [
        {"query": question.label, "right": good, "score": hit and hit.score, "best": hit and as_row(hit.found)}
        for question, hit, good in zip(questions, best, right, strict=True)
    ]
    print_json({"samples": str(folder), "right": sum(right), "questions": rows})
