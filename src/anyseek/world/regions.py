"""Pointing into a picture: what words point at, and the part of the picture that shows it."""

import random
from dataclasses import dataclass

import numpy as np

from anyseek import items
from anyseek.world.lexicon import called
from anyseek.world.phrasing import PLACES, RELATIONS
from anyseek.world.scenes import Group, Scene
from anyseek.world.things import Fact
from anyseek.world.words import WRITTEN, word

__all__ = ["Pointer", "Region", "point_at", "regions"]

SIDES = ("left of", "right of", "above", "below")


@dataclass(frozen=True, slots=True)
class Region:
    """The part of a scene that shows one of its groups."""

    scene: Scene
    group: Group

    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the group's cell, in pixels."""
        width, height = self.scene.width / self.scene.columns, self.scene.height / self.scene.rows
        left, top = round(self.group.column * width), round(self.group.row * height)
        return left, top, round((self.group.column + 1) * width), round((self.group.row + 1) * height)

    def draw(self) -> np.ndarray:
        """The pixels inside the box, as they stand in the whole picture."""
        left, top, right, bottom = self.box()
        return np.ascontiguousarray(self.scene.draw()[top:bottom, left:right])

    def item(self) -> items.Item:
        """The part as an input of the model."""
        return items.Item((items.Image(self.draw()),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """Words that point at a part of a scene.

    Attributes:
        scene: the whole picture.
        text: what is meant.
        language: of the text.
        meant: ids of the objects of the scene that the words fit.
    """

    scene: Scene
    text: str
    language: str
    meant: frozenset[str]

    def fits(self, region: Region) -> bool:
        """True if the words point at the region: a part of this very scene, and one of the objects meant."""
        return region.scene == self.scene and region.group.object_id in self.meant

    def item(self, instruction: str | None = None) -> items.Item:
        """The whole picture, then the words, as an input of the model."""
        return items.Item((*self.scene.item().parts, items.Text(self.text)), instruction)


def regions(scene: Scene) -> tuple[Region, ...]:
    """One region for each group."""
    return tuple(Region(scene, group) for group in scene.groups)


def point_at(scene: Scene, rng: random.Random, language: str = "en") -> Pointer:
    """Words for a part of a scene: a name, or what lies beside something, or (in English) what is in a place.

    Args:
        scene: with two groups or more.
        rng: source of randomness.
        language: any for names; relations are said in those of `words.WRITTEN`.
    """
    one = rng.choice(scene.groups).object_id
    relations = [fact for fact in sorted(scene.facts(), key=str) if fact[1] == one and str(fact[0]) in SIDES]
    places = [fact for fact in sorted(scene.facts(), key=str) if fact[:2] == ("place", one)]
    text = called(one, language)
    fact: Fact = ("about", one)
    choice = rng.random()
    if choice < 0.4 and relations and language in WRITTEN:
        fact = rng.choice(relations)
        text = _relation(str(fact[0]), str(fact[2]), language)
    elif choice < 0.6 and places and language == "en":
        fact = rng.choice(places)
        text = f"what is {PLACES.get(str(fact[2]), f'in the {fact[2]}')}"
    return Pointer(scene=scene, text=text, language=language, meant=_fitting(scene, fact))


def _fitting(scene: Scene, fact: Fact) -> frozenset[str]:
    """The objects of which a fact holds, the fact's own among them."""
    if fact[0] == "about":
        return frozenset({str(fact[1])})
    return frozenset(str(true[1]) for true in scene.facts() if (true[0], *true[2:]) == (fact[0], *fact[2:]))


def _relation(relation: str, other: str, language: str) -> str:
    """`what is left of the dog`, or `? links von Hund`."""
    if language == "en":
        return f"what is {word(relation)} the {other}"
    form = RELATIONS.get(language, "{0} {2} {1}")
    return form.format("?", called(other, language), word(relation, language))
