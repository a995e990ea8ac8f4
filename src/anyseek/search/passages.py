"""Texts in passages with overlap, cut where paragraphs end, else where sentences do, else between words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from anyseek.errors import ConfigError

__all__ = ["Passage", "passages"]

PARAGRAPH = re.compile(r"\n[ \t\r]*\n\s*")
SENTENCE = re.compile(r"""(?<=[.!?…])["')\]]*\s+|(?<=[。！？])|\n""")  # noqa: RUF001
LEAST = 16


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a text.

    Attributes:
        text: as it stands there, without white space around it.
        start: character at which it begins, from 0.
        end: the one behind its last.
    """

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Atom:
    """What is never cut: a sentence with the white space behind it, or a part of a very long one.

    Attributes:
        start: its first character.
        end: the character behind its last, where the next atom begins.
        opens: whether a paragraph begins here.
        size: bytes in UTF-8.
    """

    start: int
    end: int
    opens: bool
    size: int


def passages(text: str, size: int, overlap: int) -> Iterator[Passage]:
    """Passages in order, each but the first beginning with the last sentences of the one before, where they are short.

    Bytes of UTF-8 are a fair measure of tokens in every script: an English letter is one, a Chinese character three.

    Args:
        text: of any length; blank text has no passages.
        size: most bytes of a passage, 16 or more.
        overlap: most bytes that neighbours share; less than half of `size`.

    Raises:
        ConfigError: the numbers leave no room.
    """
    if size < LEAST or not 0 <= overlap < size / 2:
        raise ConfigError(f"passages of {size} bytes that share {overlap}: give {LEAST} or more, and share under half")
    held: list[_Atom] = []
    total = shared = 0  # bytes of `held`; atoms at its front that stood in the passage before
    for atom in _atoms(text, size):
        while held and total + atom.size > size:
            if len(held) == shared:
                total, held, shared = total - held[0].size, held[1:], shared - 1
                continue
            cut = _border(held, shared, atom.opens, size)
            yield from _passage(text, held[:cut], shared)
            kept = _tail(held[:cut], min(overlap, _size(held[:cut]) // 2))
            held, shared = kept + held[cut:], len(kept)
            total = _size(held)
        held.append(atom)
        total += atom.size
    if len(held) > shared:
        yield from _passage(text, held, shared)


def _border(held: list[_Atom], shared: int, opens: bool, size: int) -> int:
    """How many atoms make a passage: up to the last border of paragraphs in its second half, else all."""
    if opens:
        return len(held)
    total = _size(held)
    for place in range(len(held) - 1, shared, -1):
        total -= held[place].size
        if total < size / 2:
            break
        if held[place].opens:
            return place
    return len(held)


def _tail(atoms: list[_Atom], most: int) -> list[_Atom]:
    """The last atoms that have at most so many bytes."""
    count = total = 0
    for atom in reversed(atoms):
        total += atom.size
        if total > most:
            break
        count += 1
    return atoms[len(atoms) - count :]


def _size(atoms: list[_Atom]) -> int:
    """Bytes of atoms together."""
    return sum(atom.size for atom in atoms)


def _passage(text: str, atoms: list[_Atom], shared: int) -> Iterator[Passage]:
    """The text of atoms, unless those behind the first `shared` are blank."""
    start, end = atoms[0].start, atoms[-1].end
    if text[atoms[shared].start : end].strip():
        whole = text[start:end]
        start += len(whole) - len(whole.lstrip())
        yield Passage(whole.strip(), start, start + len(whole.strip()))


def _atoms(text: str, most: int) -> Iterator[_Atom]:
    """The text in atoms of at most so many bytes; together they are the whole of it."""
    for first, last in _between(PARAGRAPH, text, 0, len(text)):
        opens = True
        for start, end in _between(SENTENCE, text, first, last):
            for left, right in _short(text, start, end, most):
                yield _Atom(left, right, opens, _bytes(text[left:right]))
                opens = False


def _between(border: re.Pattern[str], text: str, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Spans that end behind a border each, the last one at the end; none is empty."""
    for match in border.finditer(text, first, last):
        if match.end() > first:
            yield first, match.end()
            first = match.end()
    if first < last:
        yield first, last


def _short(text: str, start: int, end: int, most: int) -> Iterator[tuple[int, int]]:
    """A span in spans of at most so many bytes, cut behind a space where there is one."""
    while _bytes(text[start : min(end, start + most + 1)]) > most:  # more characters are more bytes in any case
        fits = text[start : min(end, start + most)].encode("utf-8", "surrogatepass")[:most]
        count = max(1, len(fits.decode("utf-8", "ignore")))
        space = max(text.rfind(blank, start, start + count) for blank in " \t\n") + 1
        middle = space if space > start else start + count
        yield start, middle
        start = middle
    if start < end:
        yield start, end


def _bytes(text: str) -> int:
    """Bytes in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
