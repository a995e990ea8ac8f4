"""A server on a free port of this machine, with the tiny pair, and the same models for comparison."""

import asyncio
import base64
import io
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image as Pillow

from anyseek.engine import Embedder, Reranker
from anyseek.engine.features import CacheOptions, FeatureCache
from anyseek.media import MediaOptions
from anyseek.server import App, Engine, Metrics, Models, Server, ServerOptions, listening

WAIT = 200  # seconds; machines of tests can be busy
AS_SERVED: dict[str, Any] = {"device": "cpu", "media": MediaOptions.served(), "parse_special": False}


@dataclass(frozen=True)
class Running:
    """A server that runs.

    Attributes:
        url: where.
        app: what it is made of.
        client: asks it.
    """

    url: str
    app: App
    server: Server
    client: httpx.Client

    def post(self, path: str, body: Any, **more: Any) -> httpx.Response:
        return self.client.post(path, json=body, **more)


Start = Callable[..., AbstractContextManager[Running]]


@contextmanager
def running(load: Callable[[], Models], options: ServerOptions, loaded: bool = True) -> Iterator[Running]:
    """A server in a thread, once it has loaded its models, or at once; it is drained at the end."""
    metrics = Metrics()
    engine = Engine(load, options, metrics)
    app = App(engine, options, metrics)
    with listening(options) as opened:
        server = Server(app, options)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [opened]})
        thread.start()
        url = f"http://127.0.0.1:{opened.getsockname()[1]}"
        with httpx.Client(base_url=url, timeout=WAIT, trust_env=False) as client:
            try:
                until(lambda: server.started and (engine.models is not None or not loaded))
                yield Running(url, app, server, client)
            finally:
                server.drain()
                thread.join(WAIT)
    assert not thread.is_alive()


class Gated:
    """A call that takes until its gate is opened, and tells that it has begun."""

    def __init__(self) -> None:
        self.begun, self.gate = threading.Event(), threading.Event()

    def __call__(self) -> Any:
        self.begun.set()
        self.gate.wait(WAIT)


def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so, and fail when it never is."""
    for _ in range(WAIT * 50):
        if is_so():
            return
        threading.Event().wait(0.02)
    raise AssertionError("waited in vain")


@pytest.fixture(scope="session")
def models() -> Models:
    """The tiny pair, as `anyseek serve` loads one."""
    how = AS_SERVED | {"caches": CacheOptions(shared=FeatureCache(64 << 20))}
    return Models(
        embedder=Embedder.load("tiny", **how),
        reranker=Reranker.load("tiny", **how),
        names={"embedding": ("small-embedding", "small"), "reranking": ("small-reranker", "small")},
    )


def embedding_alone(**more: Any) -> Models:
    """An embedder of its own, for a test that changes it."""
    return Models(embedder=Embedder.load("tiny", **(AS_SERVED | more)), reranker=None, names={"embedding": ("small",)})


@pytest.fixture(scope="session")
def start(models: Models) -> Start:
    """Starts a server with other options."""

    def start(
        load: Callable[[], Models] | None = None, loaded: bool = True, **options: Any
    ) -> AbstractContextManager[Running]:
        return running(load or (lambda: models), ServerOptions(port=0, **options), loaded)

    return start


@pytest.fixture(scope="session")
def live(start: Start) -> Iterator[Running]:
    """A server with the default options."""
    with start() as found:
        yield found


def png(width: int = 96, height: int = 64, seed: int = 0) -> bytes:
    """A picture of its own for each seed."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 256, (8, 8, 3), np.uint8)
    out = io.BytesIO()
    Pillow.fromarray(rows).resize((width, height)).save(out, "PNG")
    return out.getvalue()


def uri(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def picture(seed: int = 0, **size: int) -> str:
    return uri(png(seed=seed, **size))


async def many(url: str, requests: list[tuple[str, Any]]) -> list[httpx.Response]:
    """Answers to requests that are all sent at once."""
    limits = httpx.Limits(max_connections=len(requests))
    async with httpx.AsyncClient(base_url=url, timeout=WAIT, limits=limits, trust_env=False) as client:
        return await asyncio.gather(*(client.post(path, json=body) for path, body in requests))


def together(url: str, requests: list[tuple[str, Any]]) -> list[httpx.Response]:
    return asyncio.run(many(url, requests))


def spoken(url: str, data: bytes, *, finish: bool = False) -> bytes:
    """What a server answers to raw bytes, until it closes the connection."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=WAIT) as connection:
        connection.sendall(data)
        if finish:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer
