"""One path for everything: packed = single, whatever the order, the budget and the backend."""

import random
from pathlib import Path
from threading import get_ident
from typing import Any

import numpy as np
import pytest

from anyseek.engine import Embedder, Reranker
from anyseek.engine.features import CacheOptions
from anyseek.errors import InputError
from tests.engine.conftest import picture_bytes

SAME = 1e-5  # measured: 3.2e-7 between any two ways of running the same rows
SCORE = 1e-4  # measured: 1.2e-5 of log-odds


@pytest.fixture(scope="module")
def alone(embedder: Embedder, mixed: list[Any]) -> np.ndarray:
    """Each input in a call of its own."""
    return np.concatenate([embedder.encode([value]) for value in mixed])


def gap(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max())


@pytest.mark.parametrize("budget", [1, 150, 700, 5000, 10**9])
def test_the_budget_changes_nothing(embedder: Embedder, mixed: list[Any], alone: np.ndarray, budget: int) -> None:
    assert gap(embedder.encode(mixed, batch_tokens=budget), alone) < SAME


@pytest.mark.parametrize("seed", range(6))
def test_random_batches_are_their_rows(embedder: Embedder, mixed: list[Any], alone: np.ndarray, seed: int) -> None:
    chance = random.Random(seed)
    rows = [chance.randrange(len(mixed)) for _ in range(chance.randint(2, 14))]
    together = embedder.encode([mixed[row] for row in rows], batch_tokens=chance.choice((300, 2000, 10**6)))
    assert gap(together, alone[rows]) < SAME


@pytest.mark.parametrize("backend", ["reference", "matmul", "sdpa"])
def test_every_backend(embedder: Embedder, mixed: list[Any], alone: np.ndarray, backend: str) -> None:
    other = Embedder(embedder.backbone, embedder.processor, backend)
    assert gap(other.encode(mixed, batch_tokens=1000), alone) < SAME


def test_vectors_differ(alone: np.ndarray) -> None:
    """None of the above is vacuous: rows are far apart."""
    apart = alone @ alone.T - 2 * np.eye(len(alone))
    assert apart.max() < 0.999


def test_pairs_are_their_rows(reranker: Reranker, mixed: list[Any]) -> None:
    pairs = [(mixed[i % 4], mixed[i]) for i in range(len(mixed))]
    single = np.concatenate([reranker.predict([pair], activation="none") for pair in pairs])
    for budget in (1, 2000, 10**9):
        assert gap(reranker.predict(pairs, activation="none", batch_tokens=budget), single) < SCORE
    order = np.random.default_rng(0).permutation(len(pairs))
    shuffled = reranker.predict([pairs[row] for row in order], activation="none")
    assert gap(shuffled, single[order]) < SCORE
    assert single.std() > 0.1


@pytest.mark.parametrize("copies", [2, 3])
def test_copies_of_the_model_share_the_work(
    embedder: Embedder, mixed: list[Any], alone: np.ndarray, copies: int
) -> None:
    device = ",".join(["cpu"] * copies)
    several = Embedder.load(embedder.source, device=device, caches=CacheOptions(feature_bytes=0))
    seen: list[set[int]] = [set() for _ in range(copies)]
    for number, compute in enumerate(several._runner.computes):
        compute.backbone.language_model.register_forward_hook(lambda *_, own=seen[number]: own.add(get_ident()))
    found = several.encode([*mixed, object(), *mixed], batch_tokens=60, on_error="collect")
    assert all(seen), "every copy computed something"
    assert list(found.errors) == [len(mixed)]
    rows = [row for row in range(len(found)) if row != len(mixed)]
    assert gap(found.vectors[rows], np.concatenate([alone, alone])) < SAME


def test_an_error_reaches_the_caller_from_any_copy(embedder: Embedder, tmp_path: Path) -> None:
    several = Embedder.load(embedder.source, device="cpu,cpu")
    bad = tmp_path / "bad.png"
    bad.write_bytes(picture_bytes()[:-300])
    with pytest.raises(InputError, match=r"items\[7\]"):
        several.encode(["text"] * 7 + [bad] + ["other"] * 5)
    assert several.encode(["text"]).shape == (1, several.dim)
