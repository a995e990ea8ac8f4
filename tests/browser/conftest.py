"""The page in a real Chromium, and what it asks: a real server with the bundled models and samples."""

import base64
import itertools
import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import httpx
import pytest

from anyseek.index import weights_sample
from anyseek.search import Fusion, Judge
from anyseek.search.judge import NAMES

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Route

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples"
FOLDERS = ("clips", "documents", "notes", "pictures")
WAIT = 120.0  # seconds; machines of tests can be busy
MARKUP = "<img src=x onerror=alert(1)>"
NAMED = "a <b>bold note.txt"
RATE = 8
FINAL = "#hits[data-stage=final][aria-busy=false]"
"""The list of hits, once the whole answer is there."""
LISTEN = re.compile(r"listening on (http://\S+)")
RECORDER = """
const jumps = [];
const watched = new PerformanceObserver((list) => jumps.push(...list.getEntries()));
watched.observe({ type: "layout-shift", buffered: true });
window.shifted = () => {
  const all = [...jumps, ...watched.takeRecords()].filter((one) => !one.hadRecentInput);
  return all.reduce((sum, one) => sum + one.value, 0);
};
window.heard = [];
window.stages = [];
new MutationObserver((changes) => {
  for (const change of changes) {
    for (const node of change.addedNodes) {
      const place = change.target.id || change.target.className;
      if (place === "message") window.heard.push(node.textContent);
    }
    if (change.type === "attributes" && change.target.id === "hits") {
      const ids = [...change.target.children].map((item) => item.dataset.id);
      window.stages.push([change.target.dataset.stage, ids, change.target.querySelectorAll(".score.read").length]);
    }
  }
}).observe(document, { subtree: true, childList: true, attributeFilter: ["data-stage"] });
"""
"""What the line above the hits said; of each stage of them its name, their ids, how many bars are read; what jumped."""

DROP = """
([data, name, over, zone]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const dragged = new DataTransfer();
  dragged.items.add(new File([bytes], name, { type: name.endsWith(".png") ? "image/png" : "" }));
  const to = (place, kind) => {
    const how = { dataTransfer: dragged, bubbles: true, cancelable: true };
    document.querySelector(place).dispatchEvent(new DragEvent(kind, how));
  };
  to(over, "dragenter");
  to(`.drop [data-drop=${zone}]`, "dragover");
  to(`.drop [data-drop=${zone}]`, "drop");
}
"""

ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required"]
Visit = Callable[..., "Page"]


@dataclass(frozen=True)
class Served:
    """A server that runs.

    Attributes:
        url: where.
        folder: that it indexed.
    """

    url: str
    folder: Path

    def ask(self, path: str) -> Any:
        """What an endpoint answers."""
        return httpx.get(self.url + path, timeout=WAIT, trust_env=False).raise_for_status().json()

    def update(self) -> None:
        """Bring the library up to date with its folder."""
        httpx.post(f"{self.url}/v1/library/index", timeout=WAIT, trust_env=False).raise_for_status()
        until(lambda: is_indexed(self.url))

    def hits(self, query: str, count: int) -> list[dict[str, Any]]:
        """The nearest there are, in the order of the vectors."""
        asked = {"query": query, "top": count, "all": True, "rerank": False}
        answer = httpx.post(f"{self.url}/v1/search", json=asked, timeout=WAIT, trust_env=False)
        found: list[dict[str, Any]] = answer.raise_for_status().json()["results"]
        assert len(found) == count
        return found


BREAK = object()
"""A step of a `Play`: the connection breaks."""


class Play:
    """Answers searches of a page as a test says, one after the other.

    Attributes:
        answers: each is seconds to wait, with 503, or steps: events, `threading.Event`s to wait for, and `BREAK`.
        times: when each search came.
    """

    def __init__(self, *answers: float | list[Any]) -> None:
        self.answers, self.times = list(answers), list[float]()

    @contextmanager
    def on(self, page: "Page") -> Iterator["Play"]:
        """Answer the searches of a page."""
        play = self

        class Answering(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                play.times.append(time.monotonic())
                play.answer(self, play.answers.pop(0))

        def there(route: "Route") -> None:
            route.continue_(url=f"http://127.0.0.1:{server.server_port}/")

        with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            page.route("**/v1/search", there)
            yield self
            page.unroute("**/v1/search")
            server.shutdown()

    def answer(self, to: BaseHTTPRequestHandler, answer: float | list[Any]) -> None:
        """One answer."""
        if isinstance(answer, list):
            self.stream(to, answer)
            return
        body = json.dumps({"error": {"message": "the queue is full", "code": "queue_full"}}).encode()
        to.send_response(503)
        for name, value in {
            "Retry-After": answer,
            "Content-Type": "application/json",
            "Content-Length": len(body),
        }.items():
            to.send_header(name, str(value))
        to.end_headers()
        to.wfile.write(body)

    def stream(self, to: BaseHTTPRequestHandler, steps: list[Any]) -> None:
        """Events, as they come."""
        to.send_response(200)
        to.send_header("Content-Type", "text/event-stream")
        to.send_header("Transfer-Encoding", "chunked")
        to.end_headers()
        for step in steps:
            if step is BREAK:
                to.close_connection = True
                return
            if isinstance(step, threading.Event):
                assert step.wait(WAIT)
                continue
            name, data = step
            written = f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
            to.wfile.write(b"%x\r\n%s\r\n" % (len(written), written))
        to.wfile.write(b"0\r\n\r\n")


def stage(name: str, hits: list[dict[str, Any]], /, **changes: Any) -> tuple[str, dict[str, Any]]:
    """The event of a stage of a search."""
    results = [hit | changes for hit in hits]
    return name, {"results": results, "nothing": not hits, "nearest": None, "stage": name, "seconds": {"total": 0.1}}


def drop(page: "Page", name: str, data: bytes, over: str = "body", zone: str = "search") -> None:
    """Drag a file over the page and let it go where the page says that it does something."""
    page.evaluate(DROP, [base64.b64encode(data).decode(), name, over, zone])


def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so, and fail when it never is."""
    end = time.monotonic() + WAIT
    while not is_so():
        assert time.monotonic() < end, "it never was"
        time.sleep(0.1)


def ask(page: "Page", words: str) -> None:
    """Search for words."""
    page.get_by_label("What to look for").fill(words)
    page.keyboard.press("Enter")


def forgive(page: "Page", troubles: list[str], words: str, times: int = 1) -> None:
    """Wait for what a test provokes, which may be told later than the page shows it, and forget it."""
    end = time.monotonic() + WAIT
    while len(troubles) < times:
        assert time.monotonic() < end, f"the page met {words!r} not {times} times: {troubles}"
        page.wait_for_timeout(50)
    assert len(troubles) == times, troubles
    assert all(words in text for text in troubles), troubles
    troubles.clear()


@contextmanager
def serving(log: Path, *arguments: str | Path) -> Iterator[str]:
    """The address of `anyseek serve`, which ends with the block."""
    command = [sys.executable, "-m", "anyseek", "serve", *map(str, arguments), "--port", "0"]
    with log.open("w") as told, subprocess.Popen(command, stderr=told, cwd=ROOT) as process:
        try:
            until(lambda: process.poll() is not None or LISTEN.search(log.read_text()) is not None)
            found = LISTEN.search(log.read_text())
            assert found, log.read_text()
            until(lambda: httpx.get(f"{found[1]}/ready", timeout=WAIT, trust_env=False).is_success)
            yield found[1]
        finally:
            process.terminate()
            process.wait(WAIT)


@pytest.fixture(scope="package")
def browser() -> Iterator["Browser"]:
    """Chromium of this machine."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is missing: make browser-test")
    chromium = chromium_of_this_machine()
    if chromium is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def whole_browser(browser: "Browser") -> Iterator["Browser"]:
    """Chromium with all that it has, such as the viewer of PDF files, still without a window."""
    chromium = browser.browser_type
    arguments = [*ARGUMENTS, "--headless=new"]
    opened = chromium.launch(executable_path=chromium_of_this_machine(), args=arguments, headless=False)
    yield opened
    opened.close()


@pytest.fixture(scope="package")
def served(browser: "Browser", tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The samples and a few more, indexed and served to everybody on this machine."""
    place = tmp_path_factory.mktemp("served")
    folder = place / "samples"
    for name in FOLDERS:
        shutil.copytree(SAMPLES / name, folder / name)
    whole = (SAMPLES / "pictures" / "p001.png").read_bytes()
    (folder / "pictures" / "broken.png").write_bytes(whole[: len(whole) // 2])
    (folder / "notes" / NAMED).write_text(f"{MARKUP} zyzzyva", encoding="utf-8")
    write_film(folder / "clips" / "film.mp4")
    reranker = judged(place / "reranker")
    with serving(place / "log", folder, "--library", place / "library", "--reranker", reranker, "--no-keys") as url:
        running = Served(url, folder)
        until(lambda: is_indexed(url))
        yield running


@pytest.fixture
def troubles() -> Iterator[list[str]]:
    """Errors that the page met; a test that provokes some clears them."""
    found: list[str] = []
    yield found
    assert not found


@pytest.fixture
def visit(browser: "Browser", served: Served, troubles: list[str]) -> Iterator[Visit]:
    """Opens the page in a fresh context."""
    contexts: list[BrowserContext] = []

    def open_page(path: str = "/", *, url: str = served.url, **how: Any) -> "Page":
        context = browser.new_context(base_url=url, viewport=how.pop("viewport", {"width": 1280, "height": 860}), **how)
        context.set_default_timeout(WAIT * 1000)
        context.add_init_script(RECORDER)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda told: troubles.append(told.text) if told.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()


def chromium_of_this_machine() -> str | None:
    """Its path."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def is_indexed(url: str) -> bool:
    """Whether the folders of a server are indexed."""
    answer = httpx.get(f"{url}/v1/library", timeout=WAIT, trust_env=False)
    job = answer.json().get("job") if answer.is_success else None
    assert not job or job["state"] in ("running", "done"), job
    return bool(job) and job["state"] == "done"


def judged(folder: Path) -> Path:
    """The bundled reranker with a judge who scores as the bundled pair does, and thinks no text relevant."""
    shutil.copytree(ROOT / "models" / "anyseek-tiny-reranker", folder)
    own = Fusion.beside(folder)
    weights = {"one": own.bias, "similarity": own.similarity, "text": -60.0}
    numbers = (*(weights.get(name, 0.0) for name in NAMES), own.log_odds)
    cosines = f"{weights_sample(ROOT / 'models' / 'anyseek-tiny-embedding')} 256 numbers"
    judge = Judge(numbers=numbers, cut=1e-12, embedder=cosines, reranker=weights_sample(folder))
    judge.write(folder)
    return folder


def write_film(path: Path) -> None:
    """Half a minute of one sample clip, then another: what is sought comes late."""
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 240, 192, "yuv420p"
        for name, seconds in (("v007.mp4", 28), ("v003.mp4", 12)):
            for frame in itertools.islice(itertools.cycle(frames_of(SAMPLES / "clips" / name)), seconds * RATE):
                film.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        film.mux(stream.encode())


def frames_of(path: Path) -> list[Any]:
    """About `RATE` frames of each second, as arrays."""
    with av.open(str(path)) as film:
        every = max(1, round(float(film.streams.video[0].average_rate or RATE) / RATE))
        return [frame.to_ndarray(format="rgb24") for frame in itertools.islice(film.decode(video=0), 0, None, every)]
