"""What the world knows by name: objects, cities and months in more than 70 languages, from Unicode CLDR."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["ASSETS", "DRAWN", "Entity", "cities", "languages", "months", "name", "object_by_id", "objects"]

ASSETS = Path(__file__).parent / "assets"
"""Sprite sheet, fonts and lexicon, made by `scripts/build_world_assets.py`."""

DRAWN = tuple(
    "en de fr es it pt nl sv da fi nb is pl cs sk sl hr hu ro et lt lv tr id ms fil vi sw sq ca eu gl cy ga af zu az uz "
    "bg uk ru mk sr be kk mn el hy ka he ko ja zh zh_Hant".split()
)
"""Languages the world can draw on pages: no script that needs shaping (Hebrew is only reversed)."""


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
def _lexicon() -> dict[str, dict[str, list[str]]]:
    """The bundled tables."""
    return json.loads(gzip.decompress((ASSETS / "lexicon.json.gz").read_bytes()))


@cache
def objects() -> tuple[Entity, ...]:
    """Every object of the world, in a fixed order."""
    return tuple(Entity(*row, index) for index, row in enumerate(_lexicon()["objects"]))


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
    return _lexicon()["names"][language][object_by_id()[object_id].index]


def cities(language: str = "en") -> Sequence[str]:
    """Names of the world's cities, in the same order in every language."""
    return _lexicon()["cities"][language]


def months(language: str = "en") -> Sequence[str]:
    """Names of the twelve months (English where CLDR has none)."""
    return _lexicon()["months"][language] or _lexicon()["months"]["en"]
