"""Gathers what importers read: equal documents and queries once, relevance of equal queries joined."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from anyseek.errors import InputError
from anyseek.items import Item
from anyseek.training.data.rows import digest_of
from anyseek.training.data.writer import DatasetWriter, What

__all__ = ["Collector", "Judged"]


@dataclass(frozen=True, slots=True)
class Judged:
    """A document beside a query, with its score where it has one."""

    item: Any
    score: float | None = None


@dataclass(slots=True)
class _Known:
    """What is known of a query; a dict keeps the order and each id once."""

    positives: dict[str, None] = field(default_factory=dict)
    negatives: dict[str, None] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)


class Collector:
    """Fills a writer from a foreign format. Ids and relevance are held in memory until `finish`.

    Args:
        writer: of the new dataset.
    """

    def __init__(self, writer: DatasetWriter) -> None:
        self.writer = writer
        self._contents: dict[tuple[What, bytes], str] = {}
        self._foreign: dict[tuple[What, str], str] = {}
        self._known: dict[str, _Known] = {}
        self._count: Counter[What] = Counter()

    def query(self, item: Any, key: str | None = None) -> str:
        """Store a query unless an equal one is there.

        Args:
            item: whatever `Item.of` takes.
            key: its id in the foreign data; None makes one.

        Returns:
            Its id, or that of the equal one.

        Raises:
            InputError: the item cannot be stored, or the id belongs to another one.
        """
        return self._put("query", item, key)

    def document(self, item: Any, key: str | None = None) -> str:
        """Store a document unless an equal one is there; as `query`."""
        return self._put("document", item, key)

    def find(self, what: What, key: str) -> str:
        """The id here of a foreign id.

        Raises:
            InputError: nothing of that id was stored.
        """
        if (what, key) not in self._foreign:
            raise InputError(f"no {what} has the id {key!r}")
        return self._foreign[what, key]

    def judge(
        self,
        query: str,
        positives: Iterable[str] = (),
        negatives: Iterable[str] = (),
        scores: Iterable[tuple[str, float | None]] = (),
    ) -> None:
        """Add what is known of a query; a document that is relevant anywhere is no negative.

        Args:
            query: its id here.
            positives: ids here of relevant documents.
            negatives: ids here of documents that are not.
            scores: pairs of an id here and a score; None is no score.
        """
        known = self._known.setdefault(query, _Known())
        known.positives |= dict.fromkeys(positives)
        known.negatives |= dict.fromkeys(negatives)
        known.scores |= {key: score for key, score in scores if score is not None}

    def group(self, query: Any, positives: Iterable[Judged], negatives: Iterable[Judged] = ()) -> None:
        """A query with its documents beside it; of sts, whose pairs are graded, the scores alone are kept.

        Raises:
            InputError: an item cannot be stored.
        """
        sides = [[(self.document(one.item), one.score) for one in side] for side in (positives, negatives)]
        good, bad = ([key for key, _ in side if self.writer.about.task != "sts"] for side in sides)
        self.judge(self.query(query), good, bad, sides[0] + sides[1])

    def labelled(self, query: Any, document: Any, label: float) -> None:
        """A pair with a label: a grade for sts, otherwise relevant if it is above zero.

        Raises:
            InputError: an item cannot be stored.
        """
        if self.writer.about.task == "sts":
            self.group(query, [Judged(document, label)])
            return
        judged = [Judged(document, None if label in (0, 1) else label)]
        self.group(query, *((judged, []) if label > 0 else ([], judged)))

    def finish(self) -> None:
        """Write the relevance of every query that has any.

        Raises:
            InputError: there is none, or a query lacks what the task needs.
        """
        if not self._known:
            raise InputError("there is no example in it: no row, or (BEIR) no header above the judgements")
        for query, known in self._known.items():
            negatives = [key for key in known.negatives if key not in known.positives]
            self.writer.relevance(query, known.positives, negatives, known.scores)

    def _put(self, what: What, item: Any, key: str | None) -> str:
        """Store an item, or find the equal one."""
        row = self.writer.row(Item.of(item))
        content = digest_of(row)
        name = self._contents.get((what, content))
        if key is not None and self._foreign.get((what, key), name) != name:
            raise InputError(f"{what} {key!r} stands there twice, with different contents")
        if name is None:
            name = key if key is not None else f"{what[0]}{self._count[what]}"
            self.writer.put(what, name, row)
            self._contents[what, content] = name
            self._count[what] += 1
        if key is not None:
            self._foreign[what, key] = name
        return name
