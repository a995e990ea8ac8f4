"""From a thing to a query that it answers: by name, in words, by picture, or by picture and words."""

import random

from anyseek.world.charts import Chart
from anyseek.world.clips import Clip
from anyseek.world.english import a
from anyseek.world.lexicon import called, languages
from anyseek.world.notes import Note
from anyseek.world.pages import Page
from anyseek.world.phrasing import PHRASINGS, REMARKS, Said
from anyseek.world.queries import KINDS, Query
from anyseek.world.scenes import Scene
from anyseek.world.things import Fact, Thing
from anyseek.world.words import WRITTEN

__all__ = ["any_language", "ask", "ask_by_name", "ask_by_picture", "ask_by_picture_and_words", "subjects"]

OPENINGS = {
    "scene": "a picture of",
    "page": "a page about",
    "chart": "a chart with",
    "clip": "a video of",
    "note": "a text about",
}
WORDLESS = frozenset({"scene", "clip", "chart"})
"""Kinds of which nothing but names can be said in a language without hand-written words."""


def subjects(thing: Thing) -> tuple[str, ...]:
    """Ids of the objects a thing is about, the most prominent first."""
    match thing:
        case Scene():
            return tuple(group.object_id for group in thing.groups)
        case Clip():
            return tuple(actor.object_id for actor in thing.actors)
        case Chart():
            top = thing.highest()
            return (top, *(one for one in thing.objects if one != top))
        case Page() | Note():
            return thing.objects
    raise TypeError(f"no thing of the world: {thing!r}")


def ask(thing: Thing, rng: random.Random, level: int = 1, language: str | None = None) -> Query:
    """A query in words that a thing answers.

    Args:
        thing: the document to find.
        rng: source of randomness.
        level: 1 a name, 2 an attribute, 3 a relation or several attributes.
        language: of the words; None picks one, English in four of ten. Where a language has no words for what is to be
            said, names alone are asked for.
    """
    chosen = language or any_language(rng)
    if level > 1 and (chosen in WRITTEN or thing.kind not in WORDLESS):
        text, needs = PHRASINGS[thing.kind](thing, rng, level, chosen)
    else:
        text, needs = _names(thing, rng, chosen, min(level, 2))
    return Query(text=text, language=chosen, needs=needs, kinds=frozenset({thing.kind}), level=level)


def ask_by_name(object_id: str, language: str = "en", kinds: tuple[str, ...] = KINDS) -> Query:
    """The name of an object as a query for everything about it."""
    needs: frozenset[Fact] = frozenset({("about", object_id)})
    return Query(text=called(object_id, language), language=language, needs=needs, kinds=frozenset(kinds), level=1)


def ask_by_picture(object_id: str, kinds: tuple[str, ...] = KINDS) -> Query:
    """The picture of an object as a query for everything about it."""
    needs: frozenset[Fact] = frozenset({("about", object_id)})
    return Query(text="", language="", needs=needs, kinds=frozenset(kinds), level=1, picture=object_id)


def ask_by_picture_and_words(thing: Thing, rng: random.Random, language: str | None = None) -> Query:
    """The picture of a thing's first object with a remark, such as `on a blue background`.

    Args:
        thing: the document to find.
        rng: source of randomness.
        language: of the remark, one of `words.WRITTEN`; None picks one, English in half of the queries.
    """
    chosen = language or ("en" if rng.random() < 0.5 else rng.choice(WRITTEN))
    text, facts = REMARKS[thing.kind](thing, rng, chosen)
    top = subjects(thing)[0]
    needs = facts | {("about", top)}
    return Query(text=text, language=chosen, needs=needs, kinds=frozenset({thing.kind}), level=2, picture=top)


def any_language(rng: random.Random) -> str:
    """English in four of ten; otherwise mostly a language with hand-written words."""
    if rng.random() < 0.4:
        return "en"
    return rng.choice(WRITTEN if rng.random() < 0.6 else languages())


def _names(thing: Thing, rng: random.Random, language: str, most: int) -> Said:
    """Bare names of what a thing is about."""
    ids = subjects(thing)[:most]
    needs: frozenset[Fact] = frozenset(("about", one) for one in ids)
    if language == "en" and len(ids) == 1:
        if rng.random() < 0.25:
            return f"{OPENINGS[thing.kind]} {a(ids[0])}", needs | {("kind", thing.kind)}
        return rng.choice((ids[0], a(ids[0]))), needs
    return ", ".join(called(one, language) for one in ids), needs
