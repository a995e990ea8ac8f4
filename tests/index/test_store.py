"""A library's life: put, found, renamed, copied, tagged, forgotten, opened again."""

import errno
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anyseek.errors import CapacityError, ConfigError, DecodeError, InputError, SourceError
from anyseek.index import Filter, Store, StoredFile, Thing, tables, upkeep, writer
from tests.index.conftest import QUERY, WIDTH, file_of, ids, print_, things_of

ODD = "a/it's 100%\\ü.pdf"


def test_things_count_when_their_file_is_done(store: Store) -> None:
    assert ids(store.recall(QUERY, 10)) == ids(store.lexical("天気", 10)) == ["one.0", "one.1"]
    with store.write() as writer:
        assert writer.unfinished() == {"two": frozenset({0, 1})}
        writer.put_files([file_of("b.pdf", "two")])
        assert writer.unfinished() == {}
    assert ids(store.recall(QUERY, 10)) == ["one.0", "one.1", "two.0", "two.1"]


def test_unfinished_things_leave(store: Store) -> None:
    with store.write() as writer:
        assert writer.optimize().removed == 2
        assert writer.optimize().removed == 0
    info = Store.open(store.folder).info()
    assert (info.things, info.files, info.failed) == ({"page": 2}, 1, 0)
    assert ids(store.recall(QUERY, 10)) == ["one.0", "one.1"]


def test_a_rename_moves_no_vector(store: Store) -> None:
    before = store._tables.things.version
    with store.write() as writer:
        writer.put_files([file_of("moved.pdf", "one", tags=("x",))])
        writer.remove_files([("/root", ODD)])
    assert store._tables.things.version == before
    assert [file.path for file in store.files()] == ["moved.pdf"]
    assert ids(store.recall(QUERY, 10)) == ["one.0", "one.1"]


def test_copies_share_things_until_the_last_one_leaves(store: Store) -> None:
    copy = StoredFile(root="/other", path=ODD, hash="one", size=10, mtime=100)
    with store.write() as writer:
        writer.put_files([copy])
    assert [file.key for file in store.files_of(["one", "two"])["one"]] == [("/other", ODD), ("/root", ODD)]
    for root, left in (("/other", ["one.0", "one.1"]), ("/root", [])):
        with store.write() as writer:
            writer.remove_files([(root, ODD), (root, "never there")])
        assert ids(store.recall(QUERY, 10)) == ids(store.lexical("page", 10)) == left
    with store.write() as writer:
        assert writer.optimize().removed == 4


def test_changed_content_replaces_the_old(store: Store) -> None:
    with store.write() as writer:
        writer.optimize()
        writer.put(things_of("new", 1), np.eye(WIDTH)[5:6])
        writer.put_files([file_of(ODD, "new")])
    assert ids(store.recall(QUERY, 10)) == ["new.0"]
    with store.write() as writer:
        writer.optimize()
        writer.put_files([file_of(ODD, None, reason="broken now")])
    assert store.recall(QUERY, 10) == []
    assert [(file.state, file.reason) for file in store.files()] == [("failed", "broken now")]


def test_putting_the_same_again_changes_nothing(store: Store) -> None:
    with store.write() as writer:
        for _ in range(2):
            writer.put(things_of("two", 2), np.eye(WIDTH)[2:4])
            writer.put(things_of("two", 2), np.eye(WIDTH)[6:8])
            writer.put_files([file_of("b.pdf", "two")] * 2)
            writer.flush()
    assert ids(store.recall(np.eye(WIDTH)[6], 10))[0] == "two.0"
    assert sorted(ids(store.recall(QUERY, 10))) == ["one.0", "one.1", "two.0", "two.1"]
    assert sorted(file.path for file in store.files()) == [ODD, "b.pdf"]


def test_tags_stay_unless_they_are_given(store: Store) -> None:
    key = ("/root", ODD)
    with store.write() as writer:
        writer.tag([key, ("/root", "never there")], add=["it's", "日本"])
        writer.put_files([file_of(ODD, "one", mtime=200)])
        writer.flush()
        kept = store.file(key)
        assert kept is not None
        assert (kept.tags, kept.mtime) == (("it's", "日本"), 200)
        writer.tag([key], add=["a"], remove=["it's"])
    assert store.tags() == {"a": 1, "日本": 1}
    with store.write() as writer:
        writer.put_files([file_of(ODD, "one", tags=())])
    assert store.tags() == {}
    assert store.file(("/root", "never there")) is None


def test_things_come_back_as_they_were_put(tmp_path: Path) -> None:
    store = Store.create(tmp_path, print_(precision="float32"))
    thing = Thing(hash="h-_1", part=3, kind="video", start=1.5, end=2.25, text="it's", thumbnail=b"\x00\xff")
    vector = np.arange(WIDTH) - 3.0
    with store.write() as writer:
        writer.put([thing, *things_of("h2", 1)], np.stack([vector, QUERY]))
    found = store.things(["h-_1.3", "nothing"])
    assert found == {"h-_1.3": Thing(**{**thing_fields(thing), "thumbnail": None})}
    assert store.thumbnails(["h-_1.3", "h2.0", "nothing"]) == {"h-_1.3": b"\x00\xff"}
    assert store.things_of("h-_1") == list(found.values())
    both = store.vectors(["h2.0", "h-_1.3", "h2.0"])
    assert np.allclose(both[1], vector / np.linalg.norm(vector), atol=1e-6)
    assert np.allclose(both[[0, 2]], QUERY / np.linalg.norm(QUERY), atol=1e-6)
    with pytest.raises(InputError, match="has no thing 'nothing'"):
        store.vectors(["h2.0", "nothing"])


def thing_fields(thing: Thing) -> dict[str, object]:
    return {name: getattr(thing, name) for name in thing.__slots__}


def test_what_cannot_be_kept_is_refused(store: Store) -> None:
    with store.write() as writer:
        with pytest.raises(ConfigError, match=r"vectors must be \(2, 16\) \(got \(2, 15\)\)"):
            writer.put(things_of("x", 2), np.ones((2, 15)))
        for bad in (0.0, np.nan, np.inf):
            with pytest.raises(InputError, match=r"the vector of x.1 is not finite or is zero"):
                writer.put(things_of("x", 2), np.stack([QUERY, np.full(WIDTH, bad)]))
    for query in (np.ones(15), np.full(WIDTH, np.nan)):
        with pytest.raises(ConfigError, match="vector"):
            store.recall(query, 3)
    with pytest.raises(InputError, match="hash must be"):
        Thing(hash="a.b", part=0, kind="page")
    with pytest.raises(InputError, match="kind must be"):
        Thing(hash="a", part=0, kind="sound")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="part counts from 0"):
        Thing(hash="a", part=-1, kind="page")
    with pytest.raises(InputError, match="is not Unicode; rename the file"):
        file_of("a\udcff", "h")
    with pytest.raises(InputError, match="a file that is done has a hash"):
        StoredFile(root="r", path="p", hash=None, size=1, mtime=1)


def test_an_empty_library_answers(tmp_path: Path) -> None:
    store = Store.create(tmp_path / "a" / "b", print_())
    assert store.recall(QUERY, 5) == store.lexical("x", 5) == list(store.files()) == []
    assert store.recall(QUERY, 5, Filter(under="x")) == store.lexical("", 5) == []
    assert store.info().bytes_per_thing == 0.0
    with store.write() as writer:
        writer.flush()
        assert writer.optimize(force=True).removed == 0
    assert store.hold() >= 0
    assert store.recall(QUERY, 5) == []


def test_without_a_lock_others_may_be_writing(tmp_path: Path) -> None:
    """As on object storage, which an address of a local folder stands for: what another has not finished stays."""
    address = tmp_path.as_uri()
    store = Store.create(address, print_())
    with Store.open(address).write() as one, store.write() as other:
        for number, writer in enumerate((one, other)):
            writer.put(things_of(f"h{number}", 1, text="page"), np.eye(WIDTH)[number : number + 1])
            writer.flush()
        assert store.recall(QUERY, 5) == store.lexical("page", 5) == []
        assert other.optimize().removed == 0
        one.put_files([file_of("a", "h0")])
    assert ids(store.recall(QUERY, 5)) == ["h0.0"]
    assert store.info().bytes > 0
    with store.write() as writer:
        assert writer.optimize(force=True).removed == 1
    with pytest.raises(ConfigError, match="holds a library already"):
        Store.create(address, print_())
    with pytest.raises(SourceError, match="there is no library"):
        Store.open((tmp_path / "none").as_uri())


def test_files_are_listed_in_order_from_a_key_on(store: Store) -> None:
    more = [
        StoredFile(root=root, path=path, hash="one" if path != "broken" else None, size=1, mtime=1, state=state)
        for root, path, state in (
            ("/it's", "b", "done"),
            ("/it's", "broken", "failed"),
            ("/root", "z", "done"),
            ("/root", "Z", "done"),
        )
    ]
    with store.write() as writer:
        writer.put_files(more)
    keys = [file.key for file in store.listed()]
    assert keys == sorted(file.key for file in store.files())
    assert len(keys) == 5
    pages, last = [], None
    while page := store.listed(after=last, limit=2):
        pages += [file.key for file in page]
        last = page[-1].key
    assert pages == keys
    assert [file.path for file in store.listed(state="failed")] == ["broken"]
    assert [file.path for file in store.listed(Filter(roots=("/root",), glob="?"), state="done")] == ["Z", "z"]
    assert store.roots() == {"/it's": (1, 1), "/root": (3, 0)}
    assert store.kinds(["one", "none"]) == {"one": "page"}


def test_who_writes_is_named_and_what_cannot_be_written_is_said(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.write(), pytest.raises(CapacityError, match=f"is being written by process {os.getpid()}; wait for it"):
        Store.open(store.folder).write().__enter__()
    (tmp_path / "file").touch()
    with pytest.raises(
        ConfigError, match=r"file/library cannot be written to \(Not a directory\); name another folder"
    ):
        Store.create(tmp_path / "file" / "library", print_())
    plain = Path.open

    def refusing(path: Path, *given: Any, **options: Any) -> Any:
        raise (
            OSError(errno.EROFS, "Read-only file system") if path.suffix == ".lock" else plain(path, *given, **options)
        )

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", refusing)
        with pytest.raises(ConfigError, match=r"cannot be written to \(Read-only file system\)"), store.write():
            pass
    assert ids(store.recall(QUERY, 10)) == ["one.0", "one.1"], "what can be read is read"


@pytest.mark.skipif(os.name == "nt", reason="locks of POSIX")
def test_a_drive_without_locks_is_told_from_another_writer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def refusing(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refusing)
    with pytest.raises(ConfigError, match=r"keeps no locks \(No locks available\); name another folder"), store.write():
        pass


@pytest.mark.parametrize(
    "said",
    [RuntimeError("LanceError(IO): No space left on device (os error 28)"), OSError(28, "No space left on device")],
)
def test_a_full_disk_is_called_so_and_loses_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, said: Exception
) -> None:
    def full(*_: object) -> None:
        raise said

    with monkeypatch.context() as patched:
        patched.setattr(writer, "merge", full)
        with pytest.raises(CapacityError, match=r"disk of .* is full; make room and do"), store.write() as writing:
            writing.put(things_of("three", 1), np.eye(WIDTH)[4:5])
    with store.write() as writing:
        writing.put(things_of("three", 1), np.eye(WIDTH)[4:5])
        writing.put_files([file_of("b", "three")])
    assert ids(store.recall(QUERY, 10)) == ["one.0", "one.1", "three.0"]
    with pytest.raises(RuntimeError, match="something else"), store.write():
        raise RuntimeError("something else")


def test_a_library_that_may_not_be_read_or_is_not_reached_is_not_damaged(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(error: Exception) -> Callable[..., Any]:
        def raising(*_: object) -> Any:
            raise error

        return raising

    address, refused = "s3://bucket/library", OSError("LanceError(IO): Permission denied (os error 13)")
    for function, folder, error, expected in (
        (
            "_connect",
            address,
            ValueError("Failed to connect: 403"),
            "cannot be opened .*403.*; look at its address, its keys",
        ),
        ("_names", store.folder, refused, "cannot be opened .*; look at its drive and your right to read it"),
        ("_about_of", store.folder, refused, "cannot be opened .*; look at its drive and your right to read it"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(tables, function, failing(error))
            with pytest.raises(ConfigError, match=expected):
                Store.open(folder)
    monkeypatch.setattr(tables, "_about_of", failing(OSError("bad magic")))
    with pytest.raises(DecodeError, match=r"is damaged .*bad magic.*; index it anew"):
        Store.open(store.folder)


def test_things_of_another_file_than_was_thought_can_be_removed(store: Store) -> None:
    with store.write() as writing:
        writing.put(things_of("three", 3), np.eye(WIDTH)[4:7])
        writing.remove_things(["three.0", "three.2", "never.0"])
        assert writing.unfinished()["three"] == frozenset({1})


def test_a_library_in_the_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Store.create("~/mine", print_()).folder == str(tmp_path / "mine")
    assert Store.open("~/mine").info().things == {}


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_what_left_frees_its_room(tmp_path: Path) -> None:
    """At once as far as searches go, and on disk as soon as nobody can be reading it."""
    store, noise = Store.create(tmp_path, print_()), np.random.default_rng(0)
    with store.write() as writer:
        for number in range(200):
            (thing,) = things_of(f"h{number}", 1, text=noise.bytes(2000).hex())
            writer.put([thing], np.eye(WIDTH)[number % WIDTH][None])
            writer.put_files([file_of(f"{number}", f"h{number}")])
    whole = size_of(tmp_path)
    with store.write() as writer:
        writer.remove_files([file_of(f"{number}", "").key for number in range(190)])
        assert "things" in writer.optimize().ordered
        assert "things" not in writer.optimize().ordered
    with store.write() as writer:
        writer.optimize(force=True, keep=timedelta(seconds=0.01))
    assert size_of(tmp_path) < whole / 5
    assert len(store.recall(QUERY, 100)) == 10


def test_versions_that_nobody_reads_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that changes all the time, under `--watch`: no table gets more pieces, but each gets versions."""
    store = Store.create(tmp_path, print_())
    for number in range(50):
        with store.write() as writer:
            writer.put(things_of(f"h{number}", 1), np.eye(WIDTH)[:1])
            writer.put_files([file_of("app.log", f"h{number}")])
            ordered = writer.optimize().ordered
    assert "things" not in ordered
    tables = [getattr(store._tables, name) for name in ("things", "files", "about")]
    assert min(len(table.list_versions()) for table in tables) > 50
    with store.write() as writer:
        assert set(writer.optimize(keep=timedelta(milliseconds=1)).ordered) == {"things", "files", "about"}
    assert max(len(table.list_versions()) for table in tables) < 10
    monkeypatch.setattr(upkeep, "DAY", timedelta(0))
    with store.write() as writer:
        writer.put_files([file_of("app.log", None)])
        assert "files" in writer.optimize(keep=timedelta(seconds=0.01)).ordered
