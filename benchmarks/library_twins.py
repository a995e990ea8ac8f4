"""Are near-identical pictures told from pictures that are nearly about the same? By vectors, by looks, and by both.

    python -m benchmarks.library_twins [--pictures 60] [--model tiny] [--write]

Twins are a picture (or chart, or page) again as JPEG of low quality, at half the size, as both, darker, and without a
hundredth of each margin; near misses differ in one fact that somebody asks for; the others are pairs of different
pictures. So are text alone (letters and terminals, light and dark), whose greys are alike from afar, and dark pictures
with one faint light.
"""

import argparse
import io
import itertools
import platform
import random
from collections.abc import Callable
from pathlib import Path
from string import ascii_lowercase

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageEnhance
from numpy.typing import NDArray

from anyseek import Embedder, Image, Item, MediaOptions
from anyseek.media import Glimpse, glimpse, picture_thumbnail
from anyseek.search.groups import ALIKE
from anyseek.search.twins import DETAIL, LOOKS, Detail, looks_apart
from anyseek.world import ask, near_misses, sample_thing
from anyseek.world.sprites import font

RESULT = Path(__file__).parent / "results" / "library_twins.md"
KINDS = ("scene", "scene", "chart", "page")
MARGIN = 0.01
Picture = PIL.Image.Image
Pair = tuple[bytes, bytes]


def pairs(count: int) -> dict[str, list[Pair]]:
    """Pairs of pictures, as bytes of files, by what they are."""
    rng = random.Random(3)
    drawn, misses = [], []
    for number in range(count):
        thing = sample_thing(KINDS[number % len(KINDS)], rng, "composition", 2)
        miss = near_misses(ask(thing, rng, 2), thing, rng, 1, "composition")[0]
        drawn.append(PIL.Image.fromarray(np.asarray(thing.draw())))
        misses.append(PIL.Image.fromarray(np.asarray(miss.draw())))
    found = twins(drawn)
    found["near misses"] = [(written(one), written(miss)) for one, miss in zip(drawn, misses, strict=True)]
    found["others"] = [(written(one), written(other)) for one, other in itertools.pairwise(drawn)]
    for name, make in (("letters", letter), ("terminals", terminal), ("nights", night)):
        made = [make(number) for number in range(count // 4)]
        found |= {f"{name}, {what}": those for what, those in twins(made).items()}
        found[f"{name}, others"] = [(written(a), written(b)) for a, b in itertools.combinations(made, 2)]
    return found


def twins(pictures: list[Picture]) -> dict[str, list[Pair]]:
    """Each picture with others that show the same."""
    found: dict[str, list[Pair]] = {"JPEG": [], "half size": [], "both": [], "darker": [], "margin": []}
    for one in pictures:
        whole = written(one)
        small = one.resize((one.width // 2, one.height // 2))
        across, down = round(one.width * MARGIN), round(one.height * MARGIN)
        inner = one.crop((across, down, one.width - across, one.height - down))
        found["JPEG"].append((whole, written(one, "JPEG")))
        found["half size"].append((whole, written(small)))
        found["both"].append((whole, written(small, "JPEG")))
        found["darker"].append((whole, written(PIL.ImageEnhance.Brightness(one).enhance(0.8))))
        found["margin"].append((whole, written(inner)))
    return found


def letter(number: int) -> Picture:
    """A page of a letter: lines of about one length, black on white."""
    return lines_of(number, (1240, 1754), ("white", "black"), 34, lambda rng: 12)


def terminal(number: int) -> Picture:
    """A screenshot: lines of every length, light on dark."""
    return lines_of(number, (1600, 900), ("#141414", "#c8c8c8"), 30, lambda rng: rng.randrange(1, 13))


def lines_of(
    number: int, size: tuple[int, int], colours: tuple[str, str], step: int, words: Callable[[random.Random], int]
) -> Picture:
    """Text, line by line, from edge to edge."""
    rng, picture = random.Random(number), PIL.Image.new("RGB", size, colours[0])
    pen = PIL.ImageDraw.Draw(picture)
    for y in range(step, size[1] - 2 * step, step):
        text = " ".join("".join(rng.choices(ascii_lowercase, k=rng.randrange(2, 11))) for _ in range(words(rng)))
        pen.text((size[0] // 12, y), text, fill=colours[1], font=font("sans", 2 * step // 3))
    return picture


def night(number: int) -> Picture:
    """Noise in the dark, and a faint light somewhere."""
    rng = np.random.default_rng(number)
    seen = rng.normal(18, 6, (600, 800, 3))
    down, across = np.mgrid[:600, :800]
    x, y = rng.integers(100, 700), rng.integers(100, 500)
    seen += (60 * np.exp(-(((across - x) / 120) ** 2 + ((down - y) / 90) ** 2)))[..., None]
    return PIL.Image.fromarray(seen.clip(0, 255).astype(np.uint8))


def written(picture: Picture, form: str = "PNG") -> bytes:
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


def looks(found: list[Pair]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How far the thumbnails of each pair are apart where they differ most: their colours, and their detail."""
    known: dict[bytes, Glimpse] = {}
    for data in itertools.chain.from_iterable(found):
        if data not in known:
            known[data] = glimpse(picture_thumbnail(data, MediaOptions()))
    seen = [(known[one], known[other]) for one, other in found]
    far = [looks_apart(one, [other])[0] for one, other in seen]
    return np.array(far), np.array([Detail(one).apart(other) for one, other in seen])


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
        same, (far, detail) = cosines(found, embedder), looks(found)
        near, alike = same >= ALIKE, (far <= LOOKS) & (detail <= DETAIL)
        measured = " | ".join(
            f"{np.median(one):.3f} ({one.min():.3f} to {one.max():.3f})" for one in (same, far, detail)
        )
        lines.append(
            f"| {name} | {len(found)} | {measured} | {near.mean():.0%} | {(far <= LOOKS).mean():.0%} | "
            f"{alike.mean():.0%} | {(near & alike).mean():.0%} |"
        )
    text = f"""# Near-identical pictures

`python -m benchmarks.library_twins --pictures {given.pictures}`, {given.model}, Python {platform.python_version()}.
Taken as one: cosine of at least {ALIKE}, colours (48 by 48 pixels) that differ nowhere by more than {LOOKS}, and detail
(of thumbnails, in tiles, against the contrast of each) that differs nowhere by more than {DETAIL}.

| pairs | number | cosine | colours apart | detail apart | one by cosine | one by colours | one by looks | one by all |
|---|---:|---|---|---|---:|---:|---:|---:|
{chr(10).join(lines)}
"""
    print(text)
    if given.write:
        RESULT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
