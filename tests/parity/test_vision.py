"""The vision tower against transformers, module by module."""

import pytest
import torch
from torch import Tensor

from anyseek.ops import vision_rotary_tables
from tests.parity.conftest import Twins, draw, gap, pixels, scaled

MODULE = 1e-5  # measured: 1.3e-6 (patch embedding), 4e-7 (block), 0 (mergers, positions, rotary tables)
TOWER = 1e-5  # measured: 1.4e-6

GRIDS = {
    "square": [(1, 8, 8)],
    "wide": [(1, 4, 14)],
    "tall": [(1, 22, 2)],
    "least": [(1, 2, 2)],
    "more than the positions": [(1, 50, 4)],
    "frames": [(3, 4, 6)],
    "mixed": [(1, 2, 2), (4, 6, 4), (1, 4, 10), (2, 2, 2), (1, 4, 10)],
}
GRID = pytest.mark.parametrize("grids", GRIDS.values(), ids=GRIDS.keys())


def patches_of(grids: list[tuple[int, int, int]]) -> int:
    return sum(frames * rows * columns for frames, rows, columns in grids)


def bounds(grids: list[tuple[int, int, int]]) -> Tensor:
    """Cumulative patches of the frame groups, as the reference takes them."""
    sizes = [rows * columns for frames, rows, columns in grids for _ in range(frames)]
    return torch.tensor([0, *sizes]).cumsum(0).to(torch.int32)


def test_patch_embedding(twins: Twins) -> None:
    patches = pixels(1, 24)
    assert gap(twins.ours.visual.patch_embed(patches), twins.theirs.visual.patch_embed(scaled(patches))) < MODULE


@GRID
def test_position_grid(twins: Twins, grids: list[tuple[int, int, int]]) -> None:
    ours = torch.cat([twins.ours.visual._positions(grid, torch.device("cpu")) for grid in grids])
    assert gap(ours, twins.theirs.visual.fast_pos_embed_interpolate(torch.tensor(grids))) < MODULE


@GRID
def test_rotary_tables(twins: Twins, grids: list[tuple[int, int, int]]) -> None:
    cos, sin = twins.ours.visual._rotary(grids, torch.device("cpu"))
    angles = twins.theirs.visual.rot_pos_emb(torch.tensor(grids))
    both = torch.cat((angles, angles), dim=-1)
    assert gap(cos[:, 0], both.cos()) < MODULE
    assert gap(sin[:, 0], both.sin()) < MODULE


@pytest.mark.parametrize("backend", ["reference", "matmul", "sdpa"])
def test_block(twins: Twins, backend: str) -> None:
    grids = GRIDS["mixed"]
    x = draw(2, patches_of(grids), twins.ours.config.vision.hidden_size)
    rotary = twins.ours.visual._rotary(grids, torch.device("cpu"))
    segments = bounds(grids).diff().tolist()
    expected = twins.theirs.visual.blocks[0](
        x, cu_seqlens=bounds(grids), position_embeddings=(rotary[0][:, 0], rotary[1][:, 0])
    )
    assert gap(twins.ours.visual.blocks[0](x, rotary, segments, backend), expected) < MODULE


def test_mergers(twins: Twins) -> None:
    x = draw(3, 40, twins.ours.config.vision.hidden_size)
    assert gap(twins.ours.visual.merger(x), twins.theirs.visual.merger(x)) < MODULE
    theirs = twins.theirs.visual.deepstack_merger_list
    for mine, other in zip(twins.ours.visual.deepstack_merger_list, theirs, strict=True):
        assert gap(mine(x), other(x)) < MODULE


@GRID
def test_tower(twins: Twins, grids: list[tuple[int, int, int]]) -> None:
    patches = pixels(4, patches_of(grids))
    features, deepstack = twins.ours.visual(patches, grids)
    expected, expected_deepstack = twins.theirs.visual(scaled(patches), torch.tensor(grids))
    assert gap(features, expected) < TOWER
    assert len(deepstack) == len(expected_deepstack) > 0
    assert max(gap(a, b) for a, b in zip(deepstack, expected_deepstack, strict=True)) < TOWER


def test_tower_is_not_blind(twins: Twins) -> None:
    grids, patches = [(1, 4, 6)], pixels(5, 24)
    features, _ = twins.ours.visual(patches, grids)
    moved, _ = twins.ours.visual(patches.roll(4, 0), grids)
    turned, _ = twins.ours.visual(patches, [(1, 6, 4)])
    assert min(gap(features, moved.roll(-1, 0)), gap(features, turned)) > 100 * TOWER


def test_rotary_of_large_grids_is_exact() -> None:
    rows = torch.arange(3000)
    cos, _ = vision_rotary_tables(rows, rows, 64)
    frequency = 1.0 / (10_000.0 ** (torch.arange(0, 32, 2, dtype=torch.float32) / 32))
    assert torch.equal(cos[:, 0, :16], (rows.float()[:, None] * frequency).cos())
