"""A library's life: put, found, renamed, forgotten, opened again."""

from pathlib import Path

import numpy as np
import pytest

from anyseek.errors import CapacityError, ConfigError, SourceError
from anyseek.index import Filter, Fingerprint, Store, StoredFile, Thing

PRINT = Fingerprint(weights="w" * 32, template="t", instruction="i", width=16)
ODD = "a/it's 100%\\ü.pdf"


def pages(count: int, hash: str) -> list[Thing]:
    return [Thing(hash=hash, part=i, kind="page", page=i + 1, text=f"page {i} 天気") for i in range(count)]


def file(path: str, hash: str) -> StoredFile:
    return StoredFile(root="/r", path=path, hash=hash, size=3, mtime=4)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.create(tmp_path / "library", PRINT)
    vectors = np.eye(16)[:4]
    with store.write() as writer:
        writer.put(pages(2, "one"), vectors[:2])
        writer.put_files([file(ODD, "one")])
        writer.put(pages(2, "two"), vectors[2:])
    return store


def test_things_count_when_their_file_is_done(store: Store) -> None:
    query = np.linspace(1, 0.1, 16)
    assert [one.id for one in store.recall(query, 10)] == ["one.0", "one.1"]
    assert [one.id for one in store.lexical("天気", 10)] == ["one.0", "one.1"]
    with store.write() as writer:
        assert writer.unfinished() == {"two": frozenset({0, 1})}
        writer.put_files([file("b.pdf", "two")])
    assert [one.id for one in store.recall(query, 10)] == ["one.0", "one.1", "two.0", "two.1"]


def test_unfinished_things_leave(store: Store) -> None:
    with store.write() as writer:
        writer.optimize()
    assert Store.open(store.folder).info().things == {"page": 2}


def test_filters_hold_odd_names(store: Store) -> None:
    query = np.ones(16)
    assert [one.id for one in store.recall(query, 9, Filter(pages=(2, 2), glob="a/it's 100%\\*.pdf"))] == ["one.1"]
    assert not store.recall(query, 9, Filter(glob="a/it's 100%\\*.pd"))
    assert [one.path for one in store.files(Filter(under=ODD))] == [ODD]


def test_one_writer_at_a_time(store: Store) -> None:
    with store.write(), pytest.raises(CapacityError, match="is being written by process"):
        Store.open(store.folder).write().__enter__()


def test_a_library_is_made_once_and_must_be_there(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds a library already"):
        Store.create(store.folder, PRINT)
    with pytest.raises(SourceError, match="there is no library"):
        Store.open(tmp_path)
