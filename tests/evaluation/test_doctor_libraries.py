"""`doctor` against transformers and sentence-transformers: stages seen from outside, equal or with the right cause."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from anyseek.engine import Embedder, Reranker
from anyseek.errors import CheckpointError, DependencyError
from anyseek.evaluation.conformance import FULL, SentenceTransformers, Tracer, Transformers, diagnose, pack

pytest.importorskip("transformers")
from tests.model.test_layout import FIVE, embedding_saved, no_video, reranking_saved  # noqa: F401

pytestmark = [pytest.mark.usefixtures("no_video"), pytest.mark.filterwarnings("ignore")]
CPU = torch.device("cpu")


def stages(trace) -> set[str]:
    return {name for name in trace.__dataclass_fields__ if getattr(trace, name) is not None}


def test_transformers_agrees_at_every_stage(embedder: Embedder, embedding_saved: Path) -> None:  # noqa: F811
    target = Transformers(embedding_saved, "embedding", CPU)
    shown = stages(target.trace(pack("embedding")[3]))
    assert shown == {"prompt", "token_ids", "grids", "pixels", "features", "layers", "pooled", "vector"}
    found = diagnose(Tracer(embedder), target, pack("embedding"), FULL)
    assert [finding.difference for finding in found.findings] == [None] * len(pack("embedding"))


def test_transformers_agrees_about_pairs(reranker: Reranker, reranking_saved: Path) -> None:  # noqa: F811
    found = diagnose(Tracer(reranker), Transformers(reranking_saved, "reranking", CPU), pack("reranking"), FULL)
    assert [finding.difference for finding in found.findings] == [None] * len(pack("reranking"))


def changed(folder: Path, target: Path, name: str, **values: object) -> Path:
    """A copy of a folder with other values in one of its JSON files."""
    shutil.copytree(folder, target)
    content = json.loads((target / name).read_text(encoding="utf-8"))
    (target / name).write_text(json.dumps(content | values), encoding="utf-8")
    return target


def test_the_sizes_of_a_published_preprocessor_are_the_cause(
    embedder: Embedder,
    embedding_saved: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    """The published files ask for 65,536 pixels at least, which the public code overrides and transformers obeys."""
    sizes = {"shortest_edge": 65_536, "longest_edge": 16_777_216}
    folder = changed(
        embedding_saved,
        tmp_path / "published",
        "preprocessor_config.json",
        size=sizes,
        min_pixels=65_536,
        max_pixels=16_777_216,
    )
    found = diagnose(Tracer(embedder), Transformers(folder, "embedding", CPU), pack("embedding"), FULL)
    ((explanation, cases),) = found.causes
    assert explanation.causes == ("resize",)
    assert explanation.details == ("65,536 pixels at least",)
    assert set(cases) == {"picture", "small picture", "two pictures, text"}
    assert {f.difference.stage for f in found.findings if f.difference} == {"token ids"}


def test_a_layer_that_differs_is_named(embedder: Embedder, embedding_saved: Path) -> None:  # noqa: F811
    target = Transformers(embedding_saved, "embedding", CPU)
    with torch.no_grad():
        target._model.model.language_model.layers[2].mlp.down_proj.weight.mul_(1.5)
    found = diagnose(Tracer(embedder), target, pack("embedding")[:1], FULL)
    assert found.findings[0].stage == "layer 2"
    assert found.causes == ()


def test_sentence_transformers_agrees(embedder: Embedder, embedding_saved: Path) -> None:  # noqa: F811
    pytest.importorskip("sentence_transformers")
    target = SentenceTransformers(embedding_saved, "embedding", CPU)
    shown = stages(target.trace(pack("embedding")[3]))
    assert shown == {"token_ids", "grids", "pixels", "features", "layers", "vector"}
    found = diagnose(Tracer(embedder), target, pack("embedding"), FULL)
    assert [finding.difference for finding in found.findings] == [None] * len(pack("embedding"))


def test_mean_pooling_in_sentence_transformers_is_named(
    embedder: Embedder,
    embedding_saved: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    pytest.importorskip("sentence_transformers")
    folder = changed(embedding_saved, tmp_path / "mean", "1_Pooling/config.json", pooling_mode="mean")
    target = SentenceTransformers(folder, "embedding", CPU)
    found = diagnose(Tracer(embedder), target, pack("embedding")[:4], FULL)
    assert {f.difference.stage for f in found.findings} == {"vector"}
    assert {f.stage for f in found.findings} == {"pooling"}
    assert [explanation.causes for explanation, _ in found.causes] == [("mean pooling",)]


@pytest.mark.skipif(not FIVE, reason="sentence-transformers reads such rerankers with transformers 5 only")
def test_sentence_transformers_agrees_about_pairs(reranker: Reranker, reranking_saved: Path) -> None:  # noqa: F811
    target = SentenceTransformers(reranking_saved, "reranking", CPU)
    found = diagnose(Tracer(reranker), target, pack("reranking"), FULL)
    assert [finding.difference for finding in found.findings] == [None] * len(pack("reranking"))


def test_a_folder_that_a_library_cannot_load_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="cannot load"):
        Transformers(tmp_path, "embedding", CPU)


def test_a_missing_library_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, embedding_folder: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)
    with pytest.raises(DependencyError, match="pip install"):
        SentenceTransformers(embedding_folder, "embedding", CPU)
