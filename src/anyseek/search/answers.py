"""What is asked of a library, and what it answers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from anyseek.errors import ConfigError
from anyseek.index import Thing
from anyseek.items import Item, Text

__all__ = ["Answer", "Answers", "AskOptions", "Asked", "Candidate", "Stage", "Tell"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskOptions:
    """How a library is asked.

    Attributes:
        top: most answers.
        candidates: how many things each leg recalls: the vectors, and the words.
        words: weight of the words beside the vectors, 0 to 1; 0 leaves them out.
        blend: how both become one order: `ranks` (reciprocal rank) or `scores` (weighted).
        rerank: whether the reranker, where there is one, reads the best again.
        reread: how many of the best it reads; `top` when that is more.
        per_file: at most so many of one file among them.
        group: pages of one document, passages of one text and segments of one film are one answer.
        duplicates: near-identical pictures are one answer.
        cut: leave out what is probably not relevant, where the library's models have a judge for that.
    """

    top: int = 10
    candidates: int = 100
    words: float = 0.3
    blend: Literal["ranks", "scores"] = "ranks"
    rerank: bool = True
    reread: int = 20
    per_file: int = 3
    group: bool = True
    duplicates: bool = True
    cut: bool = True

    def __post_init__(self) -> None:
        """Raise ConfigError for numbers that make no sense."""
        for name in ("top", "candidates", "per_file"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1 (got {getattr(self, name)})")
        if not 0 <= self.words <= 1:
            raise ConfigError(f"words must be from 0 to 1 (got {self.words})")
        if self.blend not in ("ranks", "scores"):
            raise ConfigError(f"blend must be 'ranks' or 'scores' (got {self.blend!r})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A query, encoded.

    Attributes:
        item: what is sought.
        vector: `(width,)` of length 1.
        unlike: `(examples, width)` of length 1, of what is not sought.
        known: id of a thing that is no answer, nor are its copies; None for none.
    """

    item: Item
    vector: NDArray[np.float32]
    unlike: NDArray[np.float32]
    known: str | None = None

    @property
    def text(self) -> str:
        """Its words."""
        return " ".join(part.text for part in self.item.parts if isinstance(part, Text))

    @property
    def shows(self) -> bool:
        """Whether there is more than words in it."""
        return not self.item.is_text


@dataclass(slots=True, kw_only=True)
class Candidate:
    """A thing on its way to be an answer.

    Attributes:
        thing: what was recalled.
        similarity: cosine with the query.
        words: score of the words' leg; 0 when it did not find the thing.
        unlike: how near it is to what is not sought, 0 to 1; 1 is the same.
        first: score of the first stage; the order before anything is read again.
        log_odds: of the reranker; None when it has not read it.
        path: where it was read; None when it was not.
        chance: that it is relevant, by the judge; None without one.
        score: what answers are sorted by.
        copies: near-identical pictures.
    """

    thing: Thing
    similarity: float
    words: float = 0.0
    unlike: float = 0.0
    first: float = 0.0
    log_odds: float | None = None
    path: Path | None = None
    chance: float | None = None
    score: float = 0.0
    copies: list[Thing] = field(default_factory=list)

    @property
    def ids(self) -> set[str]:
        """Of the thing and its copies."""
        return {self.thing.id, *(copy.id for copy in self.copies)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer.

    Attributes:
        thing: what: its kind, page, seconds, and its text if it has one.
        paths: where the file lies; several for copies, each once, and of those only what fits the filter that was
            asked with. Never empty, but the files may be gone since they were indexed; those that are there are first.
        score: what answers are sorted by: the chance that it is relevant where there is a judge, else the probability
            of reranking, else the score of the first stage.
        similarity: cosine of the vectors.
        words: score of the words' leg, larger is better; 0 when it did not find the thing.
        reranked: whether the reranker read it.
        also: other pages, passages or segments of the same file that were found, best first.
        copies: near-identical pictures.
        copy_paths: where these lie, in the same order.
    """

    thing: Thing
    paths: tuple[Path, ...]
    score: float
    similarity: float
    words: float = 0.0
    reranked: bool = False
    also: tuple[Thing, ...] = ()
    copies: tuple[Thing, ...] = ()
    copy_paths: tuple[Path, ...] = ()

    @property
    def id(self) -> str:
        """Of the thing, for `Library.like` and `Library.thumbnail`."""
        return self.thing.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a library answers.

    Attributes:
        hits: answers, best first; what the judge cut off is not among them.
        below: what was cut off, best first: probably not relevant.
        judged: whether there was a judge; without one nothing is cut off.
        unread: id and reason of each thing that the reranker should have read and could not.
    """

    hits: tuple[Answer, ...]
    below: tuple[Answer, ...] = ()
    judged: bool = False
    unread: tuple[tuple[str, str], ...] = ()

    @property
    def nothing(self) -> bool:
        """True when nothing relevant is here, as far as a judge can tell."""
        return self.judged and not self.hits

    def __iter__(self) -> Any:
        """The hits."""
        return iter(self.hits)

    def __len__(self) -> int:
        """Number of hits."""
        return len(self.hits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """How far an answer is that is read again.

    Attributes:
        first: answers as they were before, with the first of these; then None.
        read: candidates that the reranker has read.
        of: how many it will read.
    """

    first: Answers | None
    read: int
    of: int


Tell = Callable[[Stage], None]
"""Told how far an answer is."""
