"""Questions about one thing with a list of answers, of which exactly one is true: told by the facts, not by the maker.

English is asked in sentences; the other written languages are telegraphic (`Hintergrund?`, `? links von Hund`). A
question without words leaves the asking to an instruction, as in classification.
"""

import itertools
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from anyseek import items
from anyseek.world.charts import Chart
from anyseek.world.clips import Clip
from anyseek.world.english import PLURAL_ALREADY, UNCOUNTED, plural
from anyseek.world.layouts import money
from anyseek.world.lexicon import called, cities, months
from anyseek.world.pages import SUMMED, Page
from anyseek.world.phrasing import PLACES, RELATIONS, deed
from anyseek.world.scenes import PLACES as CELLS
from anyseek.world.scenes import Group, Scene
from anyseek.world.splits import Split, object_ids
from anyseek.world.things import Fact, Thing
from anyseek.world.words import COLOURS, FORMS, MOTIONS, NUMBERS, PAGE_TYPES, SUBJECTS, word

__all__ = ["TOPICS", "Question", "ask_about", "topics"]

Answer = tuple[str, Fact]
"""Words, and the fact they state."""

Posed = tuple[str, list[Answer]]
"""A question, and answers to it, the most tempting ones first; the true one is among them."""

MOST = 10
SIDES = ("left of", "right of", "above", "below")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question about a thing.

    Attributes:
        thing: what is asked about.
        topic: what is asked, a key of `TOPICS`.
        text: the question; empty where the topic says it all.
        language: of question and answers.
        answers: different words, each with the fact it states.
    """

    thing: Thing
    topic: str
    text: str
    language: str
    answers: tuple[Answer, ...]

    def right(self) -> frozenset[int]:
        """Indices of the answers that are true of the thing."""
        facts = self.thing.facts()
        return frozenset(index for index, (_, fact) in enumerate(self.answers) if fact in facts)

    def item(self, instruction: str | None = None) -> items.Item:
        """The thing, then the question, as an input of the model."""
        asked = (items.Text(self.text),) if self.text else ()
        return items.Item((*self.thing.item().parts, *asked), instruction)


def topics(thing: Thing, language: str = "en") -> tuple[str, ...]:
    """What can be asked about a kind of thing in a language, in words."""
    found = TOPICS.get(thing.kind, {})
    return tuple(topic for topic in found if topic not in WORDLESS and (language == "en" or topic not in ENGLISH_ONLY))


def ask_about(
    thing: Thing, rng: random.Random, split: Split, topic: str = "", language: str = "en", most: int = MOST
) -> Question | None:
    """A question about a thing, or None where the topic does not fit it.

    Args:
        thing: a scene, clip, page or chart.
        rng: source of randomness.
        split: wrong answers name only its objects.
        topic: what to ask; empty takes any that fits.
        language: one of `words.WRITTEN`.
        most: answers at most, the true one included.
    """
    wanted = [topic] if topic else rng.sample(topics(thing, language), len(topics(thing, language)))
    for one in wanted:
        posed = TOPICS[thing.kind][one](thing, rng, language, object_ids(split))
        if posed is not None:
            answers = _chosen(posed[1], thing.facts(), rng, most)
            return Question(thing=thing, topic=one, text=posed[0], language=language, answers=answers)
    return None


def _chosen(answers: Iterable[Answer], facts: frozenset[Fact], rng: random.Random, most: int) -> tuple[Answer, ...]:
    """The true answer and the first wrong ones, in a random order; no words come twice."""
    listed = list(answers)
    right = next(answer for answer in listed if answer[1] in facts)
    wrong = {text: fact for text, fact in reversed(listed) if fact not in facts and text != right[0]}
    found = [right, *list(reversed(wrong.items()))[: most - 1]]
    rng.shuffle(found)
    return tuple(found)


def _shuffled(rng: random.Random, keys: Sequence[str]) -> list[str]:
    """The keys in a random order."""
    return rng.sample(keys, len(keys))


def _the(object_id: str, count: int = 1) -> str:
    """`the apple`, or `the apples`."""
    return f"the {plural(object_id) if count > 1 else object_id}"


def _is_many(object_id: str, count: int = 1) -> bool:
    """True where the verb is that of many."""
    return count > 1 or object_id in PLURAL_ALREADY


def _names(first: Sequence[str], rng: random.Random, objects: Sequence[str]) -> list[str]:
    """Ids with what is shown in front of what is not."""
    return [*first, *(one for one in _shuffled(rng, objects) if one not in first)]


def name_of(thing: Scene | Clip, rng: random.Random, language: str, objects: Sequence[str]) -> Posed | None:
    """What a thing with one object shows; without words."""
    shown = [one.object_id for one in (thing.groups if isinstance(thing, Scene) else thing.actors)]
    if len(shown) > 1:
        return None
    return "", [(called(one, language), ("about", one)) for one in _names(shown, rng, objects)]


def ground_of(thing: Scene | Clip, rng: random.Random, language: str, objects: Sequence[str]) -> Posed:
    """The colour of the background."""
    text = "What colour is the background?" if language == "en" else f"{word('background', language)}?"
    return text, [(word(one, language), ("background", one)) for one in _shuffled(rng, COLOURS)]


def ground_label(thing: Scene, rng: random.Random, language: str, objects: Sequence[str]) -> Posed:
    """The colour of the background, without words."""
    return "", ground_of(thing, rng, language, objects)[1]


def count_of(scene: Scene, rng: random.Random, language: str, objects: Sequence[str]) -> Posed | None:
    """How many copies of an object there are."""
    countable = [group for group in scene.groups if group.object_id not in UNCOUNTED]
    if not countable:
        return None
    one = rng.choice(countable).object_id
    answers: list[Answer] = [(word(number, language), ("count", one, int(number))) for number in NUMBERS]
    return f"How many {plural(one)} are there?", answers


def neighbour_of(scene: Scene, rng: random.Random, language: str, objects: Sequence[str]) -> Posed | None:
    """What lies left of, right of, above or below an object, where it is one thing only."""
    relation = rng.choice([one for one in SIDES if any(fact[0] == one for fact in scene.facts())] or [""])
    beside = [(str(fact[1]), str(fact[2])) for fact in sorted(scene.facts(), key=str) if fact[0] == relation]
    single = [pair for pair in beside if sum(other == pair[1] for _, other in beside) == 1]
    if not single:
        return None
    _, other = rng.choice(single)
    group = next(group for group in scene.groups if group.object_id == other)
    shown = [one.object_id for one in rng.sample(scene.groups, len(scene.groups))]
    text = f"What is {word(relation)} {_the(other, group.count)}?"
    if language != "en":
        form = RELATIONS.get(language, "{0} {2} {1}")
        text = form.format("?", called(other, language), word(relation, language))
    return text, [(called(one, language), (relation, one, other)) for one in _names(shown, rng, objects)]


def place_of(scene: Scene, rng: random.Random, language: str, objects: Sequence[str]) -> Posed:
    """Where an object is; of its places only the most telling is offered."""
    group: Group = rng.choice(scene.groups)
    one, places = group.object_id, scene.places(group)
    offered = [place for place in _shuffled(rng, tuple(CELLS)) if place not in places[1:]]
    verb = "are" if _is_many(one, group.count) else "is"
    answers: list[Answer] = [(PLACES.get(place, f"in the {place}"), ("place", one, place)) for place in offered]
    return f"Where {verb} {_the(one, group.count)}?", answers


def size_of(scene: Scene, rng: random.Random, language: str, objects: Sequence[str]) -> Posed | None:
    """Whether an object is small or large, where it is either."""
    sized = [group.object_id for group in scene.groups if group.size]
    if not sized:
        return None
    one = rng.choice(sized)
    small, large = word("small", language), word("large", language)
    text = f"{'Are' if _is_many(one) else 'Is'} {_the(one)} {small} or {large}?"
    text = text if language == "en" else f"{called(one, language)}: {small}, {large}?"
    return text, [(small, ("size", one, "small")), (large, ("size", one, "large"))]


def deed_label(clip: Clip, rng: random.Random, language: str, objects: Sequence[str]) -> Posed | None:
    """What the only actor does, without words."""
    if len(clip.actors) > 1:
        return None
    return "", _deeds(clip.actors[0].object_id, rng, language)


def deed_of(clip: Clip, rng: random.Random, language: str, objects: Sequence[str]) -> Posed:
    """What an actor does."""
    one = rng.choice(clip.actors).object_id
    text = f"What {'do' if _is_many(one) else 'does'} {_the(one)} do?"
    return (text if language == "en" else f"{called(one, language)}: ?"), _deeds(one, rng, language)


def _deeds(object_id: str, rng: random.Random, language: str) -> list[Answer]:
    """Every motion as an answer."""
    return [(deed(one, language), ("motion", object_id, one)) for one in _shuffled(rng, MOTIONS)]


def actor_of(clip: Clip, rng: random.Random, language: str, objects: Sequence[str]) -> Posed | None:
    """Which object does something that no other does."""
    motions = [actor.motion for actor in clip.actors]
    single = [motion for motion in motions if motions.count(motion) == 1]
    if not single:
        return None
    motion = rng.choice(single)
    shown = [actor.object_id for actor in rng.sample(clip.actors, len(clip.actors))]
    text = f"What {deed(motion, language)}?" if language == "en" else f"? {deed(motion, language)}"
    return text, [(called(one, language), ("motion", one, motion)) for one in _names(shown, rng, objects)]


def type_of(page: Page, rng: random.Random, language: str, objects: Sequence[str]) -> Posed:
    """What kind of page it is."""
    answers: list[Answer] = [(word(one, language), ("type", one)) for one in _shuffled(rng, PAGE_TYPES)]
    return "What kind of document is this?", answers


def title_of(page: Page, rng: random.Random, language: str, objects: Sequence[str]) -> Posed:
    """Which object stands in the title; the other rows are offered first."""
    listed = _names(rng.sample(page.objects, len(page.objects)), rng, objects)
    return "What is in the title?", [(called(one, language), ("subject", one)) for one in listed]


def city_of(thing: Page | Chart, rng: random.Random, language: str, objects: Sequence[str]) -> Posed:
    """Which city stands on a page or chart."""
    text = "Which city is named?" if language == "en" else f"{word('city', language)}?"
    order = rng.sample(range(len(cities())), len(cities()))
    return text, [(cities(language)[index], ("city", index)) for index in order]


def month_of(page: Page, rng: random.Random, language: str, objects: Sequence[str]) -> Posed:
    """Which month the page is dated."""
    text = "Which month is it dated?" if language == "en" else f"{word('date', language)}?"
    return text, [(months(language)[index], ("month", index)) for index in rng.sample(range(12), 12)]


def number_of(page: Page, rng: random.Random, language: str, objects: Sequence[str]) -> Posed | None:
    """The number of the document; the others mix its digits with those of one other number, so that none stands out."""
    if page.type == "poster":
        return None
    text = "What is the number of this document?" if language == "en" else f"{word('number', language)}?"
    digits = [(one, rng.choice([other for other in "123456789" if other != one])) for one in str(page.number)]
    mixed = [int("".join(chosen)) for chosen in itertools.product(*digits)]
    return text, [(str(one), ("number", one)) for one in rng.sample(mixed, len(mixed))]


def total_of(page: Page, rng: random.Random, language: str, objects: Sequence[str]) -> Posed | None:
    """The sum of an invoice or receipt; its prices are offered too, and sums of which it is not always the middle."""
    if page.type not in SUMMED:
        return None
    text = "What is the total?" if language == "en" else f"{word('total', language)}?"
    step = rng.choice((50, 100, 500))
    below = rng.randrange(min(MOST, (page.total() - 1) // step + 1))
    ladder = [page.total() + step * (rung - below) for rung in range(MOST)]
    listed = [*page.amounts, *rng.sample(ladder, len(ladder))]
    return text, [(money(one), ("total", one)) for one in listed]


def price_of(page: Page, rng: random.Random, language: str, objects: Sequence[str]) -> Posed | None:
    """The price of one row; those of the other rows are offered first."""
    if not any(fact[0] == "price" for fact in page.facts()):
        return None
    one = rng.choice(page.objects)
    text = (
        f"What is the price of {_the(one)}?"
        if language == "en"
        else f"{word('price', language)}: {called(one, language)}?"
    )
    listed = [*page.amounts, *(rng.randint(2, 199) * 50 for _ in range(MOST))]
    return text, [(money(amount), ("price", one, amount)) for amount in listed]


def extreme_of(chart: Chart, rng: random.Random, language: str, objects: Sequence[str]) -> Posed:
    """Which category is the highest or the lowest; the others of the chart are offered first."""
    end = rng.choice(("highest", "lowest"))
    text = f"Which is the {end}?" if language == "en" else f"{word(end, language)}: ?"
    listed = _names(rng.sample(chart.objects, len(chart.objects)), rng, objects)
    return text, [(called(one, language), (end, one)) for one in listed]


def form_of(chart: Chart, rng: random.Random, language: str, objects: Sequence[str]) -> Posed:
    """What kind of chart it is."""
    return "What kind of chart is this?", [(word(one, language), ("form", one)) for one in _shuffled(rng, FORMS)]


def subject_of(chart: Chart, rng: random.Random, language: str, objects: Sequence[str]) -> Posed:
    """What is counted."""
    return "What does the chart show?", [(word(one, language), ("subject", one)) for one in _shuffled(rng, SUBJECTS)]


TOPICS: dict[str, dict[str, Callable[..., Posed | None]]] = {
    "scene": {
        "name": name_of,
        "ground": ground_label,
        "background": ground_of,
        "count": count_of,
        "neighbour": neighbour_of,
        "place": place_of,
        "size": size_of,
    },
    "clip": {"name": name_of, "deed": deed_label, "motion": deed_of, "actor": actor_of, "background": ground_of},
    "page": {
        "type": type_of,
        "title": title_of,
        "city": city_of,
        "month": month_of,
        "number": number_of,
        "total": total_of,
        "price": price_of,
    },
    "chart": {"extreme": extreme_of, "city": city_of, "form": form_of, "subject": subject_of},
}
"""For each kind what can be asked: of `(thing, rng, language, objects)` a question and answers, or None."""

WORDLESS = frozenset({"name", "ground", "deed"})
"""Topics without words, for classification."""

ENGLISH_ONLY = frozenset({"count", "place", "type", "title", "form", "subject"})
"""Topics for which the other languages have no words."""
