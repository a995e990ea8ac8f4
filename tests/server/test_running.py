"""A server's life: loading, ready, failing, draining; batches of several requests, and devices."""

import asyncio
import copy
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from torch import Tensor

from anyseek.engine import Embedder
from anyseek.engine.compute import Row
from anyseek.engine.features import CacheOptions
from anyseek.errors import CapacityError, CheckpointError, ConfigError
from anyseek.processing import Processor
from anyseek.server import App, Bounds, Engine, Metrics, Models, Server, ServerOptions, serve
from anyseek.server.run import listening
from tests.server.conftest import WAIT, Gated, Running, Start, embedding_alone, picture, png, together, until
from tests.server.test_door import Asking, held

EMBED = "/v1/embeddings"


@pytest.fixture
def own() -> Models:
    """A model that only one test uses."""
    return embedding_alone()


def vectors(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    return np.array([row["embedding"] for row in answer.json()["data"]])


# a life


def test_healthy_but_not_ready_while_it_loads(start: Start, models: Models) -> None:
    gate = threading.Event()

    def load() -> Models:
        gate.wait(WAIT)
        return models

    with start(load, loaded=False) as live:
        assert live.client.get("/health").status_code == 200
        for answer in (live.client.get("/ready"), live.client.get("/info"), live.post(EMBED, {"input": "a"})):
            assert answer.status_code == 503
            assert answer.headers["Retry-After"] == "5"
            assert "being loaded" in answer.json()["error"]["message"]
        gate.set()
        until(lambda: live.client.get("/ready").status_code == 200)
        assert live.post(EMBED, {"input": "a"}).status_code == 200


def test_no_part_of_an_answer_waits_for_another() -> None:
    with listening(ServerOptions(port=0)) as opened, socket.create_connection(opened.getsockname()):
        accepted, _ = opened.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_model_that_cannot_be_loaded_ends_the_server() -> None:
    def load() -> Models:
        raise CheckpointError("the folder is empty")

    told: list[str] = []
    with pytest.raises(CheckpointError, match="the folder is empty"):
        serve(load, ServerOptions(port=0), told.append)
    assert told[0].startswith("http://127.0.0.1:")


def test_what_was_taken_is_finished_and_nothing_new_is_taken(start: Start, models: Models) -> None:
    with start() as live:
        asking = Asking(live)
        with held(models):
            for _ in range(3):
                asking.post({"input": ["a", "b"]})
            live.server.drain()
            answer = live.post(EMBED, {"input": "a"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "shutting_down")
            ready = live.client.get("/ready")
            assert (ready.status_code, ready.json()["error"]["code"]) == (503, "shutting_down")
            assert int(ready.headers["Retry-After"]) >= 1
            assert live.client.get("/health").status_code == 200
        asking.join()
        assert [answer.status_code for answer in asking.answers] == [200] * 3


def test_a_shutdown_does_not_wait_for_ever(start: Start, models: Models) -> None:
    """A batch that does not end is given up, and who waits for it is told."""
    with start(bounds=Bounds(drain_seconds=0.2)) as live:
        asking = Asking(live)
        with held(models):
            asking.post({"input": "a"})
            live.server.drain()
            asking.join()
        assert [answer.status_code for answer in asking.answers] == [503]


def test_a_shutdown_does_not_wait_for_a_model_to_be_loaded(start: Start, models: Models) -> None:
    gate = threading.Event()

    def load() -> Models:
        gate.wait(WAIT)
        return models

    with start(load, loaded=False) as live:
        assert live.client.get("/health").status_code == 200
    gate.set()


def test_a_signal_is_noted_and_drains_at_the_next_tick(models: Models) -> None:
    """The thread that it interrupts may hold any lock."""
    options, metrics = ServerOptions(port=0), Metrics()
    app = App(Engine(lambda: models, options, metrics), options, metrics)
    server = Server(app, options)
    with app.engine._queue._changed:
        server.handle_exit(signal.SIGTERM, None)
    assert not app.door.is_draining
    assert asyncio.run(server.on_tick(1)), "none is inside, so that it ends"
    assert app.door.is_draining
    assert not server.force_exit
    server.handle_exit(signal.SIGTERM, None)
    assert server.force_exit


def test_ended_while_it_loads(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "anyseek", "serve", "--port", "0", "--model", "tiny", "--no-keys"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        url = process.stderr.readline().split()[2]
        until(lambda: httpx.get(f"{url}/health", trust_env=False).status_code == 200)
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT) == 0
        assert "terminate" not in process.stderr.read()


def test_drained_by_a_signal(tmp_path: Path) -> None:
    """The command line: SIGTERM while a request is being computed, which is still answered, and an end with 0."""
    command = [sys.executable, "-m", "anyseek", "serve", "--port", "0", "--model", "tiny", "--no-rerank", "--no-keys"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"listening on (http://\S+) for everybody on this machine", line)
        assert found, line
        url, answers = found[1], []
        with httpx.Client(base_url=url, timeout=5 * WAIT, trust_env=False) as client:
            until(lambda: client.get("/ready").status_code == 200)
            body = {"input": ["some words " * 20] * 1000, "encoding_format": "base64"}
            thread = threading.Thread(target=lambda: answers.append(client.post(EMBED, json=body)))
            thread.start()
            until(lambda: "anyseek_requests_inside 2.0" in httpx.get(f"{url}/metrics", trust_env=False).text)
            process.send_signal(signal.SIGTERM)
            thread.join(5 * WAIT)
        assert answers[0].status_code == 200
        assert len(answers[0].json()["data"]) == 1000
        assert process.wait(WAIT) == 0
        assert "Traceback" not in process.stderr.read()


STUCK = """
import sys
import threading
from anyseek.processing import Processor

prepare = Processor.prepare

def stuck(self, item):
    if "stuck" in item.parts[0].text:
        print("planning", file=sys.stderr, flush=True)
        threading.Event().wait()
    return prepare(self, item)

Processor.prepare = stuck
from anyseek.cli.main import main
main(["serve", "--port", "0", "--model", "tiny", "--no-rerank", "--no-keys"])
"""


@contextmanager
def planning() -> Iterator[tuple["subprocess.Popen[str]", str, socket.socket]]:
    """A server that plans for ever what it was asked for, its address, and the connection of who asked."""
    with subprocess.Popen([sys.executable, "-c", STUCK], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        url = process.stderr.readline().split()[2]
        until(lambda: httpx.get(f"{url}/ready", trust_env=False).status_code == 200)
        host, port = url.removeprefix("http://").split(":")
        head = f"POST {EMBED} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n"
        try:
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(head.encode() + b'{"input": "stuck"}')
                assert any(line == "planning\n" for line in process.stderr)
                yield process, url, connection
        finally:
            process.kill()


def test_a_shutdown_does_not_wait_for_what_is_planned() -> None:
    """Whoever asked for it has left, and it does not end by itself."""
    with planning() as (process, _, connection):
        connection.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_a_signal_ends_it_as_soon_as_it_says_that_it_listens(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "anyseek", "serve", "--port", "0", "--model", "tiny", "--no-keys"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "listening on" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT) == 0


def test_it_is_announced_when_signals_are_handled(models: Models) -> None:
    """One that comes right behind it would else end the process as if it had been killed."""
    before = signal.getsignal(signal.SIGTERM)

    def announce(_: str) -> None:
        assert signal.getsignal(signal.SIGTERM) != before
        signal.raise_signal(signal.SIGTERM)

    serve(lambda: models, ServerOptions(port=0), announce)
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_second_signal_ends_it_without_a_word() -> None:
    with planning() as (process, url, _):
        process.send_signal(signal.SIGINT)
        until(lambda: refuses(url))
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def refuses(url: str) -> bool:
    """Whether a server drains."""
    answer = httpx.get(f"{url}/ready", trust_env=False)
    return answer.status_code == 503 and answer.json()["error"]["code"] == "shutting_down"


def test_an_engine_tells_of_threads_that_it_leaves_behind(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anyseek.server.engine.LAST_SECONDS", 0.2)
    slow = Gated()

    async def leave(engine: Engine) -> None:
        task = asyncio.ensure_future(engine.plan(lambda: [slow], is_text=True))
        await asyncio.to_thread(slow.begun.wait, WAIT)
        task.cancel()

    engine = Engine(lambda: models, ServerOptions(), Metrics())
    engine.start()
    until(lambda: engine.models is not None)
    asyncio.run(leave(engine))
    engine.close()
    assert engine.is_busy
    slow.gate.set()
    until(lambda: not engine.is_busy)


# failures


@pytest.mark.parametrize("part", ["_budget", "_compute"])
def test_a_lane_that_dies_is_told(
    start: Start, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], part: str
) -> None:
    """Who waits for it gets an error, and nobody waits for it any more."""

    def broken(*_: Any) -> Any:
        raise RuntimeError("it had a secret word")

    async def ask(app: App, method: str, path: str, body: Any = None) -> httpx.Response:
        transport = httpx.ASGITransport(app.asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, path, json=body, timeout=WAIT)

    monkeypatch.setattr(Engine, part, broken)
    with start() as live:
        app = live.app
        answer = live.post(EMBED, {"input": "a"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
        until(lambda: live.server.should_exit)
        assert asyncio.run(ask(app, "GET", "/health")).json()["error"]["code"] == "engine_failed"
        assert "failed" in asyncio.run(ask(app, "GET", "/ready")).text
        assert asyncio.run(ask(app, "POST", EMBED, {"input": "a"})).status_code == 503
        assert "anyseek_up 0.0" in asyncio.run(ask(app, "GET", "/metrics")).text
    assert "secret" not in "".join(capfd.readouterr())


def test_a_lane_that_dies_ends_the_server(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    answers: list[httpx.Response] = []

    def ask(url: str) -> None:
        with httpx.Client(base_url=url, timeout=WAIT, trust_env=False) as client:
            until(lambda: client.get("/ready").status_code == 200)
            answers.append(client.post(EMBED, json={"input": "a"}))

    monkeypatch.setattr(Engine, "_compute", broken)
    threads: list[threading.Thread] = []

    def announce(url: str) -> None:
        threads.append(threading.Thread(target=ask, args=(url,)))
        threads[0].start()

    with pytest.raises(ZeroDivisionError):
        serve(lambda: models, ServerOptions(port=0), announce)
    threads[0].join(WAIT)
    assert [answer.status_code for answer in answers] == [500]


def test_what_no_thread_decodes_the_lane_decodes(start: Start, own: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    def submit(*_: Any) -> Any:
        raise RuntimeError("can't start new thread")

    with start(lambda: own) as live:
        monkeypatch.setattr(live.app.engine._decoding, "submit", submit)
        found = vectors(live.post(EMBED, {"input": {"image": picture(7)}}))
        assert live.client.get("/health").status_code == 200
    assert np.abs(found[0] - own.embedder.encode({"image": png(seed=7)})).max() < 2e-6


def test_a_batch_that_fails_is_computed_request_by_request(
    start: Start, own: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = own.computes("embedding")[0]
    real = compute.run
    guilty = own.embedder.plan("the guilty one, with its very own length").tokens

    def run(rows: Sequence[Row], *rest: Any) -> Tensor:
        if any(row.sample.num_tokens == guilty for row in rows):
            raise CapacityError("one input of 1 tokens does not fit")
        return real(rows, *rest)

    with start(lambda: own) as live:
        expected = own.embedder.encode(["a", "b c"])
        monkeypatch.setattr(compute, "run", run)
        asking = Asking(live)
        with held(own):
            for given in ("first", "a", "the guilty one, with its very own length", "b c"):
                asking.post({"input": given})
        asking.join()
        assert sorted(answer.status_code for answer in asking.answers) == [200, 200, 200, 413]
        found = np.concatenate([vectors(answer) for answer in asking.answers if answer.status_code == 200])
        for vector in expected:
            assert np.abs(found - vector).max(axis=1).min() < 2e-6
        assert live.client.get("/health").status_code == 200


def test_a_device_that_is_lost_is_told(
    start: Start, own: Models, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def run(*_: Any) -> Tensor:
        raise RuntimeError("the device is lost, while it had a secret word")

    with start(lambda: own) as live:
        monkeypatch.setattr(own.computes("embedding")[0], "run", run)
        for _ in range(3):
            answer = live.post(EMBED, {"input": "a"})
            assert answer.status_code == 500
            assert answer.json()["error"]["type"] == "server_error"
            assert "secret" not in answer.text
        assert live.client.get("/health").status_code == 503
        assert live.client.get("/ready").status_code == 503
        monkeypatch.undo()
        assert live.post(EMBED, {"input": "a"}).status_code == 200
        assert live.client.get("/health").status_code == 200
    assert "secret" not in "".join(capfd.readouterr())  # an exception's message may hold what somebody sent


def test_a_reranker_that_is_not_there(start: Start, own: Models) -> None:
    with start(lambda: own) as live:
        answer = live.post("/v1/rerank", {"query": "a", "documents": ["b"]})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
        assert [model["kind"] for model in live.client.get("/info").json()["models"]] == ["embedding"]


# batches


def test_requests_share_batches(start: Start, own: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one is computed the others wait, and then go together."""
    batches: list[int] = []
    compute = own.computes("embedding")[0]
    real = compute.run

    def run(rows: Sequence[Row], *rest: Any) -> Tensor:
        batches.append(len(rows))
        return real(rows, *rest)

    with start(lambda: own) as live:
        monkeypatch.setattr(compute, "run", run)
        asking = Asking(live)
        with held(own):
            for number in range(12):
                asking.post({"input": f"text {number}"})
            until(lambda: len(live.app.engine._queue) == 11)
        asking.join()
        assert batches == [1, 11]


def test_pictures_are_decoded_before_the_lane_and_known_ones_never_again(
    start: Start, own: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []
    real = Processor.decode

    def decode(self: Processor, visual: Any) -> Tensor:
        threads.append(threading.current_thread().name)
        return real(self, visual)

    monkeypatch.setattr(Processor, "decode", decode)
    with start(lambda: own) as live:
        first = vectors(live.post(EMBED, {"input": [{"image": picture(1)}, {"image": picture(2)}]}))
        assert len(threads) == 2
        assert all(name.startswith("anyseek-decoding") for name in threads)
        again = vectors(live.post(EMBED, {"input": [{"image": picture(2)}, {"image": picture(1), "text": "x"}]}))
        assert len(threads) == 2
        assert np.abs(first[1] - again[0]).max() < 2e-6


def test_features_that_were_forgotten_are_made_again(start: Start) -> None:
    """The cache has room for one picture: what the lane believes to be known may be gone."""
    models = embedding_alone(caches=CacheOptions(feature_bytes=30_000))
    expected = models.embedder.encode([{"image": png(seed=seed)} for seed in range(4)])
    with start(lambda: models) as live:
        for _ in range(2):
            answers = together(live.url, [(EMBED, {"input": [{"image": picture(seed)}]}) for seed in range(4)])
            for answer, vector in zip(answers, expected, strict=True):
                assert np.abs(vectors(answer)[0] - vector).max() < 2e-6


def test_every_device_has_a_lane(start: Start, own: Models) -> None:
    embedder = own.embedder
    several = Embedder([embedder.backbone, copy.deepcopy(embedder.backbone)], embedder.processor)
    models = Models(embedder=several, reranker=None, names={"embedding": ("small",)})
    texts = [[f"text {number}"] * 3 for number in range(16)]
    expected = embedder.encode([group[0] for group in texts])
    with start(lambda: models) as live:
        assert len(live.app.engine._lanes) == 2
        for answer, vector in zip(
            together(live.url, [(EMBED, {"input": group}) for group in texts]), expected, strict=True
        ):
            assert np.abs(vectors(answer) - vector).max() < 2e-6


def test_a_batch_takes_about_the_time_that_is_wanted(start: Start, own: Models) -> None:
    with start(lambda: own, batch_seconds=0.001) as live:
        live.post(EMBED, {"input": ["some words"] * 50})
        engine = live.app.engine
        assert 256 <= engine._budget("embedding") <= engine.options.batch_tokens
        assert engine._budget("embedding") == max(256, int(engine._rates["embedding"] * 0.001))
        assert engine._budget("reranking") == engine.options.batch_tokens  # not measured yet


def test_info_tells_what_vectors_hang_on(live: Running, models: Models) -> None:
    info = live.client.get("/info").json()
    embedding, reranking = info["models"]
    assert (embedding["id"], embedding["dim"], embedding["dtype"]) == (
        "small-embedding",
        models.embedder.dim,
        "float32",
    )
    assert embedding["special_tokens_in_text"] is False
    assert embedding["sources"]["urls"] is False
    assert embedding["pixels_and_frames"]["max_pixels"] == models.embedder.processor.options.limits.max_pixels
    assert embedding["template_sha256"] != reranking["template_sha256"]
    assert info["bounds"]["items"] == 2048


def test_keys_that_cannot_be_read_stop_the_start(models: Models, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is missing"):
        serve(lambda: models, ServerOptions(port=0, keys=tmp_path / "none.json"), print)
