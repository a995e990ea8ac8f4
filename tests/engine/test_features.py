"""Vision features are computed once, kept under a budget, and never mistaken for those of something else."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from anyseek.engine import Embedder, Reranker
from anyseek.engine.features import CacheOptions, FeatureCache, tower_identity
from anyseek.errors import ConfigError
from anyseek.items import Image, Item, Limits, Page, Video
from tests.processing.conftest import page_bytes, picture

SAME = 1e-5  # measured: 3e-7


def patches_run(model: Any, call: Callable[[], Any]) -> int:
    """Patches that pass the vision tower during a call."""
    counted: list[int] = []
    hook = model.backbone.visual.register_forward_pre_hook(lambda tower, given: counted.append(len(given[0])))
    call()
    hook.remove()
    return sum(counted)


def fresh(embedder: Embedder, **caches: Any) -> Embedder:
    return Embedder(embedder.backbone, embedder.processor, caches=CacheOptions(**caches))


@pytest.fixture
def shown(film: Path, tmp_path: Path) -> list[Any]:
    """Everything that can be seen, some of it twice and by another name."""
    pixels = picture(96, 64)
    Pillow.fromarray(pixels).save(tmp_path / "same.png")
    return [
        Image(pixels),
        Image(tmp_path / "same.png"),
        Image(Pillow.fromarray(pixels)),
        Image(pixels.copy()),
        Item((Image(pixels),), limits=Limits(max_pixels=4096)),
        Image(picture(96, 64, 5)),
        Page(page_bytes(90, 120, 2), 1),
        Page(page_bytes(90, 120, 2), 2),
        Video(film, max_frames=4),
        Video(film, max_frames=6),
        Video([picture(64, 64, seed) for seed in range(4)]),
        Video([picture(64, 64, seed) for seed in (1, 0, 2, 3)]),
        ["left", Image(pixels), "right", Image(picture(96, 64, 5)), Image(pixels)],
    ]


def test_cached_is_fresh(embedder: Embedder, shown: list[Any]) -> None:
    """In one call, in the next, and in any order; the second call sees nothing anew."""
    single = np.stack([fresh(embedder, prefix_bytes=0, feature_bytes=0).encode([one])[0] for one in shown])
    engine = fresh(embedder)
    assert np.abs(engine.encode(shown) - single).max() < SAME
    order = random.Random(3).sample(range(len(shown)), len(shown))
    again: list[np.ndarray] = []
    assert patches_run(engine, lambda: again.append(engine.encode([shown[row] for row in order]))) == 0
    assert np.abs(again[0] - single[order]).max() < SAME


def test_the_same_picture_is_seen_once(embedder: Embedder) -> None:
    """Three times in a call, by array and by copy, without any cache."""
    engine = fresh(embedder, feature_bytes=0)
    one = patches_run(engine, lambda: engine.encode([Image(picture(96, 64))]))
    assert patches_run(engine, lambda: engine.encode([Image(picture(96, 64)) for _ in range(3)])) == one > 0


def test_what_differs_is_never_shared(embedder: Embedder, shown: list[Any], tmp_path: Path) -> None:
    """Content, size, page, frames and their order are part of the identity, and a file that changes is another."""
    processor = embedder.processor
    found = [
        tuple(processor.identity(visual) for visual in processor.prepare(Item.of(one)).visuals) for one in shown[:12]
    ]
    assert len(set(found)) == 11 - 1  # array and its copy are one; a file and a Pillow image are read in their own way
    path = tmp_path / "changing.png"
    engine = fresh(embedder)
    Pillow.fromarray(picture(64, 64, 1)).save(path)
    before = engine.encode(Image(path))
    Pillow.fromarray(picture(64, 64, 2)).save(path)
    after = engine.encode(Image(path))
    assert np.abs(after - fresh(embedder).encode(Image(picture(64, 64, 2)))).max() < SAME < np.abs(after - before).max()


def test_the_budgets_hold() -> None:
    """The least used go to the host, and from there away."""
    features = [torch.full((2, 4, 8), float(number)) for number in range(5)]
    size = features[0].nbytes
    cache = FeatureCache(2 * size, size)
    for number, one in enumerate(features):
        cache.put(bytes([number]), one)
        assert cache.num_bytes <= 3 * size
    assert [bytes([number]) in cache for number in range(5)] == [False, False, True, True, True]
    found = cache.get(bytes([2]), torch.device("cpu"))  # back to the device; another goes to the host
    assert found is not None and torch.equal(found, features[2]) and cache.num_bytes == 3 * size
    assert cache.get(bytes([0]), torch.device("cpu")) is None
    assert (cache.hits, cache.misses) == (1, 1)
    cache.put(b"large", torch.zeros(1000))
    assert b"large" not in cache
    cache.clear()
    assert cache.num_bytes == 0
    with pytest.raises(ConfigError, match="feature_bytes"):
        CacheOptions(feature_bytes=-1)


def test_models_share_features_only_when_their_towers_are_equal(embedding_folder: Path, reranking_folder: Path) -> None:
    """The conformance pair has one tower: what the embedder saw the reranker need not see; after a change it must."""
    shared = CacheOptions(shared=FeatureCache(1 << 28))
    embedder = Embedder.load(embedding_folder, caches=shared)
    reranker = Reranker.load(reranking_folder, caches=shared)
    assert tower_identity(embedder.backbone.visual) == tower_identity(reranker.backbone.visual)
    one = Image(picture(96, 64))
    embedder.encode(one)
    assert patches_run(reranker, lambda: reranker.predict([("a", one)])) == 0
    with torch.no_grad():
        next(iter(reranker.backbone.visual.parameters())).add_(0.01)
    assert patches_run(reranker, lambda: reranker.predict([("a", one)])) > 0
    assert patches_run(embedder, lambda: embedder.encode(one)) == 0


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_any_number_of_workers(embedder: Embedder, shown: list[Any], workers: int) -> None:
    """Gives the same vectors, and bad rows are named."""
    engine = Embedder(embedder.backbone, embedder.processor, workers=workers)
    single = np.stack([engine.encode([one])[0] for one in shown])
    found = engine.encode([*shown, 7, Image("gone.png")], on_error="collect", batch_tokens=64)
    assert sorted(found.errors) == [len(shown), len(shown) + 1]
    assert np.abs(found.vectors[: len(shown)] - single).max() < SAME


def test_threads_may_share_a_model(embedder: Embedder, shown: list[Any]) -> None:
    """Calls at the same time give what calls one after the other give, with caches too small for all of them."""
    engine = fresh(embedder, feature_bytes=100_000, prefix_bytes=100_000)
    single = np.stack([engine.encode([one])[0] for one in shown])
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda seed: engine.encode(random.Random(seed).sample(shown, len(shown))), range(12)))
    for seed, vectors in enumerate(found):
        order = random.Random(seed).sample(range(len(shown)), len(shown))
        assert np.abs(vectors - single[order]).max() < SAME
