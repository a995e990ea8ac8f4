"""A bad input costs its own row: its error says which, and every other row is what it would have been."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from anyseek import errors
from anyseek.engine import Embedder, Reranker
from anyseek.errors import ConfigError, InputError
from anyseek.items import Image
from anyseek.media import MediaOptions
from tests.processing.conftest import changed, picture

OTHERS = 1e-6  # measured: 3e-7; 0 where the good rows are batched as before

KINDS = {
    "corrupt.png": errors.DecodeError,
    "truncated.jpg": errors.DecodeError,
    "empty.png": errors.DecodeError,
    "bomb.png": errors.LimitError,
    "truncated.mp4": errors.DecodeError,
    "corrupt.pdf": errors.DecodeError,
    "noise.bin": InputError,
    "sound.wav": InputError,
    "corrupt picture in a mix": errors.DecodeError,
    "missing file": errors.SourceError,
    "a folder": errors.SourceError,
    "404": errors.SourceError,
    "an address as text": InputError,
    "wrong type": InputError,
    "nothing": InputError,
    "nested": InputError,
    "unknown key": InputError,
    "half a character": InputError,
    "20000x3": InputError,
    "no pixels": InputError,
    "a picture as a video": errors.DecodeError,
    "a film as a picture": errors.DecodeError,
    "no frames": InputError,
    "frames of two sizes": InputError,
    "a frame that is missing": errors.SourceError,
    "no such page": InputError,
    "two pages": InputError,
    "one frame of a film": InputError,
}
BAD = pytest.mark.parametrize("name", KINDS)
Bad = dict[str, Callable[[], Any]]

GOOD = ["a red apple", picture(64, 64), "word " * 40]


@pytest.fixture(scope="module")
def near(embedder: Embedder) -> Embedder:
    """The embedder, allowed to ask this machine for the address that is missing."""
    media = MediaOptions(private_addresses=True)
    return Embedder(embedder.backbone, changed(embedder.processor, media=media), "sdpa")


@pytest.fixture(scope="module")
def without(near: Embedder) -> np.ndarray:
    return near.encode(GOOD)


def test_every_bad_input_is_listed(bad: Bad) -> None:
    assert set(bad) == set(KINDS)


@BAD
def test_collecting(near: Embedder, bad: Bad, without: np.ndarray, name: str) -> None:
    found = near.encode([GOOD[0], bad[name](), GOOD[1], GOOD[2]], on_error="collect")
    assert list(found.errors) == [1]
    assert type(found[1]) is KINDS[name] or (KINDS[name] is InputError and isinstance(found[1], InputError))
    assert str(found[1]).startswith("items[1]: ")
    assert np.isnan(found.vectors[1]).all()
    assert np.abs(found.vectors[[0, 2, 3]] - without).max() < OTHERS


@BAD
def test_raising_names_the_row(near: Embedder, bad: Bad, name: str) -> None:
    with pytest.raises(KINDS[name], match=r"^items\[2\]: "):
        near.encode([GOOD[0], GOOD[1], bad[name]()])


def test_all_bad_inputs_in_one_call(near: Embedder, bad: Bad, without: np.ndarray) -> None:
    values = [*GOOD, *(make() for make in bad.values()), *GOOD]
    found = near.encode(values, on_error="collect", batch_tokens=300)
    assert list(found.errors) == sorted(found.errors) or set(found.errors) == set(range(3, 3 + len(bad)))
    assert set(found.errors) == set(range(3, 3 + len(bad)))
    assert np.abs(found.vectors[:3] - without).max() < OTHERS
    assert np.abs(found.vectors[-3:] - without).max() < OTHERS


def test_a_one_pixel_picture_is_not_bad(embedder: Embedder) -> None:
    assert np.isfinite(embedder.encode(Image(picture(1, 1)))).all()


@pytest.mark.parametrize("precision", ["int8", "uint8", "binary", "ubinary", "float16"])
def test_collecting_in_every_precision(embedder: Embedder, precision: str) -> None:
    found = embedder.encode(["a", 7], on_error="collect", precision=precision)
    assert isinstance(found[1], InputError)
    assert isinstance(found[-1], InputError)
    assert np.array_equal(found[0], embedder.encode(["a"], precision=precision)[0])


def test_pairs(reranker: Reranker, bad: Bad) -> None:
    good = [("apple", "a red apple"), ("apple", picture(64, 64))]
    alone = reranker.predict(good)
    values: list[Any] = [(make(), "document") for make in bad.values()] + [("query", make()) for make in bad.values()]
    values += ["ab", ("query",), ("a", "b", "c"), None, 5, {"text": "a", "image": "b"}]
    found = reranker.predict([good[0], *values, good[1]], on_error="collect")
    assert set(found.errors) == set(range(1, 1 + len(values)))
    assert all(str(error).startswith(f"pairs[{row}]: ") for row, error in found.errors.items())
    assert np.abs(found.scores[[0, -1]] - alone).max() < OTHERS
    assert np.isnan(found.scores[1:-1]).all()
    with pytest.raises(InputError, match=r"^pairs\[1\]: a pair is \(query, document\)"):
        reranker.predict([good[0], "ab"])


def test_bad_options_are_no_bad_inputs(embedder: Embedder, reranker: Reranker) -> None:
    for call in (
        lambda: embedder.encode(["a"], on_error="ignore"),
        lambda: embedder.encode(["a"], precision="int4"),
        lambda: embedder.encode(["a"], truncate_dim=65),
        lambda: reranker.predict([("a", "b")], activation="softmax"),
        lambda: reranker.predict([("a", "b")], on_error="ignore"),
    ):
        with pytest.raises(ConfigError):
            call()
