"""The OpenAPI document is true: what it allows is answered as it says, what it forbids is refused."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anyseek.server import Models
from anyseek.server.options import MOST_ITEMS
from tests.server.conftest import Running, Start, until
from tests.server.test_library import fill, job

ROOT = Path(__file__).parents[2]
CONFIG = """
[checks.positive_data_acceptance]
# 400 is judged by drawn_requests.py; 404, 409 and 413 are models, jobs
# and sizes, which depend on how the server was started and on what else goes on
expected-statuses = ["2xx", 400, 404, 409, 413]
"""
SECONDS = {"coverage": 45, "fuzzing": 25}
"""Of each phase, at most; the first ends by itself, the second when its time does."""


def test_paths_and_answers(live: Running, models: Models) -> None:
    document = live.client.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/v1/embeddings",
        "/v2/embed",
        "/rerank",
        "/v1/rerank",
        "/v2/rerank",
        "/score",
        "/v1/score",
        "/v1/session",
        "/v1/search",
        "/v1/library",
        "/v1/library/index",
        "/v1/library/files",
        "/v1/library/files/{id}",
        "/v1/library/things/{id}",
        "/v1/library/things/{id}/thumbnail",
        "/v1/library/things/{id}/page",
        "/v1/library/things/{id}/content",
        "/v1/models",
        "/v1/models/{name}",
        "/health",
        "/ready",
        "/metrics",
        "/info",
    }
    for path in document["paths"].values():
        for operation in path.values():
            assert "422" not in operation["responses"]
            assert operation["summary"]
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert answer["content"]["application/json"]["schema"]["$ref"].endswith("/ErrorAnswer")
    schemas = document["components"]["schemas"]
    assert not {"HTTPValidationError", "ValidationError"} & set(schemas)
    assert schemas["EmbeddingsRequest"]["properties"]["dimensions"]["anyOf"][0]["maximum"] == models.embedder.dim


def test_bounds_stand_where_they_hold(live: Running) -> None:
    """Each in the words of JSON Schema, on the numbers themselves rather than beside null."""
    document = live.client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    found = []

    def walk(schema: Any) -> None:
        if isinstance(schema, dict):
            assert not {"ge", "le", "gt", "lt", "multiple_of"} & schema.keys()
            if {"minimum", "maximum"} & schema.keys():
                assert schema["type"] in ("integer", "number")
                found.append(schema)
            for inner in schema.values():
                walk(inner)
        elif isinstance(schema, list):
            for inner in schema:
                walk(inner)

    walk(document)
    assert len(found) > 10
    for name, field, least in (
        ("EmbeddingsRequest", "dimensions", 1),
        ("EmbedRequest", "output_dimension", 1),
        ("EmbedRequest", "priority", 0),
        ("RerankRequest", "top_n", 1),
    ):
        whole, null = schemas[name]["properties"][field]["anyOf"]
        assert (whole["type"], whole["minimum"], null) == ("integer", least, {"type": "null"})


def test_the_document_tells_of_nulls_and_lengths(live: Running) -> None:
    """A field that has a default takes null for it, one that has none does not; no list is endless."""
    schemas = live.client.get("/openapi.json").json()["components"]["schemas"]
    null = {"type": "null"}
    for name, field in (
        ("EmbeddingsRequest", "encoding_format"),
        ("EmbeddingsRequest", "output_dtype"),
        ("EmbeddingsRequest", "truncate"),
        ("EmbedRequest", "embedding_types"),
        ("EmbedRequest", "truncate"),
        ("SearchRequest", "top"),
        ("SearchRequest", "stream"),
        ("IndexRequest", "retry"),
        ("FilePart", "page"),
    ):
        told = schemas[name]["properties"][field]
        assert null in told["anyOf"]
        assert "default" in told
    for name, field in (("EmbeddingsRequest", "input"), ("EmbedRequest", "texts"), ("SearchRequest", "query")):
        assert null not in schemas[name]["properties"][field].get("anyOf", [])
    for name, field in (("EmbedRequest", "texts"), ("EmbedRequest", "inputs"), ("RerankRequest", "documents")):
        assert schemas[name]["properties"][field]["maxItems"] == MOST_ITEMS


def test_all_methods_of_an_address_are_named(live: Running) -> None:
    answer = live.client.put("/v1/library/files")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")
    assert answer.json()["error"]["code"] == "method_not_allowed"


@pytest.fixture(scope="module")
def drawn(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with a library of a few files."""
    root = tmp_path_factory.mktemp("drawn")
    with start(library=root / "library", folders=(fill(root / "files"),)) as found:
        until(lambda: job(found)["state"] == "done")
        yield found


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["coverage", "fuzzing"])
def test_schemathesis_finds_nothing(drawn: Running, tmp_path: Path, phase: str) -> None:
    """Requests drawn from the document, right and wrong ones: answers are those that it names, in its shapes.

    On a machine so slow that the time is over before, some endpoints have their turn in the other phase only.
    """
    pytest.importorskip("schemathesis")
    (tmp_path / "schemathesis.toml").write_text(CONFIG, encoding="utf-8")
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{drawn.url}/openapi.json"]
    how = ["--phases", phase, "--max-time", str(SECONDS[phase]), "--max-examples", "5", "--generation-deterministic"]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.server.drawn_requests", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*command, *how], capture_output=True, text=True, timeout=300, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    operations = sum(map(len, drawn.client.get("/openapi.json").json()["paths"].values()))
    assert f"{operations} selected" in done.stdout
    assert f"Tested: {operations}" in done.stdout or "Time limit reached" in done.stdout, done.stdout[-3000:]
