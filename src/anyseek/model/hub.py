"""The family of released models, and where a model lies on this machine. `download` brings what is not there."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import anyseek
from anyseek.errors import CheckpointError, ConfigError
from anyseek.paths import expanded

__all__ = [
    "FAMILY",
    "OWN_FILE",
    "TINY",
    "Kind",
    "Released",
    "bundled",
    "folder_of",
    "is_complete",
    "keep_own",
    "locate",
    "on_disk",
    "released",
]

Kind = Literal["embedding", "reranking"]
"""What a checkpoint does: make a vector, or score a pair."""

TINY = {"embedding": "anyseek-tiny-embedding", "reranking": "anyseek-tiny-reranker"}
"""Folder names of the bundled pair."""

OWN_FILE = "anyseek.json"
"""What only this project keeps beside a checkpoint: its limits, how its score is fused, learned quantisation steps."""
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """One released checkpoint.

    Attributes:
        name: short name of the size, the same for both kinds.
        kind: embedding or reranking.
        hub_id: name on Hugging Face and on ModelScope.
        parameters: number of weights.
        dim: width of the vectors; None for a reranking model.
        licence: SPDX name.
    """

    name: str
    kind: Kind
    hub_id: str
    parameters: int
    dim: int | None = None
    licence: str = "Apache-2.0"

    def weight_bytes(self, bytes_per_weight: int = 2) -> int:
        """Bytes of the weights alone: 2 per weight in bfloat16 (as published), 4 in float32."""
        return self.parameters * bytes_per_weight


FAMILY = (
    Released(name="2b", kind="embedding", hub_id="Qwen/Qwen3-VL-Embedding-2B", parameters=2_127_532_032, dim=2048),
    Released(name="2b", kind="reranking", hub_id="Qwen/Qwen3-VL-Reranker-2B", parameters=2_127_532_032),
    Released(name="8b", kind="embedding", hub_id="Qwen/Qwen3-VL-Embedding-8B", parameters=8_144_793_840, dim=4096),
    Released(name="8b", kind="reranking", hub_id="Qwen/Qwen3-VL-Reranker-8B", parameters=8_767_123_696),
)
"""The released checkpoints."""


def keep_own(folder: Path, name: str, value: Any) -> None:
    """Put a value into a folder's `OWN_FILE`, with whatever else that holds."""
    path = folder / OWN_FILE
    held = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps(held | {name: value}, indent=2) + "\n", encoding="utf-8")


def released(name: str, kind: Kind) -> Released | None:
    """The family member of a short name or hub id, or None for a name outside the family.

    Raises:
        ConfigError: the hub id belongs to the other kind.
    """
    for model in FAMILY:
        if name.lower() == model.name and kind == model.kind:
            return model
        if name.lower() == model.hub_id.lower():
            if kind != model.kind:
                raise ConfigError(f"{model.hub_id} is made for {model.kind}, but a model for {kind} is needed here")
            return model
    return None


def bundled(name: str, folder: str = "models") -> Path:
    """Where a folder that comes with the project lies: inside an installed package, or beside `src` in a clone.

    Args:
        name: a folder such as `anyseek-tiny-embedding`, or `.` for the whole of `folder`.
        folder: `models` or `samples`.

    Raises:
        CheckpointError: it is in neither place.
    """
    package = Path(anyseek.__file__).resolve().parent
    places = [root / folder / name for root in (package / "bundled", package.parent.parent)]
    for place in places:
        if place.is_dir():
            return place
    looked = " nor ".join(str(place) for place in places)
    raise CheckpointError(f"{Path(folder, name)} does not come with this installation (neither {looked} is there)")


def folder_of(hub_id: str, root: Path | None = None) -> Path:
    """Our own folder for a model that was not put into Hugging Face's cache.

    Args:
        hub_id: `owner/name`.
        root: folder of all models; None takes `~/.cache/anyseek/models`.
    """
    return (root or Path.home() / ".cache" / "anyseek" / "models").joinpath(*hub_id.split("/"))


def is_complete(folder: Path) -> bool:
    """True when a folder has config, tokenizer and every weight file that its index names."""
    if not all((folder / name).is_file() for name in ("config.json", "tokenizer.json")):
        return False
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError):
            return False
        return all((folder / shard).is_file() for shard in shards)
    return any(folder.glob("*.safetensors"))


def on_disk(hub_id: str, *, cache: Path | None = None, root: Path | None = None) -> Path | None:
    """The complete copy of a hub model on this machine, or None.

    Args:
        hub_id: `owner/name`.
        cache: Hugging Face's cache; None takes that library's own.
        root: our own folder of models, as in `folder_of`.
    """
    own = folder_of(hub_id, root)
    if is_complete(own):
        return own
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(hub_id, "config.json", cache_dir=cache)
    except HFValidationError:  # stricter than ours about dots and dashes: such a name is not in its cache
        return None
    if isinstance(found, str) and is_complete(Path(found).parent):
        return Path(found).parent
    return None


def locate(name: str | Path, kind: Kind, *, cache: Path | None = None, root: Path | None = None) -> Path:
    """The folder of a model.

    Args:
        name: `tiny` (bundled), a short name (`2b`, `8b`), a folder, or a hub id.
        kind: which of a pair is wanted.
        cache: Hugging Face's cache, as in `on_disk`.
        root: our own folder of models, as in `folder_of`.

    Raises:
        CheckpointError: it is not on this machine; says how to get it.
        ConfigError: the name belongs to a model of the other kind.
    """
    text = str(name)
    if text == "tiny":
        try:
            return bundled(TINY[kind])
        except CheckpointError as error:
            raise CheckpointError(f"{error}; get a released model with: anyseek models get 2b") from error
    model = released(text, kind) if isinstance(name, str) else None
    if (folder := expanded(name)).is_dir() and not (model and text.lower() == model.name):
        return folder
    if model is None and not (isinstance(name, str) and HUB_ID.match(text)):
        short = ", ".join(sorted({m.name for m in FAMILY}))
        raise CheckpointError(f"no model folder {text!r}; give a folder, tiny, {short}, or a hub name like Qwen/...")
    hub_id = model.hub_id if model else text
    found = on_disk(hub_id, cache=cache, root=root)
    if found is None:
        wanted = model.name if model else text
        raise CheckpointError(f"{hub_id} is not on this machine; get it with: anyseek models get {wanted}")
    return found
