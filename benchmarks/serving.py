"""Does the server answer many clients at once, without an error, as the library would, and faster than one by one?

    python -m benchmarks.serving [--seconds 60] [--clients 64] [--model tiny] [--write]

Starts `anyseek serve` in a process of its own on a free port of this machine, and asks it from this one, by turns:

1. `one`: a single client, short texts, one after the other;
2. `short`: all clients at once, short texts;
3. `mixed`: all clients at once, texts, pictures, mixes, films, several inputs, both rerank routes, Cohere's, and
   searches of a library of the bundled samples, by words and by pictures, reranked and not;
4. `flood`: many more clients than a key may have requests, without a pause.

Every answer of 1 to 3 is compared with that of a library call, made beforehand with the same model and options. It
fails when one differs by more than the tolerance, at any error in 1 to 3, when many clients get less than three times
what one gets, or when the flood meets no 429 or leaves the server unwell. What the library itself gains by batches of
that size stands beside the ratio of 2 to 1.
"""

import argparse
import asyncio
import base64
import io
import itertools
import json
import os
import platform
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as Pillow

from anyseek.cli.serve import ServedChoice
from anyseek.items import Image, Item, Text, Video
from anyseek.model.hub import bundled
from anyseek.search import AskOptions, Library
from anyseek.server import Models

RESULT = Path(__file__).parent / "results" / "serving.md"
TOLERANCE = 1e-5
WORDS = ("apple", "dog", "red", "left", "of", "a", "page", "about", "invoice", "with", "two", "small", "house", "blue")
LEAST_GAIN = 3
"""Times as many short texts as one client that all of them must get."""
SORTS = 12
"""Different requests of each sort."""


@dataclass(frozen=True)
class Asked:
    """A request, and what the library answers to it."""

    path: str
    body: bytes
    expected: np.ndarray
    ids: tuple[str, ...] | None = None


@dataclass
class Tally:
    """What a phase gave."""

    name: str
    clients: int
    seconds: float = 0.0
    delays: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    difference: float = 0.0
    rows: float = 0.0
    batches: float = 0.0
    busy: float = 0.0

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return self.statuses[200] / self.seconds


# requests


def sentence(rng: random.Random, most: int = 12) -> str:
    """A short text."""
    return " ".join(rng.choices(WORDS, k=rng.randint(3, most)))


def picture(rng: random.Random) -> bytes:
    """A PNG of random blocks."""
    blocks = np.frombuffer(rng.randbytes(8 * 8 * 3), np.uint8).reshape(8, 8, 3)
    out = io.BytesIO()
    Pillow.fromarray(blocks).resize((rng.randint(64, 160), rng.randint(64, 160))).save(out, "PNG")
    return out.getvalue()


def uri(data: bytes, kind: str = "image/png") -> str:
    """A data URI."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def asked(path: str, body: dict[str, Any], expected: np.ndarray, ids: tuple[str, ...] | None = None) -> Asked:
    """One request."""
    return Asked(path, json.dumps(body).encode(), expected, ids)


def short(models: Models, rng: random.Random) -> Iterator[Asked]:
    """One short text each, in base64, as OpenAI's client asks."""
    texts = [sentence(rng) for _ in range(8 * SORTS)]
    for text, vector in zip(texts, models.embedder.encode(texts), strict=True):
        yield asked("/v1/embeddings", {"input": text, "encoding_format": "base64"}, vector[None])


def searches(library: Library, rng: random.Random) -> Iterator[Asked]:
    """Searches, and the ids and scores of their hits."""
    for number in range(SORTS):
        words, rerank = sentence(rng), number % 2 == 0
        options = AskOptions(top=10, rerank=rerank)
        if number % 3:
            found, query = library.search(words, options=options), words
        else:
            data = picture(rng)
            found, query = library.search(Item((Image(data),)), options=options), {"image": uri(data)}
        body = {"query": query, "top": 10, "rerank": rerank}
        yield asked("/v1/search", body, np.array([hit.score for hit in found]), tuple(hit.id for hit in found))


def mixed(models: Models, library: Library, rng: random.Random) -> Iterator[Asked]:
    """Every sort of request."""
    yield from itertools.islice(short(models, rng), 3 * SORTS)
    yield from searches(library, rng)
    for path in sorted(bundled(".", "samples").glob("**/*.mp4")):
        data = path.read_bytes()
        body = {"input": [{"video": uri(data, "video/mp4")}]}
        yield asked("/v1/embeddings", body, models.embedder.encode([Item((Video(data),))]))
    for _ in range(SORTS):
        texts = [sentence(rng, 40) for _ in range(rng.randint(2, 16))]
        body = {"input": texts, "dimensions": 64}
        yield asked("/v1/embeddings", body, models.embedder.encode(texts, truncate_dim=64))
        data, words = picture(rng), sentence(rng)
        parts = [{"type": "text", "text": words}, {"type": "image_url", "image_url": {"url": uri(data)}}]
        item = Item((Text(words), Image(data)))
        yield asked("/v1/embeddings", {"input": [{"content": parts}]}, models.embedder.encode([item]))
        yield asked("/v2/embed", {"texts": texts, "input_type": "search_query"}, models.embedder.encode_query(texts))
        documents = [sentence(rng, 30) for _ in range(rng.randint(2, 20))]
        scores = models.reranker.predict([(words, one) for one in documents])
        yield asked("/v2/rerank", {"query": words, "documents": documents}, scores)
        scores = models.reranker.predict([(Image(data), one) for one in documents])
        yield asked("/v1/rerank", {"query": {"image": uri(data)}, "documents": documents}, scores)


def difference(answer: dict[str, Any], one: Asked) -> float:
    """Largest difference of an answer from what the library gave; other hits than its are infinitely far."""
    expected = one.expected
    if one.ids is not None:
        same = tuple(hit["id"] for hit in answer["results"]) == one.ids
        found = np.array([hit["score"] for hit in answer["results"]]) if same else np.empty(0)
    elif "results" in answer:
        found = np.empty(len(expected))
        found[[row["index"] for row in answer["results"]]] = [row["relevance_score"] for row in answer["results"]]
    elif "embeddings" in answer:
        found = np.array(answer["embeddings"]["float"])
    else:
        rows = [row["embedding"] for row in answer["data"]]
        found = np.array([np.frombuffer(base64.b64decode(r), "<f4") if isinstance(r, str) else r for r in rows])
    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    return float(np.abs(found - expected).max(initial=0))


# clients


class Client:
    """One connection. Nothing but what is needed: the machine that asks is the one that answers."""

    def __init__(self, port: int) -> None:
        """Ask at this port."""
        self.port = port

    async def __aenter__(self) -> "Client":
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hang up."""
        self._writer.close()

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body of an answer."""
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        told = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = re.search(rb"content-length: (\d+)", told)
        assert length is not None, told
        return int(told.split(b" ", 2)[1]), await self._reader.readexactly(int(length[1]))


async def worker(port: int, requests: Sequence[Asked], number: int, until: float, tally: Tally) -> None:
    """One client that asks without a pause until the time is over."""
    rng = random.Random(number)
    async with Client(port) as client:
        while time.perf_counter() < until:
            one = rng.choice(requests)
            begun = time.perf_counter()
            status, body = await client.ask("POST", one.path, one.body)
            tally.delays.append(time.perf_counter() - begun)
            tally.statuses[status] += 1
            if status == 200:
                tally.difference = max(tally.difference, difference(json.loads(body), one))


async def phase(port: int, name: str, requests: Sequence[Asked], clients: int, seconds: float) -> Tally:
    """All clients for so many seconds."""
    tally, before = Tally(name, clients), await numbers(port)
    begun = time.perf_counter()
    await asyncio.gather(*(worker(port, requests, one, begun + seconds, tally) for one in range(clients)))
    tally.seconds = time.perf_counter() - begun
    after = await numbers(port)
    tally.rows, tally.batches, tally.busy = (b - a for a, b in zip(before, after, strict=True))
    return tally


async def numbers(port: int) -> tuple[float, float, float]:
    """Rows, batches and seconds computed so far."""
    async with Client(port) as client:
        _, body = await client.ask("GET", "/metrics")
    values: Counter[str] = Counter()
    for line in body.decode().splitlines():
        if not line.startswith("#"):
            values[line.split("{")[0].split(" ")[0]] += float(line.rsplit(" ", 1)[1])
    names = ("anyseek_batch_rows_sum", "anyseek_batch_rows_count", "anyseek_busy_seconds_total")
    rows, batches, busy = (values[name] for name in names)
    return rows, batches, busy


async def is_ready(port: int) -> bool:
    """Whether the server answers requests."""
    async with Client(port) as client:
        return (await client.ask("GET", "/ready"))[0] == 200


# the run


def gain(models: Models, texts: Sequence[Asked], seconds: float) -> tuple[float, float]:
    """Texts a second of the library, one by one and as many at once as there are clients, by turns."""
    given = [json.loads(one.body)["input"] for one in texts][:64]
    spent = [0.0, 0.0]
    counts = [0, 0]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for way, calls in enumerate(([[text] for text in given[:16]], [given])):
            begun = time.perf_counter()
            for call in calls:
                models.embedder.encode(call)
            spent[way] += time.perf_counter() - begun
            counts[way] += sum(len(call) for call in calls)
    return counts[0] / spent[0], counts[1] / spent[1]


async def phases(port: int, models: Models, library: Library, given: argparse.Namespace) -> tuple[list[Tally], bool]:
    """All phases, and whether the server is well at the end."""
    rng = random.Random(0)
    shorts, all_sorts = list(short(models, rng)), list(mixed(models, library, rng))
    while not await is_ready(port):
        await asyncio.sleep(0.5)
    third = max(2.0, given.seconds / 4)
    await phase(port, "warm-up", all_sorts, given.clients, 2)
    found = [
        await phase(port, "one", shorts, 1, third),
        await phase(port, "short", shorts, given.clients, third),
        await phase(port, "mixed", all_sorts, given.clients, given.seconds),
        await phase(port, "flood", shorts, 6 * given.clients, min(5.0, third)),
    ]
    again = await phase(port, "after", shorts, 1, 0.5)
    return found, await is_ready(port) and set(again.statuses) == {200}


def table(found: Sequence[Tally], library: tuple[float, float]) -> str:
    """The results as Markdown."""
    lines = [
        "| phase | clients | answers/s | p50 ms | p95 ms | statuses | rows a batch | model busy | largest difference |",
        "|---|---:|---:|---:|---:|---|---:|---:|---:|",
    ]
    for one in found:
        p50, p95 = (1000 * float(np.quantile(one.delays, share)) for share in (0.5, 0.95))
        statuses = ", ".join(f"{status}: {count:,}" for status, count in sorted(one.statuses.items()))
        lines.append(
            f"| {one.name} | {one.clients} | {one.rate:.1f} | {p50:.0f} | {p95:.0f} | {statuses} "
            f"| {one.rows / max(1, one.batches):.1f} | {one.busy / one.seconds:.0%} | {one.difference:.1e} |"
        )
    single, batched = library
    lines += [
        "",
        f"`short` / `one`: {found[1].rate / found[0].rate:.1f}. The library, in one thread beside the waiting server: "
        f"{single:.0f} texts a second one by one, {batched:.0f} in calls of 64, {batched / single:.1f} times as many.",
    ]
    return "\n".join(lines)


def failures(found: Sequence[Tally], well: bool) -> list[str]:
    """What must not be."""
    wrong = [f"{one.name}: {dict(one.statuses)}" for one in found[:3] if set(one.statuses) != {200}]
    wrong += [f"{one.name}: differs by {one.difference:.1e}" for one in found if one.difference > TOLERANCE]
    if found[1].rate < LEAST_GAIN * found[0].rate:
        wrong.append(f"many clients get {found[1].rate / found[0].rate:.2f} times as much as one")
    if set(found[3].statuses) != {200, 429}:
        wrong.append(f"flood: {dict(found[3].statuses)}")
    return wrong + ([] if well else ["the server is not well after the flood"])


def served(
    models: Models, library: Library, given: argparse.Namespace
) -> tuple[list[Tally], bool, tuple[float, float]]:
    """All phases against a server, whether it was well after them, and what the library gains by batches."""
    command = [sys.executable, "-m", "anyseek", "serve", "--model", given.model, "--port", "0", "--no-keys"]
    command += ["--library", library.store.folder, "--concurrency", str(given.clients)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            address = re.search(r"http://[^:]+:(\d+)", server.stderr.readline())
            assert address is not None
            found, well = asyncio.run(phases(int(address[1]), models, library, given))
            gained = gain(models, list(short(models, random.Random(1))), max(2.0, given.seconds / 6))
        finally:
            server.terminate()
        if server.wait(60):
            sys.exit(f"the server ended with {server.returncode}")
    return found, well, gained


def main() -> None:
    """Read the command line, run, and fail when something must not be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--write", action="store_true", help="write results/serving.md")
    given = parser.parse_args()
    models = ServedChoice(name=given.model, rerank=True).models()
    with tempfile.TemporaryDirectory() as folder, Library.open(folder, given.model, given.model) as library:
        library.index([bundled(".", "samples")])
        found, well, gained = served(models, library, given)
    where = f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, {torch.get_num_threads()} threads, "
    where += f"torch {torch.__version__}, load {os.getloadavg()[0]:.0f}"
    call = f"`python -m benchmarks.serving --seconds {given.seconds:g} --clients {given.clients} --model {given.model}`"
    text = f"{call}: {where}\n\n{table(found, gained)}\n"
    print(text)
    if given.write:
        RESULT.write_text(text, encoding="utf-8")
    if wrong := failures(found, well):
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
