"""`anyseek data`: what is printed where, and exit codes."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from click.testing import CliRunner, Result

from anyseek.cli.main import main
from anyseek.training.data import About, Dataset, DatasetWriter

Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    def run(*arguments: Any) -> Result:
        return CliRunner().invoke(main, ["data", *(str(one) for one in arguments)], env={"COLUMNS": "80"})

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    PIL.Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    with DatasetWriter(tmp_path / "mine", About(name="fruit", instruction="Find fruit.")) as writer:
        writer.document("d0", {"image": str(tmp_path / "a.png")})
        writer.document("d1", "a pear " * 20)
        writer.query("q0", "apple\x07")
        writer.relevance("q0", ["d0"], ["d1"], {"d0": 0.5, "d1": 0.25})
    return tmp_path / "mine"


def test_show(run: Run, folder: Path) -> None:
    result = run("show", folder)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("fruit: retrieval, 1 examples\ninstruction: Find fruit.\n")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "documents 2 1 0 0 image 1, text 1" in lines
    assert "characters, documents 1 140 140 140 140" in lines
    assert max(map(len, result.stdout.splitlines())) <= 80
    answer = json.loads(run("show", folder, "--json").stdout)
    assert answer["documents"]["shapes"] == {"image": 1, "text": 1}
    assert answer["scores"]["mean"] == 0.375
    assert answer["about"]["task"] == "retrieval"


def test_show_loads_no_torch(folder: Path) -> None:
    code = (
        "import sys; from anyseek.cli.main import main\n"
        f"try: main(['data', 'show', {str(folder)!r}], prog_name='anyseek')\n"
        "except SystemExit: print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("fruit: retrieval") and done.stdout.splitlines()[-1] == "False"


def test_check(run: Run, folder: Path) -> None:
    good = run("check", folder)
    assert (good.exit_code, good.stdout, good.stderr) == (0, "", "nothing is wrong\n")
    with (folder / "corpus.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"id": "d0", "text": "x"}\n{"id": "d2", "txt": "x"}\n')
    bad = run("check", folder)
    assert bad.exit_code == 1
    assert bad.stdout.splitlines() == [
        "corpus.jsonl:3: id 'd0' stands in line 1 already",
        "corpus.jsonl:4: row: unknown key 'txt', did you mean 'text'?",
    ]
    assert "2 problem(s)\n" in bad.stderr
    limited = run("check", folder, "--limit", 1, "--json")
    assert limited.exit_code == 1
    assert [problem["line"] for problem in json.loads(limited.stdout)["problems"]] == [3]
    assert "perhaps more" in run("check", folder, "--limit", 2).stderr
    assert run("check", folder / "none").exit_code == 2


def test_sheet(run: Run, folder: Path, tmp_path: Path) -> None:
    result = run("sheet", folder, tmp_path / "out.html", "--examples", 3)
    assert (result.exit_code, result.stderr) == (0, f"1 examples in {tmp_path / 'out.html'}\n")
    assert "data:image/jpeg;base64," in (tmp_path / "out.html").read_text("utf-8")


def test_export_and_import(run: Run, folder: Path, tmp_path: Path) -> None:
    out = run("export", "ms-swift", folder, tmp_path / "out.jsonl")
    assert out.exit_code == 0, out.output
    assert "no place for ids" in out.stderr
    back = run("import", "ms-swift", tmp_path / "out.jsonl", tmp_path / "back", "--task", "qa", "--parquet")
    assert back.exit_code == 0, back.output
    assert "1 queries, 2 documents, 1 examples" in back.stderr
    data = Dataset.open(tmp_path / "back")
    assert (data.name, data.task, data.corpus.path.name) == ("back", "qa", "corpus.parquet")
    again = run("import", "ms-swift", tmp_path / "out.jsonl", tmp_path / "back")
    assert (again.exit_code, again.stdout) == (3, "")
    assert "is there already" in again.stderr
    wrong = run("import", "flagembedding", tmp_path / "out.jsonl", tmp_path / "other")
    assert wrong.exit_code == 3
    assert "out.jsonl:1: 'query' is missing" in wrong.stderr
    assert run("export", "tevatron", folder, tmp_path / "x").exit_code == 2


def test_world(run: Run, tmp_path: Path) -> None:
    given = ("--size", 3, "--seed", 5, "--kinds", "note, scene", "--negatives", 1, "--split", "object")
    result = run("world", tmp_path / "w", *given)
    assert result.exit_code == 0, result.output
    assert "3 queries" in result.stderr
    assert Dataset.open(tmp_path / "w").name == "world-object-5"
    assert Dataset.open(tmp_path / "w").about.task == "retrieval"
    bad = run("world", tmp_path / "x", "--kinds", "song")
    assert bad.exit_code == 2
    assert "kinds must be of" in bad.stderr


def test_world_of_a_task(run: Run, tmp_path: Path) -> None:
    given = ("--task", "text-likeness", "--size", 3, "--seed", 2, "--split", "object", "--parquet")
    result = run("world", tmp_path / "w", *given)
    assert result.exit_code == 0, result.output
    assert result.stderr == f"3 queries and 3 documents in {tmp_path / 'w'}\n"
    data = Dataset.open(tmp_path / "w")
    assert (data.name, data.task, data.corpus.path.name) == ("text-likeness-object-2", "sts", "corpus.parquet")
    unknown = run("world", tmp_path / "x", "--task", "text-likenes")
    assert unknown.exit_code == 2 and "there are picture-object" in unknown.stderr
    for spare in (("--negatives", 2), ("--kinds", "note")):
        refused = run("world", tmp_path / "x", *given, *spare)
        assert refused.exit_code == 2 and "--kinds and --negatives are not for --task" in refused.stderr
    assert not (tmp_path / "x").exists()
