"""Which examples a step learns from: one dataset a step, drawn by weight, every example once an epoch.

A batch follows from seed, step and process alone, so that a run goes on with the batches it would have had. All
processes draw the same dataset in a step, and different examples of it.
"""

import functools
import hashlib
import itertools
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import Tensor

from anyseek.errors import ConfigError, InputError, TrainingError
from anyseek.items import Item, Text
from anyseek.processing import Processor
from anyseek.training.data import Dataset, Example
from anyseek.training.data.rows import relevance_of
from anyseek.training.encoding import Laid, lay_out
from anyseek.training.losses import Relevance
from anyseek.training.processes import gather, gather_counts, most, place

__all__ = ["Batch", "Draws", "Mixture", "Pairs", "Share", "Source"]

log = logging.getLogger("anyseek")

Made = TypeVar("Made", "Batch", "Pairs")
Draws = Literal["any", "scored", "graded", "judged"]
NEEDS: dict[Draws, str] = {
    "any": "a positive, or scores",
    "scored": "two documents with a score, and 'negatives' of at least 1 to draw them together",
    "graded": "a document with a score",
    "judged": "a positive or a negative",
}
"""What a row must have to be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A dataset in a mixture.

    Attributes:
        dataset: examples.
        weight: how often it is drawn, relative to the others.
        queries: of a batch, in each process.
        negatives: hard negatives of a query, at most; of a query without positives one more is drawn.
        draws: which documents: `any`; those with a score, two for distillation (`scored`) or one (`graded`); or
            those judged by yes and no, as a reranker learns them (`judged`), where a row needs no positive.
    """

    dataset: Dataset
    weight: float = 1.0
    queries: int = 32
    negatives: int = 1
    draws: Draws = "any"

    def __post_init__(self) -> None:
        """Raise ConfigError for a weight, or a number of queries, that draws nothing."""
        if self.weight <= 0 or self.queries < 1 or self.negatives < 0:
            raise ConfigError(
                f"{self.dataset.name}: weight must be above 0, queries at least 1 and negatives at least 0 "
                f"(got {self.weight}, {self.queries}, {self.negatives})"
            )
        if not len(self.dataset):
            raise ConfigError(f"{self.dataset.folder} has no examples")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The part of the batches that a process takes."""

    seed: int
    rank: int = 0
    processes: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Queries and documents of one dataset.

    Attributes:
        source: number of the dataset in the mixture.
        inputs: queries, then documents; each query's positive is its first document.
        owner: `(documents,)` int64, the query that each was listed for.
        document_ids: `(documents,)` int64, equal for equal documents.
        answer_ids: `(queries, most)` int64, ids of documents known to answer each query, filled up with -1.
        scores: `(documents,)` what the dataset gives to the document with its query; NaN without.
    """

    source: int
    inputs: tuple[Laid, ...]
    owner: Tensor
    document_ids: Tensor
    answer_ids: Tensor
    scores: Tensor

    @property
    def queries(self) -> int:
        """How many queries there are."""
        return len(self.answer_ids)

    def judged(self) -> Relevance:
        """What is known of the documents of all processes together, in the order of `gather`."""
        before = _before(gather_counts(self.queries))
        owner, ids, scores = (gather(one) for one in (self.owner + before, self.document_ids, self.scores))
        width = most(self.answer_ids.shape[1])
        filled = torch.nn.functional.pad(self.answer_ids, (0, width - self.answer_ids.shape[1]), value=-1)
        answers_by_id = gather(filled)
        own = owner[None] == torch.arange(len(answers_by_id))[:, None]
        answers = (answers_by_id[:, :, None] == ids[None, None]).any(1)
        positive = own.int().argmax(1)
        known = scores.isfinite().any()
        return Relevance(
            positive=positive,
            own=own,
            answers=answers,
            scores=scores.expand(len(own), -1).masked_fill(~own, 0) if known else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """Pairs of one dataset for a reranker.

    Attributes:
        source: number of the dataset in the mixture.
        inputs: prompts of the pairs, those of a query beside each other.
        labels: `(pairs,)` 1 where the document answers the query.
    """

    source: int
    inputs: tuple[Laid, ...]
    labels: Tensor


@dataclass(frozen=True, slots=True)
class _Drawn:
    """An example with the documents that were chosen for it."""

    example: Example
    documents: tuple[str, ...]


class Mixture:
    """Batches of several datasets, one dataset a step."""

    def __init__(self, sources: Sequence[Source], processor: Processor, share: Share) -> None:
        """Draw from `sources`, which are laid out by `processor`.

        Raises:
            ConfigError: there are none, or one has no row that can be used.
        """
        if not sources:
            raise ConfigError("a mixture needs at least one dataset")
        self.sources = tuple(sources)
        self.processor = processor
        self.share = share
        for source in self.sources:
            _tell_unusable(source, told=share.rank == 0)

    def batches(self, first: int = 0) -> Iterator[Batch]:
        """Batches for an embedder from step `first` on, one a step, without end.

        Raises:
            TrainingError: nothing of a dataset can be read.
        """
        return self._steps(first, self._batch)

    def pairs(self, first: int = 0) -> Iterator[Pairs]:
        """Batches for a reranker, as `batches` gives them."""
        return self._steps(first, self._pairs)

    def _steps(self, first: int, make: Callable[[int, Iterator[_Drawn]], Made | None]) -> Iterator[Made]:
        """What is made of each step's rows, or of others of that dataset where a process can read none of its own."""
        for number, rows, step in self._draws(first):
            rng = random.Random(f"{self.share.seed}/{step}/{self.share.rank}")
            for tried in itertools.chain([rows], self._others(number, step)):
                made = make(number, self._chosen(number, tried, rng))
                if not most(made is None) and made is not None:
                    yield made
                    break
            else:
                folder = self.sources[number].dataset.folder
                raise TrainingError(
                    f"step {step}: nothing of {folder} can be read; `anyseek data check {folder}` says what is wrong"
                )

    def _draws(self, first: int) -> Iterator[tuple[int, list[int], int]]:
        """For each step from `first` on: the dataset, rows of it, and the step."""
        taken = [0] * len(self.sources)
        weights = [source.weight for source in self.sources]
        for step in itertools.count():
            shared = random.Random(f"{self.share.seed}/{step}")
            number = shared.choices(range(len(self.sources)), weights)[0]
            rows = self._rows(number, taken[number]) if step >= first else []
            taken[number] += 1
            if step >= first:
                yield number, rows, step

    def _rows(self, number: int, turn: int) -> list[int]:
        """Rows of a dataset when it is drawn for the `turn`-th time: every row once an epoch, each in its own order."""
        source = self.sources[number]
        length = len(source.dataset)
        start = (turn * self.share.processes + self.share.rank) * source.queries
        places = range(start, start + source.queries)
        epochs = {place // length for place in places}
        orders = {epoch: _order(f"{self.share.seed}/{number}/{epoch}", length) for epoch in epochs}
        return list(dict.fromkeys(orders[place // length][place % length] for place in places))

    def _others(self, number: int, step: int) -> Iterator[list[int]]:
        """All rows of a dataset in an order of the step's own, as many at a time as a batch has."""
        source, length = self.sources[number], len(self.sources[number].dataset)
        order = _order(f"{self.share.seed}/{number}/others/{step}", length)
        for start in range(0, length, source.queries * self.share.processes):
            own = start + self.share.rank * source.queries
            yield list(dict.fromkeys(order[place % length] for place in range(own, own + source.queries)))

    def _chosen(self, number: int, rows: list[int], rng: random.Random) -> Iterator[_Drawn]:
        """Examples with their documents; rows that cannot be read are told and left out, unusable ones were told."""
        source = self.sources[number]
        for row in rows:
            try:
                example = source.dataset.example(row)
            except InputError as error:
                _leave_out(source.dataset, error)
                continue
            documents = _documents(example, source, rng)
            if documents:
                yield _Drawn(example, documents)

    def _batch(self, number: int, chosen: Iterator[_Drawn]) -> Batch | None:
        """Those that can be read, laid out; None when none can."""
        dataset = self.sources[number].dataset
        queries: list[Laid] = []
        documents: list[Laid] = []
        owner, ids, scores, answers = [], [], [], []
        for one in chosen:
            try:
                items = [one.example.query, *(dataset.document(key) for key in one.documents)]
                laid = [lay_out(self.processor, self.processor.prepare(item)) for item in items]
            except InputError as error:
                _leave_out(dataset, error)
                continue
            owner += [len(queries)] * len(one.documents)
            queries.append(laid[0])
            documents += laid[1:]
            ids += [_number(dataset, key) for key in one.documents]
            scores += [one.example.scores.get(key, float("nan")) for key in one.documents]
            answers.append([_number(dataset, key) for key in one.example.positives or one.documents[:1]])
        if not queries:
            return None
        most = max(map(len, answers))
        return Batch(
            source=number,
            inputs=(*queries, *documents),
            owner=torch.tensor(owner),
            document_ids=torch.tensor(ids),
            answer_ids=torch.tensor([each + [-1] * (most - len(each)) for each in answers]),
            scores=torch.tensor(scores),
        )

    def _pairs(self, number: int, chosen: Iterator[_Drawn]) -> Pairs | None:
        """Each query with each of its documents."""
        dataset = self.sources[number].dataset
        inputs: list[Laid] = []
        labels: list[int] = []
        for one in chosen:
            try:
                prompts = [
                    lay_out(self.processor, self.processor.prepare_pair(one.example.query, dataset.document(key)))
                    for key in one.documents
                ]
            except InputError as error:
                _leave_out(dataset, error)
                continue
            inputs += prompts
            labels += [int(key in one.example.positives) for key in one.documents]
        return Pairs(source=number, inputs=tuple(inputs), labels=torch.tensor(labels)) if inputs else None


def _documents(example: Example, source: Source, rng: random.Random) -> tuple[str, ...]:
    """A positive and some hard negatives, or without a positive as many of those with a score (`judged`: negatives).

    Where scores are wanted, documents without one do not count. Empty where the source can use nothing of the row.
    """
    known = example.scores if source.draws in ("scored", "graded") else example.documents
    positives, negatives = ([key for key in keys if key in known] for keys in (example.positives, example.negatives))
    if not positives:
        others = negatives if source.draws == "judged" else list(example.scores)
        found = rng.sample(others, min(1 + source.negatives, len(others)))
    else:
        found = [rng.choice(positives)]
        if source.draws == "scored" and not negatives:
            negatives = [key for key in positives if key not in found]
        found += rng.sample(negatives, min(source.negatives, len(negatives)))
    return tuple(found) if source.draws != "scored" or len(found) > 1 else ()


def _tell_unusable(source: Source, told: bool) -> None:
    """Count the rows that no step can use, and raise ConfigError where no row is left; ids alone are looked at."""
    unusable, nothing = 0, random.Random(0)
    for raw in source.dataset.relevance:
        try:
            row = relevance_of(raw)
        except InputError:  # is told when it is drawn
            continue
        example = Example(query_id=row.pop("query"), query=Item((Text(""),)), **row)
        unusable += not _documents(example, source, nothing)
    rows, needs = len(source.dataset), f"a row needs {NEEDS[source.draws]}"
    if unusable == rows:
        raise ConfigError(f"{source.dataset.folder}: none of its {rows} rows can be used here: {needs}")
    if unusable and told:
        log.warning("%s: %d of %d rows are left out: %s", source.dataset.name, unusable, rows, needs)


def _leave_out(dataset: Dataset, error: InputError) -> None:
    """Bad input costs its own row, and is told."""
    log.warning("%s: an example is left out: %s", dataset.name, error)


@functools.lru_cache(maxsize=16)
def _order(seed: str, length: int) -> list[int]:
    """A permutation."""
    rows = list(range(length))
    random.Random(seed).shuffle(rows)
    return rows


def _number(dataset: Dataset, key: str) -> int:
    """63 bits that stand for a document in every process."""
    digest = hashlib.blake2b(f"{dataset.name}\0{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def _before(counts: list[int]) -> int:
    """Rows of the processes before this one."""
    rank, _ = place()
    return sum(counts[:rank])
