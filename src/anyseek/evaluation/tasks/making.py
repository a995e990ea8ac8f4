"""What the makers of tasks share: a task's description, how queries spread over the held-out splits, languages."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from anyseek.errors import ConfigError
from anyseek.evaluation.tasks.task import Measure, Query, Task
from anyseek.items import Item, Text
from anyseek.world import Split, Thing
from anyseek.world.words import WRITTEN

__all__ = [
    "Made",
    "Maker",
    "Shares",
    "Spec",
    "build",
    "held_out_shares",
    "is_seen",
    "text_item",
    "written_language",
]

Shares = Sequence[tuple[Split, int]]
"""How many queries come from each split."""

UNSEEN = 3
"""One query in so many has objects that training never shows; the others have new compositions of known objects."""


@dataclass(frozen=True, slots=True)
class Made:
    """Queries and documents of a task, and what of the world they show."""

    queries: Sequence[Query]
    documents: Sequence[Item]
    things: Sequence[Thing]


Maker = Callable[[random.Random, Shares], Made]
"""Makes a task from a source of randomness and how many queries come from which split."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A task before it is made.

    Attributes:
        name: unique.
        category: of the tables.
        instruction: of its queries.
        measure: name of it.
        make: its maker.
    """

    name: str
    category: str
    instruction: str
    measure: str
    make: Maker


def build(spec: Spec, seed: int, shares: Shares) -> Task:
    """Make a task; the same for the same spec, seed and shares, whatever else is made."""
    made = spec.make(random.Random(f"{spec.name} {seed}"), shares)
    return Task(
        name=spec.name,
        category=spec.category,
        instruction=spec.instruction,
        measure=Measure(spec.measure),
        queries=tuple(made.queries),
        documents=tuple(made.documents),
        seed=seed,
        things=tuple(made.things),
    )


def held_out_shares(queries: int) -> Shares:
    """So many queries from what training never shows.

    Raises:
        ConfigError: fewer queries than splits, so that one would be left out.
    """
    if queries < UNSEEN:
        raise ConfigError(f"a task has {UNSEEN} queries or more (got {queries})")
    unseen = queries // UNSEEN
    return ("composition", queries - unseen), ("object", unseen)


def is_seen(split: Split) -> bool:
    """Whether training shows the objects of a split."""
    return split != "object"


def written_language(rng: random.Random) -> str:
    """English in half of the queries, else any language in which the world can say more than names."""
    return "en" if rng.random() < 0.5 else rng.choice(WRITTEN)


def text_item(text: str, instruction: str | None = None) -> Item:
    """A text as an input of the model."""
    return Item((Text(text),), instruction)
