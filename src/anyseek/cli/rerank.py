"""`anyseek rerank`: order documents by a query."""

from dataclasses import replace
from typing import Any

import click

from anyseek.cli.inputs import Given, label, paths_of, read_inputs
from anyseek.cli.options import ModelChoice, debug_option, json_option, model_options
from anyseek.errors import InputError
from anyseek.items import Item

__all__ = ["rerank"]


@click.command(short_help="Order documents by a query.")
@click.argument("query")
@click.argument("documents", nargs=-1, required=True)
@click.option("--top", type=click.IntRange(min=1), default=None, help="Most documents; the default is all.")
@click.option("--instruction", default=None, help="What counts as relevant, as a sentence.")
@model_options
@json_option
@debug_option
def rerank(query: str, documents: tuple[str, ...], choice: ModelChoice, top: int | None, **how: Any) -> None:
    """Order DOCUMENTS (files, text, or - for lines of JSON) by how well they answer QUERY (text or a file).

    --model names the reranker here, and --adapter belongs to it. A bad document costs only its own row. Name one page
    of a PDF as report.pdf#page=2.
    """
    from anyseek.cli.embed import leave

    asked, given = read_inputs([query])[0], read_inputs(documents)
    if isinstance(asked, InputError):
        raise asked
    choice.note_tiny(paths_of([asked, *given]))
    item = replace(asked, instruction=how["instruction"]) if how["instruction"] else asked
    scores, errors = _scores(choice, item, given)
    order = sorted(scores, key=lambda row: -scores[row])[:top]
    if how["as_json"]:
        _print_json(order, scores, errors)
    else:
        _print(order, scores, errors, given)
    leave(errors)


def _scores(choice: ModelChoice, query: Item, given: list[Given]) -> tuple[dict[int, float], dict[int, InputError]]:
    """Probability of relevance by document, and errors by document."""
    errors = {row: entry for row, entry in enumerate(given) if isinstance(entry, InputError)}
    good = {row: entry for row, entry in enumerate(given) if isinstance(entry, Item)}
    if not good:
        return {}, errors
    chosen = replace(choice, rerank=True, reranker_name=choice.name, reranker_adapter=choice.adapter)
    reranker = chosen.reranker()
    if reranker is None:  # rerank=True raises instead
        raise AssertionError
    pairs = [(query, item) for item in good.values()]
    scored = reranker.predict(pairs, on_error="collect")
    rows = list(good)
    errors |= {rows[place]: error for place, error in scored.errors.items()}
    return {row: float(scored.scores[at]) for at, row in enumerate(rows) if row not in errors}, errors


def _print(order: list[int], scores: dict[int, float], errors: dict[int, InputError], given: list[Given]) -> None:
    """Score and document."""
    from anyseek.cli.output import note, print_table

    rows = [(f"{scores[row]:.4f}", str(row), label(given[row], 200)) for row in order]
    print_table((">score", ">index", "document"), rows)
    for row, error in sorted(errors.items()):
        note(f"documents[{row}]: {error}")


def _print_json(order: list[int], scores: dict[int, float], errors: dict[int, InputError]) -> None:
    """One object."""
    from anyseek.cli.output import print_json

    results = [{"corpus_id": row, "score": scores[row]} for row in order]
    print_json({"results": results, "errors": {str(row): str(error) for row, error in sorted(errors.items())}})
