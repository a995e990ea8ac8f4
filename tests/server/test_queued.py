"""Models behind the queue: numbers and errors of the library's own calls, in turn with everybody, and who leaves."""

import asyncio
import gc
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anyseek.engine import Embedder, Reranker
from anyseek.errors import InputError
from anyseek.items import Image, Item, Text
from anyseek.media import MediaOptions
from anyseek.server import Engine, Metrics, Models, ServerOptions
from anyseek.server.leaving import LEAVING, Leaving
from anyseek.server.queue import Closed, Work
from anyseek.server.queued import queued
from tests.server.conftest import png, until
from tests.server.test_door import held


@pytest.fixture(scope="module")
def engine(models: Models) -> Iterator[Engine]:
    engine = Engine(lambda: models, ServerOptions(batch_tokens=1024), Metrics())
    engine.start()
    until(lambda: engine.models is not None)
    yield engine
    engine.close()


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Three good ones and, between them, one that is cut short: its header says nothing of it."""
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for number, path in enumerate(paths):
        path.write_bytes(png(seed=number))
    paths[1].write_bytes(png(seed=1, width=200, height=200)[:600])
    return paths


def with_files(model: Any) -> Any:
    return replace(model.processor.options, media=MediaOptions())


def test_vectors_and_errors_are_those_of_the_library(engine: Engine, models: Models, pictures: list[Path]) -> None:
    assert models.embedder is not None
    behind = queued(models.embedder, engine, with_files(models.embedder))
    assert isinstance(behind, Embedder)
    assert models.embedder.processor.options.media.files is False, "the server's own rules stay"
    plain = Embedder.load("tiny", device="cpu", parse_special=False)
    inputs: list[Any] = ["a red apple", *pictures, Path("none.png"), Item((Image(pictures[0]), Text("and words")))]
    expected = plain.encode_document(inputs, on_error="collect", truncate_dim=64)
    found = behind.encode_document(inputs, on_error="collect", truncate_dim=64)
    assert found.vectors.shape == (7, 64)
    assert sorted(found.errors) == sorted(expected.errors) == [2, 5]
    assert [str(error) for error in found.errors.values()] == [str(error) for error in expected.errors.values()]
    good = [0, 1, 3, 4, 6]
    assert np.abs(found.vectors[good] - expected.vectors[good]).max() < 2e-6
    assert np.isnan(found.vectors[[2, 5]]).all()
    with pytest.raises(InputError, match=r"items\[2\]"):
        behind.encode(inputs)
    assert behind.encode([]).shape == (0, models.embedder.dim)
    assert np.abs(behind.encode_query("apple") - plain.encode_query("apple")).max() < 2e-6


def test_scores_are_those_of_the_library(engine: Engine, models: Models, pictures: list[Path]) -> None:
    assert models.reranker is not None
    behind = queued(models.reranker, engine, with_files(models.reranker))
    plain = Reranker.load("tiny", device="cpu", parse_special=False)
    pairs = [("a red apple", one) for one in ["apple", *pictures]]
    expected = plain.predict(pairs, activation="none", on_error="collect")
    found = behind.predict(pairs, activation="none", on_error="collect")
    assert list(found.errors) == list(expected.errors) == [2]
    assert np.nanmax(np.abs(found.scores - expected.scores)) < 1e-5


def test_a_query_passes_what_is_being_indexed(engine: Engine, models: Models) -> None:
    assert models.embedder is not None
    behind = queued(models.embedder, engine, with_files(models.embedder))
    over: list[str] = []
    many = [f"text {number} " + "of some length " * 30 for number in range(150)]

    def index() -> None:
        behind.encode_document(many)
        over.append("indexed")

    thread = threading.Thread(target=index)
    thread.start()
    until(lambda: len(engine._queue) > 10)
    behind.encode_query("a query")
    assert not over, "it waited for a batch, and not for all of them"
    thread.join(100)
    assert over == ["indexed"]


def test_who_leaves_is_not_computed(engine: Engine, models: Models) -> None:
    assert models.embedder is not None
    behind = queued(models.embedder, engine, with_files(models.embedder))
    many = [f"text {number} " + "of some length " * 30 for number in range(300)]

    async def leave() -> None:
        task = asyncio.create_task(engine.in_thread(lambda: behind.encode_document(many)))
        await asyncio.to_thread(until, lambda: len(engine._queue) >= 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with held(models):
        asyncio.run(leave())
        until(lambda: len(engine._queue) == 0)
    gone = Leaving()
    gone.leave()
    token = LEAVING.set(gone)
    try:
        with pytest.raises(Closed):
            behind.encode("a")
    finally:
        LEAVING.reset(token)
    assert behind.encode("a").any(), "others are served as before"


def test_nothing_is_kept_of_what_was_computed(engine: Engine, models: Models) -> None:
    """Indexing is somebody who never leaves, as long as the server lives."""
    assert models.embedder is not None
    behind = queued(models.embedder, engine, with_files(models.embedder))

    def works() -> int:
        gc.collect()
        return sum(type(found) is Work for found in gc.get_objects())

    before, leaving = works(), Leaving(patient=True)
    token = LEAVING.set(leaving)
    try:
        for number in range(3):
            behind.encode_document([f"text {number}", "of some length " * 200])
    finally:
        LEAVING.reset(token)
    assert works() <= before + 2, "those of the last batch, which the lane has until the next one"
    assert not leaving.has_left


def test_a_text_does_not_wait_until_long_requests_are_planned(engine: Engine) -> None:
    """They take turns, a row each; a request that is planned whole first would keep all others waiting."""
    planned: list[str] = []
    begun = threading.Event()

    def slow() -> Any:
        begun.set()
        planned.append("row")
        threading.Event().wait(0.01)

    async def ask() -> int:
        long = [asyncio.ensure_future(engine.plan(lambda: [slow] * 100, is_text=True)) for _ in range(4)]
        await asyncio.to_thread(begun.wait, 100)
        await engine.plan(lambda: [lambda: None], is_text=True)
        found = len(planned)
        await asyncio.gather(*long)
        return found

    assert asyncio.run(ask()) < 200
    assert len(planned) == 400
