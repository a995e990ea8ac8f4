"""How vectors are kept, and how what is kept is compared with a query.

| precision | kept | searched through |
|---|---|---|
| float32, float16 | the numbers | themselves, or an index of about one bit a number |
| int8 | whole numbers, each vector on its own scale; signs | the signs; the best are rescored with whole numbers |
| binary | signs | the signs; the best are rescored with the query's own numbers against them |

A scale for all vectors together would lose up to 20 points of recall where it clips; a scale for each one is not kept,
since a cosine does not depend on it.
"""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from anyseek.index.fingerprint import Fingerprint
from anyseek.vectors import normalize, quantize

__all__ = ["BITS", "VECTOR", "columns", "decode", "encode", "finest", "is_plain", "matrix", "signs"]

VECTOR, BITS = "vector", "bits"


def is_plain(fingerprint: Fingerprint) -> bool:
    """Whether numbers are kept that the store can compare by itself."""
    return fingerprint.precision in ("float32", "float16")


def finest(fingerprint: Fingerprint) -> str:
    """The column that says most of a vector."""
    return BITS if fingerprint.precision == "binary" else VECTOR


def columns(fingerprint: Fingerprint) -> list[pa.Field]:
    """Columns of a vector."""
    found = []
    if fingerprint.precision != "binary":
        kind = pa.from_numpy_dtype(np.dtype(fingerprint.precision))
        found.append(pa.field(VECTOR, pa.list_(kind, fingerprint.width), nullable=False))
    if not is_plain(fingerprint):
        found.append(pa.field(BITS, pa.list_(pa.uint8(), -(-fingerprint.width // 8)), nullable=False))
    return found


def encode(vectors: NDArray[np.float32], fingerprint: Fingerprint) -> dict[str, pa.Array]:
    """`(things, width)` of length 1 as columns."""
    found = {}
    if fingerprint.precision != "binary":
        found[VECTOR] = _lists(quantize(vectors, fingerprint.precision))
    if not is_plain(fingerprint):
        found[BITS] = _lists(signs(vectors))
    return found


def signs(vectors: NDArray[Any]) -> NDArray[np.uint8]:
    """The signs of `(things, width)`, eight to a byte."""
    packed: NDArray[np.uint8] = np.packbits(vectors > 0, axis=-1)
    return packed


def matrix(column: Any) -> NDArray[Any]:
    """A column of lists of equal length as `(rows, numbers)`, as it is kept."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    flat: NDArray[Any] = whole.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(whole), whole.type.list_size)


def decode(kept: NDArray[Any], fingerprint: Fingerprint) -> NDArray[np.float32]:
    """Rows of the finest column as `(rows, width)` of length 1."""
    if fingerprint.precision == "binary":
        numbers = np.unpackbits(kept, axis=1, count=fingerprint.width).astype(np.float32) * 2 - 1
    else:
        numbers = kept.astype(np.float32)
    vectors: NDArray[np.float32] = normalize(numbers)
    return vectors


def _lists(numbers: NDArray[Any]) -> pa.Array:
    """Rows as lists of equal length."""
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(numbers).reshape(-1)), numbers.shape[1])
