"""The prompts of both models, as pieces: special tokens, text and places for vision (SPEC 2). No jinja."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from anyseek.items import File, Image, Item, Limits, Page, Part, Text, Video

__all__ = [
    "DEFAULT_EMBEDDING_INSTRUCTION",
    "DEFAULT_RERANKING_INSTRUCTION",
    "Piece",
    "Run",
    "Special",
    "Vision",
    "embedding_instruction",
    "embedding_prompt",
    "reranking_prompt",
]

DEFAULT_EMBEDDING_INSTRUCTION = "Represent the user's input."
DEFAULT_RERANKING_INSTRUCTION = "Given a search query, retrieve relevant candidates that answer the query."
JUDGE = (
    "Judge whether the Document meets the requirements based on the Query and the Instruct provided. "
    'Note that the answer can only be "yes" or "no".'
)


@dataclass(frozen=True, slots=True)
class Special:
    """One special token of the template."""

    token: str


@dataclass(frozen=True, slots=True)
class Run:
    """Text; `user` marks what may be cut to fit a token limit."""

    text: str
    user: bool = False


@dataclass(frozen=True, slots=True)
class Vision:
    """The place of a picture, page or video, and the limits it is shown under."""

    part: Image | Page | Video
    limits: Limits


Piece = Special | Run | Vision


def embedding_prompt(item: Item) -> list[Piece]:
    """The prompt whose last token is the vector. Parts must be resolved: no `File`."""
    return _conversation(embedding_instruction(item.instruction), _content(item))


def embedding_instruction(instruction: str | None) -> str:
    """The system turn of an embedding prompt: stripped, and with a full stop unless it ends in punctuation."""
    instruction = (instruction or "").strip()
    if instruction and not unicodedata.category(instruction[-1]).startswith("P"):
        instruction += "."
    return instruction or DEFAULT_EMBEDDING_INSTRUCTION


def reranking_prompt(query: Item, document: Item) -> list[Piece]:
    """The prompt whose last token says yes or no; the instruction is the query's, taken as it is."""
    head = Run(f"<Instruct>: {query.instruction or DEFAULT_RERANKING_INSTRUCTION}<Query>:")
    content: list[Piece] = [head, *_content(query), Run("\n<Document>:"), *_content(document)]
    return _conversation(JUDGE, content)


def _conversation(system: str, content: Sequence[Piece]) -> list[Piece]:
    """System turn, user turn, and the opening of the answer."""
    start, end = Special("<|im_start|>"), Special("<|im_end|>")
    opening: list[Piece] = [start, Run(f"system\n{system}"), end, Run("\n"), start, Run("user\n")]
    return [*opening, *content, end, Run("\n"), start, Run("assistant\n")]


def _content(item: Item) -> list[Piece]:
    """Parts in their order; nothing at all is the text NULL."""
    if not item.parts:
        return [Run("NULL")]
    return [_piece(part, item.limits) for part in item.parts]


def _piece(part: Part, limits: Limits) -> Piece:
    """One part; what a `File` is must be known by now."""
    assert not isinstance(part, File)
    return Run(part.text, user=True) if isinstance(part, Text) else Vision(part, limits)
