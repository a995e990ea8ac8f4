"""Parts of an input as requests have them: text, pictures, videos and pages of PDFs.

A source is a data URI, or an http(s) address where the server fetches those. Paths are never read for a request.
Branches of a union are told apart by a function, not by trying, so that an error names one place and one reason.
"""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    Tag,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from anyseek.items import Image, Page, Part, Text, Video
from anyseek.server.faults import TAG, Fault
from anyseek.server.options import MOST_ITEMS

__all__ = [
    "WHOLE",
    "Address",
    "AnyPart",
    "Body",
    "Films",
    "Many",
    "Most",
    "Number",
    "Parts",
    "Pictures",
    "Priority",
    "Rate",
    "Source",
    "Strict",
    "TextPart",
    "Texts",
    "Unset",
    "absent",
    "given_as",
    "one_of",
    "part_of",
    "shape",
    "source_of",
]

MOST_ENTRIES = 2 * MOST_ITEMS
"""Of all lists of a request: as many inputs as there may be, and as many parts."""
SCHEMES = ("data:", "https://", "http://")
STRING, LIST, OBJECT = TAG + "string", TAG + "list", TAG + "object"
SOURCE_RULE = (
    "must be a data URI (data:image/png;base64,...) or, where the server fetches them, an https:// or http:// address; "
    "paths and file:// are not read"
)


class Strict(BaseModel):
    """No unknown fields, and no numbers in strings: a misspelt option would else change nothing, silently.

    Many clients send null for what they were not told, so null stands for a default wherever there is one.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _looked_over(cls, given: Any) -> Any:
        """Without nulls that stand for a default, and without more unknown fields than it takes to refuse them."""
        if not isinstance(given, dict):
            return given
        fields = cls.model_fields
        if len(given) > len(fields):
            unknown = next(name for name in given if name not in fields)
            given = {name: value for name, value in given.items() if name in fields or name == unknown}
        if None in given.values():
            names = _with_default(cls)
            given = {name: value for name, value in given.items() if value is not None or name not in names}
        return given

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The document names null beside what else such a field may be."""
        found = handler(schema)
        fields = handler.resolve_ref_schema(found)["properties"]
        for name in _with_default(cls):
            about = {key: fields[name].pop(key) for key in ("title", "description", "default") if key in fields[name]}
            fields[name] = {"anyOf": [fields[name], {"type": "null"}], **about}
        return found


def _with_default(model: type[BaseModel]) -> set[str]:
    """Fields that have a default other than null."""
    return {name for name, field in model.model_fields.items() if not field.is_required() and field.default is not None}


class Body(Strict):
    """A whole request. Its lists are counted before they are looked at, since that holds up everybody else."""

    @model_validator(mode="before")
    @classmethod
    def _counted(cls, given: Any) -> Any:
        """Raise for a body that holds more inputs and parts, in whatever lists, than any server lets in."""
        left, count = [given], 0
        while left:
            value = left.pop()
            if isinstance(value, dict):
                left += value.values()
            elif isinstance(value, list):
                count += len(value)
                if count > MOST_ENTRIES:
                    raise PydanticCustomError("too_long", "too many entries", {"max_length": MOST_ENTRIES})
                left += value
        return given


def _check_source(text: str) -> str:
    """Only what can be loaded for a stranger."""
    if not text.startswith(SCHEMES):
        raise ValueError(SOURCE_RULE)
    return text


def absent(**told: Any) -> Any:
    """A field that may be left out, although null is none of its values."""
    return Field(default=None, **told)


def one_of(*names: str) -> JsonDict:
    """What stands in a schema of which exactly one of these fields must be there."""
    return {"oneOf": [{"required": [name]} for name in names]}


def given_as(body: Body, *names: str) -> tuple[str, Any]:
    """Which of some fields a request has, and what it holds.

    Raises:
        Fault: 400 for none, or for several at once.
    """
    there = [name for name in names if getattr(body, name) is not None]
    if len(there) != 1:
        text = f"give one of {', '.join(names[:-1])} and {names[-1]}"
        raise Fault(400, text, "invalid_request", param=(there or names)[0])
    return there[0], getattr(body, there[0])


def _is_whole(value: Any) -> bool:
    """Whether a number is written with a point, and is whole."""
    return isinstance(value, float) and value.is_integer()


def shape(value: Any) -> str:
    """The branch a value takes by its type alone."""
    return STRING if isinstance(value, str) else LIST if isinstance(value, list) else OBJECT


Source = Annotated[
    str,
    AfterValidator(_check_source),
    Field(description=f"A source {SOURCE_RULE}.", json_schema_extra={"pattern": "^(data:|https?://)"}),
]


class Address(Strict):
    """A source as OpenAI writes it."""

    url: Source
    detail: str | None = Field(None, description="Accepted; the model's own rules for pixels hold.")


def _check_unset(given: dict[str, Any]) -> dict[str, Any]:
    """Nothing, which is all that can be had."""
    if given:
        raise ValueError("must be empty: it would change nothing, as the prompt and the pixels are the model's own")
    return given


Unset = Annotated[dict[str, Any], AfterValidator(_check_unset), Field(json_schema_extra={"maxProperties": 0})]
"""Settings of other servers, which their clients send without any in them."""
T = TypeVar("T")
Many = Annotated[list[T], Field(max_length=MOST_ITEMS, fail_fast=True)]
"""A list that is read to its first fault, and no further than any server may allow: it is read while others wait."""
One = Annotated[Annotated[Source, Tag(STRING)] | Annotated[Address, Tag(OBJECT)], Discriminator(shape)]
"""A source."""
Texts = Annotated[
    Annotated[str, Tag(STRING)] | Annotated[Many[str], Tag(LIST)],
    Discriminator(shape, custom_error_type="texts", custom_error_message="must be a string or a list of strings"),
]
"""A text, or several."""
Pictures = Annotated[
    Annotated[Source, Tag(STRING)] | Annotated[Address, Tag(OBJECT)] | Annotated[Many[One], Tag(LIST)],
    Discriminator(shape),
]
"""A picture, or several."""
Films = Annotated[
    Annotated[Source, Tag(STRING)]
    | Annotated[Address, Tag(OBJECT)]
    | Annotated[Many[Source], Field(min_length=1), Tag(LIST)],
    Discriminator(shape),
]
"""A video file, or the frames of one."""
WHOLE = BeforeValidator(lambda value: int(value) if _is_whole(value) else value)
"""A whole number, which JSON may write as 1.0 too. It comes last: bounds behind it would not be in the document."""
Number = Annotated[int, Field(ge=1), WHOLE]
Priority = Annotated[int, Field(ge=0, le=999), WHOLE]
Rate = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False, description="Frames sampled per second.")]
Most = Annotated[int, Field(ge=2, le=100_000, description="Most frames."), WHOLE]


class TextPart(Strict):
    """Text."""

    type: Literal["text"]
    text: str


class ImageUrlPart(Strict):
    """A picture, as OpenAI writes it."""

    type: Literal["image_url"]
    image_url: One


class ImagePart(Strict):
    """A picture."""

    type: Literal["image"]
    image: One


class VideoUrlPart(Strict):
    """A video file."""

    type: Literal["video_url"]
    video_url: One
    fps: Rate | None = None
    max_frames: Most | None = None


class VideoPart(Strict):
    """A video file, or its frames as a list of pictures."""

    type: Literal["video"]
    video: Films
    fps: Rate | None = None
    max_frames: Most | None = None


class FileData(Strict):
    """A PDF, as OpenAI writes files."""

    file_data: Source
    filename: str | None = Field(None, description="Accepted; what a file is, is told by its content.")


class FilePart(Strict):
    """One page of a PDF."""

    type: Literal["file"]
    file: FileData
    page: Annotated[int, Field(ge=1, le=1_000_000), WHOLE] = Field(1, description="Counted from 1.")


KINDS = ("text", "image_url", "image", "video_url", "video", "file")


def _kind(value: Any) -> str | None:
    """The branch of a part."""
    kind = value.get("type") if isinstance(value, dict) else None
    return TAG + kind if isinstance(kind, str) else None


AnyPart = Annotated[
    Annotated[TextPart, Tag(TAG + "text")]
    | Annotated[ImageUrlPart, Tag(TAG + "image_url")]
    | Annotated[ImagePart, Tag(TAG + "image")]
    | Annotated[VideoUrlPart, Tag(TAG + "video_url")]
    | Annotated[VideoPart, Tag(TAG + "video")]
    | Annotated[FilePart, Tag(TAG + "file")],
    Discriminator(
        _kind,
        custom_error_type="part",
        custom_error_message=f"must be an object whose type is one of {', '.join(KINDS)}",
    ),
]
Parts = Annotated[Many[AnyPart], Field(min_length=1)]


def part_of(part: TextPart | ImageUrlPart | ImagePart | VideoUrlPart | VideoPart | FilePart) -> tuple[Part, str]:
    """What the library calls a part, and the field of it that holds the source."""
    match part:
        case TextPart():
            return Text(part.text), "text"
        case ImageUrlPart():
            return Image(source_of(part.image_url)), "image_url"
        case ImagePart():
            return Image(source_of(part.image)), "image"
        case VideoUrlPart():
            return Video(source_of(part.video_url), part.fps, part.max_frames), "video_url"
        case VideoPart():
            return Video(source_of(part.video), part.fps, part.max_frames), "video"
        case FilePart():
            return Page(part.file.file_data, part.page), "file"


def source_of(given: str | Address | list[str]) -> str | list[str]:
    """The source itself."""
    return given.url if isinstance(given, Address) else given
