"""Vectors of a table on disk in shards, made once: what is there already is not made again."""

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from anyseek.engine import Embedder
from anyseek.errors import InputError
from anyseek.training.data import Dataset
from anyseek.training.data.dataset import Side
from anyseek.training.mining.prints import rows_print
from anyseek.training.mining.reading import read_item, unplaced

__all__ = ["QUERIES", "ROWS", "Shelf", "Shelves", "Vectors", "encode_table"]

ROWS = 256
"""Items of a shard: what an interruption loses at most."""
QUERIES = 32
"""Queries of a shard of pairs, likewise; their pairs are one call, so that beginnings are shared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A folder of shards that hang on the same things.

    Attributes:
        work: folder of all shelves.
        what: is kept: `corpus`, `queries` or `pairs`.
        about: everything it hangs on; a shelf for other things is another folder.
    """

    work: Path
    what: str
    about: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of all it hangs on."""
        said = json.dumps(self.about, sort_keys=True, default=str)
        return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()

    @property
    def folder(self) -> Path:
        """Where the shards lie."""
        return self.work / f"{self.what}-{self.fingerprint}"

    def path(self, shard: int, suffix: str) -> Path:
        """The file of a shard."""
        return self.folder / f"{shard:06d}{suffix}"

    def shards(self) -> int:
        """How many are there; errors of vectors lie beside them."""
        suffix = ".json" if self.what == "pairs" else ".npy"
        return sum(1 for path in self.folder.glob(f"*{suffix}") if path.stem.isdigit())

    def there(self, items: int) -> int:
        """How many items of all are there."""
        return min(items, self.shards() * (QUERIES if self.what == "pairs" else ROWS))

    def news(self) -> str:
        """A line on what will be used: what is there, or what differs from what is there."""
        if self.folder.is_dir():
            return f"{self.what}: goes on with what is in {self.folder}"
        for other in sorted(self.work.glob(f"{self.what}-*/about.json")):
            known = json.loads(other.read_text(encoding="utf-8"))
            mine = json.loads(json.dumps(self.about, default=str))
            changed = sorted(key for key in {*known, *mine} if known.get(key) != mine.get(key))
            return f"{self.what}: begins anew, since {', '.join(changed)} changed since {other.parent.name}"
        return f"{self.what}: begins in {self.folder}"

    def begin(self) -> None:
        """Make the folder.

        Raises:
            InputError: it cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot write to {self.work} ({error.strerror}); name another folder for work") from error
        text = json.dumps(self.about, ensure_ascii=False, indent=2, default=str)
        self.write(self.folder / "about.json", text.encode())

    @staticmethod
    def write(path: Path, content: bytes) -> None:
        """Write a file whole or not at all."""
        draft = path.with_suffix(".unfinished")
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelves:
    """The shelves of a dataset.

    Attributes:
        work: folder of all of them.
        queries: what its queries are known by.
        corpus: likewise.
    """

    work: Path
    queries: str
    corpus: str

    @classmethod
    def of(cls, data: Dataset, work: Path) -> "Shelves":
        """Reads every row."""
        return cls(work=work, queries=rows_print(data, "queries"), corpus=rows_print(data, "corpus"))

    def vectors(self, side: Side, identity: Mapping[str, Any]) -> Shelf:
        """Of vectors of a side.

        Args:
            side: which.
            identity: everything else that the vectors hang on.
        """
        rows = self.queries if side == "queries" else self.corpus
        return Shelf(work=self.work, what=side, about={"rows": rows, **identity})

    def pairs(self, identity: Mapping[str, Any]) -> Shelf:
        """Of log-odds of pairs; `identity` as in `vectors`."""
        about = {"rows of queries": self.queries, "rows of corpus": self.corpus, **identity}
        return Shelf(work=self.work, what="pairs", about=about)


class Vectors:
    """Vectors of a table, by number of the row; NaN where an item is bad.

    Args:
        shelf: every shard is there.
        rows: of the table.
    """

    def __init__(self, shelf: Shelf, rows: int) -> None:
        self.shelf, self.rows = shelf, rows

    def __len__(self) -> int:
        """How many."""
        return self.rows

    def blocks(self, size: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """All in order: the number of the first, and `(up to size, dim)`."""
        step = max(1, size // ROWS)
        shards = -(-self.rows // ROWS)
        for first in range(0, shards, step):
            read = [self._shard(shard) for shard in range(first, min(shards, first + step))]
            yield first * ROWS, np.concatenate(read)

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Some by number, `(rows, dim)`."""
        taken: list[NDArray[np.float32]] = []
        wanted, place = np.unique(rows, return_inverse=True)
        for shard in np.unique(wanted // ROWS):
            inside = wanted[wanted // ROWS == shard] - shard * ROWS
            taken.append(self._shard(int(shard))[inside])
        return np.concatenate(taken)[place]

    def errors(self) -> dict[int, str]:
        """What was wrong with bad items, by number."""
        found: dict[int, str] = {}
        for path in sorted(self.shelf.folder.glob("*.json")):
            if path.stem.isdigit():
                found |= {int(row): text for row, text in json.loads(path.read_text(encoding="utf-8")).items()}
        return found

    def _shard(self, shard: int) -> NDArray[np.float32]:
        """One shard, read as it is used."""
        read: NDArray[np.float32] = np.load(self.shelf.path(shard, ".npy"), mmap_mode="r", allow_pickle=False)
        return read


def encode_table(embedder: Embedder, data: Dataset, side: Side, shelf: Shelf, show: bool = False) -> Vectors:
    """Encode a table shard by shard; a shard that is there is not made again.

    Args:
        embedder: makes the vectors.
        data: whose table.
        side: which; queries with their instruction.
        shelf: where the shards go.
        show: a progress bar on stderr.
    """
    shelf.begin()
    table = data.table(side)
    encode = embedder.encode_query if side == "queries" else embedder.encode_document
    done = shelf.there(len(table))
    with tqdm(total=len(table), initial=done, desc=side, unit="item", disable=not show) as bar:
        rows = iter(enumerate(table))
        for shard in range(-(-len(table) // ROWS)):
            chunk = list(islice(rows, ROWS))
            if shelf.path(shard, ".npy").is_file():
                continue
            items = [read_item(data, side, number, row) for number, row in chunk]
            vectors, errors = _encoded(encode, items)
            _write(shelf, shard, vectors, {chunk[place][0]: text for place, text in errors.items()})
            bar.update(len(chunk))
    return Vectors(shelf, len(table))


def _encoded(encode: Callable[..., Any], items: list[Any]) -> tuple[NDArray[np.float32], dict[int, str]]:
    """`(items, dim)`, NaN where an item is bad, and what is wrong with those."""
    good = [place for place, item in enumerate(items) if not isinstance(item, InputError)]
    found = encode([items[place] for place in good], on_error="collect")
    vectors = np.full((len(items), found.vectors.shape[1]), np.nan, np.float32)
    vectors[good] = found.vectors
    errors = {place: str(item) for place, item in enumerate(items) if isinstance(item, InputError)}
    return vectors, errors | {good[place]: unplaced(error) for place, error in found.errors.items()}


def _write(shelf: Shelf, shard: int, vectors: NDArray[np.float32], errors: Mapping[int, str]) -> None:
    """Errors first: where the vectors are, the shard is whole."""
    if errors:
        shelf.write(shelf.path(shard, ".json"), json.dumps(errors, ensure_ascii=False).encode())
    else:
        shelf.path(shard, ".json").unlink(missing_ok=True)
    content = io.BytesIO()
    np.save(content, vectors, allow_pickle=False)
    shelf.write(shelf.path(shard, ".npy"), content.getvalue())
