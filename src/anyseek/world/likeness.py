"""How alike two notes are: the share of what they say that both say, whatever the languages."""

import itertools
import random
from dataclasses import dataclass, replace

from anyseek.world.notes import Note, note_variants
from anyseek.world.pairs import sample_thing
from anyseek.world.splits import Split, allows, object_ids
from anyseek.world.things import Fact

__all__ = ["Likeness", "sample_likeness"]

STEPS = 5
PATIENCE = 60


@dataclass(frozen=True, slots=True)
class Likeness:
    """Two notes to compare."""

    first: Note
    second: Note

    def grade(self) -> float:
        """Facts of both over facts of either, 0 to 1; the languages do not count."""
        one, other = _said(self.first), _said(self.second)
        return len(one & other) / len(one | other)


def _said(note: Note) -> frozenset[Fact]:
    """What a note says, apart from how."""
    return frozenset(fact for fact in note.facts() if fact[0] not in ("kind", "language"))


def sample_likeness(rng: random.Random, split: Split, language: str | None = None) -> Likeness:
    """Two notes that differ in nothing, in something, or in everything.

    Args:
        rng: source of randomness.
        split: both belong to it.
        language: of both; None lets each have its own.
    """
    first = _note(rng, split, language)
    changes = rng.randint(0, STEPS)
    if changes == STEPS:
        return Likeness(first, _note(rng, split, language))
    second = replace(first, form=rng.randrange(24))
    for _ in range(changes):
        tries = itertools.islice(note_variants(second, rng, object_ids(split)), PATIENCE)
        fitting = (one for one in tries if allows(split, one) and language in (None, one.language))
        second = next(fitting, second)
    return Likeness(first, second)


def _note(rng: random.Random, split: Split, language: str | None) -> Note:
    """A note of a split in a language."""
    while True:
        note = sample_thing("note", rng, split)
        if isinstance(note, Note) and language in (None, note.language):
            return note
