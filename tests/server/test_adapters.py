"""Adapters by the name of a model: answers are those of the library, whatever else is asked at the same time."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anyseek.engine import Embedder, Reranker
from anyseek.errors import ConfigError
from anyseek.server import Models
from tests.engine.test_adapters import learned
from tests.server.conftest import Running, Start, picture, png, together
from tests.server.test_embeddings import vectors

CLOSE = 2e-6


@pytest.fixture(scope="module")
def adapted(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Models:
    """The tiny pair, each with an adapter called legal, the embedder with one more."""
    folder = tmp_path_factory.mktemp("adapters")
    assert models.embedder is not None
    assert models.reranker is not None
    one = models.embedder.with_adapter(learned(folder / "one", Embedder))
    other = models.embedder.with_adapter(learned(folder / "other", Embedder, vision=True))
    judge = models.reranker.with_adapter(learned(folder / "judge", Reranker))
    return replace(models, adapted=(("legal", one), ("drawn", other), ("legal", judge)))


@pytest.fixture(scope="module")
def live(start: Start, adapted: Models) -> Iterator[Running]:
    """A server with them."""
    with start(lambda: adapted) as found:
        yield found


def test_each_request_has_its_own(live: Running, adapted: Models) -> None:
    by_name = {"small": adapted.embedder, "legal": adapted.adapted[0][1], "drawn": adapted.adapted[1][1]}
    asked = [(name, number) for number in range(6) for name in by_name]
    inputs = [[f"text {number}", {"image": picture(number)}] for _, number in asked]
    requests = [
        ("/v1/embeddings", {"model": name, "input": given}) for (name, _), given in zip(asked, inputs, strict=True)
    ]
    found = [vectors(answer) for answer in together(live.url, requests)]
    for (name, number), rows in zip(asked, found, strict=True):
        model = by_name[name]
        assert isinstance(model, Embedder)
        expected = model.encode([f"text {number}", {"image": png(seed=number)}])
        assert np.abs(rows - expected).max() < CLOSE
    assert np.abs(found[0] - found[1]).max() > 1e-3
    assert np.abs(found[1] - found[2]).max() > 1e-3


def test_scores_of_an_adapter(live: Running, adapted: Models) -> None:
    judge = adapted.adapted[2][1]
    assert isinstance(judge, Reranker)
    documents = ["a red apple", "a dog"]
    answer = live.post("/v1/rerank", {"model": "legal", "query": "apple", "documents": documents}).json()
    expected = judge.predict([("apple", one) for one in documents])
    found = {row["index"]: row["relevance_score"] for row in answer["results"]}
    assert np.abs(np.array([found[0], found[1]]) - expected).max() < CLOSE
    assert answer["model"] == "legal"


def test_they_are_told_of(live: Running) -> None:
    listed = live.client.get("/v1/models").json()["data"]
    assert [(one["id"], one["kind"], one["parent"]) for one in listed] == [
        ("small-embedding", "embedding", None),
        ("small-reranker", "reranking", None),
        ("legal", "embedding", "small-embedding"),
        ("drawn", "embedding", "small-embedding"),
        ("legal", "reranking", "small-reranker"),
    ]
    assert live.client.get("/v1/models/drawn").json()["parent"] == "small-embedding"
    told = live.client.get("/info").json()["models"]
    assert [one["parent"] for one in told] == [one["parent"] for one in listed]
    refused = live.post("/v1/embeddings", {"model": "other", "input": "a"})
    assert refused.status_code == 404
    assert "small-embedding, small, legal, drawn" in refused.json()["error"]["message"]
    assert live.post("/v1/rerank", {"model": "drawn", "query": "a", "documents": ["b"]}).status_code == 404
    live.post("/v1/embeddings", {"model": "drawn", "input": "a"})
    assert 'anyseek_busy_seconds_total{model="embedding+drawn"}' in live.client.get("/metrics").text


def test_names_are_unique(adapted: Models, tmp_path: Path) -> None:
    one = adapted.adapted[0][1]
    for name in ("legal", "small"):
        with pytest.raises(ConfigError, match=f"the name '{name}' of an adapter is taken"):
            replace(adapted, adapted=(("legal", one), (name, one)))
    with pytest.raises(ConfigError, match="no model for that is served"):
        Models(embedder=None, reranker=adapted.reranker, names={"reranking": ("r",)}, adapted=(("legal", one),))
