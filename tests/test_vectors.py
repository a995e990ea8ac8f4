"""Truncate, then normalise, then quantise; and cosines of what is stored."""

import numpy as np
import pytest

from anyseek.errors import ConfigError
from anyseek.vectors import PRECISIONS, finish, normalize, quantize, similarity

DIM = 96
INT8_COSINE = 5e-3  # measured: 2.2e-3, 200 random pairs of 96 numbers
FLOAT16_COSINE = 1e-3  # measured: 1e-4


def draw(count: int = 40, dim: int = DIM, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)


def done(vectors: np.ndarray, **options: object) -> np.ndarray:
    return finish(vectors, **{"truncate_dim": None, "normalize_embeddings": True, "precision": "float32"} | options)


def test_truncating_comes_before_normalising() -> None:
    vectors = draw()
    short = done(vectors, truncate_dim=10)
    assert short.shape == (40, 10)
    assert np.allclose(np.linalg.norm(short, axis=1), 1, atol=1e-6)
    assert np.allclose(short, normalize(vectors[:, :10]))
    assert np.array_equal(done(vectors, truncate_dim=DIM), done(vectors))


def test_raw_vectors_stay_raw() -> None:
    vectors = draw()
    assert np.array_equal(done(vectors, normalize_embeddings=False), vectors)
    assert np.array_equal(done(vectors, normalize_embeddings=False, truncate_dim=3), vectors[:, :3])


@pytest.mark.parametrize("width", [0, -1, DIM + 1])
def test_impossible_widths(width: int) -> None:
    with pytest.raises(ConfigError, match=f"truncate_dim must be between 1 and {DIM}"):
        done(draw(), truncate_dim=width)


def test_unknown_precision() -> None:
    with pytest.raises(ConfigError, match=r"int4.*choose from float32"):
        quantize(draw(), "int4")


@pytest.mark.parametrize(
    ("precision", "kind", "width"),
    [
        ("float32", np.float32, DIM),
        ("float16", np.float16, DIM),
        ("int8", np.int8, DIM),
        ("uint8", np.uint8, DIM),
        ("binary", np.int8, DIM // 8),
        ("ubinary", np.uint8, DIM // 8),
    ],
)
def test_kinds_and_widths(precision: str, kind: type, width: int) -> None:
    for vectors in (draw(), draw(1), draw(0)):
        stored = done(vectors, precision=precision)
        assert (stored.dtype, stored.shape) == (kind, (len(vectors), width))


def test_int8_of_one_vector_alone_is_that_of_many() -> None:
    vectors = draw()
    for precision in PRECISIONS:
        assert np.array_equal(done(vectors[3:4], precision=precision)[0], done(vectors, precision=precision)[3])
    assert np.abs(done(vectors[:1], precision="int8")).max() == 127


def test_uint8_is_int8_moved() -> None:
    stored = done(draw(), precision="int8").astype(int)
    assert np.array_equal(done(draw(), precision="uint8").astype(int), stored + 128)


def test_binary_packs_signs_highest_bit_first() -> None:
    vector = np.array([[1, -1, 1, 1, -1, -1, -1, 2, -3, 5]], np.float32)
    assert quantize(vector, "ubinary").tolist() == [[0b10110001, 0b01000000]]
    assert quantize(vector, "binary").tolist() == [[0b10110001 - 128, 0b01000000 - 128]]


def test_zero_stays_zero() -> None:
    zero = np.zeros((1, 8), np.float32)
    assert np.array_equal(normalize(zero), zero)
    assert np.array_equal(done(zero, precision="int8"), np.zeros((1, 8)))


def test_similarity_of_floats_is_the_cosine() -> None:
    a, b = draw(4, seed=1), draw(5, seed=2)
    expected = a @ b.T / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)
    assert np.allclose(similarity(a, b), expected, atol=1e-6)
    assert similarity(a[0], b[0]).shape == (1, 1)
    assert np.allclose(np.diag(similarity(a, a)), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("precision", "tolerance"), [("float16", FLOAT16_COSINE), ("int8", INT8_COSINE), ("uint8", INT8_COSINE)]
)
def test_stored_cosines_are_near(precision: str, tolerance: float) -> None:
    a, b = draw(10, seed=1), draw(20, seed=2)
    stored = similarity(quantize(a, precision), quantize(b, precision), precision)
    assert np.abs(stored - similarity(a, b)).max() < tolerance


@pytest.mark.parametrize("precision", ["binary", "ubinary"])
def test_binary_similarity_counts_equal_signs(precision: str) -> None:
    a, b = draw(3, seed=1), draw(4, seed=2)
    expected = np.sign(a) @ np.sign(b).T / DIM
    assert np.allclose(similarity(quantize(a, precision), quantize(b, precision), precision), expected, atol=1e-6)
