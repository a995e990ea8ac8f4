"""Relevance over HTTP is that of the library: one score for every document, in the order of relevance."""

from typing import Any

import numpy as np
import pytest

from anyseek.items import Image, Item, Text
from anyseek.server import Models
from tests.server.conftest import Running, picture, png, together, uri

CLOSE = 2e-6  # of a probability; measured: 3e-7 at most


def rerank(live: Running, query: Any, documents: list[Any], path: str = "/v1/rerank", **more: Any) -> dict[str, Any]:
    answer = live.post(path, {"query": query, "documents": documents, **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def scores(found: dict[str, Any]) -> list[float]:
    by_index = {row["index"]: row["relevance_score"] for row in found["results"]}
    return [by_index[number] for number in range(len(by_index))]


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank"])
def test_texts(live: Running, models: Models, path: str) -> None:
    documents = ["a red apple", {"text": "a dog"}, "word " * 200, ""]
    plain = ["a red apple", "a dog", "word " * 200, ""]
    found = rerank(live, "apple", documents, path)
    expected = models.reranker.predict([("apple", one) for one in plain])
    assert np.abs(np.array(scores(found)) - expected).max() < CLOSE
    order = [row["relevance_score"] for row in found["results"]]
    assert order == sorted(order, reverse=True)
    assert found["usage"]["total_tokens"] == sum(models.reranker.plan("apple", one).tokens for one in plain)
    assert found["model"] == "small-reranker"


def test_pictures_on_both_sides_and_an_instruction(live: Running, models: Models) -> None:
    query = {"image": picture(1), "text": "like this"}
    documents = [
        {"image": picture(2)},
        {"content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": picture(3)}}]},
        [{"type": "image", "image": picture(1)}, {"type": "text", "text": "b"}],
        "words",
    ]
    items = [Item((Image(png(seed=2)),)), Item((Text("a"), Image(png(seed=3)))), Item((Image(png(seed=1)), Text("b")))]
    asked = Item((Image(png(seed=1)), Text("like this")), "Find it.")
    expected = models.reranker.predict([(asked, one) for one in (*items, "words")])
    found = rerank(live, query, documents, instruction="Find it.")
    assert np.abs(np.array(scores(found)) - expected).max() < CLOSE


def test_one_score_per_document_whatever_its_parts(live: Running) -> None:
    documents = [{"text": ["a", "b"], "image": [picture(1), picture(2)]}, "c"]
    assert sorted(row["index"] for row in rerank(live, "q", documents)["results"]) == [0, 1]


def test_top_and_documents_given_back(live: Running) -> None:
    image = {"image": picture(2)}
    found = rerank(live, "apple", ["a", {"text": "b"}, image], top_n=2, return_documents=True)
    assert len(found["results"]) == 2
    given = {0: {"text": "a"}, 1: {"text": "b"}, 2: image}
    assert all(row["document"] == given[row["index"]] for row in found["results"])
    assert "document" not in rerank(live, "apple", ["a"])["results"][0]


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank"])
def test_null_is_the_default(live: Running, path: str) -> None:
    names = ("model", "top_n", "return_documents", "max_tokens_per_doc", "instruction", "user", "priority")
    found = rerank(live, "apple", ["a", "b"], path, **dict.fromkeys(names))
    assert found["results"] == rerank(live, "apple", ["a", "b"], path)["results"]


def test_equal_scores_keep_the_order_of_the_documents(live: Running) -> None:
    found = rerank(live, "apple", ["same"] * 5)
    best = max(row["relevance_score"] for row in found["results"])
    ties = [row["index"] for row in found["results"] if row["relevance_score"] == best]
    assert ties == sorted(ties)


def test_tokens_of_a_document_are_limited(live: Running, models: Models) -> None:
    long = "one two three four five six seven eight nine ten"
    tokenizer = models.reranker.processor.tokenizer
    cut = tokenizer.cut(long, 4, parse_special=False)
    assert cut != long
    found = rerank(live, "q", [long, "short"], max_tokens_per_doc=4)
    expected = models.reranker.predict([("q", cut), ("q", "short")])
    assert np.abs(np.array(scores(found)) - expected).max() < CLOSE
    assert found["meta"]["warnings"][0].startswith("documents[0]: ")


@pytest.mark.parametrize("path", ["/v1/rerank", "/v1/score"])
def test_tokens_of_a_query_are_limited(live: Running, models: Models, path: str) -> None:
    long = "one two three four five six seven eight nine ten"
    cut = models.reranker.processor.tokenizer.cut(long, 4, parse_special=False)
    assert cut != long
    expected = models.reranker.predict([(cut, long), (cut, "short")])
    body = {"documents": [long, "short"], "max_tokens_per_query": 4}
    if path == "/v1/rerank":
        found = rerank(live, long, **body)
        assert np.abs(np.array(scores(found)) - expected).max() < CLOSE
        left = len(long) - len(cut)
        assert found["meta"]["warnings"] == [f"query: {left} characters were cut from its end, to fit"]
        return
    for queries in (long, [long, long]):
        found = live.post(path, {"queries": queries, **body}).json()
        assert np.abs(np.array([row["score"] for row in found["data"]]) - expected).max() < CLOSE


def test_what_changes_nothing_is_taken(live: Running) -> None:
    plain = rerank(live, "apple", ["a", "b"])
    assert rerank(live, "apple", ["a", "b"], max_chunks_per_doc=10)["results"] == plain["results"]


def test_many_queries_at_once(live: Running, models: Models) -> None:
    groups = [
        (f"query {number}", [f"document {number} {row}" for row in range(1 + number % 9)]) for number in range(20)
    ]
    requests = [("/v2/rerank", {"query": query, "documents": documents}) for query, documents in groups]
    for (query, documents), answer in zip(groups, together(live.url, requests), strict=True):
        expected = models.reranker.predict([(query, one) for one in documents])
        assert np.abs(np.array(scores(answer.json())) - expected).max() < CLOSE


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"query": "a"}, 400, "documents"),
        ({"query": "a", "documents": []}, 400, "documents"),
        ({"documents": ["a"]}, 400, "query"),
        ({"query": "a", "documents": ["b"], "top_n": 0}, 400, "top_n"),
        ({"query": "a", "documents": ["b"], "rank_fields": ["title"]}, 400, "rank_fields"),
        ({"query": "a", "documents": ["b"], "model": "other"}, 404, "model"),
        ({"query": "a", "documents": ["b", {"image": uri(b"no picture")}]}, 400, "documents[1].image"),
        ({"query": {"image": uri(b"no picture")}, "documents": ["b"]}, 400, "query.image"),
        ({"query": "a", "documents": ["b", {"title": "c"}]}, 400, "documents[1].title"),
    ],
)
def test_errors(live: Running, body: Any, status: int, param: str) -> None:
    answer = live.post("/v1/rerank", body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize("path", ["/score", "/v1/score"])
@pytest.mark.parametrize(
    "names", [("queries", "documents"), ("queries", "items"), ("text_1", "text_2"), ("data_1", "data_2")]
)
def test_scores_of_one_query(live: Running, models: Models, path: str, names: tuple[str, str]) -> None:
    documents = ["a red apple", "a dog", "word " * 50]
    answer = live.post(path, {names[0]: "apple", names[1]: documents, "instruction": "Find it."})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    asked = Item((Text("apple"),), "Find it.")
    expected = models.reranker.predict([(asked, one) for one in documents])
    assert np.abs(np.array([row["score"] for row in found["data"]]) - expected).max() < CLOSE
    assert [(row["index"], row["object"]) for row in found["data"]] == [(0, "score"), (1, "score"), (2, "score")]
    assert (found["object"], found["model"]) == ("list", "small-reranker")
    tokens = sum(models.reranker.plan(asked, one).tokens for one in documents)
    assert found["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}


def test_scores_of_pairs(live: Running, models: Models) -> None:
    queries = ["apple", {"image": picture(1)}, {"content": [{"type": "text", "text": "a dog"}]}]
    documents = [{"image": picture(2)}, "b", {"content": [{"type": "image_url", "image_url": {"url": picture(1)}}]}]
    pairs = [("apple", Item((Image(png(seed=2)),))), (Item((Image(png(seed=1)),)), "b")]
    pairs.append(("a dog", Item((Image(png(seed=1)),))))
    found = live.post("/score", {"queries": queries, "documents": documents}).json()
    expected = models.reranker.predict(pairs)
    assert np.abs(np.array([row["score"] for row in found["data"]]) - expected).max() < CLOSE
    alone = live.post("/score", {"text_1": "apple", "text_2": "b"}).json()
    assert abs(alone["data"][0]["score"] - models.reranker.predict([("apple", "b")])[0]) < CLOSE


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"documents": ["a"]}, "queries", "invalid_request"),
        ({"queries": "a"}, "documents", "invalid_request"),
        ({"queries": "a", "text_1": "a", "documents": "b"}, "queries", "invalid_request"),
        ({"queries": ["a", "b"], "documents": ["c"]}, "queries", "invalid_pairs"),
        ({"text_1": ["a", "b"], "text_2": ["c", "d", "e"]}, "text_1", "invalid_pairs"),
        ({"queries": "a", "items": []}, "items", "invalid_request"),
        ({"queries": "a", "items": ["b", {"image": uri(b"no picture")}]}, "items[1].image", "source_not_decodable"),
        ({"queries": ["a", {"image": uri(b"none")}], "items": ["b", "c"]}, "queries[1].image", "source_not_decodable"),
    ],
)
def test_errors_of_pairs(live: Running, body: Any, param: str, code: str) -> None:
    answer = live.post("/v1/score", body)
    assert answer.status_code == 400, answer.text
    assert (answer.json()["error"]["param"], answer.json()["error"]["code"]) == (param, code)
