"""End-to-end search: a folder becomes items, items become vectors, a query becomes ranked hits.

Two ways: `search` looks through a folder once and stores nothing; a `Library` keeps what it has seen. What belongs to
the library is loaded on first use, so that the first way loads no vector store.
"""

from typing import TYPE_CHECKING

from anyseek.lazy import loader
from anyseek.search.fusion import Fusion
from anyseek.search.pipeline import Embedded, Failure, Hit, Hits, SearchOptions, ask, embed, search
from anyseek.search.sources import Found, Skipped, walk

if TYPE_CHECKING:
    from anyseek.index import Filter
    from anyseek.search.answers import Answer, Answers, AskOptions
    from anyseek.search.judge import Judge
    from anyseek.search.library import Library
    from anyseek.search.pieces import Cutting
    from anyseek.search.prints import LibrarySettings
    from anyseek.search.runs import IndexOptions, Progress, Report

__all__ = [
    "Answer",
    "Answers",
    "AskOptions",
    "Cutting",
    "Embedded",
    "Failure",
    "Filter",
    "Found",
    "Fusion",
    "Hit",
    "Hits",
    "IndexOptions",
    "Judge",
    "Library",
    "LibrarySettings",
    "Progress",
    "Report",
    "SearchOptions",
    "Skipped",
    "ask",
    "embed",
    "search",
    "walk",
]

_HOMES = {
    "anyseek.index": ("Filter",),
    "anyseek.search.answers": ("Answer", "Answers", "AskOptions"),
    "anyseek.search.judge": ("Judge",),
    "anyseek.search.library": ("Library",),
    "anyseek.search.pieces": ("Cutting",),
    "anyseek.search.prints": ("LibrarySettings",),
    "anyseek.search.runs": ("IndexOptions", "Progress", "Report"),
}
__getattr__ = loader(__name__, _HOMES)
