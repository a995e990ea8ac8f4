"""What `plan` tells from headers is what comes out: 500 random inputs, and real encoded files of every kind."""

import io
import random
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from anyseek.batch import Sample
from anyseek.errors import InputError
from anyseek.items import File, Image, Item, Limits, Page, Text, Video
from anyseek.processing import Plan, Processor
from tests.processing.conftest import encode_film, page_bytes, picture

LEAST_FRAME = 4096
FILMS = {"a.mp4": ("libx264", 37, (96, 64)), "b.webm": ("libvpx", 9, (64, 98)), "c.avi": ("mpeg4", 70, (48, 48))}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("films")
    return [
        encode_film(folder / name, codec=codec, frames=frames, size=size)
        for name, (codec, frames, size) in FILMS.items()
    ]


def check(plan: Plan, sample: Sample, processor: Processor) -> None:
    """Everything the plan says, against the sample itself."""
    pads = {processor.tokenizer.token_id(f"<|{kind}_pad|>") for kind in ("image", "video")}
    tokens = sample.token_ids.tolist()
    assert plan.tokens == len(tokens) == sample.position_ids.shape[1]
    assert plan.visual_tokens == sum(token in pads for token in tokens) == len(sample.visual_index)
    assert all(tokens[i] in pads for i in sample.visual_index.tolist())
    assert plan.patches == len(sample.patches) == 4 * plan.visual_tokens
    assert [list(grid) for grid in plan.grids] == sample.grids.tolist()
    assert plan.patches == sum(t * h * w for t, h, w in plan.grids)
    assert list(plan.sizes) == [(16 * w, 16 * h) for _, h, w in plan.grids]
    assert [frames // 2 or 1 for frames in plan.frames] == [t for t, _, _ in plan.grids]


def random_limits(chance: random.Random) -> Limits:
    def maybe(*values: Any) -> Any:
        return chance.choice((None, *values))

    return Limits(
        fps=maybe(0.3, 1.0, 2.0, 7.5),
        max_frames=maybe(2, 4, 7, 12),
        min_pixels=maybe(1024, 8192),
        max_pixels=maybe(10_000, 60_000),
        min_frame_pixels=LEAST_FRAME,
        max_frame_pixels=maybe(5000, 20_000),
        total_pixels=maybe(30_000, 200_000),
        max_tokens=maybe(60, 200),
    )


def random_part(chance: random.Random, films: list[Path]) -> Any:
    width, height = (round(2 ** chance.uniform(3, 7.5)) for _ in range(2))
    kind = chance.choice(("picture", "bytes", "page", "film", "frames", "text"))
    if kind == "text":
        return Text("some words " * chance.randint(0, 30))
    if kind == "page":
        return Page(page_bytes(width, height, 2), chance.randint(1, 2))
    if kind == "film":
        return Video(chance.choice(films), fps=chance.choice((None, 3.0)), max_frames=chance.choice((None, 6)))
    if kind == "frames":
        return Video([picture(width, height, n) for n in range(chance.randint(1, 9))])
    if kind == "bytes":
        out = io.BytesIO()
        Pillow.fromarray(picture(width, height)).save(out, chance.choice(("PNG", "JPEG", "GIF")))
        return File(out.getvalue())
    return Image(picture(width, height))


@pytest.mark.parametrize("block", range(10))
def test_plans_of_random_inputs(processor: Processor, films: list[Path], block: int) -> None:
    """500 in all; an input that cannot be planned cannot be produced either."""
    chance, refused = random.Random(block), 0
    for _ in range(50):
        parts = tuple(random_part(chance, films) for _ in range(chance.randint(1, 3)))
        item = Item(parts, limits=random_limits(chance))
        try:
            plan = processor.plan(item)
        except InputError:
            refused += 1
            with pytest.raises(InputError):
                processor.sample(item)
            continue
        check(plan, processor.sample(item), processor)
        assert plan.tokens <= (item.limits.max_tokens or 8192)
    assert refused < 25


@pytest.mark.parametrize("size", [(640, 480), (481, 639), (1, 1), (3000, 20), (20, 3000), (1344, 1371), (2600, 1900)])
def test_plans_of_pictures_under_the_reference_limits(processor: Processor, size: tuple[int, int]) -> None:
    item = Item.of(picture(*size))
    check(processor.plan(item), processor.sample(item), processor)


def test_plans_of_real_films_under_the_reference_limits(processor: Processor, films: list[Path]) -> None:
    for film in films:
        for fps, max_frames in ((None, None), (4.0, 6)):
            item = Item((Video(film, fps=fps, max_frames=max_frames),))
            check(processor.plan(item), processor.sample(item), processor)


def test_the_page_of_a_letter_fills_the_reference_tokens(processor: Processor) -> None:
    plan = processor.plan(Item((Page(page_bytes(595, 842)),)))
    assert 1600 < plan.visual_tokens <= 1800


def test_plans_of_pairs(pair_processor: Processor, films: list[Path]) -> None:
    query, document = Item.of(["q", picture(90, 70)]), Item((Video(films[0]), Text("d " * 40)))
    check(pair_processor.plan_pair(query, document), pair_processor.pair_sample(query, document), pair_processor)


def test_a_plan_decodes_nothing(processor: Processor, monkeypatch: pytest.MonkeyPatch, films: list[Path]) -> None:
    def refuse(*args: Any) -> None:
        raise AssertionError("decoded")

    for name in ("load_image", "read_frames", "render_page"):
        monkeypatch.setattr(f"anyseek.processing.processor.{name}", refuse)
    item = Item((Image(picture(64, 64)), Video(films[0]), Page(page_bytes(90, 90)), Video([picture(64, 64)] * 2)))
    assert len(processor.plan(item).grids) == 4
    with pytest.raises(AssertionError, match="decoded"):
        processor.sample(item)
