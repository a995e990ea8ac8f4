"""The command line with a fake engine: what is printed where, exit codes, and errors that cost their own row."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from click.testing import CliRunner, Result

import anyseek.engine
from anyseek.cli import options, settings
from anyseek.cli.main import main
from anyseek.errors import CapacityError, CheckpointError, InputError
from anyseek.items import Image, Item, Limits, Page, Text
from anyseek.media import MediaOptions
from anyseek.model import download, hub
from anyseek.processing import Plan
from anyseek.training.data import About, DatasetWriter
from tests.fakes import DIM, FakeEmbedder, FakeReranker

Run = Callable[..., Result]


class Engine:
    """What was loaded, and with which options."""

    def __init__(self) -> None:
        self.embedder, self.reranker = FakeEmbedder(), FakeReranker()
        self.loaded: list[tuple[str, str, dict[str, Any]]] = []

    def load(self, kind: str) -> Callable[..., Any]:
        def load(name: str, **given: Any) -> Any:
            self.loaded.append((kind, name, given))
            return self.embedder if kind == "embedder" else self.reranker

        return load


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Engine:
    engine = Engine()
    monkeypatch.setattr(anyseek.engine.Embedder, "load", engine.load("embedder"))
    monkeypatch.setattr(anyseek.engine.Reranker, "load", engine.load("reranker"))
    monkeypatch.setattr(hub, "locate", lambda name, kind, **_: Path(str(name)))
    monkeypatch.setattr(settings, "settings_file", lambda: tmp_path / "settings" / "settings.json")
    return engine


@pytest.fixture
def run(engine: Engine) -> Run:
    def run(*arguments: Any, **given: Any) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments], env={"COLUMNS": "80"}, **given)

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "mine"
    (root / "sub").mkdir(parents=True)
    for name in ("red apple.png", "sub/blue dog.png"):
        PIL.Image.new("RGB", (32, 32)).save(root / name)
    (root / "pear.txt").write_text("a cake with pear", encoding="utf-8")
    (root / "corrupt.txt").write_text("x", encoding="utf-8")
    (root / "program.bin").write_bytes(bytes(range(256)))
    return root


# search


def test_search_prints_a_table(run: Run, folder: Path) -> None:
    result = run("search", folder, "red apple")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines() if line.strip()]
    assert lines[0] == ["score", "what", "where"]
    assert lines[2] == ["1.000", "image", "red", "apple.png"]
    assert len(lines) == 5
    assert "searched 4 things" in result.stderr
    assert "unreadable: corrupt.txt is corrupt\n" in result.stderr
    assert "left out: 1 file(s) of other kinds" in result.stderr


def test_search_json(run: Run, folder: Path) -> None:
    result = run("search", folder, "blue dog", "--json", "--top", 2)
    answer = json.loads(result.stdout)
    best = answer["hits"][0]
    assert best["path"] == str(folder / "sub" / "blue dog.png")
    assert (best["kind"], best["page"], best["reranked"], best["score"]) == ("image", None, True, 1.0)
    assert len(answer["hits"]) == 2
    assert [Path(f["path"]).name for f in answer["failures"]] == ["corrupt.txt"]
    assert [Path(f["path"]).name for f in answer["skipped"]] == ["program.bin"]
    assert answer["searched"] == 4


def test_search_takes_pictures_before_words(run: Run, folder: Path, engine: Engine) -> None:
    picture = folder / "red apple.png"
    assert run("search", folder, "dog", "--image", picture, "--instruction", "Find both.").exit_code == 0
    items = [call[0][0] for call in engine.embedder.calls]
    assert Item((Image(picture), Text("dog")), "Find both.") in items
    assert run("search", folder, "--image", picture).exit_code == 0


def test_search_needs_something_to_look_for(run: Run, folder: Path) -> None:
    result = run("search", folder)
    assert result.exit_code == 2
    assert "Give a QUERY" in result.stderr


def test_search_of_an_empty_folder(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run("search", tmp_path / "empty", "x")
    assert result.exit_code == 3
    assert result.stderr.startswith("error: found no picture, PDF, video or text file in ")
    assert run("search", tmp_path / "none", "x").exit_code == 2


def test_reranking_can_be_turned_off(run: Run, folder: Path, engine: Engine) -> None:
    run("search", folder, "dog", "--no-rerank")
    assert [kind for kind, *_ in engine.loaded] == ["embedder"]


def test_the_reranker_belongs_to_the_model(run: Run, folder: Path, engine: Engine) -> None:
    run("search", folder, "dog", "--model", "Qwen/Qwen3-VL-Embedding-8B")
    run("search", folder, "dog", "--model", "2b", "--reranker", "./mine")
    names = [(kind, name) for kind, name, _ in engine.loaded]
    assert names == [
        ("embedder", "Qwen/Qwen3-VL-Embedding-8B"),
        ("reranker", "8b"),
        ("embedder", "2b"),
        ("reranker", "./mine"),
    ]


def absent(name: str, kind: str, **_: Any) -> Path:
    raise CheckpointError(f"{name} is not on this machine; get it with: anyseek models get {name}")


def test_a_reranker_that_is_not_here(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "locate", absent)
    quiet = run("search", folder, "dog", "--model", "2b")
    assert quiet.exit_code == 0
    assert "note: not reranked: 2b is not on this machine" in quiet.stderr
    assert run("search", folder, "dog", "--model", "2b", "--rerank").exit_code == 8
    own = run("search", folder, "dog", "--model", folder, "--rerank")
    assert own.exit_code == 8
    assert "name one with --reranker" in own.stderr


def test_tiny_says_what_it_knows_about_own_folders_only(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("search", folder, "dog").stderr.count("tiny knows pictograms") == 1
    assert "anyseek models get 2b" in run("search", folder, "dog").stderr
    assert "tiny knows" not in run("search", folder, "dog", "--model", "2b").stderr
    monkeypatch.setattr(hub, "bundled", lambda *_: folder)
    assert "tiny knows" not in run("search", folder, "dog").stderr


def test_options_reach_the_engine(run: Run, folder: Path, engine: Engine) -> None:
    run(
        "search",
        folder,
        "dog",
        "--device",
        "cpu",
        "--dtype",
        "bfloat16",
        "--weights",
        "int8",
        "--max-pixels",
        5000,
        "--fps",
        0.5,
        "--exif",
    )
    media = MediaOptions(exif_orientation=True)
    wanted = {"device": "cpu", "dtype": "bfloat16", "weights": "int8", "media": media, "adapter": None}
    wanted["limits"] = Limits(max_pixels=5000, fps=0.5)
    both = [given for *_, given in engine.loaded]
    caches = [given.pop("caches") for given in both]
    assert both == [wanted, wanted]
    assert caches[0] == caches[1] and caches[0].shared is not None  # what one has seen the other need not see again
    bad = run("search", folder, "dog", "--max-pixels", -1)
    assert bad.exit_code == 2
    assert "max_pixels must be a positive whole number" in bad.stderr


def test_a_long_name_fits_the_terminal(run: Run, folder: Path) -> None:
    PIL.Image.new("RGB", (32, 32)).save(folder / ("long name " * 15 + ".png"))
    (folder / "bell\x07.txt").write_text("dog", encoding="utf-8")
    result = run("search", folder, "dog")
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "\x07" not in result.stdout
    assert "bell?.txt" in result.stdout


def test_a_name_that_is_not_utf_8(run: Run, folder: Path) -> None:
    name = os.fsdecode(b"dog \xff.txt")
    try:
        (folder / name).write_text("dog", encoding="utf-8")
    except OSError:
        pytest.skip("this file system wants UTF-8 names")
    assert "dog ?.txt" in run("search", folder, "dog").stdout
    assert json.loads(run("search", folder, "dog", "--json").stdout)["hits"][0]["path"] == str(folder / name)


# errors


def failing(error: Exception) -> Callable[..., Any]:
    def load(*_: Any, **__: Any) -> Any:
        raise error

    return load


def test_errors_are_one_line_with_their_code(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anyseek.engine.Embedder, "load", failing(CapacityError("it needs 17 GB")))
    result = run("search", folder, "x", "--model", "8b")
    assert (result.exit_code, result.stderr) == (9, "error: it needs 17 GB\n")


def test_debug_shows_the_traceback(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anyseek.engine.Embedder, "load", failing(CapacityError("it needs 17 GB")))
    assert isinstance(run("search", folder, "x", "--debug").exception, CapacityError)


def test_our_own_faults_say_so(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anyseek.engine.Embedder, "load", failing(ZeroDivisionError("oh")))
    result = run("search", folder, "x")
    assert result.exit_code == 70
    assert "internal error: ZeroDivisionError: oh" in result.stderr
    assert "--debug" in result.stderr
    assert "Traceback" not in result.stderr


# embed


def test_embed_prints_lines_of_json(run: Run, folder: Path) -> None:
    result = run("embed", "red apple", folder / "red apple.png")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["index"] for row in rows] == [0, 1]
    assert len(rows[0]["embedding"]) == DIM
    assert result.exit_code == 0
    assert "tiny knows" in result.stderr
    assert "tiny knows" not in run("embed", "red apple").stderr


def test_embed_reads_lines_of_json(run: Run, engine: Engine) -> None:
    lines = ['"red apple"', "", '{"text": "pear", "instruction": "Find it."}', "{broken", "[1]", '{"txt": "x"}']
    result = run("embed", "-", input="\n".join(lines))
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [next(iter(row.keys() - {"index"})) for row in rows] == ["embedding"] * 2 + ["error"] * 3
    assert [row["error"][:8] for row in rows[2:]] == ["line 4: ", "line 5: ", "line 6: "]
    assert "did you mean 'text'" in rows[4]["error"]
    assert result.exit_code == 3
    items = engine.embedder.calls[0][0]
    assert items == [Item((Text("red apple"),)), Item((Text("pear"),), "Find it.")]


def test_embed_writes_npy(run: Run, folder: Path, tmp_path: Path, engine: Engine) -> None:
    out = tmp_path / "out.npy"
    given = ("embed", "apple", folder / "corrupt.txt", "pear", "--output", out, "--json", "--truncate-dim", 8)
    result = run(*given, "--precision", "int8", "--instruction", "Why?")
    vectors = np.load(out)
    assert vectors.shape == (3, DIM)
    assert np.isnan(vectors).all(axis=1).tolist() == [False, True, False]
    answer = json.loads(result.stdout)
    assert answer["shape"] == [3, DIM]
    assert list(answer["errors"]) == ["1"]
    assert result.exit_code == 5 + 1  # DecodeError
    asked = engine.embedder.calls[0][1]
    assert (asked["truncate_dim"], asked["precision"], asked["instruction"]) == (8, "int8", "Why?")
    assert run("embed", "apple", "--output", tmp_path / "out.txt").exit_code == 2


def test_a_mistyped_file_name_is_not_embedded_as_text(run: Run, tmp_path: Path) -> None:
    result = run("embed", "photo.jpg", "some/where", "what is love?")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert ["error" in row for row in rows] == [True, True, False]
    assert "no file 'photo.jpg'" in rows[0]["error"]
    assert result.exit_code == 4


def test_a_page_of_a_pdf(run: Run, engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(b"%PDF-1.4")
    assert run("embed", f"{path}#page=12").exit_code == 0
    assert engine.embedder.calls[0][0] == [Item((Page(path, 12),))]
    assert run("embed", f"{tmp_path}/none.pdf#page=12").exit_code == 4


@pytest.mark.parametrize("text", ["x" * 5000, "a\nb", "3.5 apples", "Mr. Smith went home.", "and/or maybe"])
def test_text_is_text(run: Run, engine: Engine, text: str) -> None:
    assert run("embed", text).exit_code == 0
    assert engine.embedder.calls[0][0] == [Item((Text(text),))]


# rerank


def test_rerank_orders_documents(run: Run, folder: Path, engine: Engine) -> None:
    documents = ["a pear", "red apple", folder / "corrupt.txt", "apple"]
    result = run("rerank", "red apple", *documents, "--json", "--instruction", "Which?")
    answer = json.loads(result.stdout)
    assert [(row["corpus_id"], row["score"]) for row in answer["results"]] == [(1, 1.0), (3, 0.5), (0, 0.0)]
    assert list(answer["errors"]) == ["2"]
    assert result.exit_code == 6
    assert {query.instruction for query, _ in engine.reranker.pairs} == {"Which?"}
    assert engine.loaded[0][:2] == ("reranker", "tiny")


def test_rerank_table_and_top(run: Run) -> None:
    result = run("rerank", "red apple", "a pear", "red apple", "--top", 1)
    lines = [line.split() for line in result.stdout.splitlines() if line.strip()]
    assert lines[2:] == [["1.0000", "1", "red", "apple"]]


def test_rerank_with_a_bad_query_or_only_bad_documents(run: Run) -> None:
    assert run("rerank", "no.jpg", "apple").exit_code == 4
    assert run("rerank", "apple", "no.jpg").exit_code == 4


# plan


class FakeProcessor:
    def plan(self, item: Item) -> Plan:
        if not item.parts or getattr(item.parts[0], "text", "") == "bad":
            raise InputError("cannot be planned")
        return Plan(
            tokens=30,
            visual_tokens=16,
            patches=64,
            grids=((1, 8, 8),),
            frames=(2,),
            sizes=((128, 128),),
            cut_characters=7,
            shrunk=True,
        )


def test_plan(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options.ModelChoice, "processor", lambda self: FakeProcessor())
    result = run("plan", "apple", "bad")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines() if line.strip()]
    assert lines[2] == "30 16 64 2 128x128 (lowered) apple (7 cut)"
    assert "inputs[1]: cannot be planned" in result.stderr
    assert result.exit_code == 3
    rows = [json.loads(line) for line in run("plan", "apple", "bad", "--json").stdout.splitlines()]
    assert rows[0]["grids"] == [[1, 8, 8]]
    assert rows[1] == {"index": 1, "error": "inputs[1]: cannot be planned"}


# demo


def questions(folder: Path, *entries: dict[str, Any]) -> None:
    (folder / "queries.json").write_text(json.dumps(entries), encoding="utf-8")


@pytest.fixture
def samples(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(hub, "bundled", lambda *_: folder)
    (folder / "corrupt.txt").unlink()
    return folder


def test_demo_says_right_and_wrong(run: Run, samples: Path) -> None:
    apple = {"query": "red apple", "expected": {"path": "red apple.png"}}
    dog = {"query": {"image": "sub/blue dog.png"}, "expected": [{"path": "no"}, {"path": "sub/blue dog.png"}]}
    questions(samples, apple, dog)
    good = run("demo")
    assert good.exit_code == 0, good.output
    assert "2 of 2 right; 3 things" in good.stderr
    assert good.stdout.count("right") == 2
    assert f"serve {samples} --library anyseek-demo.library --open" in good.stderr
    assert "tiny knows" not in good.stderr
    questions(samples, apple, {"query": "pear", "expected": {"path": "red apple.png"}})
    bad = run("demo", "--json")
    assert bad.exit_code == 1
    answer = json.loads(bad.stdout)
    assert [row["right"] for row in answer["questions"]] == [True, False]
    assert answer["questions"][1]["best"]["path"] == str(samples / "pear.txt")
    assert "WRONG" in run("demo").stdout


def test_demo_of_damaged_questions(run: Run, samples: Path) -> None:
    for text in ("", "[{}]", "[1]", '[{"query": "x", "expected": {}}]'):
        (samples / "queries.json").write_text(text, encoding="utf-8")
        assert run("demo").exit_code == 3


# models


def test_models_lists_the_family(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(hub, "locate", absent)
    monkeypatch.setattr(hub, "on_disk", lambda hub_id: tmp_path if hub_id.endswith("Reranker-2B") else None)
    table = run("models")
    assert table.exit_code == 0, table.output
    assert table.stdout == run("models", "list").stdout
    assert max(map(len, table.stdout.splitlines())) <= 80
    answer = json.loads(run("models", "list", "--json").stdout)
    assert answer["default"] == "tiny"
    assert [(row["name"], row["kind"], bool(row["path"])) for row in answer["models"]] == [
        ("tiny", "embedding", False),
        ("tiny", "reranking", False),
        ("2b", "embedding", False),
        ("2b", "reranking", True),
        ("8b", "embedding", False),
        ("8b", "reranking", False),
    ]
    assert answer["models"][2]["bfloat16_bytes"] == 4_255_064_064
    assert {row["licence"] for row in answer["models"]} == {"Apache-2.0"}


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[Any, ...]]:
    asked: list[tuple[Any, ...]] = []

    def fake(name: str, kind: str, *, source: str, endpoint: str | None, progress: download.Progress) -> Path:
        asked.append((name, kind, source, endpoint))
        for done in (0, 500, 1000):
            progress("model.safetensors", done, 1000)
        return tmp_path / kind

    monkeypatch.setattr(download, "download", fake)
    return asked


def test_models_get_brings_the_pair_and_makes_it_the_default(
    run: Run, downloads: list[Any], engine: Engine, folder: Path
) -> None:
    result = run("models", "get", "2b")
    assert result.exit_code == 0, result.output
    assert downloads == [("2b", "embedding", "huggingface", None), ("2b", "reranking", "huggingface", None)]
    assert result.stderr.count("checked model.safetensors") == 2
    assert "2b is now the default" in result.stderr
    run("search", folder, "dog")
    assert [name for _, name, _ in engine.loaded] == ["2b", "2b"]


def test_models_get_options(run: Run, downloads: list[Any]) -> None:
    run("models", "get", "8b", "--only", "reranking", "--source", "modelscope", "--endpoint", "http://mirror")
    run("models", "get", "Qwen/Qwen3-VL-Reranker-2B")
    run("models", "get", "me/mine", "--no-default")
    assert downloads == [
        ("8b", "reranking", "modelscope", "http://mirror"),
        ("Qwen/Qwen3-VL-Reranker-2B", "reranking", "huggingface", None),
        ("me/mine", "embedding", "huggingface", None),
    ]
    assert settings.default_model() == "tiny"


def test_a_failed_download_changes_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "download", failing(CheckpointError("arrived corrupt twice")))
    result = run("models", "get", "2b")
    assert (result.exit_code, result.stderr) == (8, "error: arrived corrupt twice\n")
    assert settings.default_model() == "tiny"


def test_a_damaged_settings_file_says_what_to_do(run: Run, folder: Path) -> None:
    path = settings.settings_file()
    path.parent.mkdir(parents=True)
    path.write_text("{", encoding="utf-8")
    result = run("search", folder, "x")
    assert result.exit_code == 2
    assert "delete it, or give --model" in result.stderr
    assert run("search", folder, "x", "--model", "tiny").exit_code == 0


# evaluate


def test_evaluate_lists_tasks_without_a_model(run: Run, engine: Engine) -> None:
    result = run("evaluate", "--list", "--task", "video QA")
    assert result.exit_code == 0, result.output
    assert "clip-questions" in result.stdout
    assert "picture-object" not in result.stdout
    assert {task["category"] for task in json.loads(run("evaluate", "--list", "--json").stdout)["tasks"]} > {"image QA"}
    assert engine.loaded == []


def test_evaluate_prints_tables(run: Run) -> None:
    result = run("evaluate", "--task", "text-to-text", "--queries", 6)
    assert result.exit_code == 0, result.output
    assert "By category" in result.stdout
    assert "By task" in result.stdout
    assert "text-to-text: nDCG@10 embedder" in result.stderr


def test_evaluate_writes_what_a_later_run_is_compared_with(run: Run, tmp_path: Path, engine: Engine) -> None:
    given = ("evaluate", "--task", "text-to-text", "--queries", 6, "--dim", 32, "--precision", "int8", "--no-rerank")
    result = run(*given, "--write", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["quality-tiny.json", "quality-tiny.md"]
    again = run(*given, "--json", "--against", tmp_path / "out" / "quality-tiny.json")
    answer = json.loads(again.stdout)
    assert (answer["model"], answer["reranker"]) == ("tiny", None)
    assert answer["settings"] == {"queries": 6, "seed": 99, "top": 20, "dim": 32, "precision": "int8"}
    assert {line["orders"]["embedder"]["score"] for line in answer["against"]} == {0.0}
    assert [len(call[0]) for call in engine.embedder.calls[:2]] == [6, 24]
    other = run(
        "evaluate", "--task", "text-to-text", "--queries", 9, "--against", tmp_path / "out" / "quality-tiny.json"
    )
    assert other.exit_code == 2
    assert "--queries" in other.stderr


def test_evaluate_takes_own_data(run: Run, tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "mine", About(name="mine")) as writer:
        for number in range(4):
            writer.document(f"d{number}", f"document {number}")
            writer.query(f"q{number}", f"query {number}")
            writer.relevance(f"q{number}", [f"d{number}"])
    given = ("evaluate", "--data", tmp_path / "mine", "--no-rerank", "--json")
    (task,) = json.loads(run(*given, "--measure", "hit@1").stdout)["tasks"]
    assert (task["name"], task["judged"], len(task["asked"])) == ("mine", "hit@1", 4)
    both = json.loads(run(*given, "--task", "text-to-text", "--queries", 3).stdout)["tasks"]
    assert [task["name"] for task in both] == ["mine", "text-to-text"]
    alone = run("evaluate", "--measure", "hit@1")
    assert (alone.exit_code, "--data" in alone.stderr) == (2, True)
    assert run("evaluate", "--data", tmp_path).exit_code == 3


def test_evaluate_says_what_is_wrong(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = run("evaluate", "--task", "photos")
    assert unknown.exit_code == 2
    assert "no task, category or modality 'photos'" in unknown.stderr
    assert run("evaluate", "--plot").exit_code == 2
    assert run("evaluate", "--queries", 2).exit_code == 2
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    plot = run("evaluate", "--task", "text-to-text", "--plot", "--write", tmp_path)
    assert plot.exit_code == 11
    assert "pip install 'anyseek[plot]'" in plot.stderr
