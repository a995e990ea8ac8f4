"""Films: clips one after another, and the moments in them in which something happens."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from anyseek import items
from anyseek.world.asking import ask
from anyseek.world.clips import Clip
from anyseek.world.pairs import near_misses, sample_thing
from anyseek.world.queries import Query
from anyseek.world.splits import Split

__all__ = ["Film", "Moment", "sample_moment"]


@dataclass(frozen=True, slots=True)
class Film:
    """Clips of one size and length, one after another.

    Attributes:
        clips: the shots, in order.
    """

    clips: tuple[Clip, ...]

    def spans(self) -> tuple[tuple[float, float], ...]:
        """First and last second of each shot."""
        length = self.clips[0].seconds
        return tuple((index * length, (index + 1) * length) for index in range(len(self.clips)))

    def segment(self, shot: int, frames: int = 4) -> np.ndarray:
        """Frames of one shot, `(frames, height, width, 3)` uint8."""
        return self.clips[shot].draw(frames)

    def draw(self, frames: int = 4) -> np.ndarray:
        """Frames of the whole film, so many of each shot."""
        return np.concatenate([self.segment(shot, frames) for shot in range(len(self.clips))])

    def parts(self, frames: int = 4) -> tuple[items.Video]:
        """The whole film as a part of an input."""
        return (items.Video(list(self.draw(frames)), rate=frames / self.clips[0].seconds),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A film and a question for when something happens in it."""

    film: Film
    query: Query

    def right(self) -> frozenset[int]:
        """Indices of the shots in which it happens."""
        return frozenset(index for index, clip in enumerate(self.film.clips) if self.query.matches(clip))

    def item(self, instruction: str | None = None, frames: int = 4) -> items.Item:
        """The film, then the words, as an input of the model."""
        return items.Item((*self.film.parts(frames), items.Text(self.query.text)), instruction)


def sample_moment(rng: random.Random, split: Split, shots: int = 4, language: str | None = None) -> Moment:
    """A film in which one shot answers, half of the others nearly do, and the rest are about other things.

    Args:
        rng: source of randomness.
        split: every shot belongs to it.
        shots: how many, 2 or more.
        language: of the words; None mixes them.
    """
    level = rng.choice((2, 3))
    answer = sample_thing("clip", rng, split, level)
    query = ask(answer, rng, level, language)
    others = list(near_misses(query, answer, rng, shots // 2, split))
    while len(others) < shots - 1:
        other = sample_thing("clip", rng, split)
        others += [other] * (not query.matches(other))
    clips = [one for one in (answer, *others) if isinstance(one, Clip)]
    return Moment(film=Film(_alike(rng.sample(clips, len(clips)))), query=query)


def _alike(clips: Sequence[Clip]) -> tuple[Clip, ...]:
    """The clips with the size and length of the first."""
    one = clips[0]
    return tuple(replace(clip, width=one.width, height=one.height, seconds=one.seconds) for clip in clips)
