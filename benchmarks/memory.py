"""Does memory stay bounded, however many inputs there are? Texts and pictures from a generator, in one stream.

    python -m benchmarks.memory [--texts 100000] [--pictures 2000] [--bound-mib 256]

Peak resident memory is read after the first windows, when weights, caches and threads are in place, and again at the
end; what was added must stay under the bound. The peak at each fifth of the way tells a cache that fills from memory
that is lost. Vectors are thrown away as they come.
"""

import argparse
import random
import resource
import sys
import time
from collections.abc import Iterator

import numpy as np
from tqdm import tqdm

from anyseek.engine import Embedder
from anyseek.engine.features import CacheOptions
from anyseek.items import Image

WORDS = ("apple", "dog", "red", "left", "of", "a", "page", "about", "invoice", "with", "two", "small", "house", "blue")
FIFTHS = 5


def peak_mib() -> float:
    """Most memory that was ever resident."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def inputs(texts: int, pictures: int) -> Iterator[object]:
    """Texts of 1 to 60 words with pictures of many sizes in between, made as they are asked for."""
    rng, pixels = random.Random(0), np.random.default_rng(0)
    every = max(1, texts // max(1, pictures))
    for number in range(texts):
        yield " ".join(rng.choices(WORDS, k=rng.randint(1, 60)))
        if pictures and number % every == 0 and number // every < pictures:
            height, width = rng.randint(64, 320), rng.randint(64, 320)
            yield Image(pixels.integers(0, 256, (height, width, 3), np.uint8))


def main() -> None:
    """Read the command line, run, and fail when the bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--pictures", type=int, default=2_000)
    parser.add_argument("--bound-mib", type=float, default=256)
    parser.add_argument("--window", type=int, default=1024)
    given = parser.parse_args()
    embedder = Embedder.load(given.model, caches=CacheOptions(feature_bytes=64 << 20))
    start, done, settled, total = time.monotonic(), 0, 0.0, given.texts + given.pictures
    added: list[float] = []
    with tqdm(total=total, unit="item") as bar:
        for number, window in enumerate(
            embedder.encode_stream(inputs(given.texts, given.pictures), window=given.window)
        ):
            assert np.isfinite(window).all()
            done += len(window)
            bar.update(len(window))
            if number == 3:
                settled = peak_mib()
            if done * FIFTHS >= (len(added) + 1) * total:
                added.append(peak_mib() - settled)
    rate = done / (time.monotonic() - start)
    print(f"{done:,} inputs, {rate:.0f} a second")
    fifths = ", ".join(f"{more:.0f}" for more in added)
    print(f"peak {settled:.0f} MiB after four windows; MiB more at each fifth of the way: {fifths}")
    if added[-1] > given.bound_mib:
        sys.exit(f"more than {given.bound_mib:.0f} MiB were added")


if __name__ == "__main__":
    main()
