"""Rotary position embeddings: interleaved M-RoPE for text, two-axis rotary for vision (SPEC 1)."""

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["apply_rotary", "interleaved_rotary_tables", "vision_rotary_tables"]


def interleaved_rotary_tables(
    position_ids: Tensor, head_dim: int, theta: float, sections: Sequence[int], dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Cosine and sine tables of interleaved M-RoPE.

    Frequency i takes the height position when i % 3 == 1 and i < 3 * sections[1], the width position when i % 3 == 2
    and i < 3 * sections[2], else the time position.

    Args:
        position_ids: `(3, tokens)`, time, height, width.
        head_dim: width of a head; `head_dim / 2` frequencies.
        theta: base of the frequencies.
        sections: frequencies of time, height and width.
        dtype: of the tables; angles are computed in fp32.

    Returns:
        Two tensors `(tokens, 1, head_dim)`.
    """
    index = torch.arange(head_dim // 2, device=position_ids.device)
    height, width = ((index % 3 == axis) & (index < 3 * sections[axis]) for axis in (1, 2))
    axis = height + 2 * width.long()
    frequency = 1.0 / (theta ** (2 * index.float() / head_dim))
    angles = position_ids.float()[axis].T * frequency  # (tokens, head_dim / 2)
    return _tables(angles, dtype)


def vision_rotary_tables(
    rows: Tensor, columns: Tensor, head_dim: int, theta: float = 10_000.0
) -> tuple[Tensor, Tensor]:
    """Cosine and sine tables over (row, column), half of the frequencies each.

    Args:
        rows: `(patches,)` row of each patch.
        columns: `(patches,)` column of each patch.
        head_dim: width of a head.
        theta: base of the frequencies.

    Returns:
        Two fp32 tensors `(patches, 1, head_dim)`.
    """
    half = head_dim // 2
    exponent = torch.arange(0, half, 2, device=rows.device, dtype=torch.float32) / half
    frequency = 1.0 / (theta**exponent)
    angles = torch.cat((rows.float()[:, None] * frequency, columns.float()[:, None] * frequency), dim=1)
    return _tables(angles, torch.float32)


def _tables(angles: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosine and sine of `(tokens, head_dim / 2)` angles, repeated for both halves of a head."""
    both = torch.cat((angles, angles), dim=-1).unsqueeze(1)
    return both.cos().to(dtype), both.sin().to(dtype)


def apply_rotary(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate `(tokens, heads, head_dim)` by tables `(tokens, 1, head_dim)`, in the tables' precision."""
    first, second = x.to(cos.dtype).chunk(2, dim=-1)
    cos, sin = (table[..., : first.shape[-1]] for table in (cos, sin))  # both halves of a head have the same angles
    turned = torch.addcmul(first * cos, second, sin, value=-1), torch.addcmul(second * cos, first, sin)
    return torch.cat(turned, dim=-1).to(x.dtype)
