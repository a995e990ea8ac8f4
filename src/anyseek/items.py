"""What a user hands in: an Item of ordered parts, with an instruction and limits. Nothing is decoded here.

Two ways in: the ordered form keeps the user's order (`Item((Text("front"), Image("a.jpg")))`), and the dictionary form
of the public code (`{"text", "image", "video", "instruction", "fps", "max_frames"}`) puts videos before images before
texts, as that code does.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from numbers import Integral, Real
from pathlib import Path, PurePath
from typing import Any

from anyseek.errors import ConfigError, InputError, nearest

__all__ = ["File", "Image", "Item", "Limits", "Page", "Part", "Source", "Text", "Video"]

Source = Any
"""Path, str (path, `file://`, http(s) URL or data URI), bytes, PIL image, numpy array or torch tensor."""

DICTIONARY_KEYS = ("text", "image", "video", "instruction", "fps", "max_frames")
FRAME_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tiff", ".svg"})
URL = re.compile(r"(https?://|file://|data:(image|video|application)/)\S+\Z", re.IGNORECASE)
RANGES = (("min_pixels", "max_pixels"), ("min_frame_pixels", "max_frame_pixels"))


@dataclass(frozen=True, slots=True)
class Text:
    """Raw text; no white space is changed."""

    text: str

    def __post_init__(self) -> None:
        """Raise InputError for what is no text."""
        _check_text(self.text, "a text")


@dataclass(frozen=True, slots=True)
class Image:
    """One picture."""

    source: Source


@dataclass(frozen=True, slots=True)
class Video:
    """A video file, or a list of frames (each a picture source).

    Attributes:
        source: one source of a video file, or a list or tuple of picture sources, or a `(frames, height, width, 3)`
            array.
        fps: frames per second to sample, over the item's limit.
        max_frames: most frames to sample, over the item's limit.
        rate: frames per second at which a list of frames was taken (the reference assumes 2).
        start: second of a video file at which a segment of it begins; None is its beginning.
        end: second before which the segment ends; None is the end of the file. Seconds are those that a player shows:
            of a segment frames are sampled by their own times, of a whole film by its average rate (as the reference).
    """

    source: Source
    fps: float | None = None
    max_frames: int | None = None
    rate: float = 2.0
    start: float | None = None
    end: float | None = None

    def __post_init__(self) -> None:
        """Raise InputError for a rate or limit that is not a positive number, or a segment that is none."""
        for name, kind in (("fps", Real), ("max_frames", Integral), ("rate", Real)):
            value = getattr(self, name)
            if value is None and name != "rate":
                continue
            if not _is_positive(value, kind):
                raise InputError(f"{name} of a video must be a positive {NUMBERS[kind]} (got {value!r})")
        self._check_segment()

    def _check_segment(self) -> None:
        """Raise InputError for seconds that are no segment, or one of a list of frames."""
        for name in ("start", "end"):
            value = getattr(self, name)
            if value is not None and not (value == 0 or _is_positive(value, Real)):
                raise InputError(f"{name} of a video must be a number of seconds from 0 on (got {value!r})")
        if self.end is not None and self.end <= (self.start or 0):
            raise InputError(f"a segment of a video must end after it starts (got {self.start or 0} to {self.end})")
        if self.is_frames and (self.start is not None or self.end is not None):
            raise InputError("start and end are of a video file; of a list of frames, give those that are wanted")

    @property
    def is_frames(self) -> bool:
        """True for a list of frames, False for a video file."""
        return isinstance(self.source, (list, tuple)) or len(getattr(self.source, "shape", ())) == 4


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a PDF, counted from 1."""

    source: Source
    number: int = 1


@dataclass(frozen=True, slots=True)
class File:
    """A file whose kind is told by its content: picture, video, one-page PDF or text."""

    source: Source


Part = Text | Image | Video | Page | File


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of an input the model is shown; None takes the reference's value (SPEC 3 and 6).

    Attributes:
        fps: frames sampled per second of a video.
        max_frames: most frames of a video.
        min_pixels: fewest pixels of a picture or page.
        max_pixels: most pixels of a picture or page.
        min_frame_pixels: fewest pixels of a video frame.
        max_frame_pixels: most pixels of a video frame.
        total_pixels: most pixels of a video, counted once per pair of frames.
        max_tokens: most tokens of an input; text is cut to fit, pictures are not.
    """

    fps: float | None = None
    max_frames: int | None = None
    min_pixels: int | None = None
    max_pixels: int | None = None
    min_frame_pixels: int | None = None
    max_frame_pixels: int | None = None
    total_pixels: int | None = None
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        """Raise ConfigError for a limit that is not positive or a pair that excludes every size."""
        for field in fields(self):
            value, kind = getattr(self, field.name), Real if field.name == "fps" else Integral
            if value is not None and not _is_positive(value, kind):
                raise ConfigError(f"limit {field.name} must be a positive {NUMBERS[kind]} (got {value!r})")
        for low, high in RANGES:
            least, most = getattr(self, low), getattr(self, high)
            if least is not None and most is not None and least > most:
                raise ConfigError(f"limit {low} ({least}) is above {high} ({most})")

    def over(self, defaults: "Limits") -> "Limits":
        """These limits, gaps filled from `defaults`; a default gives way where it contradicts a given limit."""
        given = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}
        filled = {f.name: getattr(defaults, f.name) for f in fields(defaults)} | given
        for low, high in RANGES:
            if filled[low] is not None and filled[high] is not None and filled[low] > filled[high]:
                kept, moved = (low, high) if low in given else (high, low)
                filled[moved] = filled[kept]
        return Limits(**filled)


@dataclass(frozen=True, slots=True)
class Item:
    """One input of the model: ordered parts, an instruction and limits.

    Attributes:
        parts: text, pictures, videos and pages in the order the model reads them; empty stands for the text NULL.
        instruction: what the vector is for; None takes the default of the call.
        limits: fps, frames, pixels and tokens; gaps are filled by the model's own.
    """

    parts: tuple[Part, ...] = ()
    instruction: str | None = None
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        """Raise InputError for parts, an instruction or limits of another kind."""
        if not isinstance(self.parts, tuple) or not all(isinstance(part, Part) for part in self.parts):
            raise InputError("the parts of an Item are a tuple of Text, Image, Video, Page and File; see Item.of")
        if self.instruction is not None:
            _check_text(self.instruction, "an instruction")
        if not isinstance(self.limits, Limits):
            raise InputError(f"the limits of an Item are a Limits (got {type(self.limits).__name__})")

    @property
    def is_text(self) -> bool:
        """True when there is nothing to open."""
        return all(isinstance(part, Text) for part in self.parts)

    @classmethod
    def of(cls, value: Any) -> "Item":
        """Make an Item of whatever a user hands in.

        Args:
            value: Item, part, str (text), Path (a file of any kind), dictionary form, PIL image, array, bytes, or a
                list of parts in reading order.

        Raises:
            InputError: the value is none of these, or a str that looks like a URL or data URI.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, Mapping):
            return _from_dictionary(value)
        if isinstance(value, (list, tuple)):
            return cls(tuple(_part(element) for element in value))
        return cls((_part(value),))


NUMBERS = {Real: "number", Integral: "whole number"}


def _is_positive(value: Any, kind: Any) -> bool:
    """True for a number of that kind above zero; not for NaN or a bool."""
    return isinstance(value, kind) and not isinstance(value, bool) and bool(value > 0)


def _check_text(value: Any, name: str) -> None:
    """Raise InputError for what is not a string, or holds half a character, which no tokenizer can read."""
    if not isinstance(value, str):
        raise InputError(f"{name} must be a string (got {type(value).__name__})")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"{name} holds half of a UTF-16 pair at character {error.start}; clean it with "
            "text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')"
        ) from error


def _part(value: Any) -> Part:
    """One part of the ordered form."""
    if isinstance(value, Part):
        return value
    if isinstance(value, str):
        if URL.match(value):
            raise InputError(
                f"{value[:80]!r} is an address, but a plain string is read as text. "
                "Write Image(...), Video(...), File(...) or {'image': ...} to have it loaded, or Text(...) to embed it."
            )
        return Text(value)
    if isinstance(value, (PurePath, bytes, bytearray, memoryview)):
        return File(value)
    if is_picture(value):
        return Video(value) if len(getattr(value, "shape", ())) == 4 else Image(value)
    raise InputError(
        f"cannot make an input of {type(value).__name__}: give text, a Path, a dictionary, a picture or a list of parts"
    )


def is_picture(value: Any) -> bool:
    """True for a PIL image, numpy array or torch tensor, told without importing any of them."""
    return hasattr(value, "getbands") or (hasattr(value, "shape") and hasattr(value, "dtype"))


def _from_dictionary(value: Mapping[str, Any]) -> Item:
    """The dictionary form: videos, then images, then texts; fps and max_frames act on video files only (SPEC 3)."""
    for key in value:
        if key not in DICTIONARY_KEYS:
            raise InputError(f"unknown key {key!r} in an item{nearest(str(key), DICTIONARY_KEYS)}")
    videos, images, texts = (value.get(key) for key in ("video", "image", "text"))
    fps, max_frames = (value.get(key) or None for key in ("fps", "max_frames"))  # 0 is none, as in the reference
    parts: list[Part] = []
    for source in _videos(videos):
        frames = Video(source)
        parts.append(frames if frames.is_frames else Video(source, fps=fps, max_frames=max_frames))
    parts += [Image(source) for source in _listed(images)]
    for text in _listed(texts):
        if not isinstance(text, str):
            raise InputError(f"'text' must be a string or a list of strings (got {type(text).__name__})")
        parts.append(Text(text))
    return Item(tuple(parts), value.get("instruction"))


def _listed(value: Any) -> Sequence[Any]:
    """None, one or a list, as a list."""
    if value is None:
        return ()
    return value if isinstance(value, (list, tuple)) else (value,)


def _videos(value: Any) -> Sequence[Any]:
    """The videos of the dictionary form.

    A list is one video of frames when its first element is a picture or a name that ends like one; otherwise it is a
    list of videos (the reference's rule).
    """
    if value is None or not isinstance(value, (list, tuple)) or not value:
        return _listed(value)
    first = value[0]
    if is_picture(first) and len(getattr(first, "shape", ())) != 4:
        return (value,)
    named = isinstance(first, (str, PurePath)) and _suffix(str(first)) in FRAME_SUFFIXES
    return (value,) if named else value


def _suffix(name: str) -> str:
    """The lower-case ending of a path or of a URL without its query."""
    if name.startswith(("http://", "https://")):
        name = name.split("?", 1)[0].split("#", 1)[0]
    return os.path.splitext(Path(name).name.lower())[1]
