"""Folders into a library: what changed is encoded, everything else costs nothing, and a run may die at any moment."""

import os
import shutil
import time
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch
from safetensors.torch import save_file

from anyseek.errors import CapacityError, ConfigError, InputError, SourceError
from anyseek.index import Filter, writer
from anyseek.items import File, Item, Page
from anyseek.media import MediaOptions
from anyseek.search import Cutting, IndexOptions, Library, LibrarySettings
from anyseek.search.library import SETTLES
from anyseek.search.looking import Ahead, Entry, content_hash, estimate, look, root_of
from tests.search.conftest import Seen, pdf


def contents(library: Library) -> dict[str, tuple[str | None, int]]:
    """Path of each done file -> its reason, and how many things it has."""
    done = [file for file in library.store.files() if file.state == "done"]
    return {file.path: (file.reason, len(library.store.things_of(str(file.hash)))) for file in done}


def whole(library: Library) -> set[str]:
    """The ids of everything that can be found."""
    return {one.id for one in library.store.recall(library.embedder.vector(Item()), 10_000)}


EXPECTED = {
    "notes.txt": (None, 1),
    "red apple.png": (None, 1),
    "report.pdf": (None, 3),
    "sub/ball.mp4": (None, 1),
    "sub/blue dog.jpg": (None, 1),
    "sub/deep/misnamed.txt": (None, 1),
}


def test_every_kind_is_stored_and_a_second_run_encodes_nothing(library: Library, folder: Path, seen: Seen) -> None:
    report = library.index([folder])
    assert (report.found, report.indexed, report.things, len(seen.encoded)) == (9, 6, 8, 8)
    assert contents(library) == EXPECTED
    assert {Path(path).name for path, _ in report.failed} == {"broken.pdf", "empty.txt"}
    assert [(Path(path).name, reason) for path, reason in report.left_out] == [
        ("program.bin", "not a picture, PDF, video or text")
    ]
    again = library.index([folder])
    assert (again.unchanged, again.indexed, again.things, again.changed) == (9, 0, 0, False)
    assert len(seen.encoded) == 8


@pytest.mark.parametrize("seconds", [9_500_000_000, -9_500_000_000])
def test_a_time_that_no_library_can_keep_counts_as_the_nearest(library: Library, tmp_path: Path, seconds: int) -> None:
    root = tmp_path / "odd"
    root.mkdir()
    (root / "a.txt").write_text("a pear")
    os.utime(root / "a.txt", (0, seconds))
    if abs((root / "a.txt").stat().st_mtime_ns) < 1 << 63:
        pytest.skip("this file system keeps no such time")
    assert library.index([root]).indexed == 1
    assert library.index([root]).unchanged == 1
    (row,) = library.store.files()
    assert abs(row.mtime) == (1 << 63) - 1


def test_things_know_where_they_are(library: Library, folder: Path) -> None:
    library.index([folder])
    things = {file.path: library.store.things_of(str(file.hash)) for file in library.store.files() if file.hash}
    assert [(thing.kind, thing.page) for thing in things["report.pdf"]] == [("page", 1), ("page", 2), ("page", 3)]
    (film,) = things["sub/ball.mp4"]
    assert (film.kind, film.start, film.end) == ("video", 0.0, pytest.approx(3.0, abs=0.2))
    (note,) = things["notes.txt"]
    assert note.text == "a recipe for pear cake"
    assert library.thumbnail(things["red apple.png"][0].id)[8:12] == b"WEBP"
    assert library.thumbnail(film.id) is not None
    assert library.thumbnail(note.id) is None


def test_renamed_copied_touched_changed_and_deleted_files(library: Library, folder: Path, seen: Seen) -> None:
    library.index([folder])
    before, seen.encoded = whole(library), []
    (folder / "report.pdf").rename(folder / "sub" / "annual.pdf")
    shutil.copyfile(folder / "red apple.png", folder / "another apple.png")
    os.utime(folder / "sub" / "ball.mp4", (1, 1))
    (folder / "notes.txt").write_text("a recipe for plum cake", encoding="utf-8")
    (folder / "sub" / "blue dog.jpg").unlink()
    report = library.index([folder])
    assert (report.indexed, report.known, report.removed, report.things) == (1, 3, 2, 1)
    assert len(seen.encoded) == 1
    expected = EXPECTED | {"sub/annual.pdf": (None, 3), "another apple.png": (None, 1)}
    del expected["report.pdf"], expected["sub/blue dog.jpg"]
    assert contents(library) == expected
    assert len(whole(library) & before) == len(before) - 2  # without the dog and the old notes
    assert library.store.info().things == {"image": 2, "page": 3, "text": 1, "video": 1}


def test_equal_files_of_one_run_are_encoded_once(library: Library, tmp_path: Path, seen: Seen) -> None:
    root = tmp_path / "twins"
    root.mkdir()
    for name in ("a.txt", "b.txt", "c.txt"):
        (root / name).write_text("the same words", encoding="utf-8")
    report = library.index([root])
    assert (report.indexed, report.known, len(seen.encoded)) == (1, 2, 1)
    assert len(library.search("same words").hits[0].paths) == 3


def test_failures_are_kept_and_retried_when_asked(library: Library, folder: Path, seen: Seen) -> None:
    seen.refused = {"apple"}
    assert {Path(path).name for path, _ in library.index([folder]).failed} > {"red apple.png"}
    assert "cannot be decoded" in {file.path: file.reason for file in library.failures()}["red apple.png"]
    seen.refused, seen.encoded = set(), []
    assert library.index([folder]).things == 0
    report = library.index([folder], options=IndexOptions(retry=True))
    assert (report.indexed, report.things) == (1, 1)
    assert {Path(path).name for path, _ in report.failed} == {"broken.pdf", "empty.txt"}
    assert contents(library) == EXPECTED


def test_a_bad_page_costs_only_itself_and_is_what_is_retried(library: Library, folder: Path, seen: Seen) -> None:
    seen.refused = {"2"}
    library.index([folder])
    reason, things = contents(library)["report.pdf"]
    assert (reason, things) == ("page 2: cannot be decoded", 2)
    seen.refused, seen.encoded = set(), []
    report = library.index([folder], options=IndexOptions(retry=True))
    assert [item.parts for item in seen.encoded] == [(Page(folder.resolve() / "report.pdf", 2),)]
    assert report.indexed == 1
    assert contents(library) == EXPECTED


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """A long document, and more texts than one batch holds."""
    root = tmp_path / "big"
    root.mkdir()
    (root / "long.pdf").write_bytes(pdf(30))
    for number in range(12):
        (root / f"note {number}.txt").write_text(f"words of number {number}", encoding="utf-8")
    return root


def interrupted(library: Library, folder: Path, seen: Seen, options: IndexOptions) -> None:
    """A run that ends in the middle of the long document."""
    seen.dies_at = 22
    with pytest.raises(KeyboardInterrupt):
        library.index([folder], options=options)
    seen.dies_at = None


def test_an_interrupted_run_is_gone_on_with(library: Library, big: Path, seen: Seen) -> None:
    options = IndexOptions(largest_batch=4)
    interrupted(library, big, seen, options)
    assert not whole(library)  # pages of an unfinished document are not found
    library.index([big], options=options)
    assert len({repr(item) for item in seen.encoded}) == 42
    assert len(seen.encoded) <= 42 + 4  # what was stored was not encoded again
    assert len(whole(library)) == 42


@pytest.mark.parametrize("commit", range(1, 14, 2))
def test_a_death_between_two_writes_loses_nothing_and_doubles_nothing(
    library: Library, big: Path, seen: Seen, monkeypatch: pytest.MonkeyPatch, commit: int
) -> None:
    plain, commits = writer.merge, []

    def dying(*given: Any) -> None:
        if len(commits) == commit:
            raise KeyboardInterrupt
        commits.append(given)
        plain(*given)

    monkeypatch.setattr(writer, "merge", dying)
    options = IndexOptions(largest_batch=4)
    with pytest.raises(KeyboardInterrupt):
        library.index([big], options=options)
    monkeypatch.setattr(writer, "merge", plain)
    counting = whole(library)
    done = [file for file in library.store.files() if file.state == "done"]
    assert counting == {thing.id for file in done for thing in library.store.things_of(str(file.hash))}
    library.index([big], options=options)
    assert counting <= whole(library)
    assert sum(library.info().things.values()) == len(whole(library)) == 42
    assert {path: things for path, (_, things) in contents(library).items()}["long.pdf"] == 30
    assert library.index([big]).unchanged == 13


def test_a_file_that_changes_while_it_is_read_waits(library: Library, folder: Path, seen: Seen) -> None:
    plain = seen.encode_document

    def slow(*given: Any, **options: Any) -> Any:
        (folder / "notes.txt").write_text("other words by now", encoding="utf-8")
        return plain(*given, **options)

    seen.encode_document = slow  # type: ignore[method-assign]
    report = library.index([folder])
    assert [Path(path).name for path in report.waiting] == ["notes.txt"]
    assert "notes.txt" not in contents(library)
    seen.encode_document = plain  # type: ignore[method-assign]
    assert library.index([folder]).indexed == 1
    assert library.search("other words by now").hits[0].thing.text == "other words by now"
    assert sum(library.info().things.values()) == 8


def test_what_was_encoded_while_a_file_changed_is_not_kept(library: Library, folder: Path, seen: Seen) -> None:
    """Else it would pass for the old bytes when they come back."""
    plain, notes = seen.encode_document, folder / "notes.txt"
    before = notes.read_text(encoding="utf-8")

    def slow(*given: Any, **options: Any) -> Any:
        notes.write_text("other words by now", encoding="utf-8")
        return plain(*given, **options)

    seen.encode_document = slow  # type: ignore[method-assign]
    library.index([folder])
    seen.encode_document, seen.encoded = plain, []  # type: ignore[method-assign]
    notes.write_text(before, encoding="utf-8")
    library.index([folder])
    assert len(seen.encoded) == 1
    assert contents(library) == EXPECTED


def test_a_file_that_changes_is_read_no_further(library: Library, tmp_path: Path, seen: Seen) -> None:
    """Else all that is left of a film would be encoded for nothing."""
    (tmp_path / "one").mkdir()
    path, plain = tmp_path / "one" / "long.txt", seen.encode_document
    before = "\n\n".join(f"number {n} " + "words " * 300 for n in range(40))
    path.write_text(before, encoding="utf-8")

    def changing(*given: Any, **options: Any) -> Any:
        if len(seen.encoded) == 8:
            path.write_text("other words by now", encoding="utf-8")
        return plain(*given, **options)

    seen.encode_document = changing  # type: ignore[method-assign]
    report = library.index([path.parent], options=IndexOptions(largest_batch=8))
    assert (len(seen.encoded), report.things, [Path(name) for name in report.waiting]) == (16, 8, [path])
    assert library.info().things == {}
    seen.encode_document, seen.encoded = plain, []  # type: ignore[method-assign]
    path.write_text(before, encoding="utf-8")
    assert library.index([path.parent]).things == len(seen.encoded) == 40


def test_what_is_stored_of_a_file_is_of_the_bytes_that_were_hashed(
    library: Library, tmp_path: Path, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture that is written over before the model reads it, and a kill as soon as something is stored."""
    root = tmp_path / "one"
    root.mkdir()
    path, plain, put = root / "apple.png", seen.encode_document, writer.Writer.put
    PIL.Image.new("RGB", (40, 30), "red").save(path)

    def changing(*given: Any, **options: Any) -> Any:
        PIL.Image.new("RGB", (50, 30), "blue").save(path)
        return plain(*given, **options)

    def dying(self: writer.Writer, *given: Any) -> None:
        put(self, *given)
        self.flush()
        raise RuntimeError("killed")

    seen.encode_document = changing  # type: ignore[method-assign]
    monkeypatch.setattr(writer.Writer, "put", dying)
    assert library.index([root]).waiting == [str(path.resolve())]
    with library.store.write() as writing:
        assert not writing.unfinished()


def test_a_drive_that_is_not_there_takes_nothing_away(library: Library, folder: Path) -> None:
    library.index([folder])
    kept = whole(library)
    folder.rename(folder.with_name("away"))
    with pytest.raises(SourceError, match="not a folder"):
        library.index([folder])
    folder.mkdir()
    with pytest.raises(SourceError, match="is its drive there"):
        library.index([folder])
    assert whole(library) == kept
    assert library.forget(folder) == 9
    assert not whole(library)
    with pytest.raises(InputError, match="was not indexed; the folders of this library: none"):
        library.forget(folder)


def test_a_drive_that_is_not_there_keeps_no_other_folder_waiting(
    library: Library, folder: Path, tmp_path: Path
) -> None:
    drive = tmp_path / "drive"
    drive.mkdir()
    (drive / "far.txt").write_text("words on a drive", encoding="utf-8")
    library.index([folder, drive])
    kept = whole(library)
    (drive / "far.txt").unlink()
    (folder / "new.txt").write_text("something new", encoding="utf-8")
    with pytest.raises(SourceError, match="is its drive there"):
        library.index([folder, drive])
    report = library.index()
    assert (report.indexed, report.removed, report.unread) == (1, 0, [str(drive.resolve())])
    assert kept < whole(library)
    shutil.rmtree(drive)
    with pytest.raises(SourceError, match="not a folder"):
        library.index([folder, drive])
    assert library.index().unread == [str(drive.resolve())]
    shutil.rmtree(folder)
    with pytest.raises(SourceError, match="not a folder"):
        library.index()


@pytest.mark.parametrize("refused", ["stat", "list"])
def test_what_cannot_be_looked_at_stays(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    """A network drive with a fault: names come, but neither sizes nor times; or a listing breaks off."""
    library.index([folder])
    plain = {"stat": os.stat, "list": os.scandir}

    def failing(path: Any, **options: Any) -> Any:
        if str(path).endswith("sub" if refused == "list" else "ball.mp4"):
            raise OSError(5, "Input/output error")
        return plain[refused](path, **options)

    monkeypatch.setattr(os, {"stat": "stat", "list": "scandir"}[refused], failing)
    report = library.index([folder])
    assert report.removed == 0
    assert [Path(name).name for name in report.unread] == ["sub" if refused == "list" else "ball.mp4"]
    assert contents(library) == EXPECTED


def test_a_file_that_cannot_be_opened_for_now_keeps_what_is_known(
    library: Library, folder: Path, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen.refused = {"2"}
    library.index([folder])
    plain = Path.open

    def failing(path: Path, *given: Any, **options: Any) -> Any:
        if path.name == "report.pdf":
            raise OSError(116, "Stale file handle")
        return plain(path, *given, **options)

    seen.refused = set()
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", failing)
        report = library.index([folder], options=IndexOptions(retry=True))
    assert "Stale file handle" in dict(report.failed)[str(folder.resolve() / "report.pdf")]
    assert contents(library)["report.pdf"] == ("page 2: cannot be decoded", 2)
    library.index([folder], options=IndexOptions(retry=True))
    assert contents(library) == EXPECTED


def test_names_that_are_not_unicode_are_told_and_never_encoded(library: Library, folder: Path, seen: Seen) -> None:
    odd = os.fsencode(folder) + b"/caf\xe9.txt"
    try:
        Path(os.fsdecode(odd)).write_text("words", encoding="utf-8")
    except OSError:
        pytest.skip("this file system has only Unicode names")
    first = library.index([folder])
    assert len(seen.encoded) == 8
    (reason,) = [reason for path, reason in first.failed if path.endswith("caf\\xe9.txt")]
    assert "rename it" in reason
    again = library.index([folder])
    assert (len(again.failed), again.changed, len(seen.encoded)) == (1, False, 8)
    root = folder / os.fsdecode(b"caf\xe9")
    root.mkdir()
    with pytest.raises(SourceError, match=r"caf\\xe9 is not Unicode; rename it"):
        library.index([root])


def test_one_folder_under_two_names_is_one(library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the case of letters does not count, or a drive is mounted twice."""
    library.index([folder])
    other = folder.with_name("MINE")
    shutil.copytree(folder, other)
    monkeypatch.setattr(Path, "samefile", lambda one, two: str(one).lower() == str(two).lower())
    report = library.index([other])
    assert (report.unchanged, report.changed, library.roots()) == (9, False, [folder.resolve()])


def test_the_time_left_costs_little_time(folder: Path) -> None:
    entries = [Entry(folder / "report.pdf", ("", ""), 1, 1) for _ in range(40)]
    estimate(entries, MediaOptions(), Cutting())
    assert {entry.things for entry in entries} == {3}
    for entry in entries:
        entry.things = 0
    estimate([*entries, Entry(folder / "gone.pdf", ("", ""), 1, 1)], MediaOptions(), Cutting(), seconds=0.0)
    assert {entry.things for entry in entries} == {3}, "one was looked at, the others are taken for the same"
    (folder / "log.txt").write_text("words " * 10_000, encoding="utf-8")
    log, media = Entry(folder / "log.txt", ("", ""), 60_000, 1), MediaOptions(max_text_bytes=1000)
    estimate([log], media, Cutting())
    assert log.things == 1, "it is refused when it is read, so that it takes no time"


def test_a_time_of_the_far_future_is_no_time_of_writing(library: Library, folder: Path) -> None:
    os.utime(folder / "notes.txt", (4e9, 4e9))
    (folder / "fresh.txt").write_text("fresh words", encoding="utf-8")
    library.index([folder], options=IndexOptions(settle_seconds=60))
    assert "notes.txt" in contents(library)
    assert "fresh.txt" not in contents(library)


def test_files_ahead_of_our_clock_wait_until_they_stay_the_same(library: Library, folder: Path) -> None:
    written, soon = folder / "notes.txt", time.time() + 1800
    for name in folder.rglob("*"):
        os.utime(name, (1, 1))
    os.utime(written, (soon, soon))
    root, ahead = root_of(folder), Ahead()

    def waiting() -> list[str]:
        return [path for _, path in look(library.store, root, settle_seconds=2, ahead=ahead).waiting]

    assert waiting() == ["notes.txt"]
    written.write_text("a recipe for plum cake, longer", encoding="utf-8")
    os.utime(written, (soon, soon))
    assert waiting() == ["notes.txt"], "it has grown"
    assert waiting() == []


def test_files_that_wait_are_told_so(library: Library, folder: Path) -> None:
    library.index([folder])
    (folder / "fresh.txt").write_text("fresh words", encoding="utf-8")
    report = library.index([folder], options=IndexOptions(settle_seconds=3600, tags=("trip",)))
    assert (report.unchanged, [Path(path).name for path in report.waiting]) == (9, ["fresh.txt"])
    assert library.store.tags() == {"trip": 9}
    (folder / "notes.txt").write_text("other words", encoding="utf-8")
    library.index([folder], options=IndexOptions(settle_seconds=3600, tags=("other",)))
    assert library.store.tags()["other"] == 9, "a file that waits is known, and so it is tagged"


def test_a_file_that_was_away_for_a_moment_stays(library: Library, folder: Path) -> None:
    library.index([folder])
    kept, other = (folder / name for name in ("red apple.png", "notes.txt"))
    data = kept.read_bytes()
    kept.unlink()
    other.unlink()
    (folder / "new.txt").write_text("new words", encoding="utf-8")
    report = library.index([folder], tell=lambda _: None if kept.exists() else kept.write_bytes(data) and None)
    assert report.removed == 1
    assert {"red apple.png", "new.txt"} <= set(contents(library))
    assert "notes.txt" not in contents(library)


def test_what_is_there_and_passed_over_leaves(library: Library, folder: Path, tmp_path: Path) -> None:
    library.index([folder])
    kept = folder / "red apple.png"
    kept.rename(tmp_path / "apple.png")
    try:
        kept.symlink_to(tmp_path / "apple.png")
    except OSError:
        pytest.skip("no links here")
    assert library.index([folder]).removed == 1
    assert "red apple.png" not in contents(library)


def test_one_folder_that_is_named_twice_counts_once(library: Library, folder: Path) -> None:
    report = library.index([folder, str(folder / "sub" / "..")])
    assert (report.found, report.indexed, report.known, len(report.failed)) == (9, 6, 0, 2)
    assert library.index(str(folder)).unchanged == 9, "one alone needs no list around it"


@pytest.mark.parametrize("tag", ["", " "])
def test_a_tag_has_a_name(library: Library, folder: Path, tag: str) -> None:
    with pytest.raises(ConfigError, match="a tag needs a name"):
        IndexOptions(tags=("trip", tag))
    with pytest.raises(InputError, match="a tag needs a name"), library.store.write() as writer:
        writer.tag([], add=[tag])
    assert IndexOptions(tags="trip").tags == ("trip",)  # type: ignore[arg-type]


def test_a_folder_that_cannot_be_listed_keeps_what_is_known(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.index([folder])
    plain = os.scandir

    def refusing(path: Any) -> Any:
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied", str(path))
        return plain(path)

    monkeypatch.setattr(os, "scandir", refusing)
    report = library.index([folder])
    assert (report.removed, [Path(name).name for name in report.unread]) == (0, ["sub"])
    assert "sub/ball.mp4" in contents(library)


def test_the_library_itself_is_passed_over(tmp_path: Path, folder: Path, seen: Seen) -> None:
    with Library.open(folder / "sub" / "library", seen) as library:
        assert library.index([folder]).found == 9
        assert library.index([folder]).unchanged == 9
        assert library.index([folder / "sub"]).found == 3
    with Library.open(folder / "sub", seen) as library:
        report = library.index([folder / "sub"])
        assert (report.found, report.left_out) == (3, [])


def test_tags_and_filters(library: Library, folder: Path) -> None:
    library.index([folder / "sub"], options=IndexOptions(tags=("trip",)))
    library.index([folder])
    found = {hit.paths[0].name for hit in library.search("dog apple", where=Filter(tags=("trip",)))}
    assert found == {"ball.mp4", "blue dog.jpg", "misnamed.txt"}
    library.index([folder], options=IndexOptions(tags=("all",)))
    assert library.store.tags() == {"all": 9, "trip": 3}
    only = library.search("dog", where=Filter(glob="*.pdf"))
    assert {hit.thing.kind for hit in only} == {"page"}
    assert not library.search("dog", where=Filter(pages=(4, 9))).hits


def test_tags_that_a_file_has_stay_when_it_changes(library: Library, folder: Path) -> None:
    library.index([folder], options=IndexOptions(tags=("family",)))
    (folder / "notes.txt").write_text("other words by now", encoding="utf-8")
    library.index([folder], options=IndexOptions(tags=("trip",)))
    assert library.store.tags() == {"family": 9, "trip": 9}


def test_a_watch_gives_tags_once(library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a tag that was taken away would come back, and the library would be locked for nothing in each round."""
    notes, writes, locking = folder / "notes.txt", list[int](), library.store.write
    rests = list[float]()

    def rest(_: float) -> None:
        rests.append(0)
        if len(rests) == 1:
            with locking() as writing:
                writing.tag(
                    [(str(folder.resolve()), "notes.txt"), (str(folder.resolve()), "report.pdf")], (), ("trip",)
                )
            writes.clear()
        if len(rests) == 4:
            assert not writes, "rounds in which nothing changed"
            notes.write_text("other words by now", encoding="utf-8")
            (folder / "new.txt").write_text("new words", encoding="utf-8")
            os.utime(notes, (1, 1))
            os.utime(folder / "new.txt", (1, 1))

    def counted() -> Any:
        writes.append(len(rests))
        return locking()

    for path in folder.rglob("*.*"):
        os.utime(path, (1, 1))
    library.index([folder])
    monkeypatch.setattr("anyseek.search.library.time.sleep", rest)
    monkeypatch.setattr(library.store, "write", counted)
    rounds = library.watch([folder], options=IndexOptions(tags=("trip",)))
    assert not next(rounds).changed
    assert library.store.tags() == {"trip": 9}
    assert next(rounds).indexed == 2
    tags = {file.path: file.tags for file in library.store.files()}
    assert (tags["notes.txt"], tags["report.pdf"], tags["new.txt"]) == ((), (), ("trip",))
    assert library.store.tags() == {"trip": 8}


def test_files_and_roots_without_an_argument(library: Library, folder: Path) -> None:
    library.index([folder, folder / "sub"])
    assert library.roots() == [folder.resolve(), folder.resolve() / "sub"]
    (folder / "new.txt").write_text("something new", encoding="utf-8")
    assert library.index().indexed == 1


def test_progress_is_told(library: Library, big: Path) -> None:
    told: list[Any] = []
    library.index([big], options=IndexOptions(largest_batch=8), tell=told.append)
    assert told[-1].files == told[-1].of_files == 13
    assert (told[-1].things, told[-1].of_things, told[-1].seconds_left) == (42, 42, 0)
    assert told[0].rate > 0
    assert told[0].seconds_left == pytest.approx((42 - told[0].things) / told[0].rate + told[0].reading)


def texts(root: Path, names: list[str]) -> list[Path]:
    root.mkdir(exist_ok=True)
    for name in names:
        (root / f"{name}.txt").write_text(f"words of {name}", encoding="utf-8")
    return [root / f"{name}.txt" for name in names]


def test_what_is_known_counts_as_done_and_costs_no_time(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    root = tmp_path / "many"
    texts(root, [f"{kind} {n}" for kind in ("old", "touched") for n in range(20)])
    library.index([root])
    for n in range(20):
        (root / f"old {n}.txt").rename(root / f"renamed {n}.txt")
        os.utime(root / f"touched {n}.txt", (1, 1))
    texts(root, [f"a new one {n}" for n in range(4)])
    monkeypatch.setattr("anyseek.search.ingest.TELLS", 0.0)
    report = library.index([root], options=IndexOptions(largest_batch=2), tell=told.append)
    assert (report.known, report.indexed) == (40, 4)
    assert (told[-1].files, told[-1].of_files, told[-1].share, told[-1].seconds_left) == (44, 44, 1.0, 0.0)
    assert len(told) > 40, "also while nothing is encoded"
    assert [(one.things, one.of_things) for one in told] == [(2, 4)] + [(4, 4)] * (len(told) - 1)
    assert [one.share for one in told] == sorted(one.share for one in told)
    assert all(one.seconds_left is None or one.seconds_left >= 0 for one in told)


def test_a_run_that_only_looks_into_files_tells_once_a_second_and_can_be_ended(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    root = tmp_path / "touched"
    paths = texts(root, [f"note {n}" for n in range(12)])
    library.index([root])
    for path in paths:
        os.utime(path, (1, 1))

    def ending(progress: Any) -> None:
        told.append(progress)
        if len(told) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("anyseek.search.ingest.TELLS", 0.0)
        with pytest.raises(KeyboardInterrupt):
            library.index([root], tell=ending)
    assert [(one.files, one.seconds_left is None) for one in told] == [(1, False), (2, False), (3, False)]
    told.clear()
    report = library.index([root], tell=told.append)
    assert (report.unchanged, report.known) == (3, 9), "what was looked into before the end was kept"
    assert [(one.files, one.of_files, one.share) for one in told] == [(9, 9, 1.0)], "not for each of many files"


def test_what_an_earlier_run_has_stored_counts_as_done(library: Library, big: Path, seen: Seen) -> None:
    options = IndexOptions(largest_batch=4)
    interrupted(library, big, seen, options)
    told: list[Any] = []
    report = library.index([big], options=options, tell=told.append)
    kept = 42 - report.things
    assert kept > 10
    assert (told[0].things, told[0].of_things, told[0].share) == (4, 42 - kept, (kept + 4) / 42)
    assert (told[-1].things, told[-1].of_things, told[-1].share) == (report.things, report.things, 1.0)


def test_files_without_things_do_not_keep_the_end_away(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be read, or goes away while others are read; a page of which little is text."""
    library.index([folder])
    told: list[Any] = []
    (folder / "page.html").write_text("<p>words</p><script>" + "x" * 50_000 + "</script>", encoding="utf-8")
    gone, known = texts(folder, ["soon gone"])[0], folder / "notes.txt"
    os.utime(known, (1, 1))
    plain = Path.open

    def failing(path: Path, *given: Any, **options: Any) -> Any:
        gone.unlink(missing_ok=True)
        if path.name == known.name:
            raise PermissionError(13, "Permission denied")
        return plain(path, *given, **options)

    monkeypatch.setattr("anyseek.search.ingest.estimate", lambda entries, *_: None)
    monkeypatch.setattr("anyseek.search.ingest.TELLS", 0.0)
    monkeypatch.setattr(Path, "open", failing)
    report = library.index([folder], options=IndexOptions(retry=True), tell=told.append)
    assert (report.indexed, report.things) == (1, 1)
    assert (told[-1].files, told[-1].things) == (told[-1].of_files, told[-1].of_things)
    assert (told[-1].share, told[-1].seconds_left) == (1.0, 0.0)


def test_a_slow_drive_fills_no_large_batch(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else nothing would be stored and told for as long as it takes to read so many files."""
    told: list[Any] = []
    texts(tmp_path / "slow", [f"note {n}" for n in range(6)])

    def slow(path: Path) -> str:
        time.sleep(0.05)
        return content_hash(path)

    monkeypatch.setattr("anyseek.search.ingest.content_hash", slow)
    library.index([tmp_path / "slow"], options=IndexOptions(batch_seconds=0.06), tell=told.append)
    assert told[0].things <= 2


def test_a_watch_takes_up_what_changes(library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []

    def rest(seconds: float) -> None:
        rests.append(seconds)
        if len(rests) == 2:
            (folder / "late.txt").write_text("late words", encoding="utf-8")  # too fresh: it may not be complete
        if len(rests) == 3:
            os.utime(folder / "late.txt", (1, 1))
        if len(rests) == 4:
            folder.rename(folder.with_name("away"))

    for path in folder.rglob("*.*"):
        os.utime(path, (1, 1))
    monkeypatch.setattr("anyseek.search.library.time.sleep", rest)
    rounds = library.watch([folder], every=0.01)
    assert next(rounds).indexed == 6
    assert next(rounds).indexed == 1
    assert len(rests) == 3
    assert isinstance(next(rounds), SourceError)
    assert min(rests) >= 0.01
    assert SETTLES > 0


def test_another_model_or_setting_is_refused_and_another_name_is_not(
    library: Library, weights: Path, tmp_path: Path
) -> None:
    place = tmp_path / "library"
    renamed = shutil.copytree(weights, tmp_path / "renamed")
    Library.open(place, Seen(renamed)).close()
    save_file({"w": torch.arange(1.0, 13).reshape(3, 4)}, renamed / "model.safetensors")
    with pytest.raises(ConfigError, match="the weights differ"):
        Library.open(place, Seen(renamed))
    with pytest.raises(ConfigError, match="passage_bytes is 2000 in the library, 999 asked"):
        Library.open(place, Seen(weights), settings=LibrarySettings(cutting=Cutting(passage_bytes=999)))
    with pytest.raises(ConfigError, match="width must be at most"):
        Library.open(tmp_path / "wide", Seen(weights), settings=LibrarySettings(width=4096))
    with pytest.raises(SourceError, match="anyseek index"):
        Library.open(tmp_path / "none", Seen(weights), create=False)


def test_two_at_once_are_told_apart(library: Library, folder: Path) -> None:
    with library.store.write(), pytest.raises(CapacityError, match="is being written"):
        library.index([folder])
    assert library.index([folder]).indexed == 6


def test_what_is_stored_is_read_as_it_was_embedded(library: Library, folder: Path, seen: Seen) -> None:
    library.index([folder])
    assert not any(isinstance(part, File) for item in seen.encoded for part in item.parts)
    page = next(item for item in seen.encoded if isinstance(item.parts[0], Page))
    assert page.parts[0].source.is_absolute()
