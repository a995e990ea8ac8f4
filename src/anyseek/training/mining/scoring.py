"""Scoring for distillation: a reranker's log-odds of the positives and negatives of every query."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyseek.engine import Reranker
from anyseek.training.data import Dataset, DatasetWriter
from anyseek.training.mining.copying import form_of
from anyseek.training.mining.pairs import PairScores
from anyseek.training.mining.prints import Known
from anyseek.training.mining.report import Account
from anyseek.training.mining.shards import Shelves
from anyseek.training.mining.walking import JudgedQuery, Tell, Walk, check_judged

__all__ = ["SCORING", "score"]

SCORING = "scoring.json"


def score(
    data: Dataset,
    out: Path,
    reranker: Known[Reranker],
    work: Path,
    tell: Tell = lambda _: None,
    show: bool = False,
) -> dict[str, Any]:
    """Write a new dataset that has a teacher's log-odds as `scores`; scores of the old one are not taken over.

    Positives and negatives stay as they are. The pairs of a query go to the reranker together, which computes what
    they share once. A pair that cannot be read has no score and is listed, with the reason, in `scoring.json`; a
    document that cannot be copied is not in the new dataset.

    Args:
        data: with positives, and negatives where they are wanted.
        out: folder of the new dataset.
        reranker: the teacher.
        work: folder for log-odds, which another run goes on with.
        tell: takes lines on what is going on.
        show: a progress bar on stderr.

    Returns:
        The report.

    Raises:
        InputError: `out` holds something, or the dataset has no positives and negatives.
    """
    check_judged(data, out)
    shelf = Shelves.of(data, work).pairs(reranker.identity)
    tell(shelf.news())
    account = Account()
    with DatasetWriter(out, data.about, form=form_of(data)) as writer:
        scorer = _Scorer(writer, Walk(data, account, negatives=True), PairScores(reranker.model, data, shelf))
        scorer.run(show)
        report = {"dataset": data.name, "reranker": dict(reranker.identity), **account.as_data()}
        (writer.draft / SCORING).write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return report


class _Scorer:
    """Goes over the relevance, a block of queries at a time."""

    def __init__(self, writer: DatasetWriter, walk: Walk, scores: PairScores) -> None:
        self.writer, self.walk, self.scores, self.account = writer, walk, scores, walk.account

    def run(self, show: bool) -> None:
        """Write everything."""
        self.walk.copy(self.writer)
        self.walk.for_each_block(self._score, "score", scores=self.scores, show=show)

    def _score(self, number: int, block: Iterator[JudgedQuery]) -> None:
        """Score and write some queries."""
        rows = [row for query in block if (row := self._copied(query)) is not None]
        wanted = {row.query: [*row.positives, *row.negatives] for row in rows}
        found = self.scores.of(number, wanted, self.account.add_bad)
        for row in rows:
            self.writer.relevance(row.query, row.positives, row.negatives, found[row.query])
            self.account.counts["kept"] += 1
            self.account.counts["scores"] += len(found[row.query])

    def _copied(self, query: JudgedQuery) -> "_Row | None":
        """What of a row is in the new dataset, or None where that is too little for the task."""
        left = self.walk.left["corpus"]
        positives, negatives = ([one for one in side if one not in left] for side in (query.positives, query.negatives))
        reason = self.walk.data.about.lacks({"positives": positives, "negatives": negatives, "scores": {}})
        if reason is None:
            return _Row(query.key, positives, negatives)
        self.account.drop(query.key, reason)
        return None


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of relevance of the new dataset."""

    query: str
    positives: list[str]
    negatives: list[str]
