"""`anyseek library`: what is printed where, and exit codes; no model is needed."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from anyseek.cli.main import main
from anyseek.index import Fingerprint, Store, StoredFile, Thing

Run = Callable[..., Result]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Two files, one of which could not be read, and a thing that no file has."""
    print_ = Fingerprint(weights="abcdef0123", template="t", instruction="i", width=8, model="models/mine")
    with Store.create(tmp_path / "library", print_).write() as writer:
        things = [Thing(hash="one", part=0, kind="page", page=1), Thing(hash="gone", part=0, kind="image")]
        writer.put(things, np.eye(8)[:2])
        writer.put_files([StoredFile(root="/r", path="letters/it's.pdf", hash="one", size=1, mtime=1, tags=("a",))])
        writer.put_files(
            [StoredFile(root="/r", path="b.png", hash=None, size=1, mtime=1, state="failed", reason="corrupt")]
        )
    return tmp_path / "library"


@pytest.fixture
def run(place: Path) -> Run:
    def run(*arguments: Any) -> Result:
        given = ["library", *(str(one) for one in arguments), "--library", str(place)]
        return CliRunner().invoke(main, given, env={"COLUMNS": "120"})

    return run


def test_info(run: Run) -> None:
    result = run("info")
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    for expected in (
        "files 1, and 1 that could not be read",
        "things 2: 1 image, 1 page",
        "model models/mine (abcdef01)",
        "vectors 8 numbers, float16",
        "search exact: every vector is read; exact up to 20,000 things",
        "format 1",
    ):
        assert expected in lines
    found = json.loads(run("info", "--json").stdout)
    assert (found["things"], found["files"], found["failed"]) == ({"image": 1, "page": 1}, 1, 1)
    assert found["fingerprint"]["weights"] == "abcdef0123"
    assert found["bytes_per_thing"] == found["bytes"] / 2 > 0


def test_optimize(run: Run) -> None:
    assert run("optimize").stdout == "1 things removed; put in order: things, about\n"
    assert json.loads(run("optimize", "--force", "--json").stdout) == {
        "removed": 0,
        "ordered": ["things", "files", "about"],
        "indexed": [],
    }
    assert "things 1: 1 page" in " ".join(run("info").stdout.split())


def test_tags(run: Run) -> None:
    assert run("tag", "--add", "it's", "--add", "b", "--glob", "letters/*").stdout == "1 files\n"
    assert json.loads(run("tags", "--json").stdout) == {"a": 1, "b": 1, "it's": 1}
    assert run("tag", "--remove", "a", "--remove", "never").stdout == "2 files\n"
    assert run("tag", "--add", "x", "--under", "nowhere").stdout == "0 files\n"
    assert [line.split() for line in run("tags").stdout.splitlines() if "'" in line] == [["it's", "1"]]
    result = run("tag")
    assert (result.exit_code, "Give --add or --remove." in result.output) == (2, True)


def test_a_library_that_is_not_there_or_busy(run: Run, place: Path, tmp_path: Path) -> None:
    missing = CliRunner().invoke(main, ["library", "info", "--library", str(tmp_path / "none")])
    assert (missing.exit_code, missing.stderr.startswith("error: there is no library at")) == (4, True)
    with Store.open(place).write():
        busy = run("optimize")
        assert (busy.exit_code, "is being written by process" in busy.stderr) == (9, True)
        assert run("info").exit_code == 0


def test_no_model_is_loaded(place: Path) -> None:
    code = (
        "import sys; from anyseek.cli.main import main\n"
        f"try: main(['library', 'info', '--library', {str(place)!r}], prog_name='anyseek')\n"
        "except SystemExit: print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_an_address_is_no_folder(place: Path) -> None:
    """As of object storage, which an address of a local folder stands for."""
    address = place.as_uri()
    result = CliRunner().invoke(main, ["library", "info", "--library", address, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["folder"] == address


def test_the_store_is_quiet_unless_it_is_asked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for before, after in ((None, "error"), ("debug", "debug")):
        monkeypatch.setenv("LANCEDB_LOG", before) if before else monkeypatch.delenv("LANCEDB_LOG", raising=False)
        assert run("tags").exit_code == 0
        assert os.environ["LANCEDB_LOG"] == after
