"""A folder's own chat template, rendered as transformers and vLLM render it."""

from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from anyseek.evaluation.conformance.pack import Case
from anyseek.items import Item, Text
from anyseek.processing.template import DEFAULT_RERANKING_INSTRUCTION, JUDGE, embedding_instruction

__all__ = ["TemplateFault", "messages_of", "rendered"]


class TemplateFault(ValueError):
    """A template that cannot be rendered; its reason."""


def rendered(template: str, case: Case) -> str:
    """The prompt of a case.

    Args:
        template: jinja text.
        case: of the pack.

    Raises:
        TemplateFault: it is no jinja, asks for what a sandbox refuses, or refuses the messages itself.
    """
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = _refuse
    try:
        compiled = environment.from_string(template)
        return compiled.render(messages=messages_of(case, template), add_generation_prompt=True)
    except (TemplateError, TypeError, AttributeError, LookupError, ArithmeticError) as error:
        raise TemplateFault(f"{type(error).__name__}: {error}") from error


def messages_of(case: Case, template: str) -> list[dict[str, Any]]:
    """A case as chat messages.

    For a pair: roles query and document where the template knows them, else the whole judgement in one user turn, as
    the public code writes it; an instruction ends as that code makes it end.
    """
    if len(case.items) == 1:
        (item,) = case.items
        told = _message("system", [_text(embedding_instruction(item.instruction))])
        return [told, _message("user", _parts(item))]
    query, document = case.items
    instruction = query.instruction or DEFAULT_RERANKING_INSTRUCTION
    if "'query'" in template or '"query"' in template:
        told = _message("system", [_text(instruction)])
        return [told, _message("query", _parts(query)), _message("document", _parts(document))]
    head = _text(f"<Instruct>: {instruction}<Query>:")
    content = [head, *_parts(query), _text("\n<Document>:"), *_parts(document)]
    return [_message("system", [_text(JUDGE)]), _message("user", content)]


def _parts(item: Item) -> list[dict[str, Any]]:
    """Content of a message; pictures are told by their kind alone."""
    return [_text(part.text) if isinstance(part, Text) else {"type": "image"} for part in item.parts]


def _message(role: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    """One turn."""
    return {"role": role, "content": content}


def _text(text: str) -> dict[str, Any]:
    """A content part."""
    return {"type": "text", "text": text}


def _refuse(message: str) -> NoReturn:
    """What templates call to refuse messages."""
    raise TemplateFault(message)
