"""End-to-end search: a folder becomes items, items become vectors, a query becomes ranked hits. Nothing is stored."""

from anyseek.search.fusion import Fusion
from anyseek.search.pipeline import Failure, Hit, Hits, Library, SearchOptions, ask, embed, search
from anyseek.search.sources import Found, Skipped, walk

__all__ = [
    "Failure",
    "Found",
    "Fusion",
    "Hit",
    "Hits",
    "Library",
    "SearchOptions",
    "Skipped",
    "ask",
    "embed",
    "search",
    "walk",
]
