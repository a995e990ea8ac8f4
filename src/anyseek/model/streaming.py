"""Weights of model folders one tensor at a time: neither reading nor writing holds more, whatever the model's size."""

import json
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from anyseek.errors import CheckpointError, ConfigError
from anyseek.model.checkpoint import INDEX, listing, opened, tensor_files
from anyseek.model.config import ModelConfig

__all__ = ["StoredWeights", "write_like"]

DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
EXTRAS = (".json", ".jinja", ".txt")
"""Endings of what lies beside the weights: config, tokenizer, templates, and what other libraries read."""


class StoredWeights:
    """The weights of a folder by their names, less `model.`.

    Attributes:
        folder: where they lie.
        shapes: name -> shape as stored.
    """

    def __init__(self, folder: Path) -> None:
        """Read the headers.

        Raises:
            CheckpointError: a file is missing or unreadable, or holds other numbers than floats.
        """
        self.folder = folder
        self.config = ModelConfig.from_file(folder / "config.json")
        self._files = tensor_files(folder)
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._dtypes: dict[str, str] = {}
        for path, names in self.shards().items():
            with opened(path) as file:
                missing = {self._files[name][1] for name in names} - set(file.keys())
                if missing:
                    raise CheckpointError(f"{path} lacks what {INDEX} says: {listing('missing', missing)}")
                for name in names:
                    part = file.get_slice(self._files[name][1])
                    self.shapes[name], self._dtypes[name] = tuple(part.get_shape()), part.get_dtype()
        other = {f"{name} is {kind}" for name, kind in self._dtypes.items() if kind not in DTYPES}
        if other:
            raise CheckpointError(f"{folder} holds other weights than floats: {listing('foreign', other)}")

    def read(self, name: str) -> Tensor:
        """One tensor in its own dtype."""
        path, key = self._files[name]
        with opened(path) as file:
            tensor: Tensor = file.get_tensor(key)
            return tensor

    def shards(self) -> dict[Path, list[str]]:
        """File -> names of its tensors."""
        found: dict[Path, list[str]] = {}
        for name, (path, _) in self._files.items():
            found.setdefault(path, []).append(name)
        return found

    def header(self, names: Iterable[str]) -> bytes:
        """How a safetensors file of these tensors begins: the length of a JSON object, and the object."""
        entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
        end = 0
        for name in names:
            kind, shape = self._dtypes[name], self.shapes[name]
            start, end = end, end + prod(shape) * DTYPES[kind].itemsize
            entries[self._files[name][1]] = {"dtype": kind, "shape": shape, "data_offsets": (start, end)}
        text = json.dumps(entries).encode()
        text += b" " * (-len(text) % 8)
        return len(text).to_bytes(8, "little") + text

    def dtype(self, name: str) -> torch.dtype:
        """The dtype of a tensor."""
        return DTYPES[self._dtypes[name]]

    def check_like(self, other: "StoredWeights") -> None:
        """Raise CheckpointError unless the other folder has the same config, names and shapes."""
        if replace(self.config, raw={}) != replace(other.config, raw={}):
            raise CheckpointError(f"{other.folder} has another config.json than {self.folder}; only equal models merge")
        ours, theirs = self.shapes.keys(), other.shapes.keys()
        wrong = {
            f"{name} {other.shapes[name]} instead of {self.shapes[name]}"
            for name in ours & theirs
            if other.shapes[name] != self.shapes[name]
        }
        problems = [
            listing("missing", ours - theirs),
            listing("unexpected", theirs - ours),
            listing("mis-shaped", wrong),
        ]
        if any(problems):
            raise CheckpointError(f"{other.folder} is not like {self.folder}: " + "; ".join(filter(None, problems)))


def write_like(source: StoredWeights, folder: Path, tensor_of: Callable[[str], Tensor]) -> None:
    """Write a folder like another: the same files, names, shapes and dtypes, tokenizer and settings, with other values.

    What loads the one loads the other. The model card is left out: it speaks of the model that it came with.

    Args:
        source: the folder it is like.
        folder: made when missing; weights already in it are replaced, when all the new ones are written.
        tensor_of: a tensor by its name.

    Raises:
        ConfigError: it is the same folder, or one in it.
    """
    if source.folder.resolve() in (folder.resolve(), folder.resolve().parent):
        raise ConfigError(f"{folder} is, or is in, the folder of {source.folder}; name one that stands apart")
    folder.mkdir(parents=True, exist_ok=True)
    written = [_write_shard(source, names, folder / path.name, tensor_of) for path, names in source.shards().items()]
    for old in [*folder.glob("*.safetensors"), folder / INDEX]:
        old.unlink(missing_ok=True)
    for part in written:
        part.rename(part.with_suffix(""))
    for path in [*source.folder.glob("*"), *source.folder.glob("*/*")]:
        own = path.relative_to(source.folder)
        if path.suffix in EXTRAS and path.is_file() and not any(name.startswith(".") for name in own.parts):
            (folder / own).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / own)


def _write_shard(source: StoredWeights, names: list[str], path: Path, tensor_of: Callable[[str], Tensor]) -> Path:
    """One file, under a name that nothing loads yet."""
    part = path.with_name(path.name + ".part")
    names = sorted(names, key=lambda name: -source.dtype(name).itemsize)  # so that each lies at a multiple of its size
    with part.open("wb") as file:
        file.write(source.header(names))
        for name in names:
            tensor = tensor_of(name).to(source.dtype(name)).contiguous()
            assert tuple(tensor.shape) == source.shapes[name], name
            file.write(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return part
