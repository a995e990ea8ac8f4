"""Tasks with an answer to choose for each query: classification, and questions about pictures, clips and pages."""

import itertools
import random
from collections.abc import Callable

from anyseek.evaluation.tasks.making import Made, Maker, Shares, is_seen, text_item, written_language
from anyseek.evaluation.tasks.task import Pool, Query
from anyseek.world import Question, Split, ask_about, sample_thing
from anyseek.world.asking import any_language

__all__ = ["classification", "questions"]

LABELS = 20
"""Names to choose from; fewer colours and motions are there."""


def classification(kind: str, topic: str) -> Maker:
    """A thing with one object, and labels: the maker of a task.

    Args:
        kind: `scene` or `clip`.
        topic: what the labels are: `name`, `ground` or `deed` of `world.questions`.
    """

    def one(rng: random.Random, split: Split) -> Question | None:
        """One query, or None where it does not fit."""
        thing = sample_thing(kind, rng, split, 1)
        language = any_language(rng) if topic == "name" else written_language(rng)
        return ask_about(thing, rng, split, topic, language, LABELS)

    return lambda rng, shares: _made(rng, shares, one)


def questions(kind: str) -> Maker:
    """A thing with a question in words, and answers: the maker of a task.

    Args:
        kind: `scene`, `clip`, `page` or `chart`.
    """

    def one(rng: random.Random, split: Split) -> Question | None:
        """One query, or None where nothing fits."""
        return ask_about(sample_thing(kind, rng, split), rng, split, language=written_language(rng))

    return lambda rng, shares: _made(rng, shares, one)


def _made(rng: random.Random, shares: Shares, one: Callable[[random.Random, Split], Question | None]) -> Made:
    """So many questions, their answers gathered."""
    pool = Pool()
    found: list[Query] = []
    asked: list[Question] = []
    for split, count in shares:
        drawn = (one(rng, split) for _ in itertools.count())
        for question in itertools.islice((question for question in drawn if question is not None), count):
            asked.append(question)
            places = pool.extend(text_item(text) for text, _ in question.answers)
            found.append(
                Query(
                    item=question.item(),
                    relevance={places[index]: 1.0 for index in question.right()},
                    candidates=places,
                    language=question.language,
                    seen=is_seen(split),
                )
            )
    return Made(found, pool.items(), [question.thing for question in asked])
