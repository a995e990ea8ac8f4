"""The tasks of the world: relevance that another look confirms, nothing from training, chance, determinism."""

import itertools
import re
from typing import Any

import numpy as np
import pytest

from anyseek.errors import ConfigError
from anyseek.evaluation.tasks import QUERIES as QUERIES_OF_A_TASK
from anyseek.evaluation.tasks import SEED, SPECS, RunOptions, Task, choose, make, run, spec_named
from anyseek.evaluation.tasks.making import build, held_out_shares
from anyseek.evaluation.tasks.task import Pool
from anyseek.items import Image, Item, Text, Video
from anyseek.vectors import PRECISIONS
from anyseek.world import Clip, Scene, held_out, object_ids
from anyseek.world.asking import subjects
from anyseek.world.english import a
from anyseek.world.words import word
from tests.evaluation.tasks.makers import texts
from tests.fakes import FakeEmbedder, FakeReranker

NINE = {
    "image classification",
    "image QA",
    "image retrieval",
    "image grounding",
    "video classification",
    "video QA",
    "video retrieval",
    "video moment retrieval",
    "visual documents",
}
QUERIES = 6


@pytest.fixture(scope="module")
def tasks() -> dict[str, Task]:
    return {task.name: task for task in make(choose(), seed=5, queries=QUERIES)}


def parts_of(item: Item) -> list[Any]:
    """What two inputs are compared by."""
    return [part.text if isinstance(part, Text) else np.array(part.source).tobytes() for part in item.parts]


def text_of(item: Item) -> str:
    return "".join(part.text for part in item.parts if isinstance(part, Text))


def test_the_catalogue_has_nine_categories_and_text() -> None:
    assert {spec.category for spec in SPECS.values()} == NINE | {"text similarity", "text retrieval"}
    measures = {spec.category: spec.measure for spec in SPECS.values()}
    assert {measures[one] for one in NINE - {"visual documents"}} == {"hit@1"}
    assert [measures[one] for one in ("visual documents", "text similarity", "text retrieval")] == [
        "ndcg@5",
        "spearman",
        "ndcg@10",
    ]


def test_tasks_are_chosen_by_name_category_and_modality() -> None:
    assert len(choose()) == len(SPECS)
    assert [spec.name for spec in choose(["clip-moments", "image grounding"])] == ["picture-grounding", "clip-moments"]
    assert {spec.category for spec in choose(["video"])} == {one for one in NINE if one.startswith("video")}
    with pytest.raises(ConfigError, match=r"'photos'; there are picture-object"):
        choose(["photos"])


def test_a_task_has_its_name() -> None:
    assert all(spec_named(name) is spec and spec.name == name for name, spec in SPECS.items())
    with pytest.raises(ConfigError, match=r"no task 'image QA'; there are picture-object, .*, text-to-text"):
        spec_named("image QA")  # a category, which `choose` takes


@pytest.mark.parametrize(("queries", "shares"), [(3, (2, 1)), (5, (4, 1)), (30, (20, 10)), (32, (22, 10))])
def test_a_third_of_what_is_held_out_has_unseen_objects(queries: int, shares: tuple[int, int]) -> None:
    assert held_out_shares(queries) == (("composition", shares[0]), ("object", shares[1]))


@pytest.mark.parametrize("name", SPECS)
def test_every_task_is_whole(tasks: dict[str, Task], name: str) -> None:
    task = tasks[name]
    assert len(task.queries) == QUERIES
    assert task.category == SPECS[name].category
    assert all(document.instruction in (None, task.instruction) for document in task.documents)
    assert all(query.item.instruction is None for query in task.queries)
    for query in task.queries:
        candidates = task.candidates(query)
        assert 0 <= len(query.relevance) < max(2, len(candidates))
        assert query.seen is not None
    assert {query.seen for query in task.queries} == {True, False}


@pytest.mark.parametrize("name", SPECS)
def test_nothing_comes_from_training(tasks: dict[str, Task], name: str) -> None:
    """Everything shown has objects that training never shows, or a composition that it never shows."""
    known, unknown = set(object_ids("train")), set(object_ids("object"))
    kinds = set()
    for thing in tasks[name].things:
        shown = set(subjects(thing))
        kinds.add(shown <= unknown)
        assert shown <= unknown or (shown <= known and any(map(held_out, thing.compositions())))
    assert kinds == {True, False}


@pytest.mark.parametrize("name", ["picture-object", "clip-object", "picture-grounding"])
def test_seen_is_told_of_the_right_queries(tasks: dict[str, Task], name: str) -> None:
    task = tasks[name]
    known = set(object_ids("train"))
    assert [query.seen for query in task.queries] == [set(subjects(thing)) <= known for thing in task.things]


@pytest.mark.parametrize("name", [one for one in SPECS if "object" in one or "questions" in one or "motion" in one])
def test_one_answer_of_different_words_is_right(tasks: dict[str, Task], name: str) -> None:
    task = tasks[name]
    for query in task.queries:
        words = [text_of(task.documents[one]) for one in task.candidates(query)]
        assert len(set(words)) == len(words) >= 2
        assert len(query.relevance) == 1


def test_labels_by_another_look(tasks: dict[str, Task]) -> None:
    named = 0
    for name in ("picture-object", "clip-object"):
        for query, thing in zip(tasks[name].queries, tasks[name].things, strict=True):
            if query.language == "en":
                (right,) = query.relevance
                assert (text_of(tasks[name].documents[right]),) == subjects(thing)
                named += 1
    assert named


def clip_texts(clip: Clip) -> set[str]:
    """Everything that can be said in English of one actor."""
    deeds = {"left": "moves to the left", "right": "moves to the right", "up": "moves up", "down": "moves down"}
    one = {f"{a(actor.object_id)} that {deeds.get(actor.motion, word(actor.motion))}" for actor in clip.actors}
    grounded = {f"{text} on {a(clip.colour)} background" for text in one}
    return one | {" and ".join(pair) for pair in itertools.permutations(one, 2)} | grounded


def test_clips_and_captions_by_another_look() -> None:
    """English words are right exactly where they can be said of the clip, from both sides."""
    looked, right = 0, 0
    to_clip, to_text = make(choose(["text-to-clip", "clip-to-text"]), seed=1, queries=30)
    for query in to_clip.queries:
        text = text_of(query.item)
        if query.language == "en" and " that " in text:
            said = {index for index, clip in enumerate(to_clip.things) if text in clip_texts(clip)}
            assert set(query.relevance) == said != set()
            looked += 1
    captions = [(index, text_of(item)) for index, item in enumerate(to_text.documents)]
    for query, clip in zip(to_text.queries, to_text.things, strict=False):
        assert parts_of(query.item) == parts_of(clip.item())
        for index, text in captions:
            if re.match("(a|an|the|[a-z]+) .* ?that ", text):
                assert (index in query.relevance) == (text in clip_texts(clip))
                right += text in clip_texts(clip)
                looked += 1
    assert looked > 100
    assert right > 8


def test_relations_by_another_look() -> None:
    (task,) = make(choose(["text-to-picture"]), seed=3, queries=60)
    looked = 0
    for query in task.queries:
        found = re.fullmatch(r"(\S.*) (left|right) of (\S.*)", text_of(query.item))
        if query.language != "en" or not found or " on " in found[3] or "two" in text_of(query.item):
            continue
        said = set()
        for index, scene in enumerate(task.things):
            assert isinstance(scene, Scene)
            columns = {a(group.object_id): group.column for group in scene.groups}
            if {found[1], found[3]} <= set(columns):
                left, right = columns[found[1]], columns[found[3]]
                said |= {index} if (left < right if found[2] == "left" else left > right) else set()
        if said:
            assert said == set(query.relevance)
            looked += 1
    assert looked >= 2


def test_regions_come_from_the_picture_that_is_asked_about(tasks: dict[str, Task]) -> None:
    task = tasks["picture-grounding"]
    for query, scene in zip(task.queries, task.things, strict=True):
        assert isinstance(scene, Scene)
        whole = np.asarray(query.item.parts[0].source)
        assert np.array_equal(whole, scene.draw())
        boxes = [whole[top:bottom, left:right].tobytes() for left, top, right, bottom in boxes_of(scene)]
        own = [one for one in task.candidates(query) if parts_of(task.documents[one])[0] in boxes]
        assert len(own) == len(scene.groups)
        assert set(query.relevance) <= set(own)


def boxes_of(scene: Scene) -> list[tuple[int, int, int, int]]:
    from anyseek.world import regions

    return [part.box() for part in regions(scene)]


def test_moments_are_shots_of_the_film(tasks: dict[str, Task]) -> None:
    task = tasks["clip-moments"]
    for number, query in enumerate(task.queries):
        film = query.item.parts[0]
        assert isinstance(film, Video)
        shots = [np.asarray(task.documents[one].parts[0].source) for one in task.candidates(query)]
        assert np.array_equal(np.concatenate(shots), np.asarray(film.source))
        clips = task.things[4 * number : 4 * number + 4]
        (right,) = query.relevance
        assert np.array_equal(clips[right - 4 * number].draw(), shots[right - 4 * number])
    assert task.chance() == 0.25


def test_pages_are_asked_for_in_other_languages(tasks: dict[str, Task]) -> None:
    task = tasks["text-to-page-across-languages"]
    for query in task.queries:
        assert any(task.things[one].language != query.language for one in query.relevance)


def test_likeness_has_one_candidate_with_a_grade(tasks: dict[str, Task]) -> None:
    task = tasks["text-likeness"]
    assert all(len(task.candidates(query)) == 1 for query in task.queries)
    assert len({grade for query in task.queries for grade in query.relevance.values()}) > 2
    assert all(item.instruction == task.instruction for item in task.documents)
    assert task.chance() == 0.0


@pytest.mark.parametrize("name", ["picture-questions", "text-to-chart", "picture-grounding", "text-to-text"])
def test_tasks_repeat_by_seed_whatever_else_is_made(tasks: dict[str, Task], name: str) -> None:
    again, other = (build(SPECS[name], seed, held_out_shares(QUERIES)) for seed in (5, 6))
    assert [parts_of(item) for item in again.documents] == [parts_of(item) for item in tasks[name].documents]
    for one, two in zip(again.queries, tasks[name].queries, strict=True):
        assert (parts_of(one.item), one.relevance, one.candidates) == (
            parts_of(two.item),
            two.relevance,
            two.candidates,
        )
    assert [parts_of(query.item) for query in other.queries] != [parts_of(query.item) for query in again.queries]


def test_an_embedder_that_tells_nothing_reaches_chance() -> None:
    """All cosines equal: what stands first is right as often as chance says, so no place gives an answer away."""

    class Flat(FakeEmbedder):
        def encode(self, inputs: list[Any], **options: Any) -> Any:
            return np.ones((len(inputs), 64), np.float32)

    found = []
    for seed in range(3):
        for task in make(choose(["image QA", "video QA"]), seed=seed, queries=60):
            done = run(task, Flat())
            found.append((done.score("embedder") - done.chance, len(task.queries)))
    mean = np.average([gap for gap, _ in found], weights=[count for _, count in found])
    assert abs(mean) < 0.035  # three standard errors of 720 queries at a chance of 0.11


def test_defaults_are_those_of_the_command_line() -> None:
    from anyseek.cli.evaluate import evaluate

    options, given = RunOptions(), {parameter.name: parameter for parameter in evaluate.params}
    assert (given["queries"].default, given["seed"].default) == (QUERIES_OF_A_TASK, SEED)
    assert (given["top"].default, given["dim"].default, given["precision"].default) == (
        options.top,
        options.dim,
        options.precision,
    )
    assert set(given["precision"].type.choices) == set(PRECISIONS)


def test_too_few_queries_are_an_error() -> None:
    with pytest.raises(ConfigError, match="3 queries or more"):
        next(make(choose(["text-to-text"]), queries=2))


def test_equal_texts_and_one_picture_come_once() -> None:
    pool, picture = Pool(), Item((Image(np.zeros((4, 4, 3), np.uint8)),))
    assert pool.extend([*texts("a", "b", "a"), picture, picture]) == (0, 1, 0, 2, 2)
    assert len(pool.items()) == 3


def test_from_end_to_end_with_a_fake_engine() -> None:
    """An engine that counts common words finds English notes far more often than chance does."""
    (task,) = make(choose(["text-to-text"]), seed=2, queries=30)
    with np.errstate(all="ignore"):
        done = run(task, FakeEmbedder(), FakeReranker())
    assert set(done.rows) == {"embedder", "reranked", "fused"}
    english = np.array([query.language == "en" for query in done.asked])
    assert done.rows["embedder"][english].mean() > done.chance + 0.2
