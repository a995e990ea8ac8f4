"""What becomes of a vector: truncate, then normalise, then quantise, always in this order; and how vectors compare."""

from typing import Literal, get_args

import numpy as np

from anyseek.errors import ConfigError

__all__ = ["PRECISIONS", "Precision", "finish", "normalize", "quantize", "similarity"]

Precision = Literal["float32", "float16", "int8", "uint8", "binary", "ubinary"]
PRECISIONS: tuple[str, ...] = get_args(Precision)


def finish(
    vectors: np.ndarray,
    *,
    truncate_dim: int | None,
    normalize_embeddings: bool,
    precision: Precision,
    step: float | None = None,
) -> np.ndarray:
    """Truncate, normalise and quantise.

    Args:
        vectors: `(items, dim)` fp32 as the model gives them.
        truncate_dim: leading numbers kept (Matryoshka); None keeps all.
        normalize_embeddings: scale to length 1, after truncating.
        precision: how the numbers are stored, see `quantize`.
        step: learned size of a step of int8 and uint8, for the numbers as the model gives them (`training.views`);
            None takes each vector's own.

    Raises:
        ConfigError: truncate_dim is not between 1 and dim.
    """
    if truncate_dim is not None:
        if not 1 <= truncate_dim <= vectors.shape[-1]:
            raise ConfigError(f"truncate_dim must be between 1 and {vectors.shape[-1]} (got {truncate_dim})")
        vectors = vectors[..., :truncate_dim]
    if step is not None and precision in ("int8", "uint8"):
        return _stored(np.clip(np.rint(vectors / step), -128, 127), precision)
    if normalize_embeddings:
        vectors = normalize(vectors)
    return quantize(vectors, precision)


def normalize(vectors: np.ndarray) -> np.ndarray:
    """`(items, dim)` scaled to length 1; a zero vector stays zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: np.ndarray = vectors / np.maximum(length, 1e-12)
    return scaled


def quantize(vectors: np.ndarray, precision: Precision) -> np.ndarray:
    """Store `(items, dim)` in fewer bits.

    int8 scales each vector by its own largest number, so that one vector alone can be stored and cosines are kept;
    uint8 is int8 + 128. ubinary packs the signs, eight to a byte, highest bit first; binary is ubinary - 128 as int8.
    The last two are `(items, ceil(dim / 8))`.

    Raises:
        ConfigError: unknown precision.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"precision {precision!r} is unknown; choose from {', '.join(PRECISIONS)}")
    if precision in ("float32", "float16"):
        return vectors.astype(np.dtype(precision))
    if precision in ("binary", "ubinary"):
        packed = np.packbits(vectors > 0, axis=-1)
        return packed if precision == "ubinary" else (packed.astype(np.int16) - 128).astype(np.int8)
    largest = np.abs(vectors).max(axis=-1, keepdims=True)
    return _stored(np.rint(vectors / np.maximum(largest, 1e-12) * 127), precision)


def _stored(whole: np.ndarray, precision: Precision) -> np.ndarray:
    """Whole numbers of -128 to 127 as int8, or as uint8 around 128."""
    return whole.astype(np.int8) if precision == "int8" else (whole + 128).astype(np.uint8)


def similarity(a: np.ndarray, b: np.ndarray, precision: Precision = "float32") -> np.ndarray:
    """Cosine similarity of `(queries, dim)` with `(documents, dim)`, both stored in `precision`.

    Binary vectors give the cosine of their signs: 1 - 2 x the share of differing bits, padding bits counted as equal.

    Returns:
        `(queries, documents)` fp32.
    """
    left, right = (normalize(_unpacked(np.atleast_2d(x), precision)) for x in (a, b))
    cosines: np.ndarray = left @ right.T
    return cosines


def _unpacked(vectors: np.ndarray, precision: Precision) -> np.ndarray:
    """Stored numbers as fp32 around zero."""
    if precision == "binary":
        vectors = (vectors.astype(np.int16) + 128).astype(np.uint8)
    if precision in ("binary", "ubinary"):
        return np.unpackbits(vectors, axis=-1).astype(np.float32) * 2 - 1
    return vectors.astype(np.float32) - (128 if precision == "uint8" else 0)
