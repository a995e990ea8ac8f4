"""The vision tower: patches to features for the text tower, one attention segment per frame group (SPEC 1)."""

import functools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from anyseek.model.config import VisionConfig
from anyseek.ops import WithKernels, attention, vision_rotary_tables

__all__ = ["VisionTower", "block_order"]

Grid = tuple[int, int, int]


class PatchEmbed(nn.Module):
    """Pixels to vectors, as one matmul (a Conv3d whose stride is its kernel)."""

    def __init__(self, config: VisionConfig) -> None:
        """Make the projection."""
        super().__init__()
        self.proj = nn.Linear(config.patch_dim, config.hidden_size)

    def forward(self, patches: Tensor) -> Tensor:
        """`(patches, patch_dim)` uint8 to `(patches, vision_hidden)`; pixels are scaled to [-1, 1] here."""
        scaled = patches.float().sub_(127.5).div_(127.5)  # in place: on a CPU fresh memory costs more than arithmetic
        embedded: Tensor = self.proj(scaled.to(self.proj.weight.dtype))
        return embedded


class VisionAttention(WithKernels):
    """Full attention inside each segment."""

    def __init__(self, config: VisionConfig) -> None:
        """Make the projections."""
        super().__init__()
        self.heads = config.num_heads
        self.qkv = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.proj = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor], segments: Sequence[int], backend: str) -> Tensor:
        """`(patches, vision_hidden)` to the same."""
        query, key, value = self.qkv(x).unflatten(-1, (3, self.heads, -1)).unbind(1)
        query, key = self.kernels.rotary(query, *rotary), self.kernels.rotary(key, *rotary)
        mixed: Tensor = self.proj(attention(query, key, value, segments, causal=False, backend=backend).flatten(1))
        return mixed


class VisionMLP(WithKernels):
    """Two layers with tanh-GELU."""

    def __init__(self, config: VisionConfig) -> None:
        """Make the layers."""
        super().__init__()
        self.linear_fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.linear_fc2 = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """`(patches, vision_hidden)` to the same."""
        out: Tensor = self.linear_fc2(self.kernels.gelu(self.linear_fc1(x)))
        return out


class VisionBlock(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, config: VisionConfig) -> None:
        """Make the block."""
        super().__init__()
        self.norm1 = nn.LayerNorm(config.hidden_size, eps=1e-6)
        self.norm2 = nn.LayerNorm(config.hidden_size, eps=1e-6)
        self.attn = VisionAttention(config)
        self.mlp = VisionMLP(config)

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor], segments: Sequence[int], backend: str) -> Tensor:
        """`(patches, vision_hidden)` to the same."""
        x = x + self.attn(self.norm1(x), rotary, segments, backend)
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class PatchMerger(nn.Module):
    """Each 2x2 block of patches to one vector of the text tower's width.

    The final merger normalises each patch before the blocks are joined, the deepstack mergers the joined block.
    """

    def __init__(self, config: VisionConfig, *, norm_joined: bool) -> None:
        """Make the merger."""
        super().__init__()
        self.joined = config.hidden_size * config.spatial_merge_size**2
        self.norm_joined = norm_joined
        self.norm = nn.LayerNorm(self.joined if norm_joined else config.hidden_size, eps=1e-6)
        self.linear_fc1 = nn.Linear(self.joined, self.joined)
        self.linear_fc2 = nn.Linear(self.joined, config.out_hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """`(patches, vision_hidden)` to `(visual_tokens, hidden)`."""
        x = self.norm(x.view(-1, self.joined)) if self.norm_joined else self.norm(x).view(-1, self.joined)
        merged: Tensor = self.linear_fc2(functional.gelu(self.linear_fc1(x)))
        return merged


class VisionTower(nn.Module):
    """Patches to features, and to the deepstack features of the blocks that the config lists.

    Attributes:
        checkpointing: whether blocks are computed again for their gradients instead of keeping what is inside them.
    """

    def __init__(self, config: VisionConfig) -> None:
        """Make the tower."""
        super().__init__()
        self.config = config
        self.checkpointing = False
        self.patch_embed = PatchEmbed(config)
        self.pos_embed = nn.Embedding(config.num_position_embeddings, config.hidden_size)
        self.blocks = nn.ModuleList([VisionBlock(config) for _ in range(config.depth)])
        self.merger = PatchMerger(config, norm_joined=False)
        self.deepstack_merger_list = nn.ModuleList(
            [PatchMerger(config, norm_joined=True) for _ in config.deepstack_visual_indexes]
        )

    def forward(self, patches: Tensor, grids: Sequence[Grid], backend: str = "auto") -> tuple[Tensor, list[Tensor]]:
        """Run the tower.

        Args:
            patches: `(patches, patch_dim)` uint8, 2x2 blocks contiguous.
            grids: (frame groups, rows, columns) of each picture or stack.
            backend: attention backend.

        Returns:
            Features `(visual_tokens, hidden)` and one such tensor per deepstack block.
        """
        x = self.patch_embed(patches)
        x = x + torch.cat([self._positions(grid, x.device) for grid in grids])
        segments = [rows * columns for frames, rows, columns in grids for _ in range(frames)]
        rotary = self._rotary(grids, x.device)
        deepstack = []
        for number, block in enumerate(self.blocks):
            if self.checkpointing and torch.is_grad_enabled():
                x = checkpoint(block, x, rotary, segments, backend, use_reentrant=False)
            else:
                x = block(x, rotary, segments, backend)
            if number in self.config.deepstack_visual_indexes:
                merger = self.deepstack_merger_list[self.config.deepstack_visual_indexes.index(number)]
                deepstack.append(merger(x))
        return self.merger(x), deepstack

    def _positions(self, grid: Grid, device: torch.device) -> Tensor:
        """`(patches, vision_hidden)`: the learned square grid, resampled bilinearly with aligned corners."""
        frames, rows, columns = grid
        side = round(self.config.num_position_embeddings**0.5)
        total = torch.zeros((), device=device)
        for cells, weight in _corners((rows, columns), side, self.config.spatial_merge_size, device):
            total = total + self.pos_embed(cells) * weight[:, None].to(self.pos_embed.weight.dtype)
        return total.repeat(frames, 1)

    def _rotary(self, grids: Sequence[Grid], device: torch.device) -> tuple[Tensor, Tensor]:
        """Rotary tables `(patches, 1, head_dim)` over each patch's row and column."""
        head_dim = self.config.hidden_size // self.config.num_heads
        tables = [_rotary_of(grid, self.config.spatial_merge_size, head_dim, device) for grid in grids]
        cos, sin = (torch.cat([table[side] for table in tables]) for side in (0, 1))
        return cos, sin


@functools.lru_cache(maxsize=128)
@torch.inference_mode(False)  # what is kept may serve training too
def _corners(shape: tuple[int, int], side: int, merge: int, device: torch.device) -> tuple[tuple[Tensor, Tensor], ...]:
    """For each of four neighbours in a grid of side x side: `(patches,)` cells and weights, in block order."""
    rows, columns = shape
    low_r, high_r, part_r = _between(rows, side, device)
    low_c, high_c, part_c = _between(columns, side, device)
    order = block_order(rows, columns, merge, device)
    return tuple(
        (
            (r[:, None] * side + c[None, :]).flatten()[order],
            (weight_r[:, None] * weight_c[None, :]).flatten()[order],
        )
        for r, weight_r in ((low_r, 1 - part_r), (high_r, part_r))
        for c, weight_c in ((low_c, 1 - part_c), (high_c, part_c))
    )


@functools.lru_cache(maxsize=128)
@torch.inference_mode(False)
def _rotary_of(grid: Grid, merge: int, head_dim: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Rotary tables of one grid."""
    frames, rows, columns = grid
    order = block_order(rows, columns, merge, device).repeat(frames)
    return vision_rotary_tables(order // columns, order % columns, head_dim)


def block_order(rows: int, columns: int, merge: int, device: torch.device | None = None) -> Tensor:
    """`(rows * columns,)`: row-major numbers of the patches, in the order that makes merge x merge blocks one run."""
    cells = torch.arange(rows * columns, device=device)
    return cells.view(rows // merge, merge, columns // merge, merge).transpose(1, 2).flatten()


def _between(count: int, side: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """`count` points from 0 to side - 1: the cell below, the cell above, and the share of the cell above."""
    # linspace is taken on the CPU: its rounding differs by device, and a cell can tip over.
    points = torch.linspace(0, side - 1, count).to(device)
    low = points.long()
    return low, (low + 1).clamp(max=side - 1), points - low
