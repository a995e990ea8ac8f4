"""Whether two pictures are the same one, told by their thumbnails."""

import io
import itertools
import random
from collections.abc import Callable
from string import ascii_lowercase

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageEnhance
import pytest

from anyseek.media import Glimpse, MediaOptions, glimpse, picture_thumbnail
from anyseek.search.twins import LOOKS, Detail, looks_apart
from anyseek.world.sprites import font

Picture = PIL.Image.Image


def seen(picture: Picture, quality: int = 85) -> Glimpse:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return glimpse(picture_thumbnail(file.getvalue(), MediaOptions()))


def same(one: Glimpse, other: Glimpse) -> bool:
    return bool(looks_apart(one, [other])[0] <= LOOKS) and Detail(one).is_in(other)


def text(seed: int, ground: str = "white", ink: str = "black", size: tuple[int, int] = (1240, 1754)) -> Picture:
    rng, picture = random.Random(seed), PIL.Image.new("RGB", size, ground)
    pen = PIL.ImageDraw.Draw(picture)
    for y in range(100, size[1] - 300, 34):
        words = "".join(rng.choices(f"{ascii_lowercase}      ", k=rng.randrange(30, 70)))
        pen.text((120, y), words, fill=ink, font=font("sans", 24))
    return picture


def terminal(seed: int) -> Picture:
    return text(seed, "#141414", "#c8c8c8", (1600, 900))


def night(seed: int) -> Picture:
    dark = np.random.default_rng(seed).normal(18, 6, (600, 800, 3))
    down, across = np.mgrid[:600, :800]
    dark += (60 * np.exp(-(((across - 200 - 150 * seed) / 120) ** 2 + ((down - 300) / 90) ** 2)))[..., None]
    return PIL.Image.fromarray(dark.clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("make", [text, terminal, night])
def test_what_looks_alike_from_afar_is_told_by_its_detail(make: Callable[[int], Picture]) -> None:
    looks = [seen(make(seed)) for seed in range(4)]
    for one, other in itertools.permutations(looks, 2):
        assert np.abs(one.far - other.far).max() <= LOOKS, "else this tests nothing"
        assert not Detail(one).is_in(other)


@pytest.mark.parametrize("make", [text, terminal, night])
def test_a_picture_again_is_the_same(make: Callable[[int], Picture]) -> None:
    whole = make(1)
    first, (width, height) = seen(whole), whole.size
    others = [
        seen(whole, quality=40),
        seen(whole.resize((width // 2, height // 2)), quality=60),
        seen(PIL.ImageEnhance.Brightness(whole).enhance(0.8)),
        seen(PIL.ImageEnhance.Contrast(whole).enhance(1.2)),
        seen(whole.crop((width // 100, height // 100, width - width // 100, height - height // 100))),
    ]
    assert [same(first, other) for other in others] == [True] * 5


def test_a_line_by_itself_is_seen() -> None:
    page = text(1)
    more = page.copy()
    PIL.ImageDraw.Draw(more).text((120, 1650), "and one line more below", fill="black", font=font("sans", 24))
    assert not same(seen(page), seen(more))
    assert not same(seen(more), seen(page))
