"""Relevance is exact: positives match, near misses do not, splits are apart, and everything repeats by seed."""

import itertools
import random

import numpy as np
import pytest

from anyseek import items
from anyseek.errors import ConfigError
from anyseek.world import (
    INSTRUCTIONS,
    KINDS,
    Mix,
    Plan,
    Thing,
    allows,
    ask,
    ask_by_name,
    ask_by_picture,
    ask_by_picture_and_words,
    build_corpus,
    held_out,
    judge,
    languages,
    near_misses,
    object_ids,
    pairs,
    sample_thing,
)
from anyseek.world.asking import subjects
from anyseek.world.words import WRITTEN

SPLITS = ("train", "composition", "object")


def take(count: int, seed: int = 0, split: str = "train", mix: Mix | None = None) -> list:
    return list(itertools.islice(pairs(seed, split, mix or Mix()), count))


@pytest.mark.parametrize("split", SPLITS)
def test_positives_match_and_near_misses_do_not(split: str) -> None:
    for pair in take(600, split=split, mix=Mix(negatives=3)):
        assert pair.query.matches(pair.positive)
        assert len(pair.negatives) == 3
        assert all(miss.kind == pair.positive.kind for miss in pair.negatives)
        assert not any(pair.query.matches(miss) for miss in pair.negatives)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", [1, 2, 3])
def test_every_kind_and_level_in_every_language(kind: str, level: int) -> None:
    rng = random.Random(level)
    for language in languages():
        thing = sample_thing(kind, rng, "train", level)
        query = ask(thing, rng, level, language)
        assert query.text
        assert query.language == language
        assert query.matches(thing)
        if language in WRITTEN or level == 1:
            assert not any(map(query.matches, near_misses(query, thing, rng, 2)))


def test_near_misses_are_near() -> None:
    """Most share all facts but a few with the positive, so the negatives are hard."""
    shares = [
        len(pair.positive.facts() & miss.facts()) / len(pair.positive.facts())
        for pair in take(300, mix=Mix(levels=(0, 1, 1), pictures=0))
        for miss in pair.negatives
    ]
    assert np.mean(shares) > 0.5


def test_pairs_repeat_by_seed() -> None:
    assert take(50, seed=7) == take(50, seed=7)
    assert take(50, seed=7) != take(50, seed=8)


def test_pairs_follow_the_mix() -> None:
    only = take(60, mix=Mix(kinds={"clip": 1}, levels=(0, 1, 0), pictures=0, negatives=1, language="de"))
    assert {pair.positive.kind for pair in only} == {"clip"}
    assert {(pair.query.level, pair.query.language, pair.query.picture) for pair in only} == {(2, "de", "")}


def test_unknown_kinds_and_splits_are_errors() -> None:
    with pytest.raises(ConfigError, match="scene, page"):
        Mix(kinds={"photo": 1})
    with pytest.raises(ConfigError, match="composition"):
        next(pairs(0, "test"))
    with pytest.raises(ConfigError, match="composition"):
        build_corpus(0, "test")


def test_splits_share_no_object_and_no_composition() -> None:
    known, unknown = set(object_ids("train")), set(object_ids("object"))
    assert not known & unknown
    assert object_ids("composition") == object_ids("train")
    assert 0.05 < len(unknown) / len(known | unknown) < 0.15
    for split, objects in (("train", known), ("composition", known), ("object", unknown)):
        for pair in take(200, split=split):
            for thing in (pair.positive, *pair.negatives):
                assert set(subjects(thing)) <= objects
                assert allows(split, thing)
                if split != "object":
                    assert any(map(held_out, thing.compositions())) == (split == "composition")


def test_compositions_kept_are_about_a_tenth() -> None:
    kept = [held_out(pair) for pair in itertools.combinations(object_ids("train"), 2)]
    assert 0.08 < np.mean(kept) < 0.12


@pytest.mark.parametrize("split", SPLITS)
def test_corpora(split: str) -> None:
    plan = Plan(sizes={"scene": 30, "page": 20, "note": 10}, queries=40)
    corpus = build_corpus(3, split, plan)
    assert corpus == build_corpus(3, split, plan)
    kinds = [thing.kind for thing in corpus.things]
    assert {kind: kinds.count(kind) for kind in kinds} == dict(plan.sizes)
    assert 30 <= len(corpus.queries) <= 40
    assert set(corpus.relevance) == set(range(len(corpus.queries)))
    for index, query in enumerate(corpus.queries):
        right = {i for i, thing in enumerate(corpus.things) if query.matches(thing)}
        assert right
        assert corpus.relevance[index] == right


def test_judging_is_looking_at_every_thing_for_every_query() -> None:
    """Queries of every kind and level, and one for all kinds, among things that none of them was made for."""
    things = [thing for pair in take(150, seed=1) for thing in (pair.positive, *pair.negatives)]
    queries = [pair.query for seed in (1, 2) for pair in take(120, seed=seed)]
    queries += [ask_by_name(name, "en") for name in object_ids("train")[:40]]
    slow = {
        index: frozenset(place for place, thing in enumerate(things) if query.matches(thing))
        for index, query in enumerate(queries)
    }
    assert judge(queries, things) == slow
    assert {len(found) > 1 for found in slow.values()} == {True, False} and frozenset() in slow.values()
    assert judge(queries, []) == dict.fromkeys(range(len(queries)), frozenset())
    assert judge([], things) == {}


def test_queries_as_items() -> None:
    thing = sample_thing("scene", random.Random(0))
    words = ask(thing, random.Random(0), 2, "en").item()
    assert words.parts == (items.Text(words.parts[0].text),)
    assert words.instruction == INSTRUCTIONS["scene"]
    top = subjects(thing)[0]
    picture = ask_by_picture(top).item()
    assert [type(part) for part in picture.parts] == [items.Image]
    both = ask_by_picture_and_words(thing, random.Random(0), "fr")
    assert [type(part) for part in both.item().parts] == [items.Image, items.Text]
    assert both.item("Other.").instruction == "Other."
    assert both.matches(thing)
    assert ask_by_name(top, "ko").item().instruction == INSTRUCTIONS["mixed"]


def test_a_name_finds_things_of_every_kind_in_every_language() -> None:
    rng = random.Random(2)
    for kind in KINDS:
        thing: Thing = sample_thing(kind, rng)
        for language in languages():
            assert ask_by_name(subjects(thing)[0], language).matches(thing)
