"""What the world knows by name: objects, cities and months in more than 70 languages, from Unicode CLDR."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = [
    "ASSETS",
    "UNDRAWN",
    "Entity",
    "called",
    "cities",
    "drawable",
    "languages",
    "months",
    "name",
    "object_by_id",
    "objects",
]

ASSETS = Path(__file__).parent / "assets"
"""Sprite sheet, fonts and lexicon, made by `scripts/build_world_assets.py`."""

UNDRAWN = frozenset(
    ("ar", "fa", "ur", "hi", "bn", "mr", "ne", "pa", "gu", "ta", "te", "kn", "ml", "si", "th", "lo", "my", "km", "am")
)
"""Languages the world does not write on pages, as their scripts need shaping (Hebrew is only reversed)."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A concrete thing that has a picture and names.

    Attributes:
        id: its English name, which is its identity.
        category: such as `animal` or `tool`.
        emoji: the character it is drawn from.
        index: its place in the sprite sheet and in the lists of names.
    """

    id: str
    category: str
    emoji: str
    index: int


@cache
def _lexicon() -> dict[str, Any]:
    """The bundled tables."""
    tables: dict[str, Any] = json.loads(gzip.decompress((ASSETS / "lexicon.json.gz").read_bytes()))
    return tables


@cache
def objects() -> tuple[Entity, ...]:
    """Every object of the world, in a fixed order."""
    rows: list[tuple[str, str, str]] = _lexicon()["objects"]
    return tuple(Entity(*row, index) for index, row in enumerate(rows))


@cache
def object_by_id() -> dict[str, Entity]:
    """Objects by their English name."""
    return {thing.id: thing for thing in objects()}


@cache
def languages() -> tuple[str, ...]:
    """Languages in which every object may have a name."""
    return tuple(_lexicon()["names"])


def name(object_id: str, language: str = "en") -> str | None:
    """The name of an object in a language; None where CLDR has none that is its own."""
    names: dict[str, list[str | None]] = _lexicon()["names"]
    return names[language][object_by_id()[object_id].index]


def called(object_id: str, language: str) -> str:
    """The name of an object in a language, or its English one."""
    return name(object_id, language) or object_id


def cities(language: str = "en") -> Sequence[str]:
    """Names of the world's cities, in the same order in every language."""
    names: dict[str, list[str]] = _lexicon()["cities"]
    return names[language]


def months(language: str = "en") -> Sequence[str]:
    """Names of the twelve months (English where CLDR has none)."""
    names: dict[str, list[str] | None] = _lexicon()["months"]
    return names[language] or names["en"] or ()


@cache
def drawable(ids: tuple[str, ...], language: str, longest: int) -> tuple[str, ...]:
    """Those objects whose name in a language has at most `longest` characters, so that it can be drawn large."""
    return tuple(one for one in ids if len(called(one, language)) <= longest)
