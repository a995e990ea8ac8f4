"""Vectors over HTTP are those of the library, whatever stands beside them in a batch."""

import base64
import json
from typing import Any

import httpx
import numpy as np
import pytest

from anyseek.engine.embedder import QUERY_INSTRUCTION
from anyseek.items import Image, Item, Limits, Page, Text, Video
from anyseek.server import Bounds, Models
from anyseek.server.options import MOST_ITEMS
from tests.engine.conftest import film  # noqa: F401
from tests.processing.conftest import page_bytes
from tests.server.conftest import Running, Start, embedding_alone, picture, png, together, uri

CLOSE = 2e-6  # measured: 4e-7 at most, as any two compositions of a batch differ (tests/engine/test_paths.py)


def vectors(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert [row["index"] for row in data] == list(range(len(data)))
    return np.array([row["embedding"] for row in data], np.float64)


def embed(live: Running, given: Any, **more: Any) -> np.ndarray:
    return vectors(live.post("/v1/embeddings", {"input": given, **more}))


def test_texts(live: Running, models: Models) -> None:
    texts = ["a red apple", "", "word " * 100, "日本語", "a\0b"]
    expected = models.embedder.encode(texts)
    assert np.abs(embed(live, texts) - expected).max() < CLOSE
    answer = live.post("/v1/embeddings", {"input": texts[0], "model": "small"}).json()
    tokens = models.embedder.plan(texts[0]).tokens
    assert answer["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
    assert (answer["object"], answer["model"]) == ("list", "small-embedding")


def test_base64_and_float_are_the_same_numbers(live: Running) -> None:
    """Exactly: a float32 written as a decimal number is read back as itself."""
    floats = embed(live, ["a", "b"]).astype(np.float32)
    answer = live.post("/v1/embeddings", {"input": ["a", "b"], "encoding_format": "base64"}).json()
    rows = [np.frombuffer(base64.b64decode(row["embedding"]), "<f4") for row in answer["data"]]
    assert np.abs(np.stack(rows) - floats).max() < CLOSE
    one = live.post("/v1/embeddings", {"input": "a", "encoding_format": "base64"}).json()["data"][0]["embedding"]
    other = live.post("/v1/embeddings", {"input": "a"}).json()["data"][0]["embedding"]
    assert np.array_equal(np.frombuffer(base64.b64decode(one), "<f4"), np.array(other, np.float32))


def test_a_request_alone_has_the_bits_of_a_library_call(live: Running, models: Models) -> None:
    """The same rows in a batch of the same composition: nothing else changes the numbers."""
    for given in (["a red apple"], ["a", "b " * 50, "c"]):
        assert np.array_equal(embed(live, given).astype(np.float32), models.embedder.encode(given))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "binary", "ubinary"])
def test_small_vectors(live: Running, models: Models, dtype: str) -> None:
    expected = models.embedder.encode(["a red apple"], precision=dtype, truncate_dim=32)
    found = embed(live, ["a red apple"], output_dtype=dtype, dimensions=32)
    assert found.astype(expected.dtype).tolist() == expected.tolist()
    coded = embed(live, ["a red apple"], output_dtype=dtype, dimensions=32, encoding_format="base64")
    assert coded.tolist() == found.tolist()  # clients decode base64 as float32, so that these stay lists


def test_every_kind_of_input(live: Running, models: Models, film: Any) -> None:  # noqa: F811
    image, movie, pdf = png(), film.read_bytes(), page_bytes(100, 140, 3)
    inputs = [
        {"image": uri(image), "text": "a dog"},
        {"content": [{"type": "text", "text": "front"}, {"type": "image_url", "image_url": {"url": uri(image)}}]},
        {"video": uri(movie, "video/mp4"), "fps": 2.0, "max_frames": 4},
        {"video": [picture(1), picture(2)], "text": "frames"},
        [{"type": "file", "file": {"file_data": uri(pdf, "application/pdf")}, "page": 2}],
        {"text": "shoes", "instruction": "Find pictures"},
    ]
    items = [
        Item((Image(image), Text("a dog"))),
        Item((Text("front"), Image(image))),
        Item((Video(movie, 2.0, 4),)),
        Item((Video([png(seed=1), png(seed=2)]), Text("frames"))),
        Item((Page(pdf, 2),)),
        Item((Text("shoes"),), "Find pictures"),
    ]
    expected = models.embedder.encode(items)
    assert np.abs(embed(live, inputs) - expected).max() < CLOSE
    for one, vector in zip(inputs, expected, strict=True):  # and each alone
        assert np.abs(embed(live, [one])[0] - vector).max() < CLOSE


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v2/embed"])
def test_null_is_the_default(live: Running, path: str) -> None:
    """As clients send it for what they were not told: each field that has a default, and all of them at once."""
    name = "input" if path == "/v1/embeddings" else "texts"
    schema = live.client.get("/openapi.json").json()["components"]["schemas"]
    fields = schema["EmbeddingsRequest" if name == "input" else "EmbedRequest"]["properties"]
    nulls = {field: None for field, form in fields.items() if {"type": "null"} in form.get("anyOf", [])}
    assert {"truncate", "output_dtype" if name == "input" else "embedding_types"} <= nulls.keys()
    plain = live.post(path, {name: ["a"]}).json()
    for more in (*({field: None} for field in nulls), nulls):
        answer = live.post(path, {name: ["a"], **more})
        assert answer.status_code == 200, (more, answer.text)
        key = "data" if name == "input" else "embeddings"
        assert answer.json()[key] == plain[key]


def test_null_is_no_input(live: Running) -> None:
    for body in ({"input": None}, {"input": "a", "messages": None}, {"input": ["a", None]}):
        assert live.post("/v1/embeddings", body).status_code == 400


def test_settings_of_other_servers_are_taken_when_they_say_nothing(live: Running) -> None:
    for name in ("chat_template_kwargs", "mm_processor_kwargs"):
        assert live.post("/v1/embeddings", {"input": "a", name: {}}).status_code == 200
        answer = live.post("/v1/embeddings", {"input": "a", name: {"max_pixels": 10}})
        error = answer.json()["error"]
        assert (answer.status_code, error["param"]) == (400, name)
        assert "it would change nothing" in error["message"]


HALF = "\\ud800"


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/embeddings", '{"input": {"image": "data:,%s"}}', "input.image"),
        ("/v1/embeddings", '{"input": {"video": ["data:,a", "data:,%s"]}}', "input.video[1]"),
        ("/v1/embeddings", '{"input": [{"type": "file", "file": {"file_data": "data:,%s"}}]}', "input[0].file"),
        ("/v1/score", '{"queries": {"image": "data:,%s"}, "documents": "a"}', "queries.image"),
        ("/v1/rerank", '{"query": "a", "documents": [{"image": "data:;base64,%s"}]}', "documents[0].image"),
    ],
)
def test_half_a_character_in_a_source_is_named(live: Running, path: str, body: str, param: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = live.client.post(path, content=body.replace("%s", HALF), headers=headers)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "source_not_decodable", param), answer.text


def test_messages(live: Running, models: Models) -> None:
    image = png(seed=4)
    content = [{"type": "image_url", "image_url": {"url": uri(image)}}, {"type": "text", "text": "what?"}]
    talk = [{"role": "system", "content": "Find it."}, {"role": "user", "content": content}]
    expected = models.embedder.encode(Item((Image(image), Text("what?")), "Find it."))
    extra = {"add_generation_prompt": True, "add_special_tokens": True}
    for body in ({"messages": talk, **extra}, {"messages": [talk]}, {"input": talk}):
        assert np.abs(vectors(live.post("/v1/embeddings", body))[0] - expected).max() < CLOSE


def test_the_instruction_of_the_request_is_for_those_without(live: Running, models: Models) -> None:
    given = ["a", {"text": "a", "instruction": "Own."}]
    expected = models.embedder.encode(["a", Item((Text("a"),), "Own.")], instruction="Shared.")
    assert np.abs(embed(live, given, instruction="Shared.") - expected).max() < CLOSE


def test_many_clients_get_their_own_answers(live: Running, models: Models) -> None:
    """Requests of all sizes at once: none gets a row of another, and all are those of the library."""
    texts = [[f"text {number} " * (1 + number % 7) for number in range(size)] for size in range(1, 25)]
    requests = [("/v1/embeddings", {"input": group}) for group in texts]
    for group, answer in zip(texts, together(live.url, requests), strict=True):
        assert np.abs(vectors(answer) - models.embedder.encode(group)).max() < CLOSE


def test_too_long_is_an_error(live: Running) -> None:
    long = "word " * 9000
    answer = live.post("/v1/embeddings", {"input": ["a", long]})
    assert answer.status_code == 413
    assert answer.json()["error"]["param"] == "input[1]"
    assert "8192 tokens" in answer.json()["error"]["message"]


def test_a_text_is_cut_when_that_is_asked_for(start: Start) -> None:
    models = embedding_alone(limits=Limits(max_tokens=64))
    with start(lambda: models) as live:
        assert live.post("/v1/embeddings", {"input": "word " * 90}).status_code == 413
        found = embed(live, ["word " * 90], truncate="END")
        assert np.abs(found - models.embedder.encode(["word " * 90])).max() < CLOSE


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 400, "input"),
        ({"input": "a", "messages": [{"role": "user", "content": "a"}]}, 400, "input"),
        ({"input": []}, 400, "input"),
        ({"input": [1, 2]}, 400, "input[0]"),
        ({"input": "a", "dimension": 4}, 400, "dimension"),
        ({"input": "a", "dimensions": 0}, 400, "dimensions"),
        ({"input": "a", "dimensions": 4096}, 400, "dimensions"),
        ({"input": "a", "dimensions": "4"}, 400, "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, 400, "encoding_format"),
        ({"input": "a", "output_dtype": "int4"}, 400, "output_dtype"),
        ({"input": "a", "model": "text-embedding-3-small"}, 404, "model"),
        ({"input": "a", "model": "small-reranker"}, 404, "model"),
        ({"input": ["a", {"image": uri(b"no picture")}]}, 400, "input[1].image"),
        ({"input": ["a", {"text": "b", "image": [picture(), uri(png()[:200])]}]}, 400, "input[1].image[1]"),
        ({"input": {"content": [{"type": "text", "text": "b"}, {"type": "image", "image": "data:,"}]}}, 400, None),
    ],
)
def test_errors_name_the_input_and_the_part(live: Running, body: Any, status: int, param: str | None) -> None:
    answer = live.post("/v1/embeddings", body)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert error["param"] == (param or "input.content[1].image")


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_that_is_not_called_json(live: Running, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = live.client.post("/v1/embeddings", content=b'{"input": "a"}', headers=headers)
    assert answer.status_code == 400
    assert "send Content-Type: application/json" in answer.json()["error"]["message"]
    for body in ([], "a", None):  # JSON, but no object
        assert "Content-Type" not in live.post("/v1/embeddings", body).text


TEXT = {"type": "text", "text": ""}


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/embeddings", {"input": ["a"] * (MOST_ITEMS + 1)}, "input"),
        ("/v1/embeddings", {"input": {"content": [TEXT] * (MOST_ITEMS + 1)}}, "input.content"),
        ("/v1/embeddings", {"messages": [[{"role": "user", "content": ""}]] * (MOST_ITEMS + 1)}, None),
        ("/v1/embeddings", {"input": [[TEXT] * 1000] * 140}, None),
        ("/v2/embed", {"texts": [""] * (MOST_ITEMS + 1)}, "texts"),
        ("/v1/rerank", {"query": "a", "documents": [""] * (MOST_ITEMS + 1)}, "documents"),
    ],
)
def test_lists_that_no_server_takes_are_not_read(live: Running, path: str, body: Any, param: str | None) -> None:
    answer = live.post(path, body)
    assert answer.status_code == 413, answer.text[:1000]
    assert (answer.json()["error"]["code"], answer.json()["error"]["param"]) == ("too_many_items", param)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/embeddings", {"input": ["a"] * 4}),
        ("/v1/embeddings", {"messages": [[{"role": "user", "content": "a"}]] * 4}),
        ("/v2/embed", {"texts": ["a"] * 4}),
        ("/v2/embed", {"images": ["data:,"] * 4}),
        ("/v2/embed", {"inputs": [{"content": "a"}] * 4}),
        ("/v1/rerank", {"query": "a", "documents": ["a"] * 3}),
    ],
)
def test_items_are_counted_before_anything_is_made_of_them(
    start: Start, monkeypatch: pytest.MonkeyPatch, path: str, body: Any
) -> None:
    def made(*_: Any) -> None:
        raise AssertionError

    for module in ("inputs", "embeddings", "reranking"):
        monkeypatch.setattr(f"anyseek.server.{module}.given", made)
    monkeypatch.setattr("anyseek.server.inputs.told", made)
    monkeypatch.setattr("anyseek.server.embeddings.Given", made)
    with start(bounds=Bounds(items=3)) as live:
        answer = live.post(path, body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_many_items")


def test_parts_are_counted(start: Start) -> None:
    with start(bounds=Bounds(parts=6)) as live:
        for path, few, many in (
            ("/v1/embeddings", {"input": [[TEXT] * 3] * 2}, {"input": [[TEXT] * 3, [TEXT] * 4]}),
            ("/v1/embeddings", {"input": {"text": ["a"] * 6}}, {"input": {"text": ["a"] * 7}}),
            (
                "/v1/rerank",  # the prompt of each document repeats the query
                {"query": [TEXT] * 2, "documents": ["a"] * 2},
                {"query": [TEXT] * 2, "documents": ["a"] * 3},
            ),
        ):
            assert live.post(path, few).status_code == 200
            answer = live.post(path, many)
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_many_parts")
            assert "more than 6" in answer.json()["error"]["message"]


def test_one_bad_input_costs_its_own_request_only(live: Running, models: Models) -> None:
    broken = bytearray(png(seed=9, width=320, height=320))
    broken[-200:-100] = b"x" * 100  # the header is sound: it fails when it is decoded
    bad = {"input": [{"image": uri(bytes(broken))}, "a"]}
    good = {"input": ["b", {"image": picture(3)}]}
    answers = together(live.url, [("/v1/embeddings", body) for body in (bad, good, bad, good)])
    assert [answer.status_code for answer in answers] == [400, 200, 400, 200]
    assert answers[0].json()["error"]["param"] == "input[0].image"
    expected = models.embedder.encode(["b", Image(png(seed=3))])
    assert np.abs(vectors(answers[1]) - expected).max() < CLOSE


# Cohere


def test_cohere_types(live: Running, models: Models) -> None:
    kinds = ["float", "int8", "uint8", "binary", "ubinary", "base64"]
    body = {"model": "small", "texts": ["a", "b"], "input_type": "search_document", "embedding_types": kinds}
    answer = live.post("/v2/embed", {**body, "output_dimension": 16}).json()
    assert list(answer["embeddings"]) == kinds
    expected = models.embedder.encode(["a", "b"], truncate_dim=16)
    assert np.abs(np.array(answer["embeddings"]["float"]) - expected).max() < CLOSE
    decoded = np.stack([np.frombuffer(base64.b64decode(row), "<f4") for row in answer["embeddings"]["base64"]])
    assert np.array_equal(decoded, np.array(answer["embeddings"]["float"], np.float32))
    for kind in kinds[1:5]:
        stored = models.embedder.encode(["a", "b"], truncate_dim=16, precision=kind)
        assert np.abs(np.array(answer["embeddings"][kind]) - stored.astype(int)).max() <= 1  # at an edge of rounding
    assert answer["texts"] == ["a", "b"]
    assert answer["response_type"] == "embeddings_by_type"
    assert answer["meta"]["billed_units"]["input_tokens"] > 0


def test_cohere_inputs(live: Running, models: Models) -> None:
    image = png(seed=5)
    content = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": uri(image)}}]
    cases = [
        ({"images": [uri(image)], "input_type": "image"}, models.embedder.encode([Image(image)])),
        ({"inputs": [{"content": content}]}, models.embedder.encode([Item((Text("a"), Image(image)))])),
        ({"texts": ["a"], "input_type": "search_query"}, models.embedder.encode_query(["a"])),
        ({"texts": ["a"], "instruction": "X."}, models.embedder.encode(["a"], instruction="X.")),
        ({"texts": ["a"]}, models.embedder.encode(["a"])),
    ]
    for body, expected in cases:
        found = live.post("/v2/embed", body).json()
        assert np.abs(np.array(found["embeddings"]["float"]) - expected).max() < CLOSE
    assert QUERY_INSTRUCTION


def test_cohere_cuts_and_says_so(live: Running, models: Models) -> None:
    body = {"texts": ["a", "word " * 50], "max_tokens": 10}
    answer = live.post("/v2/embed", body)
    assert answer.status_code == 200
    (warning,) = answer.json()["meta"]["warnings"]
    assert warning.startswith("texts[1]: ")
    cut = models.embedder.processor.tokenizer.cut("word " * 50, 10, parse_special=False)
    expected = models.embedder.encode(["a", cut])
    assert np.abs(np.array(answer.json()["embeddings"]["float"]) - expected).max() < CLOSE
    refused = live.post("/v2/embed", {**body, "truncate": "NONE"})
    assert refused.status_code == 413
    assert "10 tokens of text" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"texts": []},
        {"texts": ["a"], "images": [picture()]},
        {"texts": ["a"], "truncate": "START"},
        {"texts": ["a"], "embedding_types": ["float64"]},
        {"texts": ["a"], "embedding_types": []},
        {"texts": "a"},
        {"images": ["https:/example.org/x.png"]},
    ],
)
def test_cohere_errors(live: Running, body: Any) -> None:
    answer = live.post("/v2/embed", body)
    assert answer.status_code == 400, answer.text
    assert json.loads(answer.text)["error"]["type"] == "invalid_request_error"
