"""What looks at a development set: it is refused where it could tell nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from anyseek.engine import Embedder, Reranker
from anyseek.errors import ConfigError
from anyseek.items import Item
from anyseek.training import TrainOptions
from anyseek.training.data import About, DatasetWriter
from anyseek.training.looking import dev_metric, score_row
from anyseek.training.stage import Stage, StageSource, run_stage


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three datasets of one query: with a positive alone, with a negative too, and of a graded pair."""
    root = tmp_path_factory.mktemp("looking")
    for name, row in {"positives": (["d0"], []), "both": (["d0"], ["d1"]), "sts": ([], [], {"d0": 1.0})}.items():
        with DatasetWriter(root / name, About(name=name, task="sts" if name == "sts" else "retrieval")) as writer:
            writer.query("q", Item.of("a red apple"))
            writer.document("d0", Item.of("an apple"))
            writer.document("d1", Item.of("a boat"))
            writer.relevance("q", *row)
    return root


def test_a_set_that_tells_nothing_is_refused(folders: Path) -> None:
    reranker, embedder = Reranker.load("tiny"), Embedder.load("tiny")
    for name in ("positives", "sts"):
        with pytest.raises(ConfigError, match=f"{name}: no row has a positive and a negative.*anyseek mine"):
            dev_metric(reranker, folders / name)
    with pytest.raises(ConfigError, match="sts: no row has a positive,.*another task"):
        dev_metric(embedder, folders / "sts")
    assert dev_metric(reranker, folders / "both")() in (0.0, 1.0)
    assert dev_metric(embedder, folders / "positives")() in (0.0, 1.0)


def test_it_is_refused_before_anything_is_trained(folders: Path, tmp_path: Path) -> None:
    stage = Stage(
        kind="reranker",
        model="tiny",
        out=tmp_path / "run",
        sources=(StageSource(folder=folders / "both", queries=1),),
        training=TrainOptions(steps=1, learning_rate=1e-4),
        dev=folders / "positives",
    )
    with pytest.raises(ConfigError, match="dev="):
        run_stage(stage, show_progress_bar=False)
    assert not (tmp_path / "run").exists()
    with pytest.raises(ConfigError, match="sts: none of its 1 rows can be used here: a row needs a positive or a neg"):
        run_stage(replace(stage, sources=(StageSource(folder=folders / "sts"),)), show_progress_bar=False)


def test_the_row_of_a_tied_model_is_that_of_its_embeddings() -> None:
    reranker = Reranker.load("tiny", dtype="float32")
    assert score_row(reranker).equal(reranker.score_row)
    embeddings = reranker.backbone.language_model.embed_tokens.weight.requires_grad_()
    row = score_row(reranker)
    assert row.equal(reranker.score_row) and row.requires_grad
    embeddings.data[reranker.processor.tokenizer.yes_no_ids()[0]] += 1
    assert (score_row(reranker) - reranker.score_row).mean().item() == pytest.approx(1)
