"""Libraries to test with, and a plain model of what they should hold."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anyseek.index import Filter, Fingerprint, Kind, Store, StoredFile, Thing
from anyseek.vectors import normalize

WIDTH = 16
KINDS: tuple[Kind, ...] = ("image", "page", "text", "video")


def print_(**changes: Any) -> Fingerprint:
    """A fingerprint, with changes."""
    known: dict[str, Any] = {"weights": "w" * 32, "template": "t", "instruction": "i", "width": WIDTH}
    return Fingerprint(**known | changes)


def things_of(hash: str, count: int, kind: Kind = "page", text: str | None = None) -> list[Thing]:
    """The things of a content."""
    return [
        Thing(hash=hash, part=part, kind=kind, page=part + 1 if kind == "page" else None, text=text)
        for part in range(count)
    ]


def file_of(path: str, hash: str | None, **changes: Any) -> StoredFile:
    """The row of a file; failed without a hash."""
    known: dict[str, Any] = {"root": "/root", "size": 10, "mtime": 100, "state": "done" if hash else "failed"}
    return StoredFile(path=path, hash=hash, **known | changes)


def clustered(count: int, width: int, seed: int, clusters: int = 20) -> np.ndarray:
    """`(count, width)` of length 1, in clusters."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((clusters, width))
    return normalize(centres[random.integers(clusters, size=count)] + 0.7 * random.standard_normal((count, width)))


def filled(folder: Path, vectors: np.ndarray, per_file: int = 4, **changes: Any) -> Store:
    """A library of vectors, some of them in each file; the kinds of files go round."""
    store = Store.create(folder, print_(width=vectors.shape[1], **changes))
    with store.write() as writer:
        for number, start in enumerate(range(0, len(vectors), per_file)):
            part = vectors[start : start + per_file]
            writer.put(things_of(f"h{number}", len(part), KINDS[number % 4], f"word{number}"), part)
            writer.put_files([file_of(f"{number % 10}/{number}.x", f"h{number}", mtime=number)])
    return store


def ids(found: Iterable[Any]) -> list[str]:
    """Ids of candidates."""
    return [one.id for one in found]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """One file that is done, one whose row is still missing; vectors are those of a unit matrix."""
    store = Store.create(tmp_path / "library", print_())
    with store.write() as writer:
        writer.put(things_of("one", 2, text="page 天気"), np.eye(WIDTH)[:2])
        writer.put_files([file_of("a/it's 100%\\ü.pdf", "one")])
        writer.put(things_of("two", 2, text="page 天気"), np.eye(WIDTH)[2:4])
    return store


QUERY = np.linspace(1, 0.1, WIDTH)
ANY = Filter()
