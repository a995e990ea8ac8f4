"""What schemathesis loads: a check that a request as documented is refused only for what no document can say."""

from collections import Counter

import schemathesis
from schemathesis.core.failures import Failure
from schemathesis.generation import GenerationMode
from schemathesis.generation.meta import TestPhase

SOURCES = ("source_not_decodable", "source_refused", "source_not_found", "invalid_input", "file_not_readable")
"""Codes of what is told by a source's content alone: it is no picture, or has no such page."""
TOGETHER = ("invalid_filter", "folder_not_found", "invalid_name", "empty_body", "invalid_pairs")
"""Codes of what no schema can say: the end of a range before its start, a folder that the library does not have, two
queries for three documents."""


WHOLE, STEP = 30, 15
"""Of the systematic cases of an operation, thousands where an input has many forms: the first ones, then some."""
counted: Counter[str] = Counter()


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: schemathesis.Case) -> bool:
    """A part of the systematic cases, spread over all of them."""
    if case.meta is None or case.meta.phase.name != TestPhase.COVERAGE:
        return True
    counted[case.operation.label] += 1
    number = counted[case.operation.label]
    return number <= WHOLE or number % STEP == 0


@schemathesis.check
def refused_for_its_sources_only(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """A request as documented is refused for its sources, or for what no schema can say, not for its form."""
    is_sound = case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE
    if is_sound and response.status_code == 400:
        code = response.json()["error"]["code"]
        if code not in SOURCES + TOGETHER:
            raise Failure(operation=case.operation.label, title="A sound request was refused", message=response.text)
