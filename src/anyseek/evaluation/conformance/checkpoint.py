"""A model folder examined without loading it: what will be loaded, in how much memory, and what others make of it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Literal

from anyseek.engine.embedder import MAX_TOKENS as EMBEDDING_TOKENS
from anyseek.engine.reranker import MAX_TOKENS as RERANKING_TOKENS
from anyseek.engine.runtime import own_limits
from anyseek.errors import CheckpointError
from anyseek.evaluation.conformance.extras import extras, json_of
from anyseek.model import ModelConfig
from anyseek.model.hub import FAMILY, OWN_FILE, Kind, is_complete
from anyseek.processing import Tokenizer
from anyseek.processing.rules import REFERENCE, filled

__all__ = ["Check", "examine", "kind_of"]

Verdict = Literal["ok", "note", "wrong"]

SPECIAL = ("im_start", "im_end", "vision_start", "vision_end", "image_pad", "video_pad", "endoftext")
DTYPE_BYTES = {"float32": 4, "bfloat16": 2}
HEAD = "lm_head.weight"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at.

    Attributes:
        name: of it.
        verdict: `ok`; `note` for what concerns other libraries only; `wrong`.
        text: what was found, and the remedy where one is needed.
    """

    name: str
    verdict: Verdict
    text: str


def kind_of(name: str, folder: Path | None = None) -> Kind:
    """What a model is for: told by the family, then by sentence-transformers' config, then by its name.

    Args:
        name: as the user gave it.
        folder: where it lies, once that is known.
    """
    for model in FAMILY:
        if name.lower() == model.hub_id.lower():
            return model.kind
    if folder is not None and (folder / "config_sentence_transformers.json").is_file():
        cross = json_of(folder / "config_sentence_transformers.json").get("model_type") == "CrossEncoder"
        return "reranking" if cross else "embedding"
    return "reranking" if "rerank" in Path(name).name.lower() else "embedding"


def examine(folder: Path, kind: Kind) -> list[Check]:
    """Every check of a folder, in the order in which loading meets them; what is wrong early ends the list."""
    checks = []
    for check in _checks(folder, kind):
        checks.append(check)
        if check.verdict == "wrong" and check.name in ("files", "config", "limits"):
            break
    return checks


def _checks(folder: Path, kind: Kind) -> Iterator[Check]:
    """Lazily, so that a missing file is met once."""
    yield _files(folder)
    config = _config(folder)
    yield config if isinstance(config, Check) else Check("config", "ok", _described(config))
    assert isinstance(config, ModelConfig)
    stored = _stored(folder)
    yield _weights(stored, config, kind)
    yield _memory(stored)
    yield from _tokenizer(folder, config, kind)
    yield _limits(folder, config, kind)
    yield from (Check(name, "note" if broken else "ok", text) for name, broken, text in extras(folder, kind))


def _files(folder: Path) -> Check:
    """What cannot be missing."""
    if is_complete(folder):
        return Check("files", "ok", f"config, tokenizer and weights in {folder}")
    return Check("files", "wrong", f"{folder} lacks config.json, tokenizer.json or a weight file; download it again")


def _config(folder: Path) -> ModelConfig | Check:
    """The shapes, or why they cannot be had."""
    try:
        return ModelConfig.from_file(folder / "config.json")
    except CheckpointError as error:
        return Check("config", "wrong", str(error))


def _described(config: ModelConfig) -> str:
    """Shapes in a line."""
    text, vision = config.text, config.vision
    spelling = "rope_parameters" if "rope_parameters" in config.raw["text_config"] else "rope_theta + rope_scaling"
    return (
        f"{text.num_hidden_layers} text layers of {text.hidden_size}, {vision.depth} vision blocks of "
        f"{vision.hidden_size}, head {'tied' if config.tie_word_embeddings else 'not tied'}, {spelling}"
    )


def _stored(folder: Path) -> dict[str, tuple[str, int]]:
    """Tensor -> stored type and number of weights, from the headers (8 bytes of length, then JSON)."""
    found: dict[str, tuple[str, int]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        for name, entry in header.items():
            if name != "__metadata__":
                found[name] = (entry["dtype"], prod(entry["shape"]))
    return found


def _weights(stored: Mapping[str, tuple[str, int]], config: ModelConfig, kind: Kind) -> Check:
    """What lies in the files, and the output head."""
    types = ", ".join(sorted({dtype for dtype, _ in stored.values()}))
    text = f"{sum(size for _, size in stored.values()) / 1e9:.3f} billion in {types}"
    if kind == "reranking" and not config.tie_word_embeddings and HEAD not in stored:
        return Check("weights", "wrong", f"{text}; no {HEAD}, which the score of an untied model needs")
    if HEAD in stored:
        text += f"; of {HEAD} only two rows are read" if kind == "reranking" else f"; {HEAD} is not loaded"
    return Check("weights", "ok", text)


def _memory(stored: Mapping[str, tuple[str, int]]) -> Check:
    """Of what is loaded: everything but the output head."""
    loaded = sum(size for name, (_, size) in stored.items() if name != HEAD)
    sizes = ", ".join(f"{loaded * size / 1e9:.2f} GB in {dtype}" for dtype, size in DTYPE_BYTES.items())
    return Check("memory", "ok", f"{sizes} for the weights; states of a batch come on top")


def _tokenizer(folder: Path, config: ModelConfig, kind: Kind) -> Iterator[Check]:
    """Special tokens, what is appended, and the words of the score."""
    try:
        tokenizer = Tokenizer(folder)
        ids = {name: tokenizer.token_id(f"<|{name}|>") for name in SPECIAL}
        if kind == "reranking":
            tokenizer.yes_no_ids()
    except CheckpointError as error:
        yield Check("tokenizer", "wrong", str(error))
        return
    pads = {name: getattr(config, f"{name}_token_id") for name in ("image", "video")}
    wrong = [f"{n}_token_id is {pads[n]}, <|{n}_pad|> is {ids[f'{n}_pad']}" for n in pads if pads[n] != ids[f"{n}_pad"]]
    if tokenizer.size > config.text.vocab_size:
        wrong.append(f"ids up to {tokenizer.size - 1}, but {config.text.vocab_size} rows")
    known = f"{tokenizer.size:,} ids, special tokens in place"
    yield Check("tokenizer", "wrong" if wrong else "ok", "; ".join(wrong) or known)
    ends = {(): "nothing", (ids["endoftext"],): "<|endoftext|>"}
    appended = ends.get(tokenizer.suffix, f"the ids {list(tokenizer.suffix)}")
    yield Check("end token", "ok" if tokenizer.suffix in ends else "note", f"the post-processor appends {appended}")


def _limits(folder: Path, config: ModelConfig, kind: Kind) -> Check:
    """What is taken when the user says nothing."""
    try:
        limits = filled(own_limits(folder / OWN_FILE))
    except CheckpointError as error:
        return Check("limits", "wrong", str(error))
    tokens = EMBEDDING_TOKENS if kind == "embedding" else RERANKING_TOKENS
    whose = "the folder's own" if limits != filled(REFERENCE) else "the reference's"
    return Check(
        "limits",
        "ok",
        f"{tokens:,} tokens by default ({config.text.max_position_embeddings:,} positions), pictures of "
        f"{limits.min_pixels:,} to {limits.max_pixels:,} pixels, {limits.max_frames} frames ({whose})",
    )
