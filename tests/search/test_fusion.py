"""Two opinions, one probability."""

import json
from pathlib import Path

import numpy as np
import pytest

from anyseek.errors import CheckpointError, ConfigError
from anyseek.search import Fusion, SearchOptions, ask, embed
from tests.fakes import FakeEmbedder, FakeReranker
from tests.search.test_pipeline import files, query


def drawn(seed: int, weights: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs whose labels follow known weights."""
    rng = np.random.default_rng(seed)
    log_odds, cosines = rng.normal(0, 2, 20_000), rng.uniform(-0.2, 0.9, 20_000)
    likely = 1 / (1 + np.exp(-(weights[0] + weights[1] * log_odds + weights[2] * cosines)))
    return log_odds, cosines, (rng.random(20_000) < likely).astype(float)


def test_fit_finds_the_weights_that_made_the_labels() -> None:
    """And its probabilities are calibrated."""
    log_odds, cosines, labels = drawn(0, (-3.0, 0.7, 6.0))
    fusion = Fusion.fit(log_odds, cosines, labels)
    assert (fusion.bias, fusion.log_odds, fusion.similarity) == pytest.approx((-3.0, 0.7, 6.0), rel=0.08)
    likely = fusion.probability(log_odds, cosines)
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        chosen = (likely >= low) & (likely < low + 0.2)
        assert labels[chosen].mean() == pytest.approx(likely[chosen].mean(), abs=0.03)


def test_an_opinion_without_knowledge_gets_no_weight() -> None:
    """Here the reranker's."""
    log_odds, cosines, labels = drawn(1, (-2.0, 0.0, 8.0))
    assert abs(Fusion.fit(log_odds, cosines, labels).log_odds) < 0.05


def test_one_kind_of_label_cannot_be_fitted() -> None:
    with pytest.raises(ConfigError, match="both kinds"):
        Fusion.fit(np.zeros(3), np.zeros(3), np.ones(3))


def test_the_defaults_leave_the_rerankers_probability() -> None:
    """Certainty included, and a pair that was not read stays unread."""
    given = np.array([-np.inf, -1.0, 0.0, 2.0, np.inf, np.nan], dtype=np.float32)
    found = Fusion().probability(given, np.zeros(6))
    assert found[:5] == pytest.approx([0, 0.26894, 0.5, 0.8808, 1], abs=1e-4) and np.isnan(found[5])


def test_it_lies_beside_the_reranker(tmp_path: Path) -> None:
    """With the limits, which stay; without it the defaults hold; a broken one is named."""
    assert Fusion.beside(None) == Fusion.beside(tmp_path) == Fusion()
    (tmp_path / "anyseek.json").write_text('{"limits": {"max_pixels": 4096}}')
    fusion = Fusion(bias=-1.5, log_odds=0.5, similarity=9.0)
    fusion.write(tmp_path)
    assert Fusion.beside(tmp_path) == fusion
    assert json.loads((tmp_path / "anyseek.json").read_text())["limits"] == {"max_pixels": 4096}
    (tmp_path / "anyseek.json").write_text('{"fusion": {"weight": 1}}')
    with pytest.raises(CheckpointError, match="fusion"):
        Fusion.beside(tmp_path)


def test_search_orders_by_both(tmp_path: Path) -> None:
    """The reranker prefers the long text, the vectors the short one: the weights decide."""
    found = files(tmp_path, {"short.txt": "apple dog", "long.txt": "apple left of a dog and of many other things"})
    library = embed(found, FakeEmbedder())
    for fusion, first in ((Fusion(), "long.txt"), (Fusion(log_odds=0.1, similarity=30), "short.txt")):
        options = SearchOptions(fusion=fusion)
        hits = ask(query("apple left dog cat"), library, FakeEmbedder(), FakeReranker(), options).hits
        assert hits[0].found.path.name == first and hits[0].reranked and 0 <= hits[0].score <= 1
