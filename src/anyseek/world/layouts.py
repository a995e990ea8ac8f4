"""Where the words of a page go: one function per type of page, each giving marks for `canvas.paint`."""

from collections.abc import Callable
from dataclasses import dataclass

from anyseek.world.canvas import Box, Colour, Icon, Mark, Words

__all__ = ["Sheet", "layout"]

MARGIN = 18
RULE = (150, 150, 150)
PALE = (228, 228, 232)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The words of a page in its own language, ready to be placed.

    Attributes:
        type: of the page.
        heading: the word for the type.
        labels: words for number, date, city, total, price, name.
        names: of the objects, the subject first.
        amounts: cents or minutes, one per name.
        city: name of the city.
        date: day and month.
        number: the document's number.
        icon: object id of the picture beside the title, or empty.
        ink: of the title.
        face: font of the title.
        size: (width, height) in pixels.
    """

    type: str
    heading: str
    labels: dict[str, str]
    names: tuple[str, ...]
    amounts: tuple[int, ...]
    city: str
    date: str
    number: str
    icon: str
    ink: Colour
    face: str
    size: tuple[int, int]


def layout(sheet: Sheet) -> list[Mark]:
    """The marks of a page."""
    return LAYOUTS[sheet.type](sheet)


def _title(sheet: Sheet, y: float = MARGIN) -> list[Mark]:
    """Heading and subject in large letters, with the picture on the right if there is one."""
    side = 72 if sheet.icon else 0
    width = sheet.size[0] - 2 * MARGIN - side
    marks: list[Mark] = [
        Words(MARGIN, y, sheet.heading, 34, sheet.face, sheet.ink, width),
        Words(MARGIN, y + 42, sheet.names[0], 26, sheet.face, (20, 20, 20), width),
    ]
    if sheet.icon:
        marks.append(Icon(sheet.size[0] - MARGIN - side + 4, y, side, sheet.icon))
    return marks


def _fields(sheet: Sheet, y: float, keys: tuple[str, ...] = ("number", "date", "city")) -> list[Mark]:
    """Labels and values, one under the other, 22 pixels each."""
    values = {"number": sheet.number, "date": sheet.date, "city": sheet.city, "name": sheet.names[0]}
    marks: list[Mark] = []
    for index, key in enumerate(keys):
        row = y + index * 22
        marks.append(Words(MARGIN, row, sheet.labels[key], 14, "sans", (90, 90, 90), 100))
        marks.append(Words(MARGIN + 110, row, values[key], 16, "sans-bold", width=sheet.size[0] - 2 * MARGIN - 110))
    return marks


def money(cents: int) -> str:
    """An amount as it is written on pages."""
    return f"{cents // 100}.{cents % 100:02d} €"


def clock(minutes: int) -> str:
    """A time of day as it is written on pages."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _rows(sheet: Sheet, y: float, right: tuple[str, ...], size: int = 17) -> list[Mark]:
    """Names on the left, something on the right, a rule below each."""
    width = sheet.size[0] - 2 * MARGIN
    step = size + 12
    marks: list[Mark] = []
    for index, (left, end) in enumerate(zip(sheet.names, right, strict=True)):
        row = y + index * step
        marks.append(Words(MARGIN, row, left, size, width=width - 96))
        marks.append(Words(MARGIN + width - 92, row, end, size, width=92, align="right"))
        marks.append(Box(MARGIN, row + step - 5, width, 0, outline=PALE))
    return marks


def _total(sheet: Sheet, y: float) -> list[Mark]:
    """The sum, in a box."""
    width = sheet.size[0] - 2 * MARGIN
    return [
        Box(MARGIN, y, width, 34, fill=PALE),
        Words(MARGIN + 8, y + 6, sheet.labels["total"], 18, "sans-bold", width=width - 120),
        Words(MARGIN + width - 118, y + 6, money(sum(sheet.amounts)), 18, "sans-bold", width=110, align="right"),
    ]


def _invoice(sheet: Sheet) -> list[Mark]:
    """Title, fields, priced rows, total."""
    marks = _title(sheet) + _fields(sheet, 104) + [Box(MARGIN, 174, sheet.size[0] - 2 * MARGIN, 1, fill=RULE)]
    marks += _rows(sheet, 182, tuple(map(money, sheet.amounts)), 15)
    return marks + _total(sheet, min(sheet.size[1] - 40, 192 + 27 * len(sheet.names)))


def _receipt(sheet: Sheet) -> list[Mark]:
    """A narrow strip: city and date first, rows, the total."""
    width, height = sheet.size
    marks: list[Mark] = [Box(6, 6, width - 12, height - 12, outline=RULE), *_title(sheet, 20)]
    marks.append(Words(MARGIN, 106, sheet.city, 20, "sans-bold", width=width - 2 * MARGIN, align="centre"))
    when = f"{sheet.date}  ·  {sheet.number}"
    marks.append(Words(MARGIN, 132, when, 14, width=width - 2 * MARGIN, align="centre"))
    marks += _rows(sheet, 160, tuple(map(money, sheet.amounts)), 15)
    return marks + _total(sheet, min(height - 46, 172 + 27 * len(sheet.names)))


def _letter(sheet: Sheet) -> list[Mark]:
    """City and date at the top right, title, lines of text."""
    width, height = sheet.size
    right = width - 2 * MARGIN
    marks: list[Mark] = [
        Words(MARGIN, 14, sheet.city, 18, "sans-bold", width=right, align="right"),
        Words(MARGIN, 38, sheet.date, 15, width=right, align="right"),
        *_title(sheet, 66),
    ]
    text = [*sheet.names[1:], sheet.city, sheet.names[0], sheet.date, *sheet.names[1:], f"{sheet.number}"]
    y = 162
    for index in range(3 if height > 400 else 2):
        line = ", ".join(text[index * 2 : index * 2 + 2])
        marks.append(Words(MARGIN, y, line, 16, width=right))
        marks += [Box(MARGIN, y + 28 + gap * 14, right * (0.95 - 0.2 * gap), 5, fill=PALE) for gap in range(2)]
        y += 70
    return marks


def _menu(sheet: Sheet) -> list[Mark]:
    """Centred title, priced rows in larger letters, the city at the foot."""
    width, height = sheet.size
    marks = [Box(8, 8, width - 16, height - 16, outline=sheet.ink), *_title(sheet, 22)]
    marks += _rows(sheet, 114, tuple(map(money, sheet.amounts)), 20)
    foot = f"{sheet.city}  ·  {sheet.date}  ·  {sheet.number}"
    return [*marks, Words(MARGIN, height - 40, foot, 16, "sans-bold", sheet.ink, width - 2 * MARGIN, "centre")]


def _poster(sheet: Sheet) -> list[Mark]:
    """A coloured band with the heading, a large picture, name, city and date."""
    width, height = sheet.size
    side = min(width * 0.55, height * 0.36)
    inner = width - 2 * MARGIN
    marks: list[Mark] = [
        Box(0, 0, width, 56, fill=sheet.ink),
        Words(MARGIN, 9, sheet.heading, 32, sheet.face, (255, 255, 255), inner, "centre"),
        Icon((width - side) / 2, 66, side, sheet.icon),
        Words(MARGIN, 72 + side, sheet.names[0], 34, sheet.face, sheet.ink, inner, "centre"),
        Words(MARGIN, 118 + side, sheet.city, 28, "sans-bold", (20, 20, 20), inner, "centre"),
        Words(MARGIN, 154 + side, sheet.date, 22, "sans", (20, 20, 20), inner, "centre"),
    ]
    return marks


def _form(sheet: Sheet) -> list[Mark]:
    """Labels above boxes with what was filled in."""
    width, height = sheet.size
    marks = _title(sheet)
    values = {"name": sheet.names[0], "city": sheet.city, "date": sheet.date, "number": sheet.number}
    step = (height - 118) / len(values)
    for index, (key, value) in enumerate(values.items()):
        y = 104 + index * step
        marks.append(Words(MARGIN, y, sheet.labels[key], 13, "sans", (90, 90, 90), 200))
        marks.append(Box(MARGIN, y + 17, width - 2 * MARGIN, 28, outline=RULE))
        marks.append(Words(MARGIN + 8, y + 20, value, 18, "sans-bold", width=width - 2 * MARGIN - 16))
    return marks


def _list(sheet: Sheet) -> list[Mark]:
    """Title, city and date, then bullets."""
    marks = _title(sheet) + _fields(sheet, 104, ("city", "date", "number"))
    for index, line in enumerate(sheet.names):
        y = 184 + index * 32
        marks.append(Box(MARGIN + 2, y + 8, 8, 8, fill=sheet.ink))
        marks.append(Words(MARGIN + 22, y, line, 20, width=sheet.size[0] - 2 * MARGIN - 24))
    return marks


def _timetable(sheet: Sheet) -> list[Mark]:
    """Title, city and date, then a grid of names and times."""
    width = sheet.size[0] - 2 * MARGIN
    marks = _title(sheet) + _fields(sheet, 104, ("city", "date", "number"))
    for index, (left, minutes) in enumerate(zip(sheet.names, sheet.amounts, strict=True)):
        y = 180 + index * 33
        marks.append(Box(MARGIN, y, width, 33, outline=RULE))
        marks.append(Box(MARGIN, y, 74, 33, fill=PALE, outline=RULE))
        marks.append(Words(MARGIN + 8, y + 6, clock(minutes), 18, "sans-bold"))
        marks.append(Words(MARGIN + 84, y + 6, left, 18, width=width - 92))
    return marks


LAYOUTS: dict[str, Callable[[Sheet], list[Mark]]] = {
    "invoice": _invoice,
    "receipt": _receipt,
    "letter": _letter,
    "menu": _menu,
    "poster": _poster,
    "form": _form,
    "list": _list,
    "timetable": _timetable,
}
