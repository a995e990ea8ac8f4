"""Inputs as requests have them, and the Items they become: strings, objects, content parts and messages, in order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag

from anyseek.errors import InputError
from anyseek.items import Image, Item, Part, Text, Video
from anyseek.server.faults import TAG
from anyseek.server.parts import (
    AnyPart,
    Films,
    Many,
    Most,
    Parts,
    Pictures,
    Rate,
    Strict,
    TextPart,
    Texts,
    absent,
    part_of,
    shape,
    source_of,
)

__all__ = ["Content", "Fields", "Given", "Input", "Inputs", "Message", "Messages", "Several", "given", "listed", "told"]

FORMS = (
    "must be a string, an object of text, image and video, an object with content, a part with its type, or a list of "
    "parts; token ids are not taken, as they belong to one tokenizer: send text"
)


@dataclass(frozen=True, slots=True)
class Given:
    """An input and where it stood in the request.

    Attributes:
        item: what the engine reads.
        place: such as `input[3]`.
        parts: place of each of its parts, such as `input[3].content[1].image_url`.
    """

    item: Item
    place: str
    parts: tuple[str, ...]


Words = Annotated[
    Annotated[str, Tag(TAG + "string")] | Annotated[Parts, Tag(TAG + "list")],
    Discriminator(shape, custom_error_type="content", custom_error_message="must be a string or a list of parts"),
]


class Content(Strict):
    """An input of content parts, which the model is shown in their order."""

    content: Words
    instruction: str | None = None


class Fields(Strict):
    """An input by kind: the model is shown videos, then images, then texts, as in the public code.

    A list of videos is the frames of one.
    """

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": [name]} for name in ("text", "image", "video")]}
    )

    text: Texts = absent()
    image: Pictures = absent()
    video: Films = absent()
    instruction: str | None = None
    fps: Rate | None = None
    max_frames: Most | None = None


class Message(Strict):
    """A chat message: the input itself."""

    role: Literal["user"]
    content: Words


class SystemMessage(Strict):
    """A chat message that is the instruction."""

    role: Literal["system"]
    content: Annotated[
        Annotated[str, Tag(TAG + "string")] | Annotated[Many[TextPart], Field(min_length=1), Tag(TAG + "list")],
        Discriminator(shape, custom_error_type="content", custom_error_message="must be a string or a list of texts"),
    ]


class EmptyPart(Strict):
    """No text."""

    type: Literal["text"]
    text: Literal[""]


class EmptyMessage(Strict):
    """The empty answer that some clients end with: the prompt always opens one, and the vector stands there."""

    role: Literal["assistant"]
    content: Annotated[
        Annotated[Literal[""], Tag(TAG + "string")]
        | Annotated[Many[EmptyPart], Field(min_length=1), Tag(TAG + "list")],
        Discriminator(shape, custom_error_type="content", custom_error_message="must be empty"),
    ]


def _form(value: Any) -> str | None:
    """The branch of one input."""
    if isinstance(value, dict):
        return TAG + ("part" if "type" in value else "content" if "content" in value else "fields")
    is_ids = isinstance(value, list) and bool(value) and isinstance(value[0], int)
    return shape(value) if isinstance(value, str | list) and not is_ids else None


def _several(value: Any) -> str | None:
    """The branch of one input or a list of them."""
    return TAG + "inputs" if isinstance(value, list) else _form(value)


def _forms(value: Any) -> str | None:
    """The branch of the whole: one input, or a list of them, or of messages that are one."""
    is_talk = isinstance(value, list) and bool(value) and all(isinstance(one, dict) and "role" in one for one in value)
    return TAG + "messages" if is_talk else _several(value)


def _talks(value: Any) -> str:
    """The branch of messages: one conversation or several."""
    several = isinstance(value, list) and bool(value) and isinstance(value[0], list)
    return TAG + ("several" if several else "one")


def _roles(value: Any) -> str | None:
    """The branch of a conversation."""
    roles = [entry.get("role") for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
    return TAG + "+".join(map(str, roles)) if roles and len(roles) == len(value) else None


Plain = tuple[Message]
Both = tuple[SystemMessage, Message]
Ended = tuple[Message, EmptyMessage]
All = tuple[SystemMessage, Message, EmptyMessage]
Loose = Field(strict=False)
"""A list of JSON where Python has a tuple."""
Talk = Annotated[
    Annotated[Plain, Loose, Tag(TAG + "user")]
    | Annotated[Both, Loose, Tag(TAG + "system+user")]
    | Annotated[Ended, Loose, Tag(TAG + "user+assistant")]
    | Annotated[All, Loose, Tag(TAG + "system+user+assistant")],
    Discriminator(
        _roles,
        custom_error_type="messages",
        custom_error_message="must be one user message, after a system message or none, before an empty assistant "
        "message or none",
    ),
]
Single = (
    Annotated[str, Tag(TAG + "string")]
    | Annotated[Fields, Tag(TAG + "fields")]
    | Annotated[Content, Tag(TAG + "content")]
    | Annotated[AnyPart, Tag(TAG + "part")]
)
"""One input that is no list."""
Input = Annotated[
    Single | Annotated[Parts, Tag(TAG + "list")],
    Discriminator(_form, custom_error_type="input", custom_error_message=FORMS),
]
Row = Annotated[Many[Input], Field(min_length=1), Tag(TAG + "inputs")]
Several = Annotated[Single | Row, Discriminator(_several, custom_error_type="input", custom_error_message=FORMS)]
"""One input, or a list of them."""
Inputs = Annotated[
    Single | Row | Annotated[Talk, Tag(TAG + "messages")],
    Discriminator(_forms, custom_error_type="input", custom_error_message=FORMS),
]
Messages = Annotated[
    Annotated[Talk, Tag(TAG + "one")] | Annotated[Many[Talk], Field(min_length=1), Tag(TAG + "several")],
    Discriminator(_talks),
]


def listed(inputs: Any, name: str, instruction: str | None) -> list[Given]:
    """The inputs of a request, in their order.

    Args:
        inputs: `Inputs`, `Several` or `Messages`.
        name: of the field that holds them.
        instruction: for inputs without their own.

    Raises:
        InputError: an input that is not as it must be; the message names it.
    """
    if isinstance(inputs, tuple):
        return [told(inputs, name, instruction)]
    if not isinstance(inputs, list):
        return [given(inputs, name, instruction)]
    return [
        (told if isinstance(one, tuple) else given)(one, f"{name}[{row}]", instruction)
        for row, one in enumerate(inputs)
    ]


def given(one: Any, place: str, instruction: str | None = None) -> Given:
    """One `Input`.

    Raises:
        InputError: text that is half a character.
    """
    instruction = getattr(one, "instruction", None) or instruction
    found: list[tuple[Part, str]]
    if isinstance(one, str):
        found = [(_text(one, place), place)]
    elif isinstance(one, Fields):
        found = list(_from_fields(one, place))
        if not found:
            raise InputError("an input needs a text, an image or a video").at(place)
    elif isinstance(one, Content):
        found = list(_from_words(one.content, f"{place}.content"))
    else:
        found = list(_from_words(one, place) if isinstance(one, list) else [_from_part(one, place)])
    return _made(found, place, instruction)


def told(messages: Sequence[Any], place: str, instruction: str | None = None) -> Given:
    """One input of messages.

    Raises:
        InputError: text that is half a character.
    """
    found: list[tuple[Part, str]] = []
    for row, message in enumerate(messages):
        if isinstance(message, SystemMessage):
            words = message.content
            instruction = words if isinstance(words, str) else "".join(part.text for part in words)
        if isinstance(message, Message):
            found = list(_from_words(message.content, f"{place}[{row}].content"))
    return _made(found, place, instruction)


def _made(found: Sequence[tuple[Part, str]], place: str, instruction: str | None) -> Given:
    """The item of parts and their places."""
    try:
        return Given(Item(tuple(part for part, _ in found), instruction), place, tuple(where for _, where in found))
    except InputError as error:
        raise error.at(place) from None


def _text(text: str, place: str) -> Text:
    """A text."""
    try:
        return Text(text)
    except InputError as error:
        raise error.at(place) from None


def _from_words(words: Any, place: str) -> Iterator[tuple[Part, str]]:
    """Parts, or the string that stands for one."""
    if isinstance(words, str):
        yield _text(words, place), place
        return
    for row, part in enumerate(words):
        yield _from_part(part, f"{place}[{row}]")


def _from_part(part: Any, place: str) -> tuple[Part, str]:
    """One part and the place of its source."""
    try:
        made, field = part_of(part)
    except InputError as error:
        raise error.at(place) from None
    return made, f"{place}.{field}"


def _from_fields(fields: Fields, place: str) -> Iterator[tuple[Part, str]]:
    """Videos, images, texts."""
    if fields.video is not None:
        yield Video(source_of(fields.video), fields.fps, fields.max_frames), f"{place}.video"
    for name, kind in (("image", Image), ("text", Text)):
        value = getattr(fields, name)
        several = isinstance(value, list)
        for row, one in enumerate(value if several else [] if value is None else [value]):
            where = f"{place}.{name}[{row}]" if several else f"{place}.{name}"
            yield (_text(one, where) if kind is Text else Image(source_of(one))), where
