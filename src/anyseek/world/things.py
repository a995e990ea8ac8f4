"""What every thing of the world has in common: it is a description, and its facts decide what is relevant to what."""

import hashlib
from typing import Protocol, runtime_checkable

import numpy as np

from anyseek.items import Item

__all__ = ["COLOUR_VALUES", "Composition", "Fact", "Thing", "fraction"]

Fact = tuple[str | int, ...]
"""One true statement about a thing, such as `("count", "apple", 2)`."""

Composition = tuple[str, ...]
"""What a thing puts together, such as `("apple", "blue")`; some compositions are kept for testing."""

COLOUR_VALUES = {
    "white": (246, 246, 244), "black": (22, 22, 24), "gray": (146, 148, 152), "red": (206, 42, 44),
    "orange": (245, 140, 30), "yellow": (250, 218, 66), "green": (66, 160, 74), "blue": (48, 96, 204),
    "purple": (128, 62, 168), "pink": (248, 164, 196), "brown": (124, 80, 48),
}  # fmt: skip
"""The named colours of grounds and inks."""


@runtime_checkable
class Thing(Protocol):
    """A document of the world: scene, page, chart, clip or note."""

    @property
    def kind(self) -> str:
        """One of `scene`, `page`, `chart`, `clip`, `note`."""
        ...

    @property
    def language(self) -> str:
        """Language of what is written on it; empty where nothing is."""
        ...

    def facts(self) -> frozenset[Fact]:
        """Everything that is true of it and can be asked for."""
        ...

    def compositions(self) -> tuple[Composition, ...]:
        """What it puts together, for the split."""
        ...

    def draw(self) -> np.ndarray | str:
        """Pixels, `(height, width, 3)` or `(frames, height, width, 3)` uint8; a note is its text."""
        ...

    def item(self) -> Item:
        """What the model takes."""
        ...


def fraction(*words: str) -> float:
    """A number in [0, 1) that depends on words only and is the same on every machine."""
    digest = hashlib.blake2b("\0".join(words).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32
