"""Notes: short texts about objects, a city and a month, in every language of the world."""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from anyseek import items
from anyseek.world.lexicon import cities, languages, months, name
from anyseek.world.things import Composition, Fact

__all__ = ["Note", "note_variants", "sample_note"]

ENGLISH = (
    "Wanted in {city}: {things}. Please call before the end of {month}.",
    "The museum in {city} shows {things} until {month}.",
    "Lost near the station of {city} in {month}: {things}.",
    "My diary of {month}. I came to {city} and bought {things}.",
    "For sale in {city} from {month}: {things}.",
)
PLAIN = ("{city}, {month}: {things}.", "{things} – {city}, {month}.", "{month}. {city}. {things}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A short text.

    Attributes:
        objects: 1 to 3 ids it speaks of.
        city: index of a city.
        month: 0 to 11.
        language: of the text.
        form: which of the templates.
    """

    objects: tuple[str, ...]
    city: int
    month: int
    language: str
    form: int

    kind = "note"

    def facts(self) -> frozenset[Fact]:
        """About, city, month and language."""
        facts: list[Fact] = [("kind", "note"), ("city", self.city), ("month", self.month), ("language", self.language)]
        facts += [("alone", self.objects[0])] * (len(self.objects) == 1)
        return frozenset(facts + [("about", object_id) for object_id in self.objects])

    def compositions(self) -> tuple[Composition, ...]:
        """Pairs of objects, and each object with the city."""
        ids = sorted(self.objects)
        return (*itertools.combinations(ids, 2), *((object_id, cities()[self.city]) for object_id in ids))

    def draw(self) -> str:
        """The text."""
        forms = ENGLISH + PLAIN if self.language == "en" else PLAIN
        things = ", ".join(name(one, self.language) or one for one in self.objects)
        where, when = cities(self.language)[self.city], months(self.language)[self.month]
        return forms[self.form % len(forms)].format(things=things, city=where, month=when)

    def item(self) -> items.Item:
        """The text as an input of the model."""
        return items.Item((items.Text(self.draw()),))


def sample_note(rng: random.Random, objects: Sequence[str], count: int = 1, language: str | None = None) -> Note:
    """A random note about `count` objects; English in three of ten where no language is given."""
    chosen = language or ("en" if rng.random() < 0.3 else rng.choice(languages()))
    return Note(
        objects=tuple(rng.sample(objects, count)),
        city=rng.randrange(len(cities())),
        month=rng.randrange(12),
        language=chosen,
        form=rng.randrange(24),
    )


def note_variants(note: Note, rng: random.Random, objects: Sequence[str]) -> Iterator[Note]:
    """Endless notes that differ from one in an object, the city or the month, and may be in another language."""
    while True:
        change = rng.randrange(3)
        language = note.language if rng.random() < 0.7 else rng.choice(languages())
        other = replace(note, language=language, form=rng.randrange(24))
        if change == 0:
            ids = list(note.objects)
            ids[rng.randrange(len(ids))] = rng.choice([one for one in objects if one not in ids])
            yield replace(other, objects=tuple(ids))
        elif change == 1:
            yield replace(other, city=rng.randrange(len(cities())))
        else:
            yield replace(other, month=rng.randrange(12))
