"""Decoded pixels to model input: the two resizes and the order of patches (SPEC 1, 3, 6)."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from anyseek.processing.rules import Size

__all__ = ["PATCH", "PATCH_DIM", "patchify", "picture_frames", "resize_frames", "resize_picture"]

PATCH = 16
MERGE = 2
PATCH_DIM = 3 * 2 * PATCH**2
PILLOW_BICUBIC = 3


def resize_picture(picture: Any, size: Size) -> Any:
    """A Pillow image at the wanted width and height, bicubic, as the reference resizes pictures."""
    return picture.resize(size, PILLOW_BICUBIC)


def picture_frames(picture: np.ndarray) -> Tensor:
    """`(height, width, 3)` uint8 to `(2, 3, height, width)`: a picture is its frame twice."""
    return torch.from_numpy(picture.copy()).permute(2, 0, 1).expand(2, -1, -1, -1)


def resize_frames(frames: Tensor, size: Size) -> Tensor:
    """`(frames, 3, height, width)` uint8 at the wanted width and height, bicubic with antialias.

    In fp32 and rounded, as the reference does; torch's own uint8 arithmetic differs by one level in places, which moves
    vectors by up to 4e-4. One frame at a time bounds the memory.
    """
    width, height = size
    if frames.shape[-2:] == (height, width):
        return frames
    resized = torch.empty((*frames.shape[:2], height, width), dtype=torch.uint8)
    for frame, target in zip(frames, resized, strict=True):
        wide = functional.interpolate(frame[None].float(), (height, width), mode="bicubic", antialias=True)
        target.copy_(wide[0].clamp_(0, 255).round_())
    return resized


def patchify(frames: Tensor) -> Tensor:
    """Cut frames into patches, 2x2 blocks contiguous.

    Args:
        frames: `(frames, 3, height, width)` uint8, an even number of frames, sides multiples of 32.

    Returns:
        `(patches, 3 * 2 * 16 * 16)` uint8, patch-major over (pair of frames, block row, block column, row, column), and
        inside a patch channel, frame, row, column.
    """
    count, channels, height, width = frames.shape
    rows, columns = height // PATCH // MERGE, width // PATCH // MERGE
    cells = frames.reshape(count // 2, 2, channels, rows, MERGE, PATCH, columns, MERGE, PATCH)
    return cells.permute(0, 3, 6, 4, 7, 2, 1, 5, 8).reshape(-1, channels * 2 * PATCH * PATCH)
