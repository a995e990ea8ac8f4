"""Every thing draws itself, the same for the same description, and its facts say what is drawn."""

import dataclasses
import random

import numpy as np
import pytest

from anyseek import items
from anyseek.world import KINDS, Clip, Group, Note, Scene, Thing, object_ids, sample_thing
from anyseek.world.backgrounds import BACKGROUNDS, TEXTURES
from anyseek.world.pages import PAGE_LANGUAGES, sample_page
from anyseek.world.words import MOTIONS, PAGE_TYPES


def things(kind: str, count: int, seed: int = 0) -> list[Thing]:
    rng = random.Random(seed)
    return [sample_thing(kind, rng, level=index % 3 + 1) for index in range(count)]


def scene(*groups: Group, columns: int = 1, rows: int = 1, colour: str = "blue") -> Scene:
    return Scene(
        groups=groups, columns=columns, rows=rows, colour=colour, texture="plain", width=200, height=160, seed=1
    )


@pytest.mark.parametrize("kind", KINDS)
def test_things_draw_something(kind: str) -> None:
    for thing in things(kind, 12):
        drawn = thing.draw()
        assert thing.kind == kind
        if isinstance(thing, Note):
            assert isinstance(drawn, str)
            assert len(drawn) > 8
            continue
        assert drawn.dtype == np.uint8
        assert drawn.shape[-1] == 3
        assert drawn.ndim == (4 if kind == "clip" else 3)
        assert drawn.std() > 5
        assert drawn.shape[-3] * drawn.shape[-2] <= 200_000


@pytest.mark.parametrize("kind", KINDS)
def test_drawing_depends_on_the_description_only(kind: str) -> None:
    for one, again in zip(things(kind, 4, seed=3), things(kind, 4, seed=3), strict=True):
        assert one == again
        assert np.array_equal(one.draw(), again.draw())


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("scene", items.Image),
        ("page", items.Image),
        ("chart", items.Image),
        ("clip", items.Video),
        ("note", items.Text),
    ],
)
def test_items(kind: str, part: type) -> None:
    (only,) = things(kind, 1)[0].item().parts
    assert isinstance(only, part)


@pytest.mark.parametrize("kind", KINDS)
def test_descriptions_differ_in_facts_or_in_nuisance_only(kind: str) -> None:
    different = {thing.facts() for thing in things(kind, 50)}
    assert len(different) > 40


def test_scene_facts() -> None:
    pair = scene(Group("dog", 1, "small", 0, 0), Group("apple", 2, "", 1, 0), columns=2)
    assert {("left of", "dog", "apple"), ("right of", "apple", "dog")} <= pair.facts()
    assert {("count", "apple", 2), ("size", "dog", "small"), ("background", "blue"), ("about", "dog")} <= pair.facts()
    assert not {fact for fact in pair.facts() if fact[0] in ("above", "below")}
    assert {fact for fact in pair.facts() if fact[0] == "place"} == {
        ("place", "dog", "left"),
        ("place", "apple", "right"),
    }
    alone = scene(Group("dog", 1, "", 0, 1), rows=2)
    assert ("place", "dog", "bottom") in alone.facts()
    corner = scene(Group("dog", 1, "", 1, 0), columns=2, rows=2)
    assert {("place", "dog", place) for place in ("top right", "top", "right")} <= corner.facts()


def test_scene_objects_are_where_the_facts_say() -> None:
    left = scene(Group("apple", 1, "large", 0, 0), columns=2, colour="white").draw().astype(int)
    reddish = left[..., 0] - left[..., 2] > 80
    assert reddish[:, :100].sum() > 500
    assert reddish[:, 100:].sum() == 0


def test_sizes_do_not_overlap() -> None:
    def area(size: str, columns: int) -> int:
        drawn = scene(Group("apple", 1, size, 0, 0), columns=columns, colour="white").draw().astype(int)
        return int((drawn[..., 0] - drawn[..., 2] > 80).sum())

    for columns in (1, 2):
        assert area("small", columns) * 1.5 < area("", 1) < area("large", columns)


@pytest.mark.parametrize("colour", BACKGROUNDS)
@pytest.mark.parametrize("texture", TEXTURES)
def test_grounds_keep_their_colour(colour: str, texture: str) -> None:
    from anyseek.world.backgrounds import background
    from anyseek.world.things import COLOUR_VALUES

    mean = np.asarray(background(colour, texture, 200, 160)).reshape(-1, 3).mean(axis=0)
    nearest = min(COLOUR_VALUES, key=lambda name: float(np.abs(mean - COLOUR_VALUES[name]).sum()))
    assert nearest == colour


@pytest.mark.parametrize("motion", MOTIONS)
def test_clips_do_what_they_say(motion: str) -> None:
    clip = sample_thing("clip", random.Random(5), level=1)
    assert isinstance(clip, Clip)
    actor = dataclasses.replace(clip.actors[0], object_id="apple", motion=motion)
    clip = dataclasses.replace(clip, actors=(actor,), colour="white", texture="plain")
    red = [frame.astype(int)[..., 0] - frame.astype(int)[..., 2] > 80 for frame in clip.draw(6)]
    first, last = red[0], red[-1]
    if motion in ("left", "right", "up", "down"):
        axis = 1 if motion in ("left", "right") else 0
        moved = np.argwhere(last).mean(axis=0)[axis] - np.argwhere(first).mean(axis=0)[axis]
        assert moved > 40 if motion in ("right", "down") else moved < -40
    elif motion in ("appears", "grows"):
        assert first.sum() * 2 < last.sum()
    elif motion in ("disappears", "shrinks"):
        assert last.sum() * 2 < first.sum()
    else:
        assert 0.8 < first.sum() / last.sum() < 1.25
        assert (red[0] ^ red[2]).sum() > 100


@pytest.mark.parametrize("kind", PAGE_TYPES)
def test_every_type_of_page_in_every_language(kind: str) -> None:
    rng, seen = random.Random(9), set()
    for language in PAGE_LANGUAGES:
        page = sample_page(rng, object_ids("train"), language)
        while page.type != kind:
            page = sample_page(rng, object_ids("train"), language)
        assert page.language == language
        assert page.draw().std() > 5
        seen.add(page.marks()[0])
    assert len(seen) > 1


def test_page_totals_are_sums() -> None:
    for page in things("page", 40):
        assert all(fact[1] == sum(page.amounts) for fact in page.facts() if fact[0] == "total")


def test_charts_know_their_extremes() -> None:
    for chart in things("chart", 20):
        values = dict(zip(chart.objects, chart.values, strict=True))
        assert values[chart.highest()] == max(chart.values)
        assert values[chart.lowest()] == min(chart.values)
        assert len(set(chart.values)) == len(chart.values)
