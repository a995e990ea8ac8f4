"""`anyseek index`, and `anyseek search` in a library: what is printed where, and how arguments are understood."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from click.testing import CliRunner, Result

import anyseek.engine
from anyseek.cli import settings
from anyseek.cli.index import default_library
from anyseek.cli.main import main
from anyseek.items import Limits
from anyseek.model import hub
from anyseek.search import Judge
from anyseek.search.judge import NAMES
from tests.search import conftest
from tests.search.conftest import Seen
from tests.search.test_asking import Reader

Run = Callable[..., Result]
folder, weights = conftest.folder, conftest.weights


class Engine:
    """What was loaded, and with which options."""

    def __init__(self, weights: Path) -> None:
        self.embedder, self.reranker = Seen(weights), Reader()
        self.loaded: list[tuple[str, dict[str, Any]]] = []

    def load(self, name: str, **given: Any) -> Any:
        self.loaded.append((str(name), given))
        return self.embedder

    def load_reranker(self, name: str, **given: Any) -> Any:
        return self.reranker


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, weights: Path) -> Engine:
    engine = Engine(weights)
    monkeypatch.setattr(anyseek.engine.Embedder, "load", engine.load)
    monkeypatch.setattr(anyseek.engine.Reranker, "load", engine.load_reranker)
    monkeypatch.setattr(hub, "locate", lambda name, kind, **_: Path(str(name)))
    monkeypatch.setattr(settings, "settings_file", lambda: tmp_path / "settings" / "settings.json")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return engine


@pytest.fixture
def run(engine: Engine) -> Run:
    def run(*arguments: Any, code: int = 0) -> Result:
        result = CliRunner().invoke(main, [str(argument) for argument in arguments], env={"COLUMNS": "100"})
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "library"


@pytest.fixture
def indexed(run: Run, folder: Path, place: Path) -> Path:
    run("index", folder, "--library", place)
    return place


def test_index_says_what_it_did(run: Run, folder: Path, place: Path) -> None:
    first = run("index", folder, "--library", place)
    assert first.stdout.startswith("9 files: 0 unchanged, 6 indexed (8 things); ")
    assert f"; library {place}\n" in first.stdout
    assert "broken.pdf" in first.stderr
    assert "left out: 1 file(s) of other kinds (--failed lists them)" in first.stderr
    assert "tiny knows pictograms" in first.stderr
    (folder / "report.pdf").rename(folder / "other.pdf")
    again = run("index", "--library", place)
    assert again.stdout.startswith("9 files: 8 unchanged, 0 indexed (0 things), 1 known by their content, 1 removed; ")


def test_index_json(run: Run, folder: Path, place: Path) -> None:
    report = json.loads(run("index", folder, "--library", place, "--json", "--tag", "a", "--tag", "b").stdout)
    assert (report["library"], report["found"], report["indexed"], report["things"]) == (str(place), 9, 6, 8)
    assert {Path(path).name for path, _ in report["failed"]} == {"broken.pdf", "empty.txt"}
    assert len(json.loads(run("search", "dog", "--library", place, "--tag", "a", "--json").stdout)["hits"]) == 6
    assert not json.loads(run("search", "dog", "--library", place, "--tag", "c", "--json").stdout)["hits"]


def test_what_failed_is_listed_and_retried(run: Run, folder: Path, indexed: Path) -> None:
    listed = json.loads(run("index", "--library", indexed, "--failed", "--json").stdout)
    assert {Path(row["path"]).name for row in listed} == {"broken.pdf", "empty.txt", "program.bin"}
    assert "left out: not a picture" in run("index", "--library", indexed, "--failed").stdout
    (folder / "broken.pdf").write_bytes(conftest.pdf(1))
    assert "2 failed" not in run("index", "--library", indexed, "--retry").stdout
    assert len(json.loads(run("index", "--library", indexed, "--failed", "--json").stdout)) == 2


def test_folders_are_forgotten(run: Run, folder: Path, indexed: Path) -> None:
    assert run("index", "--library", indexed, "--forget", folder).stdout == f"{folder}: 9 files forgotten\n"
    assert "Give the FOLDERS" in run("index", "--library", indexed, "--forget", code=2).stderr


def test_a_watch_ends_quietly(run: Run, folder: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("anyseek.search.library.time.sleep", interrupted)
    assert run("index", folder, "--library", place, "--watch").stdout.startswith("9 files: ")


def test_a_library_says_how_its_files_are_shown(run: Run, folder: Path, place: Path, engine: Engine) -> None:
    engine.embedder.processor.options.limits = Limits(max_pixels=5000)
    run("index", folder, "--library", place, "--max-pixels", 5000, "--exif", "--width", 16, "--passage-bytes", 400)
    engine.embedder.processor.options.media = conftest.MediaOptions(exif_orientation=True)
    engine.loaded.clear()
    refused = run("search", "dog", "--library", place, code=2)
    assert "exif_orientation is False in the library, True asked" in refused.stderr
    ((name, given),) = engine.loaded
    assert name == str(engine.embedder.source)  # the model it was made with, not the default
    assert given["limits"] == Limits(max_pixels=5000)
    engine.embedder.processor.options.media = conftest.MediaOptions()
    assert "no reranker belongs to" in run("search", "dog", "--library", place).stderr
    run("search", "dog", "--library", place, "--model", "2b")
    assert engine.loaded[-1][0] == "2b"
    wider = run("index", "--library", place, "--width", 32, code=2)
    assert "width is 16 in the library, 32 asked" in wider.stderr


def test_search_in_a_library(run: Run, indexed: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    found = run("search", "blue dog", "--library", indexed)
    lines = [line.split() for line in found.stdout.splitlines() if line.strip()]
    assert lines[0] == ["score", "what", "where"]
    assert lines[2][1:] == ["image", "sub/blue", "dog.jpg"]
    assert "asked in" in found.stderr
    pages = run("search", "report 2", "--library", indexed, "--kind", "page", "--no-rerank").stdout
    assert "report.pdf page 2 (also page" in pages
    assert run("search", "dog", "--library", indexed, "--path", "*.nothing").stdout == "nothing found\n"


def test_search_json_of_a_library(run: Run, indexed: Path, folder: Path) -> None:
    answer = json.loads(
        run("search", "pear cake", "--library", indexed, "--json", "--top", 1, "--reranker", "x").stdout
    )
    (hit,) = answer["hits"]
    assert hit["paths"] == [str(folder.resolve() / "notes.txt")]
    assert (hit["kind"], hit["text"], hit["reranked"]) == ("text", "a recipe for pear cake", True)
    assert hit["words"] > 0
    assert (answer["library"], answer["judged"], answer["nothing"]) == (str(indexed), False, False)
    more = json.loads(run("search", "--like", hit["id"], "--library", indexed, "--json").stdout)
    assert hit["id"] not in [other["id"] for other in more["hits"]]
    film = json.loads(run("search", "ball", "--library", indexed, "--json", "--kind", "video").stdout)["hits"][0]
    assert (film["start_seconds"], film["end_seconds"]) == (0.0, pytest.approx(3.0, abs=0.2))


def test_near_identical_pictures_can_be_located(run: Run, folder: Path, place: Path) -> None:
    picture = PIL.Image.open(folder / "red apple.png").convert("RGB")
    picture.save(folder / "red apple.jpg", quality=90)
    run("index", folder, "--library", place)
    rows = json.loads(run("search", "red apple", "--library", place, "--json", "--no-rerank").stdout)["hits"]
    (row,) = [row for row in rows if row["copies"]]
    names = {Path(path).name for path in (*row["paths"], *row["copy_paths"])}
    assert names == {"red apple.png", "red apple.jpg"}


def test_filters_and_examples(run: Run, indexed: Path, folder: Path) -> None:
    def found(*more: Any) -> list[str]:
        rows = json.loads(run("search", "apple dog", "--library", indexed, "--json", *more).stdout)["hits"]
        return [Path(row["paths"][0]).name for row in rows]

    assert set(found("--pages", "2-3")) == {"report.pdf"}
    assert found("--after", "2100-01-01") == []
    assert len(found("--before", "2100-01-01", "--min-bytes", 1, "--max-bytes", 10**9)) == 6
    assert found("--no-rerank", "--unlike", folder / "red apple.png")[0] == "blue dog.jpg"
    assert found("--no-rerank", "--unlike", "blue dog")[0] == "red apple.png"
    assert "--pages is a page" in run("search", "x", "--library", indexed, "--pages", "two", code=2).stderr
    assert run("search", "x", "--library", indexed, "--unlike", folder / "none.png", code=4).stderr


def test_more_like_one_but_unlike_another(run: Run, indexed: Path, folder: Path) -> None:
    def more(*given: Any) -> list[str]:
        rows = json.loads(run("search", "--like", apple, "--library", indexed, "--json", *given).stdout)["hits"]
        return [Path(row["paths"][0]).name for row in rows]

    apple = json.loads(run("search", "red apple", "--library", indexed, "--json").stdout)["hits"][0]["id"]
    first = more()[0]
    assert more("--unlike", folder / "sub" / first if (folder / "sub" / first).exists() else folder / first)[0] != first


def test_how_large_files_may_be(run: Run, folder: Path, place: Path, engine: Engine) -> None:
    limits = ("--max-file-gib", 3, "--max-hours", 8, "--max-pages", 20_000)
    run("index", folder, "--library", place, *limits)
    media = engine.loaded[-1][1]["media"]
    assert (media.max_bytes, media.max_seconds, media.max_pages) == (3 << 30, 8 * 3600, 20_000)
    assert media.max_source_frames == 8 * 3600 * 240
    run("search", "dog", "--library", place, "--max-pages", 20_000)  # the library is no other by it
    assert engine.loaded[-1][1]["media"].max_pages == 20_000
    refused = run("search", folder, "report", "--no-rerank", "--max-pages", 2).stderr
    assert "has 3 pages, more than 2; raise MediaOptions.max_pages (anyseek index --retry --max-pages)" in refused


def test_nothing_relevant_is_an_answer(
    run: Run, indexed: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sure = Judge(numbers=(-4.0, 8.0, *[0.0] * (len(NAMES) - 2)), cut=0.5, embedder="")
    monkeypatch.setattr(Judge, "beside", lambda *_: sure)
    none = run("search", "zebra", "--library", indexed, "--no-rerank").stdout
    assert none.startswith("nothing relevant here; nearest, 0.")
    assert "(--all shows what was left out)" in none.replace("\n", " ")
    assert "score" in run("search", "zebra", "--library", indexed, "--no-rerank", "--all").stdout
    answer = json.loads(run("search", "zebra", "--library", indexed, "--no-rerank", "--json").stdout)
    assert (answer["nothing"], answer["hits"]) == (True, [])
    assert answer["below"]


def test_how_arguments_are_understood(run: Run, folder: Path, place: Path) -> None:
    assert "make a library first" in run("search", "a red apple", code=2).stderr
    assert "does not exist" in run("search", folder / "none", "x", code=2).stderr
    assert "Give a QUERY" in run("search", folder, code=2).stderr
    assert "Give a FOLDER and a QUERY" in run("search", code=2).stderr
    assert "Give one FOLDER and one QUERY" in run("search", folder, "red", "apple", code=2).stderr
    assert "--kind is for a library" in run("search", folder, "x", "--kind", "page", code=2).stderr
    assert "no library" in run("search", "x", "--library", place, code=4).stderr
    run("index", folder)
    assert default_library().is_dir()
    assert "red apple.png" in run("search", "red apple").stdout
    assert "red apple.png" in run("search", "--image", folder / "red apple.png").stdout
    assert "one QUERY" in run("search", folder, "x", "--library", place, code=2).stderr
    assert "--like stands alone" in run("search", "x", "--like", "a.0", code=2).stderr
    assert "searched 8 things" in run("search", folder, "red apple", "--no-rerank").stderr  # as before


@pytest.mark.parametrize("query", ["猫" * 86, "x" * 256, "a red apple " * 400])
def test_a_long_query_is_no_name_of_a_folder(run: Run, folder: Path, query: str) -> None:
    assert "make a library first" in run("search", query, code=2).stderr.replace("\n", " ")
    run("index", folder)
    assert "red apple.png" in run("search", query).stdout


def test_a_word_that_a_folder_has_as_its_name(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert "Give a QUERY" in run("search", "sub", code=2).stderr  # there is no library that it could be asked of
    run("index", folder)
    told = run("search", "sub", code=2).stderr
    assert "'sub' is a folder: give a QUERY or an --image to look for in it" in told
    asked = told.rpartition("anyseek ")[2].split()
    assert asked == ["search", "--library", str(default_library()), "sub"]
    assert "asked in" in run(*asked).stderr
    assert "searched 3 things" in run("search", "sub", "--image", "red apple.png", "--no-rerank").stderr
    assert "searched 3 things" in run("search", "sub", "dog", "--no-rerank").stderr
    assert "Give a QUERY" in run("search", "", code=2).stderr


def test_names_of_users_that_there_are_not(run: Run, indexed: Path, tmp_path: Path, folder: Path) -> None:
    monkey = "~nobody-of-this-name"
    assert f"{monkey}/x is not a folder" in run("index", f"{monkey}/x", code=4).stderr
    assert f"{monkey}/x was not indexed" in run("index", "--forget", f"{monkey}/x", "--library", indexed, code=3).stderr
    assert "does not exist" in run("search", f"{monkey}/x", "dog", code=2).stderr
    assert "asked in" in run("search", "dog", "--library", indexed, "--unlike", monkey).stderr
    assert "no file" in run("search", "dog", "--library", indexed, "--unlike", f"{monkey}/x.png", code=4).stderr
    assert "no library" in run("search", "dog", "--library", monkey, code=4).stderr


def test_a_library_at_home(run: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    folder.rename(tmp_path / "home" / "mine")
    run("index", "~/mine", "--library", "~/a.library")
    assert (tmp_path / "home" / "a.library").is_dir()
    assert list(Path.cwd().iterdir()) == []
    assert "red apple.png" in run("search", "red apple", "--library", "~/a.library").stdout
    assert "searched 8 things" in run("search", "~/mine", "red apple", "--no-rerank").stderr
    assert "9 files forgotten" in run("index", "--forget", "~/mine", "--library", "~/a.library").stdout


@pytest.mark.parametrize("pages", ["²", "3-²", "-", "-3", "3-7-9", "9" * 5000, "3 7", ""])
def test_what_is_no_page(run: Run, indexed: Path, pages: str) -> None:
    assert "--pages is a page or a range" in run("search", "x", "--library", indexed, "--pages", pages, code=2).stderr


def test_pages_and_times(run: Run, indexed: Path) -> None:
    def pages(*more: Any) -> list[int]:
        rows = json.loads(run("search", "report", "--library", indexed, "--json", "--kind", "page", *more).stdout)
        return sorted(one["page"] for row in rows["hits"] for one in (row, *row["also"]))

    assert pages("--pages", "2-") == [2, 3]
    assert pages("--pages", "2") == [2]
    assert pages("--pages", "1-2") == [1, 2]
    assert pages("--pages", "٢-٣") == [2, 3]
    assert pages("--pages", "4-") == []
    for option in ("--after", "--before"):
        told = run("search", "report", "--library", indexed, option, "0001-01-01", code=2).stderr
        assert "0001-01-01 00:00:00 is beyond the times of this machine" in told.replace("\n", " ")
    assert pages("--before", "9999-12-31") == [1, 2, 3]


def test_a_mistyped_folder_makes_no_library(run: Run, folder: Path, place: Path) -> None:
    assert "is not a folder" in run("index", folder, f"{folder}x", "--width", 3, "--library", place, code=4).stderr
    assert not place.exists()


def test_what_failed_and_what_is_forgotten_is_told_of_folders(run: Run, folder: Path, place: Path) -> None:
    other = folder / "sub"
    (other / "bad.pdf").write_bytes(b"%PDF-1.4\nnothing else")
    run("index", folder, "--library", place)
    listed = json.loads(run("index", other, "--failed", "--json", "--library", place).stdout)
    assert [Path(row["path"]).name for row in listed] == ["bad.pdf"]
    assert len(json.loads(run("index", "--failed", "--json", "--library", place).stdout)) == 4
    forgotten = json.loads(run("index", folder, "--forget", "--json", "--library", place).stdout)
    assert forgotten == [{"folder": str(folder), "files": 10}]


def test_an_answer_whose_file_is_gone_says_so(run: Run, folder: Path, indexed: Path) -> None:
    (folder / "copy.png").write_bytes((folder / "red apple.png").read_bytes())
    run("index", "--library", indexed)
    (folder / "copy.png").unlink()
    assert "gone" not in run("search", "red apple", "--top", 1, "--library", indexed).stdout
    (folder / "red apple.png").unlink()
    assert "(gone since it was indexed)" in " ".join(run("search", "red apple", "--library", indexed).stdout.split())


def test_what_says_nothing_is_told(run: Run, folder: Path, indexed: Path) -> None:
    assert "nothing was given" in run("search", "apple", "--unlike", "", "--library", indexed, code=3).stderr
    assert "a tag needs a name" in run("index", "--tag", "", "--library", indexed, code=2).stderr
    times = ("--after", "2025-03-01", "--before", "2025-02-01")
    assert "2025-03-01 to 2025-02-01 hold" in run("search", "apple", *times, "--library", indexed, code=2).stderr
