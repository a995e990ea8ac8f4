"""What the calls take and give back, in sentence-transformers' words."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anyseek.engine import Embedder, Encoded, Reranker, Scored
from anyseek.errors import CheckpointError, ConfigError
from anyseek.items import Image, Item, Limits
from tests.processing.conftest import changed, picture

DIM = 64
SAME = 1e-6  # measured: 2e-7


def near(a: Any, b: Any) -> bool:
    return bool(np.abs(np.asarray(a) - np.asarray(b)).max() < SAME)


def test_a_list_gives_rows_and_one_input_a_vector(embedder: Embedder) -> None:
    rows = embedder.encode(["a", "b"])
    assert (rows.shape, rows.dtype) == ((2, DIM), np.float32)
    assert embedder.dim == DIM
    assert near(embedder.encode("a"), rows[0])
    assert near(np.linalg.norm(rows, axis=1), 1)
    single = picture(40, 40)
    assert embedder.encode(single).shape == embedder.encode({"image": single}).shape == (DIM,)
    assert embedder.encode(("a", "b", "c")).shape == (3, DIM)
    assert embedder.encode([["a", single]]).shape == (1, DIM)


def test_an_empty_list(embedder: Embedder, reranker: Reranker) -> None:
    assert embedder.encode([]).shape == (0, DIM)
    assert embedder.encode([], precision="int8", truncate_dim=8).shape == (0, 8)
    assert embedder.encode([], precision="ubinary").shape == (0, DIM // 8)
    assert len(embedder.encode([], on_error="collect")) == 0
    assert reranker.predict([]).shape == (0,)
    assert reranker.rank("q", []) == []
    assert embedder.similarity(embedder.encode(["a"]), embedder.encode([])).shape == (1, 0)


def test_instructions(embedder: Embedder) -> None:
    own = {"text": "a", "instruction": "Find fruit"}
    assert near(embedder.encode(["a"], instruction="Find fruit"), embedder.encode([own]))
    assert near(embedder.encode([own], instruction="Find shoes"), embedder.encode([own]))
    assert near(embedder.encode([Item.of("a"), own], instruction="Find fruit")[0], embedder.encode(own))
    assert not near(embedder.encode("a"), embedder.encode(own))


def test_queries_and_documents(embedder: Embedder) -> None:
    query, document = embedder.encode_query("a"), embedder.encode_document("a")
    assert near(document, embedder.encode("a"))
    assert not near(query, document)
    assert near(embedder.encode_query("a", instruction="Find fruit."), embedder.encode("a", instruction="Find fruit."))
    kept = {"text": "a", "instruction": "Find fruit."}
    assert near(embedder.encode_query([kept]), embedder.encode([kept]))
    assert isinstance(embedder.encode_query(["a", 7], on_error="collect"), Encoded)


def test_truncated_vectors_are_normalised_again(embedder: Embedder) -> None:
    whole, short = embedder.encode(["a", "b"]), embedder.encode(["a", "b"], truncate_dim=16)
    assert short.shape == (2, 16)
    assert near(short, whole[:, :16] / np.linalg.norm(whole[:, :16], axis=1, keepdims=True))
    raw = embedder.encode(["a", "b"], normalize_embeddings=False)
    assert not near(np.linalg.norm(raw, axis=1), 1)
    assert near(raw / np.linalg.norm(raw, axis=1, keepdims=True), whole)


@pytest.mark.parametrize(
    ("precision", "kind", "width"),
    [("float32", "f4", 64), ("float16", "f2", 64), ("int8", "i1", 64), ("uint8", "u1", 64), ("binary", "i1", 8)],
)
def test_precisions(embedder: Embedder, precision: str, kind: str, width: int) -> None:
    texts = ["a red apple", "two shoes", "rain"]
    stored = embedder.encode(texts, precision=precision)
    assert (stored.shape, stored.dtype) == ((3, width), np.dtype(kind))
    exact = embedder.similarity(embedder.encode(texts), embedder.encode(texts))
    assert np.abs(embedder.similarity(stored, stored, precision) - exact).max() < (0.5 if width == 8 else 0.02)
    alone = embedder.encode(texts[1], precision=precision)
    step = {"f": SAME, "i": 1, "u": 1}[stored.dtype.kind] * (1000 if precision == "float16" else 1)
    assert width == 8 or np.abs(alone.astype(np.float64) - stored[1].astype(np.float64)).max() <= step


def test_an_item_keeps_its_limits(embedder: Embedder) -> None:
    large = Image(picture(640, 480))
    small = Item((large,), limits=Limits(max_pixels=40_000))
    assert embedder.plan(large).visual_tokens == 300
    assert embedder.plan(small).visual_tokens <= 40
    tight = Embedder(embedder.backbone, changed(embedder.processor, limits=Limits(max_pixels=40_000)))
    assert near(tight.encode(large), embedder.encode(small))


def test_the_progress_bar_is_on_stderr(embedder: Embedder, capfd: pytest.CaptureFixture[str]) -> None:
    embedder.encode(["a", 7], show_progress_bar=True, on_error="collect")
    out, err = capfd.readouterr()
    assert out == ""
    assert "2/2" in err


def test_predictions(reranker: Reranker) -> None:
    pairs = [("a", "b"), ({"text": "a", "instruction": "Find."}, ["b", picture(40, 40)])]
    scores = reranker.predict(pairs)
    assert (scores.shape, scores.dtype) == ((2,), np.float32)
    assert ((scores > 0) & (scores < 1)).all()
    logits = reranker.predict(pairs, activation="none")
    assert near(1 / (1 + np.exp(-logits)), scores)
    assert isinstance(reranker.predict(pairs, on_error="collect"), Scored)
    assert near(reranker.predict([["a", "b"]]), scores[:1])


def test_instructions_of_pairs(reranker: Reranker) -> None:
    own = {"text": "a", "instruction": "Find fruit"}
    assert near(reranker.predict([("a", "b")], instruction="Find fruit"), reranker.predict([(own, "b")]))
    assert near(reranker.predict([(own, "b")], instruction="Find shoes"), reranker.predict([(own, "b")]))
    assert not near(reranker.predict([("a", "b")]), reranker.predict([(own, "b")]))
    ignored = {"text": "b", "instruction": "of a document"}
    assert near(reranker.predict([("a", ignored)]), reranker.predict([("a", "b")]))


def test_ranking(reranker: Reranker) -> None:
    documents = ["one", picture(64, 64), "three", "four"]
    scores = reranker.predict([("q", document) for document in documents])
    ranked = reranker.rank("q", documents)
    assert [hit["corpus_id"] for hit in ranked] == np.argsort(-scores, kind="stable").tolist()
    assert near([hit["score"] for hit in ranked], np.sort(scores)[::-1])
    assert reranker.rank("q", documents, top_k=2) == ranked[:2]
    collected = reranker.rank("q", [documents[0], 7, documents[2]], on_error="collect")
    assert {hit["corpus_id"] for hit in collected} == {0, 2}
    assert json.dumps(ranked)


def test_plans(embedder: Embedder, reranker: Reranker) -> None:
    assert embedder.plan("a").tokens < embedder.plan("a", instruction="one two three four five six seven eight").tokens
    assert reranker.plan("a", "b").tokens > embedder.plan("a").tokens


def linked(source: Path, folder: Path, **changes: Any) -> Path:
    """A copy of a model folder with some JSON files changed (None: left out)."""
    folder.mkdir()
    for file in source.iterdir():
        os.link(file, folder / file.name)
    for name, content in changes.items():
        path = folder / name.replace("__", ".")
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return folder


def test_limits_of_a_checkpoint(embedding_folder: Path, tmp_path: Path) -> None:
    folder = linked(embedding_folder, tmp_path / "a", anyseek__json={"limits": {"max_pixels": 40_000, "fps": 2}})
    own = Embedder.load(folder, device="cpu")
    assert own.plan(Image(picture(640, 480))).visual_tokens <= 40
    wider = Embedder.load(folder, device="cpu", limits=Limits(max_pixels=100_000))
    assert 80 < wider.plan(Image(picture(640, 480))).visual_tokens <= 98


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokenizer__json": None}, "tokenizer.json is missing"),
        ({"tokenizer__json": "{"}, "tokenizer.json is broken"),
        ({"config__json": None}, "config.json is missing"),
        ({"model__safetensors": None}, "has neither model.safetensors"),
        ({"anyseek__json": "{"}, "anyseek.json is not valid JSON"),
        ({"anyseek__json": [1]}, "anyseek.json must hold an object"),
        ({"anyseek__json": {"limits": {"max_pixel": 4}}}, "anyseek.json: 'limits' is wrong .*max_pixel"),
        ({"anyseek__json": {"limits": {"max_pixels": -4}}}, "'limits' is wrong .*max_pixels must be a positive"),
        ({"anyseek__json": {"limits": 3}}, "'limits' is wrong"),
        ({"preprocessor_config__json": "x"}, "preprocessor_config.json is not valid JSON"),
        ({"preprocessor_config__json": {"patch_size": 14}}, "patch_size is 14, but these models take 16"),
        ({"preprocessor_config__json": {"image_mean": [0.48, 0.46, 0.41]}}, "image_mean"),
    ],
)
def test_a_folder_that_does_not_fit(
    embedding_folder: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        Embedder.load(linked(embedding_folder, tmp_path / "a", **changes), device="cpu")


def test_a_config_that_contradicts_the_tokenizer(embedding_folder: Path, tmp_path: Path) -> None:
    config = json.loads((embedding_folder / "config.json").read_text())
    folder = linked(embedding_folder, tmp_path / "a", config__json=config | {"image_token_id": 151656})
    with pytest.raises(CheckpointError, match=r"image_token_id 151656, tokenizer.json says 151655"):
        Embedder.load(folder, device="cpu")


def test_a_tokenizer_larger_than_the_model(embedding_folder: Path, tmp_path: Path) -> None:
    tokenizer = json.loads((embedding_folder / "tokenizer.json").read_text(encoding="utf-8"))
    token = tokenizer["added_tokens"][-1]
    tokenizer["model"]["vocab"]["one too many"] = 200_000
    assert token["id"] < 151_936
    folder = linked(embedding_folder, tmp_path / "a", tokenizer__json=tokenizer)
    with pytest.raises(CheckpointError, match="ids up to 200000, the model has 151936 rows"):
        Embedder.load(folder, device="cpu")


def test_yes_must_be_one_token(reranking_folder: Path, tmp_path: Path) -> None:
    tokenizer = json.loads((reranking_folder / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["model"]["merges"] = [m for m in tokenizer["model"]["merges"] if "".join(m) not in ("yes", "es", "ye")]
    folder = linked(reranking_folder, tmp_path / "a", tokenizer__json=tokenizer)
    with pytest.raises(CheckpointError, match="splits 'yes' into"):
        Reranker.load(folder, device="cpu")


def test_published_ids_of_yes_and_no(reranker: Reranker) -> None:
    words = [reranker.processor.tokenizer.encode(word, parse_special=False) for word in ("yes", "no")]
    assert words == [[9693], [2152]]


def test_options_of_loading(embedding_folder: Path) -> None:
    for options, message in (
        ({"device": "tpu"}, "device"),
        ({"device": "cuda"} if not _has_cuda() else {"device": "mps"}, "not available"),
        ({"dtype": "int4"}, "dtype 'int4' is unknown"),
        ({"attention": "flash"}, "attention backend 'flash' is unknown"),
    ):
        with pytest.raises(ConfigError, match=message):
            Embedder.load(embedding_folder, **options)
    with pytest.raises(TypeError, match="colour"):
        Embedder.load(embedding_folder, colour="red")
    low = Embedder.load(embedding_folder, device="cpu", dtype="bfloat16")
    exact = Embedder.load(embedding_folder, device="cpu")
    cosine = float(low.encode("a red apple") @ exact.encode("a red apple"))
    assert 0.99 < cosine < 0.9999999  # measured: 0.9998


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def test_text_needs_no_vision_tower(embedding_folder: Path, reranking_folder: Path, tmp_path: Path) -> None:
    """It is neither loaded nor missed by text; a picture costs its own row, and nothing half is saved."""
    whole, half = Embedder.load(embedding_folder), Embedder.load(embedding_folder, vision=False)
    assert sum(p.numel() for p in half.backbone.parameters()) < sum(p.numel() for p in whole.backbone.parameters())
    assert near(half.encode(["a red apple", "rain"]), whole.encode(["a red apple", "rain"]))
    found = half.encode(["a red apple", Image(picture(64, 64))], on_error="collect")
    assert "vision=True" in str(found[1]) and near(found[0], whole.encode("a red apple"))
    with pytest.raises(CheckpointError, match="vision tower"):
        half.save(tmp_path)
    reranker = Reranker.load(reranking_folder, vision=False)
    assert near(reranker.predict([("a", "b")]), Reranker.load(reranking_folder).predict([("a", "b")]))


def test_any_number_of_inputs(embedder: Embedder) -> None:
    """A generator is read a window at a time, in order, errors in their rows; what is not asked for is not computed."""
    taken: list[int] = []

    def texts() -> Any:
        for number in range(50):
            taken.append(number)
            yield 7 if number == 12 else f"text {number}"

    whole = embedder.encode(texts(), on_error="collect")
    assert len(whole) == 50 and list(whole.errors) == [12]
    taken.clear()
    stream = embedder.encode_stream(texts(), window=8, on_error="collect")
    first, second = next(stream), next(stream)
    assert (len(first), len(second), list(second.errors)) == (8, 8, [4])
    assert len(taken) == 16
    assert near(np.nan_to_num(np.concatenate([first.vectors, second.vectors])), np.nan_to_num(whole.vectors[:16]))
    assert sum(len(rest) for rest in stream) == 34
