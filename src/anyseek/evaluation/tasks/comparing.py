"""Tasks of likeness: how alike two texts are, as a number, in one language or across languages."""

import random

from anyseek.evaluation.tasks.making import Made, Maker, Shares, is_seen, text_item
from anyseek.evaluation.tasks.task import Query
from anyseek.items import Item
from anyseek.world import Thing, sample_likeness

__all__ = ["likeness"]


def likeness(instruction: str, language: str | None) -> Maker:
    """Two notes and the share of what they say that both say: the maker of a task.

    Args:
        instruction: of both sides, as neither looks for the other.
        language: of both; None lets each have its own.
    """

    def make(rng: random.Random, shares: Shares) -> Made:
        """Each query has one candidate, its other half."""
        documents: list[Item] = []
        found: list[Query] = []
        shown: list[Thing] = []
        for split, count in shares:
            for _ in range(count):
                pair = sample_likeness(rng, split, language)
                shown += [pair.first, pair.second]
                found.append(
                    Query(
                        item=text_item(pair.first.draw()),
                        relevance={len(documents): pair.grade()},
                        candidates=(len(documents),),
                        language=pair.first.language,
                        seen=is_seen(split),
                    )
                )
                documents.append(text_item(pair.second.draw(), instruction))
        return Made(found, documents, shown)

    return make
