"""Small inputs of every kind, the whole prompt as a string, and the tokenizer library itself as the judge of ids."""

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image as Pillow
from tokenizers import Tokenizer as Library

from anyseek.engine import Embedder, Reranker
from anyseek.processing import Processor

DEFAULT = "Represent the user's input."
TAIL = "<|im_end|>\n<|im_start|>assistant\n"
JUDGE = (
    "Judge whether the Document meets the requirements based on the Query and the Instruct provided. "
    'Note that the answer can only be "yes" or "no".'
)


def prompt(content: str, instruction: str = DEFAULT) -> str:
    """The embedding prompt, less what the post-processor appends."""
    return f"<|im_start|>system\n{instruction}<|im_end|>\n<|im_start|>user\n{content}{TAIL}"


def image(tokens: int) -> str:
    return f"<|vision_start|>{'<|image_pad|>' * tokens}<|vision_end|>"


def video(tokens: int, seconds: Sequence[str]) -> str:
    pads = f"<|vision_start|>{'<|video_pad|>' * tokens}<|vision_end|>"
    return "".join(f"<{time} seconds>{pads}" for time in seconds)


@pytest.fixture(scope="session")
def library(embedding_folder: Path) -> Library:
    return Library.from_file(str(embedding_folder / "tokenizer.json"))


@pytest.fixture(scope="session")
def ids_of(library: Library) -> Callable[[str], list[int]]:
    """Ids of a whole prompt as the reference has it: one string, special tokens parsed, the suffix appended."""
    return lambda text: library.encode(text).ids


@pytest.fixture(scope="session")
def processor(embedder: Embedder) -> Processor:
    return embedder.processor


@pytest.fixture(scope="session")
def pair_processor(reranker: Reranker) -> Processor:
    return reranker.processor


def changed(processor: Processor, **options: Any) -> Processor:
    """The same processor with other options."""
    return Processor(processor.tokenizer, replace(processor.options, **options))


def picture(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def encode_film(path: Path, *, frames: int, size: tuple[int, int], rate: int = 10, codec: str = "libx264") -> Path:
    """A film of grey levels that rise frame by frame."""
    width, height = size
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            level = np.full((height, width, 3), 20 + 200 * number // frames, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(level, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def page_bytes(width: int, height: int, pages: int = 1) -> bytes:
    """A PDF with pages of that many points."""
    sheets = [Pillow.new("RGB", (width, height), (250 - 40 * n, 250, 250)) for n in range(pages)]
    out = io.BytesIO()
    sheets[0].save(out, "PDF", resolution=72, save_all=True, append_images=sheets[1:])
    return out.getvalue()
