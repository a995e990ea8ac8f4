"""Lists of signs against reading all of them."""

import numpy as np
import pytest

from anyseek.index import kept, signs
from anyseek.index.lists import SHARE, Lists
from tests.index.conftest import clustered

ROWS, WIDTH = 5000, 96
VECTORS = clustered(ROWS, WIDTH, seed=1)
WORDS = signs.words_of(kept.signs(VECTORS)).T


@pytest.fixture(scope="module")
def lists() -> Lists:
    return Lists.of(lambda rows: VECTORS[rows], WORDS)


def test_every_row_is_in_one_list(lists: Lists) -> None:
    assert sorted(lists.order.tolist()) == list(range(ROWS))
    assert lists.starts[0] == 0
    assert lists.starts[-1] == ROWS
    assert (np.diff(lists.starts) >= 0).all()
    assert (lists.signs == WORDS[:, lists.order]).all()
    assert np.allclose(np.linalg.norm(lists.centres, axis=1), 1, atol=1e-5)
    nearest = np.argmax(VECTORS @ lists.centres.T, axis=1)
    member = np.repeat(np.arange(len(lists.centres)), np.diff(lists.starts))
    assert (nearest[lists.order] == member).mean() > 0.999


def test_a_share_of_the_rows_is_read(lists: Lists) -> None:
    for number in range(0, ROWS, 500):
        rows, distances = lists.nearest(VECTORS[number], WORDS[:, number], 10)
        assert number in rows
        assert ROWS // SHARE <= len(rows) <= ROWS // SHARE + np.diff(lists.starts).max()
        expected = np.bitwise_count(WORDS[:, rows] ^ WORDS[:, [number]]).sum(axis=0)
        assert (distances == expected).all()


def test_more_than_there_are(lists: Lists) -> None:
    rows, distances = lists.nearest(VECTORS[0], WORDS[:, 0], ROWS)
    assert sorted(rows.tolist()) == list(range(ROWS))
    assert len(distances) == ROWS


def test_equal_vectors() -> None:
    same = np.tile(VECTORS[:1], (300, 1))
    lists = Lists.of(lambda rows: same[rows], np.tile(WORDS[:, :1], 300))
    rows, distances = lists.nearest(same[0], WORDS[:, 0], 5)
    assert len(rows) == 300
    assert not distances.any()
