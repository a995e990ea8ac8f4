"""Checkpoints in the published layout: strict, memory-mapped reading and sharded writing.

Both key spellings are read (`model.visual...` as published, `visual...` as sentence-transformers saves a bare model);
the first one is written. Tensors go straight into the wanted dtype and device a piece at a time, so that loading needs
little more memory than the weights themselves.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from anyseek.errors import CheckpointError
from anyseek.model.backbone import Backbone
from anyseek.model.config import ModelConfig
from anyseek.model.lora import lora_layers
from anyseek.ops import quantized

__all__ = [
    "INDEX",
    "listing",
    "load_backbone",
    "load_head",
    "load_score_row",
    "opened",
    "own_name",
    "save_checkpoint",
    "tensor_files",
]

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
HEAD = "lm_head.weight"
TOWER = "visual."
FULL = "patch_embed.proj"
"""The linear layer that stays as it is: it takes pixels."""
PIECE_BYTES = 32 * 2**20
SHARD_BYTES = 16 * 10**6


def load_backbone(
    folder: Path, *, dtype: torch.dtype, device: torch.device | str, vision: bool = True, weights: str = "full"
) -> Backbone:
    """Load both towers, or the text tower alone.

    Args:
        folder: model folder with `config.json` and one or several `*.safetensors`.
        dtype: of the weights in memory.
        device: where they go.
        vision: whether the vision tower is wanted; a fifth of the memory of 2B is spared without.
        weights: one of `ops.WEIGHTS`; each layer is rounded as soon as it is read.

    Raises:
        CheckpointError: a tensor is missing, unexpected or of another shape, or a file is unreadable.
        ConfigError: `weights` is unknown or not for this device.
    """
    config = ModelConfig.from_file(folder / "config.json")
    with torch.device("meta"):
        backbone = Backbone(config, vision=vision)
    files = {name: file for name, file in tensor_files(folder).items() if vision or not name.startswith(TOWER)}
    _check(backbone, files, folder)
    for prefix, module in list(backbone.named_modules()):
        for leaf, parameter in list(module.named_parameters(recurse=False)):
            target = torch.empty(parameter.shape, dtype=dtype, device=device)
            _read_into(target, *files[f"{prefix}.{leaf}"])
            setattr(module, leaf, nn.Parameter(target, requires_grad=False))
        if isinstance(module, nn.Linear) and not prefix.endswith(FULL):
            backbone.set_submodule(prefix, quantized(module, weights))
    backbone.language_model.lay_side_by_side()
    return backbone.eval()


def load_score_row(folder: Path, yes: int, no: int) -> Tensor:
    """`(hidden,)` fp32: the output head's row of "yes" less that of "no" (SPEC 1)."""
    config = ModelConfig.from_file(folder / "config.json")
    files = tensor_files(folder)
    tied = config.tie_word_embeddings
    name = "language_model.embed_tokens.weight" if tied else HEAD
    if name not in files:
        raise CheckpointError(f"{folder} has no {name}, which the yes/no score needs")
    path, key = files[name]
    with opened(path) as file:
        rows = file.get_slice(key)
        if max(yes, no) >= rows.get_shape()[0]:
            raise CheckpointError(f"{path}: {key} has {rows.get_shape()[0]} rows, but the tokens are {yes} and {no}")
        row: Tensor = rows[yes : yes + 1].float()[0] - rows[no : no + 1].float()[0]
        return row


def load_head(folder: Path) -> Tensor | None:
    """The stored output head `(vocab, hidden)` in its own dtype; None for a tied model, or one saved without it."""
    if ModelConfig.from_file(folder / "config.json").tie_word_embeddings:
        return None
    files = tensor_files(folder)
    if HEAD not in files:
        return None
    path, key = files[HEAD]
    with opened(path) as file:
        head: Tensor = file.get_tensor(key)
        return head.clone()  # not the mapped file: it may be about to be overwritten


def save_checkpoint(
    backbone: Backbone, folder: Path, *, dtype: torch.dtype, head: Tensor | None = None, shard_bytes: int = SHARD_BYTES
) -> None:
    """Write weights and `config.json` as `Qwen3VLForConditionalGeneration`, which transformers and vLLM load.

    Args:
        backbone: the towers.
        folder: made when missing; older weight files in it are removed.
        dtype: of the written weights.
        head: `(vocab, hidden)` output head of an untied model; None for a tied one, or an embedding model without.
        shard_bytes: most bytes of one file.
    """
    if backbone.visual is None:
        raise CheckpointError("a model that was loaded without its vision tower cannot be saved; load it whole")
    if any(True for _ in backbone.buffers()):
        raise CheckpointError(
            "a model that was loaded with rounded weights cannot be saved; load it with weights='full'"
        )
    if any(True for _ in lora_layers(backbone)):
        raise CheckpointError(
            "a model with an adapter is saved after merge_lora; save_adapter writes the adapter alone"
        )
    if head is not None and backbone.config.tie_word_embeddings:
        raise CheckpointError("a tied model is saved without an output head: its embedding is the head")
    folder.mkdir(parents=True, exist_ok=True)
    for old in [*folder.glob("*.safetensors"), folder / INDEX]:
        old.unlink(missing_ok=True)
    tensors = {f"model.{name}": _published(backbone, name, p) for name, p in backbone.state_dict().items()}
    if head is not None:
        tensors[HEAD] = head
    tensors = {name: tensor.to("cpu", dtype).contiguous() for name, tensor in tensors.items()}
    _write_shards(tensors, folder, shard_bytes)
    raw = dict(backbone.config.raw) | {
        "architectures": ["Qwen3VLForConditionalGeneration"],
        "is_matryoshka": True,
        "torch_dtype": str(dtype).removeprefix("torch."),
    }
    (folder / "config.json").write_text(json.dumps(raw, indent=2) + "\n", encoding="utf-8")


def _published(backbone: Backbone, name: str, tensor: Tensor) -> Tensor:
    """The patch projection is stored as the convolution it stands for."""
    if name != "visual.patch_embed.proj.weight":
        return tensor
    vision = backbone.config.vision
    kernel = (vision.in_channels, vision.temporal_patch_size, vision.patch_size, vision.patch_size)
    return tensor.view(-1, *kernel)


def _write_shards(tensors: Mapping[str, Tensor], folder: Path, shard_bytes: int) -> None:
    """One file when all fits, else numbered shards and an index."""
    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        if shards[-1] and size + tensor.nbytes > shard_bytes:
            shards.append({})
            size = 0
        shards[-1][name] = tensor
        size += tensor.nbytes
    if len(shards) == 1:
        save_file(shards[0], folder / SINGLE, metadata={"format": "pt"})
        return
    index: dict[str, str] = {}
    for number, shard in enumerate(shards, 1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        save_file(shard, folder / file, metadata={"format": "pt"})
        index |= dict.fromkeys(shard, file)
    total = sum(tensor.nbytes for tensor in tensors.values())
    content = {"metadata": {"total_size": total}, "weight_map": index}
    (folder / INDEX).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def tensor_files(folder: Path) -> dict[str, tuple[Path, str]]:
    """Our name of each tensor -> (file, name in the file)."""
    index, single = folder / INDEX, folder / SINGLE
    if index.exists():
        listed = _weight_map(index)
    elif single.exists():
        with opened(single) as file:
            listed = dict.fromkeys(file.keys(), SINGLE)
    else:
        raise CheckpointError(f"{folder} has neither {SINGLE} nor {INDEX}")
    files = {own_name(key): (folder / name, key) for key, name in listed.items()}
    if len(files) < len(listed):
        raise CheckpointError(f"{folder} holds the same tensor with and without 'model.' in its name; keep one of them")
    return files


def _weight_map(index: Path) -> dict[str, str]:
    """Tensor -> file of a sharded checkpoint; every file beside its index."""
    try:
        listed = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        found = {str(key): str(name) for key, name in listed.items()}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{index} is no index of weights ({error!r}); download it again") from error
    for name in found.values():
        if Path(name).name != name:
            raise CheckpointError(f"{index} names {name!r}, which is not a file beside it")
    return found


def own_name(key: str) -> str:
    """A published name as ours."""
    return key.removeprefix("model.")


def opened(path: Path) -> safe_open:
    """A safetensors file, memory-mapped."""
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); download it again") from error


def _check(backbone: Backbone, files: Mapping[str, tuple[Path, str]], folder: Path) -> None:
    """Names and shapes must be exactly the config's."""
    wanted = {name: tuple(p.shape) for name, p in backbone.named_parameters()}
    problems = [
        listing("missing", wanted.keys() - files.keys()),
        listing("unexpected", files.keys() - wanted.keys() - {HEAD}),
        listing("mis-shaped", (w for w in _misshapen(wanted, files))),
    ]
    if any(problems):
        raise CheckpointError(f"{folder} does not fit its config.json: " + "; ".join(filter(None, problems)))


def listing(kind: str, names: Iterator[str] | set[str]) -> str:
    """The first few names of a problem, and how many there are."""
    found = sorted(names)
    return f"{len(found)} {kind} ({', '.join(found[:3])}{', ...' if len(found) > 3 else ''})" if found else ""


def _misshapen(wanted: Mapping[str, tuple[int, ...]], files: Mapping[str, tuple[Path, str]]) -> Iterator[str]:
    """Names whose stored shape differs; the patch projection may be stored as a convolution."""
    by_file: dict[Path, list[str]] = {}
    for name in wanted.keys() & files.keys():
        by_file.setdefault(files[name][0], []).append(name)
    for path, names in by_file.items():
        with opened(path) as file:
            stored = set(file.keys())
            for name in names:
                key = files[name][1]
                if key not in stored:
                    yield f"{name} not in {path.name}"
                    continue
                shape = tuple(file.get_slice(key).get_shape())
                if shape != wanted[name] and not _is_convolution(name, shape, wanted[name]):
                    yield f"{name} {shape} instead of {wanted[name]}"


def _is_convolution(name: str, shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """True for the patch projection stored with its kernel's five axes."""
    return name.endswith("patch_embed.proj.weight") and (shape[0], torch.Size(shape[1:]).numel()) == wanted


def _read_into(target: Tensor, path: Path, key: str) -> None:
    """Copy one stored tensor, a piece at a time: mapped pages count as memory until their file is closed."""
    flat = target.view(target.shape[0], -1)
    rows = max(1, PIECE_BYTES // max(1, flat[0].nbytes))
    for start in range(0, flat.shape[0], rows):
        with opened(path) as file:
            piece = file.get_slice(key)[start : start + rows]
            flat[start : start + rows].copy_(piece.reshape(piece.shape[0], -1))
            del piece
