"""Log-odds of pairs on disk, a block of queries in a file: what was scored once is not scored again."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from anyseek.engine import Reranker
from anyseek.errors import InputError
from anyseek.training.data import Dataset
from anyseek.training.mining.copying import Bad
from anyseek.training.mining.reading import unplaced
from anyseek.training.mining.shards import Shelf

__all__ = ["PairScores"]

Answers = dict[str, dict[str, float | str]]
"""By query, then by document: log-odds, or what is wrong with the pair."""


class PairScores:
    """Asks a reranker for pairs that are not on the shelf yet.

    Args:
        reranker: who is asked.
        data: whose queries and documents.
        shelf: where answers are kept.
    """

    def __init__(self, reranker: Reranker, data: Dataset, shelf: Shelf) -> None:
        self.reranker, self.data, self.shelf = reranker, data, shelf
        self.asked = 0
        shelf.begin()

    def of(self, block: int, wanted: Mapping[str, Sequence[str]], bad: Bad) -> dict[str, dict[str, float]]:
        """Log-odds of a block of queries, by query and document.

        Args:
            block: its number, which a query keeps whatever the options are.
            wanted: documents by query.
            bad: is told each pair that cannot be read; it has no score.
        """
        answers = self._answers(block, wanted)
        for query, found in answers.items():
            for document, answer in found.items():
                if isinstance(answer, str):
                    bad("pairs", f"{query} {document}", answer)
        return {
            query: {document: answer for document, answer in found.items() if not isinstance(answer, str)}
            for query, found in answers.items()
        }

    def _answers(self, block: int, wanted: Mapping[str, Sequence[str]]) -> Answers:
        """What the reranker says of a block; it is asked for what is not on the shelf."""
        known = self._read(block)
        fresh = [(query, one) for query, named in wanted.items() for one in named if one not in known.get(query, {})]
        if fresh:
            for (query, document), score in zip(fresh, self._ask(fresh), strict=True):
                known.setdefault(query, {})[document] = score
            self.shelf.write(self.shelf.path(block, ".json"), json.dumps(known, ensure_ascii=False).encode())
            self.asked += len(fresh)
        return {query: {one: known[query][one] for one in named} for query, named in wanted.items()}

    def _read(self, block: int) -> Answers:
        """What is on the shelf."""
        try:
            found: Answers = json.loads(self.shelf.path(block, ".json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return found

    def _ask(self, pairs: Sequence[tuple[str, str]]) -> list[float | str]:
        """Log-odds of pairs of ids, those of a query side by side."""
        made = [self._pair(*pair) for pair in pairs]
        good = [place for place, pair in enumerate(made) if isinstance(pair, tuple)]
        answers: list[float | str] = [pair if isinstance(pair, str) else math.nan for pair in made]
        if good:
            asked: list[Any] = [made[place] for place in good]
            found = self.reranker.predict(asked, activation="none", on_error="collect")
            for place, score in zip(good, found.scores.tolist(), strict=True):
                answers[place] = score if math.isfinite(score) else f"the reranker gave {score}"
            for place, error in found.errors.items():
                answers[good[place]] = unplaced(error)
        return answers

    def _pair(self, query: str, document: str) -> tuple[Any, Any] | str:
        """Both items, or what is wrong with one of them."""
        try:
            return self.data.query(query), self.data.document(document)
        except InputError as error:
            return str(error)
