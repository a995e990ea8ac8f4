"""How likely a candidate is relevant, judged within its own query, and where to stop.

A cosine of 0.4 can be the best answer to one query and noise for another: queries differ in where their scores lie. The
judge sees each candidate beside the others of its query: how far it stands out of them, what the reranker says, how
many of the words it has. It is fitted on labelled pairs, some of queries that nothing answers, and says a probability;
below `cut` a candidate is not shown, and nothing at all may be left.
"""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyseek.errors import CheckpointError, ConfigError
from anyseek.model.hub import OWN_FILE, keep_own
from anyseek.search.answers import Asked, Candidate
from anyseek.search.fusion import Fusion

__all__ = ["Judge", "choose_cut", "features", "fit_weights"]

NAMES = ("one", "similarity", "stands_out", "behind", "coverage", "words", "page", "text", "video", "shows", "crowd")
"""What is seen of a candidate; with a reranker its own opinion comes last."""
BACKGROUND = slice(9, None)
"""Candidates from the tenth on by similarity: what a query finds anyway."""
PRIOR, USUAL = 5, 0.1
STEPS, RIDGE = 60, 1e-2
WORD = re.compile(r"\w+")
KEY = "judge"


def features(candidates: Sequence[Candidate], asked: Asked, fusion: Fusion | None) -> NDArray[np.float64]:
    """What the judge sees: `(candidates, numbers)`, as `NAMES` has them.

    Args:
        candidates: of one query, all that were recalled; those without log-odds are not to be judged with a fusion.
        asked: the query.
        fusion: of the reranker's opinion and the cosine; None without a reranker.
    """
    similar = np.array([one.similarity for one in candidates])
    ordered = np.sort(similar)[::-1]
    behind = ordered[BACKGROUND] if len(ordered) > 12 else ordered[1:]
    mean = behind.mean() if len(behind) else ordered[0]
    # Few things say little about how far such cosines spread: they are mixed with what is usual.
    spread = math.sqrt((((behind - mean) ** 2).sum() + PRIOR * USUAL**2) / (len(behind) + PRIOR))
    wanted = set(WORD.findall(asked.text.lower()))
    columns = [
        np.ones(len(similar)),
        similar,
        (similar - mean) / spread,
        similar - ordered[0],
        np.array([_coverage(wanted, one) for one in candidates]),
        np.log1p([one.words for one in candidates]),
        *(np.array([float(one.thing.kind == kind) for one in candidates]) for kind in ("page", "text", "video")),
        np.full(len(similar), float(asked.shows)),
        np.full(len(similar), math.log1p(len(behind))),
    ]
    if fusion is not None:
        odds = np.array([math.nan if one.log_odds is None else one.log_odds for one in candidates])
        columns.append(np.clip(fusion.bias + fusion.log_odds * odds + fusion.similarity * similar, -20, 20))
    return np.stack(columns, axis=1)


def _coverage(wanted: set[str], candidate: Candidate) -> float:
    """Share of a query's words that stand in a thing."""
    if not wanted or not candidate.thing.text:
        return 0.0
    return len(wanted & set(WORD.findall(candidate.thing.text.lower()))) / len(wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """A logistic regression over `features`.

    Attributes:
        numbers: weight of each feature.
        cut: probability from which a candidate is shown.
        embedder: what the cosines hang on that it was fitted with, `Fingerprint.cosines`.
        reranker: sample of the reranker's weights; None without one.
    """

    numbers: tuple[float, ...]
    cut: float
    embedder: str
    reranker: str | None = None

    def __post_init__(self) -> None:
        """Raise ConfigError for another number of weights than there are features."""
        if len(self.numbers) != len(NAMES) + (self.reranker is not None):
            raise ConfigError(
                f"a judge has {len(NAMES)} weights, and one more with a reranker (got {len(self.numbers)})"
            )

    def chances(self, seen: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability that each candidate is relevant.

        Args:
            seen: `(candidates, numbers)` from `features`.
        """
        with np.errstate(over="ignore"):
            found: NDArray[np.float64] = 1 / (1 + np.exp(-seen @ np.array(self.numbers)))
        return found

    @classmethod
    def beside(cls, folder: Path | None, embedder: str, reranker: str | None = None) -> "Judge | None":
        """The judge that a model's folder carries, if it was fitted for these cosines and these weights.

        Args:
            folder: of the reranker, or of the embedder when there is none.
            embedder: what the cosines of the library hang on.
            reranker: sample of the reranker's weights.

        Raises:
            CheckpointError: it cannot be read.
        """
        path = folder / OWN_FILE if folder else None
        if path is None or not path.exists():
            return None
        try:
            held = json.loads(path.read_text(encoding="utf-8")).get(KEY)
            judge = cls(**{**held, "numbers": tuple(map(float, held["numbers"]))}) if held else None
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise CheckpointError(f"{path}: {KEY!r} is wrong ({error})") from error
        return judge if judge and (judge.embedder, judge.reranker) == (embedder, reranker) else None

    def write(self, folder: Path) -> None:
        """Put it beside a model, with whatever else its `anyseek.json` holds."""
        keep_own(folder, KEY, asdict(self))


def fit_weights(seen: NDArray[np.float64], labels: NDArray[Any], weights: NDArray[Any]) -> NDArray[np.float64]:
    """Logistic regression by Newton's method with a touch of ridge on standardised features.

    Args:
        seen: `(pairs, numbers)`; the first column is ones.
        labels: `(pairs,)` 1 for relevant, else 0.
        weights: `(pairs,)` how much each pair counts.

    Raises:
        ConfigError: all labels are equal, so that nothing can be fitted.
    """
    if len(np.unique(labels)) < 2:
        raise ConfigError(
            "a judge is fitted on candidates of both kinds: some that are relevant, and some that are not"
        )
    middle, scale = seen.mean(axis=0), seen.std(axis=0)
    middle[0], scale[scale < 1e-9] = 0.0, 1.0
    inputs = (seen - middle) / scale
    numbers = np.zeros(seen.shape[1])
    for _ in range(STEPS):
        likely = 1 / (1 + np.exp(-np.clip(inputs @ numbers, -30, 30)))
        slope = inputs.T @ (weights * (likely - labels)) + RIDGE * numbers
        curve = (inputs * (weights * likely * (1 - likely))[:, None]).T @ inputs + RIDGE * np.eye(len(numbers))
        numbers -= np.linalg.solve(curve, slope)
    plain: NDArray[np.float64] = numbers / scale
    plain[0] -= float((plain * middle).sum())
    return plain


def choose_cut(queries: Sequence[tuple[NDArray[np.float64], NDArray[Any], int]]) -> float:
    """The probability from which candidates are best shown.

    What is best: for queries that have answers, F1 of what is shown; for those without, that nothing is. Both halves
    count the same.

    Args:
        queries: chances and labels of each query's candidates, and how many things are relevant to it in all.
    """
    options = np.unique(np.concatenate([chances for chances, _, _ in queries]).round(3))
    options = options if len(options) <= 400 else np.quantile(options, np.linspace(0, 1, 400))
    return float(max(options, key=lambda cut: worth(queries, float(cut))))


def worth(queries: Sequence[tuple[NDArray[np.float64], NDArray[Any], int]], cut: float) -> float:
    """How good a cut is, 0 to 1; see `choose_cut`."""
    with_answer, without = [], []
    for chances, labels, relevant in queries:
        shown = chances >= cut
        if relevant:
            right = float(labels[shown].sum())
            with_answer.append(2 * right / max(1, shown.sum() + relevant))
        else:
            without.append(float(not shown.any()))
    halves = [float(np.mean(half)) for half in (with_answer, without) if half]
    return sum(halves) / max(1, len(halves))
