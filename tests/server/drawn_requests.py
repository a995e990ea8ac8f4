"""What schemathesis loads: a check that a request as documented is refused only for what no document can say."""

import schemathesis
from schemathesis.core.failures import Failure
from schemathesis.generation import GenerationMode

BEYOND = ("source_not_decodable", "source_refused", "source_not_found", "invalid_input")
"""Codes of what is told by a source's content alone: it is no picture, or has no such page."""


@schemathesis.check
def refused_for_its_sources_only(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> None:
    """A request as documented is refused for its sources, not for its form."""
    is_sound = case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE
    if is_sound and response.status_code == 400:
        code = response.json()["error"]["code"]
        if code not in BEYOND:
            raise Failure(operation=case.operation.label, title="A sound request was refused", message=response.text)
