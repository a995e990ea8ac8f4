"""End-to-end search: a folder becomes items, items become vectors, a query becomes ranked hits.

Two ways: `search` looks through a folder once and stores nothing; a `Library` keeps what it has seen. What belongs to
the library is loaded on first use, so that the first way loads no vector store.
"""

import importlib
from typing import TYPE_CHECKING, Any

from anyseek.search.fusion import Fusion
from anyseek.search.pipeline import Embedded, Failure, Hit, Hits, SearchOptions, ask, embed, search
from anyseek.search.sources import Found, Skipped, walk

if TYPE_CHECKING:
    from anyseek.index import Filter
    from anyseek.search.answers import Answer, Answers, AskOptions
    from anyseek.search.ingest import IndexOptions, Progress, Report
    from anyseek.search.judge import Judge
    from anyseek.search.library import Library
    from anyseek.search.pieces import Cutting
    from anyseek.search.prints import LibrarySettings

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
    "anyseek.search.ingest": ("IndexOptions", "Progress", "Report"),
    "anyseek.search.judge": ("Judge",),
    "anyseek.search.library": ("Library",),
    "anyseek.search.pieces": ("Cutting",),
    "anyseek.search.prints": ("LibrarySettings",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a name of the library from the file that owns it."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'anyseek.search' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value  # the next look-up is an ordinary one
    return value
