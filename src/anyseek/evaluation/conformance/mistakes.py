"""Prompts as engines get them wrong: for a case, every variant of each cause that changes the prompt."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from anyseek.errors import InputError
from anyseek.evaluation.conformance.pack import Case, data_uri
from anyseek.evaluation.conformance.resizing import resized_cases
from anyseek.evaluation.conformance.trace import Prompt, Tracer
from anyseek.items import Image, Item, Part, Text
from anyseek.processing.template import DEFAULT_EMBEDDING_INSTRUCTION, JUDGE, Piece, Run, Special

__all__ = ["Mistake", "mistakes"]


@dataclass(frozen=True, slots=True)
class Mistake:
    """A wrong prompt, the cause that it is of, and what exactly is wrong with it."""

    cause: str
    detail: str
    prompt: Prompt


Variants = Iterator[tuple[str, Prompt]]
"""What is wrong, and the prompt."""


def mistakes(tracer: Tracer, case: Case) -> Iterator[Mistake]:
    """Every known way to get the prompt of a case wrong; those that cannot be laid out are left out."""
    for cause, variants in _CAUSES.items():
        try:
            for detail, prompt in variants(tracer, case):
                yield Mistake(cause, detail, prompt)
        except InputError:  # a corrupt picture: only what does not look at it remains
            continue


@dataclass(frozen=True, slots=True)
class _Turns:
    """A right prompt taken apart.

    Attributes:
        system: text of the system turn.
        opening: the pieces of the user turn before its content.
        content: what the user says and shows.
        closing: from the end of the user turn on.
    """

    system: str
    opening: tuple[Piece, ...]
    content: tuple[Piece, ...]
    closing: tuple[Piece, ...]

    def with_system(self, system: str | None, content: tuple[Piece, ...]) -> Prompt:
        """The prompt with another system turn, or none, and other content."""
        turn: tuple[Piece, ...] = ()
        if system is not None:
            turn = (Special("<|im_start|>"), Run(f"system\n{system}"), Special("<|im_end|>"), Run("\n"))
        return Prompt((*turn, *self.opening, *content, *self.closing))


def _turns(prompt: Prompt) -> _Turns:
    """System turn (4 pieces), user turn (2 before its content), answer (2) after the end of the user turn (2)."""
    pieces = prompt.pieces
    assert isinstance(pieces[1], Run)
    return _Turns(pieces[1].text.removeprefix("system\n"), pieces[4:6], pieces[6:-4], pieces[-4:])


def _content(tracer: Tracer, item: Item) -> tuple[Piece, ...]:
    """The pieces of one item's own parts."""
    return _turns(tracer.prompt(Case(name="", items=(item,)))).content


def _raw_text(tracer: Tracer, case: Case) -> Variants:
    """No template, or only half of it."""
    turns = _turns(tracer.prompt(case))
    raw = [("no chat template", turns.content)]
    if len(case.items) == 2:
        query, document = (_content(tracer, item) for item in case.items)
        raw.append(("query and document end to end", (*query, *document)))
        raw.append(("query and document on two lines", (*query, Run("\n"), *document)))
    for detail, content in raw:
        yield detail, Prompt(content)
        if tracer.processor.tokenizer.suffix:
            yield f"{detail}, no end token", Prompt(content, suffix=False)
    yield "no system turn", turns.with_system(None, turns.content)


def _instruction_turn(tracer: Tracer, case: Case) -> Variants:
    """The instruction somewhere else, or nowhere."""
    instruction = case.items[0].instruction
    if not instruction:
        return
    plain = replace(case, items=(replace(case.items[0], instruction=None), *case.items[1:]))
    yield "the instruction is not used", tracer.prompt(plain)
    turns = _turns(tracer.prompt(case))
    if len(case.items) == 2:
        yield from _misplaced_in_pair(tracer, case, turns, instruction)
        return
    if turns.system != instruction:
        yield "the instruction lacks its full stop", turns.with_system(instruction, turns.content)
    for said in dict.fromkeys((instruction, turns.system)):
        for before, after in (("", ""), ("", " "), ("", "\n"), ("Instruct: ", "\nQuery:"), ("Instruct: ", "\nQuery: ")):
            content = (Run(before + said + after), *turns.content)
            yield "the instruction is in the user turn", turns.with_system(DEFAULT_EMBEDDING_INSTRUCTION, content)
            yield "the instruction is in the user turn, no system turn", turns.with_system(None, content)
            yield "the text model's prompt: instruction and query, no chat template", Prompt(content)


def _misplaced_in_pair(tracer: Tracer, case: Case, turns: _Turns, instruction: str) -> Variants:
    """The same for a pair, whose instruction belongs into the user turn."""
    query, document = (_content(tracer, item) for item in case.items)
    bare = (Run("<Query>:"), *query, Run("\n<Document>:"), *document)
    for system in (instruction, f"{JUDGE}\n{instruction}", f"{JUDGE} {instruction}", f"{instruction}\n{JUDGE}"):
        yield "the instruction is in the system turn", turns.with_system(system, bare)
    for system in (instruction, f"{JUDGE}\n{instruction}"):
        default = _turns(tracer.prompt(replace(case, items=(replace(case.items[0], instruction=None), case.items[1]))))
        yield "the instruction is in the system turn", turns.with_system(system, default.content)
    yield "the system line is missing, the instruction is there", turns.with_system(instruction, turns.content)


def _address_as_text(tracer: Tracer, case: Case) -> Variants:
    """The data URI itself as text."""
    if case.has_pictures:
        yield "a data URI is read as text", tracer.prompt(_changed(case, lambda part: Text(_address(part))))


def _address(part: Image) -> str:
    """What was sent for a picture of the pack."""
    return data_uri(part.source) if isinstance(part.source, bytes) else str(part.source)


def _changed(case: Case, change: Callable[[Image], Part | None]) -> Case:
    """A case with other parts in the places of its pictures."""
    items = []
    for item in case.items:
        parts = [change(part) if isinstance(part, Image) else part for part in item.parts]
        items.append(replace(item, parts=tuple(part for part in parts if part is not None)))
    return replace(case, items=tuple(items))


def _swallowed(tracer: Tracer, case: Case) -> Variants:
    """The text NULL, or only what is left without the pictures."""
    if not case.has_pictures:
        return
    shown = [any(isinstance(part, Image) for part in item.parts) for item in case.items]
    items = tuple(replace(i, parts=()) if has else i for i, has in zip(case.items, shown, strict=True))
    null = tracer.prompt(replace(case, items=items))
    yield "the text NULL", null
    turns = _turns(null)
    yield "the text NULL, no system turn", turns.with_system(None, turns.content)
    if len(case.items) == 2:
        yield "the text NULL instead of the pair, no system turn", turns.with_system(None, (Run("NULL"),))
    yield (
        "an empty text",
        tracer.prompt(replace(case, items=tuple(replace(i, parts=i.parts or (Text(""),)) for i in items))),
    )
    if any(isinstance(part, Text) for item, has in zip(case.items, shown, strict=True) for part in item.parts if has):
        yield "the picture is left out", tracer.prompt(_changed(case, lambda _: None))


def _template_end(tracer: Tracer, case: Case) -> Variants:
    """Other endings, with and without what the tokenizer appends."""
    right = tracer.prompt(case)
    *_, opened = right.pieces
    assert opened == Run("assistant\n")
    ends = {
        "": right.pieces,
        "the last newline is missing": (*right.pieces[:-1], Run("assistant")),
        "the answer is not opened": right.pieces[:-2],
        "the answer is not opened, no newline": right.pieces[:-3],
        "an empty thought follows": (*right.pieces[:-1], Run("assistant\n<think>\n\n</think>\n\n")),
    }
    end = Special("<|endoftext|>")
    for detail, pieces in ends.items():
        if detail:
            yield detail, Prompt(pieces)
        if tracer.processor.tokenizer.suffix:
            yield f"{detail}, no end token".removeprefix(", "), Prompt(pieces, suffix=False)
        else:
            yield f"{detail}, an end token".removeprefix(", "), Prompt((*pieces, end))


def _resize(tracer: Tracer, case: Case) -> Variants:
    """Other sizes and filters."""
    for detail, changed in resized_cases(tracer, case):
        yield detail, tracer.prompt(changed)


_CAUSES: dict[str, Callable[[Tracer, Case], Variants]] = {
    "raw text": _raw_text,
    "instruction turn": _instruction_turn,
    "address as text": _address_as_text,
    "swallowed error": _swallowed,
    "template end": _template_end,
    "resize": _resize,
}
