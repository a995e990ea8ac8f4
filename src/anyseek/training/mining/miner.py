"""From similarities to relevance: each query's positives refined, its hard negatives taken, the rest told."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anyseek.errors import ConfigError
from anyseek.training.data import DatasetWriter
from anyseek.training.mining.pairs import PairScores
from anyseek.training.mining.prints import Contents
from anyseek.training.mining.recall import cosines, top_of
from anyseek.training.mining.report import Report
from anyseek.training.mining.rule import Bounds, Hit, Preference, prefer, refine
from anyseek.training.mining.shards import Vectors
from anyseek.training.mining.walking import JudgedQuery, Walk

__all__ = ["MineOptions", "Miner", "Recalled"]

NEAR = 0.05
"""Equal contents have equal cosines up to rounding; only documents as near as this to a positive's are compared."""
RANDOM = 10_000
"""Pairs for the histogram of random ones, at least; one of each query where there are more queries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MineOptions:
    """How to mine.

    Attributes:
        work: folder for vectors and log-odds, which another run goes on with.
        top: K, documents recalled for each query.
        bounds: t+ and delta-.
        preference: which hard negatives are taken.
        pool: candidates that the reranker reads, for each hard negative that is wanted.
        relevant: log-odds above which it judges a candidate relevant.
        show_progress_bar: on stderr.
    """

    work: Path
    top: int = 100
    bounds: Bounds = field(default_factory=Bounds)
    preference: Preference = field(default_factory=Preference)
    pool: int = 2
    relevant: float = 0.0
    show_progress_bar: bool = False

    def __post_init__(self) -> None:
        """Raise ConfigError for numbers that are too small, or a window of ranks beyond the recalled."""
        if self.top < 1 or self.pool < 1:
            raise ConfigError(f"top and pool must be 1 or more (got {self.top}, {self.pool})")
        if self.preference.first > self.top:
            raise ConfigError(f"ranks begin at {self.preference.first}, and only {self.top} documents are recalled")


@dataclass(frozen=True, slots=True)
class Recalled:
    """What the rule looks at.

    Attributes:
        queries: vectors.
        documents: vectors.
        keys: the best documents of each query, as `recall` gives them.
    """

    queries: Vectors
    documents: Vectors
    keys: NDArray[np.uint64]

    def cosines(self, pairs: Sequence[tuple[int, int]]) -> NDArray[np.float32]:
        """Similarities of pairs of a query's and a document's number; NaN where one is bad."""
        return cosines(self.queries, self.documents, np.array(pairs, np.int64).reshape(-1, 2))


@dataclass(frozen=True, slots=True)
class _Mined:
    """A query that stays.

    Attributes:
        key: its id.
        positives: refined.
        bound: which its negatives are below.
        pool: documents that may be its hard negatives, those to be taken first in front.
    """

    key: str
    positives: tuple[Hit, ...]
    bound: float
    pool: list[Hit]


class Miner:
    """Writes the relevance of a new dataset.

    Args:
        walk: through the old one.
        writer: of the new one.
        report: told what is found; the account of `walk`.
        options: how.
        scores: of a reranker that reads the candidates, if one does.
    """

    def __init__(
        self, walk: Walk, writer: DatasetWriter, report: Report, options: MineOptions, scores: PairScores | None
    ) -> None:
        self.walk, self.writer, self.report, self.options, self.scores = walk, writer, report, options, scores
        self.contents = Contents(walk.data)

    def run(self, recalled: Recalled) -> None:
        """Write everything."""

        def take(number: int, queries: Iterator[JudgedQuery]) -> None:
            """Mine a block."""
            block = list(queries)
            self._add_strangers(number, block, recalled)
            own = self._positive_cosines(block, recalled)
            mined = (self._mined(query, near, recalled.keys[query.number]) for query, near in zip(block, own))
            self._write(number, [query for query in mined if query is not None])

        show = self.options.show_progress_bar
        self.walk.for_each_block(take, "mine", scores=self.scores, show=show)

    def _positive_cosines(self, block: Sequence[JudgedQuery], recalled: Recalled) -> list[list[float]]:
        """Similarities of each query's positives, NaN where one is bad."""
        found = recalled.cosines([(query.number, place) for query in block for place in query.positives.values()])
        self.report.counts["positives"] += len(found)
        self.report.histograms["positive"].add(found)
        rest = iter(found.tolist())
        return [[next(rest) for _ in query.positives] for query in block]

    def _add_strangers(self, number: int, block: Sequence[JudgedQuery], recalled: Recalled) -> None:
        """Count similarities of random pairs."""
        drawn = np.random.default_rng([self.options.preference.seed, number])
        each, documents = -(-RANDOM // len(self.walk.data)), len(recalled.documents)
        strangers = [
            (query.number, int(place))
            for query in block
            for place in drawn.integers(documents, size=each)
            if self.walk.document_ids[int(place)] not in query.positives
        ]
        self.report.histograms["random"].add(recalled.cosines(strangers))

    def _mined(self, query: JudgedQuery, near: Sequence[float], keys: NDArray[np.uint64]) -> _Mined | None:
        """What the rule makes of a query, or None where it is left out.

        Args:
            query: and its positives.
            near: cosines of these.
            keys: the best documents.
        """
        hits = self._hits(keys)
        equals = self._equals(query, near, hits)
        refined = refine(hits, query.positives, self.options.bounds, equals)
        if refined.reason is not None:
            self.report.drop(query.key, refined.reason, max((one for one in near if one == one), default=None))
            return None
        assert refined.bound is not None
        self.report.counts["equal_to_a_positive"] += len(equals)
        for hit in refined.suspects:
            self.report.suspect(query.key, hit, refined.bound)
        preference = self.options.preference
        most = preference.most * (self.options.pool if self.scores else 1)
        pool = prefer(refined.negatives, query.key, preference)[:most]
        return _Mined(query.key, refined.positives, refined.bound, pool)

    def _hits(self, keys: NDArray[np.uint64]) -> list[Hit]:
        """Recalled documents that are in the new dataset, each once."""
        ids, hits = self.walk.document_ids, dict[str, Hit]()
        for rank, (row, score) in enumerate(top_of(keys), 1):
            hits.setdefault(ids[row], Hit(ids[row], score, rank))
        return [hit for hit in hits.values() if hit.document not in self.walk.left["corpus"]]

    def _equals(self, query: JudgedQuery, near: Sequence[float], hits: Sequence[Hit]) -> set[str]:
        """Recalled documents whose content is that of a positive."""
        alike = [
            hit.document
            for hit in hits
            if hit.document not in query.positives and any(abs(hit.score - one) < NEAR for one in near)
        ]
        if not alike:
            return set()
        wanted = {self.contents.of(one) for one in query.positives if one not in self.walk.left["corpus"]}
        return {one for one in alike if self.contents.of(one) in wanted}

    def _write(self, number: int, block: Sequence[_Mined]) -> None:
        """Relevance of queries that stay."""
        scores: dict[str, dict[str, float]] = {}
        if self.scores:
            wanted = {query.key: [hit.document for hit in (*query.positives, *query.pool)] for query in block}
            scores = self.scores.of(number, wanted, self.report.add_bad)
        for query in block:
            given = scores.get(query.key, {})
            taken = self._taken(query, given)
            positives, negatives = ([hit.document for hit in hits] for hits in (query.positives, taken))
            kept = {one: given[one] for one in (*positives, *negatives) if one in given}
            self.writer.relevance(query.key, positives, negatives, kept)
            self._count(len(positives), taken)

    def _taken(self, query: _Mined, scores: dict[str, float]) -> list[Hit]:
        """The hard negatives: of those the reranker read, what it does not judge relevant."""
        if self.scores is None:
            return query.pool
        taken = []
        for hit in (hit for hit in query.pool if hit.document in scores):
            if scores[hit.document] > self.options.relevant:
                self.report.suspect(query.key, hit, query.bound, scores[hit.document])
            else:
                taken.append(hit)
        return taken[: self.options.preference.most]

    def _count(self, positives: int, negatives: Sequence[Hit]) -> None:
        """A query that was written."""
        self.report.histograms["negative"].add([hit.score for hit in negatives])
        self.report.counts["kept"] += 1
        self.report.counts["refined_positives"] += positives
        self.report.counts["hard_negatives"] += len(negatives)
        self.report.counts["queries_with_fewer_negatives"] += len(negatives) < self.options.preference.most
