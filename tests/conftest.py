"""Checkpoints that several rooms' tests share, written once a session."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from anyseek.engine import Embedder, Reranker

GOLDEN = Path(__file__).parent / "golden"


def write_checkpoint(kind: str, folder: Path, style: str = "legacy") -> Path:
    """One of the conformance checkpoints, by the script that the expected numbers come from."""
    spec = importlib.util.spec_from_file_location("make_checkpoint", GOLDEN / "make_checkpoint.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(kind, folder, style)
    return folder


@pytest.fixture(scope="session")
def embedding_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small embedding checkpoint: true architecture and file layout, the real vocabulary, random weights."""
    return write_checkpoint("embedding", tmp_path_factory.mktemp("checkpoints") / "embedding")


@pytest.fixture(scope="session")
def reranking_folder(embedding_folder: Path) -> Path:
    """The reranking checkpoint: it differs from the embedding one in the tokenizer's post-processor only."""
    folder = embedding_folder.parent / "reranking"
    folder.mkdir()
    for file in embedding_folder.iterdir():
        (folder / file.name).hardlink_to(file)
    tokenizer = json.loads((embedding_folder / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["post_processor"] = None
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def embedder(embedding_folder: Path) -> Embedder:
    return Embedder.load(embedding_folder, device="cpu")


@pytest.fixture(scope="session")
def reranker(reranking_folder: Path) -> Reranker:
    return Reranker.load(reranking_folder, device="cpu")


@pytest.fixture(scope="session")
def golden() -> dict[str, Any]:
    """Cases and what the reference made of them (tests/golden)."""
    cases, expected = (
        json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8")) for name in ("cases", "golden")
    )
    return {kind: list(zip(cases[kind], expected[kind], strict=True)) for kind in ("embedding", "reranking")}


def located(case: dict[str, Any]) -> dict[str, Any]:
    """A case with its files found."""

    def find(value: Any) -> Any:
        return [find(v) for v in value] if isinstance(value, list) else str(GOLDEN / "inputs" / value)

    return {key: find(value) if key in ("image", "video") else value for key, value in case.items()}
