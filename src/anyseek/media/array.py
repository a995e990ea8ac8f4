"""Pictures and films that come as arrays: numpy, or torch tensors told by their shape and methods."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anyseek.errors import InputError

__all__ = ["array_size", "film_of", "is_array", "numbers_of", "picture_of"]

CHANNELS = (1, 3, 4)
SHAPES = "(height, width), (height, width, 1, 3 or 4) or (3, height, width)"


def is_array(value: Any) -> bool:
    """True for numpy arrays and torch tensors."""
    return hasattr(value, "shape") and hasattr(value, "dtype")


def array_size(value: Any) -> tuple[int, int]:
    """(width, height) of a picture array; see `picture_of` for the shapes.

    Raises:
        InputError: the shape is no picture's.
    """
    shape = tuple(int(side) for side in value.shape)
    if len(shape) == 2 or (len(shape) == 3 and shape[2] in CHANNELS):
        return shape[1], shape[0]
    if len(shape) == 3 and shape[0] == 3:
        return shape[2], shape[1]
    raise InputError(f"an array of shape {shape} is no picture; give {SHAPES}")


def picture_of(value: Any) -> Image.Image:
    """A picture array as an L, RGB or RGBA image.

    Channels are first only when the last axis cannot be channels: (3, 8, 3) is read as 3 rows of 8 pixels.

    Args:
        value: (height, width), (height, width, 1, 3 or 4) or (3, height, width); bool, uint8, uint16 or float in
            [0, 1].

    Raises:
        InputError: another shape, type or range.
    """
    width, height = array_size(value)
    array = _bytes(numbers_of(value))
    if array.ndim == 3 and array.shape[2] not in CHANNELS:
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    assert array.shape[:2] == (height, width)
    return Image.fromarray(np.ascontiguousarray(array))


def film_of(value: Any) -> NDArray[np.uint8]:
    """A film array as it is: (frames, height, width, 3) uint8.

    Raises:
        InputError: another shape or type, or no frames.
    """
    array = numbers_of(value)
    if array.ndim != 4 or array.shape[3] != 3 or array.dtype != np.uint8 or 0 in array.shape:
        raise InputError(
            f"an array of shape {array.shape} and type {array.dtype} is no video; give (frames, height, width, 3) uint8"
        )
    return array


def numbers_of(value: Any) -> NDArray[Any]:
    """A numpy array of an array or tensor; bfloat16, which numpy lacks, becomes float32."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            value = value.float()
        value = value.numpy()
    return np.asarray(value)


def _bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Values brought to 0 .. 255."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint16:
        return (array >> 8).astype(np.uint8)
    if array.dtype.kind != "f":
        raise InputError(f"an array of type {array.dtype} is no picture; give uint8, bool, uint16 or float in [0, 1]")
    if array.size and not (np.min(array) >= 0 and np.max(array) <= 1):
        raise InputError(
            f"a float picture must lie in [0, 1] (got {np.min(array):g} to {np.max(array):g}); divide it or give uint8"
        )
    scaled: NDArray[np.uint8] = np.rint(array * 255).astype(np.uint8)
    return scaled
