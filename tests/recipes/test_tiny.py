"""The recipe of the bundled pair, in miniature: every stage runs, learns, and leaves a pair that the engine loads."""

import itertools
import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from anyseek import world
from anyseek.engine import Embedder, Reranker
from anyseek.search import Fusion
from recipes import streams, tiny


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pair trained for a few steps of each stage."""
    folder = tmp_path_factory.mktemp("tiny")
    short = tiny.Run(folder=folder, minutes=10, steps=6, size=8, workers=0, texts=300)
    tiny.embedder(short)
    tiny.reranker(replace(short, steps=3, size=4))
    tiny.fuse(short, queries=4, candidates=4)
    return folder


def test_every_stage_ran_and_was_logged(run: Path) -> None:
    """One line a step, with a finite loss and the kind of documents."""
    lines = [json.loads(line) for line in (run / "embedder" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(6))
    assert all(np.isfinite(line["loss"]) and line["gradient_norm"] > 0 for line in lines)
    assert {line["kind"] for line in lines} <= set(streams.SHARE)


def test_the_pair_loads_and_is_what_the_package_bundles(run: Path, tmp_path: Path) -> None:
    """Exported, it fits the repository, and gives vectors and scores."""
    tiny.export(tiny.Run(folder=run, minutes=1, steps=1), tmp_path)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= 40 * 10**6
    assert max(file.stat().st_size for file in files) <= 16 * 10**6
    folders = {folder.name: folder for folder in tmp_path.iterdir()}
    embedder = Embedder.load(folders["anyseek-tiny-embedding"])
    assert embedder.encode(["a red apple", "a dog"]).shape == (2, 256)
    assert embedder.plan("a red apple").tokens == Embedder.load(run / "embedder").plan("a red apple").tokens
    score = Reranker.load(folders["anyseek-tiny-reranker"]).predict([("a red apple", "a dog")])
    assert score.shape == (1,) and 0 < score[0] < 1


def test_the_fusion_is_fitted_and_exported(run: Path, tmp_path: Path) -> None:
    """Beside the limits, and where search looks for it."""
    tiny.export(tiny.Run(folder=run, minutes=1, steps=1), tmp_path)
    folder = tmp_path / "anyseek-tiny-reranker"
    assert Fusion.beside(folder) == Fusion.beside(run / "reranker") != Fusion()
    assert json.loads((folder / "anyseek.json").read_text())["limits"] == tiny.LIMITS


def test_the_rerankers_tokenizer_appends_nothing(run: Path) -> None:
    """The embedder's prompt ends with the end token, the reranker's with the opened turn."""
    assert len(Embedder.load(run / "embedder").processor.tokenizer.suffix) == 1
    assert Reranker.load(run / "reranker").processor.tokenizer.suffix == ()


def test_batches_say_exactly_what_is_relevant(run: Path) -> None:
    """The mask is the world's relevance, and labels of judged pairs hold both answers."""
    processor = Embedder.load(run / "embedder").processor
    miniature = tiny.Run(folder=run, minutes=1, steps=10, size=8)
    batch = next(iter(streams.Contrastive(processor, tiny.EMBEDDER_STAGES[-1:], miniature, seed=3)))
    assert batch.allowed.shape == (batch.queries, len(batch.packed.lengths) - batch.queries)
    assert not batch.allowed.diagonal().any() and batch.allowed.any()


@pytest.mark.parametrize("stage", [0, 2])
def test_judged_pairs_hold_both_answers_and_know_where_query_and_document_end(run: Path, stage: int) -> None:
    """Labels of every kind of document; the marks lie in their own prompt, query before document."""
    processor = Reranker.load(run / "reranker").processor
    miniature = tiny.Run(folder=run, minutes=1, steps=10, size=6)
    stream = iter(streams.Judged(processor, tiny.RERANKER_STAGES[stage : stage + 1], miniature, seed=3))
    for batch in itertools.islice(stream, 12):
        assert set(batch.labels.tolist()) == {0.0, 1.0} and len(batch.labels) == len(batch.packed.lengths)
        stops = torch.tensor(batch.packed.lengths).cumsum(0)
        query, document = batch.ends
        assert (query < document).all() and (document < stops).all() and (query[1:] >= stops[:-1]).all()
        assert (batch.subjects[1] >= 0).all()


def test_the_easiest_things_are_about_what_they_show() -> None:
    """A portrait, a printed name and a word answer their query, and every one of them can be drawn."""
    rng = random.Random(4)
    for make in streams.EASIEST.values():
        for _ in range(20):
            pair = make(rng)
            assert pair.query.matches(pair.positive) and len(pair.positive.draw())


def test_training_never_draws_what_is_held_out() -> None:
    """Subjects of the streams are the training objects only."""
    assert not set(streams.SUBJECTS) & set(world.object_ids("object"))


def test_a_continued_run_keeps_its_tokenizer(run: Path, tmp_path: Path) -> None:
    """Its ids are rows of the weights: it is copied, not learnt anew from other texts."""
    more = tiny.Run(folder=tmp_path, minutes=10, steps=7, size=8, workers=0, texts=50, start=run / "embedder", first=6)
    tiny.embedder(more)
    names = [folder / "embedder" / "tokenizer.json" for folder in (run, tmp_path)]
    assert names[0].read_bytes() == names[1].read_bytes()
    assert len((tmp_path / "embedder" / "log.jsonl").read_text().splitlines()) == 1
