"""Pictures of objects and fonts, loaded once and kept at the sizes in use."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache

from PIL import Image, ImageFont

from anyseek.world.lexicon import ASSETS, object_by_id

__all__ = ["Pose", "font", "font_for", "glyph", "sprite", "stamp", "visual_order"]

HEBREW = re.compile("[\u0590-\u05ff]")
SIDE, COLUMNS, STEP = 128, 16, 4
FLIPPABLE = frozenset({"animal", "plant", "fruit", "vegetable", "vehicle", "toy", "clothing"})


@cache
def _sheet() -> Image.Image:
    """The sprite sheet, with premultiplied alpha so that scaling leaves no fringe."""
    return Image.open(ASSETS / "sprites.webp").convert("RGBA").convert("RGBa")


@lru_cache(maxsize=2048)
def _scaled(object_id: str, side: int) -> Image.Image:
    """The sprite of an object at a size."""
    index = object_by_id()[object_id].index
    left, top = index % COLUMNS * SIDE, index // COLUMNS * SIDE
    square = _sheet().crop((left, top, left + SIDE, top + SIDE))
    return square.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=2.0)


@dataclass(frozen=True, slots=True)
class Pose:
    """How an object stands: degrees counter-clockwise, and flipped left to right where that does it no harm."""

    angle: float = 0.0
    mirrored: bool = False


def sprite(object_id: str, side: float, pose: Pose = Pose()) -> Image.Image:
    """The RGBA picture of an object, `side` pixels (rounded to 4, so that sizes are shared) before turning."""
    picture = _scaled(object_id, max(STEP, round(side / STEP) * STEP))
    if pose.mirrored and object_by_id()[object_id].category in FLIPPABLE:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if pose.angle:
        picture = picture.rotate(pose.angle, Image.Resampling.BILINEAR, expand=True)
    return picture.convert("RGBA")


def stamp(canvas: Image.Image, picture: Image.Image, x: float, y: float) -> None:
    """Put a picture on a canvas with its centre at (x, y)."""
    canvas.paste(picture, (round(x - picture.width / 2), round(y - picture.height / 2)), picture)


def glyph(object_id: str, side: int = 96, background: tuple[int, int, int] = (255, 255, 255)) -> Image.Image:
    """The object alone on a plain ground, as a picture query."""
    canvas = Image.new("RGB", (side, side), background)
    stamp(canvas, sprite(object_id, side * 0.88), side / 2, side / 2)
    return canvas


@lru_cache(maxsize=256)
def font(face: str, size: int) -> ImageFont.FreeTypeFont:
    """A bundled font; basic layout, so that every machine draws the same."""
    return ImageFont.truetype(str(ASSETS / f"{face}.ttf"), size, layout_engine=ImageFont.Layout.BASIC)


def font_for(text: str, face: str) -> str:
    """The face that has the characters of a text: the one asked for, `cjk`, or `sans-bold` for Hebrew."""
    if any(ord(char) >= 0x2E80 for char in text):
        return "cjk"
    return "sans-bold" if face == "serif" and HEBREW.search(text) else face


def visual_order(text: str) -> str:
    """Hebrew as it stands on paper: the line reversed, its runs of Latin letters and digits kept."""
    if not HEBREW.search(text):
        return text
    runs: list[str] = []
    for char in text:
        keep = unicodedata.bidirectional(char) in ("L", "EN", "CS", "ES") and char != " "
        if runs and keep and runs[-1][-1:].isascii() and runs[-1] != " ":
            runs[-1] += char
        else:
            runs.append(char)
    return "".join(reversed(runs))
