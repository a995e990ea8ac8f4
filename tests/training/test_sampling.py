"""Batches follow from their number; every example comes once an epoch; what is bad costs its own row."""

import itertools
import logging
from pathlib import Path

import pytest
import torch

from anyseek.engine import Embedder, Reranker
from anyseek.errors import ConfigError, TrainingError
from anyseek.items import Item
from anyseek.training import distillation
from anyseek.training.data import About, Dataset, DatasetWriter
from anyseek.training.sampling import Mixture, Share, Source

WORDS = ["apple", "boat", "cat", "dog", "egg", "fish", "goat", "hat", "ink", "jar"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two datasets: one of ten words with hard negatives, one of graded pairs."""
    root = tmp_path_factory.mktemp("data")
    with DatasetWriter(root / "words", About(name="words", instruction="Find the word")) as writer:
        for word in WORDS:
            writer.document(word, Item.of(f"this is a {word}"))
        for place, word in enumerate(WORDS):
            twin = [WORDS[0]] if word == WORDS[1] else []  # one query has two answers
            writer.query(f"q-{word}", Item.of(f"where is the {word}?"))
            others = [WORDS[(place + step) % 10] for step in (2, 3, 4)]
            writer.relevance(f"q-{word}", [word, *twin], others)
    with DatasetWriter(root / "grades", About(name="grades", task="sts")) as writer:
        for word in WORDS:
            writer.document(word, Item.of(word))
            writer.query(f"q-{word}", Item.of(word.upper()))
        for place, word in enumerate(WORDS):
            scores = {word: 5.0, WORDS[(place + 1) % 10]: 1.0}
            writer.relevance(f"q-{word}", [], [], scores)
    return [root / "words", root / "grades"]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder.load("tiny")


def mixture(folder: Path, embedder: Embedder, **share: int) -> Mixture:
    source = Source(dataset=Dataset.open(folder), queries=4, negatives=2)
    return Mixture([source], embedder.processor, Share(**{"seed": 3, **share}))


def asked(batches: Mixture, count: int, first: int = 0) -> list[tuple[str, ...]]:
    """What the queries of some batches ask for."""
    items = {word: Item.of({"text": f"where is the {word}?", "instruction": "Find the word"}) for word in WORDS}
    words = {tuple(batches.processor.prepare(item).ids): word for word, item in items.items()}
    return [
        tuple(words[tuple(one.row.sample.token_ids.tolist())] for one in batch.inputs[: batch.queries])
        for batch in itertools.islice(batches.batches(first), count)
    ]


def test_a_run_that_goes_on_has_the_batches_it_would_have_had(folders: list[Path], embedder: Embedder) -> None:
    whole = asked(mixture(folders[0], embedder), 6)
    assert asked(mixture(folders[0], embedder), 2, first=4) == whole[4:]
    assert asked(mixture(folders[0], embedder, seed=4), 6) != whole


def test_every_example_comes_once_an_epoch(folders: list[Path], embedder: Embedder) -> None:
    words = [word for batch in asked(mixture(folders[0], embedder), 5) for word in batch]  # 20 of 10
    assert sorted(words[:10]) == sorted(words[10:]) == WORDS
    assert words[:10] != words[10:]


def test_processes_draw_the_same_dataset_and_other_examples(folders: list[Path], embedder: Embedder) -> None:
    ranks = [asked(mixture(folders[0], embedder, rank=rank, processes=2), 1)[0] for rank in (0, 1)]
    assert not set(ranks[0]) & set(ranks[1])
    sources = [
        Source(dataset=Dataset.open(folder), queries=2, negatives=1, weight=w)
        for folder, w in zip(folders, (3, 1), strict=True)
    ]
    drawn = []
    for rank in (0, 1):
        both = Mixture(sources, embedder.processor, Share(seed=1, rank=rank, processes=2))
        drawn.append([number for number, *_ in itertools.islice(both._draws(0), 400)])
    assert drawn[0] == drawn[1] and 250 < drawn[0].count(0) < 350


def test_what_is_known_of_documents(folders: list[Path], embedder: Embedder) -> None:
    """Positives first, hard negatives owned by their query, equal documents and second answers recognised."""
    for batch in itertools.islice(mixture(folders[0], embedder).batches(), 5):
        judged, count = batch.judged(), batch.queries
        assert len(batch.inputs) == count + len(batch.owner)
        assert judged.scores is None
        ids = batch.document_ids
        for query in range(count):
            own = judged.own[query].nonzero()[:, 0]
            assert len(own) == 3 and judged.positive[query] == own[0]
            assert judged.answers[query, own].tolist() == [True, False, False]
            assert torch.equal(judged.answers[query], torch.isin(ids, batch.answer_ids[query]))


def test_grades_come_with_their_pairs(folders: list[Path], embedder: Embedder) -> None:
    batch = next(mixture(folders[1], embedder).batches())
    judged = batch.judged()
    assert judged.scores is not None
    assert sorted(judged.scores[judged.own].tolist()) == [1.0] * 4 + [5.0] * 4


def test_a_bad_row_is_left_out_and_told(
    folders: list[Path], embedder: Embedder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with DatasetWriter(tmp_path / "bad", About(name="bad")) as writer:
        for word in WORDS[:4]:
            writer.document(word, Item.of(word))
            writer.query(f"q-{word}", Item.of(f"where is the {word}?"))
            writer.relevance(f"q-{word}", [word], [])
    corpus = tmp_path / "bad" / "corpus.jsonl"
    corpus.write_text(corpus.read_text().replace('"text": "cat"', '"image": "gone.png"'))
    with caplog.at_level(logging.WARNING, "anyseek"):
        batch = next(mixture(tmp_path / "bad", embedder).batches())
    assert batch.queries == 3 and len(batch.owner) == 3
    assert "bad: an example is left out" in caplog.text and "gone.png" in caplog.text


def write(folder: Path, task: str, rows: list[tuple[list[str], list[str], dict[str, float]]]) -> Dataset:
    """A query for each row, of positives, negatives and scores among the words."""
    with DatasetWriter(folder, About(name=folder.name, task=task)) as writer:
        for word in WORDS:
            writer.document(word, Item.of(word))
        for number, row in enumerate(rows):
            writer.query(f"q{number}", Item.of(f"question {number}"))
            writer.relevance(f"q{number}", *row)
    return Dataset.open(folder)


def test_a_step_whose_rows_cannot_be_read_takes_others(embedder: Embedder, tmp_path: Path) -> None:
    """A step is a draw, so that a run that goes on has the batches it would have had; nothing readable is an error."""
    write(tmp_path / "bad", "retrieval", [([word], [], {}) for word in WORDS[:8]])
    corpus = tmp_path / "bad" / "corpus.jsonl"
    for word in WORDS[:7]:
        corpus.write_text(corpus.read_text().replace(f'"text": "{word}"', '"image": "gone.png"'))
    source = Source(dataset=Dataset.open(tmp_path / "bad"), queries=2)
    drawn = Mixture([source], embedder.processor, Share(seed=3))
    batches = list(itertools.islice(drawn.batches(), 9))
    assert all(batch.queries == 1 for batch in batches)
    again = list(itertools.islice(drawn.batches(4), 5))
    assert [one.document_ids.tolist() for one in again] == [one.document_ids.tolist() for one in batches[4:]]
    corpus.write_text(corpus.read_text().replace('"text": "hat"', '"image": "gone.png"'))
    source = Source(dataset=Dataset.open(tmp_path / "bad"), queries=2)
    with pytest.raises(TrainingError, match="step 5: nothing of .* can be read; `anyseek data check"):
        next(Mixture([source], embedder.processor, Share(seed=3)).batches(5))


def test_only_documents_with_a_score_are_distilled(
    embedder: Embedder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One row has all its scores, one lacks that of a negative, one that of its positive; the others have too few."""
    apple, boat, cat, dog = WORDS[:4]
    rows: list[tuple[list[str], list[str], dict[str, float]]] = [
        ([apple], [boat, cat], {apple: 2.0, boat: -1.0, cat: 0.0}),
        ([apple], [boat, cat], {apple: 2.0, cat: 0.5}),
        ([apple], [boat, cat], {boat: 1.0, cat: 0.5}),
        ([apple, dog], [boat], {apple: 1.0, dog: 0.5}),
        ([apple], [boat, cat], {apple: 2.0}),
        ([apple], [boat], {}),
    ]
    data = write(tmp_path / "scored", "retrieval", rows)
    with caplog.at_level(logging.WARNING, "anyseek"):
        drawn = Mixture(
            [Source(dataset=data, queries=6, negatives=7, draws="scored")], embedder.processor, Share(seed=1)
        )
    assert "scored: 2 of 6 rows are left out: a row needs two documents with a score" in caplog.text
    batch = next(drawn.batches())
    judged = batch.judged()
    assert batch.queries == 4 and batch.scores.isfinite().all() and judged.scores is not None
    assert sorted(judged.own.sum(1).tolist()) == [2, 2, 2, 3]
    vectors = torch.nn.functional.normalize(torch.randn(13, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    assert distillation(vectors[:4], vectors[4:], judged, temperature=0.1).isfinite()
    with pytest.raises(ConfigError, match="none of its 6 rows can be used here: .*'negatives' of at least 1"):
        Mixture([Source(dataset=data, negatives=0, draws="scored")], embedder.processor, Share(seed=1))


def test_rows_without_a_positive_teach_a_reranker(
    embedder: Embedder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    apple, boat, cat = WORDS[:3]
    both = write(tmp_path / "both", "reranking", [([apple], [boat], {}), ([], [boat, cat], {}), ([], [cat], {})])
    judged = Source(dataset=both, queries=3, negatives=1, draws="judged")
    pairs = next(Mixture([judged], Reranker.load("tiny").processor, Share(seed=1)).pairs())
    assert sorted(pairs.labels.tolist()) == [0, 0, 0, 0, 1]
    with caplog.at_level(logging.WARNING, "anyseek"):
        batch = next(Mixture([Source(dataset=both, queries=3)], embedder.processor, Share(seed=1)).batches())
    assert batch.queries == 1 and "both: 2 of 3 rows are left out: a row needs a positive, or scores" in caplog.text
    none = write(tmp_path / "none", "reranking", [([], [boat], {})])
    with pytest.raises(ConfigError, match="none: none of its 1 rows can be used here: a row needs a positive"):
        Mixture([Source(dataset=none)], embedder.processor, Share(seed=1))


def test_pairs_for_a_reranker(folders: list[Path]) -> None:
    reranker = Reranker.load("tiny")
    source = Source(dataset=Dataset.open(folders[0]), queries=3, negatives=2)
    pairs = next(Mixture([source], reranker.processor, Share(seed=1)).pairs())
    assert pairs.labels.tolist() == [1, 0, 0] * 3 and len(pairs.inputs) == 9


def test_what_makes_no_sense_is_refused(folders: list[Path], embedder: Embedder) -> None:
    with pytest.raises(ConfigError, match="at least one dataset"):
        Mixture([], embedder.processor, Share(seed=1))
    with pytest.raises(ConfigError, match="words: weight must be above 0"):
        Source(dataset=Dataset.open(folders[0]), weight=0)
