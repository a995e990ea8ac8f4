"""Recall: exact, through an index, under filters, from memory; limits are lowered so that small ones have indexes."""

import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from anyseek.errors import CapacityError
from anyseek.index import Filter, Recalled, Store, held, recall, upkeep
from anyseek.vectors import normalize
from tests.index.conftest import clustered, file_of, filled, ids, things_of

ROWS, WIDTH = 3000, 32
VECTORS = clustered(ROWS, WIDTH, seed=1)
QUERIES = normalize(VECTORS[::150] + 0.1 * clustered(20, WIDTH, seed=2))
NAMES = [f"h{row // 4}.{row % 4}" for row in range(ROWS)]


def truth(query: np.ndarray, counting: np.ndarray | None = None, top: int = 10) -> list[str]:
    """The best by a product of all vectors as they were given."""
    scores = VECTORS @ query
    if counting is not None:
        scores = np.where(counting, scores, -9)
    return [NAMES[row] for row in np.argsort(-scores, kind="stable")[:top]]


def share(store: Store, where: Filter | None = None, counting: np.ndarray | None = None) -> float:
    """Recall at 10."""
    found = [set(ids(store.recall(query, 10, where))) & set(truth(query, counting)) for query in QUERIES]
    return sum(map(len, found)) / 10 / len(QUERIES)


@pytest.fixture(scope="module", params=["float32", "float16", "int8", "binary"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = filled(tmp_path_factory.mktemp("library"), VECTORS, precision=request.param)
    with store.write() as writer:
        writer.optimize()
    return store


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Store:
    with pytest.MonkeyPatch.context() as patch:
        lower(patch)
        store = filled(tmp_path_factory.mktemp("indexed"), VECTORS)
        with store.write() as writer:
            assert set(writer.optimize().indexed) >= {"things.vector", "things.hash", "files.path"}
    return store


def lower(patch: pytest.MonkeyPatch) -> None:
    """Indexes and their use from a few hundred rows on."""
    for module in (recall, upkeep, held):
        patch.setattr(module, "EXACT_ROWS", 200)
    patch.setattr(upkeep, "SCALAR_ROWS", 100)
    patch.setattr(recall, "FEW", 20)
    patch.setattr(recall, "LEAST", 50)


def test_below_the_limit_recall_is_exact(library: Store) -> None:
    """float32 is the truth itself; float16 and int8 swap neighbours that are equal to three digits; signs lose more."""
    least = {"float32": 1.0, "float16": 0.98, "int8": 0.93, "binary": 0.35}[library.fingerprint.precision]
    assert library.info().recall == "exact"
    assert share(library) >= least
    assert share(library, Filter(kinds=("image",)), np.arange(ROWS) // 4 % 4 == 0) >= least


def test_similarities_are_cosines_of_what_is_kept(library: Store) -> None:
    for query in QUERIES[:5]:
        found = library.recall(7 * query, 10)
        cosines = library.vectors(ids(found)) @ query
        assert np.allclose([one.similarity for one in found], cosines, atol=1e-5)
        assert [one.similarity for one in found] == sorted((one.similarity for one in found), reverse=True)


def alike(mine: list[Recalled], disk: list[Recalled]) -> None:
    """The same candidates; their order may differ by the rounding of a sum."""
    expected = {one.id: one.similarity for one in disk}
    assert {one.id: one.similarity for one in mine} == pytest.approx(expected, abs=1e-5)


def test_memory_gives_what_the_disk_gives(library: Store) -> None:
    other = Store.open(library.folder)
    assert other.hold() > ROWS * WIDTH / 8
    assert other.info().recall == "memory"
    filters = [None, Filter(kinds=("page", "text")), Filter(under="3"), Filter(pages=(2, 3)), Filter(glob="*/1*.x")]
    for where in filters:
        for query in QUERIES[:6]:
            alike(other.recall(query, 10, where), library.recall(query, 10, where))


def test_the_index_finds_what_a_scan_finds(indexed: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    lower(monkeypatch)
    scans: list[bool] = []
    plain = recall._by_numbers
    monkeypatch.setattr(
        recall,
        "_by_numbers",
        lambda *given, scan, wider: (scans.append(scan), plain(*given, scan=scan, wider=wider))[1],
    )

    def asked() -> set[bool]:
        """Whether the searches since the last call were scans."""
        noted = set(scans)
        scans.clear()
        return noted

    assert indexed.info().recall == "approximate"
    assert share(indexed) >= 0.97
    assert asked() == {False}
    counting = np.arange(ROWS) // 4 % 4 > 0
    assert share(indexed, Filter(kinds=("page", "text", "video")), counting) >= 0.97
    assert asked() == {False}
    few = np.arange(ROWS) // 4 < 20
    assert share(indexed, Filter(before=20), few) >= 0.99
    assert asked() == {True}, "few contents are named, and all their things are read"


def test_filters_of_many_files(indexed: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    lower(monkeypatch)
    half = np.arange(ROWS) // 4 < 400
    assert share(indexed, Filter(before=400), half) >= 0.97
    held_ = Store.open(indexed.folder)
    held_.hold()
    assert share(held_, Filter(before=400), half) >= 0.97


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_kinds_that_lie_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str) -> None:
    """As texts lie apart from pictures: the lists nearest to a query have none of the kind that is sought."""
    lower(monkeypatch)
    monkeypatch.setattr(recall, "PROBES", 2)
    for name in ("IvfRq", "IvfFlat"):  # as many lists as a library of a quarter of a million has
        monkeypatch.setattr(upkeep, name, partial(getattr(upkeep, name), num_partitions=60))
    offsets = 1.5 * np.random.default_rng(5).standard_normal((4, 64))
    vectors = normalize(clustered(ROWS, 64, seed=4) * 8 + offsets[np.arange(ROWS) // 4 % 4])
    store = filled(tmp_path, vectors, precision=precision)
    with store.write() as writer:
        writer.optimize()
    assert store.info().recall == "approximate"
    images = np.arange(ROWS) // 4 % 4 == 0
    for number in range(1, 400, 40):  # near pages, texts and films too
        query = vectors[4 * number]
        found = ids(store.recall(query, 10, Filter(kinds=("image",))))
        scores = np.where(images, vectors @ query, -2)
        best = {f"h{row // 4}.{row % 4}" for row in np.argsort(-scores)[:10]}
        assert len(found) == 10
        assert len(best & set(found)) >= 8


def test_a_filter_far_from_the_query_is_still_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is most similar lies outside the filter: looking further must end in naming what is inside."""
    lower(monkeypatch)
    query = np.eye(WIDTH)[0]
    vectors = np.concatenate([np.tile(query, (2000, 1)), np.tile(-query, (200, 1))])
    store = filled(tmp_path, normalize(vectors + 0.01 * clustered(2200, WIDTH, seed=3)), per_file=2)
    with store.write() as writer:
        writer.optimize()
    found = store.recall(query, 10, Filter(after=1000))
    assert len(found) == 10
    assert all(one.similarity < 0 for one in found)
    words = store.lexical("word3", 5, Filter(after=1000))
    assert words == []


def test_new_rows_are_found_beside_the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lower(monkeypatch)
    store = filled(tmp_path, VECTORS[:1000])
    with store.write() as writer:
        writer.optimize()
        writer.put(things_of("late", 1), QUERIES[:1])
        writer.put_files([file_of("late", "late")])
        writer.flush()
        assert store.info().unindexed == 1
        assert ids(store.recall(QUERIES[0], 1)) == ["late.0"]
        writer.optimize(force=True)
    assert store.info().unindexed == 0
    assert ids(store.recall(QUERIES[0], 1)) == ["late.0"]


def test_the_index_is_made_anew_when_the_library_has_grown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lower(monkeypatch)
    store = filled(tmp_path, VECTORS[:300])
    with store.write() as writer:
        assert "things.vector" in writer.optimize().indexed
        assert "things.vector" not in writer.optimize(force=True).indexed
        writer.put(things_of("more", 1300, "text"), clustered(1300, WIDTH, seed=5))
        writer.put_files([file_of("more", "more")])
        assert "things.vector" in writer.optimize().indexed


def test_memory_follows_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New rows are read alone; what was removed, replaced or moved by compaction is right too."""
    read: list[int] = []
    plain = held.Vectors.extended
    monkeypatch.setattr(
        held.Vectors, "extended", lambda self, rows, print_: (read.append(len(rows)), plain(self, rows, print_))[1]
    )
    store = filled(tmp_path, VECTORS[:400])
    other = Store.open(tmp_path)
    other.hold()
    assert sum(read) == 400

    def same() -> None:
        for query in QUERIES[:5]:
            alike(other.recall(query, 20), store.recall(query, 20))

    same()
    with store.write() as writer:
        writer.put(things_of("new", 5), QUERIES[:5])
        writer.put_files([file_of("new", "new")])
    same()
    assert sum(read) == 405
    assert ids(other.recall(QUERIES[2], 1)) == ["new.2"]
    with store.write() as writer:
        writer.put(things_of("new", 2), QUERIES[5:7])
        writer.remove_files([file_of(f"{number % 10}/{number}.x", "h").key for number in range(30)])
    same()
    assert sum(read) == 407
    with store.write() as writer:
        assert writer.optimize(force=True).removed == 120
    same()
    assert len(other.recall(QUERIES[0], 1000)) == 285


def test_memory_knows_what_a_filter_leaves_until_a_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Filter] = []
    plain = held.scope_of
    monkeypatch.setattr(held, "scope_of", lambda tables, where: (looked.append(where), plain(tables, where))[1])
    monkeypatch.setattr(held, "MASKS", 2)
    store = filled(tmp_path, VECTORS[:400])
    store.hold()
    first, pages = Filter(under="1"), Filter(kinds=("page",))
    for _ in range(3):
        assert len(store.recall(QUERIES[0], 400, first)) == 40
        assert len(store.recall(QUERIES[0], 400, pages)) == 100
    assert looked == [first, pages]
    with store.write() as writer:  # moved: nothing was encoded, and no thing has changed
        writer.put_files([file_of("1/moved.x", "h0")])
        writer.remove_files([file_of("1/11.x", "h11").key])
    assert len(store.recall(QUERIES[0], 400, first)) == 40
    assert {"h0.0", "h1.0"} <= set(ids(store.recall(QUERIES[0], 400, first)))
    assert "h11.0" not in ids(store.recall(QUERIES[0], 400, first))
    with store.write() as writer:
        writer.put(things_of("new", 5), QUERIES[:5])
        writer.put_files([file_of("1/new", "new")])
    assert len(store.recall(QUERIES[0], 400, first)) == 45
    assert len(store.recall(QUERIES[0], 400, pages)) == 105
    store.recall(QUERIES[0], 1, Filter(under="2"))
    assert len(store.recall(QUERIES[0], 400, first)) == 45  # it was the oldest of three, and is looked up again
    assert looked == [first, pages, first, first, pages, Filter(under="2"), first]


def test_memory_has_a_limit(library: Store) -> None:
    with pytest.raises(CapacityError, match=r"3,000 things take about [01] MB in memory, more than the allowed 0 MB"):
        Store.open(library.folder).hold(max_bytes=1000)


def test_what_outgrows_its_memory_is_searched_on_disk(tmp_path: Path) -> None:
    store = filled(tmp_path, VECTORS[:400])
    store.hold(400 * (4 * WIDTH + held.ROW_BYTES))
    assert store.info().recall == "memory"
    with store.write() as writer:
        writer.put(things_of("new", 1), QUERIES[:1])
        writer.put_files([file_of("new", "new")])
    assert ids(store.recall(QUERIES[0], 1)) == ["new.0"]
    assert store.info().recall == "exact"


def test_lists_find_nearly_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also through filters, of rows that came later, without those that have gone, and after the table was moved."""
    lower(monkeypatch)
    monkeypatch.setattr(held, "LISTED_ROWS", 1000)
    lists_made: list[int] = []
    plain = held.Lists.of
    monkeypatch.setattr(
        held.Lists, "of", lambda rows, words: (lists_made.append(words.shape[1]), plain(rows, words))[1]
    )
    store = filled(tmp_path, VECTORS)
    store.hold()
    store.hold()
    assert lists_made == [ROWS]
    assert share(store) >= 0.97
    kinds = np.arange(ROWS) // 4 % 4 > 0
    assert share(store, Filter(kinds=("page", "text", "video")), kinds) >= 0.97
    assert share(store, Filter(before=400), np.arange(ROWS) // 4 < 400) >= 0.97
    assert share(store, Filter(before=20), np.arange(ROWS) // 4 < 20) >= 0.97
    with store.write() as writer:
        writer.put(things_of("new", 5), QUERIES[:5])
        writer.put_files([file_of("new", "new")])
    assert ids(store.recall(QUERIES[2], 1)) == ["new.2"]
    with store.write() as writer:
        writer.remove_files([file_of("new", "new").key])
    assert "new.2" not in ids(store.recall(QUERIES[2], 10))
    assert share(store) >= 0.97
    assert lists_made == [ROWS], "a few more rows need no new lists"
    with store.write() as writer:
        writer.remove_files([file_of(f"{number % 10}/{number}.x", "h").key for number in range(30)])
        writer.optimize(force=True)
    kept_ = np.arange(ROWS) // 4 >= 30
    assert share(store, None, kept_) >= 0.97
    store.hold()
    assert len(lists_made) == 2
    assert share(store, None, kept_) >= 0.97


def test_threads_share_a_store(library: Store) -> None:
    other = Store.open(library.folder)
    other.hold()
    queries = QUERIES[:5]
    expected = [ids(library.recall(query, 5)) for query in queries]
    wrong: list[int] = []

    def ask(store: Store) -> None:
        for number, query in enumerate(queries):
            if ids(store.recall(query, 5)) != expected[number]:
                wrong.append(number)

    threads = [threading.Thread(target=ask, args=(store,)) for store in (library, other) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
