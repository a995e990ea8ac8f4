"""Mining: a dataset with refined positives and hard negatives, from the similarities of an embedder."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from anyseek.engine import Embedder, Reranker
from anyseek.errors import ConfigError, InputError
from anyseek.training.data import Dataset, DatasetWriter
from anyseek.training.mining.copying import check_new, copy_items, form_of
from anyseek.training.mining.pairs import PairScores, blocks_of, keep_rate
from anyseek.training.mining.reading import SIDES, Contents, Side, read_judged, table_of
from anyseek.training.mining.recall import cosines, recall, top_of
from anyseek.training.mining.report import SUSPECTS, Report
from anyseek.training.mining.rule import Bounds, Hit, Preference, Refined, prefer, refine
from anyseek.training.mining.shards import Shelf, Shelves, Vectors, encode_table

__all__ = ["Known", "MineOptions", "Tell", "check_judged", "mine"]

NEAR = 0.05
"""Equal contents have equal cosines up to rounding; only documents as near as this to a positive's are compared."""
RANDOM = 10_000
"""Pairs for the histogram of random ones, at least; one of each query where there are more queries."""

Model = TypeVar("Model")
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Known(Generic[Model]):
    """A model and what it is known by.

    Attributes:
        model: an Embedder or a Reranker.
        identity: all that its results hang on beside the input, such as `model_print` of its folder and how it is run;
            what was kept under another identity is not used.
    """

    model: Model
    identity: Mapping[str, Any]


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


def check_judged(data: Dataset, out: Path) -> None:
    """Raise InputError for a dataset without positives, or a place that is taken."""
    if data.task == "sts":
        raise InputError(f"{data.name} is of the task sts, whose pairs are graded: it has no positives and negatives")
    check_new(out)


def mine(
    data: Dataset,
    out: Path,
    embedder: Known[Embedder],
    options: MineOptions,
    reranker: Known[Reranker] | None = None,
    tell: Tell = lambda _: None,
) -> dict[str, Any]:
    """Write a new dataset with the queries and documents of another one, refined positives and mined hard negatives.

    The new folder stands alone: media are copied. It also holds the report, `mining.json`, and every suspected false
    negative in `suspects.jsonl`. Interrupted, it goes on with what is in `options.work`.

    Args:
        data: with positives; its negatives and scores are not taken over.
        out: folder of the new dataset.
        embedder: whose cosines count.
        options: how.
        reranker: reads the candidates; its log-odds become `scores`.
        tell: takes lines on what is going on.

    Returns:
        The report.

    Raises:
        InputError: `out` holds something, or the dataset has no positives and negatives.
    """
    check_judged(data, out)
    shelves = Shelves.of(data, options.work)
    queries, documents = (
        _encoded(data, side, embedder, shelves.vectors(side, embedder.identity), options, tell) for side in SIDES
    )
    scores = None
    if reranker is not None:
        shelf = shelves.pairs(reranker.identity)
        tell(shelf.news())
        scores = PairScores(reranker.model, data, shelf)
    found = recall(queries, documents, options.top)
    head = _head(data, embedder, options, reranker)
    with (
        DatasetWriter(out, data.about, form=form_of(data)) as writer,
        (writer.draft / SUSPECTS).open("w", encoding="utf-8") as file,
    ):
        report = Report(head, file)
        _Miner(data, options, writer, report, scores).run(queries, documents, found)
        return report.write(writer.draft)


def _encoded(
    data: Dataset, side: Side, embedder: Known[Embedder], shelf: Shelf, options: MineOptions, tell: Tell
) -> Vectors:
    """The vectors of a side."""
    tell(shelf.news())
    return encode_table(embedder.model, data, side, shelf, options.show_progress_bar)


def _head(
    data: Dataset, embedder: Known[Embedder], options: MineOptions, reranker: Known[Reranker] | None
) -> dict[str, Any]:
    """What the report begins with."""
    return {
        "dataset": data.name,
        "embedder": dict(embedder.identity),
        "reranker": dict(reranker.identity) if reranker else None,
        "t_plus": options.bounds.positive,
        "delta_minus": options.bounds.margin,
        "top": options.top,
        "negatives": asdict(options.preference),
        "pool": options.pool if reranker else None,
        "relevant_above": options.relevant if reranker else None,
    }


@dataclass(slots=True)
class _Query:
    """A query whose positives are known: its numbers, then what the rule makes of it."""

    key: str
    number: int
    positives: dict[str, int]
    cosines: list[float] = field(default_factory=list)
    refined: Refined = field(default_factory=Refined)
    pool: list[Hit] = field(default_factory=list)

    @property
    def best(self) -> float | None:
        """Similarity of its best positive."""
        return max((one for one in self.cosines if one == one), default=None)  # NaN is unequal to itself


class _Miner:
    """Goes over the relevance, a block of queries at a time."""

    def __init__(
        self, data: Dataset, options: MineOptions, writer: DatasetWriter, report: Report, scores: PairScores | None
    ) -> None:
        self.data, self.options, self.writer, self.report, self.scores = data, options, writer, report, scores
        self.contents = Contents(data)
        self.ids: list[str] = []
        self.left: dict[str, set[str]] = {}

    def run(self, queries: Vectors, documents: Vectors, found: NDArray[np.uint64]) -> None:
        """Write everything; `found` is what was recalled."""
        self._copy(queries, documents)
        with tqdm(total=len(self.data), desc="mine", unit="query", disable=not self.options.show_progress_bar) as bar:
            for number, rows in blocks_of(read_judged(self.data)):
                before = self.scores.asked if self.scores else -1
                block = [query for row in rows if (query := self._known(row)) is not None]
                self._measure(number, block, queries, documents)
                self._write(number, [query for query in block if self._refined(query, found[query.number])])
                keep_rate(bar, len(rows), self.scores.asked if self.scores else 0, before)

    def _copy(self, queries: Vectors, documents: Vectors) -> None:
        """Both tables, without what could not be encoded."""
        for side, vectors in zip(SIDES, (queries, documents)):
            errors = vectors.errors()
            table = table_of(self.data, side)
            for row, text in errors.items():
                self.report.add_bad(side, table[row]["id"], text)
            ids, self.left[side] = copy_items(self.data, self.writer, side, self.report.add_bad, errors)
            self.report.counts["queries" if side == "queries" else "documents"] = len(ids)
        self.ids = ids

    def _known(self, row: dict[str, Any] | InputError) -> _Query | None:
        """A row of relevance with the numbers of what it names, or None where the query is left out."""
        self.report.counts["examples"] += 1
        if isinstance(row, InputError):
            self.report.add_bad("relevance", row.place or "", str(row))
            return None
        key, number = row["query"], self.data.queries.find(row["query"])
        if number is None or key in self.left["queries"]:
            reason = "there is no such query" if number is None else "the query is bad"
            self.report.drop(key, reason, None)
            return None
        numbers = {one: self.data.corpus.find(one) for one in row["positives"]}
        for one in (one for one, place in numbers.items() if place is None):
            self.report.add_bad("relevance", key, f"there is no document {one!r}")
        return _Query(key, number, {one: place for one, place in numbers.items() if place is not None})

    def _measure(self, number: int, block: Sequence[_Query], queries: Vectors, documents: Vectors) -> None:
        """Similarities of the positives, and of random pairs."""
        pairs = [(query.number, place) for query in block for place in query.positives.values()]
        found = cosines(queries, documents, np.array(pairs, np.int64).reshape(-1, 2))
        self.report.counts["positives"] += len(pairs)
        self.report.histograms["positive"].add(found)
        rest = iter(found.tolist())
        for query in block:
            query.cosines = [next(rest) for _ in query.positives]
        drawn = np.random.default_rng([self.options.preference.seed, number])
        each = -(-RANDOM // len(self.data))
        strangers = [
            (query.number, int(place))
            for query in block
            for place in drawn.integers(len(documents), size=each)
            if self.ids[int(place)] not in query.positives
        ]
        self.report.histograms["random"].add(cosines(queries, documents, np.array(strangers, np.int64).reshape(-1, 2)))

    def _refined(self, query: _Query, keys: NDArray[np.uint64]) -> bool:
        """Apply the rule; False where the query is left out."""
        named: dict[str, Hit] = {}
        for rank, (row, score) in enumerate(top_of(keys), 1):
            named.setdefault(self.ids[row], Hit(self.ids[row], score, rank))
        hits = [hit for hit in named.values() if hit.document not in self.left["corpus"]]
        equals = self._equals(query, hits)
        query.refined = refine(hits, query.positives, self.options.bounds, equals)
        if query.refined.reason is not None:
            self.report.drop(query.key, query.refined.reason, query.best)
            return False
        self.report.counts["equal_to_a_positive"] += len(equals)
        assert query.refined.bound is not None
        for hit in query.refined.suspects:
            self.report.suspect(query.key, hit, query.refined.bound)
        preference = self.options.preference
        most = preference.most * (self.options.pool if self.scores else 1)
        query.pool = prefer(query.refined.negatives, query.key, preference)[:most]
        return True

    def _equals(self, query: _Query, hits: Sequence[Hit]) -> set[str]:
        """Recalled documents whose content is that of a positive."""
        good = [one for one in query.positives if one not in self.left["corpus"]]
        near = [
            hit.document
            for hit in hits
            if hit.document not in query.positives and any(abs(hit.score - one) < NEAR for one in query.cosines)
        ]
        if not near:
            return set()
        wanted = {self.contents.of(one) for one in good}
        return {one for one in near if self.contents.of(one) in wanted}

    def _write(self, number: int, block: Sequence[_Query]) -> None:
        """Relevance of queries that stay."""
        scores: Mapping[str, Mapping[str, float | str]] = {}
        if self.scores:
            wanted = {query.key: [hit.document for hit in (*query.refined.positives, *query.pool)] for query in block}
            scores = self.scores.of(number, wanted)
        for query in block:
            given = self._numbers(query.key, scores.get(query.key, {}))
            negatives = self._negatives(query, given)
            positives = [hit.document for hit in query.refined.positives]
            taken = [hit.document for hit in negatives]
            kept = {one: given[one] for one in (*positives, *taken) if one in given}
            self.writer.relevance(query.key, positives, taken, kept)
            self.report.histograms["negative"].add([hit.score for hit in negatives])
            self.report.counts["kept"] += 1
            self.report.counts["refined_positives"] += len(positives)
            self.report.counts["hard_negatives"] += len(taken)
            self.report.counts["queries_with_fewer_negatives"] += len(taken) < self.options.preference.most

    def _numbers(self, query: str, scores: Mapping[str, float | str]) -> dict[str, float]:
        """Log-odds of pairs that could be read; the others are listed."""
        for document, score in scores.items():
            if isinstance(score, str):
                self.report.add_bad("pairs", f"{query} {document}", score)
        return {document: score for document, score in scores.items() if not isinstance(score, str)}

    def _negatives(self, query: _Query, scores: Mapping[str, float]) -> list[Hit]:
        """The hard negatives: of those the reranker read, what it does not judge relevant."""
        if self.scores is None:
            return query.pool
        read = [hit for hit in query.pool if hit.document in scores]
        assert query.refined.bound is not None
        for hit in read:
            if scores[hit.document] > self.options.relevant:
                self.report.suspect(query.key, hit, query.refined.bound, scores[hit.document])
        kept = [hit for hit in read if scores[hit.document] <= self.options.relevant]
        return kept[: self.options.preference.most]
