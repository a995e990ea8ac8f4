"""anyseek finds anything with anything: text, images, document pages and video in one vector space, and a reranker.

Public names are loaded on first use, so that `import anyseek` costs next to nothing and loads no torch.
"""

from typing import TYPE_CHECKING

from anyseek import errors
from anyseek.lazy import loader

if TYPE_CHECKING:
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
__getattr__ = loader(__name__, _HOMES)


def __dir__() -> list[str]:
    """Public names, loaded or not."""
    return sorted({*globals(), *__all__})
