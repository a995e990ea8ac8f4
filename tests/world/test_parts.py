"""Regions of pictures, moments of films and the likeness of notes are what they say."""

import random
from dataclasses import replace

import numpy as np
import pytest

from anyseek.items import Image, Text, Video
from anyseek.world import (
    Group,
    Likeness,
    Note,
    Pointer,
    Region,
    Scene,
    Split,
    allows,
    object_ids,
    point_at,
    regions,
    sample_likeness,
    sample_moment,
    sample_thing,
)
from anyseek.world.asking import subjects

SPLITS: tuple[Split, ...] = ("train", "composition", "object")


def crowds(count: int, seed: int = 0) -> list[Scene]:
    rng, found = random.Random(seed), []
    while len(found) < count:
        scene = sample_thing("scene", rng, "composition")
        if isinstance(scene, Scene) and len(scene.groups) > 1:
            found.append(scene)
    return found


def test_a_region_shows_its_group_and_nothing_lies_outside() -> None:
    """On a plain ground what is not ground lies in the box of a group, but for corners of turned sprites."""
    for scene in crowds(25):
        plain = replace(scene, texture="plain")
        pixels = plain.draw().astype(int)
        colours, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
        shown = np.abs(pixels - colours[counts.argmax()]).max(axis=2) > 24
        outside = shown.copy()
        for part in regions(plain):
            left, top, right, bottom = part.box()
            assert np.array_equal(part.draw(), plain.draw()[top:bottom, left:right])
            assert shown[top:bottom, left:right].mean() > 0.02
            assert outside[top:bottom, left:right].sum() == shown[top:bottom, left:right].sum()  # boxes are apart
            outside[top:bottom, left:right] = False
        assert outside.mean() < 0.01


def test_what_words_mean_by_another_look() -> None:
    sides = {"left of": (-1, 0), "right of": (1, 0), "above": (0, -1), "below": (0, 1)}
    seen = set()
    for number, scene in enumerate(crowds(300)):
        pointer = point_at(scene, random.Random(number))
        words = pointer.text.removeprefix("what is ").removeprefix("on the ").removeprefix("at the ")
        words = words.removeprefix("in the ")
        relation = next((one for one in sides if words.startswith(one)), None)
        if relation:
            other = next(g for g in scene.groups if words == f"{relation} the {g.object_id}")
            dx, dy = sides[relation]
            meant = {g.object_id for g in scene.groups if (g.column - other.column) * dx + (g.row - other.row) * dy > 0}
        elif pointer.text.startswith("what is"):
            meant = {g.object_id for g in scene.groups if words in place_names(scene, g)}
        else:
            meant = {pointer.text}
        seen.add(relation or pointer.text.startswith("what is"))
        assert pointer.meant == meant
        fitting = [part.group.object_id for part in regions(scene) if pointer.fits(part)]
        assert set(fitting) == meant != set()
    assert len(seen) == 6


def place_names(scene: Scene, group: Group) -> set[str]:
    across = {0: "left", scene.columns - 1: "right"}.get(group.column) if scene.columns > 1 else None
    down = {0: "top", scene.rows - 1: "bottom"}.get(group.row) if scene.rows > 1 else None
    names = {name for name in (across, down) if name}
    return names | {f"{down} {across}"} if across and down else names or {"centre"}


def test_words_mean_no_part_of_another_picture() -> None:
    one, other = crowds(2)
    pointer = Pointer(scene=one, text="all", language="en", meant=frozenset(subjects(one) + subjects(other)))
    assert not any(pointer.fits(part) for part in regions(other))
    assert not pointer.fits(Region(replace(one, seed=one.seed + 1), one.groups[0]))


@pytest.mark.parametrize("split", SPLITS)
def test_one_shot_of_a_film_answers(split: Split) -> None:
    rng, places = random.Random(1), []
    for _ in range(60):
        moment = sample_moment(rng, split)
        clips = moment.film.clips
        assert len(clips) == 4
        assert len({(clip.width, clip.height, clip.seconds) for clip in clips}) == 1
        assert all(allows(split, clip) and set(subjects(clip)) <= set(object_ids(split)) for clip in clips)
        doing = [clip for clip in clips if moment.query.needs <= clip.facts()]
        assert [clips[shot] for shot in moment.right()] == doing
        assert len(doing) == 1
        places += moment.right()
    assert min(places.count(shot) for shot in range(4)) >= 5


def test_the_segments_make_the_film() -> None:
    moment = sample_moment(random.Random(2), "composition", shots=3, language="en")
    film = moment.film
    assert film.spans()[0][0] == 0
    assert all(end == start for (_, end), (start, _) in zip(film.spans(), film.spans()[1:], strict=False))
    assert np.array_equal(film.draw(2)[2:4], film.segment(1, 2))
    video, text = moment.item(frames=2).parts
    assert isinstance(video, Video)
    assert (len(video.source), video.rate) == (6, 2 / film.clips[0].seconds)
    assert text == Text(moment.query.text)


def note(**given: object) -> Note:
    start = {"objects": ("apple", "dog"), "purpose": "lost", "city": 1, "month": 2, "language": "en", "form": 0}
    return Note(**(start | given))  # type: ignore[arg-type]


def test_likeness_by_hand() -> None:
    assert Likeness(note(), note(language="de", form=3)).grade() == 1.0
    assert Likeness(note(), note(city=5)).grade() == pytest.approx(4 / 6)
    assert Likeness(note(), note(objects=("apple", "cat"))).grade() == pytest.approx(4 / 6)
    other = note(objects=("cat",), purpose="found", city=7, month=9)
    assert Likeness(note(), other).grade() == 0.0


@pytest.mark.parametrize("split", SPLITS)
def test_likeness_covers_its_range_inside_the_split(split: Split) -> None:
    rng = random.Random(3)
    found = [sample_likeness(rng, split, "en") for _ in range(80)]
    grades = [pair.grade() for pair in found]
    assert max(grades) == 1.0
    assert min(grades) < 0.15
    assert len(set(grades)) > 6
    for pair in found:
        for one in (pair.first, pair.second):
            assert one.language == "en"
            assert allows(split, one)
            assert set(one.objects) <= set(object_ids(split))


def test_inputs_hold_the_picture_then_the_words() -> None:
    (scene,) = crowds(1)
    picture, text = point_at(scene, random.Random(0)).item("Where?").parts
    assert isinstance(picture, Image)
    assert isinstance(text, Text)
