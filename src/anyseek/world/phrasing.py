"""How things are asked for: from a thing to a query that it answers, in English, 21 other languages, or by name."""

import random
from collections.abc import Callable

from anyseek.world.charts import Chart
from anyseek.world.clips import Clip
from anyseek.world.english import a, counted
from anyseek.world.layouts import money
from anyseek.world.lexicon import cities, languages, months, name
from anyseek.world.notes import Note
from anyseek.world.pages import SUMMED, Page
from anyseek.world.queries import KINDS, Query
from anyseek.world.scenes import Scene
from anyseek.world.things import Fact, Thing
from anyseek.world.words import NUMBERS, WRITTEN, word

__all__ = ["ask", "ask_by_picture", "pick_language"]

Asked = tuple[str, set[Fact]]
"""The text of a query and the facts it asks for."""

SAID = {
    "left": "moves to the left",
    "right": "moves to the right",
    "up": "moves up",
    "down": "moves down",
    "appears": "appears",
    "disappears": "disappears",
    "turns": "turns around",
    "grows": "grows",
    "shrinks": "shrinks",
}
"""English for the motions."""


def pick_language(rng: random.Random, english: float = 0.4) -> str:
    """English with that probability, then evenly a language with hand-written words or any other."""
    if rng.random() < english:
        return "en"
    return rng.choice(WRITTEN if rng.random() < 0.6 else languages())


def ask(thing: Thing, rng: random.Random, level: int = 1, language: str | None = None) -> Query:
    """A query that the thing answers.

    Args:
        thing: the document to find.
        rng: source of randomness.
        level: 1 a name, 2 an attribute, 3 a relation or several attributes.
        language: of the text; None picks one. Levels 2 and 3 need the hand-written words of `words.WRITTEN` for most
            kinds; in other languages the query falls back on names, cities and months.
    """
    language = language or pick_language(rng)
    if level == 1 or (language not in WRITTEN and thing.kind in ("scene", "clip", "chart")):
        text, needs = _names(thing, rng, language, 1 if level == 1 else 2)
    else:
        text, needs = ASK[thing.kind](thing, rng, level, language)
    return Query(text=text, language=language, needs=frozenset(needs), kinds=frozenset({thing.kind}), level=level)


def ask_by_picture(object_id: str, kinds: tuple[str, ...] = KINDS) -> Query:
    """The picture of an object as a query for everything about it."""
    needs: frozenset[Fact] = frozenset({("about", object_id)})
    return Query(text=object_id, language="", needs=needs, kinds=frozenset(kinds), level=1, picture=object_id)


def subjects(thing: Thing) -> tuple[str, ...]:
    """Objects a thing is about, the most prominent first."""
    match thing:
        case Scene():
            return tuple(group.object_id for group in thing.groups)
        case Clip():
            return tuple(actor.object_id for actor in thing.actors)
        case Chart():
            return (thing.extreme(max), *(one for one in thing.objects if one != thing.extreme(max)))
        case Page() | Note():
            return thing.objects
    raise TypeError(f"no such thing: {thing!r}")


def _called(object_id: str, language: str) -> str:
    """The name of an object, English where the language has none."""
    return name(object_id, language) or object_id


def _names(thing: Thing, rng: random.Random, language: str, most: int) -> Asked:
    """Bare names of what the thing is about."""
    ids = subjects(thing)[:most]
    if language == "en" and len(ids) == 1:
        text = rng.choice((ids[0], ids[0], a(ids[0]), f"{KIND_PHRASES[thing.kind]} {a(ids[0])}"))
    else:
        text = ", ".join(_called(one, language) for one in ids)
    return text, {("about", one) for one in ids}


KIND_PHRASES = {
    "scene": "a picture of",
    "page": "a page about",
    "chart": "a chart with",
    "clip": "a video of",
    "note": "a text about",
}


def _scene(scene: Scene, rng: random.Random, level: int, language: str) -> Asked:
    """Counts, sizes, places, grounds; at level 3 two groups and how they lie."""
    if level == 3 and len(scene.groups) > 1:
        return _scene_relation(scene, rng, language)
    group = rng.choice(scene.groups)
    called, ground = _called(group.object_id, language), word(scene.colour, language)
    needs: set[Fact] = {("about", group.object_id)}
    phrase = a(group.object_id)
    choice = rng.random()
    if group.count > 1 and choice < 0.7:
        needs = {("count", group.object_id, group.count)}
        phrase = counted(group.object_id, group.count)
        called = f"{word(NUMBERS[group.count - 1], language)} {called}"
    elif group.size and choice < 0.6:
        needs.add(("size", group.object_id, group.size))
        phrase = f"a {group.size} {group.object_id}"
        called = f"{called} ({word(group.size, language)})"
    elif len(scene.groups) == 1 and choice < 0.8 and language == "en":
        place = scene.place()
        return f"{phrase} {PLACE_PHRASES.get(place, 'in the ' + place)}", {("place", group.object_id, place)}
    if level == 3 or len(needs) == 1 and ("about", group.object_id) in needs:
        needs.add(("background", scene.colour))
        phrase += f" on a {scene.colour} background"
        called += f", {word('background', language)}: {ground}"
    return (phrase if language == "en" else called), needs


PLACE_PHRASES = {"left": "on the left", "right": "on the right", "top": "at the top", "bottom": "at the bottom"}


def _scene_relation(scene: Scene, rng: random.Random, language: str) -> Asked:
    """Two groups and how one lies to the other, sometimes with a count or the ground."""
    one, other = rng.sample(scene.groups, 2)
    relations = [fact[0] for fact in scene.facts() if fact[1:] == (one.object_id, other.object_id)]
    relation = str(rng.choice(sorted(map(str, relations))))
    needs: set[Fact] = {(relation, one.object_id, other.object_id)}
    if language != "en":
        return _stated(_called(one.object_id, language), relation, _called(other.object_id, language), language), needs
    first = a(one.object_id)
    if one.count > 1:
        first = counted(one.object_id, one.count)
        needs.add(("count", one.object_id, one.count))
    text = f"{first} {relation} {a(other.object_id) if other.count == 1 else counted(other.object_id, other.count)}"
    if other.count > 1:
        needs.add(("count", other.object_id, other.count))
    if rng.random() < 0.3:
        needs.add(("background", scene.colour))
        text += f" on a {scene.colour} background"
    return text, needs


def _stated(one: str, relation: str, other: str, language: str) -> str:
    """A relation in the order a language says it."""
    said = word(relation, language)
    if language in ("zh",):
        return f"{one}在{other}{said[1:]}"
    if language in ("ja",):
        return f"{other}の{said}{one}"
    if language in ("ko",):
        return f"{other} {said} {one}"
    if language in ("tr",):
        return f"{one}, {other} {said}"
    if language in ("hi",):
        return f"{one} {other} {said}"
    return f"{one} {said} {other}"


def _clip(clip: Clip, rng: random.Random, level: int, language: str) -> Asked:
    """What one actor does; at level 3 what both do, or the ground."""
    actors = rng.sample(clip.actors, len(clip.actors) if level == 3 else 1)
    needs: set[Fact] = {("motion", one.object_id, one.motion) for one in actors}
    if language == "en":
        text = " and ".join(f"{a(one.object_id)} that {SAID[one.motion]}" for one in actors)
        if level == 3 and len(actors) == 1:
            needs.add(("background", clip.colour))
            text += f" on a {clip.colour} background"
        return text, needs
    return ", ".join(f"{_called(one.object_id, language)} {word(one.motion, language)}" for one in actors), needs


def _chart(chart: Chart, rng: random.Random, level: int, language: str) -> Asked:
    """Which category is highest or lowest; the form and a category; subject and city."""
    extreme = rng.choice(("highest", "lowest"))
    object_id = chart.extreme(max if extreme == "highest" else min)
    where = cities(language)[chart.city]
    subject, form = word(chart.subject, language), word(chart.form, language)
    if level == 2 and rng.random() < 0.5:
        needs: set[Fact] = {("subject", chart.subject), ("city", chart.city)}
        return (f"{chart.subject} in {where}" if language == "en" else f"{subject} {where}"), needs
    needs = {(extreme, object_id)}
    called = _called(object_id, language)
    if level == 3:
        needs |= {("form", chart.form), ("subject", chart.subject)}
        if language == "en":
            return f"a {chart.form} of {chart.subject} where {called} is {extreme}", needs
        return f"{form}, {subject}: {called} {word(extreme, language)}", needs
    return (f"a chart where {called} is {extreme}" if language == "en" else f"{called}: {word(extreme, language)}"), needs


def _page(page: Page, rng: random.Random, level: int, language: str) -> Asked:
    """Type and subject, or type and city; at level 3 with the date, the number or the total."""
    called, where = _called(page.objects[0], language), cities(language)[page.city]
    when = months(language)[page.month]
    if language not in WRITTEN:
        needs: set[Fact] = {("about", page.objects[0]), ("city", page.city)}
        return (f"{called}, {where}", needs) if level == 2 else (f"{called}, {where}, {when}", needs | {("month", page.month)})
    needs = {("type", page.type)}
    kind = word(page.type, language)
    english = f"{'an' if page.type[0] in 'aeiou' else 'a'} {page.type}"
    if level == 2 and rng.random() < 0.5:
        return (f"{english} from {where}" if language == "en" else f"{kind}, {where}"), needs | {("city", page.city)}
    needs.add(("subject", page.objects[0]))
    text = f"{english} about {called}" if language == "en" else f"{kind}: {called}"
    if level == 2:
        return text, needs
    return _page_detail(page, rng, language, (text, needs), (where, when))


def _page_detail(page: Page, rng: random.Random, language: str, asked: Asked, names: tuple[str, str]) -> Asked:
    """One more fact of a page: total, number, city or month."""
    (text, needs), (where, when), choice = asked, names, rng.random()
    if choice < 0.25 and page.type in SUMMED:
        total = money(page.total())
        return f"{text}, {word('total', language).lower()} {total}", needs | {("total", page.total())}
    if choice < 0.5 and page.type != "poster":
        return f"{text}, {word('number', language).lower()} {page.number}", needs | {("number", page.number)}
    if choice < 0.8:
        return (f"{text} from {where}" if language == "en" else f"{text}, {where}"), needs | {("city", page.city)}
    return (f"{text} of {when}" if language == "en" else f"{text}, {when}"), needs | {("month", page.month)}


def _note(note: Note, rng: random.Random, level: int, language: str) -> Asked:
    """Object and city, or object and month; at level 3 two objects, or all of these."""
    called, where = _called(note.objects[0], language), cities(language)[note.city]
    when = months(language)[note.month]
    needs: set[Fact] = {("about", note.objects[0])}
    if level == 3 and len(note.objects) > 1 and rng.random() < 0.5:
        text, more = _names(note, rng, language, 2)
        return f"{text}, {where}", more | {("city", note.city)}
    if level == 3:
        text = f"{a(called)} in {where} in {when}" if language == "en" else f"{called}, {where}, {when}"
        return text, needs | {("city", note.city), ("month", note.month)}
    if rng.random() < 0.5:
        return (f"{a(called)} in {where}" if language == "en" else f"{called}, {where}"), needs | {("city", note.city)}
    return (f"{a(called)} in {when}" if language == "en" else f"{called}, {when}"), needs | {("month", note.month)}


ASK: dict[str, Callable[..., Asked]] = {
    "scene": _scene,
    "clip": _clip,
    "chart": _chart,
    "page": _page,
    "note": _note,
}
