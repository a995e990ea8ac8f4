"""Test corpora: things, queries, and which things are relevant to which query, computed from descriptions."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from anyseek.world.asking import any_language, ask, ask_by_name, ask_by_picture, ask_by_picture_and_words, subjects
from anyseek.world.pairs import near_misses, sample_thing
from anyseek.world.queries import KINDS, Query
from anyseek.world.splits import Split, check_split
from anyseek.world.things import Fact, Thing

__all__ = ["Corpus", "Plan", "build_corpus", "judge", "question"]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents, queries and exact relevance.

    Attributes:
        things: the documents.
        queries: what is asked.
        relevance: for every query's index the indices of all relevant documents, at least one.
    """

    things: tuple[Thing, ...]
    queries: tuple[Query, ...]
    relevance: dict[int, frozenset[int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a corpus is made of.

    Attributes:
        sizes: documents of each kind, such as `{"scene": 200, "page": 100}`.
        queries: how many, spread over the kinds by their sizes; equal ones count once.
        levels: weights of the difficulties 1, 2 and 3.
        pictures: share of level 1 queries that are a picture, and of level 2 queries that are a picture with words.
        language: of the queries; None mixes them.
    """

    sizes: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 100))
    queries: int = 100
    levels: tuple[float, float, float] = (1, 1, 1)
    pictures: float = 0.25
    language: str | None = None


def build_corpus(seed: int, split: Split, plan: Plan = Plan()) -> Corpus:
    """A corpus of one or several kinds, with near misses of what is asked for among its documents.

    With several kinds, queries at level 1 look for every kind, others for their own.

    Args:
        seed: of everything.
        split: `train`, `composition` (new compositions of known objects) or `object` (unknown objects).
        plan: sizes and queries.

    Raises:
        ConfigError: the split does not exist.
    """
    check_split(split)
    rng = random.Random(seed)
    things: list[Thing] = []
    queries: dict[Query, None] = {}
    for kind, size in plan.sizes.items():
        share = round(plan.queries * size / sum(plan.sizes.values()))
        asked, made = _ask_and_fill(kind, (size, share), rng, split, plan)
        things += made
        queries |= dict.fromkeys(asked)
    rng.shuffle(things)
    return Corpus(tuple(things), tuple(queries), judge(tuple(queries), things))


def judge(queries: Sequence[Query], things: Sequence[Thing]) -> dict[int, frozenset[int]]:
    """The indices of the relevant things, for the index of every query."""
    true_of: dict[Fact, set[int]] = {}
    of_kind: dict[str, set[int]] = {}
    for place, thing in enumerate(things):
        of_kind.setdefault(thing.kind, set()).add(place)
        for fact in thing.facts():
            true_of.setdefault(fact, set()).add(place)
    nothing: set[int] = set()
    found = {}
    for index, query in enumerate(queries):
        wanted = nothing.union(*(of_kind.get(kind, nothing) for kind in query.kinds))
        found[index] = frozenset(wanted.intersection(*(true_of.get(need, nothing) for need in query.needs)))
    return found


def _ask_and_fill(
    kind: str, numbers: tuple[int, int], rng: random.Random, split: Split, plan: Plan
) -> tuple[list[Query], list[Thing]]:
    """Queries and documents of one kind: what is asked for, one near miss for each while there is room, and others."""
    size, share = numbers
    asked: list[Query] = []
    answers: list[Thing] = []
    for index in range(share):
        level = rng.choices((1, 2, 3), plan.levels)[0]
        if index < size:
            answers.append(sample_thing(kind, rng, split, level))
        asked.append(question(answers[index % size], level, rng, plan))
    room = max(0, size - len(answers))
    misses = [near_misses(q, t, rng, 1, split)[0] for q, t in zip(asked[:room], answers, strict=False)]
    others = [sample_thing(kind, rng, split) for _ in range(room - len(misses))]
    return asked, answers + misses + others


def question(thing: Thing, level: int, rng: random.Random, plan: Plan) -> Query:
    """A query for a thing; at level 1 for everything about its first object, of whatever kind."""
    kinds, top = tuple(plan.sizes), subjects(thing)[0]
    if level == 1 and rng.random() < plan.pictures:
        return ask_by_picture(top, kinds)
    if level == 1:
        return ask_by_name(top, plan.language or any_language(rng), kinds)
    if level == 2 and rng.random() < plan.pictures:
        return ask_by_picture_and_words(thing, rng)
    return ask(thing, rng, level, plan.language)
