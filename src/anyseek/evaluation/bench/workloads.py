"""What is measured: inputs made by us, the same on every machine."""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from anyseek.evaluation.bench.files import write_clips, write_pages, write_pictures
from anyseek.items import Image, Item, Text, Video
from anyseek.processing import Tokenizer
from anyseek.world import object_ids
from anyseek.world.notes import sample_note

__all__ = ["NAMES", "QUERY", "SIZES", "Sizes", "Workload", "make_workloads"]

SHORT_TOKENS = (8, 32)
MIXED_TOKENS = (20, 2000)
QUERY = "Which of these is about a bicycle?"
OTHER_QUERY = "Something red to eat, please, and nothing else."


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much each workload holds.

    Attributes:
        short: short texts.
        mixed: texts of 20 to 2,000 tokens.
        pictures: pictures of mixed size.
        pages: page images to embed.
        clips: clips of 64 frames.
        candidates: short texts for one query.
        few_pages: page images for one query.
        many_pages: likewise.
        page_scale: a page has 140 times the square of this many tokens.
    """

    short: int
    mixed: int
    pictures: int
    pages: int
    clips: int
    candidates: int
    few_pages: int
    many_pages: int
    page_scale: int


_CPU = Sizes(
    short=64,
    mixed=48,
    pictures=64,
    pages=16,
    clips=2,
    candidates=50,
    few_pages=20,
    many_pages=100,
    page_scale=1,
)
_GPU = replace(_CPU, short=512, mixed=128, pages=32, clips=8, page_scale=3)
SIZES = {"small": _CPU, "2b": _GPU, "8b": _GPU}
"""By shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One row of the result.

    Attributes:
        name: as given on the command line.
        title: what it is, in words.
        items: to embed, or the documents to score.
        query: of the documents; None for embedding.
        primer: a query that was asked over the same documents before, so that what they show is known; None for
            nothing known.
    """

    name: str
    title: str
    items: tuple[Item, ...]
    query: Item | None = None
    primer: Item | None = None

    @property
    def has_video(self) -> bool:
        """Whether a clip is among the items."""
        return any(isinstance(part, Video) for item in self.items for part in item.parts)


Maker = Callable[[Path, Sizes, Tokenizer], Workload]


def make_workloads(names: tuple[str, ...], folder: Path, sizes: Sizes, tokenizer: Tokenizer) -> Iterator[Workload]:
    """Draw the inputs of some workloads.

    Args:
        names: of workloads, from NAMES.
        folder: where files are written.
        sizes: how much.
        tokenizer: that text lengths are counted with.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        yield _MAKERS[name](folder, sizes, tokenizer)


def _short(folder: Path, sizes: Sizes, tokenizer: Tokenizer) -> Workload:
    """Short texts."""
    items = _texts(sizes.short, SHORT_TOKENS, tokenizer, seed=4)
    return Workload(name="short", title=f"{len(items)} short texts", items=items)


def _mixed(folder: Path, sizes: Sizes, tokenizer: Tokenizer) -> Workload:
    """Texts of very different length."""
    items = _texts(sizes.mixed, MIXED_TOKENS, tokenizer, seed=5)
    return Workload(name="mixed", title=f"{len(items)} texts of 20 to 2,000 tokens", items=items)


def _images(folder: Path, sizes: Sizes, tokenizer: Tokenizer) -> Workload:
    """Pictures given as paths."""
    items = _shown(write_pictures(folder, sizes.pictures))
    return Workload(name="images", title=f"{len(items)} images of mixed size, as paths", items=items)


def _pages(folder: Path, sizes: Sizes, tokenizer: Tokenizer) -> Workload:
    """Page images."""
    items = _shown(write_pages(folder, sizes.pages, sizes.page_scale))
    return Workload(name="pages", title=f"{len(items)} page images", items=items)


def _clips(folder: Path, sizes: Sizes, tokenizer: Tokenizer) -> Workload:
    """Clips of 64 sampled frames."""
    items = tuple(Item((Video(path),)) for path in write_clips(folder, sizes.clips))
    return Workload(name="clips", title=f"{len(items)} clips of 64 frames", items=items)


def _latency(folder: Path, sizes: Sizes, tokenizer: Tokenizer) -> Workload:
    """One query that somebody waits for."""
    return Workload(name="latency", title="one short query, alone", items=(Item((Text(QUERY),)),))


def _rerank_texts(folder: Path, sizes: Sizes, tokenizer: Tokenizer) -> Workload:
    """A text query over short texts."""
    items = _texts(sizes.candidates, SHORT_TOKENS, tokenizer, seed=6)
    title = f"rerank {len(items)} short texts for a text"
    return Workload(name="rerank-texts", title=title, items=items, query=Item((Text(QUERY),)))


def _rerank_image(folder: Path, sizes: Sizes, tokenizer: Tokenizer) -> Workload:
    """An image query over short texts."""
    items = _texts(sizes.candidates, SHORT_TOKENS, tokenizer, seed=7)
    query = _shown(write_pages(folder, 1, sizes.page_scale))[0]
    title = f"rerank {len(items)} short texts for an image"
    return Workload(name="rerank-image", title=title, items=items, query=query)


def _rerank_pages(name: str, count: str, *, known: bool) -> Maker:
    """A text query over page images, seen before or not."""

    def make(folder: Path, sizes: Sizes, tokenizer: Tokenizer) -> Workload:
        """The workload."""
        items = _shown(write_pages(folder, getattr(sizes, count), sizes.page_scale))
        title = f"rerank {len(items)} page images for a text" + (", second query" if known else "")
        primer = Item((Text(OTHER_QUERY),)) if known else None
        return Workload(name=name, title=title, items=items, query=Item((Text(QUERY),)), primer=primer)

    return make


_MAKERS: dict[str, Maker] = {
    "short": _short,
    "mixed": _mixed,
    "images": _images,
    "pages": _pages,
    "clips": _clips,
    "latency": _latency,
    "rerank-texts": _rerank_texts,
    "rerank-image": _rerank_image,
    "rerank-pages": _rerank_pages("rerank-pages", "few_pages", known=False),
    "rerank-pages-again": _rerank_pages("rerank-pages-again", "few_pages", known=True),
    "rerank-many-pages": _rerank_pages("rerank-many-pages", "many_pages", known=False),
    "rerank-many-pages-again": _rerank_pages("rerank-many-pages-again", "many_pages", known=True),
}
NAMES = tuple(_MAKERS)
"""Of all workloads."""


def _texts(count: int, lengths: tuple[int, int], tokenizer: Tokenizer, seed: int) -> tuple[Item, ...]:
    """Texts whose lengths in tokens spread evenly over a logarithmic scale, in random order."""
    rng = random.Random(seed)
    low, high = map(math.log, lengths)
    wanted = [round(math.exp(low + (high - low) * place / max(1, count - 1))) for place in range(count)]
    rng.shuffle(wanted)
    return tuple(Item((Text(_text(length, tokenizer, rng)),)) for length in wanted)


def _text(length: int, tokenizer: Tokenizer, rng: random.Random) -> str:
    """English notes of the world, one after the other, cut to about so many tokens."""
    text = ""
    while len(tokenizer.encode(text, parse_special=False)) < length:
        notes = (sample_note(rng, object_ids("train"), 2, "en").draw() for _ in range(1 + length // 32))
        text = " ".join([text, *notes]).strip()
    return tokenizer.cut(text, length, parse_special=False)


def _shown(paths: Iterator[Path]) -> tuple[Item, ...]:
    """One image an item."""
    return tuple(Item((Image(path),)) for path in paths)
