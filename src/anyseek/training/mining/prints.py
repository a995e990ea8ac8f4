"""What rows, media and models are known by: results that hang on them are kept under it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from anyseek.errors import CheckpointError, InputError
from anyseek.model.adapter import CONFIG, WEIGHTS
from anyseek.training.data import Dataset
from anyseek.training.data.dataset import Side
from anyseek.training.data.rows import digest_of, media_of, row_of
from anyseek.training.data.store import file_hash
from anyseek.training.mining.reading import read_item

__all__ = ["Contents", "Known", "adapter_print", "model_print", "rows_print"]

WHOLE = 1 << 20
"""Bytes of a file of a model that is hashed; larger ones are known by size and time."""

Model = TypeVar("Model")


@dataclass(frozen=True, slots=True)
class Known(Generic[Model]):
    """A model and what it is known by.

    Attributes:
        model: an Embedder or a Reranker.
        identity: all that its results hang on beside the input, such as `model_print` of its folder and how it is run;
            what was kept under another identity is not used.
    """

    model: Model
    identity: Mapping[str, Any]


def model_print(folder: Path) -> str:
    """What the files of a model are known by: small ones by content, large ones by size and time."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        small = path.stat().st_size <= WHOLE
        digest.update(f"{path.name}\0{_content(path) if small else _state(path)}\0".encode())
    return digest.hexdigest()


def adapter_print(folder: Path) -> str:
    """What an adapter is known by: both of its files, which unlike a model are small enough to be read.

    Raises:
        CheckpointError: one of them is missing.
    """
    digest = hashlib.blake2b(digest_size=8)
    for name in (CONFIG, WEIGHTS):
        try:
            with (folder / name).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except FileNotFoundError:
            raise CheckpointError(f"{folder / name} is missing: is {folder} the folder of an adapter?") from None
    return digest.hexdigest()


def rows_print(data: Dataset, side: Side) -> str:
    """What the rows of a side and their media are known by; media by size and time."""
    digest = hashlib.blake2b((data.instruction or "").encode() if side == "queries" else b"", digest_size=8)
    for number, row in enumerate(data.table(side)):
        item = read_item(data, side, number, row)
        paths = [] if isinstance(item, InputError) else [path for path, _ in media_of(item)]
        said = json.dumps([row, [_state(path) for path in paths]], sort_keys=True, default=str)
        digest.update(said.encode())
    return digest.hexdigest()


def _content(path: Path) -> str:
    """The content of a small file."""
    return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()


def _state(path: Path) -> tuple[int, int] | None:
    """Size and time of a file, or None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


class Contents:
    """What documents are, apart from their ids; each is looked at once.

    Args:
        data: whose documents.
    """

    def __init__(self, data: Dataset) -> None:
        self.data = data
        self._known: dict[str, bytes] = {}

    def of(self, document: str) -> bytes:
        """16 bytes that are equal for equal contents.

        Raises:
            InputError: there is no such document, or it cannot be read.
        """
        if document not in self._known:
            row = row_of(self.data.document(document), lambda source, _: file_hash(Path(source)))
            self._known[document] = digest_of(row)
        return self._known[document]
