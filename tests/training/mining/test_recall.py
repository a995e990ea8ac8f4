"""Recall against the whole matrix, with shards and blocks small enough to matter; memory that does not grow."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from anyseek.training.mining import Shelf, recall, shards
from anyseek.training.mining.recall import cosines, top_of
from anyseek.training.mining.shards import Vectors


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "ROWS", 8)
    monkeypatch.setattr(recall, "QUERIES", 16)
    monkeypatch.setattr(recall, "PAIRS", 5)


def stored(folder: Path, what: str, vectors: np.ndarray, size: int = 8) -> Vectors:
    shelf = Shelf(work=folder, what=what, about={})
    shelf.begin()
    for shard in range(-(-len(vectors) // size)):
        np.save(shelf.path(shard, ".npy"), vectors[shard * size : (shard + 1) * size])
    return Vectors(shelf, len(vectors))


def drawn(rows: int, dim: int = 4, seed: int = 0) -> np.ndarray:
    made = np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@pytest.mark.parametrize("block", [8, 24, 1000])
def test_recall_is_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(recall, "DOCUMENTS", block)
    queries, documents = drawn(37), drawn(101, seed=1)
    documents[[3, 50, 99]] = documents[7]  # equal scores: the earlier row comes first
    documents[11], queries[5] = np.nan, np.nan
    found = recall.recall(stored(tmp_path, "q", queries), stored(tmp_path, "d", documents), 9)
    for row, query in enumerate(queries):
        if row == 5:
            assert top_of(found[row]) == []
            continue
        scores = np.round(documents @ query, 5)
        right = [int(one) for one in np.argsort(-scores, kind="stable")[:9]]
        assert [place for place, _ in top_of(found[row])] == right
        assert [score for _, score in top_of(found[row])] == pytest.approx(scores[right].tolist(), abs=1e-4)
    assert 11 not in {place for row in found for place, _ in top_of(row)}


def test_more_are_wanted_than_there_are(tmp_path: Path) -> None:
    documents = drawn(3)
    documents[1] = np.nan
    found = recall.recall(stored(tmp_path, "q", -documents[:1]), stored(tmp_path, "d", documents), 50)
    rows = top_of(found[0])
    assert {place for place, _ in rows} == {0, 2}
    assert dict(rows)[0] == pytest.approx(-1)  # scores below zero keep their order too
    assert rows[0][1] > rows[1][1]


def test_cosines_of_pairs(tmp_path: Path) -> None:
    queries, documents = drawn(20), drawn(30, seed=1)
    pairs = np.random.default_rng(2).integers(20, size=(33, 2))
    found = cosines(stored(tmp_path, "q", queries), stored(tmp_path, "d", documents), pairs)
    np.testing.assert_allclose(found, [queries[q] @ documents[d] for q, d in pairs], atol=1e-6)
    assert cosines(stored(tmp_path, "q", queries), stored(tmp_path, "d", documents), pairs[:0]).shape == (0,)


def test_memory_is_that_of_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "ROWS", 256)
    monkeypatch.setattr(recall, "QUERIES", 256)
    monkeypatch.setattr(recall, "DOCUMENTS", 256)
    queries, documents = stored(tmp_path, "q", drawn(512), 256), stored(tmp_path, "d", drawn(20_000, seed=1), 256)
    tracemalloc.start()
    recall.recall(queries, documents, 5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 512 * 20_000 * 4 / 4  # the whole matrix would be 41 MB; measured 3.4 MB
