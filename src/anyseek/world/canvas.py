"""Pages and charts as lists of marks, so that Pillow here and a PDF writer elsewhere draw the same thing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from anyseek.world.sprites import font, font_for, sprite, visual_order

__all__ = ["Box", "Colour", "Curve", "Icon", "Mark", "Wedge", "Words", "paint", "text_width"]

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Words:
    """A line of text with its top left corner at (x, y), shrunk to fit into `width`."""

    x: float
    y: float
    text: str
    size: int = 14
    face: str = "sans"
    colour: Colour = (20, 20, 20)
    width: float = 1e9
    align: str = "left"


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, filled and/or outlined."""

    x: float
    y: float
    width: float
    height: float
    fill: Colour | None = None
    outline: Colour | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """A line through points."""

    points: tuple[tuple[float, float], ...]
    colour: Colour = (60, 60, 60)
    thickness: int = 1


@dataclass(frozen=True, slots=True)
class Wedge:
    """A slice of a pie, from `start` to `end` in degrees, clockwise from three o'clock."""

    x: float
    y: float
    radius: float
    start: float
    end: float
    fill: Colour


@dataclass(frozen=True, slots=True)
class Icon:
    """The picture of an object in a square with its top left corner at (x, y)."""

    x: float
    y: float
    side: float
    object_id: str


Mark = Words | Box | Curve | Wedge | Icon


def text_width(text: str, size: int, face: str = "sans") -> float:
    """Width of a line of text in pixels."""
    return font(font_for(text, face), size).getlength(text)


def fitted(words: Words) -> tuple[int, float]:
    """The size at which a line fits into its width (at least 8), and its left edge."""
    size = words.size
    width = text_width(words.text, size, words.face)
    if width > words.width:
        size = max(8, int(size * words.width / width))
        width = text_width(words.text, size, words.face)
    room = 0.0 if words.align == "left" else words.width - width
    return size, words.x + (room / 2 if words.align == "centre" else room)


def paint(marks: Sequence[Mark], size: tuple[int, int], paper: Colour) -> np.ndarray:
    """Draw marks in order on a sheet of paper.

    Args:
        marks: what to draw.
        size: (width, height) in pixels.
        paper: the colour of the ground.

    Returns:
        Array of shape (height, width, 3), uint8.
    """
    sheet = Image.new("RGB", size, paper)
    pen = ImageDraw.Draw(sheet)
    for mark in marks:
        match mark:
            case Words():
                fit, left = fitted(mark)
                face = font(font_for(mark.text, mark.face), fit)
                pen.text((left, mark.y), visual_order(mark.text), font=face, fill=mark.colour)
            case Box():
                edges = (mark.x, mark.y, mark.x + mark.width, mark.y + mark.height)
                pen.rectangle(edges, fill=mark.fill, outline=mark.outline)
            case Curve():
                pen.line(mark.points, fill=mark.colour, width=mark.thickness)
            case Wedge():
                edges = (mark.x - mark.radius, mark.y - mark.radius, mark.x + mark.radius, mark.y + mark.radius)
                pen.pieslice(edges, mark.start, mark.end, fill=mark.fill, outline=(255, 255, 255))
            case Icon():
                picture = sprite(mark.object_id, mark.side)
                sheet.paste(picture, (round(mark.x), round(mark.y)), picture)
    return np.asarray(sheet)
