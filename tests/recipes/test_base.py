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
from anyseek.batch import pack
from anyseek.cli.main import main
from anyseek.engine import Embedder, Reranker
from anyseek.engine.features import tower_identity
from anyseek.engine.runtime import LoadOptions, load_processor
from anyseek.items import Image, Item, Video
from anyseek.model import load_backbone
from anyseek.search import Fusion
from anyseek.training.data import Dataset
from recipes import base, bundling, judging, streams
from recipes.candidates import Reader
from recipes.found import Found
from recipes.given import Given

FEW = {"portrait": 12, "scene": 24, "page": 20, "chart": 14, "clip": 10, "note": 20}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pair trained for a few steps of each stage."""
    folder = tmp_path_factory.mktemp("base")
    short = base.Run(folder=folder, minutes=10, steps=6, size=8, workers=0, texts=300)
    base.embedder(short)
    base.reranker(replace(short, steps=3, minutes=0.2, collection=FEW, looked_at=3))
    bundling.fuse(folder / "embedder", folder / "reranker", queries=4)
    return folder


def test_every_stage_ran_and_was_logged(run: Path) -> None:
    """One line a step, with a finite loss and the kind of documents."""
    lines = [json.loads(line) for line in (run / "embedder" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(6))
    assert all(np.isfinite(line["loss"]) and line["gradient_norm"] > 0 for line in lines)
    assert {line["kind"] for line in lines} <= set(streams.SHARE)


def test_the_reranker_learns_in_two_parts(run: Path) -> None:
    """Each has its log, and only what it should change did change: the vision tower stays the embedder's."""
    assert sorted(file.stem for file in (run / "reranker").glob("log-*.jsonl")) == ["log-judge", "log-know"]
    embedder, reranker = (
        load_backbone(run / name, dtype=torch.float32, device="cpu") for name in ("embedder", "reranker")
    )
    assert tower_identity(embedder.visual) == tower_identity(reranker.visual)
    before, after = embedder.language_model, reranker.language_model
    assert not torch.equal(before.layers[0].mlp.up_proj.weight, after.layers[0].mlp.up_proj.weight)


def test_a_head_that_settles_reads_what_is_there(run: Path, reader: Reader) -> None:
    """By least squares on the states, closer to the embedder's vectors than chance."""
    torch.manual_seed(0)
    model = load_backbone(run / "reranker", dtype=torch.bfloat16, device="cpu")
    found = Found(reader, FEW, seed=9)
    course = judging.Judging(model, reader.reranking.tokenizer.yes_no_ids(), found.vectors)
    span = base.Run(folder=Path(), minutes=1, steps=10, size=3)
    batches = list(itertools.islice(found.batches(judging.ALL, span, 4), 6))
    with torch.no_grad():
        before = float(course.know(batches[0]))
        course.settle(batches)
        assert float(course.know(batches[0])) < before - 1


def test_the_pair_loads_and_is_what_the_package_bundles(run: Path, tmp_path: Path) -> None:
    """Exported, it fits the repository, and gives vectors and scores."""
    bundling.bundle(run / "embedder", run / "reranker", tmp_path)
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
    bundling.bundle(run / "embedder", run / "reranker", tmp_path)
    folder = tmp_path / "anyseek-tiny-reranker"
    assert Fusion.beside(folder) == Fusion.beside(run / "reranker") != Fusion()
    assert json.loads((folder / "anyseek.json").read_text())["limits"] == base.LIMITS


def test_the_rerankers_tokenizer_appends_nothing(run: Path) -> None:
    """The embedder's prompt ends with the end token, the reranker's with the opened turn."""
    assert len(Embedder.load(run / "embedder").processor.tokenizer.suffix) == 1
    assert Reranker.load(run / "reranker").processor.tokenizer.suffix == ()


def test_batches_say_exactly_what_is_relevant(run: Path) -> None:
    """The mask is the world's relevance, and labels of judged pairs hold both answers."""
    processor = Embedder.load(run / "embedder").processor
    miniature = base.Run(folder=run, minutes=1, steps=10, size=8)
    batch = next(iter(streams.Contrastive(processor, base.EMBEDDER_STAGES[-1:], miniature, seed=3)))
    assert batch.answers.shape == (batch.queries, len(batch.packed.lengths) - batch.queries)
    assert batch.answers.diagonal().all() and not batch.answers.all()


@pytest.fixture(scope="module")
def reader(run: Path) -> Reader:
    """The embedder, and both prompts."""
    prompts = [load_processor(run / name, LoadOptions(), 4096) for name in ("embedder", "reranker")]
    return Reader(load_backbone(run / "embedder", dtype=torch.float32, device="cpu"), *prompts)


@pytest.mark.parametrize("lesson", [0, 1])
def test_of_a_querys_documents_the_first_answers_and_the_others_do_not(reader: Reader, lesson: int) -> None:
    """Of every kind; and the embedder's vectors stand beside them."""
    found = Found(reader, FEW, seed=3)
    miniature = base.Run(folder=Path(), minutes=1, steps=10, size=4)
    for batch in itertools.islice(found.batches(judging.ALL if lesson == 0 else judging.HARD, miniature, 4), 12):
        assert len(batch.documents.lengths) == 4 * len(batch.queries.lengths) == 4 * len(batch.asked)
        for query, shown in zip(batch.asked, zip(*[iter(batch.shown)] * 4, strict=True), strict=True):
            assert [query.matches(thing) for thing in shown] == [True, False, False, False]
        # The mark is the same token in every prompt, before anything of the document.
        assert len(set(batch.documents.token_ids[batch.marks].tolist())) == 1
        starts = torch.tensor([0, *batch.documents.lengths[:-1]]).cumsum(0)
        assert torch.equal(batch.marks, starts + reader.mark)


@pytest.mark.parametrize(("task", "wrong"), [("picture-questions", 3), ("clip-moments", 3), ("picture-grounding", 3)])
def test_of_a_datasets_query_the_first_document_answers(reader: Reader, tmp_path: Path, task: str, wrong: int) -> None:
    """And the others are the query's own wrong ones; pictures are seen on either side."""
    folder = tmp_path / task
    assert main(["data", "world", str(folder), "--task", task, "--size", "6"], standalone_mode=False) in (None, 0)
    data = Dataset.open(folder)
    batch = Given(reader, [folder]).batch(random.Random(1), task, 2, wrong + 1)
    assert batch.kind == task and len(batch.asked) == 2 and len(batch.shown) == 2 * batch.candidates
    for query, shown in zip(batch.asked, zip(*[iter(batch.shown)] * batch.candidates, strict=True), strict=True):
        example = next(one for one in data.examples() if one.query == query)
        assert shown[0] in [data.document(key) for key in example.positives]
        assert all(other in [data.document(key) for key in example.negatives] for other in shown[1:])
    shows_query = any(isinstance(part, (Image, Video)) for part in batch.asked[0].parts)
    assert (batch.query_features is not None) is shows_query
    assert len(batch.documents.visual_index) == (0 if batch.features is None else len(batch.features))


def test_a_prompt_in_two_pieces_is_the_whole_prompt(reader: Reader) -> None:
    """What is judged in training is what the engine scores."""
    rng = random.Random(2)
    things = [world.sample_thing(kind, rng) for kind in world.KINDS]
    for query in (Item.of("a red apple"), world.ask_by_picture("apple").item()):
        documents = [thing.item() for thing in things]
        beginning, position = reader.beginning(query)
        rests = [reader.rest(document) for document in documents]
        rests = [replace(rest, position_ids=rest.position_ids + position) for rest in rests]
        (_, asked), (_, shown) = reader.read([query]), reader.read(documents)
        with torch.no_grad():
            block = reader.model.remember(pack([beginning]), features=asked[0] if len(asked[0]) else None)[0]
            features = torch.cat([own for own in shown if len(own)])
            apart = reader.model(pack(rests), last=True, features=features, past=((block,),) * len(rests))
            whole = reader.model(pack([reader.reranking.pair_sample(query, one) for one in documents]), last=True)
        torch.testing.assert_close(apart, whole, rtol=0, atol=1e-4)


def test_a_deeper_model_keeps_what_was_there(run: Path) -> None:
    """Below the new layers every weight is the old one, and the config says how many there are."""
    model = load_backbone(run / "embedder", dtype=torch.float32, device="cpu")
    deeper = judging.deepened(model, 7)
    weights = deeper.state_dict()
    assert all(torch.equal(weights.pop(name), weight) for name, weight in model.state_dict().items())
    assert {name.split(".")[2] for name in weights} == {"5", "6"} and all(w.abs().sum() > 0 for w in weights.values())
    assert deeper.config.text.num_hidden_layers == deeper.config.raw["text_config"]["num_hidden_layers"] == 7


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
    more = base.Run(folder=tmp_path, minutes=10, steps=7, size=8, workers=0, texts=50, start=run / "embedder", first=6)
    base.embedder(more)
    names = [folder / "embedder" / "tokenizer.json" for folder in (run, tmp_path)]
    assert names[0].read_bytes() == names[1].read_bytes()
    assert len((tmp_path / "embedder" / "log.jsonl").read_text().splitlines()) == 1
