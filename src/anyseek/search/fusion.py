"""Two opinions as one probability: the reranker's log-odds and the cosine of the vectors.

A small reranker can order worse than its embedder and still know other things: how much each counts is fitted.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anyseek.errors import CheckpointError, ConfigError
from anyseek.model.hub import OWN_FILE, keep_own

__all__ = ["Fusion"]

STEPS = 50
RIDGE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Fusion:
    """`sigmoid(bias + log_odds * reranker + similarity * cosine)`; the defaults leave the reranker's own probability.

    Attributes:
        bias: added.
        log_odds: weight of the reranker's log-odds.
        similarity: weight of the cosine.
    """

    bias: float = 0.0
    log_odds: float = 1.0
    similarity: float = 0.0

    def probability(self, log_odds: NDArray[Any], cosines: NDArray[Any]) -> NDArray[np.float64]:
        """Relevance of each pair, 0 to 1.

        Args:
            log_odds: `(pairs,)` of the reranker.
            cosines: `(pairs,)` of the embedder.
        """
        total = self.bias + self.log_odds * log_odds.astype(np.float64)
        if self.similarity:
            total = total + self.similarity * cosines.astype(np.float64)
        with np.errstate(over="ignore"):
            found: NDArray[np.float64] = 1 / (1 + np.exp(-total))
        return found

    @classmethod
    def fit(cls, log_odds: NDArray[Any], cosines: NDArray[Any], labels: NDArray[Any]) -> "Fusion":
        """Logistic regression by Newton's method, with a touch of ridge.

        Args:
            log_odds: `(pairs,)` of the reranker.
            cosines: `(pairs,)` of the embedder.
            labels: `(pairs,)` 1 where the document answers the query, else 0.

        Raises:
            ConfigError: all labels are equal, so that nothing can be fitted.
        """
        if len(np.unique(labels)) < 2:
            raise ConfigError("a fusion is fitted on pairs of both kinds: some that answer, and some that do not")
        inputs = np.stack([np.ones(len(labels)), log_odds, cosines], axis=1).astype(np.float64)
        weights = np.zeros(3)
        for _ in range(STEPS):
            likely = 1 / (1 + np.exp(-inputs @ weights))
            slope = inputs.T @ (likely - labels) + RIDGE * weights
            curve = (inputs * (likely * (1 - likely))[:, None]).T @ inputs + RIDGE * np.eye(3)
            weights -= np.linalg.solve(curve, slope)
        return cls(bias=float(weights[0]), log_odds=float(weights[1]), similarity=float(weights[2]))

    @classmethod
    def beside(cls, folder: Path | None) -> "Fusion":
        """The fusion that a reranker's folder carries for the embedder of its own family; else the defaults.

        Raises:
            CheckpointError: it cannot be read.
        """
        path = folder / OWN_FILE if folder else None
        if path is None or not path.exists():
            return cls()
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")).get("fusion", {}))
        except (ValueError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{path}: 'fusion' is wrong ({error})") from error

    def write(self, folder: Path) -> None:
        """Put it beside a reranker, with whatever else its `anyseek.json` holds."""
        keep_own(folder, "fusion", asdict(self))
