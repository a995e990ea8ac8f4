"""What stands before a sequence may be computed once: whole or cut into pieces, its tokens are the same."""

import itertools
import random

import pytest
import torch

from anyseek.batch import Block, Sample, pack
from anyseek.engine import Embedder
from anyseek.items import Item
from tests.processing.conftest import picture

SAME = 1e-5  # measured: 6e-7


@pytest.fixture(scope="module")
def samples(embedder: Embedder) -> list[Sample]:
    """Prompts with and without vision."""
    inputs = [
        "a red apple",
        "word " * 30,
        {"image": picture(96, 64)},
        ["left", picture(64, 64), "right", picture(64, 96)],
    ]
    return [embedder.processor.sample(item) for item in map(_item, inputs)]


def _item(value: object) -> object:
    from anyseek.items import Item

    return Item.of(value)


@pytest.mark.parametrize("backend", ["reference", "sdpa", "matmul"])
@pytest.mark.parametrize("cuts", [1, 2, 4])
@torch.inference_mode()
def test_continued_is_whole(embedder: Embedder, samples: list[Sample], backend: str, cuts: int) -> None:
    """Every piece sees the blocks of those before it; deepstack goes where the vision is."""
    model, chance = embedder.backbone, random.Random(cuts)
    for sample in samples:
        features = (
            model.see(sample.patches, [tuple(grid) for grid in sample.grids.tolist()]) if len(sample.grids) else None
        )
        whole = model(pack([sample]), backend=backend, features=features)
        edges = [0, *sorted(chance.sample(range(1, sample.num_tokens), cuts)), sample.num_tokens]
        blocks: tuple[Block, ...] = ()
        for start, stop in itertools.pairwise(edges):
            index = (sample.visual_index >= start) & (sample.visual_index < stop)
            given = {"backend": backend, "features": None if features is None else features[index]}
            past = (blocks,) if blocks else ()
            part = pack([sample.cut(start, stop)])
            states = model(part, past=past, **given)
            assert (states - whole[start:stop]).abs().max() < SAME
            assert (model(part, past=past, last=True, **given) - states[-1:]).abs().max() < SAME
            blocks = (*blocks, *model.remember(part, past=past, **given))
        assert sum(block.num_tokens for block in blocks) == sample.num_tokens


@torch.inference_mode()
def test_one_block_serves_many(embedder: Embedder) -> None:
    """Sequences with and without a past stand in one batch."""
    model = embedder.backbone
    first, second, third = (embedder.processor.sample(Item.of(text)) for text in ("an apple", "an apple pie", "rain"))
    shared = 12
    [block] = model.remember(pack([first.cut(0, shared)]))
    batch = pack([first.cut(shared, first.num_tokens), third, second.cut(shared, second.num_tokens)])
    together = model(batch, last=True, past=((block,), (), (block,)))
    alone = model(pack([first, third, second]), last=True)
    assert (together - alone).abs().max() < SAME
