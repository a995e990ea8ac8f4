"""Grounds of scenes and clips: a named colour, plain or with a texture."""

from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from anyseek.world.things import COLOUR_VALUES

__all__ = ["BACKGROUNDS", "TEXTURES", "background"]

BACKGROUNDS = tuple(COLOUR_VALUES)
TEXTURES = ("plain", "gradient", "stripes", "dots", "checks")
PERIOD = 24
LARGEST = 320


def background(colour: str, texture: str, width: int, height: int) -> Image.Image:
    """A fresh ground of `width` x `height` pixels, each at most 320."""
    return _ground(colour, texture).crop((0, 0, width, height))


@cache
def _ground(colour: str, texture: str) -> Image.Image:
    """The largest ground."""
    base = np.array(COLOUR_VALUES[colour], np.float32)
    strength = _pattern(texture)[..., None]
    other = base + (255 - base) * 0.22 if base.mean() < 140 else base * 0.8
    ground = base + (other - base) * strength
    return Image.fromarray(ground.round().astype(np.uint8))


def _pattern(texture: str) -> Any:
    """How much of the second tone each pixel has: array of shape (LARGEST, LARGEST) in [0, 1]."""
    rows, columns = np.mgrid[0:LARGEST, 0:LARGEST].astype(np.float32)
    if texture == "gradient":
        return rows / LARGEST
    if texture == "stripes":
        return ((rows + columns) % PERIOD < PERIOD / 2).astype(np.float32)
    if texture == "dots":
        half = PERIOD / 2
        return ((rows % PERIOD - half) ** 2 + (columns % PERIOD - half) ** 2 < 30).astype(np.float32)
    if texture == "checks":
        return ((rows // PERIOD + columns // PERIOD) % 2).astype(np.float32)
    return np.zeros_like(rows)
