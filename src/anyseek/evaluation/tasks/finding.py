"""Tasks with one corpus for all queries: words to things, things to words, and words to pages in other languages."""

import random
from collections.abc import Sequence

from anyseek import world
from anyseek.evaluation.tasks.making import Made, Maker, Shares, is_seen, text_item, written_language
from anyseek.evaluation.tasks.task import Pool, Query
from anyseek.items import Item
from anyseek.world import Plan, Split, Thing, ask, build_corpus, judge, near_misses, sample_thing
from anyseek.world.words import WRITTEN

__all__ = ["across_languages", "descriptions", "retrieval"]

PER_QUERY = 4
"""Documents for each query."""

Asked = Sequence[tuple[world.Query, Split]]
"""What is asked of which split."""


def retrieval(kind: str, levels: tuple[float, float, float] = (0, 1, 1), pictures: float = 0.0) -> Maker:
    """Words, or a picture with words, that look for things of a kind: the maker of a task.

    Args:
        kind: of the things.
        levels: weights of the difficulties.
        pictures: share of queries with a picture, see `world.Plan`.
    """

    def make(rng: random.Random, shares: Shares) -> Made:
        """Both splits' corpora as one; equal queries count once."""
        asked: list[tuple[world.Query, Split]] = []
        things: list[Thing] = []
        for split, count in shares:
            plan = Plan(sizes={kind: PER_QUERY * count}, queries=count, levels=levels, pictures=pictures)
            corpus = build_corpus(rng.getrandbits(32), split, plan)
            asked += [(query, split) for query in corpus.queries]
            things += corpus.things
        return _found(asked, things, rng)

    return make


def across_languages(kind: str) -> Maker:
    """Words that look for a page or chart written in another language: the maker of a task."""

    def make(rng: random.Random, shares: Shares) -> Made:
        """For each query its page, two near misses and another page."""
        asked: dict[world.Query, Split] = {}
        things: list[Thing] = []
        for split, count in shares:
            for _ in range(count):
                level = rng.choice((2, 3))
                page = sample_thing(kind, rng, split)
                query = ask(page, rng, level, rng.choice([one for one in WRITTEN if one != page.language]))
                asked[query] = split
                things += [page, *near_misses(query, page, rng, PER_QUERY - 2, split), sample_thing(kind, rng, split)]
        return _found(tuple(asked.items()), things, rng)

    return make


def _found(asked: Asked, things: list[Thing], rng: random.Random) -> Made:
    """Queries and documents of a task, the documents in a random order."""
    rng.shuffle(things)
    relevance = judge([query for query, _ in asked], things)
    queries = [
        Query(
            item=Item(query.item().parts),
            relevance=dict.fromkeys(sorted(relevance[number]), 1.0),
            language=query.language,
            seen=is_seen(split),
        )
        for number, (query, split) in enumerate(asked)
    ]
    return Made(queries, [thing.item() for thing in things], things)


def descriptions(kind: str) -> Maker:
    """A thing that looks for the words that describe it, among those for others and for near misses: a maker."""

    def make(rng: random.Random, shares: Shares) -> Made:
        """Half of the captions belong to no query on purpose."""
        shown: list[tuple[Thing, Split]] = []
        captions: list[world.Query] = []
        others: list[Thing] = []
        for split, count in shares:
            for _ in range(count):
                level, language = rng.choice((2, 3)), written_language(rng)
                thing = sample_thing(kind, rng, split)
                captions.append(ask(thing, rng, level, language))
                others += near_misses(captions[-1], thing, rng, 1, split)
                captions.append(ask(others[-1], rng, level, language))
                shown.append((thing, split))
        return _described(shown, rng.sample(captions, len(captions)), others)

    return make


def _described(shown: Sequence[tuple[Thing, Split]], captions: Sequence[world.Query], others: list[Thing]) -> Made:
    """Queries and documents; equal words are one document, which is right if any of their meanings is."""
    pool = Pool()
    places = pool.extend(text_item(caption.text) for caption in captions)
    queries = []
    for thing, split in shown:
        fitting = {place for place, caption in zip(places, captions, strict=True) if caption.matches(thing)}
        queries.append(Query(item=thing.item(), relevance=dict.fromkeys(sorted(fitting), 1.0), seen=is_seen(split)))
    return Made(queries, pool.items(), [*(thing for thing, _ in shown), *others])
