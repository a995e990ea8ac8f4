"""Scoring for distillation: a reranker's log-odds of the positives and negatives of every query."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from anyseek.engine import Reranker
from anyseek.errors import InputError
from anyseek.training.data import Dataset, DatasetWriter
from anyseek.training.mining.copying import copy_items, form_of
from anyseek.training.mining.pairs import PairScores, blocks_of, keep_rate
from anyseek.training.mining.reading import SIDES, read_judged
from anyseek.training.mining.run import Known, Tell, check_judged
from anyseek.training.mining.shards import Shelves

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
    scores = PairScores(reranker.model, data, shelf)
    with DatasetWriter(out, data.about, form=form_of(data)) as writer:
        run = _Scorer(data, writer, scores)
        run.run(show)
        report = {"dataset": data.name, "reranker": dict(reranker.identity), **run.report()}
        (writer.draft / SCORING).write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return report


class _Scorer:
    """Goes over the relevance, a block of queries at a time."""

    def __init__(self, data: Dataset, writer: DatasetWriter, scores: PairScores) -> None:
        self.data, self.writer, self.scores = data, writer, scores
        self.counts: Counter[str] = Counter()
        self.bad: dict[tuple[str, str], str] = {}
        self.dropped: list[dict[str, str]] = []
        self.left: dict[str, set[str]] = {}

    def run(self, show: bool) -> None:
        """Write everything."""
        for side in SIDES:
            ids, self.left[side] = copy_items(self.data, self.writer, side, self._add_bad)
            self.counts["queries" if side == "queries" else "documents"] = len(ids)
        with tqdm(total=len(self.data), desc="score", unit="query", disable=not show) as bar:
            for number, rows in blocks_of(read_judged(self.data)):
                before = self.scores.asked
                self._block(number, [kept for row in rows if (kept := self._known(row)) is not None])
                keep_rate(bar, len(rows), self.scores.asked, before)

    def report(self) -> dict[str, Any]:
        """Counts, and what could not be used."""
        bad = [{"table": table, "id": key, "reason": text} for (table, key), text in self.bad.items()]
        counts = dict(self.counts) | {"dropped": len(self.dropped), "bad": len(bad)}
        return {"counts": counts, "dropped": self.dropped, "bad": bad}

    def _add_bad(self, table: str, key: str, reason: str) -> None:
        """A row that could not be used; the first reason counts."""
        self.bad.setdefault((table, key), reason)

    def _known(self, row: dict[str, Any] | InputError) -> dict[str, Any] | None:
        """A row of relevance without documents that are not there, or None where it is left out."""
        self.counts["examples"] += 1
        if isinstance(row, InputError):
            self._add_bad("relevance", row.place or "", str(row))
            return None
        key, named = row["query"], (*row["positives"], *row["negatives"])
        absent = {one for one in named if self.data.corpus.find(one) is None}
        for one in sorted(absent):
            self._add_bad("relevance", key, f"there is no document {one!r}")
        gone = absent | self.left["corpus"]
        sides = {side: [one for one in row[side] if one not in gone] for side in ("positives", "negatives")}
        reason = self.data.about.lacks({**sides, "scores": {}})
        if key in self.left["queries"] or self.data.queries.find(key) is None:
            reason = "the query is bad or not there"
        if reason:
            self.dropped.append({"query": key, "reason": reason})
            return None
        return {"query": key, **sides}

    def _block(self, number: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Score and write some rows."""
        wanted = {row["query"]: [*row["positives"], *row["negatives"]] for row in rows}
        found = self.scores.of(number, wanted)
        for row in rows:
            given = found[row["query"]]
            for document, answer in given.items():
                if isinstance(answer, str):
                    self._add_bad("pairs", f"{row['query']} {document}", answer)
            numbers = {document: answer for document, answer in given.items() if not isinstance(answer, str)}
            self.writer.relevance(row["query"], row["positives"], row["negatives"], numbers)
            self.counts["kept"] += 1
            self.counts["scores"] += len(numbers)
