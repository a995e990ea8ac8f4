"""Words written by hand, where CLDR has none: colours, numbers, relations, motions, kinds of pages, field labels.

The tables are `assets/words.txt`. Languages missing there still have the names of objects, cities and months.
"""

from functools import cache
from pathlib import Path

__all__ = [
    "COLOURS",
    "FORMS",
    "MOTIONS",
    "NUMBERS",
    "PAGE_TYPES",
    "PURPOSES",
    "SUBJECTS",
    "WRITTEN",
    "word",
    "word_table",
]

WORDS = Path(__file__).parent / "assets" / "words.txt"

COLOURS = ("white", "black", "gray", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
NUMBERS = ("1", "2", "3", "4", "5")
MOTIONS = ("left", "right", "up", "down", "appears", "disappears", "turns", "grows", "shrinks")
PAGE_TYPES = ("invoice", "receipt", "letter", "menu", "poster", "form", "list", "timetable")
FORMS = ("bar chart", "line chart", "pie chart")
SUBJECTS = ("sales", "exports", "prices", "votes", "visitors")
PURPOSES = ("for sale", "wanted", "lost", "found")

WRITTEN = (
    "en", "de", "fr", "es", "it", "pt", "nl", "sv", "pl", "cs", "ru", "uk", "tr", "el", "he", "ar", "hi", "zh", "ja",
    "ko", "vi", "id",
)  # fmt: skip
"""Languages of the tables."""


@cache
def word_table() -> dict[str, dict[str, str]]:
    """Every table as `language -> key -> word`."""
    words: dict[str, dict[str, str]] = {language: {} for language in WRITTEN}
    keys: list[str] = []
    for line in WORDS.read_text("utf-8").splitlines():
        if line.startswith("["):
            keys = line.split("] ", 1)[1].split(" ")
        elif line and not line.startswith("#"):
            language, *row = line.split(" ")
            cells = zip(keys, row, strict=True)
            words[language].update((key.replace("_", " "), cell.replace("_", " ")) for key, cell in cells)
    return words


def word(key: str, language: str = "en") -> str:
    """The word for a key of the tables, such as `word("blue", "de") == "blau"`."""
    return word_table()[language][key]
