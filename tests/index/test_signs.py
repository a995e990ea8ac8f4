"""The nearest signs against counting them one by one."""

import numpy as np
import pytest

from anyseek.index import signs


@pytest.mark.parametrize(("rows", "words", "number"), [(1, 1, 1), (999, 3, 20), (70_000, 4, 50), (70_000, 7, 50)])
@pytest.mark.parametrize("share", [1.0, 0.3, 0.0002, 0.0])
def test_nearest_signs(rows: int, words: int, number: int, share: float) -> None:
    random = np.random.default_rng(rows + words)
    centres = random.integers(0, 2**64, (words, 20), dtype=np.uint64)
    noise = np.bitwise_and.reduce(random.integers(0, 2**64, (3, words, rows), dtype=np.uint64))
    stored = centres[:, random.integers(20, size=rows)] ^ noise
    query = stored[:, rows // 2] ^ noise[:, 0]
    counting = random.random(rows) < share
    found = signs.nearest(stored, query, counting, number)
    distances = np.array([int(count) for count in np.bitwise_count(stored ^ query[:, None]).sum(axis=0)])
    assert counting[found].all()
    assert len(set(found.tolist())) == len(found) >= min(number, counting.sum())
    best = np.sort(distances[counting])[:number]
    same = np.sort(distances[found])[: len(best)] == best
    assert same.sum() >= len(best) * (1.0 if words <= signs.FIRST else 0.99)


def test_many_rows_that_differ_equally() -> None:
    same = np.zeros((5, 100_000), np.uint64)
    every = np.ones(100_000, np.bool_)
    assert len(signs.nearest(same, same[:, 0], every, 100)) == 100
    same[:, ::16] = np.uint64(2**64 - 1)
    found = signs.nearest(same, np.zeros(5, np.uint64), every, 100)
    assert len(found) >= 100
    assert (found % 16 > 0).all()


def test_signs_become_words() -> None:
    packed = np.arange(22, dtype=np.uint8).reshape(2, 11)
    words = signs.words_of(packed)
    assert words.shape == (2, 2)
    assert np.bitwise_count(words).sum() == np.bitwise_count(packed).sum()
