"""Random histories of everything a writer can do, against a plain dictionary; dying writers among them."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anyseek.errors import CapacityError
from anyseek.index import Store, StoredFile, Thing, Writer, writer
from tests.index.conftest import KINDS, WIDTH, file_of, ids, print_, things_of

CONTENTS = [f"c{number}" for number in range(12)]
PATHS = [f"{folder}/{name}" for folder in ("a", "b's") for name in "uvwxyz"]


def vector_of(thing: str) -> np.ndarray:
    """The vector of an id, always the same."""
    return np.random.default_rng(list(thing.encode())).standard_normal(WIDTH)


def parts_of(hash: str) -> list[Thing]:
    """The things of a content, always the same."""
    number = int(hash[1:])
    return things_of(hash, number % 4 + 1, KINDS[number % 4], f"{hash} shared")


def put(target: Writer, things: list[Thing]) -> None:
    """Put things with their vectors."""
    target.put(things, np.stack([vector_of(thing.id) for thing in things]))


class Model:
    """What a library should hold: rows of files by path, ids of stored things."""

    def __init__(self) -> None:
        self.files: dict[str, StoredFile] = {}
        self.stored: set[str] = set()

    @property
    def live(self) -> set[str]:
        done = {file.hash for file in self.files.values() if file.state == "done"}
        return {id for id in self.stored if id.split(".")[0] in done}

    def check(self, store: Store, dice: random.Random) -> None:
        """Everything that can be asked."""
        everything = store.recall(np.ones(WIDTH), 1000)
        assert sorted(ids(everything)) == sorted(self.live)
        assert sorted(ids(store.lexical("shared", 1000))) == sorted(self.live)
        assert {file.path: file for file in store.files()} == self.files
        assert sum(store.info().things.values()) == len(self.stored)
        if self.live:
            id = dice.choice(sorted(self.live))
            cosine = store.vectors([id])[0] @ vector_of(id) / np.linalg.norm(vector_of(id))
            assert cosine > 0.999
            assert ids(store.recall(vector_of(id), 1)) == [id]


def act(model: Model, target: Writer, dice: random.Random) -> None:
    """One thing that a run over folders might do."""
    actions = [put_whole, put_whole, put_part, fail, move, remove, remove, tag, optimize, lambda *_: target.flush()]
    dice.choice(actions)(model, target, dice)


def put_whole(model: Model, target: Writer, dice: random.Random) -> None:
    path, hash = dice.choice(PATHS), dice.choice(CONTENTS)
    put(target, parts_of(hash))
    target.put_files([file_of(path, hash)])
    model.stored |= {thing.id for thing in parts_of(hash)}
    old = model.files.get(path)
    model.files[path] = file_of(path, hash, tags=old.tags if old else ())


def put_part(model: Model, target: Writer, dice: random.Random) -> None:
    parts = parts_of(dice.choice(CONTENTS))
    some = parts[: dice.randint(1, len(parts))]
    put(target, some)
    model.stored |= {thing.id for thing in some}


def fail(model: Model, target: Writer, dice: random.Random) -> None:
    row = file_of(dice.choice(PATHS), None, reason="no", tags=("failed",))
    target.put_files([row])
    model.files[row.path] = row


def move(model: Model, target: Writer, dice: random.Random) -> None:
    if not model.files:
        return
    old = model.files[dice.choice(sorted(model.files))]
    new = replace(old, path=dice.choice(PATHS))
    target.put_files([new])
    model.files[new.path] = new
    if old.path != new.path:
        target.remove_files([old.key])
        del model.files[old.path]


def remove(model: Model, target: Writer, dice: random.Random) -> None:
    gone = dice.sample(sorted(model.files), min(dice.randint(1, 3), len(model.files)))
    target.remove_files([("/root", path) for path in gone])
    for path in gone:
        del model.files[path]


def tag(model: Model, target: Writer, dice: random.Random) -> None:
    path = dice.choice(PATHS)
    target.tag([("/root", path)], add=["new's"])
    if old := model.files.get(path):
        model.files[path] = replace(old, tags=tuple(sorted({*(old.tags or ()), "new's"})))


def optimize(model: Model, target: Writer, dice: random.Random) -> None:
    target.optimize(force=dice.random() < 0.3)
    model.stored = model.live


@pytest.mark.parametrize("seed", range(4))
def test_histories(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "ROWS", 5)
    monkeypatch.setattr(writer, "COMMITS", 7)
    dice, model = random.Random(seed), Model()
    store = Store.create(tmp_path, print_(precision=("float32", "float16", "int8", "float16")[seed]))
    held = Store.open(tmp_path)
    held.hold()
    for _ in range(8):
        with store.write() as target:
            for _ in range(dice.randint(1, 8)):
                act(model, target, dice)
        model.check(store if dice.random() < 0.7 else Store.open(tmp_path), dice)
        model.check(held, dice)


@pytest.mark.parametrize("seed", range(3))
def test_a_writer_that_fails_between_any_two_commits(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is acknowledged is there, nothing is there twice, and what has no finished file is not found."""
    dice, store, commits = random.Random(seed), Store.create(tmp_path, print_()), 0
    plain, dies = writer.merge, 0

    def dying(*given: object) -> None:
        nonlocal commits
        if commits == dies:
            raise KeyboardInterrupt
        commits += 1
        plain(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(writer, "merge", dying)
    acknowledged: set[str] = set()
    for _ in range(12):
        commits, dies = 0, dice.randint(0, 6)
        try:
            with store.write() as target:
                for hash in dice.sample(CONTENTS, 4):
                    put(target, parts_of(hash))
                    target.put_files([file_of(f"of {hash}", hash)])
                    target.flush()
                    acknowledged.add(hash)
        except KeyboardInterrupt:
            pass
        whole(store, acknowledged)


def whole(store: Store, acknowledged: set[str]) -> None:
    """Every finished file has all its things once, those that were acknowledged are finished, nothing else is found."""
    done = {str(file.hash) for file in store.files() if file.state == "done"}
    assert acknowledged <= done
    expected = sorted(thing.id for hash in done for thing in parts_of(hash))
    assert sorted(ids(store.recall(np.ones(WIDTH), 10_000))) == expected
    assert len({file.key for file in store.files()}) == len(list(store.files()))


WRITER = """
import json, random, sys
import numpy as np
from anyseek.index import Store, writer
from tests.index.test_histories import CONTENTS, Model, act, parts_of, put
from tests.index.conftest import file_of
writer.COMMITS = 3
dice = random.Random(int(sys.argv[2]))
store = Store.open(sys.argv[1])
print("open", flush=True)
with store.write() as target:
    for step in range(10_000):
        hashes = [f"c{dice.randrange(400)}" for _ in range(dice.randint(1, 4))]
        for hash in hashes:
            put(target, parts_of(hash))
            if dice.random() < 0.2:
                target.flush()
            target.put_files([file_of(f"of {hash}", hash)])
        target.flush()
        print("done", *hashes, flush=True)
        if dice.random() < 0.1:
            target.optimize(force=True)
"""


def killed_after(store: Store, seed: int, seconds: float) -> Iterator[str]:
    """Lines of a writer that is killed some time after its library is open."""
    here = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, store.folder, str(seed)], stdout=subprocess.PIPE, text=True, cwd=here
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)
    yield from process.stdout
    process.stdout.close()
    process.wait()


@pytest.mark.slow
def test_kills(tmp_path: Path) -> None:
    """A writer killed at random moments. ANYSEEK_KILLS in the environment asks for more than these few."""
    kills = int(os.environ.get("ANYSEEK_KILLS", "4"))
    dice, store = random.Random(kills), Store.create(tmp_path, print_())
    acknowledged: set[str] = set()
    for trial in range(kills):
        for line in killed_after(store, trial, dice.uniform(0, 1.0)):
            word, *hashes = line.split()
            assert word == "done"
            if line.endswith("\n"):
                acknowledged |= set(hashes)
        again = Store.open(tmp_path)
        whole(again, acknowledged)
        with again.write() as target:
            known = target.unfinished()
            for hash, parts in known.items():
                assert parts <= {thing.part for thing in parts_of(hash)}
            if trial % 2:
                target.optimize()
                assert target.unfinished() == {}
        whole(Store.open(tmp_path), acknowledged)
    assert acknowledged


READER = """
import json, sys
import numpy as np
from anyseek.index import Store
from tests.index.conftest import ids
store = Store.open(sys.argv[1])
print("open", flush=True)
counts = []
while True:
    found = ids(store.recall(np.ones(16), 10_000))
    assert len(set(found)) == len(found)
    files = {file.hash for file in store.files()}
    assert {id.split(".")[0] for id in found} <= files
    counts.append(len(found))
    if "last" in files:
        break
print(json.dumps(counts), flush=True)
"""


@pytest.mark.slow
def test_one_process_writes_while_another_reads(tmp_path: Path) -> None:
    store = Store.create(tmp_path, print_())
    here = Path(__file__).parents[2]
    reader = subprocess.Popen([sys.executable, "-c", READER, store.folder], stdout=subprocess.PIPE, text=True, cwd=here)
    assert reader.stdout is not None
    assert reader.stdout.readline() == "open\n"
    with store.write() as target:
        for number in range(40):
            hash = f"c{number}"
            put(target, parts_of(hash))
            target.flush()
            target.put_files([file_of(f"of {hash}", hash)])
            target.flush()
        target.optimize(force=True)
        put(target, things_of("last", 1))
        target.put_files([file_of("last", "last")])
    counts = json.loads(reader.stdout.readline())
    assert counts == sorted(counts)
    assert reader.wait() == 0
    reader.stdout.close()


def test_one_writer_at_a_time(store: Store, tmp_path: Path) -> None:
    with store.write():
        for _ in range(2):
            with pytest.raises(CapacityError, match=f"is being written by process {os.getpid()}; wait for it, or stop"):
                Store.open(store.folder).write().__enter__()
        with pytest.raises(CapacityError, match="is being written by process"):
            Store.create(store.folder, print_())
    with store.write() as target:
        target.flush()
    with pytest.raises(KeyboardInterrupt), store.write():
        raise KeyboardInterrupt
    with store.write() as target:
        target.flush()
