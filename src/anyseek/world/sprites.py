"""Pictures of objects and fonts, loaded once and kept at the sizes in use."""

import unicodedata
from functools import cache, lru_cache

from PIL import Image, ImageFont

from anyseek.world.lexicon import ASSETS, object_by_id

__all__ = ["font", "font_for", "glyph", "sprite", "visual_order"]

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


def sprite(object_id: str, side: float, angle: float = 0.0, mirrored: bool = False) -> Image.Image:
    """The RGBA picture of an object.

    Args:
        object_id: the object.
        side: its size in pixels, kept to a multiple of 4 so that sizes are shared.
        angle: degrees counter-clockwise; the picture keeps its size.
        mirrored: flip it left to right, where that does it no harm (lettering stays readable).
    """
    picture = _scaled(object_id, max(STEP, round(side / STEP) * STEP))
    if mirrored and object_by_id()[object_id].category in FLIPPABLE:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if angle:
        picture = picture.rotate(angle, Image.Resampling.BILINEAR)
    return picture.convert("RGBA")


def glyph(object_id: str, side: int = 96, background: tuple[int, int, int] = (255, 255, 255)) -> Image.Image:
    """The object alone on a plain ground, as a picture query."""
    canvas = Image.new("RGB", (side, side), background)
    inner = round(side * 0.88)
    picture = sprite(object_id, inner)
    canvas.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2), picture)
    return canvas


@lru_cache(maxsize=256)
def font(face: str, size: int) -> ImageFont.FreeTypeFont:
    """A bundled font; basic layout, so that every machine draws the same."""
    return ImageFont.truetype(str(ASSETS / f"{face}.ttf"), size, layout_engine=ImageFont.Layout.BASIC)


def font_for(text: str, face: str) -> str:
    """The face that has the characters of a text: the one asked for, or `cjk`."""
    return "cjk" if any(ord(char) >= 0x2E80 for char in text) else face


def visual_order(text: str) -> str:
    """Hebrew as it stands on paper: the line reversed, its runs of Latin letters and digits kept."""
    if not any("\u0590" <= char <= "\u05ff" for char in text):
        return text
    runs: list[str] = []
    for char in text:
        keep = unicodedata.bidirectional(char) in ("L", "EN", "CS", "ES") and char != " "
        if runs and keep and runs[-1][-1:].isascii() and runs[-1] != " ":
            runs[-1] += char
        else:
            runs.append(char)
    return "".join(reversed(runs))
