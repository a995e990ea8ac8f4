"""Queries: a text or a picture, and the facts a thing must have to be relevant to it."""

from dataclasses import dataclass

import numpy as np

from anyseek import items
from anyseek.world.sprites import glyph
from anyseek.world.things import Fact, Thing

__all__ = ["INSTRUCTIONS", "KINDS", "Query"]

KINDS = ("scene", "page", "chart", "clip", "note")

INSTRUCTIONS = {
    "scene": "Retrieve the picture that matches the description.",
    "page": "Retrieve the document page that matches the query.",
    "chart": "Retrieve the chart that matches the query.",
    "clip": "Retrieve the video that matches the description.",
    "note": "Retrieve the text that matches the query.",
    "picture": "Retrieve documents about what the picture shows.",
    "composed": "Retrieve documents about what the picture shows, as the text says.",
    "mixed": "Retrieve images, pages, videos or text relevant to the query.",
}
"""What the vector of a query is for: by the kind it looks for, or by what it is made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Something to look for.

    Attributes:
        text: what is asked; empty where only a picture asks.
        language: of the text; empty where there is none.
        needs: facts a relevant thing has, all of them.
        kinds: kinds of things it looks for.
        level: 1 a name, 2 an attribute, 3 a relation or several attributes.
        picture: id of the object whose picture is (part of) the query, or empty.
    """

    text: str
    language: str
    needs: frozenset[Fact]
    kinds: frozenset[str]
    level: int
    picture: str = ""

    def matches(self, thing: Thing) -> bool:
        """True if the thing is relevant: of a kind looked for, and everything needed is true of it."""
        return thing.kind in self.kinds and self.needs <= thing.facts()

    def item(self, instruction: str | None = None) -> items.Item:
        """The query as an input of the model, with the task's instruction unless another is given."""
        parts: list[items.Part] = [items.Image(np.asarray(glyph(self.picture)))] if self.picture else []
        parts += [items.Text(self.text)] if self.text else []
        return items.Item(tuple(parts), instruction or INSTRUCTIONS[self.task()])

    def task(self) -> str:
        """Key of the instruction."""
        if self.picture:
            return "composed" if self.text else "picture"
        return next(iter(self.kinds)) if len(self.kinds) == 1 else "mixed"
