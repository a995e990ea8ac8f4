"""Parts of an input as requests have them: text, pictures, videos and pages of PDFs.

A source is a data URI, or an http(s) address where the server fetches those. Paths are never read for a request.
Branches of a union are told apart by a function, not by trying, so that an error names one place and one reason.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag
from pydantic.config import JsonDict

from anyseek.items import Image, Page, Part, Text, Video
from anyseek.server.faults import TAG

__all__ = [
    "WHOLE",
    "Address",
    "AnyPart",
    "Films",
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
    "absent",
    "one_of",
    "part_of",
    "shape",
]

SCHEMES = ("data:", "https://", "http://")
STRING, LIST, OBJECT = TAG + "string", TAG + "list", TAG + "object"
SOURCE_RULE = (
    "must be a data URI (data:image/png;base64,...) or, where the server fetches them, an https:// or http:// address; "
    "paths and file:// are not read"
)


class Strict(BaseModel):
    """No unknown fields, and no numbers in strings: a misspelt option would else change nothing, silently."""

    model_config = ConfigDict(extra="forbid", strict=True)


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


One = Annotated[Annotated[Source, Tag(STRING)] | Annotated[Address, Tag(OBJECT)], Discriminator(shape)]
"""A source."""
Texts = Annotated[
    Annotated[str, Tag(STRING)] | Annotated[list[str], Tag(LIST)],
    Discriminator(shape, custom_error_type="texts", custom_error_message="must be a string or a list of strings"),
]
"""A text, or several."""
Pictures = Annotated[
    Annotated[Source, Tag(STRING)] | Annotated[Address, Tag(OBJECT)] | Annotated[list[One], Tag(LIST)],
    Discriminator(shape),
]
"""A picture, or several."""
Films = Annotated[
    Annotated[Source, Tag(STRING)]
    | Annotated[Address, Tag(OBJECT)]
    | Annotated[list[Source], Field(min_length=1), Tag(LIST)],
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
Parts = Annotated[list[AnyPart], Field(min_length=1)]


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
