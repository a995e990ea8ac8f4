"""Which objects and compositions are for training and which are kept for testing, told by hashes of their names."""

from collections.abc import Callable
from functools import cache
from typing import Literal

from anyseek.errors import ConfigError
from anyseek.world.lexicon import objects
from anyseek.world.things import Composition, Thing, fraction

__all__ = ["Split", "allows", "check_split", "draw_until_allowed", "held_out", "object_ids"]

Split = Literal["train", "composition", "object"]
"""`train`; `composition`: objects of training put together in new ways; `object`: objects training never shows."""

SHARE = 0.1
"""Share of the objects, and of the compositions, kept for testing."""


def held_out(composition: Composition) -> bool:
    """True for a composition that training never shows."""
    return fraction("composition", *composition) < SHARE


@cache
def object_ids(split: Split) -> tuple[str, ...]:
    """Objects a split shows and names."""
    ids = [one.id for one in objects()]
    unseen = set(sorted(ids, key=lambda one: fraction("object", one))[: round(SHARE * len(ids))])
    return tuple(one for one in ids if (one in unseen) == (split == "object"))


def allows(split: Split, thing: Thing) -> bool:
    """True if a thing made of the split's objects belongs to it."""
    if split == "object":
        return True
    return any(map(held_out, thing.compositions())) == (split == "composition")


def check_split(split: str) -> None:
    """Raise ConfigError for a split that does not exist."""
    if split not in ("train", "composition", "object"):
        raise ConfigError(f"split must be 'train', 'composition' or 'object' (got {split!r})")


def draw_until_allowed(split: Split, sample: Callable[[], Thing]) -> Thing:
    """The first sampled thing that belongs to a split."""
    return next(thing for thing in iter(sample, None) if allows(split, thing))
