"""Tiny files in the shape that each other system writes are read; what is exported comes back."""

import base64
import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from anyseek.errors import ConfigError, InputError, RefusedError, SourceError
from anyseek.items import Image, Item, Page, Text, Video
from anyseek.training.data import (
    FORMATS,
    TASKS,
    About,
    Dataset,
    DatasetWriter,
    Reading,
    check,
    export_dataset,
    import_dataset,
)

Rows = Sequence[Mapping[str, Any]]


def jsonl(path: Path, rows: Rows) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def brought(format: str, source: Path, task: str = "retrieval", **how: Any) -> Dataset:
    folder = source.with_name(source.name + " imported")
    import_dataset(format, source, folder, About(name="x", task=task), Reading(**how))
    assert check(folder) == []
    return Dataset.open(folder)


def said(item: Item) -> tuple[Any, ...]:
    """An item by content: texts, and the bytes of media."""
    parts: list[Any] = [item.instruction]
    for part in item.parts:
        if isinstance(part, Text):
            parts.append(part.text)
        elif isinstance(part, Video) and part.is_frames:
            parts.append(tuple(Path(one).read_bytes() for one in part.source))
        else:
            parts.append(Path(part.source).read_bytes())
    return tuple(parts)


Known = dict[Any, tuple[set[Any], set[Any], dict[Any, float]]]


def known(data: Dataset, instructions: bool = True) -> Known:
    """Relevance by content instead of ids."""
    found = {}
    for example in data.examples():
        texts = {key: said(data.document(key)) for key in example.documents}
        query = said(example.query)
        found[query if instructions else query[1:]] = (
            {texts[key] for key in example.positives},
            {texts[key] for key in example.negatives},
            {texts[key]: score for key, score in example.scores.items()},
        )
    return found


def documents(data: Dataset) -> set[Any]:
    return {said(item) for _, item in data.items("corpus")}


# ms-swift


def test_swift(tmp_path: Path, red: Path, blue: Path, film: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(film.read_bytes())
    row = {
        "messages": [{"role": "system", "content": "INSTR"}, {"role": "user", "content": "<image>query"}],
        "images": ["red.png"],
        "positive_messages": [[{"role": "user", "content": "see <image> and <video>!"}]],
        "positive_images": [["blue.jpg"]],
        "positive_videos": [["clip.mp4"]],
        "negative_messages": [
            [{"role": "user", "content": "<image><image>d1"}],
            [{"role": "user", "content": "d2"}],
        ],
        "negative_images": [["red.png", "blue.jpg"], []],
    }
    data = brought("ms-swift", jsonl(tmp_path / "train.jsonl", [row, row]))
    (example,) = data.examples()
    r, b, f = red.read_bytes(), blue.read_bytes(), film.read_bytes()
    assert said(example.query) == ("INSTR", r, "query")
    assert [said(data.document(key)) for key in example.positives] == [(None, "see ", b, " and ", f, "!")]
    assert [said(data.document(key)) for key in example.negatives] == [(None, r, b, "d1"), (None, "d2")]
    assert len(data.corpus) == 3


def test_swift_media_without_a_mark_stand_first(tmp_path: Path, red: Path, blue: Path) -> None:
    row = {
        "messages": [{"role": "user", "content": "q <image>"}],
        "images": ["red.png", str(blue)],
        "positive_messages": [[{"role": "assistant", "content": "d"}]],
    }
    (example,) = brought("ms-swift", jsonl(tmp_path / "a.jsonl", [row])).examples()
    assert said(example.query) == (None, red.read_bytes(), "q ", blue.read_bytes())


def swift_pair(query: str, document: str, label: float) -> dict[str, Any]:
    chats = {"messages": [{"role": "user", "content": query}]}
    return chats | {"positive_messages": [[{"role": "user", "content": document}]], "label": label}


def test_swift_labels(tmp_path: Path) -> None:
    rows = [swift_pair("a", "b", 0.8), swift_pair("a", "c", 0), swift_pair("a", "d", 1)]
    data = brought("ms-swift", jsonl(tmp_path / "sts.jsonl", rows), "sts")
    assert known(data) == {(None, "a"): (set(), set(), {(None, "b"): 0.8, (None, "c"): 0.0, (None, "d"): 1.0})}
    data = brought("ms-swift", jsonl(tmp_path / "pairs.jsonl", rows))
    assert known(data) == {(None, "a"): ({(None, "b"), (None, "d")}, {(None, "c")}, {(None, "b"): 0.8})}


# tevatron


def test_tevatron(tmp_path: Path, red: Path) -> None:
    source = tmp_path / "set"
    rows = [
        {"docid": "1", "text": "first", "image": None, "video": None},
        {"docid": "2", "text": "", "image": "../red.png"},
        {"docid": "3", "document_text": "older", "document_image": None},
        {"docid": "4", "text": "first"},
    ]
    jsonl(source / "corpus.jsonl", rows)
    asked = {"query_id": "q", "query_text": "red?", "query_image": None}
    jsonl(source / "train.jsonl", [asked | {"positive_document_ids": ["2"], "negative_document_ids": ["4", "3", "1"]}])
    data = brought("tevatron", source)
    (example,) = data.examples()
    assert (example.query_id, example.positives, example.negatives) == ("q", ("2",), ("1", "3"))
    assert [key for key, _ in data.items("corpus")] == ["1", "2", "3"]
    assert said(data.document("2")) == (None, red.read_bytes())
    assert said(data.document("3")) == (None, "older")


def test_tevatron_in_parquet(tmp_path: Path, red: Path) -> None:
    source = tmp_path / "set"
    (source / "corpus").mkdir(parents=True)
    picture = {"bytes": red.read_bytes(), "path": None}
    corpus = pa.Table.from_pylist([{"docid": "1", "text": "x", "image": picture}])
    pq.write_table(corpus, source / "corpus" / "train-00000-of-00001.parquet")
    row = {"query_id": "q", "query_text": "?", "positive_document_ids": ["1"], "negative_document_ids": []}
    pq.write_table(pa.Table.from_pylist([row]), source / "queries.parquet")
    data = brought("tevatron", source)
    assert said(data.document("1")) == (None, red.read_bytes(), "x")


def test_tevatron_teacher(tmp_path: Path) -> None:
    passages = [{"title": "T", "text": "good"}, {"title": "", "text": "bad"}]
    row = {"query_id": "7", "query": "q", "passages": passages, "scores": [9.5, -3]}
    data = brought("tevatron", jsonl(tmp_path / "teacher.jsonl", [row]))
    good, bad = (None, "T good"), (None, "bad")
    assert known(data) == {(None, "q"): ({good}, {bad}, {good: 9.5, bad: -3.0})}


def test_tevatron_videos(tmp_path: Path, film: Path) -> None:
    source = tmp_path / "set"
    jsonl(source / "corpus.jsonl", [{"docid": "1", "video": str(film)}, {"docid": "2", "video": [str(film)] * 2}])
    jsonl(source / "train.jsonl", [{"query_id": "q", "query_text": "?", "positive_document_ids": ["1", "2"]}])
    data = brought("tevatron", source)
    assert [said(data.document(key))[1:] for key in "12"] == [(film.read_bytes(),), (film.read_bytes(),) * 2]


# VLM2Vec


def test_mmeb_train(tmp_path: Path, red: Path, blue: Path) -> None:
    (tmp_path / "media" / "images").mkdir(parents=True)
    (tmp_path / "media" / "images" / "1.png").write_bytes(red.read_bytes())
    names = ("qry", "qry_image_path", "pos_text", "pos_image_path", "neg_text", "neg_image_path")
    cells = [
        ("<|image_1|>\nWhat colour?", "images/1.png", "red", "", "blue", ""),
        ("Find it: red", "", "<|image_1|>\nShow.", "images/1.png", "", ""),
    ]
    rows = [dict(zip(names, row)) for row in cells]
    (tmp_path / "set").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "set" / "original-00000-of-00001.parquet")
    data = brought("vlm2vec", tmp_path / "set", media=tmp_path / "media")
    r = red.read_bytes()
    assert known(data) == {
        (None, r, "What colour?"): ({(None, "red")}, {(None, "blue")}, {}),
        (None, "Find it: red"): ({(None, r, "Show.")}, set(), {}),
    }


def test_vlm2vec_as_its_loaders_hold_it(tmp_path: Path, red: Path) -> None:
    picture = {"paths": [None], "bytes": [red.read_bytes()], "resolutions": [None]}
    none = {"paths": [""], "bytes": [None], "resolutions": [None]}
    row = {
        "query_text": "<|image_1|>\nq",
        "query_image": picture,
        "pos_text": "p",
        "pos_image": none,
        "neg_text": ["n1", "n2"],
        "neg_image": [none, picture],
        "global_dataset_name": "x",
    }
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "x.parquet")
    r = red.read_bytes()
    assert known(brought("vlm2vec", tmp_path / "x.parquet")) == {
        (None, r, "q"): ({(None, "p")}, {(None, "n1"), (None, r, "n2")}, {})
    }


# FlagEmbedding, sentence-transformers, BEIR


def test_flagembedding(tmp_path: Path) -> None:
    row = {"query": "q", "pos": ["p"], "neg": ["n", "m"], "pos_scores": [0.9], "neg_scores": [0.1, -0.2]}
    rows = [row | {"prompt": "Find.", "type": "normal"}, {"query": "q", "pos": ["m"], "neg": []}]
    (tmp_path / "data").mkdir()
    jsonl(tmp_path / "data" / "a.jsonl", rows)
    p, n, m = ((None, text) for text in "pnm")
    assert known(brought("flagembedding", tmp_path / "data")) == {
        ("Find.", "q"): ({p}, {n, m}, {p: 0.9, n: 0.1, m: -0.2}),
        (None, "q"): ({m}, set(), {}),
    }


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "tsv", "parquet"])
def test_triplets_go_by_the_order_of_columns(suffix: str, tmp_path: Path) -> None:
    rows = [
        {"question": "q", "answer": "p, with comma", "other": "n", "third": "m"},
        {"question": "q", "answer": "p2", "other": "n", "third": None},
    ]
    path = tmp_path / f"train.{suffix}"
    if suffix == "jsonl":
        jsonl(path, rows)
    elif suffix == "json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    elif suffix == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if suffix == "tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    data = brought("sentence-transformers", path)
    positives, negatives = {(None, "p, with comma"), (None, "p2")}, {(None, "n"), (None, "m")}
    assert known(data) == {(None, "q"): (positives, negatives, {})}


def test_triplet_labels(tmp_path: Path) -> None:
    pair = [{"sentence1": "a", "sentence2": "b", "score": 0.25}, {"sentence1": "a", "sentence2": "c", "score": 0}]
    data = brought("sentence-transformers", jsonl(tmp_path / "sts.jsonl", pair), "sts")
    assert known(data) == {(None, "a"): (set(), set(), {(None, "b"): 0.25, (None, "c"): 0.0})}
    data = brought("sentence-transformers", jsonl(tmp_path / "pair.jsonl", [*pair, {"x": "a", "y": "b", "label": 1}]))
    assert known(data) == {(None, "a"): ({(None, "b")}, {(None, "c")}, {(None, "b"): 0.25})}
    listed = [{"query": "a", "positive": "b", "negative": "c", "labels": [0.9, 0.2]}]
    data = brought("sentence-transformers", jsonl(tmp_path / "list.jsonl", listed))
    assert known(data) == {(None, "a"): ({(None, "b")}, {(None, "c")}, {(None, "b"): 0.9, (None, "c"): 0.2})}


def test_triplets_of_pictures(tmp_path: Path, red: Path) -> None:
    rows = [{"anchor": "red", "positive": {"image": "red.png", "text": None}, "negative": {"text": "no"}}]
    assert known(brought("sentence-transformers", jsonl(tmp_path / "a.jsonl", rows))) == {
        (None, "red"): ({(None, red.read_bytes())}, {(None, "no")}, {})
    }


def beir(folder: Path, qrels: str, split: str = "train") -> Path:
    rows = [{"_id": "1", "title": "T", "text": "one"}, {"_id": "2", "title": "", "text": "two", "metadata": {}}]
    jsonl(folder / "corpus.jsonl", [*rows, {"_id": "3", "text": "T one"}])
    jsonl(folder / "queries.jsonl", [{"_id": "q", "text": "?", "metadata": {}}, {"_id": "dev", "text": "other"}])
    (folder / "qrels").mkdir(exist_ok=True)
    (folder / "qrels" / f"{split}.tsv").write_text("query-id\tcorpus-id\tscore\n" + qrels, encoding="utf-8")
    return folder


def test_beir(tmp_path: Path) -> None:
    data = brought("beir", beir(tmp_path / "set", "q\t1\t2\nq\t2\t0\nq\t3\t2\n"))
    (example,) = data.examples()
    assert (example.query_id, example.positives, example.negatives) == ("q", ("1",), ("2",))
    assert example.scores == {"1": 2.0, "2": 0.0}
    assert said(data.document("1")) == (None, "T one")
    assert [key for key, _ in data.items("queries")] == ["q"]


def test_beir_without_grades_and_with_splits(tmp_path: Path) -> None:
    source = beir(tmp_path / "set", "q\t1\t1\n", "dev")
    assert next(brought("beir", source).examples()).scores == {}
    beir(source, "q\t2\t1\n", "test")
    with pytest.raises(SourceError, match="dev, test; choose one with --split"):
        import_dataset("beir", source, tmp_path / "x", About(name="x"))
    import_dataset("beir", source, tmp_path / "x", About(name="x"), Reading(split="test"))
    assert next(Dataset.open(tmp_path / "x").examples()).positives == ("2",)


# What is wrong

CHAT = [{"role": "user", "content": "x"}]


@pytest.mark.parametrize(
    ("format", "row", "message"),
    [
        ("ms-swift", {"positive_messages": [CHAT]}, "a.jsonl:1: a chat must be a list of turns"),
        ("ms-swift", {"messages": [{"role": "user"}]}, "a.jsonl:1: a chat must be a list of turns"),
        ("ms-swift", {"messages": CHAT}, "query 'q0': a retrieval row needs at least one positive"),
        (
            "ms-swift",
            {"messages": CHAT, "positive_messages": [CHAT], "positive_images": [["red.png"], []]},
            "'positive_images' has 2 lists for 1",
        ),
        ("ms-swift", {"messages": [{"role": "user", "content": "<image>"}]}, "there are 1 <image> for 0 of its media"),
        ("ms-swift", {"messages": CHAT, "images": ["no.png"]}, "there is no file .*no.png.; say where media lie"),
        ("ms-swift", {"messages": CHAT, "images": ["a" * 5000]}, "there is no file"),
        ("ms-swift", {"messages": CHAT, "images": ["\ud800"]}, "there is no file"),
        ("ms-swift", {"messages": CHAT, "images": [{"bytes": "text"}]}, "a medium is named by a path"),
        ("ms-swift", {"messages": CHAT, "positive_messages": [CHAT, CHAT], "label": 1}, "needs exactly one positive"),
        ("ms-swift", {"messages": CHAT, "positive_messages": [CHAT], "label": "x"}, "'label' must be a number"),
        ("ms-swift", {"messages": CHAT, "videos": ["red.png"], "positive_messages": [CHAT]}, "should be of kind video"),
        ("ms-swift", {"messages": CHAT, "positive_messages": [CHAT], "label": True}, "'label' must be a number"),
        ("tevatron", {"query": "x"}, "'passages' must be a list of objects"),
        ("tevatron", {"query": "x", "passages": [{"text": "a"}], "scores": [1, 2]}, "2 numbers for 1 passages"),
        ("vlm2vec", {"qry": "<|image_1|>", "pos_text": "x"}, "there are 1 marks of pictures for 0"),
        ("vlm2vec", {"qry": "x", "pos_text": "", "pos_image_path": ""}, "needs one query and a positive"),
        ("vlm2vec", {"qry": "x", "pos_text": "x", "pos_image_path": ["red.png"] * 2}, "2 pictures for 1 texts"),
        ("vlm2vec", {"qry": "x", "pos_text": ["x", "y"], "pos_image_path": ["red.png"]}, "1 pictures for 2 texts"),
        ("vlm2vec", {"qry": 3, "pos_text": "x"}, "'qry' must be a text"),
        ("flagembedding", {"query": "x"}, "'pos' is missing or empty; the row has 'query'"),
        ("flagembedding", {"query": "x", "pos": ["a"], "pos_scores": [1, 2]}, "2 numbers for 1 texts"),
        ("flagembedding", {"query": "x", "pos": [{"text": "a"}]}, "'pos' must be a text or a list of texts"),
        ("sentence-transformers", {"anchor": "x"}, "needs an anchor and a positive"),
        ("sentence-transformers", {"a": "x", "b": "y", "c": "z", "label": 0.5}, "is the difference of two scores"),
        ("sentence-transformers", {"a": "x", "b": "y", "label": [0.5, 1]}, "2 numbers for 1 documents"),
        ("sentence-transformers", {"a": "x", "b": ["y"]}, "must be a text or a dictionary"),
        ("sentence-transformers", {"a": "x", "b": {"txt": "y"}}, "did you mean 'text'"),
    ],
)
def test_a_wrong_row_says_where_and_leaves_nothing(
    format: str, row: dict[str, Any], message: str, tmp_path: Path, red: Path
) -> None:
    source = jsonl(tmp_path / "a.jsonl", [row])
    with pytest.raises(InputError, match=message):
        import_dataset(format, source, tmp_path / "out", About(name="x"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "red.png"]


def test_addresses_are_not_fetched(tmp_path: Path) -> None:
    row = {"messages": CHAT, "images": ["https://example.org/a.png"], "positive_messages": [CHAT]}
    with pytest.raises(RefusedError, match="is an address; download it first"):
        import_dataset("ms-swift", jsonl(tmp_path / "a.jsonl", [row]), tmp_path / "out", About(name="x"))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    def bring(format: str, source: Path) -> None:
        import_dataset(format, source, tmp_path / "out", About(name="x"))

    (tmp_path / "bad.jsonl").write_text('{"query": "x", "pos": ["a"]}\n{', encoding="utf-8")
    with pytest.raises(InputError, match="bad.jsonl:2: not JSON"):
        bring("flagembedding", tmp_path / "bad.jsonl")
    (tmp_path / "bad.json").write_text("[1]", encoding="utf-8")
    with pytest.raises(InputError, match="entry 1 must be an object"):
        bring("flagembedding", tmp_path / "bad.json")
    (tmp_path / "bad.json").write_text('[{"query"', encoding="utf-8")
    with pytest.raises(InputError, match="bad.json cannot be read as json"):
        bring("flagembedding", tmp_path / "bad.json")
    (tmp_path / "label.csv").write_text('a,b,label\nx,y,"[0.5"\n', encoding="utf-8")
    with pytest.raises(InputError, match="label.csv:2: the label '.0.5' is no list of numbers"):
        bring("sentence-transformers", tmp_path / "label.csv")
    (tmp_path / "bad.csv").write_text("a,b\nx,y,z\n", encoding="utf-8")
    with pytest.raises(InputError, match="bad.csv:2: has other columns than the header"):
        bring("sentence-transformers", tmp_path / "bad.csv")
    (tmp_path / "bad.parquet").write_bytes(b"x")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        bring("vlm2vec", tmp_path / "bad.parquet")
    for format in FORMATS:
        with pytest.raises(InputError):
            bring(format, tmp_path / "none")
    with pytest.raises(ConfigError, match="format must be one of beir"):
        bring("coco", tmp_path)
    source = beir(tmp_path / "set", "q\t9\t1\n")
    with pytest.raises(InputError, match="no document has the id '9'"):
        bring("beir", source)
    (source / "qrels" / "train.tsv").write_text("q\t1\t1\n", encoding="utf-8")
    with pytest.raises(InputError, match="no header above the judgements"):
        bring("beir", source)
    (source / "qrels" / "train.tsv").write_text("q\t1\t1\nq\t2\t1\n", encoding="utf-8")
    with pytest.raises(InputError, match="train.tsv:2: has no column 'query-id'"):
        bring("beir", source)
    source = beir(tmp_path / "set", "q\t1\t1\n")
    for rows in ([("1", "one"), ("1", "another")], [("1", "one"), ("2", "two"), ("2", "one")]):
        jsonl(source / "corpus.jsonl", [{"_id": key, "text": text} for key, text in rows])
        with pytest.raises(InputError, match=f"document '{rows[-1][0]}' stands there twice, with different contents"):
            bring("beir", source)
    (source / "corpus.jsonl").unlink()
    with pytest.raises(SourceError, match="cannot read .*corpus.jsonl"):
        bring("beir", source)
    source = jsonl(tmp_path / "empty" / "corpus.jsonl", [{"docid": "1"}]).parent
    with pytest.raises(InputError, match="corpus.jsonl:1: has no text, image, video"):
        bring("tevatron", source)


def test_lines_of_json_under_the_name_of_a_list(tmp_path: Path) -> None:
    rows = [{"query": "q", "pos": ["p"], "neg": []}, {"query": "r", "pos": ["o"], "neg": []}]
    assert len(brought("flagembedding", jsonl(tmp_path / "a.json", rows))) == 2


# Both ways


def came_back(format: str, folder: Path, target: Path, task: str = "retrieval") -> Dataset:
    export_dataset(format, folder, target)
    assert [path.name for path in target.parent.iterdir() if path.name.endswith(".writing")] == []
    return brought(format, target, task)


def test_texts_come_back_from_beir_with_their_ids(texts: Path, tmp_path: Path) -> None:
    back = came_back("beir", texts, tmp_path / "out")
    data = Dataset.open(texts)
    assert [(e.query_id, e.positives, e.negatives, e.scores) for e in back.examples()] == [
        (e.query_id, e.positives, e.negatives, e.scores) for e in data.examples()
    ]
    assert documents(back) == documents(data)
    assert known(back, instructions=False) == known(data, instructions=False)


def test_odd_ids_come_back_from_beir(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "odd", About(name="x")) as writer:
        for key in ('"', ' a "b" ', "\N{PEAR}\u2028", "a,b"):
            writer.document(key, "text of " + key)
        writer.query("'q'", "x")
        writer.relevance("'q'", ['"', "\N{PEAR}\u2028", "a,b"], [' a "b" '])
    data, back = Dataset.open(tmp_path / "odd"), came_back("beir", tmp_path / "odd", tmp_path / "out")
    assert list(back.examples()) == list(data.examples())


def test_texts_come_back_from_flagembedding(texts: Path, tmp_path: Path) -> None:
    back = came_back("flagembedding", texts, tmp_path / "out.jsonl")
    assert known(back) == known(Dataset.open(texts))
    assert documents(back) == documents(Dataset.open(texts)) - {(None, "Hund")}  # no query names it


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_texts_come_back_from_triplets(suffix: str, texts: Path, tmp_path: Path) -> None:
    back = came_back("sentence-transformers", texts, tmp_path / f"out.{suffix}")
    assert known(back, instructions=False) == known(Dataset.open(texts), instructions=False)


def without_scores(found: Known) -> Known:
    return {query: (positives, negatives, {}) for query, (positives, negatives, _) in found.items()}


def test_texts_come_back_from_swift(texts: Path, tmp_path: Path) -> None:
    back = came_back("ms-swift", texts, tmp_path / "out.jsonl")
    assert known(back) == without_scores(known(Dataset.open(texts)))


def test_media_come_back(mixed: Path, tmp_path: Path) -> None:
    data = Dataset.open(mixed)
    assert known(came_back("ms-swift", mixed, tmp_path / "swift.jsonl")) == known(data)
    back = came_back("sentence-transformers", mixed, tmp_path / "triplets.jsonl")
    assert known(back, instructions=False) == known(data, instructions=False)
    for format, target in (("beir", "b"), ("flagembedding", "f.jsonl"), ("sentence-transformers", "t.csv")):
        with pytest.raises(InputError, match="more than text|columns of texts"):
            export_dataset(format, mixed, tmp_path / target)
        assert not (tmp_path / target).exists()
        assert not list(tmp_path.glob("*.writing"))


def test_swift_rows_have_the_shape_that_it_reads(mixed: Path, tmp_path: Path) -> None:
    export_dataset("ms-swift", mixed, tmp_path / "out.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert [len(row["positive_messages"]) for row in rows] == [1, 1, 1]
    first = rows[0]
    assert first["messages"][0] == {"role": "system", "content": "Compare."}
    assert first["messages"][1] == {"role": "user", "content": "<image>darker"}
    assert first["positive_messages"] == [[{"role": "user", "content": "<image>"}]]
    assert [len(one) for one in first["negative_images"]] == [1]
    assert all(Path(name).is_file() and Path(name).is_absolute() for name in first["images"])
    last = rows[2]
    assert [len(last[f"negative_{kind}"]) for kind in ("messages", "images")] == [3, 3]
    assert last["positive_videos"][0][0].endswith(".mp4")


def test_order_that_a_format_cannot_keep_is_refused(tmp_path: Path, red: Path, blue: Path) -> None:
    with DatasetWriter(tmp_path / "mine", About(name="x")) as writer:
        writer.document("d", Item((Text("before"), Image(red), Text("after"))))
        writer.document("f", Item((Video([red, blue]),)))
        writer.query("q", "x")
        writer.relevance("q", ["d", "f"])
    assert known(came_back("ms-swift", tmp_path / "mine", tmp_path / "a.jsonl")) == known(
        Dataset.open(tmp_path / "mine")
    )
    with pytest.raises(InputError, match="'d' has pages, or parts in an order"):
        export_dataset("sentence-transformers", tmp_path / "mine", tmp_path / "b.jsonl")


def test_sts_comes_back(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "sts", About(name="x", task="sts")) as writer:
        for key in "abc":
            writer.document(key, key)
        writer.query("q", "q")
        writer.relevance("q", [], scores={"a": 5, "b": 2.5, "c": 0})
    data = Dataset.open(tmp_path / "sts")
    for format, name in (("ms-swift", "s.jsonl"), ("sentence-transformers", "t.csv"), ("flagembedding", "f.jsonl")):
        assert known(came_back(format, tmp_path / "sts", tmp_path / name, "sts")) == known(data), format
    with pytest.raises(InputError, match="BEIR takes whole grades"):
        export_dataset("beir", tmp_path / "sts", tmp_path / "out")


def test_reranking_rows_hold_all_positives(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "r", About(name="x", task="reranking")) as writer:
        for key in "abc":
            writer.document(key, key)
        writer.query("q", "q")
        writer.relevance("q", ["a", "b"], ["c"])
    data = Dataset.open(tmp_path / "r")
    back = came_back("ms-swift", tmp_path / "r", tmp_path / "r.jsonl", "reranking")
    (row,) = (tmp_path / "r.jsonl").read_text("utf-8").splitlines()
    assert {chat[0]["role"] for chat in json.loads(row)["positive_messages"]} == {"assistant"}
    assert known(back) == known(data)


def test_what_cannot_be_exported(texts: Path, mixed: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tevatron can be read but not written"):
        export_dataset("tevatron", texts, tmp_path / "x")
    (tmp_path / "there.jsonl").touch()
    for format, name in (("ms-swift", "there.jsonl"), ("beir", "there.jsonl")):
        with pytest.raises(InputError, match="is there already"):
            export_dataset(format, texts, tmp_path / name)
    with pytest.raises(InputError, match="must end in .jsonl, .csv, .parquet"):
        export_dataset("sentence-transformers", texts, tmp_path / "x.txt")
    with DatasetWriter(tmp_path / "odd", About(name="x")) as writer:
        writer.document("d", "an <image> tag")
        writer.document("e", "x")
        for key in ("p", "q"):
            writer.query(key, key)
        writer.relevance("p", ["e"], ["d"])
        writer.relevance("q", ["d"])
    with pytest.raises(InputError, match="'d' holds '<image>'"):
        export_dataset("ms-swift", tmp_path / "odd", tmp_path / "x.jsonl")
    with pytest.raises(InputError, match="some queries have negatives and others have none"):
        export_dataset("sentence-transformers", tmp_path / "odd", tmp_path / "x.jsonl")
    with DatasetWriter(tmp_path / "paged", About(name="x")) as writer:
        writer.document("d", Item((Page(b"%PDF-1.4"),)))
        writer.query("q", "x")
        writer.relevance("q", ["d"])
    with pytest.raises(InputError, match="'d' has a Page, which ms-swift cannot read; render it first"):
        export_dataset("ms-swift", tmp_path / "paged", tmp_path / "x.jsonl")
    with pytest.raises(InputError, match="'d' has pages, or parts in an order"):
        export_dataset("sentence-transformers", tmp_path / "paged", tmp_path / "x.jsonl")
    assert not list(tmp_path.glob("*x.jsonl*"))


def test_equal_documents_and_queries_are_joined(tmp_path: Path, red: Path) -> None:
    (tmp_path / "copy.png").write_bytes(red.read_bytes())
    rows = [
        {"anchor": "q", "positive": {"image": "red.png"}, "negative": "n"},
        {"anchor": "q", "positive": {"image": "copy.png"}, "negative": {"text": "n"}},
        {"anchor": "r", "positive": "n", "negative": {"image": "copy.png"}},
        {"anchor": "q", "positive": "m", "negative": {"image": "red.png"}},
    ]
    data = brought("sentence-transformers", jsonl(tmp_path / "a.jsonl", rows))
    assert (len(data.queries), len(data.corpus), len(data)) == (2, 3, 2)
    first, _ = data.examples()
    assert (len(first.positives), len(first.negatives)) == (2, 1)


def test_media_of_foreign_rows_are_media(tmp_path: Path) -> None:
    """A row cannot bring any file of this machine into a dataset."""
    secret = tmp_path / "secret.txt"
    secret.write_text("password", encoding="utf-8")
    rows = [{"anchor": "x", "positive": {"image": str(secret)}}]
    with pytest.raises(InputError, match="should be of kind image"):
        import_dataset("sentence-transformers", jsonl(tmp_path / "a.jsonl", rows), tmp_path / "out", About(name="x"))


def test_base64_is_no_path(tmp_path: Path, red: Path) -> None:
    uri = "data:image/png;base64," + base64.b64encode(red.read_bytes()).decode()
    rows = [{"anchor": "x", "positive": {"image": uri}}]
    with pytest.raises(RefusedError):
        import_dataset("sentence-transformers", jsonl(tmp_path / "a.jsonl", rows), tmp_path / "out", About(name="x"))


def test_choices_are_those_of_the_command_line() -> None:
    from anyseek.cli import data
    from anyseek.world import KINDS, Split

    assert (TASKS, KINDS, get_args(Split), tuple(FORMATS)) == (data.TASKS, data.KINDS, data.SPLITS, data.READ)
    assert tuple(name for name, one in FORMATS.items() if one.write) == data.WRITTEN
