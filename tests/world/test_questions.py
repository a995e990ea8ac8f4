"""Questions have one true answer, told again here from the picture's own description and not from its facts."""

import random
import re
from collections.abc import Iterator

import pytest

from anyseek.items import Text
from anyseek.world import Chart, Clip, Page, Question, Scene, Split, allows, ask_about, object_ids, sample_thing
from anyseek.world.asking import subjects
from anyseek.world.english import plural
from anyseek.world.layouts import money
from anyseek.world.lexicon import cities, months
from anyseek.world.questions import ENGLISH_ONLY, TOPICS, WORDLESS, topics
from anyseek.world.words import NUMBERS, WRITTEN, word

SPLITS: tuple[Split, ...] = ("train", "composition", "object")


def drawn(kind: str, count: int, language: str = "en", topic: str = "", level: int = 3) -> Iterator[Question]:
    rng = random.Random(f"{kind} {topic} {language}")
    while count:
        split = rng.choice(SPLITS)
        thing = sample_thing(kind, rng, split, level)
        question = ask_about(thing, rng, split, topic, language)
        if question is not None:
            assert question.thing is thing
            assert allows(split, thing)
            count -= 1
            yield question


def the_right(question: Question) -> str:
    (index,) = question.right()
    return question.answers[index][0]


@pytest.mark.parametrize("kind", list(TOPICS))
@pytest.mark.parametrize("language", WRITTEN)
def test_one_answer_is_true_and_words_differ(kind: str, language: str) -> None:
    for question in drawn(kind, 20, language):
        assert len(question.right()) == 1
        assert question.topic in topics(question.thing, language)
        words = [text for text, _ in question.answers]
        assert 2 <= len(words) == len(set(words)) <= 10


def test_every_topic_is_asked() -> None:
    for kind, known in TOPICS.items():
        assert {question.topic for question in drawn(kind, 200)} == set(known) - WORDLESS
        foreign = {question.topic for question in drawn(kind, 200, "de")}
        assert foreign == set(known) - WORDLESS - ENGLISH_ONLY


def test_the_place_of_the_right_answer_says_nothing() -> None:
    places = [next(iter(question.right())) for question in drawn("scene", 600, topic="background")]
    counts = [places.count(place) for place in range(10)]
    assert min(counts) > 30
    assert max(counts) < 95


def names_of(scene: Scene, text: str) -> list[str]:
    """The objects that a question means by `the apple` or `the apples`."""
    return [g.object_id for g in scene.groups if text.endswith((f"the {g.object_id}?", f"the {plural(g.object_id)}?"))]


def test_counts_by_another_look() -> None:
    for question in drawn("scene", 150, topic="count"):
        scene = question.thing
        assert isinstance(scene, Scene)
        counts = {f"How many {plural(g.object_id)} are there?": g.count for g in scene.groups}
        assert the_right(question) == word(NUMBERS[counts[question.text] - 1])


def test_neighbours_by_another_look() -> None:
    for question in drawn("scene", 300, topic="neighbour"):
        scene = question.thing
        assert isinstance(scene, Scene)
        other = next(g for g in scene.groups if g.object_id == max(names_of(scene, question.text), key=len))
        relation = re.match(r"What is (left of|right of|above|below) the", question.text).group(1)
        beside = {
            "left of": lambda g, o=other: g.column < o.column,
            "right of": lambda g, o=other: g.column > o.column,
            "above": lambda g, o=other: g.row < o.row,
            "below": lambda g, o=other: g.row > o.row,
        }[relation]
        assert [the_right(question)] == [g.object_id for g in scene.groups if beside(g)]


def test_places_and_sizes_by_another_look() -> None:
    for question in drawn("scene", 200, topic="place"):
        scene = question.thing
        assert isinstance(scene, Scene)
        text = question.text.replace("Where is ", "").replace("Where are ", "")
        group = next(g for g in scene.groups if g.object_id == max(names_of(scene, text), key=len))
        across = "" if scene.columns == 1 else {0: "left", scene.columns - 1: "right"}.get(group.column, "")
        down = "" if scene.rows == 1 else {0: "top", scene.rows - 1: "bottom"}.get(group.row, "")
        expected = f"{down} {across}".strip() or "centre"
        assert the_right(question).endswith(f" {expected}")
        wrong = {text for text, _ in question.answers} - {the_right(question)}
        assert not wrong & {f"on the {across}", f"at the {down}"}
    for question in drawn("scene", 60, topic="size"):
        assert isinstance(question.thing, Scene)
        sizes = {g.object_id: g.size for g in question.thing.groups}
        assert the_right(question) in sizes.values()


def test_pages_by_another_look() -> None:
    for question in drawn("page", 400):
        page = question.thing
        assert isinstance(page, Page)
        expected = {
            "type": word(page.type),
            "title": page.objects[0],
            "city": cities()[page.city],
            "month": months()[page.month],
            "number": str(page.number),
            "total": money(sum(page.amounts)),
        }
        if question.topic == "price":
            prices = {f"What is the price of the {o}?": m for o, m in zip(page.objects, page.amounts, strict=True)}
            assert the_right(question) == money(prices[question.text])
        else:
            assert the_right(question) == expected[question.topic]


def test_numbers_and_sums_do_not_give_themselves_away() -> None:
    """Neither the answer most like the others nor the middle one is right much more often than chance."""
    common, middle = 0, 0
    for question in drawn("page", 300, topic="number"):
        words = [text for text, _ in question.answers]
        alike = [sum(a == b for other in words for a, b in zip(text, other, strict=True)) for text in words]
        common += the_right(question) == words[alike.index(max(alike))]
    for question in drawn("page", 300, topic="total"):
        sums = sorted((text for text, _ in question.answers), key=lambda text: float(text.split()[0]))
        middle += the_right(question) == sums[len(sums) // 2]
    assert common / 300 < 0.2
    assert middle / 300 < 0.25


def test_charts_and_clips_by_another_look() -> None:
    for question in drawn("chart", 150, topic="extreme"):
        chart = question.thing
        assert isinstance(chart, Chart)
        end = max if "highest" in question.text else min
        assert the_right(question) == chart.objects[chart.values.index(end(chart.values))]
        assert set(chart.objects) <= {text for text, _ in question.answers}
    for question in drawn("clip", 150, topic="actor"):
        clip = question.thing
        assert isinstance(clip, Clip)
        deed = question.text.removeprefix("What ").removesuffix("?")
        deeds = {"left": "moves to the left", "right": "moves to the right", "up": "moves up", "down": "moves down"}
        assert [the_right(question)] == [
            a.object_id for a in clip.actors if deeds.get(a.motion, word(a.motion)) == deed
        ]


def test_answers_name_objects_of_the_split_only() -> None:
    rng = random.Random(0)
    for split in SPLITS:
        for _ in range(20):
            question = ask_about(sample_thing("scene", rng, split, 1), rng, split, "name", most=20)
            if question is not None:
                assert {text for text, _ in question.answers} <= set(object_ids(split))
                assert (the_right(question),) == subjects(question.thing)


def test_a_question_becomes_an_input() -> None:
    question = next(drawn("scene", 1, topic="count"))
    item = question.item("Answer.")
    assert [type(part).__name__ for part in item.parts] == ["Image", "Text"]
    assert (item.parts[1], item.instruction) == (Text(question.text), "Answer.")
    assert len(next(drawn("scene", 1, topic="name", level=1)).item().parts) == 1


def test_questions_repeat_by_seed() -> None:
    assert list(drawn("chart", 20)) == list(drawn("chart", 20))
