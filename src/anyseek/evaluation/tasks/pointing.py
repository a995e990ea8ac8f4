"""Tasks whose candidates are parts of what the query shows: regions of a picture, shots of a film."""

import random

from anyseek.evaluation.tasks.making import Made, Shares, is_seen
from anyseek.evaluation.tasks.task import Pool, Query
from anyseek.items import Item
from anyseek.world import Region, Scene, Split, Thing, point_at, regions, sample_moment, sample_thing
from anyseek.world.asking import any_language

__all__ = ["grounding", "moments"]

REGIONS, SHOTS = 10, 4


def grounding(rng: random.Random, shares: Shares) -> Made:
    """A picture with words that point into it; its own parts are candidates, and parts of the task's other pictures.

    Parts of other pictures show objects that this one does not, so that none of them can be what is meant.
    """
    pool = Pool()
    found: list[Query] = []
    shown: list[Thing] = []
    for split, count in shares:
        scenes = [_crowd(rng, split) for _ in range(count)]
        parts = [(part, pool.add(part.item())) for scene in scenes for part in regions(scene)]
        shown += scenes
        for scene in scenes:
            pointer = point_at(scene, rng, any_language(rng))
            chosen = _candidates(scene, parts, rng)
            found.append(
                Query(
                    item=pointer.item(),
                    relevance={place: 1.0 for part, place in chosen if pointer.fits(part)},
                    candidates=tuple(place for _, place in chosen),
                    language=pointer.language,
                    seen=is_seen(split),
                )
            )
    return Made(found, pool.items(), shown)


def _crowd(rng: random.Random, split: Split) -> Scene:
    """A scene of two groups or more."""
    while True:
        scene = sample_thing("scene", rng, split)
        if isinstance(scene, Scene) and len(scene.groups) > 1:
            return scene


def _candidates(scene: Scene, parts: list[tuple[Region, int]], rng: random.Random) -> list[tuple[Region, int]]:
    """All parts of the scene and some that show none of its objects, in a random order."""
    ids = {group.object_id for group in scene.groups}
    own = [entry for entry in parts if entry[0].scene is scene]
    others = [entry for entry in parts if entry[0].group.object_id not in ids]
    chosen = own + rng.sample(others, min(len(others), REGIONS - len(own)))
    return rng.sample(chosen, len(chosen))


def moments(rng: random.Random, shares: Shares) -> Made:
    """A film with words for what happens in it; its shots are the candidates."""
    documents: list[Item] = []
    found: list[Query] = []
    shown: list[Thing] = []
    for split, count in shares:
        for _ in range(count):
            moment = sample_moment(rng, split, SHOTS)
            first = len(documents)
            documents += [clip.item() for clip in moment.film.clips]
            shown += moment.film.clips
            found.append(
                Query(
                    item=moment.item(),
                    relevance={first + shot: 1.0 for shot in sorted(moment.right())},
                    candidates=tuple(range(first, len(documents))),
                    language=moment.query.language,
                    seen=is_seen(split),
                )
            )
    return Made(found, documents, shown)
