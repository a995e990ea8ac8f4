"""Languages in groups, so that each has enough queries to say something about."""

__all__ = ["LANGUAGE_GROUPS", "language_group"]

SCRIPTS = {
    "Chinese, Japanese, Korean": "zh ja ko yue",
    "Cyrillic, Greek": "ru uk be bg sr mk kk ky tg mn el",
    "other scripts": "ar fa ur ps he yi hi mr ne bn as pa gu or ta te kn ml si th lo my km ka hy am ti dz bo ug",
}
"""Languages that are not written in Latin letters."""

NO_WORDS, OTHER = "no words, or not told", "other Latin"

LANGUAGE_GROUPS = ("English", OTHER, *SCRIPTS, NO_WORDS)
"""In the order of the tables."""

_GROUP_OF = {code: group for group, codes in SCRIPTS.items() for code in codes.split()} | {"en": "English"}


def language_group(code: str) -> str:
    """The group of a language code, such as `de`, `zh_Hant` or `pt-BR`; an unknown code counts as Latin."""
    first = code.replace("-", "_").partition("_")[0].lower()
    return _GROUP_OF.get(first, OTHER) if first else NO_WORDS
