"""Are near-identical pictures told from pictures that are nearly about the same? By vectors, by looks, and by both.

    python -m benchmarks.library_twins [--pictures 60] [--model tiny] [--write]

Twins are a picture (or chart, or page) again as JPEG of low quality, at half the size, and as both; near misses differ
in one fact that somebody asks for; the others are pairs of different pictures.
"""

import argparse
import io
import platform
import random
from pathlib import Path

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from anyseek import Embedder, Image, Item, MediaOptions
from anyseek.media import glimpse, picture_thumbnail
from anyseek.search.groups import ALIKE, LOOKS
from anyseek.world import ask, near_misses, sample_thing

RESULT = Path(__file__).parent / "results" / "library_twins.md"
KINDS = ("scene", "scene", "chart", "page")
Pair = tuple[bytes, bytes]


def pairs(count: int) -> dict[str, list[Pair]]:
    """Pairs of pictures, as bytes of files, by what they are."""
    rng = random.Random(3)
    found: dict[str, list[Pair]] = {"JPEG": [], "half size": [], "both": [], "near misses": [], "others": []}
    before = b""
    for number in range(count):
        thing = sample_thing(KINDS[number % len(KINDS)], rng, "composition", 2)
        picture = PIL.Image.fromarray(np.asarray(thing.draw()))
        miss = near_misses(ask(thing, rng, 2), thing, rng, 1, "composition")[0]
        small = picture.resize((picture.width // 2, picture.height // 2))
        whole = written(picture, "PNG")
        found["JPEG"].append((whole, written(picture, "JPEG")))
        found["half size"].append((whole, written(small, "PNG")))
        found["both"].append((whole, written(small, "JPEG")))
        found["near misses"].append((whole, written(PIL.Image.fromarray(np.asarray(miss.draw())), "PNG")))
        found["others"] += [(whole, before)] if before else []
        before = whole
    return found


def written(picture: PIL.Image.Image, form: str) -> bytes:
    """A picture as a file."""
    file = io.BytesIO()
    picture.convert("RGB").save(file, form, **({"quality": 60} if form == "JPEG" else {}))
    return file.getvalue()


def cosines(found: list[Pair], embedder: Embedder) -> NDArray[np.float32]:
    """Of each pair."""
    one, other = (
        embedder.encode_document([Item((Image(data),)) for data in side]) for side in zip(*found, strict=True)
    )
    same: NDArray[np.float32] = (one * other).sum(axis=1)
    return same


def looks(found: list[Pair]) -> NDArray[np.float64]:
    """How far the thumbnails of each pair are apart, where they differ most."""
    seen = [[glimpse(picture_thumbnail(data, MediaOptions())) for data in pair] for pair in found]
    return np.array([np.abs(one - other).max() for one, other in seen])


def main() -> None:
    """Measure, say, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    embedder = Embedder.load(given.model)
    lines = []
    for name, found in pairs(given.pictures).items():
        same, apart = cosines(found, embedder), looks(found)
        near, alike = same >= ALIKE, apart <= LOOKS
        lines.append(
            f"| {name} | {len(found)} | {np.median(same):.3f} ({same.min():.3f} to {same.max():.3f}) | "
            f"{np.median(apart):.3f} ({apart.min():.3f} to {apart.max():.3f}) | "
            f"{near.mean():.0%} | {alike.mean():.0%} | {(near & alike).mean():.0%} |"
        )
    text = f"""# Near-identical pictures

`python -m benchmarks.library_twins --pictures {given.pictures}`, {given.model}, Python {platform.python_version()}.
Taken as one: cosine of at least {ALIKE}, and thumbnails (48 by 48 pixels) that differ nowhere by more than {LOOKS}.

| pairs | number | cosine | thumbnails apart | one by cosine | one by looks | one by both |
|---|---:|---|---|---:|---:|---:|
{chr(10).join(lines)}
"""
    print(text)
    if given.write:
        RESULT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
