"""The OpenAPI document is true: what it allows is answered as it says, what it forbids is refused."""

import subprocess
import sys

import pytest

from tests.server.conftest import Running


def test_paths_and_answers(live: Running) -> None:
    document = live.client.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/v1/embeddings",
        "/v2/embed",
        "/v1/rerank",
        "/v2/rerank",
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
                if status != "200":
                    assert answer["content"]["application/json"]["schema"]["$ref"].endswith("/ErrorAnswer")
    assert not {"HTTPValidationError", "ValidationError"} & set(document["components"]["schemas"])


@pytest.mark.slow
def test_schemathesis_finds_nothing(live: Running) -> None:
    """Requests drawn from the document, right and wrong ones: answers are those that it names, in its shapes."""
    pytest.importorskip("schemathesis")
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{live.url}/openapi.json"]
    how = ["--phases", "coverage,fuzzing", "--max-examples", "5", "--generation-deterministic"]
    done = subprocess.run([*command, *how], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
