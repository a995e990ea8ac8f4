"""Clips: one or two objects that move or change on a ground, drawn frame by frame as a function of time."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from anyseek import items
from anyseek.world.backgrounds import BACKGROUNDS, background
from anyseek.world.scenes import tinted
from anyseek.world.sprites import Pose, sprite, stamp
from anyseek.world.things import Composition, Fact
from anyseek.world.words import MOTIONS

__all__ = ["Actor", "Clip", "clip_variants", "sample_clip"]

OPPOSITES = {
    "left": "right",
    "right": "left",
    "up": "down",
    "down": "up",
    "appears": "disappears",
    "disappears": "appears",
    "grows": "shrinks",
    "shrinks": "grows",
    "turns": "grows",
}


@dataclass(frozen=True, slots=True)
class Actor:
    """An object and what it does, one of `words.MOTIONS`."""

    object_id: str
    motion: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A clip of the world.

    Attributes:
        actors: one or two actors, each in its own part of the picture.
        stacked: two actors stand one above the other rather than side by side.
        colour: named colour of the ground.
        texture: texture of the ground.
        seconds: duration.
        width: pixels.
        height: pixels.
        seed: of the nuisance.
    """

    actors: tuple[Actor, ...]
    stacked: bool
    colour: str
    texture: str
    seconds: float
    width: int
    height: int
    seed: int

    kind = "clip"
    language = ""

    def facts(self) -> frozenset[Fact]:
        """About, motion and background."""
        facts: list[Fact] = [("kind", "clip"), ("background", self.colour)]
        for actor in self.actors:
            facts += [("about", actor.object_id), ("motion", actor.object_id, actor.motion)]
        return frozenset(facts)

    def compositions(self) -> tuple[Composition, ...]:
        """The pair of objects, and each object with its motion."""
        ids = tuple(sorted(actor.object_id for actor in self.actors))
        return (*([ids] if len(ids) == 2 else []), *((a.object_id, a.motion) for a in self.actors))

    def frame(self, time: float) -> np.ndarray:
        """The picture at a time in seconds, `(height, width, 3)` uint8."""
        rng = random.Random(self.seed)
        canvas = background(self.colour, self.texture, self.width, self.height)
        progress = min(1.0, max(0.0, time / self.seconds))
        for index, actor in enumerate(self.actors):
            self._act(canvas, actor, self._stage(index), progress, rng)
        return tinted(canvas, rng)

    def _stage(self, index: int) -> tuple[float, float, float, float]:
        """Left, top, width and height of an actor's part of the picture."""
        share = 1 / len(self.actors)
        if self.stacked:
            return 0.0, index * share * self.height, float(self.width), self.height * share
        return index * share * self.width, 0.0, self.width * share, float(self.height)

    def _act(
        self,
        canvas: Image.Image,
        actor: Actor,
        stage: tuple[float, float, float, float],
        progress: float,
        rng: random.Random,
    ) -> None:
        """Draw an actor on its stage."""
        left, top, width, height = stage
        full = min(width, height) * rng.uniform(0.5, 0.62)
        angle, mirrored, switch = rng.uniform(-12, 12), rng.random() < 0.5, rng.uniform(0.4, 0.6)
        if (actor.motion == "appears" and progress < switch) or (actor.motion == "disappears" and progress >= switch):
            return
        scale = {"grows": 0.35 + 1.05 * progress, "shrinks": 1.4 - 1.05 * progress}.get(actor.motion, 1.0)
        across = {"left": 1 - progress, "right": progress}.get(actor.motion, 0.5)
        down = {"up": 1 - progress, "down": progress}.get(actor.motion, 0.5)
        pose = Pose(angle + 330 * progress if actor.motion == "turns" else angle, mirrored)
        picture = sprite(actor.object_id, full * scale, pose)
        x, y = left + full / 2 + (width - full) * across, top + full / 2 + (height - full) * down
        stamp(canvas, picture, x, y)

    def times(self, frames: int) -> tuple[float, ...]:
        """Times of frames spread evenly over the clip, the first and last close to its ends."""
        return tuple(self.seconds * (index + 0.25) / (frames - 0.5) for index in range(frames))

    def draw(self, frames: int = 4) -> np.ndarray:
        """Evenly spread frames, `(frames, height, width, 3)` uint8."""
        return np.stack([self.frame(time) for time in self.times(frames)])

    def item(self, frames: int = 4) -> items.Item:
        """The clip as an input of the model."""
        return items.Item((items.Video(list(self.draw(frames)), rate=frames / self.seconds),))


def sample_clip(rng: random.Random, objects: Sequence[str], actors: int = 1) -> Clip:
    """A random clip of one or two actors."""
    chosen = tuple(Actor(object_id, rng.choice(MOTIONS)) for object_id in rng.sample(objects, actors))
    return Clip(
        actors=chosen,
        stacked=rng.random() < 0.5,
        colour=rng.choice(BACKGROUNDS),
        texture=rng.choice(("plain", "plain", "gradient", "dots")),
        seconds=rng.randint(4, 12) / 2,
        width=rng.randrange(192, 257, 16),
        height=rng.randrange(192, 257, 16),
        seed=rng.getrandbits(32),
    )


def clip_variants(clip: Clip, rng: random.Random, objects: Sequence[str]) -> Iterator[Clip]:
    """Endless clips that differ from one in one respect: motion, object, ground, or who does what."""
    while True:
        index = rng.randrange(len(clip.actors))
        actor, change = clip.actors[index], rng.random()
        shown = {one.object_id for one in clip.actors}
        actors = list(clip.actors)
        colour = clip.colour
        if change < 0.3:
            actors[index] = replace(actor, motion=OPPOSITES[actor.motion])
        elif change < 0.5:
            actors[index] = replace(actor, motion=rng.choice(MOTIONS))
        elif change < 0.7:
            actors[index] = replace(actor, object_id=rng.choice([one for one in objects if one not in shown]))
        elif change < 0.85 or len(actors) == 1:
            colour = rng.choice(BACKGROUNDS)
        else:
            motions = [one.motion for one in reversed(actors)]
            actors = [replace(one, motion=motion) for one, motion in zip(actors, motions, strict=True)]
        yield replace(clip, actors=tuple(actors), colour=colour, seed=rng.getrandbits(32))
