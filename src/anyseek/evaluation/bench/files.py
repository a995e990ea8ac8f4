"""The files of the workloads, drawn from the world by seed: pictures of many sizes, pages, clips."""

import math
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
from PIL import Image

from anyseek.world import object_ids
from anyseek.world.clips import sample_clip
from anyseek.world.pages import sample_page
from anyseek.world.scenes import sample_scene

__all__ = ["write_clips", "write_pages", "write_pictures"]

SIDES = (128, 1600)
CLIP_SECONDS = 64
CLIP_RATE = 2


def write_pictures(folder: Path, count: int) -> Iterator[Path]:
    """PNG and JPEG by turns, sides from 128 to 1,600 pixels, small ones as frequent as large ones."""
    rng = random.Random(1)
    for number in range(count):
        width, height = (round(math.exp(rng.uniform(*map(math.log, SIDES)))) for _ in range(2))
        scene = replace(sample_scene(rng, object_ids("train"), 3), width=width, height=height)
        yield _write(scene.draw(), folder / f"picture{number:03}.{'png' if number % 2 else 'jpg'}")


def write_pages(folder: Path, count: int, scale: int) -> Iterator[Path]:
    """Pages of 320 x 448 pixels (140 tokens), each pixel drawn `scale` times across and down, as PNG.

    Several workloads show them: what is in the folder already is not drawn again.
    """
    rng = random.Random(2)
    for number in range(count):
        page = replace(sample_page(rng, object_ids("train")), width=320, height=448)
        path = folder / f"page{number:03}.png"
        yield path if path.exists() else _write(page.draw().repeat(scale, axis=0).repeat(scale, axis=1), path)


def write_clips(folder: Path, count: int) -> Iterator[Path]:
    """H.264 of 64 seconds at 2 frames a second, of which one a second is sampled."""
    rng = random.Random(3)
    for number in range(count):
        clip = replace(sample_clip(rng, object_ids("train"), 2), seconds=CLIP_SECONDS, width=256, height=256)
        path = folder / f"clip{number}.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=CLIP_RATE, options={"crf": "24"})
            stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, "yuv420p"
            for frame in range(CLIP_SECONDS * CLIP_RATE):
                pixels = clip.frame(frame / CLIP_RATE)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
            container.mux(stream.encode(None))
        yield path


def _write(pixels: np.ndarray, path: Path) -> Path:
    """One picture in the format of its name."""
    Image.fromarray(pixels).save(path)
    return path
