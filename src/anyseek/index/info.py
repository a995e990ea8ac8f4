"""What a library says of itself."""

from collections.abc import Mapping
from dataclasses import dataclass

from anyseek.index.fingerprint import Fingerprint

__all__ = ["Info"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What a library is.

    Attributes:
        folder: where.
        format: version of the tables.
        fingerprint: what its vectors hang on.
        things: how many of each kind; of files that are not finished, or were removed since the last `optimize`, too.
        files: done.
        failed: files that could not be read.
        bytes: on disk.
        recall: how the next search without a filter looks for vectors: `memory`, `exact` or `approximate`.
        exact_below: up to so many things every search is exact, also when a filter leaves so few.
        unindexed: things that the index of vectors does not know yet; they are scanned beside it.
        held_bytes: memory that held vectors take; 0 when none are held.
    """

    folder: str
    format: int
    fingerprint: Fingerprint
    things: Mapping[str, int]
    files: int
    failed: int
    bytes: int
    recall: str
    exact_below: int
    unindexed: int
    held_bytes: int

    @property
    def bytes_per_thing(self) -> float:
        """On disk, indexes, texts and thumbnails included; 0 for an empty library."""
        things = sum(self.things.values())
        return self.bytes / things if things else 0.0
