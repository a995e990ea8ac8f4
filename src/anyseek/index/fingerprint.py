"""What the vectors of a library hang on: with another of these they mean something else."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from anyseek.errors import CheckpointError, ConfigError
from anyseek.paths import expanded

__all__ = ["PRECISIONS", "Fingerprint", "Precision", "weights_sample"]

Precision = Literal["float32", "float16", "int8", "binary"]
PRECISIONS: tuple[str, ...] = get_args(Precision)

NUMBERS = 16
"""Numbers of each tensor that go into the sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """Everything that vectors hang on.

    Attributes:
        weights: sample of the model's weights, see `weights_sample`; it does not know the folder's name.
        template: hash of the template that inputs are laid out with.
        instruction: that documents are encoded with.
        width: numbers of a vector.
        precision: how they are kept: float32, float16, int8 (whole numbers, each vector on its own scale, found by
            their signs and rescored) or binary (signs alone).
        policy: whatever else changes vectors, by its name: pixels, frames, length of passages. JSON values.
        model: how the model was called; said to people, never compared.
    """

    weights: str
    template: str
    instruction: str
    width: int
    precision: Precision = "float16"
    policy: Mapping[str, Any] = field(default_factory=dict)
    model: str = ""

    def __post_init__(self) -> None:
        """Raise ConfigError for a width or precision that there is not."""
        if self.width < 1:
            raise ConfigError(f"width must be at least 1 (got {self.width})")
        if self.precision not in PRECISIONS:
            raise ConfigError(f"precision must be one of {', '.join(PRECISIONS)} (got {self.precision!r})")

    @property
    def cosines(self) -> str:
        """What the cosines of its vectors hang on: equal ones mean the same."""
        return f"{self.weights} {self.width} {'signs' if self.precision == 'binary' else 'numbers'}"

    def differences(self, other: "Fingerprint") -> list[str]:
        """What makes vectors of the one useless to the other: a sentence for each; none when they fit together.

        Args:
            other: what is asked for; self is what is stored.
        """
        return list(self._differences(other))

    def _differences(self, other: "Fingerprint") -> Iterator[str]:
        """One by one."""
        if self.weights != other.weights:
            yield f"the library is of {_model(self)}, asked is {_model(other)}: the weights differ"
        if self.template != other.template:
            yield f"the template differs: {self.template} in the library, {other.template} asked"
        for name in ("instruction", "width", "precision"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                yield f"{name} is {mine!r} in the library, {theirs!r} asked"
        ours, wanted = (json.loads(print_.to_json())["policy"] for print_ in (self, other))
        for name in sorted({*ours, *wanted}):
            if ours.get(name) != wanted.get(name):
                yield f"{name} is {ours.get(name)!r} in the library, {wanted.get(name)!r} asked"

    def to_json(self) -> str:
        """As text."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Fingerprint":
        """Read it back.

        Raises:
            ValueError: it is not what `to_json` writes.
        """
        known = json.loads(text)
        if not isinstance(known, dict) or not {entry.name for entry in fields(cls)} <= known.keys():
            raise ValueError("not a fingerprint")
        return cls(**{entry.name: known[entry.name] for entry in fields(cls)})


def _model(print_: Fingerprint) -> str:
    """A model for people."""
    return f"{print_.model or 'a model'} ({print_.weights[:8]})"


def weights_sample(folder: Path, adapter: Path | None = None) -> str:
    """32 hexadecimal digits of a model folder: names, types and shapes of all tensors, and a few numbers of each.

    It stays when the folder is renamed or its tensors are laid into other files, and changes with any training.

    Args:
        folder: of the model.
        adapter: folder of what was merged into its weights; all of its two files counts.

    Raises:
        CheckpointError: the weights, or the adapter's files, cannot be read.
    """
    import torch

    from anyseek.model.adapter import CONFIG, WEIGHTS
    from anyseek.model.checkpoint import opened, tensor_files

    digest = hashlib.blake2b(digest_size=16)
    for name, (path, key) in sorted(tensor_files(folder).items()):
        with opened(path) as file:
            part = file.get_slice(key)
            shape = tuple(part.get_shape())
            digest.update(f"{name} {part.get_dtype()} {shape}".encode())
            if 0 in shape:
                continue
            rows = part[shape[0] // 2 : shape[0] // 2 + 1] if shape else file.get_tensor(key)
            numbers = rows.reshape(-1)
            picked = numbers[:: max(1, len(numbers) // NUMBERS)][:NUMBERS].contiguous()
            digest.update(picked.view(torch.uint8).numpy().tobytes())
    if adapter is not None:
        for name in (CONFIG, WEIGHTS):
            try:
                with (expanded(adapter) / name).open("rb") as file:
                    digest.update(hashlib.file_digest(file, "blake2b").digest())
            except OSError as error:
                raise CheckpointError(f"cannot read {name} of the adapter {adapter}: {error.strerror}") from error
    return digest.hexdigest()
