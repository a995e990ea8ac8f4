"""What is written comes back, by id and in order, from either form, without being held in memory."""

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from anyseek.errors import ConfigError, DependencyError, InputError, RefusedError, SourceError
from anyseek.items import File, Image, Item, Limits, Page, Text, Video
from anyseek.training.data import About, Dataset, DatasetWriter, check, tables
from anyseek.training.data.tables import JsonlTable, ParquetTable, hash_of


def shown(item: Item) -> list[Any]:
    """The parts with the bytes of what they show."""
    parts: list[Any] = []
    for part in item.parts:
        if isinstance(part, Text):
            parts.append(part.text)
        elif isinstance(part, Video) and part.is_frames:
            parts.append(([Path(one).read_bytes() for one in part.source], part.rate, part.fps, part.max_frames))
        elif isinstance(part, Video):
            parts.append((Path(part.source).read_bytes(), part.fps, part.max_frames))
        else:
            number = part.number if isinstance(part, Page) else type(part).__name__
            parts.append((Path(part.source).read_bytes(), number))
    return parts


def test_every_kind_of_item_comes_back(tmp_path: Path, form: Any, red: Path, blue: Path, film: Path) -> None:
    pdf = tmp_path / "report.pdf"
    pdf.write_bytes(b"%PDF-1.4 not read here")
    items = {
        "text": Item.of("a\u2028b \N{PEAR}"),
        "empty": Item.of(""),
        "image": Item((Image(red),)),
        "two": Item((Image(red), Image(blue), Text("x"), Text("y"))),
        "late": Item((Text("before"), Image(red), Text("after"))),
        "film": Item((Video(film, fps=0.5, max_frames=3), Text("a film"))),
        "films": Item((Video(film), Video(film, fps=2.0))),
        "frames": Item((Video([red, blue], rate=4.0, fps=1.0),)),
        "page": Item((Page(pdf, 7),)),
        "file": Item((File(blue),)),
    }
    with DatasetWriter(tmp_path / "mine", About(name="mine", instruction="Theirs."), form=form) as writer:
        for key, item in items.items():
            writer.document(key, item)
            writer.query(key, Item(item.parts, "Ours." if key == "text" else None))
        writer.relevance("late", ["two", "film"], ["text"], {"two": 0.25, "text": -1})
        writer.relevance("page", ["page"])
    data = Dataset.open(str(tmp_path / "mine"))
    assert (data.name, data.task, data.instruction, len(data)) == ("mine", "retrieval", "Theirs.", 2)
    assert [suffix.suffix for suffix in sorted((tmp_path / "mine").glob("[!.]*.*"))].count(f".{form}") == 3
    for key, item in items.items():
        assert shown(data.document(key)) == shown(item), key
        assert data.document(key).instruction is None
        assert data.query(key).instruction == ("Ours." if key == "text" else "Theirs.")
    first, second = data.examples()
    assert (first.query_id, first.positives, first.negatives) == ("late", ("two", "film"), ("text",))
    assert first.scores == {"two": 0.25, "text": -1.0}
    assert first.documents == ("two", "film", "text")
    assert shown(first.query) == shown(items["late"])
    assert (second, second.scores) == (data.example(1), {})
    assert [key for key, _ in data.items("corpus")] == list(items)
    assert check(tmp_path / "mine") == []


def test_equal_media_are_stored_once(tmp_path: Path, red: Path) -> None:
    copy = tmp_path / "other name.png"
    copy.write_bytes(red.read_bytes())
    with DatasetWriter(tmp_path / "mine", About(name="mine")) as writer:
        for key, source in enumerate((red, copy, red.read_bytes(), PIL.Image.new("RGB", (8, 8), (255, 0, 0)))):
            writer.document(f"d{key}", Item((Image(source),)))
        writer.document("array", np.zeros((4, 4, 3), np.uint8))
    places = [row["image"] for row in JsonlTable(tmp_path / "mine" / "corpus.jsonl", "id")]
    assert places[0] == places[1] == places[2]
    assert places[4] not in places[:4]
    assert {path.suffix for path in (tmp_path / "mine" / "media").rglob("*.*")} == {".png"}


def test_the_folder_appears_when_it_is_whole(tmp_path: Path, form: Any) -> None:
    target = tmp_path / "mine"

    def write(fail: bool) -> None:
        with DatasetWriter(target, About(name="mine"), form=form) as writer:
            writer.document("d", "x")
            assert not target.exists()
            if fail:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(fail=True)
    assert list(tmp_path.iterdir()) == []
    write(fail=False)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    (tmp_path / "other").mkdir()
    assert target.stat().st_mode == (tmp_path / "other").stat().st_mode
    with pytest.raises(InputError, match="is there already"):
        write(fail=False)


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with DatasetWriter(tmp_path / "mine", About(name="mine")) as writer:
        writer.document("d", "x")
    assert len(Dataset.open(tmp_path / "mine").corpus) == 1


def bad_writes() -> dict[str, tuple[Callable[[DatasetWriter], Any], str]]:
    return {
        "twice": (lambda w: [w.document("d", "x"), w.document("d", "y")], "'d' is there already"),
        "no id": (lambda w: w.query("", "x"), "must be a text that is not empty"),
        "tab": (lambda w: w.query("q\t0", "x"), "holds a control character"),
        "half": (lambda w: w.query("q\ud800", "x"), "holds a control character"),
        "half a text": (lambda w: w.query("q", "\ud800"), "half of a UTF-16 pair"),
        "number": (lambda w: w.query(7, "x"), "must be a text"),  # type: ignore[arg-type]
        "nothing": (lambda w: w.document("d", {}), "needs a text, an image or a video"),
        "limits": (lambda w: w.document("d", Item((Text("x"),), limits=Limits(fps=1))), "has no limits"),
        "address": (lambda w: w.document("d", {"image": "https://x.org/a.png"}), "URLs|addresses|urls"),
        "missing": (lambda w: w.document("d", {"image": "none.png"}), "cannot read none.png"),
        "kind": (lambda w: w.document("d", Item((Video(b"%PDF-1.4"),))), "should be of kind video"),
        "no positive": (lambda w: w.relevance("q", []), "needs at least one positive"),
        "both": (lambda w: w.relevance("q", ["d"], ["d"]), "both a positive and a negative"),
        "nan": (lambda w: w.relevance("q", ["d"], scores={"d": float("nan")}), "finite number"),
        "absent": (lambda w: [w.query("q", "x"), w.relevance("q", ["ghost"])], "names document 'ghost'"),
        "no query": (lambda w: [w.document("d", "x"), w.relevance("q", ["d"])], "names query 'q'"),
    }


@pytest.mark.parametrize("case", bad_writes())
def test_a_writer_takes_nothing_wrong(case: str, tmp_path: Path) -> None:
    act, message = bad_writes()[case]
    with pytest.raises(InputError, match=message), DatasetWriter(tmp_path / "mine", About(name="mine")) as writer:
        act(writer)
    assert list(tmp_path.iterdir()) == []


def test_the_rules_of_a_task() -> None:
    row = {"positives": (), "negatives": ("d",), "scores": {}}
    lacks = {task: About(name="x", task=task).lacks(row) for task in ("retrieval", "qa", "reranking", "sts")}
    assert [lack is None for lack in lacks.values()] == [False, False, True, False]
    assert About(name="x", task="sts").lacks(row | {"scores": {"d": 0.0}}) is None
    assert About(name="x", task="reranking").lacks(row | {"negatives": ()}) is not None
    for wrong in ({"name": " "}, {"name": "x", "task": "search"}, {"name": "x", "instruction": 3}):
        with pytest.raises(ConfigError):
            About(**wrong)


# Rows on disk


def lines(path: Path, count: int) -> Path:
    path.write_text("".join(json.dumps({"id": f"k{n}", "text": "x" * (n % 7)}) + "\n" for n in range(count)), "utf-8")
    return path


def test_jsonl_is_read_by_number_and_id(tmp_path: Path) -> None:
    table = JsonlTable(lines(tmp_path / "corpus.jsonl", 5000), "id")
    assert len(table) == 5000
    for number in (0, 1, 2500, 4999, -1):
        assert table[number]["id"] == f"k{number % 5000}"
    assert [table.find(f"k{n}") for n in (0, 17, 4999)] == [0, 17, 4999]
    assert table.find("k5000") is None
    assert sum(1 for _ in table) == 5000
    with pytest.raises(IndexError):
        table[5000]


def test_the_index_is_kept_mapped_and_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = lines(tmp_path / "corpus.jsonl", 100)
    JsonlTable(path, "id")
    made: list[Path] = []
    make = tables._make_index
    monkeypatch.setattr(tables, "_make_index", lambda path, key: made.append(path) or make(path, key))
    table = JsonlTable(path, "id")
    assert made == [] and isinstance(table._index, np.memmap)
    assert table[table.find("k77")]["id"] == "k77"
    text = "\n" + path.read_text("utf-8").replace('"k3"', '"K3"')
    path.write_text(text, "utf-8")
    os.utime(path, ns=(0, 1))
    table = JsonlTable(path, "id")
    assert made == [path]
    assert (table.find("k3"), table.find("K3"), table.place(3)) == (None, 3, "corpus.jsonl:5")
    (tmp_path / ".corpus.jsonl.index.npy").write_bytes(b"damaged")
    assert JsonlTable(path, "id").find("K3") == 3
    assert len(made) == 2


def test_a_folder_that_cannot_be_written_has_its_index_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(np, "save", refuse)
    table = JsonlTable(lines(tmp_path / "corpus.jsonl", 10), "id")
    assert table.find("k9") == 9
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.jsonl"]


def test_equal_hashes_do_not_mix_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Any) -> None:
    monkeypatch.setattr(tables, "hash_of", lambda key: hash_of(key[:1]))
    with DatasetWriter(tmp_path / "mine", About(name="mine"), form=form) as writer:
        for number in range(30):
            writer.document(f"k{number}", str(number))
    data = Dataset.open(tmp_path / "mine")
    assert [data.corpus.find(f"k{number}") for number in range(30)] == list(range(30))
    assert data.corpus.find("kk") is None


def test_parquet_decodes_the_groups_that_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anyseek.training.data.writer.GROUP", 10)
    with DatasetWriter(tmp_path / "mine", About(name="mine"), form="parquet") as writer:
        for number in range(95):
            writer.document(f"k{number}", str(number))
    table = Dataset.open(tmp_path / "mine").corpus
    assert isinstance(table, ParquetTable)
    assert [table[n]["text"] for n in (0, 9, 10, 94, -1)] == [["0"], ["9"], ["10"], ["94"], ["94"]]
    assert len(table._held) == 2
    assert [row["id"] for row in table] == [f"k{number}" for number in range(95)]
    assert table.place(94) == "corpus.parquet, row 95"


def test_without_pyarrow_jsonl_works_and_parquet_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raw: Callable[..., Path]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert len(Dataset.open(raw())) == 1
    with pytest.raises(DependencyError, match=r"pip install 'anyseek\[data\]'"):
        DatasetWriter(tmp_path / "mine", About(name="mine"), form="parquet")
    assert not list(tmp_path.glob(".mine*"))


def test_pyarrow_is_loaded_for_parquet_alone() -> None:
    sources = Path(tables.__file__).parent.rglob("*.py")
    assert not [path for path in sources if re.search(r"^(import|from) pyarrow", path.read_text("utf-8"), re.MULTILINE)]


# Damage


def test_what_is_wrong_says_where(raw: Callable[..., Path]) -> None:
    data = Dataset.open(raw(corpus=[{"id": "d0", "text": "x"}, "", {"id": "d1", "txt": "x"}]))
    with pytest.raises(InputError, match="corpus.jsonl:3: row: unknown key 'txt', did you mean 'text'"):
        data.document("d1")
    with pytest.raises(InputError, match="no document 'ghost' in .*corpus.jsonl"):
        data.document("ghost")
    with pytest.raises(InputError, match="no query 'd0'"):
        data.query("d0")
    data = Dataset.open(raw(relevance=[{"query": "q0", "positives": "d0"}]))
    with pytest.raises(InputError, match="relevance.jsonl:1: 'positives' must be a list of ids"):
        next(data.examples())


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"dataset": {"format": 2, "name": "x"}}, "format must be 1"),
        ({"dataset": {"format": 1, "name": "x", "task": "retrieve"}}, "task must be one of"),
        ({"dataset": {"format": 1, "name": "x", "task": "qa", "instructions": "x"}}, "did you mean 'instruction'"),
        ({"dataset": ["x"]}, "must hold one object"),
        ({"queries": ["{broken"]}, "queries.jsonl:1: not JSON"),
        ({"queries": ["[" * 100_000]}, "queries.jsonl:1: not JSON"),
        ({"queries": ["[1]"]}, "must be an object"),
        ({"corpus": [{"text": "x"}]}, "corpus.jsonl:1: 'id' must be a text"),
    ],
)
def test_what_cannot_be_opened(files: dict[str, Any], message: str, raw: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=message):
        Dataset.open(raw(**files))


def test_a_folder_that_is_no_dataset(tmp_path: Path, raw: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="is not a dataset"):
        Dataset.open(tmp_path / "none")
    folder = raw()
    about = (folder / "dataset.json").read_text("utf-8")
    (folder / "dataset.json").write_text(about[:-1], "utf-8")
    with pytest.raises(InputError, match="dataset.json is not JSON"):
        Dataset.open(folder)
    (folder / "dataset.json").write_text(about, "utf-8")
    (folder / "corpus.parquet").write_bytes(b"not Parquet")
    with pytest.raises(InputError, match="has both corpus.jsonl and corpus.parquet"):
        Dataset.open(folder)
    (folder / "corpus.jsonl").unlink()
    with pytest.raises(InputError, match="corpus.parquet cannot be read"):
        Dataset.open(folder)
    (folder / "corpus.parquet").unlink()
    with pytest.raises(SourceError, match="neither corpus.jsonl nor corpus.parquet"):
        Dataset.open(folder)


OUTSIDE = """../red.png a/../../red.png /etc/hostname https://x.org/a.png file:///etc/hostname
    data:image/png;base64,AA==
    C:\\a.png ..\\red.png \\\\host\\a.png link.png linked/red.png"""


@pytest.mark.parametrize("name", OUTSIDE.split())
def test_media_do_not_leave_the_folder(name: str, raw: Callable[..., Path], tmp_path: Path) -> None:
    folder = raw(corpus=[{"id": "d0", "image": name}, {"id": "d1", "content": [{"file": name}]}])
    (folder / "link.png").symlink_to(tmp_path / "red.png")
    (folder / "linked").symlink_to(tmp_path)
    data = Dataset.open(folder)
    for key in ("d0", "d1"):
        with pytest.raises(RefusedError):
            data.document(key)
    assert [problem.line for problem in check(folder)][:2] == [1, 2]


def test_links_inside_the_folder_may_be_followed(raw: Callable[..., Path], tmp_path: Path) -> None:
    folder = raw(corpus=[{"id": "d0", "image": "link.png"}, {"id": "d1", "text": "x"}])
    (folder / "link.png").symlink_to(folder / "red.png")
    other = tmp_path / "seen from here"
    other.symlink_to(folder)
    assert shown(Dataset.open(other).document("d0")) == [((folder / "red.png").read_bytes(), "Image")]
    assert check(other) == []
