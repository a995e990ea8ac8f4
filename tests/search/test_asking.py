"""Asking a library: legs, blending, groups, near-duplicates, what is not sought, a second reading, and the judge."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from anyseek.engine import Scored
from anyseek.errors import ConfigError, InputError
from anyseek.index import Filter, Recalled, Thing
from anyseek.integrations.spots import about
from anyseek.items import Image, Item, Page, Text
from anyseek.search import Answers, AskOptions, Fusion, Library
from anyseek.search.answers import Asked, Candidate, Stage
from anyseek.search.asking import Readers
from anyseek.search.groups import collapse
from anyseek.search.judge import NAMES, Judge
from anyseek.search.legs import blended, closeness
from tests.fakes import words
from tests.search.conftest import Seen, pdf, said


class Reader:
    """A reranker that likes documents which have the query's words, told by `said`; some it cannot read."""

    source = None

    def __init__(self, unreadable: str = "") -> None:
        self.unreadable = unreadable
        self.pairs: list[tuple[Item, Item]] = []

    def predict(self, pairs: list[tuple[Item, Item]], *, activation: str, on_error: str) -> Scored:
        assert (activation, on_error) == ("none", "collect")
        self.pairs += pairs
        scores, errors = np.zeros(len(pairs)), {}
        for row, (query, document) in enumerate(pairs):
            there = words(said(document))
            scores[row] = 4 * len(words(query) & there) - 3
            if self.unreadable in there:
                scores[row], errors[row] = np.nan, InputError("cannot be read together")
        return Scored(scores, errors)


PLAIN = Fusion()


def names(answers: Answers) -> list[str]:
    return [hit.paths[0].name for hit in answers]


def noisy(seed: int, size: tuple[int, int] = (200, 150)) -> PIL.Image.Image:
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return PIL.Image.fromarray(blocks).resize(size)


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    root = tmp_path / "shelf"
    (root / "old").mkdir(parents=True)
    noisy(1).save(root / "red apple.png")
    noisy(1, (400, 300)).save(root / "old" / "red apple.jpg", quality=60)
    noisy(2).save(root / "red apple.bmp")
    noisy(3).save(root / "green apple.png")
    noisy(4).save(root / "blue dog.png")
    (root / "letter.txt").write_text("Dear Grete, the invoice 4711 is paid. Peer", encoding="utf-8")
    (root / "poem.txt").write_text("an apple a day", encoding="utf-8")
    (root / "annual report.pdf").write_bytes(pdf(5))
    return root


@pytest.fixture
def asked(library: Library, shelf: Path) -> Library:
    library.index([shelf])
    return library


def test_vectors_alone_and_words_alone(asked: Library) -> None:
    seen = asked.search("blue dog", options=AskOptions(words=0))
    assert names(seen)[0] == "blue dog.png"
    assert seen.hits[0].similarity == pytest.approx(1, abs=0.01)
    assert seen.hits[0].words == 0
    read = asked.search("invoice 4711", options=AskOptions(words=1))
    assert names(read) == ["letter.txt"]
    assert read.hits[0].words > 0
    assert not asked.search("zebras", options=AskOptions(words=1)).hits
    assert asked.like(read.hits[0].id, options=AskOptions(words=1)).hits, "without words the vectors are asked"


def test_what_only_words_found_has_its_similarity_too(asked: Library) -> None:
    both = asked.search("4711", options=AskOptions(words=0.5, candidates=1))
    letter = next(hit for hit in both if hit.paths[0].name == "letter.txt")
    vector = asked.embedder.encode_query([Item((Text("4711"),))], truncate_dim=None)[0]
    expected = vector @ asked.store.vectors([letter.id])[0] / np.linalg.norm(vector)
    assert letter.similarity == pytest.approx(expected, abs=1e-3)


def test_blending_by_ranks_and_by_scores() -> None:
    seen = [Recalled("a", 0.9), Recalled("b", 0.5), Recalled("c", 0.1)]
    read = [Recalled("c", 8.0), Recalled("d", 2.0)]
    ranks = blended(seen, read, AskOptions(words=0.25))
    assert ranks == pytest.approx(
        {"a": 0.75, "b": 0.75 * 61 / 62, "c": 0.75 * 61 / 63 + 0.25, "d": 0.25 * 61 / 62}, abs=1e-9
    )
    scores = blended(seen, read, AskOptions(words=0.25, blend="scores"))
    assert scores == pytest.approx({"a": 0.75, "b": 0.375, "c": 0.25, "d": 0.0625}, abs=1e-9)
    one = blended(seen[:1], [], AskOptions(blend="scores"))
    assert one == {"a": 1}
    alone = blended(seen, [], AskOptions(words=0.25))  # words that found nothing take nothing away
    assert alone["a"] == 1
    assert blended([], read, AskOptions(words=1))["c"] == 1


def test_what_is_not_sought_goes_back(asked: Library, shelf: Path) -> None:
    plain = asked.search("apple", options=AskOptions(words=0))
    assert set(names(plain)[:3]) == {"red apple.png", "red apple.bmp", "green apple.png"}
    for example in (shelf / "red apple.png", "red apple", plain.hits[names(plain).index("red apple.png")]):
        turned = asked.search("apple", unlike=[example], options=AskOptions(words=0))
        assert names(turned)[0] == "green apple.png"
        assert names(turned).index("red apple.png") > names(turned).index("poem.txt")


def test_closeness_is_none_where_the_query_is_and_whole_at_the_example() -> None:
    query, example = np.eye(3, dtype=np.float32)[:2]
    asked = Asked(item=Item(), vector=query, unlike=example[None])
    middle = ((query + example) / np.sqrt(2)).astype(np.float32)
    vectors = np.stack([query, example, middle, query, query])
    assert closeness(vectors, asked) == pytest.approx([0, 1, 2**-0.5, 0, 0], abs=1e-6)


def test_pages_of_a_document_are_one_answer(asked: Library) -> None:
    together = asked.search("annual report 3", options=AskOptions(words=0))
    best = together.hits[0]
    assert (best.paths[0].name, best.thing.page) == ("annual report.pdf", 3)
    assert sorted(thing.page or 0 for thing in best.also) == [1, 2, 4, 5]
    assert names(together).count("annual report.pdf") == 1
    apart = asked.search("annual report 3", options=AskOptions(words=0, group=False))
    assert names(apart).count("annual report.pdf") == 5


@pytest.fixture
def long(library: Library, tmp_path: Path) -> Library:
    """A document of very many passages, and single files that are a little further from the query."""
    (tmp_path / "many").mkdir()
    text = "\n\n".join(f"apple pear number {number} " + "plum " * 60 for number in range(150))
    (tmp_path / "many" / "long.txt").write_text(text, encoding="utf-8")
    for number in range(12):
        (tmp_path / "many" / f"{number}.txt").write_text(f"an apple and dog {number}", encoding="utf-8")
    library.index([tmp_path / "many"])
    return library


@pytest.mark.parametrize("words", [0.0, 0.3, 1.0])
def test_a_long_document_hides_nothing(long: Library, words: float) -> None:
    options = AskOptions(words=words, candidates=20)
    assert len(long.search("apple pear", options=options)) == 10
    apart = long.search("apple pear", options=replace(options, group=False))
    assert set(names(apart)) == {"long.txt"}, "else this tests nothing"


def test_near_identical_pictures_are_one_answer(asked: Library) -> None:
    once = asked.search("red apple", options=AskOptions(words=0))
    apples = [hit for hit in once if hit.paths[0].stem == "red apple"]
    assert sorted(len(hit.copies) for hit in apples) == [0, 1]  # the BMP has the same name, and looks otherwise
    kept = next(hit for hit in apples if hit.copies)
    assert {kept.paths[0].suffix, _path(asked, kept.copies[0].hash).suffix} == {".png", ".jpg"}
    assert {path.suffix for path in (*kept.paths, *kept.copy_paths)} == {".png", ".jpg"}
    every = asked.search("red apple", options=AskOptions(words=0, duplicates=False))
    assert [name.split(".")[0] for name in names(every)].count("red apple") == 3


def _path(library: Library, content: str) -> Path:
    return Path(library.store.files_of([content])[content][0].path)


def test_more_like_one(asked: Library) -> None:
    apple = asked.search("red apple", options=AskOptions(words=0)).hits[0]
    more = asked.like(apple.id, options=AskOptions(top=2))
    assert apple.id not in [hit.id for hit in more]
    assert len(more) == 2
    assert more.hits[0].paths[0].stem == "red apple"
    assert asked.like(apple.id, unlike=["blue dog"]).hits[-1].score < asked.like(apple.id).hits[-1].score
    page = next(hit for hit in asked.search("annual report 3") if hit.thing.page == 3)
    others = asked.like(page.id).hits[0]
    assert others.paths == page.paths, "the other pages of a document are like it"
    assert sorted(thing.page or 0 for thing in (others.thing, *others.also)) == [1, 2, 4, 5]
    only = asked.like(apple.id, where=Filter(kinds=("text",)))
    assert {hit.thing.kind for hit in only} == {"text"}
    with pytest.raises(InputError, match="has no thing"):
        asked.like("nothing.0")


@pytest.fixture
def years(library: Library, tmp_path: Path) -> Library:
    """The same picture in two folders, of which one has a tag."""
    root = tmp_path / "years"
    for year in ("2024", "2025"):
        (root / year).mkdir(parents=True)
        noisy(1).save(root / year / "pear.png")
        os.utime(root / year / "pear.png", (0, int(year)))
    library.index([root])
    with library.store.write() as writer:
        writer.tag([(str(root.resolve()), "2025/pear.png")], add=["new"])
    return library


@pytest.mark.parametrize(
    "where", [Filter(under="2025"), Filter(glob="2025/**"), Filter(tags=("new",)), Filter(after=2025 * 10**9)]
)
def test_an_answer_is_named_by_files_that_fit_the_filter(years: Library, where: Filter) -> None:
    (every,) = years.search("pear")
    assert [path.parent.name for path in every.paths] == ["2024", "2025"]
    (hit,) = years.search("pear", where=where)
    assert [path.parent.name for path in hit.paths] == ["2025"]
    assert about(hit)["path"] == str(hit.paths[0])
    assert not years.search("pear", where=Filter(under="2025", without_tags=("new",))).hits


def test_a_place_where_something_lies_still_is_told_first(years: Library, tmp_path: Path) -> None:
    (tmp_path / "years" / "2024" / "pear.png").unlink()
    (hit,) = years.search("pear")
    assert [path.parent.name for path in hit.paths] == ["2025", "2024"]


def test_a_file_below_two_indexed_folders_is_told_once(library: Library, shelf: Path) -> None:
    library.index([shelf, shelf / "old"])
    paths = [path for hit in library.search("red apple", options=AskOptions(duplicates=False)) for path in hit.paths]
    assert [path.name for path in paths].count("red apple.jpg") == 1


@pytest.fixture
def burst(library: Library, tmp_path: Path) -> Library:
    """One picture very many times, and others that are a little further from the query."""
    for number in range(48):
        (tmp_path / "burst" / str(number)).mkdir(parents=True)
    one = np.asarray(noisy(1)).astype(int)
    for number in range(40):
        shade = (one + number % 8).clip(0, 255).astype(np.uint8)
        PIL.Image.fromarray(shade).save(tmp_path / "burst" / str(number) / "apple.jpg", quality=60 + number)
    for number in range(40, 48):
        noisy(number).save(tmp_path / "burst" / str(number) / "plum apple.png")
    library.index([tmp_path / "burst"])
    return library


@pytest.mark.parametrize("group", [True, False])
def test_a_burst_of_pictures_hides_nothing(burst: Library, group: bool) -> None:
    options = AskOptions(words=0, candidates=10, top=5, group=group)
    found = burst.search("apple", options=options)
    apple = next(hit for hit in found if hit.copies)
    assert (len(found), len(apple.copies)) == (5, 39)
    assert len(burst.like(apple.id, options=options)) == 5
    every = burst.search("apple", options=replace(options, duplicates=False, top=30))
    assert all(name == "apple.jpg" for name in names(every)), "else this tests nothing"


def test_more_like_one_are_as_many_as_are_asked_for(burst: Library) -> None:
    apple = burst.search("apple", options=AskOptions(top=1)).hits[0]
    assert len(burst.like(apple.id, options=AskOptions(top=20, candidates=1, duplicates=False))) == 20


def test_what_goes_while_it_is_asked_for_is_left_out(asked: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Thing(hash="gone", part=0, kind="image")
    for leg in ("recall", "lexical"):
        found = getattr(asked.store, leg)
        monkeypatch.setattr(asked.store, leg, lambda *given, found=found: [Recalled(gone.id, 9.0), *found(*given)])
    for unlike in ([], ["green apple"]):
        assert "poem.txt" in names(asked.search("an apple", unlike=unlike))
    things = asked.store.things
    monkeypatch.setattr(asked.store, "things", lambda ids: things(ids) | {gone.id: gone})
    kept = [one.thing.id for one in collapse(asked.store, [Candidate(thing=gone, similarity=1.0)] * 2)]
    assert kept == []
    for options in (AskOptions(), AskOptions(words=1)):
        assert "poem.txt" in names(asked.search("an apple", options=options))


def test_pictures_and_words_together(asked: Library, shelf: Path) -> None:
    item = Item((Image(shelf / "blue dog.png"), Text("apple")))
    assert set(names(asked.search(item, options=AskOptions(words=0)))[:2]) & {"blue dog.png", "green apple.png"}
    assert names(asked.search({"image": str(shelf / "blue dog.png")}))[0] == "blue dog.png"


@pytest.fixture
def reading(asked: Library) -> Callable[..., tuple[Library, Reader]]:
    def make(judge: Judge | None = None, fusion: Fusion = PLAIN, **options: Any) -> tuple[Library, Reader]:
        reader = Reader(**options)
        asked.reranker = reader  # type: ignore[assignment]
        asked._readers = Readers(asked.embedder, reader, fusion, judge)  # type: ignore[arg-type]
        return asked, reader

    return make


Reading = Callable[..., tuple[Library, Reader]]


def test_candidates_are_read_as_they_were_embedded(reading: Reading, seen: Seen) -> None:
    library, reader = reading()
    found = library.search("apple 3", options=AskOptions(top=3, reread=6, per_file=2))
    assert len(reader.pairs) == 6
    assert all(document in seen.encoded for _, document in reader.pairs)
    assert sum(isinstance(document.parts[0], Page) for _, document in reader.pairs) <= 2
    assert len(found) == 3
    assert all(hit.reranked for hit in found)
    assert [hit.score for hit in found] == sorted((hit.score for hit in found), reverse=True)
    assert found.hits[0].score == pytest.approx(1 / (1 + np.exp(-1)))


def test_what_is_not_read_again_follows(reading: Reading, long: Library) -> None:
    library, reader = reading()
    found = library.search("apple pear", options=AskOptions(words=0, candidates=20, reread=4, top=12, per_file=12))
    assert len(found) == 12
    assert [hit.reranked for hit in found] == sorted((hit.reranked for hit in found), reverse=True)
    assert not all(hit.reranked for hit in found)
    assert len(reader.pairs) == 12


def test_the_first_stage_and_the_reading_are_told(reading: Reading) -> None:
    library, reader = reading()
    stages: list[Stage] = []
    options = AskOptions(top=3, reread=7, per_file=2)
    found = library.search("apple 3", options=options, tell=stages.append)
    assert [(stage.read, stage.of) for stage in stages] == [(0, 7), (5, 7), (7, 7)]
    assert all(stage.first is None for stage in stages[1:])
    first = stages[0].first
    assert first is not None
    reader.pairs.clear()
    alone = library.search("apple 3", options=replace(options, rerank=False))
    assert not reader.pairs
    assert names(first) == names(alone)
    assert not any(hit.reranked for hit in (*first, *alone))
    assert found.hits == library.search("apple 3", options=options).hits, "telling changes nothing"


def test_what_cannot_be_read_again_comes_last_with_the_reason(reading: Reading, shelf: Path) -> None:
    library, _ = reading(unreadable="green")
    (shelf / "blue dog.png").unlink()
    found = library.search("apple dog", options=AskOptions(words=0))
    assert {reason for _, reason in found.unread} == {
        "cannot be read together",
        "the file is gone, or has changed since it was indexed; index it again",
    }
    assert set(names(found)[-2:]) == {"green apple.png", "blue dog.png"}
    assert [hit.reranked for hit in found][-3:] == [True, False, False]


def test_a_copy_that_is_still_there_is_read(reading: Reading, shelf: Path) -> None:
    library, reader = reading()
    (shelf / "old" / "dog.png").write_bytes((shelf / "blue dog.png").read_bytes())
    library.index([shelf])
    (shelf / "blue dog.png").write_bytes(b"something else")
    assert not library.search("blue dog", options=AskOptions(words=0)).unread
    assert Item((Image(shelf.resolve() / "old" / "dog.png"),)) in [document for _, document in reader.pairs]


def judging(cut: float, reranker: str | None = None, **weights: float) -> Judge:
    numbers = [weights.get(name, 0.0) for name in NAMES] + ([weights.get("read", 0.0)] if reranker else [])
    return Judge(numbers=tuple(numbers), cut=cut, embedder="e", reranker=reranker)


def test_the_judge_cuts_off_what_is_not_relevant(asked: Library) -> None:
    asked._readers = replace(asked._readers, judge=judging(0.5, one=-4.0, similarity=8.0))
    found = asked.search("blue dog", options=AskOptions(words=0))
    assert names(found) == ["blue dog.png"]
    assert found.below
    assert found.hits[0].score == pytest.approx(1 / (1 + np.exp(-4)), abs=0.01)
    assert not found.nothing
    nothing = asked.search("zebra", options=AskOptions(words=0))
    assert nothing.nothing
    assert nothing.below
    everything = asked.search("zebra", options=AskOptions(words=0, cut=False))
    assert not everything.nothing
    assert len(everything) == len(nothing.below)


def test_the_judge_hears_the_reranker(reading: Reading) -> None:
    library, _ = reading(judging(0.9, "r", read=1.0), Fusion(bias=1.0, log_odds=2.0, similarity=0.0), unreadable="day")
    found = library.search("red apple", options=AskOptions(words=0))
    assert {Path(name).stem for name in names(found)} == {"red apple", "green apple"}
    assert found.hits[0].score == pytest.approx(1 / (1 + np.exp(-(1 + 2 * 5))))
    assert found.below  # among them what could not be read


def test_a_library_without_a_judge_cuts_nothing(asked: Library) -> None:
    found = asked.search("zebra")
    assert not found.judged
    assert len(found) == 7
    assert not found.below


def test_options_are_checked() -> None:
    for wrong in ({"top": 0}, {"words": 1.1}, {"blend": "votes"}, {"per_file": 0}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            AskOptions(**wrong)  # type: ignore[arg-type]
