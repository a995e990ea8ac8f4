"""Document pages: what stands on an invoice, receipt, letter, menu, poster, form, list or timetable."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from anyseek import items
from anyseek.world.canvas import Mark, paint
from anyseek.world.layouts import Sheet, layout
from anyseek.world.lexicon import UNDRAWN, called, cities, drawable, months
from anyseek.world.things import COLOUR_VALUES, Composition, Fact
from anyseek.world.words import PAGE_TYPES, WRITTEN, word

__all__ = ["PAGE_LANGUAGES", "Page", "page_variants", "sample_page"]

PAGE_LANGUAGES = tuple(language for language in WRITTEN if language not in UNDRAWN)
"""Languages whose pages can be written and drawn."""

PRICED = frozenset({"invoice", "receipt", "menu"})
SUMMED = frozenset({"invoice", "receipt"})
INKS = ("black", "red", "green", "blue", "purple", "brown")
PAPERS = ((255, 255, 255), (252, 248, 236), (240, 245, 250))
LONGEST = 20
DATES = {"ja": "{1}{0}日", "zh": "{1}{0}日", "ko": "{1} {0}일"}
FORMATS = ((320, 448), (320, 448), (304, 416), (352, 480), (448, 320))


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of the world.

    Attributes:
        type: one of `words.PAGE_TYPES`.
        language: of everything written on it.
        objects: 1 to 4 ids; the first is its subject and stands in the title.
        amounts: one price (in cents) or time (in minutes) per object.
        city: index of a city.
        day: 1 to 28.
        month: 0 to 11.
        number: four digits.
        icon: the subject's picture stands beside the title.
        ink: named colour of the title.
        face: font of the title.
        paper: index of the colour of the paper.
        width: pixels.
        height: pixels.
    """

    type: str
    language: str
    objects: tuple[str, ...]
    amounts: tuple[int, ...]
    city: int
    day: int
    month: int
    number: int
    icon: bool
    ink: str
    face: str
    paper: int
    width: int
    height: int

    kind = "page"

    def facts(self) -> frozenset[Fact]:
        """Type, language, subject, objects, city, month, number, total and prices."""
        facts: list[Fact] = [("kind", "page"), ("type", self.type), ("language", self.language)]
        facts += [("city", self.city), ("month", self.month), ("subject", self.objects[0])]
        facts += [("number", self.number)] * (self.type != "poster")
        facts += [("total", self.total())] * (self.type in SUMMED)
        for object_id, amount in zip(self.objects, self.amounts, strict=True):
            facts += [("about", object_id)] + [("price", object_id, amount)] * (self.type in PRICED)
        return frozenset(facts)

    def total(self) -> int:
        """Sum of the prices, in cents."""
        return sum(self.amounts)

    def compositions(self) -> tuple[Composition, ...]:
        """The subject with the type and with the city."""
        return (self.objects[0], self.type), (self.objects[0], cities()[self.city])

    def marks(self) -> list[Mark]:
        """What is drawn, for Pillow here or a PDF writer elsewhere."""
        return layout(self._sheet())

    def _sheet(self) -> Sheet:
        """The words of the page, ready to be placed."""
        when = DATES.get(self.language, "{0} {1}").format(self.day, months(self.language)[self.month])
        return Sheet(
            type=self.type,
            heading=word(self.type, self.language),
            labels={key: word(key, self.language) for key in ("number", "date", "city", "total", "price", "name")},
            names=tuple(called(one, self.language) for one in self.objects),
            amounts=self.amounts,
            city=cities(self.language)[self.city],
            date=when,
            number=str(self.number),
            icon=self.objects[0] if self.icon or self.type == "poster" else "",
            ink=COLOUR_VALUES[self.ink],
            face=self.face,
            size=(self.width, self.height),
        )

    def draw(self) -> np.ndarray:
        """Pixels of shape (height, width, 3), uint8."""
        return paint(self.marks(), (self.width, self.height), PAPERS[self.paper])

    def item(self) -> items.Item:
        """The page as an input of the model."""
        return items.Item((items.Image(self.draw()),))


def sample_page(rng: random.Random, objects: Sequence[str], language: str | None = None) -> Page:
    """A random page; English in half of the pages where no language is given."""
    kind = rng.choice(PAGE_TYPES)
    count = {"letter": 2, "poster": 1, "form": 1}.get(kind) or rng.randint(2, 4)
    chosen = language or ("en" if rng.random() < 0.5 else rng.choice(PAGE_LANGUAGES))
    width, height = rng.choice(FORMATS)
    return Page(
        type=kind,
        language=chosen,
        objects=tuple(rng.sample(drawable(tuple(objects), chosen, LONGEST), count)),
        amounts=_amounts(rng, kind, count),
        city=rng.randrange(len(cities())),
        day=rng.randint(1, 28),
        month=rng.randrange(12),
        number=rng.randint(1000, 9999),
        icon=rng.random() < 0.5,
        ink=rng.choice(INKS),
        face=rng.choice(("sans-bold", "serif")),
        paper=rng.randrange(len(PAPERS)),
        width=width,
        height=height,
    )


def _amounts(rng: random.Random, kind: str, count: int) -> tuple[int, ...]:
    """Minutes of the day for a timetable, prices in cents otherwise."""
    if kind == "timetable":
        return tuple(sorted(rng.sample(range(5 * 60, 23 * 60, 5), count)))
    return tuple(rng.randint(2, 199) * 50 for _ in range(count))


def page_variants(page: Page, rng: random.Random, objects: Sequence[str]) -> Iterator[Page]:
    """Endless pages that differ from one in type, subject, a row, city, date, number, amounts, order or language."""
    changes = (_other_type, _other_object, _other_city, _other_date, _other_figures, _other_order, _other_language)
    while True:
        yield rng.choice(changes)(page, rng, objects)


def _other_type(page: Page, rng: random.Random, objects: Sequence[str]) -> Page:
    """Another type of page with the same subject, city and date."""
    other = sample_page(rng, [one for one in objects if one != page.objects[0]], page.language)
    kept = {field: getattr(page, field) for field in ("city", "day", "month", "number", "icon", "ink", "face", "paper")}
    return replace(other, objects=(page.objects[0], *other.objects[1:]), **kept)


def _other_object(page: Page, rng: random.Random, objects: Sequence[str]) -> Page:
    """Another subject, or another last row."""
    fitting = drawable(tuple(objects), page.language, LONGEST)
    ids = list(page.objects)
    ids[0 if rng.random() < 0.6 else -1] = rng.choice([one for one in fitting if one not in ids])
    return replace(page, objects=tuple(ids))


def _other_city(page: Page, rng: random.Random, objects: Sequence[str]) -> Page:
    """Another city."""
    return replace(page, city=rng.randrange(len(cities())))


def _other_date(page: Page, rng: random.Random, objects: Sequence[str]) -> Page:
    """Another day and month."""
    return replace(page, month=rng.randrange(12), day=rng.randint(1, 28))


def _other_figures(page: Page, rng: random.Random, objects: Sequence[str]) -> Page:
    """Another number and other amounts."""
    return replace(page, number=rng.randint(1000, 9999), amounts=_amounts(rng, page.type, len(page.objects)))


def _other_order(page: Page, rng: random.Random, objects: Sequence[str]) -> Page:
    """The same rows with another subject, or another city where there is one row."""
    if len(page.objects) == 1:
        return _other_city(page, rng, objects)
    return replace(page, objects=page.objects[1:] + page.objects[:1])


def _other_language(page: Page, rng: random.Random, objects: Sequence[str]) -> Page:
    """Another language and another city."""
    chosen = rng.choice(PAGE_LANGUAGES)
    short = all(len(called(one, chosen)) <= LONGEST for one in page.objects)
    return replace(page, language=chosen if short else page.language, city=rng.randrange(len(cities())))
