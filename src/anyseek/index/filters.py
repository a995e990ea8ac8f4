"""Which things count: a Filter, and how it is said to the store.

Values go into predicates as strings whose only sign with a meaning, the quote, is doubled, as numbers that are numbers,
and as patterns in which every character but letters, digits and `/` is written by its code.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from anyseek.errors import ConfigError
from anyseek.index.rows import KINDS, is_unicode

__all__ = ["Filter", "of_files", "of_things", "one_of", "text"]

TIMES = "after and before"


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which things count; everything that is given must hold, of one and the same file where it speaks of files.

    Attributes:
        kinds: any of these.
        pages: first and last page, counted from 1, both included.
        roots: any of these roots.
        under: path of a folder below its root, or of one file.
        glob: of the whole path below its root: `*` is any number of characters but `/`, `**` of any characters, `?` one
            character but `/`; where a name may begin, `**/` is any folders or none; everything else is itself, in
            whichever of its two forms Unicode has it.
        after: mtime, nanoseconds since 1970, at least.
        before: mtime less than this.
        min_bytes: size of the file at least.
        max_bytes: size of the file at most.
        tags: all of these.
        without_tags: none of these.
        hashes: any of these contents; None for all.
    """

    kinds: tuple[str, ...] = ()
    pages: tuple[int, int] | None = None
    roots: tuple[str, ...] = ()
    under: str | None = None
    glob: str | None = None
    after: int | None = None
    before: int | None = None
    min_bytes: int | None = None
    max_bytes: int | None = None
    tags: tuple[str, ...] = ()
    without_tags: tuple[str, ...] = ()
    hashes: tuple[str, ...] | None = None

    @classmethod
    def at(cls, path: str | None) -> "Filter":
        """What lies at or below a path, or fits it where it holds `*` or `?`; everything for None."""
        is_pattern = path is not None and any(sign in path for sign in "*?")
        return cls(glob=path) if is_pattern else cls(under=path)

    def __post_init__(self) -> None:
        """Raise ConfigError for a kind that there is not, a range that is empty, or a name that no library can keep.

        One string alone where several may stand is one of them, not its letters.
        """
        for name in ("kinds", "roots", "tags", "without_tags", "hashes"):
            if isinstance(value := getattr(self, name), str):
                object.__setattr__(self, name, (value,))
        names = (*self.roots, *self.tags, *self.without_tags, self.under or "", self.glob or "")
        if unnamed := [name for name in names if not is_unicode(name)]:
            raise ConfigError(f"{unnamed[0]!r} is not Unicode, and nothing in a library is named so")
        unknown = set(self.kinds) - set(KINDS)
        if unknown:
            raise ConfigError(f"kind {sorted(unknown)[0]!r} is unknown; choose from {', '.join(KINDS)}")
        for name, low, high in (
            ("pages", *(self.pages or (None, None))),
            (TIMES, self.after, self.before),
            ("min_bytes and max_bytes", self.min_bytes, self.max_bytes),
        ):
            if low is not None and high is not None and low > high:
                said = (_moment(low), _moment(high)) if name == TIMES else (low, high)
                raise ConfigError(f"{name} {said[0]} to {said[1]} hold nothing; put the smaller first")


def text(value: str) -> str:
    """A string as a predicate has it."""
    return "'" + value.replace("'", "''") + "'"


def one_of(column: str, values: Iterable[str]) -> str:
    """That a column has one of some values; of none it is false."""
    listed = ", ".join(text(value) for value in values)
    return f"{column} IN ({listed})" if listed else "false"


def of_files(where: Filter) -> str:
    """What a Filter says of files; empty for nothing."""
    parts = [one_of("root", where.roots)] if where.roots else []
    if where.under is not None and where.under.strip("/"):
        places = _forms(where.under.strip("/"))
        parts.append(_any(f"path = {text(place)} OR starts_with(path, {text(place + '/')})" for place in places))
    if where.glob is not None:
        parts.append(_any(f"regexp_like(path, {text(pattern(glob))})" for glob in _forms(where.glob)))
    for column, sign, value in (
        ("mtime", ">=", where.after),
        ("mtime", "<", where.before),
        ("size", ">=", where.min_bytes),
        ("size", "<=", where.max_bytes),
    ):
        if value is not None:
            parts.append(f"{column} {sign} {_number(value)}")
    parts += [f"array_has(tags, {text(tag)})" for tag in where.tags]
    parts += [f"NOT array_has(tags, {text(tag)})" for tag in where.without_tags]
    if where.hashes is not None:
        parts.append(one_of("hash", where.hashes))
    return " AND ".join(parts)


def of_things(where: Filter) -> str:
    """What a Filter says of things; empty for nothing."""
    parts = [one_of("kind", where.kinds)] if where.kinds else []
    if where.pages is not None:
        parts.append(f"page BETWEEN {_number(where.pages[0], 31)} AND {_number(where.pages[1], 31)}")
    return " AND ".join(parts)


def pattern(glob: str) -> str:
    """A regular expression for whole paths."""
    meanings = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"((?<![^/])\*\*/|\*\*|\*|\?)", glob)
    inside = "".join(meanings.get(part) or "".join(_literal(letter) for letter in part) for part in parts)
    return f"(?s)^{inside}$"


def _forms(name: str) -> list[str]:
    """A name as it is, and in both ways that Unicode writes letters with marks: systems keep either."""
    return list(dict.fromkeys([name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))]))


def _any(predicates: Iterable[str]) -> str:
    """That one of some predicates is true."""
    return f"({' OR '.join(predicates)})"


def _moment(nanoseconds: int) -> str:
    """A time for people: the day, and the hour where it matters."""
    try:
        return datetime.fromtimestamp(nanoseconds // 10**9).isoformat(" ").removesuffix(" 00:00:00")
    except (OverflowError, ValueError, OSError):  # beyond what the system can tell
        return str(nanoseconds)


def _number(value: int, bits: int = 63) -> int:
    """A number, or the nearest that a column of so many bits and a sign can have: the store refuses others."""
    most = (1 << bits) - 1
    return min(max(int(value), -most), most)


def _literal(letter: str) -> str:
    """A character that means itself."""
    return letter if letter.isalnum() or letter == "/" else f"\\x{{{ord(letter):x}}}"
