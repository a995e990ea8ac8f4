"""The contract between processing and model: Sample, PackedBatch, pack, unpack.

Axis words used in every docstring of the project: `tokens` (packed, all sequences end to end), `sequences`, `patches`
(before the 2x2 merge), `visual_tokens` (after it), `grids` (one per picture or temporal stack), `segments` (frame
groups), `heads`, `kv_heads`, `head_dim`, `hidden`, `vision_hidden`, `vocab`, `dim` (embedding width), `queries`,
`documents`. Nothing is ever padded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

__all__ = ["Block", "PackedBatch", "Past", "Sample", "pack", "unpack"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One input, ready for the model.

    Attributes:
        token_ids: `(tokens,)` int64.
        position_ids: `(3, tokens)` int64, time, height and width (SPEC 1).
        patches: `(patches, 3 * 2 * 16 * 16)` uint8, 2x2 blocks contiguous; empty without vision.
        grids: `(grids, 3)` int64, frame groups, rows and columns of patches.
        visual_index: `(visual_tokens,)` int64, the tokens that take vision features, in patch order.
    """

    token_ids: Tensor
    position_ids: Tensor
    patches: Tensor
    grids: Tensor
    visual_index: Tensor

    @property
    def num_tokens(self) -> int:
        """Length of the sequence."""
        return self.token_ids.shape[0]

    @property
    def num_patches(self) -> int:
        """Number of vision patches."""
        return self.patches.shape[0]

    def cut(self, start: int, stop: int) -> "Sample":
        """The tokens from `start` to before `stop`, at their positions, without patches."""
        inside = self.visual_index[(self.visual_index >= start) & (self.visual_index < stop)]
        return replace(
            self,
            token_ids=self.token_ids[start:stop],
            position_ids=self.position_ids[:, start:stop],
            patches=self.patches[:0],
            grids=self.grids[:0],
            visual_index=inside - start,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedBatch:
    """Several samples end to end, without padding.

    Attributes:
        token_ids: `(tokens,)` int64.
        position_ids: `(3, tokens)` int64.
        lengths: tokens of each sequence, on the host.
        patches: `(patches, patch_dim)` uint8.
        grids: `(frame groups, rows, columns)` of each grid, on the host.
        visual_index: `(visual_tokens,)` int64 into the packed tokens.
    """

    token_ids: Tensor
    position_ids: Tensor
    lengths: tuple[int, ...]
    patches: Tensor
    grids: tuple[tuple[int, int, int], ...]
    visual_index: Tensor

    @property
    def last_index(self) -> Tensor:
        """`(sequences,)` int64: the last token of each sequence, the one that is pooled."""
        return torch.tensor(self.lengths, device=self.token_ids.device).cumsum(0) - 1

    @property
    def segments(self) -> tuple[int, ...]:
        """Patches of each frame group: vision attention stays inside one."""
        return tuple(rows * columns for frames, rows, columns in self.grids for _ in range(frames))

    def to(self, device: torch.device | str) -> "PackedBatch":
        """The batch with its tensors on `device`."""
        moved: dict[str, Any] = {
            f.name: v.to(device) for f in fields(self) if isinstance(v := getattr(self, f.name), Tensor)
        }
        return replace(self, **moved)


@dataclass(frozen=True, slots=True)
class Block:
    """Keys and values of a run of tokens in every layer, computed once for all sequences that begin with it.

    Attributes:
        keys: per layer `(tokens, kv_heads, head_dim)`, already rotated to their positions.
        values: likewise.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]

    @property
    def num_tokens(self) -> int:
        """Length of the run."""
        return self.keys[0].shape[0]

    @property
    def num_bytes(self) -> int:
        """Memory it takes."""
        return sum(tensor.numel() * tensor.element_size() for tensor in (*self.keys, *self.values))


Past = tuple[tuple[Block, ...], ...]
"""For each sequence of a batch the blocks that stand before it, in their order."""


def pack(samples: Sequence[Sample]) -> PackedBatch:
    """Lay samples end to end; token order is sample order."""
    offset, visual = 0, []
    for sample in samples:
        visual.append(sample.visual_index + offset)
        offset += sample.num_tokens
    return PackedBatch(
        token_ids=torch.cat([s.token_ids for s in samples]),
        position_ids=torch.cat([s.position_ids for s in samples], dim=1),
        lengths=tuple(s.num_tokens for s in samples),
        patches=torch.cat([s.patches for s in samples]),
        grids=tuple(tuple(grid) for s in samples for grid in s.grids.tolist()),
        visual_index=torch.cat(visual),
    )


def unpack(values: Tensor, lengths: Sequence[int]) -> list[Tensor]:
    """Cut `(tokens, ...)` back into one tensor per sequence."""
    return list(values.split(list(lengths)))
