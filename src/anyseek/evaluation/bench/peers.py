"""The peers: transformers in the public code's way, and sentence-transformers. Loaded only when they are compared with.

The public code embeds a list as one padded batch and scores pairs one at a time; pictures are resized with Pillow
before the processor sees them. sentence-transformers is called as its users call it, with its own batches and resizing.
Neither is shown video: transformers needs torchvision for it, and its releases from 5 on write another prompt.
"""

import importlib
import importlib.util
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from anyseek.errors import DependencyError
from anyseek.evaluation.bench.shapes import Models
from anyseek.evaluation.bench.workloads import Workload
from anyseek.items import Image, Item, Limits, Text
from anyseek.model import load_score_row
from anyseek.processing import Tokenizer
from anyseek.processing.rules import filled, fit_size

__all__ = ["PublicCode", "SentenceTransformers", "library"]

BATCH = 16
"""Items that the public code's evaluation embeds at a time."""
KEY_MAPPING = {r"^model\.": ""}
RESIZED = 5e-3
"""torchvision's bicubic differs from Pillow's by a level in places; with it, transformers resizes that way."""
NO_VIDEO = "not shown video: it needs torchvision, and from transformers 5 on the prompt is another"


def library(name: str) -> Any:
    """An imported peer.

    Raises:
        DependencyError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.replace("_", "-")
        raise DependencyError(
            f"the comparison needs {package} ({error}): pip install {package}; or leave it out with --no-peers"
        ) from error


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A model of transformers with its processor."""

    model: nn.Module
    processor: Any


class PublicCode:
    """transformers: padded batches of 16 to embed, one pair at a time to score."""

    slack = 0.0

    def __init__(self, models: Models, device: torch.device, dtype: torch.dtype, limits: Limits) -> None:
        """Keep where the models are; they are loaded when wanted."""
        transformers = library("transformers")
        transformers.logging.set_verbosity_error()  # its notes would stand between the rows
        transformers.logging.disable_progress_bar()
        self.name = f"transformers {transformers.__version__}"
        self._folders, self._device, self._dtype = models, device, dtype
        self._limits = filled(limits)

    def refusal(self, workload: Workload) -> str:
        """Video is not run."""
        return NO_VIDEO if workload.has_video else ""

    def models(self, workload: Workload) -> Sequence[nn.Module]:
        """One model."""
        return [(self._reranking if workload.query else self._embedding).model]

    def forget(self) -> None:
        """Nothing is kept."""

    def run(self, workload: Workload) -> np.ndarray:
        """All items."""
        if workload.query is None:
            return self._embed(workload.items)
        return np.array([self._score(workload.query, document) for document in workload.items], dtype=np.float32)

    @cached_property
    def _embedding(self) -> _Loaded:
        """Towers and processor of the embedding folder."""
        return self._load(self._folders.embedding)

    @cached_property
    def _reranking(self) -> _Loaded:
        """The same of the reranking folder."""
        return self._load(self._folders.reranking)

    @cached_property
    def _score_row(self) -> Tensor:
        """`(hidden,)` fp32: "yes" less "no"."""
        folder = self._folders.reranking
        return load_score_row(folder, *Tokenizer(folder).yes_no_ids()).to(self._device)

    def _load(self, folder: Path) -> _Loaded:
        """The towers without an output head, which neither way needs."""
        transformers = library("transformers")
        with _without_video():
            processor = transformers.AutoProcessor.from_pretrained(str(folder))
        model = transformers.Qwen3VLModel.from_pretrained(str(folder), dtype=self._dtype, key_mapping=KEY_MAPPING)
        return _Loaded(model.to(self._device).eval(), processor)

    @torch.inference_mode()
    def _embed(self, items: Sequence[Item]) -> np.ndarray:
        """Vectors, a padded batch at a time."""
        vectors = []
        for start in range(0, len(items), BATCH):
            batch = items[start : start + BATCH]
            last = self._last_states(self._embedding, [[{"role": "user", "content": _content(i)}] for i in batch])
            vectors.append(functional.normalize(last.float(), dim=-1).cpu())
        return torch.cat(vectors).numpy()

    @torch.inference_mode()
    def _score(self, query: Item, document: Item) -> float:
        """The probability of one pair."""
        messages = [
            {"role": "query", "content": _content(query)},
            {"role": "document", "content": _content(document)},
        ]
        last = self._last_states(self._reranking, [messages])
        return float(torch.sigmoid(last[0].float() @ self._score_row))

    def _last_states(self, loaded: _Loaded, conversations: Sequence[list[dict[str, Any]]]) -> Tensor:
        """`(conversations, hidden)`: final states of the last tokens that are no padding."""
        render = loaded.processor.tokenizer.apply_chat_template
        prompts = [render(messages, tokenize=False, add_generation_prompt=True) for messages in conversations]
        pictures = [
            self._picture(part["image"])
            for messages in conversations
            for message in messages
            for part in message["content"]
            if "image" in part
        ]
        inputs = loaded.processor(
            text=prompts, images=pictures or None, padding=True, do_resize=False, return_tensors="pt"
        ).to(self._device)
        states: Tensor = loaded.model(**inputs).last_hidden_state
        mask = inputs["attention_mask"]
        ends = mask.shape[1] - 1 - mask.flip(1).argmax(1)  # padding may stand on either side
        return states[torch.arange(len(states), device=states.device), ends]

    def _picture(self, path: str) -> Any:
        """A decoded picture at the size it is shown at."""
        picture = library("transformers.image_utils").load_image(path)
        size = fit_size(picture.size, self._limits.min_pixels, self._limits.max_pixels)
        return picture.resize(size, 3)  # bicubic


class SentenceTransformers:
    """sentence-transformers: `SentenceTransformer.encode` and `CrossEncoder.predict`, with their default batches."""

    def __init__(self, models: Models, device: torch.device, dtype: torch.dtype) -> None:
        """Keep where the models are; they are loaded when wanted."""
        self._library = library("sentence_transformers")
        logging.getLogger("sentence_transformers").setLevel(logging.ERROR)  # as for transformers
        self.name = f"sentence-transformers {self._library.__version__}"
        self._folders = models
        self._options = {"device": str(device), "model_kwargs": {"dtype": dtype}}
        self.slack = RESIZED if importlib.util.find_spec("torchvision") else 0.0

    def refusal(self, workload: Workload) -> str:
        """Video is not run, nor are rerankers where they cannot be loaded."""
        version = library("transformers").__version__
        if workload.query is not None and int(version.split(".")[0]) < 5:
            return f"not run: its CrossEncoder reads such rerankers with transformers 5 only (this is {version})"
        return NO_VIDEO if workload.has_video else ""

    def models(self, workload: Workload) -> Sequence[nn.Module]:
        """One model."""
        return [self._reranking if workload.query else self._embedding]

    def forget(self) -> None:
        """Nothing is kept."""

    def run(self, workload: Workload) -> np.ndarray:
        """All items in one call."""
        values = [_value(item) for item in workload.items]
        if workload.query is None:
            found = self._embedding.encode(values, show_progress_bar=False)
        else:
            query = _value(workload.query)
            found = self._reranking.predict([(query, value) for value in values], show_progress_bar=False)
        return np.asarray(found, dtype=np.float32)

    @cached_property
    def _embedding(self) -> Any:
        """The SentenceTransformer."""
        with _without_video():
            return self._library.SentenceTransformer(str(self._folders.embedding), **self._options)

    @cached_property
    def _reranking(self) -> Any:
        """The CrossEncoder."""
        with _without_video():
            return self._library.CrossEncoder(str(self._folders.reranking), **self._options)


def _content(item: Item) -> list[dict[str, str]]:
    """An item as the content of a message."""
    return [
        {"type": "text", "text": part.text} if isinstance(part, Text) else {"type": "image", "image": str(part.source)}
        for part in item.parts
        if isinstance(part, Text | Image)
    ]


def _value(item: Item) -> Any:
    """An item of one part as sentence-transformers takes it."""
    (part,) = item.parts
    return part.text if isinstance(part, Text) else {"image": str(getattr(part, "source", ""))}


class _Blank:
    """In the place of the video processor where torchvision is missing; no workload for peers holds video."""

    model_input_names: tuple[str, ...] = ()

    @classmethod
    def from_pretrained(cls, *_: Any, **__: Any) -> "_Blank":
        """Nothing is read."""
        return cls()


@contextmanager
def _without_video() -> Iterator[None]:
    """Let transformers load this processor where torchvision, which its video half needs, is missing."""
    if importlib.util.find_spec("torchvision"):
        yield
        return
    mixin = library("transformers.processing_utils").ProcessorMixin
    found_in = (library("transformers"), library("transformers.models.auto.video_processing_auto"))
    check, shown = mixin.check_argument_for_proper_class, mixin.__repr__
    loaders = [place.AutoVideoProcessor for place in found_in]

    def lenient(self: Any, name: str, value: Any) -> Any:
        """Let the blank through."""
        return _Blank if name == "video_processor" else check(self, name, value)

    mixin.check_argument_for_proper_class = lenient
    mixin.__repr__ = object.__repr__  # its own, which is logged, writes the blank as JSON
    for place in found_in:
        place.AutoVideoProcessor = _Blank
    try:
        yield
    finally:
        mixin.check_argument_for_proper_class, mixin.__repr__ = check, shown
        for place, loader in zip(found_in, loaders, strict=True):
            place.AutoVideoProcessor = loader
