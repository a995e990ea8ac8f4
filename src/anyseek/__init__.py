"""anyseek finds anything with anything: text, images, document pages and video in one vector space, and a reranker.

Public names are loaded on first use, so that `import anyseek` costs next to nothing and loads no torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anyseek import errors
    from anyseek.engine import Embedder, Reranker
    from anyseek.items import File, Image, Item, Limits, Page, Text, Video
    from anyseek.media import MediaOptions
    from anyseek.search import Library

__all__ = [
    "Embedder",
    "File",
    "Image",
    "Item",
    "Library",
    "Limits",
    "MediaOptions",
    "Page",
    "Reranker",
    "Text",
    "Video",
    "errors",
]

__version__ = "0.1.0"

_HOMES = {
    "anyseek.engine": ("Embedder", "Reranker"),
    "anyseek.items": ("File", "Image", "Item", "Limits", "Page", "Text", "Video"),
    "anyseek.media": ("MediaOptions",),
    "anyseek.search": ("Library",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a public name from the room that owns it."""
    if name == "errors":
        return importlib.import_module("anyseek.errors")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'anyseek' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value  # the next look-up is an ordinary one
    return value


def __dir__() -> list[str]:
    """Public names, loaded or not."""
    return sorted({*globals(), *__all__})
