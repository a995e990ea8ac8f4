"""Charts: bars, lines and pies that compare three to five objects."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from anyseek import items
from anyseek.world.canvas import Box, Curve, Icon, Mark, Wedge, Words, paint
from anyseek.world.lexicon import UNDRAWN, called, cities, drawable
from anyseek.world.things import COLOUR_VALUES, Composition, Fact
from anyseek.world.words import SUBJECTS, WRITTEN, word

__all__ = ["Chart", "chart_variants", "sample_chart"]

BAR, LINE, PIE = "bar chart", "line chart", "pie chart"
LABELLED = tuple(language for language in WRITTEN if language not in UNDRAWN)
INKS = ("red", "orange", "green", "blue", "purple", "pink", "brown", "gray")
PAPER = (255, 255, 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart of the world.

    Attributes:
        form: `bar chart`, `line chart` or `pie chart`.
        subject: what is counted, one of `words.SUBJECTS`.
        objects: ids of 3 to 5 categories.
        values: a different value for each, 1 to 100.
        city: index of the city it is about.
        colour: named colour of bars, line or the darkest slice.
        language: of the words.
        icons: categories have pictures beside their names.
        width: pixels.
        height: pixels.
    """

    form: str
    subject: str
    objects: tuple[str, ...]
    values: tuple[int, ...]
    city: int
    colour: str
    language: str
    icons: bool
    width: int
    height: int

    kind = "chart"

    def facts(self) -> frozenset[Fact]:
        """Form, subject, city, colour, categories, the highest and the lowest."""
        facts: list[Fact] = [("kind", "chart"), ("form", self.form), ("subject", self.subject), ("city", self.city)]
        facts += [("colour", self.colour), ("language", self.language)] + [("about", one) for one in self.objects]
        return frozenset([*facts, ("highest", self.highest()), ("lowest", self.lowest())])

    def highest(self) -> str:
        """Id of the category with the highest value."""
        return self.objects[self.values.index(max(self.values))]

    def lowest(self) -> str:
        """Id of the category with the lowest value."""
        return self.objects[self.values.index(min(self.values))]

    def compositions(self) -> tuple[Composition, ...]:
        """The highest with the form and with the subject."""
        return (self.highest(), self.form), (self.highest(), self.subject)

    def title(self) -> str:
        """Subject and city."""
        return f"{word(self.subject, self.language)} {cities(self.language)[self.city]}"

    def marks(self) -> list[Mark]:
        """What is drawn."""
        title = Words(10, 8, self.title(), 24, "sans-bold", width=self.width - 20, align="centre")
        return [title, *(self._pie() if self.form == PIE else self._axes())]

    def _axes(self) -> list[Mark]:
        """Bars or a line over named categories."""
        step = (self.width - 24) / len(self.objects)
        icon = min(step * 0.62, 40) if self.icons else 0
        floor = self.height - icon - 30
        ink = COLOUR_VALUES[self.colour]
        points = [(12 + (i + 0.5) * step, floor - value * (floor - 60) / 100) for i, value in enumerate(self.values)]
        marks: list[Mark] = [Box(14, floor, self.width - 28, 1, fill=(90, 90, 90))]
        if self.form == LINE:
            marks.append(Curve(tuple(points), ink, 4))
        for (x, y), value, object_id in zip(points, self.values, self.objects, strict=True):
            bar = Box(x - step * 0.3, y, step * 0.6, floor - y, ink)
            marks.append(Box(x - 5, y - 5, 10, 10, ink) if self.form == LINE else bar)
            marks.append(Words(x - step / 2, y - 20, str(value), 12, width=step, align="centre"))
            name = called(object_id, self.language)
            marks.append(Words(x - step / 2 + 1, self.height - 22, name, 14, width=step - 2, align="centre"))
            if self.icons:
                marks.append(Icon(x - icon / 2, floor + 4, icon, object_id))
        return marks

    def _pie(self) -> list[Mark]:
        """Slices with a legend; the colour of the chart belongs to the first category."""
        radius = min(self.height - 60, self.width * 0.5) / 2
        left, icon = 28 + 2 * radius, 30 * self.icons
        total, start = sum(self.values), -90.0
        marks: list[Mark] = []
        inks = [self.colour, *(ink for ink in INKS if ink != self.colour)]
        for index, (value, object_id) in enumerate(zip(self.values, self.objects, strict=True)):
            end = start + 360 * value / total
            ink, y = COLOUR_VALUES[inks[index]], 52 + index * (self.height - 60) / len(self.objects)
            name, room = called(object_id, self.language), self.width - left - 24 - icon
            marks.append(Wedge(14 + radius, 46 + radius, radius, start, end, ink))
            marks += [Box(left, y + 2, 14, 14, ink), Words(left + 20 + icon, y, name, 16, width=room)]
            if self.icons:
                marks.append(Icon(left + 18, y - 6, 28, object_id))
            start = end
        return marks

    def draw(self) -> np.ndarray:
        """Pixels of shape (height, width, 3), uint8."""
        return paint(self.marks(), (self.width, self.height), PAPER)

    def item(self) -> items.Item:
        """The chart as an input of the model."""
        return items.Item((items.Image(self.draw()),))


def sample_chart(rng: random.Random, objects: Sequence[str], language: str | None = None) -> Chart:
    """A random chart; English in half of the charts where no language is given."""
    count = rng.randint(3, 5)
    chosen = language or ("en" if rng.random() < 0.5 else rng.choice(LABELLED))
    return Chart(
        form=rng.choice((BAR, LINE, PIE)),
        subject=rng.choice(SUBJECTS),
        objects=tuple(rng.sample(drawable(tuple(objects), chosen, 12), count)),
        values=_values(rng, count),
        city=rng.randrange(len(cities())),
        colour=rng.choice(INKS),
        language=chosen,
        icons=rng.random() < 0.75,
        width=rng.choice((288, 320, 352)),
        height=rng.choice((224, 256, 288)),
    )


def _values(rng: random.Random, count: int) -> tuple[int, ...]:
    """Different values whose highest and lowest stand out."""
    middle = rng.sample(range(30, 70, 4), count - 2)
    values = [rng.randint(82, 100), *middle, rng.randint(6, 18)]
    rng.shuffle(values)
    return tuple(values)


def chart_variants(chart: Chart, rng: random.Random, objects: Sequence[str]) -> Iterator[Chart]:
    """Endless charts that differ from one in values, an object, the city, the subject, the form or the colour."""
    while True:
        change = rng.randrange(6)
        if change <= 1:
            yield replace(chart, values=tuple(rng.sample(chart.values, len(chart.values))))
        elif change == 2:
            ids = list(chart.objects)
            fitting = drawable(tuple(objects), chart.language, 12)
            ids[rng.randrange(len(ids))] = rng.choice([one for one in fitting if one not in ids])
            yield replace(chart, objects=tuple(ids))
        elif change == 3:
            yield replace(chart, city=rng.randrange(len(cities())))
        elif change == 4:
            yield replace(chart, subject=rng.choice(SUBJECTS), colour=rng.choice(INKS))
        else:
            yield replace(chart, form=rng.choice((BAR, LINE, PIE)))
