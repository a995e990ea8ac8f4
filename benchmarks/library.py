"""Recall, speed and size of a library on disk, beside the exact answer, a product in memory, and plain LanceDB.

    python -m benchmarks.library --rows 10000 [--width 512] [--precision float16] [--queries 100] [--write]

Vectors are drawn in clusters, those of each kind of thing apart from the others, as texts lie apart from pictures in
the space of a model; queries near members of any kind. The floor is a float32 matrix-vector product with numpy over the
same rows, in turns with the queries, so that a busy machine slows both: read ratios, not milliseconds, and where the
machine is busy those of the time on the processor. Files hold ten things each and lie in a hundred folders. Plain
LanceDB is the same index asked for ids alone, with 20 lists and ten candidates for each wanted one.
"""

import argparse
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import lancedb
import numpy as np
from numpy.typing import NDArray

from anyseek.index import Filter, Fingerprint, Kind, Store, StoredFile, Thing

TOP = 10
BLOCK = 10_000
PER_FILE, FOLDERS = 10, 100
KINDS: tuple[Kind, ...] = ("page", "image", "text", "video")
T = TypeVar("T")
Numbers = TypeVar("Numbers", int, NDArray[np.int64])
Ask = Callable[[NDArray[np.float32]], set[str]]
Chosen = tuple[Filter, NDArray[np.bool_] | None]
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one way to ask gave."""

    name: str
    recall: float
    ratio: float
    processor: float
    p50: float
    p95: float


def drawn(rows: int, width: int, noise: float) -> NDArray[np.float32]:
    """`(rows, width)` of length 1, in one cluster for each thousand rows, with an offset for each kind."""
    random = np.random.default_rng(0)
    centres = random.standard_normal((max(20, rows // 1000), width), dtype=np.float32)
    offsets = random.standard_normal((len(KINDS), width), dtype=np.float32)
    vectors = np.empty((rows, width), np.float32)
    for start in range(0, rows, BLOCK):
        block = vectors[start : start + BLOCK]
        block[:] = centres[random.integers(len(centres), size=len(block))]
        block += offsets[kind_of(np.arange(start, start + len(block)))]
        block += noise * random.standard_normal(block.shape, dtype=np.float32)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
    return vectors


def drawn_queries(vectors: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """`(count, width)` queries whose cosine with a member is about 0.9."""
    random = np.random.default_rng(1)
    members = vectors[random.integers(len(vectors), size=count)]
    queries = members + 0.5 * random.standard_normal(members.shape, dtype=np.float32) / np.sqrt(members.shape[1])
    return np.asarray(queries / np.linalg.norm(queries, axis=1, keepdims=True), np.float32)


def kind_of(rows: Numbers) -> Numbers:
    """The kind of the file of each row, by its number."""
    return rows // PER_FILE % len(KINDS)


def content(row: int) -> str:
    """The hash of the file of a row."""
    return f"{row // PER_FILE * 2654435761 % 2**32:032x}"


def fill(folder: Path, vectors: NDArray[np.float32], precision: str) -> tuple[Store, float, float]:
    """A library of vectors, the seconds of writing, and those of putting it in order."""
    print_ = Fingerprint(weights="0", template="", instruction="", width=vectors.shape[1], precision=precision)
    store, started = Store.create(folder, print_), time.perf_counter()
    with store.write() as writer:
        for start in range(0, len(vectors), BLOCK):
            rows = range(start, min(start + BLOCK, len(vectors)))
            things = [Thing(hash=content(row), part=row % PER_FILE, kind=KINDS[kind_of(row)]) for row in rows]
            writer.put(things, vectors[rows.start : rows.stop])
            writer.put_files(
                StoredFile(root="/", path=f"{file % FOLDERS}/{file}", hash=content(file * PER_FILE), size=1, mtime=file)
                for file in range(rows.start // PER_FILE, -(-rows.stop // PER_FILE))
            )
        writer.flush()
        written = time.perf_counter()
        writer.optimize(keep=timedelta(seconds=1))
    return store, written - started, time.perf_counter() - written


def truth(scores: NDArray[np.float32], counting: NDArray[np.bool_] | None) -> set[str]:
    """Ids of the best by `(rows,)` exact scores."""
    if counting is not None:
        scores = np.where(counting, scores, np.float32(-2))
    best = np.argpartition(-scores, TOP)[:TOP]
    return {f"{content(row)}.{row % PER_FILE}" for row in best if scores[row] > -2}


def timed(work: Callable[[], T]) -> tuple[float, float, T]:
    """Milliseconds, those on the processor, and what came of it."""
    started, busy = time.perf_counter(), time.process_time()
    result = work()
    return 1000 * (time.perf_counter() - started), 1000 * (time.process_time() - busy), result


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What is asked.

    Attributes:
        vectors: `(rows, width)` that are stored, as float32.
        queries: `(queries, width)`.
        scores: `(rows, queries)` exact cosines.
    """

    vectors: NDArray[np.float32]
    queries: NDArray[np.float32]
    scores: NDArray[np.float32]


def measure(name: str, asked: Questions, ask: Ask, counting: NDArray[np.bool_] | None, count: int) -> Line:
    """Ask so many queries once, in turns with the floor."""
    ask(asked.queries[0])  # what is read only once is not counted
    times, floors, hits, wanted = [], [], 0, 0
    for number, query in enumerate(asked.queries[:count]):
        floors.append(timed(lambda query=query: asked.vectors @ query)[:2])
        *spent, found = timed(lambda query=query: ask(query))
        times.append(spent)
        expected = truth(asked.scores[:, number], counting)
        hits += len(expected & found)
        wanted += len(expected)
    (wall, busy), floor = zip(*times, strict=True), [statistics.median(column) for column in zip(*floors, strict=True)]
    p50, p95 = statistics.median(wall), statistics.quantiles(wall, n=20)[18]
    processor = statistics.median(busy) / floor[1]
    return Line(name=name, recall=hits / wanted, ratio=p50 / floor[0], processor=processor, p50=p50, p95=p95)


def ids(store: Store, where: Filter) -> Ask:
    """A search of the library."""
    return lambda query: {one.id for one in store.recall(query, TOP, where)}


def plain(folder: Path) -> Ask:
    """A search of the same table without the library."""
    table = lancedb.connect(folder).open_table("things")

    def ask(query: NDArray[np.float32]) -> set[str]:
        search = table.search(query, vector_column_name="vector").distance_type("cosine").nprobes(20).refine_factor(10)
        return set(search.select(["id", "_distance"]).limit(TOP).to_arrow()["id"].to_pylist())

    return ask


def filters(rows: int) -> dict[str, Chosen]:
    """Filters, and the rows that they keep."""
    files = np.arange(rows) // PER_FILE
    return {
        "": (Filter(), None),
        ", a quarter of the files": (Filter(before=rows // PER_FILE // 4), files < rows // PER_FILE // 4),
        ", one kind of four": (Filter(kinds=(KINDS[1],)), kind_of(np.arange(rows)) == 1),
        ", one folder of a hundred": (Filter(under="7"), files % FOLDERS == 7),
    }


def lines(store: Store, asked: Questions) -> tuple[list[Line], float]:
    """Every way to ask, from disk and from memory, and the seconds of the processor until it was there."""
    found, holding = [], 0.0
    for held in (False, True):
        if held:
            holding = timed(store.hold)[1] / 1000
        way = store.info().recall
        for name, chosen in filters(len(asked.vectors)).items():
            count = 20 if name else len(asked.queries)
            where, counting = chosen
            found.append(measure(way + name, asked, ids(store, where), counting, count))
            print(found[-1], file=sys.stderr, flush=True)
        if way == "approximate" and store.fingerprint.precision in ("float16", "float32"):
            found.append(measure("plain LanceDB", asked, plain(Path(store.folder)), None, len(asked.queries)))
            print(found[-1], file=sys.stderr, flush=True)
    return found, holding


def main() -> None:
    """Read the command line, run, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--precision", default="float16")
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--noise", type=float, default=1.0)
    parser.add_argument("--write", action="store_true", help="add the table to benchmarks/results/library.md")
    given = parser.parse_args()
    vectors = drawn(given.rows, given.width, given.noise)
    queries = drawn_queries(vectors, given.queries)
    folder = Path(tempfile.mkdtemp(prefix="library"))
    try:
        store, writing, ordering = fill(folder, vectors, given.precision)
        info = store.info()
        print(f"written in {writing:.0f} s, ordered in {ordering:.0f} s", file=sys.stderr, flush=True)
        table = [
            f"## {given.rows:,} x {given.width}, {given.precision}",
            "",
            f"Written in {writing:.0f} s ({given.rows / writing:,.0f} things a second), put in order and indexed in "
            f"{ordering:.0f} s; {info.bytes_per_thing:,.0f} bytes a thing on disk.",
            "",
            "| asked | recall@10 | p50 / floor | the same, processor | p50 ms | p95 ms |",
            "|---|---|---|---|---|---|",
        ]
        found, holding = lines(store, Questions(vectors=vectors, queries=queries, scores=vectors @ queries.T))
        table += [
            f"| {one.name} | {one.recall:.4f} | {one.ratio:.2f} | {one.processor:.2f} | {one.p50:.1f} | {one.p95:.1f} |"
            for one in found
        ]
        held = store.info().held_bytes
        command = (
            f"python -m benchmarks.library --rows {given.rows} --width {given.width} --precision {given.precision}"
        )
        memory = f"In memory {held / given.rows:,.0f} bytes a thing, there after {holding:.0f} s of processor time."
        table += ["", f"{memory} `{command}`, {platform.machine()}.", ""]
        print("\n".join(table))
        if given.write:
            with (RESULTS / "library.md").open("a", encoding="utf-8") as file:
                file.write("\n".join(table) + "\n")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
