"""Adapters in PEFT's files: `adapter_config.json` and `adapter_model.safetensors`, strictly read and written.

The names of the tensors depend on the class that was wrapped: `base_model.model.model.language_model...` over the whole
model, as ms-swift and vLLM have it, or `base_model.model.language_model...` over the towers alone, as
sentence-transformers has it. Both are read; either can be written.
"""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from anyseek.errors import CheckpointError, ConfigError
from anyseek.model.backbone import Backbone
from anyseek.model.checkpoint import TOWER, listing, opened, own_name
from anyseek.model.lora import LoraLinear, LoraOptions, adaptable, add_lora, lora_layers

__all__ = ["load_adapter", "save_adapter", "with_adapter"]

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX, INNER = "base_model.model.", "model."
SIDES = {".lora_A.weight": "a", ".lora_B.weight": "b"}

READ = {"peft_type", "r", "lora_alpha", "lora_dropout", "use_rslora", "target_modules", "init_lora_weights"}
WHERE = {"exclude_modules", "layers_pattern", "layers_to_transform"}
"""Which layers: the tensors say it too."""
SILENT = {
    "auto_mapping",
    "base_model_name_or_path",
    "inference_mode",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "revision",
    "task_type",
}
"""Settings that change nothing by themselves."""
STARTS = (True, False, None, "gaussian", "orthogonal", "eva")
"""Ways to begin that leave the base weights as they are."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """Where a tensor lies, and its shape."""

    key: str
    shape: tuple[int, ...]


def save_adapter(
    backbone: Backbone,
    folder: Path,
    *,
    published: bool = True,
    base: str | None = None,
    dtype: torch.dtype | None = None,
) -> None:
    """Write the adapter of a model.

    Args:
        backbone: with adapters, not merged.
        folder: made when missing.
        published: names as over `Qwen3VLForConditionalGeneration`; False gives those over the bare towers
            (`AutoModel`, sentence-transformers).
        base: name of the model that it belongs to.
        dtype: of the written tensors; None keeps that in memory.

    Raises:
        ConfigError: there is no adapter.
    """
    layers = dict(lora_layers(backbone))
    if not layers:
        raise ConfigError("this model has no adapter that could be saved; add one with add_lora")
    options = next(iter(layers.values())).options
    tensors = {
        f"{PREFIX}{INNER if published else ''}{name}{end}": getattr(layer, side).detach().to("cpu", dtype).contiguous()
        for name, layer in layers.items()
        for end, side in SIDES.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    config = {
        "base_model_name_or_path": base,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "lora_alpha": int(options.alpha) if options.alpha == int(options.alpha) else options.alpha,
        "lora_dropout": options.dropout,
        "peft_type": "LORA",
        "r": options.rank,
        "target_modules": list(options.targets),
        "task_type": None,
        "use_dora": False,
        "use_rslora": options.rslora,
    }
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def load_adapter(backbone: Backbone, folder: Path) -> list[LoraLinear]:
    """Give a model the adapter of a folder, ready to be merged or to learn on.

    What belongs to the vision tower is left out of a model that was loaded without it.

    Args:
        backbone: is changed.
        folder: with both files.

    Returns:
        The layers that have it now.

    Raises:
        CheckpointError: a file is missing or unreadable, a tensor is missing, unexpected or of another shape, or the
            adapter needs what is not there.
        ConfigError: the model has an adapter already.
    """
    config = _config(folder / CONFIG)
    stored = _stored(folder / WEIGHTS)
    if backbone.visual is None:
        stored = {name: entry for name, entry in stored.items() if not name.startswith(TOWER)}
    _check(backbone, stored, config, folder)
    names = {name.rpartition(".")[0] for name in stored}
    options = LoraOptions(
        rank=config["r"],
        alpha=config["lora_alpha"],
        dropout=config.get("lora_dropout", 0.0),
        rslora=bool(config.get("use_rslora")),
        targets=_targets(names, adaptable(backbone)),
        vision=any(name.startswith(TOWER) for name in names),
    )
    added = add_lora(backbone, options, torch.Generator())
    with opened(folder / WEIGHTS) as file, torch.no_grad():
        for name, layer in lora_layers(backbone):
            for side in SIDES.values():
                getattr(layer, side).copy_(file.get_tensor(stored[f"{name}.{side}"].key))
    return added


def with_adapter(backbone: Backbone, folder: Path) -> Backbone:
    """The same model with the adapter of a folder, computed beside the weights, which both share.

    Args:
        backbone: stays as it is.
        folder: as `load_adapter`.

    Raises:
        CheckpointError, ConfigError: as `load_adapter`.
    """
    shared = {id(weight): weight for weight in (*backbone.parameters(), *backbone.buffers())}
    twin = copy.deepcopy(backbone, shared)  # what the memo holds already is not copied
    load_adapter(twin, folder)
    return twin.requires_grad_(False).eval()


def _config(path: Path) -> dict[str, Any]:
    """The settings, none of which is one that we do not have."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing: is {path.parent} the folder of an adapter?") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is not valid JSON ({error}); get it again") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} must hold an object")
    if config.get("peft_type") != "LORA":
        raise CheckpointError(f"{path}: peft_type is {config.get('peft_type')!r}, but only LORA is known here")
    _check_numbers(config, path)
    foreign = {
        name: value
        for name, value in config.items()
        if name not in READ | WHERE | SILENT and value not in (None, False, "none") and value not in ({}, [], "")
    }
    if config.get("init_lora_weights") not in STARTS:
        foreign["init_lora_weights"] = config["init_lora_weights"]
    if foreign:
        what = ", ".join(f"{name}={value!r}" for name, value in sorted(foreign.items()))
        raise CheckpointError(f"{path} asks for what plain LoRA does not have: {what}; merge it where it was made")
    return config


def _check_numbers(config: Mapping[str, Any], path: Path) -> None:
    """Rank, alpha and dropout must be possible."""
    rank, alpha, dropout = config.get("r"), config.get("lora_alpha"), config.get("lora_dropout", 0)
    if type(rank) is not int or rank < 1:
        raise CheckpointError(f"{path}: r must be a whole number from 1 (got {rank!r})")
    if not isinstance(alpha, int | float) or isinstance(alpha, bool) or alpha < 0:
        raise CheckpointError(f"{path}: lora_alpha must be a number from 0 (got {alpha!r})")
    if not isinstance(dropout, int | float) or not 0 <= dropout < 1:
        raise CheckpointError(f"{path}: lora_dropout must be a number from 0 to below 1 (got {dropout!r})")


def _stored(path: Path) -> dict[str, _Stored]:
    """Layer and side, such as `language_model.layers.0.mlp.up_proj.a` -> the tensor."""
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; other forms of weights than safetensors are not read")
    found, foreign = {}, set()
    with opened(path) as file:
        keys = file.keys()
        for key in keys:
            side = next((end for end in SIDES if key.endswith(end)), None)
            if side is None or not key.startswith(PREFIX):
                foreign.add(key)
                continue
            name = own_name(key.removeprefix(PREFIX).removesuffix(side))
            found[f"{name}.{SIDES[side]}"] = _Stored(key, tuple(file.get_slice(key).get_shape()))
    if foreign:
        raise CheckpointError(f"{path} does not hold plain LoRA: {listing('unexpected', foreign)}")
    if len(found) < len(keys):
        raise CheckpointError(f"{path} holds the same tensor with and without 'model.' in its name; keep one of them")
    return found


def _check(backbone: Backbone, stored: Mapping[str, _Stored], config: Mapping[str, Any], folder: Path) -> None:
    """Names and shapes must be those of the model's layers and of the settings."""
    layers = adaptable(backbone)
    names = {name.rpartition(".")[0] for name in stored}
    rank = config["r"]
    wanted: dict[str, tuple[int, ...]] = {}
    for name in (names | _listed(layers, config)) & layers.keys():
        layer = layers[name]
        wanted |= {f"{name}.a": (rank, layer.in_features), f"{name}.b": (layer.out_features, rank)}
    wrong = {
        f"{name} {stored[name].shape} instead of {wanted[name]}"
        for name in wanted.keys() & stored.keys()
        if stored[name].shape != wanted[name]
    }
    problems = [
        listing("missing", wanted.keys() - stored.keys()),
        listing("unexpected", stored.keys() - wanted.keys()),
        listing("mis-shaped", wrong),
    ]
    if any(problems) or not stored:
        what = "; ".join(filter(None, problems)) or "it holds no tensor for it"
        raise CheckpointError(f"the adapter {folder} does not fit this model: {what}")


def _listed(layers: Mapping[str, Any], config: Mapping[str, Any]) -> set[str]:
    """The layers that the settings name; empty where they only describe them, by a pattern."""
    targets = config.get("target_modules")
    if not isinstance(targets, list) or any(config.get(name) for name in WHERE):
        return set()
    return {name for name in layers if any(f".{INNER}{name}".endswith(f".{target}") for target in targets)}


def _targets(names: set[str], layers: Mapping[str, Any]) -> tuple[str, ...]:
    """The shortest targets that name these layers and no other: last words where that is enough."""
    last = {name.rpartition(".")[2] for name in names}
    others = layers.keys() - names
    return tuple(sorted(names if any(name.rpartition(".")[2] in last for name in others) else last))
