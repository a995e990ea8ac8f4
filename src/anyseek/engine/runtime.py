"""Where and in what precision a checkpoint runs, and how its folder becomes a model and a processor."""

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from anyseek.engine.features import CacheOptions
from anyseek.errors import CheckpointError, ConfigError
from anyseek.items import Limits
from anyseek.media import MediaOptions
from anyseek.model import Backbone, load_adapter, load_backbone, merge_lora, with_adapter
from anyseek.model.hub import OWN_FILE
from anyseek.ops import resolve_backend, resolve_kernels, use_kernels
from anyseek.paths import expanded
from anyseek.processing import Processor, ProcessorOptions, Tokenizer

__all__ = [
    "LoadOptions",
    "beside",
    "default_workers",
    "learned_steps",
    "load_processor",
    "load_runtime",
    "own_limits",
    "resolve_device",
    "resolve_devices",
    "resolve_dtype",
]

log = logging.getLogger("anyseek")

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """How a checkpoint is run.

    Attributes:
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`; several with commas, such as `cuda:0,cuda:1`, or `all` for every
            CUDA device, hold a copy of the model each and share the work of a call.
        dtype: `auto`, `float32`, `bfloat16`, `float16`.
        attention: backend, one of `ops.BACKENDS`.
        kernels: what stands between the matrix products, one of `ops.KERNELS`: `eager` as single operations,
            `compiled` each fused by `torch.compile`.
        limits: for every item; gaps are filled by the checkpoint's `anyseek.json`, then by the reference's rules.
        media: which sources are read, and how large they may be.
        parse_special: whether special tokens written in user text count as such (the reference's way).
        shrink: lower resolution rather than raise when vision is over the token limit.
        weights: `full`, `int8` or `fp8`: how linear layers are kept (see `ops.WEIGHTS`); rounding changes results a
            little, and `python -m benchmarks.precision` says how much.
        vision: whether the vision tower is loaded; without it pictures, pages and videos are refused, and text needs
            less memory.
        adapter: folder of a LoRA adapter in PEFT's files, which is merged into the weights.
        caches: what is kept from batch to batch and call to call.
        workers: threads that open and decode; None takes one per core, at most 16.
    """

    device: str = "auto"
    dtype: str = "auto"
    attention: str = "auto"
    weights: str = "full"
    kernels: str = "auto"
    limits: Limits = Limits()
    media: MediaOptions = MediaOptions()
    parse_special: bool = True
    shrink: bool = True
    vision: bool = True
    adapter: Path | None = None
    caches: CacheOptions = CacheOptions()
    workers: int | None = None

    def __post_init__(self) -> None:
        """Raise ConfigError for no workers, or an adapter on rounded weights."""
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"workers must be at least 1 (got {self.workers})")
        if self.adapter is not None and self.weights != "full":
            raise ConfigError(
                f"an adapter is merged into full weights, not into weights={self.weights!r}; "
                "load it with weights='full', save the model, and load that folder"
            )


def default_workers() -> int:
    """One thread per core that this process may use, at most 16."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(16, cores)


def resolve_device(device: str) -> torch.device:
    """`auto` is CUDA, then MPS, then CPU.

    Raises:
        ConfigError: unknown or absent device.
    """
    if device == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(name)
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise ConfigError(f"device {device!r} is unknown; choose auto, cpu, cuda, cuda:N or mps") from None
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not present.get(chosen.type, False):
        raise ConfigError(f"device {device!r} is not available on this machine; use device='auto'")
    return chosen


def resolve_devices(devices: str) -> list[torch.device]:
    """One or several, as `LoadOptions` has them.

    Raises:
        ConfigError: unknown or absent device.
    """
    if devices == "all":
        if not torch.cuda.is_available():
            raise ConfigError("device='all' means every CUDA device, and this machine has none; use device='auto'")
        return [torch.device("cuda", number) for number in range(torch.cuda.device_count())]
    return [resolve_device(one.strip()) for one in devices.split(",")]


def resolve_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """`auto` is fp32 on CPU and bf16 elsewhere; fp16 visibly changes scores (SPEC 7).

    Raises:
        ConfigError: unknown dtype.
    """
    if dtype == "auto":
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    if dtype not in DTYPES:
        raise ConfigError(f"dtype {dtype!r} is unknown; choose auto, {', '.join(DTYPES)}")
    if dtype == "float16":
        log.warning("float16 gives visibly other scores than bfloat16 and float32 with these models")
    return DTYPES[dtype]


def load_runtime(folder: Path, options: LoadOptions, max_tokens: int) -> tuple[list[Backbone], Processor]:
    """Load weights, once for each device, and the processor of a model folder.

    Raises:
        CheckpointError: the folder is incomplete, its files contradict each other, or the adapter does not fit.
    """
    devices = resolve_devices(options.device)
    for device in devices:
        resolve_backend(options.attention, device)  # an unknown name shows now, not at the first batch
        resolve_kernels(options.kernels, device)
    processor = load_processor(folder, options, max_tokens)
    backbones = [_load_on(device, folder, options) for device in devices]
    config = backbones[0].config
    if processor.tokenizer.size > config.text.vocab_size:
        raise CheckpointError(
            f"{folder}: tokenizer.json has ids up to {processor.tokenizer.size - 1}, "
            f"the model has {config.text.vocab_size} rows for them"
        )
    for name in ("image", "video"):
        ours, theirs = processor.tokenizer.token_id(f"<|{name}_pad|>"), getattr(config, f"{name}_token_id")
        if ours != theirs:
            raise CheckpointError(f"{folder}: config.json says {name}_token_id {theirs}, tokenizer.json says {ours}")
    return backbones, processor


def _load_on(device: torch.device, folder: Path, options: LoadOptions) -> Backbone:
    """The model of a folder on one device."""
    dtype = resolve_dtype(options.dtype, device)
    log.info("%s on %s in %s", folder.name, device, str(dtype).removeprefix("torch."))
    backbone = load_backbone(folder, dtype=dtype, device=device, vision=options.vision, weights=options.weights)
    if options.adapter is not None:
        load_adapter(backbone, expanded(options.adapter))
        merge_lora(backbone)
    use_kernels(backbone, resolve_kernels(options.kernels, device))
    return backbone


def beside(copies: Sequence[Backbone], folder: str | Path, merged: Path | None) -> list[Backbone]:
    """Copies of a model with an adapter beside their weights, as `with_adapter` has it; `merged` is one in them.

    Raises:
        CheckpointError: a file is missing, or the adapter does not fit.
        ConfigError: there is one already.
    """
    if merged is not None:
        raise ConfigError(f"the adapter {merged} is in this model already, and nothing tells what two are together")
    return [with_adapter(one, expanded(folder)) for one in copies]


def load_processor(folder: Path, options: LoadOptions, max_tokens: int) -> Processor:
    """The processor alone, which plans without any weights."""
    _check_preprocessor(folder / "preprocessor_config.json")
    chosen = ProcessorOptions(
        max_tokens=max_tokens,
        limits=options.limits.over(own_limits(folder / OWN_FILE)),
        media=options.media,
        parse_special=options.parse_special,
        shrink=options.shrink,
        vision=options.vision,
    )
    return Processor(Tokenizer(folder), chosen)


def own_limits(path: Path) -> Limits:
    """The limits a checkpoint was trained for; the published ones have no such file and take the reference's rules."""
    if not path.exists():
        return Limits()
    given = _json_object(path).get("limits", {})
    try:
        return Limits(**given)
    except (TypeError, ConfigError) as error:
        raise CheckpointError(f"{path}: 'limits' is wrong ({error})") from error


def learned_steps(path: Path) -> dict[str, float]:
    """Sizes of quantisation steps that a checkpoint has learned, by precision; most have learned none.

    Raises:
        CheckpointError: one is no positive number.
    """
    steps = _json_object(path).get("steps", {}) if path.exists() else {}
    for precision, step in steps.items():
        if not isinstance(step, int | float) or not 0 < step < float("inf"):
            raise CheckpointError(f"{path}: the step of {precision} must be a positive number (got {step!r})")
    return steps


def _json_object(path: Path) -> dict[str, Any]:
    """A JSON file of a model folder that must hold an object."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path} is not valid JSON ({error}); download it again") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} must hold an object")
    return found


def _check_preprocessor(path: Path) -> None:
    """The pixel rules of this project are the published checkpoints'; another normalisation or patch is refused."""
    if not path.exists():
        return
    raw = _json_object(path)
    half = [0.5] * 3
    wanted = {"image_mean": half, "image_std": half, "patch_size": 16, "merge_size": 2, "temporal_patch_size": 2}
    for name, value in wanted.items():
        if raw.get(name, value) != value:
            raise CheckpointError(f"{path}: {name} is {raw[name]}, but these models take {value}")
