"""What is said of a thing, and the facts that stand behind the words: one function per kind, in 22 languages.

English is said in phrases; the other languages are telegraphic (`Hund, Hintergrund: blau`), which needs no inflection.
"""

import random
from collections.abc import Callable

from anyseek.world.charts import PIE, Chart
from anyseek.world.clips import Clip
from anyseek.world.english import a, are, counted, some
from anyseek.world.layouts import money
from anyseek.world.lexicon import called, cities, months
from anyseek.world.notes import Note
from anyseek.world.pages import SUMMED, Page
from anyseek.world.scenes import Group, Scene
from anyseek.world.things import Fact
from anyseek.world.words import NUMBERS, WRITTEN, word

__all__ = ["PHRASINGS", "REMARKS", "Said", "deed"]

Said = tuple[str, frozenset[Fact]]
"""Words, and the facts they state."""

PLACES = {"left": "on the left", "right": "on the right", "top": "at the top", "bottom": "at the bottom"}
TEXTURES = {"stripes": "striped ", "dots": "dotted ", "checks": "checked "}
DEEDS = {"left": "moves to the left", "right": "moves to the right", "up": "moves up", "down": "moves down"}
RELATIONS = {"zh": "{0}在{1}{2}", "ja": "{1}の{2}{0}", "ko": "{1} {2} {0}", "tr": "{1} {2} {0}", "hi": "{1} {2} {0}"}
COUNTS = {"zh": "{0}个{1}", "ja": "{1}{0}つ", "ko": "{1} {0} 개"}


def ground(thing: Scene | Clip, rng: random.Random, language: str) -> Said:
    """The background: `on a striped blue background`."""
    facts: set[Fact] = {("background", thing.colour)}
    if language != "en":
        return f"{word('background', language)}: {word(thing.colour, language)}", frozenset(facts)
    texture = ""
    if isinstance(thing, Scene) and thing.texture in TEXTURES and rng.random() < 0.4:
        texture = TEXTURES[thing.texture]
        facts.add(("texture", thing.texture))
    return f"on {a(texture + thing.colour)} background", frozenset(facts)


def many(group: Group, language: str) -> Said:
    """A group by its count, size or only its name: `two apples`, `a small apple`, `an apple`."""
    one, name = group.object_id, called(group.object_id, language)
    if group.count > 1:
        number = word(NUMBERS[group.count - 1], language)
        text = counted(one, group.count) if language == "en" else COUNTS.get(language, "{0} {1}").format(number, name)
        return text, frozenset({("count", one, group.count)})
    facts: set[Fact] = {("about", one)}
    if group.size:
        facts.add(("size", one, group.size))
        text = f"a {group.size} {one}" if language == "en" else f"{name} ({word(group.size, language)})"
        return text, frozenset(facts)
    return a(one) if language == "en" else name, frozenset(facts)


def plain(object_id: str, language: str) -> Said:
    """Only the name, with an article in English."""
    return a(object_id) if language == "en" else called(object_id, language), frozenset({("about", object_id)})


def joined(first: Said, second: Said, language: str) -> Said:
    """Two statements as one."""
    return f"{first[0]}{' ' if language == 'en' else ', '}{second[0]}", first[1] | second[1]


def say_scene(scene: Scene, rng: random.Random, level: int, language: str) -> Said:
    """Count, size, place or ground; at level 3 two groups and how they lie, or all of one group."""
    if level == 3 and len(scene.groups) > 1:
        return _relation(scene, rng, language)
    group = rng.choice(scene.groups)
    if level == 3:
        return joined(many(group, language), ground(scene, rng, language), language)
    if language == "en" and rng.random() < 0.3:
        place = scene.places(group)[0]
        text = f"{a(group.object_id)} {PLACES.get(place, f'in the {place}')}"
        return text, frozenset({("place", group.object_id, place)})
    if (group.count > 1 or group.size) and rng.random() < 0.6:
        return many(group, language)
    return joined(plain(group.object_id, language), ground(scene, rng, language), language)


def _relation(scene: Scene, rng: random.Random, language: str) -> Said:
    """Two groups and how one lies to the other, in English sometimes with counts and the ground."""
    one, other = rng.sample(scene.groups, 2)
    relations = sorted(str(fact[0]) for fact in scene.facts() if fact[1:] == (one.object_id, other.object_id))
    relation = rng.choice(relations)
    detailed = language == "en" and rng.random() < 0.5
    first, second = (many(g, language) if detailed else plain(g.object_id, language) for g in (one, other))
    form = RELATIONS.get(language, "{0} {2} {1}")
    text = form.format(first[0], second[0], word(relation, language))
    facts = first[1] | second[1] | {(relation, one.object_id, other.object_id)}
    return joined((text, facts), ground(scene, rng, language), language) if rng.random() < 0.25 else (text, facts)


def say_clip(clip: Clip, rng: random.Random, level: int, language: str) -> Said:
    """What one actor does; at level 3 what both do, or the ground as well."""
    actors = rng.sample(clip.actors, len(clip.actors) if level == 3 else 1)
    facts: frozenset[Fact] = frozenset(("motion", one.object_id, one.motion) for one in actors)
    if language == "en":
        text = " and ".join(f"{a(one.object_id)} that {deed(one.motion, language)}" for one in actors)
    else:
        text = ", ".join(f"{called(one.object_id, language)} {deed(one.motion, language)}" for one in actors)
    said = (text, facts)
    return joined(said, ground(clip, rng, language), language) if level == 3 and len(actors) == 1 else said


def deed(motion: str, language: str) -> str:
    """What an actor does, in words."""
    return DEEDS.get(motion) or word(motion) if language == "en" else word(motion, language)


def say_chart(chart: Chart, rng: random.Random, level: int, language: str) -> Said:
    """Which category is highest or lowest, or subject and city; at level 3 with form, colour and subject."""
    subject, where = word(chart.subject, language), cities(language)[chart.city]
    if level == 2 and rng.random() < 0.5:
        text = f"{subject.lower()} in {where}" if language == "en" else f"{subject} {where}"
        return text, frozenset({("subject", chart.subject), ("city", chart.city)})
    extreme = rng.choice(("highest", "lowest"))
    object_id = chart.highest() if extreme == "highest" else chart.lowest()
    top: Fact = (extreme, object_id)
    name, end = called(object_id, language), word(extreme, language)
    if level == 2:
        return f"a chart where {are(object_id)} {end}" if language == "en" else f"{name}: {end}", frozenset({top})
    facts: set[Fact] = {top, ("form", chart.form), ("subject", chart.subject)}
    if language != "en":
        return f"{word(chart.form, language)}, {subject}: {name} {end}", frozenset(facts)
    coloured = chart.form != PIE and rng.random() < 0.4
    if coloured:
        facts.add(("colour", chart.colour))
    form = f"{chart.colour} {chart.form}" if coloured else chart.form
    return f"{a(form)} of {chart.subject} where {are(object_id)} {end}", frozenset(facts)


def say_page(page: Page, rng: random.Random, level: int, language: str) -> Said:
    """Type and subject, or type and city; at level 3 with the total, the number, the city or the month."""
    subject, where = page.objects[0], cities(language)[page.city]
    if language not in WRITTEN:
        said: Said = (f"{called(subject, language)}, {where}", frozenset({("about", subject), ("city", page.city)}))
        when: Said = (months(language)[page.month], frozenset({("month", page.month)}))
        return joined(said, when, language) if level == 3 else said
    kind, typed = a(page.type) if language == "en" else word(page.type, language), {("type", page.type)}
    if level == 2 and rng.random() < 0.4:
        text = f"{kind} from {where}" if language == "en" else f"{kind}, {where}"
        return text, frozenset({*typed, ("city", page.city)})
    text = f"{kind} about {some(subject)}" if language == "en" else f"{kind}: {called(subject, language)}"
    said = (text, frozenset({*typed, ("subject", subject)}))
    return said if level == 2 else _detailed(said, page, rng, language)


def _detailed(said: Said, page: Page, rng: random.Random, language: str) -> Said:
    """A page with one more of its facts."""
    (text, facts), choice = said, rng.random()
    if choice < 0.3 and page.type in SUMMED:
        return f"{text}, {word('total', language).lower()} {money(page.total())}", facts | {("total", page.total())}
    if choice < 0.5 and page.type != "poster":
        return f"{text}, {word('number', language).lower()} {page.number}", facts | {("number", page.number)}
    english = language == "en"
    if choice < 0.8:
        where = cities(language)[page.city]
        return f"{text} from {where}" if english else f"{text}, {where}", facts | {("city", page.city)}
    when = months(language)[page.month]
    return f"{text} of {when}" if english else f"{text}, {when}", facts | {("month", page.month)}


def say_note(note: Note, rng: random.Random, level: int, language: str) -> Said:
    """Object with purpose, city or month; at level 3 with two of these."""
    shown: list[Said] = [
        (
            f"in {cities(language)[note.city]}" if language == "en" else cities(language)[note.city],
            frozenset({("city", note.city)}),
        ),
        (
            f"in {months(language)[note.month]}" if language == "en" else months(language)[note.month],
            frozenset({("month", note.month)}),
        ),
    ]
    if note.purpose and language in WRITTEN:
        shown.append((word(note.purpose, language), frozenset({("purpose", note.purpose)})))
    said = plain(rng.choice(note.objects), language)
    for extra in rng.sample(shown, level - 1):
        said = joined(said, extra, language)
    return said


def remark_scene(scene: Scene, rng: random.Random, language: str) -> Said:
    """The ground."""
    return ground(scene, rng, language)


def remark_clip(clip: Clip, rng: random.Random, language: str) -> Said:
    """What the first actor does."""
    actor = clip.actors[0]
    return deed(actor.motion, language), frozenset({("motion", actor.object_id, actor.motion)})


def remark_chart(chart: Chart, rng: random.Random, language: str) -> Said:
    """That the category is the highest."""
    return word("highest", language), frozenset({("highest", chart.highest())})


def remark_page(page: Page, rng: random.Random, language: str) -> Said:
    """The type."""
    return (a(page.type) if language == "en" else word(page.type, language)), frozenset({("type", page.type)})


def remark_note(note: Note, rng: random.Random, language: str) -> Said:
    """The city."""
    where = cities(language)[note.city]
    return (f"in {where}" if language == "en" else where), frozenset({("city", note.city)})


PHRASINGS: dict[str, Callable[..., Said]] = {
    "scene": say_scene,
    "clip": say_clip,
    "chart": say_chart,
    "page": say_page,
    "note": say_note,
}
"""For each kind, what is said of `(thing, rng, level, language)` at levels 2 and 3."""

REMARKS: dict[str, Callable[..., Said]] = {
    "scene": remark_scene,
    "clip": remark_clip,
    "chart": remark_chart,
    "page": remark_page,
    "note": remark_note,
}
"""For each kind, what is said beside a picture of its first object, of `(thing, rng, language)`."""
