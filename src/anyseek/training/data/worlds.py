"""The procedural world as a dataset on disk: exact relevance as positives, near misses as hard negatives."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from anyseek.errors import ConfigError
from anyseek.items import Image, Item, Text, Video
from anyseek.training.data.about import About
from anyseek.training.data.writer import DatasetWriter, Form
from anyseek.world import INSTRUCTIONS, KINDS, Mix, Note, Pair, Query, Split, Thing, judge, pairs
from anyseek.world.files import file_of
from anyseek.world.pairs import DEFAULT_KINDS

__all__ = ["WorldOptions", "write_world"]

MOST_TRIES = 20
"""Pairs drawn per wanted query; few kinds have few different queries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldOptions:
    """What a dataset of the world is made of.

    Attributes:
        size: different queries.
        seed: of everything.
        split: `train`, `composition` (known objects put together in new ways) or `object` (unknown objects).
        kinds: of documents.
        negatives: near misses made for each query.
        form: of the tables.
    """

    size: int = 100
    seed: int = 0
    split: Split = "train"
    kinds: tuple[str, ...] = KINDS
    negatives: int = 2
    form: Form = "jsonl"

    def __post_init__(self) -> None:
        """Raise ConfigError for numbers that are too small; kinds and split are checked where they are used."""
        if self.size < 1 or self.negatives < 0 or not self.kinds:
            raise ConfigError(
                "size must be 1 or more, negatives 0 or more, and kinds not empty "
                f"(got {self.size}, {self.negatives} and {', '.join(self.kinds) or 'none'})"
            )


def write_world(folder: Path | str, options: WorldOptions = WorldOptions()) -> None:
    """Write a dataset of the world; the same options give the same rows.

    Every document that answers a query is among its positives, whichever query it was made for.

    Raises:
        ConfigError: a kind or split does not exist, or the kinds have too few different queries.
        InputError: the folder holds something.
    """
    drawn = _drawn(options)
    things = tuple(dict.fromkeys(thing for pair in drawn for thing in (pair.positive, *pair.negatives)))
    number = {thing: index for index, thing in enumerate(things)}
    relevant = judge([pair.query for pair in drawn], things)
    about = About(name=f"world-{options.split}-{options.seed}", instruction=INSTRUCTIONS["mixed"])
    with DatasetWriter(folder, about, form=options.form) as writer:
        for index, thing in enumerate(things):
            writer.document(f"d{index}", _document(thing, jpeg=index % 2 == 1))
        for index, pair in enumerate(drawn):
            negatives = dict.fromkeys(number[miss] for miss in pair.negatives)
            wrong = [one for one in negatives if one not in relevant[index]]
            writer.query(f"q{index}", pair.query.item())
            writer.relevance(f"q{index}", _names(sorted(relevant[index])), _names(wrong))


def _drawn(options: WorldOptions) -> list[Pair]:
    """Pairs with different queries."""
    mix = Mix(kinds={kind: DEFAULT_KINDS.get(kind, 1.0) for kind in options.kinds}, negatives=options.negatives)
    found: dict[Query, Pair] = {}
    for pair in islice(pairs(options.seed, options.split, mix), MOST_TRIES * options.size):
        found.setdefault(pair.query, pair)
        if len(found) == options.size:
            return list(found.values())
    raise ConfigError(
        f"these kinds and this split gave only {len(found)} different queries of {options.size}; ask for fewer"
    )


def _document(thing: Thing, jpeg: bool) -> Item:
    """A thing as a document; scenes are JPEG half of the time, pages and charts keep their sharp edges."""
    if isinstance(thing, Note):
        return Item((Text(thing.draw()),))
    data = file_of(thing, jpeg and thing.kind == "scene")
    return Item((Video(data) if thing.kind == "clip" else Image(data),))


def _names(numbers: Sequence[int]) -> list[str]:
    """Ids of documents."""
    return [f"d{number}" for number in numbers]
