"""Notes: short texts about objects, a purpose, a city and a month, in every language of the world."""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from anyseek import items
from anyseek.world.lexicon import called, cities, languages, months
from anyseek.world.things import Composition, Fact
from anyseek.world.words import PURPOSES, WRITTEN, word

__all__ = ["Note", "note_variants", "sample_note"]

FORMS = (
    "{purpose}: {things}. {city}, {month}.",
    "{city}, {month}. {purpose}: {things}.",
    "{things}, {purpose}. {month}, {city}.",
    "# {purpose}\n\n{things}\n\n{city}, {month}",
)
PLAIN = ("{city}, {month}: {things}.", "{things}; {city}, {month}.", "{month}. {city}. {things}.")
ENGLISH = {
    "for sale": ("For sale in {city}: {things}. From {month} on.", "We sell {things} in {city} until {month}."),
    "wanted": ("Wanted in {city}: {things}. Please call before the end of {month}.",),
    "lost": ("Lost near the station of {city} in {month}: {things}.", "I lost {things} in {city} last {month}."),
    "found": ("Found in {month} in the park of {city}: {things}.", "We found {things} in {city} in {month}."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A short text.

    Attributes:
        objects: 1 to 3 ids it speaks of.
        purpose: one of `words.PURPOSES`, or empty in languages without a word for it.
        city: index of a city.
        month: 0 to 11.
        language: of the text.
        form: which of the templates.
    """

    objects: tuple[str, ...]
    purpose: str
    city: int
    month: int
    language: str
    form: int

    kind = "note"

    def facts(self) -> frozenset[Fact]:
        """About, purpose, city, month and language."""
        facts: list[Fact] = [("kind", "note"), ("city", self.city), ("month", self.month), ("language", self.language)]
        facts += [("purpose", self.purpose)] * bool(self.purpose)
        return frozenset(facts + [("about", object_id) for object_id in self.objects])

    def compositions(self) -> tuple[Composition, ...]:
        """Pairs of objects, and each object with the city."""
        ids = sorted(self.objects)
        return (*itertools.combinations(ids, 2), *((object_id, cities()[self.city]) for object_id in ids))

    def draw(self) -> str:
        """The text."""
        forms: tuple[str, ...] = PLAIN
        if self.purpose:
            forms = FORMS + (ENGLISH[self.purpose] * 2 if self.language == "en" else ())
        things = ", ".join(called(one, self.language) for one in self.objects)
        where, when = cities(self.language)[self.city], months(self.language)[self.month]
        purpose = word(self.purpose, self.language) if self.purpose else ""
        text = forms[self.form % len(forms)].format(things=things, city=where, month=when, purpose=purpose)
        return text[:1].upper() + text[1:]

    def item(self) -> items.Item:
        """The text as an input of the model."""
        return items.Item((items.Text(self.draw()),))


def sample_note(rng: random.Random, objects: Sequence[str], count: int = 1, language: str | None = None) -> Note:
    """A random note about `count` objects; English in three of ten where no language is given."""
    chosen = language or ("en" if rng.random() < 0.3 else rng.choice(WRITTEN if rng.random() < 0.5 else languages()))
    return Note(
        objects=tuple(rng.sample(objects, count)),
        purpose=rng.choice(PURPOSES) if chosen in WRITTEN else "",
        city=rng.randrange(len(cities())),
        month=rng.randrange(12),
        language=chosen,
        form=rng.randrange(24),
    )


def note_variants(note: Note, rng: random.Random, objects: Sequence[str]) -> Iterator[Note]:
    """Endless notes that differ from one in an object, purpose, city or month, and may be in another language."""
    while True:
        other = replace(note, form=rng.randrange(24))
        if rng.random() < 0.3:
            chosen = rng.choice(WRITTEN if note.purpose else languages())
            other = replace(other, language=chosen, purpose=note.purpose if chosen in WRITTEN else "")
        change = rng.choice(("objects", "purpose", "city", "month"))
        if change == "objects":
            ids = list(note.objects)
            ids[rng.randrange(len(ids))] = rng.choice([one for one in objects if one not in ids])
            yield replace(other, objects=tuple(ids))
        elif change == "purpose" and other.purpose:
            yield replace(other, purpose=rng.choice(PURPOSES))
        elif change == "city":
            yield replace(other, city=rng.randrange(len(cities())))
        else:
            yield replace(other, month=rng.randrange(12))
