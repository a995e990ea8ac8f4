"""What a dataset is made of, counted."""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from anyseek.errors import SourceError
from anyseek.items import File, Image, Item, Page, Part, Text, Video
from anyseek.training.data.about import About
from anyseek.training.data.dataset import Dataset
from anyseek.training.data.rows import digest_of, media_of, row_of
from anyseek.training.data.store import file_hash

__all__ = ["Figures", "Spread", "Statistics", "measure"]

BINS = 10
NAMES: dict[type[Part], str] = {Text: "text", Image: "image", Video: "video", Page: "page", File: "file"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How numbers are spread."""

    count: int
    least: float
    median: float
    mean: float
    most: float

    @classmethod
    def of(cls, numbers: Sequence[float]) -> "Spread | None":
        """The spread of some numbers, or None where there are none."""
        if not numbers:
            return None
        middle, mean = statistics.median(numbers), statistics.fmean(numbers)
        return cls(count=len(numbers), least=min(numbers), median=middle, mean=mean, most=max(numbers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Queries or documents in numbers.

    Attributes:
        count: how many.
        shapes: how many are of which kinds of parts, such as `image+text`.
        characters: of the text of those that have any.
        media: files they show, each counted once.
        duplicates: how many equal an earlier one in content and instruction.
        unused: how many no row of relevance names.
    """

    count: int
    shapes: dict[str, int]
    characters: Spread | None
    media: int
    duplicates: int
    unused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """A dataset in numbers.

    Attributes:
        about: name, task and instruction.
        queries: all of them.
        documents: all of them.
        examples: rows of relevance.
        positives: per example.
        negatives: per example.
        scores: of all documents that have one.
        histogram: lower edge and number of scores, in bins of equal width.
    """

    about: About
    queries: Figures
    documents: Figures
    examples: int
    positives: Spread | None
    negatives: Spread | None
    scores: Spread | None
    histogram: tuple[tuple[float, int], ...]


def measure(folder: Path | str) -> Statistics:
    """Count what is in a dataset; of media that are equally long the content is compared.

    Raises:
        InputError: a row is wrong; see `check`.
    """
    data = Dataset.open(folder)
    asked: set[str] = set()
    named: set[str] = set()
    positives, negatives, scores = [], [], []
    for row in data.judged():
        asked.add(row["query"])
        named.update(row["positives"], row["negatives"], row["scores"])
        positives.append(len(row["positives"]))
        negatives.append(len(row["negatives"]))
        scores += row["scores"].values()
    return Statistics(
        about=data.about,
        queries=_figures(lambda: data.items("queries"), asked),
        documents=_figures(lambda: data.items("corpus"), named),
        examples=len(positives),
        positives=Spread.of(positives),
        negatives=Spread.of(negatives),
        scores=Spread.of(scores),
        histogram=_histogram(scores),
    )


def _shape_of(item: Item) -> str:
    """The kinds of an item's parts, each once, such as `image+text`."""
    return "+".join(sorted({NAMES[type(part)] for part in item.parts}))


def _figures(items: Callable[[], Iterator[tuple[str, Item]]], used: set[str]) -> Figures:
    """Figures of one table.

    Args:
        items: gives its ids and items, anew at each call.
        used: ids that relevance names.
    """
    sizes = _sizes(item for _, item in items())
    equal = Counter(sizes.values())
    names = {path: f"{size}" if equal[size] == 1 else file_hash(path) for path, size in sizes.items()}
    shapes: Counter[str] = Counter()
    seen: set[bytes] = set()
    lengths, unused, count = [], 0, 0
    for key, item in items():
        count += 1
        shapes[_shape_of(item)] += 1
        unused += key not in used
        texts = [len(part.text) for part in item.parts if isinstance(part, Text)]
        lengths += [sum(texts)] if texts else []
        seen.add(digest_of(row_of(item, lambda source, _: names[Path(source)])))
    return Figures(
        count=count,
        shapes=dict(shapes.most_common()),
        characters=Spread.of(lengths),
        media=len(sizes),
        duplicates=count - len(seen),
        unused=unused,
    )


def _sizes(items: Iterable[Item]) -> dict[Path, int]:
    """Bytes of every medium.

    Raises:
        SourceError: one is missing.
    """
    sizes: dict[Path, int] = {}
    for path in (path for item in items for path, _ in media_of(item)):
        if path not in sizes:
            try:
                sizes[path] = path.stat().st_size
            except OSError as error:
                raise SourceError(f"cannot read {path} ({error.strerror}); see: anyseek data check") from error
    return sizes


def _histogram(scores: Sequence[float]) -> tuple[tuple[float, int], ...]:
    """Scores in `BINS` bins from the least to the largest; one bin where all are equal."""
    if not scores:
        return ()
    least, most = min(scores), max(scores)
    width = (most - least) / BINS
    if width == 0:
        return ((least, len(scores)),)
    counts = Counter(min(BINS - 1, int((score - least) / width)) for score in scores)
    return tuple((least + bin * width, counts[bin]) for bin in range(BINS))
