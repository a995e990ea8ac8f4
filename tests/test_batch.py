"""Samples laid end to end: nothing padded, nothing lost, indexes moved along."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from anyseek.batch import Sample, pack, unpack


def make(tokens: int, grids: list[tuple[int, int, int]], seed: int = 0) -> Sample:
    generator = torch.Generator().manual_seed(seed)
    patches = sum(t * h * w for t, h, w in grids)
    return Sample(
        token_ids=torch.randint(0, 1000, (tokens,), generator=generator),
        position_ids=torch.randint(0, 1000, (3, tokens), generator=generator),
        patches=torch.randint(0, 256, (patches, 1536), generator=generator, dtype=torch.uint8),
        grids=torch.tensor(grids, dtype=torch.int64).view(-1, 3),
        visual_index=torch.randperm(tokens, generator=generator)[: patches // 4].sort().values,
    )


GRID = st.tuples(st.integers(1, 3), st.sampled_from([2, 4]), st.sampled_from([2, 4, 6]))
SAMPLES = st.lists(st.tuples(st.integers(40, 90), st.lists(GRID, max_size=2)), min_size=1, max_size=6)


@settings(max_examples=40, deadline=None)
@given(SAMPLES)
def test_what_goes_in_comes_out(shapes: list[tuple[int, list[tuple[int, int, int]]]]) -> None:
    samples = [make(tokens, grids, seed) for seed, (tokens, grids) in enumerate(shapes)]
    batch = pack(samples)
    assert batch.lengths == tuple(sample.num_tokens for sample in samples)
    for sample, ids, positions in zip(
        samples, unpack(batch.token_ids, batch.lengths), unpack(batch.position_ids.T, batch.lengths), strict=True
    ):
        assert torch.equal(ids, sample.token_ids)
        assert torch.equal(positions.T, sample.position_ids)
    assert torch.equal(batch.token_ids[batch.last_index], torch.stack([sample.token_ids[-1] for sample in samples]))
    vision = torch.cat([sample.token_ids[sample.visual_index] for sample in samples])
    assert torch.equal(batch.token_ids[batch.visual_index], vision)
    assert torch.equal(batch.patches, torch.cat([sample.patches for sample in samples]))
    assert sum(batch.segments) == batch.patches.shape[0] == sum(sample.num_patches for sample in samples)
    assert list(batch.grids) == [tuple(grid) for sample in samples for grid in sample.grids.tolist()]


def test_segments_are_frame_groups() -> None:
    batch = pack([make(50, [(3, 2, 4), (1, 2, 2)]), make(50, []), make(50, [(2, 4, 4)])])
    assert batch.segments == (8, 8, 8, 4, 16, 16)
    assert batch.grids == ((3, 2, 4), (1, 2, 2), (2, 4, 4))


def test_to_moves_every_tensor() -> None:
    moved = pack([make(50, [(1, 2, 2)])]).to("meta")
    tensors = (moved.token_ids, moved.position_ids, moved.patches, moved.visual_index, moved.last_index)
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert moved.lengths == (50,)


def test_a_sample_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        make(40, []).token_ids = torch.zeros(1)
