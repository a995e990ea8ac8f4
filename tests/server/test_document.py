"""The OpenAPI document is true: what it allows is answered as it says, what it forbids is refused."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from anyseek.server import Models
from tests.server.conftest import Running

ROOT = Path(__file__).parents[2]
CONFIG = """
[checks.positive_data_acceptance]
# 400 is judged by drawn_requests.py; 404 and 413 are models and sizes, which depend on how the server was started
expected-statuses = ["2xx", 400, 404, 413]
"""


def test_paths_and_answers(live: Running, models: Models) -> None:
    document = live.client.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/v1/embeddings",
        "/v2/embed",
        "/v1/rerank",
        "/v2/rerank",
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


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["coverage", "fuzzing"])
def test_schemathesis_finds_nothing(live: Running, tmp_path: Path, phase: str) -> None:
    """Requests drawn from the document, right and wrong ones: answers are those that it names, in its shapes."""
    pytest.importorskip("schemathesis")
    (tmp_path / "schemathesis.toml").write_text(CONFIG, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "run",
        f"{live.url}/openapi.json",
    ]
    how = ["--phases", phase, "--max-examples", "5", "--generation-deterministic"]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.server.drawn_requests", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*command, *how], capture_output=True, text=True, timeout=900, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "10 selected" in done.stdout
