"""The rule of mining, on similarities alone: which positives stand, and what may be a hard negative.

The report on the models: of the K documents most similar to a query, the positives above t+ are its refined positives,
and a query without any is left out; a non-positive becomes a hard negative only below the mean of the refined positives
plus delta-.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from anyseek.errors import ConfigError
from anyseek.training.data.tables import hash_of

__all__ = ["Bounds", "Hit", "Preference", "Refined", "prefer", "refine"]


@dataclass(frozen=True, slots=True)
class Hit:
    """A recalled document.

    Attributes:
        document: its id.
        score: cosine with the query.
        rank: its place among the recalled, 1 for the most similar.
    """

    document: str
    score: float
    rank: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The two numbers of the rule.

    Attributes:
        positive: t+, which a positive has to be above.
        margin: delta-, from the mean of the refined positives to the bound of negatives; below zero is stricter.
    """

    positive: float = 0.4
    margin: float = 0.0

    def __post_init__(self) -> None:
        """Raise ConfigError for a bound that is no cosine."""
        if not -1 <= self.positive <= 1 or not -2 <= self.margin <= 2:
            raise ConfigError(
                f"t+ must be between -1 and 1, delta- between -2 and 2 (got {self.positive}, {self.margin})"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Refined:
    """What the rule makes of a query.

    Attributes:
        positives: refined positives, most similar first.
        negatives: documents that may be hard negatives, likewise.
        suspects: non-positives at or above the bound: probably positives that nobody has marked.
        bound: which negatives are below; None where the query is left out.
        reason: why the query is left out; None where it stays.
    """

    positives: tuple[Hit, ...] = ()
    negatives: tuple[Hit, ...] = ()
    suspects: tuple[Hit, ...] = ()
    bound: float | None = None
    reason: str | None = None


def refine(hits: Sequence[Hit], positives: Collection[str], bounds: Bounds, equals: Collection[str] = ()) -> Refined:
    """Apply the rule to one query.

    Args:
        hits: the K most similar documents.
        positives: ids of its positives.
        bounds: of the rule.
        equals: ids of documents whose content is that of a positive; they are neither negatives nor suspects.
    """
    recalled = [hit for hit in hits if hit.document in positives]
    kept = tuple(hit for hit in recalled if hit.score > bounds.positive)
    if not kept:
        return Refined(reason="no positive above t+" if recalled else f"no positive among the {len(hits)} recalled")
    bound = fmean(hit.score for hit in kept) + bounds.margin
    others = [hit for hit in hits if hit.document not in positives and hit.document not in equals]
    return Refined(
        positives=kept,
        negatives=tuple(hit for hit in others if hit.score < bound),
        suspects=tuple(hit for hit in others if hit.score >= bound),
        bound=bound,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """Which of the documents that may be hard negatives are taken.

    Attributes:
        most: hard negatives of a query.
        first: least rank among the recalled, 1 for the most similar.
        last: largest rank; None for no limit.
        sampled: drawn at random; otherwise the hardest come first.
        seed: of the draw, which hangs on nothing but this and the query's id.
    """

    most: int = 8
    first: int = 1
    last: int | None = None
    sampled: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise ConfigError for numbers that are too small, or an empty window."""
        if self.most < 0 or self.first < 1 or self.seed < 0:
            raise ConfigError("negatives and seed must be 0 or more, the first rank 1 or more")
        if self.last is not None and self.last < self.first:
            raise ConfigError(f"the window of ranks {self.first}:{self.last} is empty")


def prefer(negatives: Sequence[Hit], query: str, preference: Preference) -> list[Hit]:
    """The negatives inside the window of ranks, those to be taken first in front."""
    last = preference.last or max((hit.rank for hit in negatives), default=0)
    inside = [hit for hit in negatives if preference.first <= hit.rank <= last]
    if not preference.sampled:
        return inside
    drawn = np.random.default_rng([preference.seed, hash_of(query)]).permutation(len(inside))
    return [inside[int(place)] for place in drawn]
