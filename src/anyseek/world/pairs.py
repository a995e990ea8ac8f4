"""Training pairs without end: a query, a thing that answers it, and near misses that do not."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from anyseek.errors import ConfigError
from anyseek.world.asking import ask, ask_by_picture, ask_by_picture_and_words, subjects
from anyseek.world.charts import chart_variants, sample_chart
from anyseek.world.clips import clip_variants, sample_clip
from anyseek.world.notes import note_variants, sample_note
from anyseek.world.pages import page_variants, sample_page
from anyseek.world.queries import KINDS, Query
from anyseek.world.scenes import sample_scene, scene_variants
from anyseek.world.splits import Split, allows, check_split, draw_until_allowed, object_ids
from anyseek.world.things import Thing

__all__ = ["Mix", "Pair", "near_misses", "pairs", "sample_thing"]

VARIANTS: dict[str, Callable[..., Iterator[Thing]]] = {
    "scene": scene_variants,
    "page": page_variants,
    "chart": chart_variants,
    "clip": clip_variants,
    "note": note_variants,
}
PATIENCE = 24
"""Variants tried per near miss, before any other thing will do."""

DEFAULT_KINDS = {"scene": 4.0, "page": 3.0, "chart": 1.0, "clip": 2.0, "note": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What pairs are made of.

    Attributes:
        kinds: weight of each kind of document.
        levels: weight of difficulty 1 (a name), 2 (an attribute) and 3 (a relation or several attributes).
        pictures: share of level 1 queries that are a picture, and of level 2 queries that are a picture with words.
        mixed: share of queries that look for every kind, and whose instruction therefore names none.
        negatives: near misses per pair.
        language: of every query; None mixes them.
    """

    kinds: Mapping[str, float] = field(default_factory=lambda: DEFAULT_KINDS)
    levels: tuple[float, float, float] = (1, 1, 1)
    pictures: float = 0.15
    mixed: float = 0.3
    negatives: int = 2
    language: str | None = None

    def __post_init__(self) -> None:
        """Raise ConfigError for a kind that does not exist."""
        if unknown := set(self.kinds) - set(KINDS):
            raise ConfigError(f"kinds must be of {', '.join(KINDS)} (got {', '.join(sorted(unknown))})")


@dataclass(frozen=True, slots=True)
class Pair:
    """A query, a thing relevant to it, and things that are not."""

    query: Query
    positive: Thing
    negatives: tuple[Thing, ...]


def sample_thing(kind: str, rng: random.Random, split: Split = "train", level: int = 3) -> Thing:
    """A random thing of a split, as rich as queries of the level need."""
    objects = object_ids(split)
    richer = level == 3

    def sample() -> Thing:
        """One thing, of the split or not."""
        if kind == "scene":
            return sample_scene(rng, objects, rng.choice((2, 2, 2, 3, 4, 1) if richer else (1, 1, 1, 2)))
        if kind == "clip":
            return sample_clip(rng, objects, rng.choice((1, 2)) if richer else 1)
        if kind == "note":
            return sample_note(rng, objects, rng.choice((1, 2, 3)) if richer else 1)
        return sample_page(rng, objects) if kind == "page" else sample_chart(rng, objects)

    return draw_until_allowed(split, sample)


def near_misses(
    query: Query, thing: Thing, rng: random.Random, count: int, split: Split = "train"
) -> tuple[Thing, ...]:
    """Things much like one that answers a query, none of which answers it.

    Args:
        query: what is looked for.
        thing: a relevant thing.
        rng: source of randomness.
        count: how many.
        split: the near misses belong to it as well.
    """
    found: list[Thing] = []
    objects = object_ids(split)
    tries = zip(range(PATIENCE * count), VARIANTS[thing.kind](thing, rng, objects), strict=False)
    for _, variant in tries:
        if len(found) == count:
            break
        if not query.matches(variant) and allows(split, variant) and variant not in found:
            found.append(variant)
    while len(found) < count:
        other = sample_thing(thing.kind, rng, split)
        found += [other] * (not query.matches(other))
    return tuple(found)


def pairs(seed: int, split: Split = "train", mix: Mix = Mix()) -> Iterator[Pair]:
    """Pairs without end, the same for the same seed, split and mix.

    Raises:
        ConfigError: the split does not exist.
    """
    check_split(split)
    rng = random.Random(seed)
    kinds, weights = tuple(mix.kinds), tuple(mix.kinds.values())
    while True:
        kind, level = rng.choices(kinds, weights)[0], rng.choices((1, 2, 3), mix.levels)[0]
        yield _pair(kind, level, rng, split, mix)


def _pair(kind: str, level: int, rng: random.Random, split: Split, mix: Mix) -> Pair:
    """One pair of a kind and level."""
    thing = sample_thing(kind, rng, split, level)
    if level < 3 and rng.random() < mix.pictures:
        only = level == 1
        query = ask_by_picture(subjects(thing)[0], (kind,)) if only else ask_by_picture_and_words(thing, rng)
    else:
        query = ask(thing, rng, level, mix.language)
    if rng.random() < mix.mixed:
        query = replace(query, kinds=frozenset(KINDS))
    return Pair(query, thing, near_misses(query, thing, rng, mix.negatives, split))
