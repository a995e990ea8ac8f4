"""The files beside the weights that make a model folder load in transformers, sentence-transformers and vLLM.

Weights and `config.json` are `checkpoint.save_checkpoint`'s. Here: tokenizer, pixel limits, chat template, and the
modules that sentence-transformers puts together. A `chat_template.json` is never written: transformers refuses a folder
that has one beside `additional_chat_templates`.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyseek.errors import CheckpointError
from anyseek.items import Limits
from anyseek.model.hub import Kind

__all__ = ["Layout", "copy_tokenizer", "write_layout"]

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt")
PROCESSOR = "Qwen3VLProcessor"
CELL = 1024
"""Pixels of one merged patch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What the files say.

    Attributes:
        kind: embedding or reranking.
        dim: width of the hidden states.
        chat_template: jinja text that renders the prompt.
        prompts: sentence-transformers' prompt name -> instruction; the first is not the default, the last is.
        limits: complete, what the model is shown of pictures and video.
        yes_no: ids of the tokens "yes" and "no", for reranking.
    """

    kind: Kind
    dim: int
    chat_template: str
    prompts: Mapping[str, str]
    limits: Limits
    yes_no: tuple[int, int] | None = None


def write_layout(folder: Path, layout: Layout) -> None:
    """Write everything but weights, `config.json` and tokenizer, and set the tokenizer's chat template.

    Args:
        folder: of the model, with its tokenizer in place (`copy_tokenizer`).
        layout: what to write.
    """
    files = _processor_files(layout) | (
        _embedding_files(layout) if layout.kind == "embedding" else _reranking_files(layout)
    )
    files["tokenizer_config.json"] = _tokenizer_config(folder) | {
        "chat_template": layout.chat_template,
        "processor_class": PROCESSOR,
    }
    for name, content in files.items():
        _write(folder / name, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    _write(folder / "chat_template.jinja", layout.chat_template)
    if layout.kind == "reranking":
        _write(folder / "additional_chat_templates" / "reranker.jinja", layout.chat_template)
    (folder / "chat_template.json").unlink(missing_ok=True)
    _write(folder / "README.md", _card(layout))


def copy_tokenizer(source: Path, target: Path) -> None:
    """Copy the tokenizer of one model folder into another.

    Raises:
        CheckpointError: the source has none.
    """
    if not (source / "tokenizer.json").is_file():
        raise CheckpointError(f"{source / 'tokenizer.json'} is missing: is {source} a model folder?")
    target.mkdir(parents=True, exist_ok=True)
    for name in TOKENIZER_FILES:
        if (source / name).is_file() and source.resolve() != target.resolve():
            shutil.copyfile(source / name, target / name)


def _write(path: Path, text: str) -> None:
    """One file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _tokenizer_config(folder: Path) -> dict[str, Any]:
    """The tokenizer's settings, or the published ones where the folder has none."""
    path = folder / "tokenizer_config.json"
    if path.is_file():
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    return {"tokenizer_class": "Qwen2TokenizerFast", "pad_token": "<|endoftext|>", "eos_token": "<|im_end|>"}


def _processor_files(layout: Layout) -> dict[str, Any]:
    """The pixel rules in transformers' words.

    Its rule for video knows the pixels of all frames together (`size`) and, from 5.22 on, those of each frame
    (`max_video_tokens`); with both, a whole number of frame pairs comes out at our sizes.
    """
    limits = layout.limits
    assert limits.max_frame_pixels and limits.max_frames and limits.total_pixels
    common = {
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
        "merge_size": 2,
        "patch_size": 16,
        "processor_class": PROCESSOR,
        "resample": 3,
        "rescale_factor": 1 / 255,
        "temporal_patch_size": 2,
    }
    picture = {
        "image_processor_type": "Qwen2VLImageProcessorFast",
        "size": {"shortest_edge": limits.min_pixels, "longest_edge": limits.max_pixels},
        "min_pixels": limits.min_pixels,  # transformers 4.57 without torchvision reads these two and not the size
        "max_pixels": limits.max_pixels,
    }
    frames = {
        "shortest_edge": limits.min_frame_pixels,
        "longest_edge": min(limits.max_frame_pixels * limits.max_frames, 2 * limits.total_pixels),
    }
    video = {
        "video_processor_type": "Qwen3VLVideoProcessor",
        "fps": limits.fps,
        "min_frames": 4,
        "max_frames": limits.max_frames,
        "cap_pixels_per_frame": True,
        "max_video_tokens": limits.max_frame_pixels // CELL,
        "size": frames,
    }
    return {
        "preprocessor_config.json": common | picture,
        "video_preprocessor_config.json": common | video,
    }


def _embedding_files(layout: Layout) -> dict[str, Any]:
    """Last token of the final states, then length 1.

    The module names are those every release of sentence-transformers knows. Without `add_generation_prompt` another
    template than ours would leave out the opening of the answer, and the wrong token would be read. Without
    `key_mapping` transformers 4.57 finds none of the weights when it loads the towers alone, and goes on with random
    ones.
    """
    package = "sentence_transformers.models"
    return {
        "modules.json": _modules(
            ("", f"{package}.Transformer"), ("1_Pooling", f"{package}.Pooling"), ("2_Normalize", f"{package}.Normalize")
        ),
        "1_Pooling/config.json": {
            "embedding_dimension": layout.dim,
            "pooling_mode": "lasttoken",
            "include_prompt": True,
        },
        "config_sentence_transformers.json": {
            "model_type": "SentenceTransformer",
            "prompts": dict(layout.prompts),
            "default_prompt_name": list(layout.prompts)[-1],
            "similarity_fn_name": "cosine",
        },
        "sentence_bert_config.json": {
            "transformer_task": "feature-extraction",
            "modality_config": _modalities("last_hidden_state"),
            "module_output_name": "token_embeddings",
            "processing_kwargs": {"chat_template": {"add_generation_prompt": True}},
            "model_kwargs": {"key_mapping": {r"^model\.": ""}},
        },
    }


def _reranking_files(layout: Layout) -> dict[str, Any]:
    """Log-odds of "yes" over "no", then the sigmoid."""
    if layout.yes_no is None:
        raise CheckpointError("a reranking folder needs the ids of its yes and no tokens")
    yes, no = layout.yes_no
    return {
        "modules.json": _modules(
            ("", "sentence_transformers.base.modules.transformer.Transformer"),
            ("1_LogitScore", "sentence_transformers.cross_encoder.modules.logit_score.LogitScore"),
        ),
        "1_LogitScore/config.json": {
            "true_token_id": yes,
            "false_token_id": no,
            "module_input_name": "causal_logits",
        },
        "config_sentence_transformers.json": {
            "model_type": "CrossEncoder",
            "activation_fn": "torch.nn.modules.activation.Sigmoid",
            "prompts": dict(layout.prompts),
            "default_prompt_name": list(layout.prompts)[-1],
        },
        "sentence_bert_config.json": {
            "transformer_task": "any-to-any",
            "modality_config": _modalities("logits"),
            "module_output_name": "causal_logits",
            "processing_kwargs": {"chat_template": {"chat_template": "reranker"}},
            "unpad_inputs": False,
        },
    }


def _modules(*entries: tuple[str, str]) -> list[dict[str, Any]]:
    """`modules.json`: path and class of each step."""
    return [{"idx": at, "name": str(at), "path": path, "type": kind} for at, (path, kind) in enumerate(entries)]


def _modalities(output: str) -> dict[str, Any]:
    """Everything goes through one forward pass, as structured messages."""
    method = {"method": "forward", "method_output_name": output}
    return {name: dict(method) for name in ("text", "image", "video")} | {"message": method | {"format": "structured"}}


CARD = r"""---
library_name: sentence-transformers
pipeline_tag: {task}
tags: [qwen3_vl, multimodal, {kind}]
---

A Qwen3-VL {kind} model, written by anyseek. It reads text, pictures, document pages and video.

```python
from anyseek import {name}

model = {name}.load("this folder")
```

The folder also loads in sentence-transformers ({versions}), transformers (`Qwen3VLForConditionalGeneration`) and vLLM.
In transformers 4.57, `AutoModel` needs `key_mapping={{r"^model\.": ""}}`. Those libraries may resize pictures and
sample video a little differently; transformers 5 puts an extra pair of vision tokens around a video. `anyseek` gives
the reference's {result}.
"""


def _card(layout: Layout) -> str:
    """The model card."""
    if layout.kind == "embedding":
        words = ("sentence-similarity", "Embedder", "5.4 or newer", "vectors")
    else:
        words = ("text-ranking", "Reranker", "5.4 or newer with transformers 5", "scores")
    task, name, versions, result = words
    return CARD.format(task=task, kind=layout.kind, name=name, versions=versions, result=result)
