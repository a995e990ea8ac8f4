"""From trained models to the bundled pair: how their opinions are fused, and in which form they lie."""

from pathlib import Path

import numpy as np

from anyseek import world
from anyseek.engine import Embedder, Reranker
from anyseek.model import hub
from anyseek.search import Fusion

__all__ = ["bundle", "fuse"]

CORPORA = ({"scene": 120}, {"page": 80, "chart": 40}, {"clip": 80}, {"note": 60})
"""Of the training split; the fusion is fitted on what is found there."""
CANDIDATES = 10
SEED = 7
OPTIONS = {"dtype": "bfloat16", "shard_bytes": 16 * 10**6}


def fuse(embedder: Path, reranker: Path, queries: int = 120, seed: int = SEED) -> Fusion:
    """Fit how the reranker's opinion and the cosine become one probability, and keep it beside the reranker.

    Args:
        embedder: its folder.
        reranker: its folder.
        queries: of each corpus.
        seed: of the corpora.
    """
    finder, judge = Embedder.load(embedder), Reranker.load(reranker)
    log_odds, cosines, labels = [], [], []
    for kinds in CORPORA:
        corpus = world.build_corpus(seed, "train", world.Plan(sizes=kinds, queries=queries))
        documents = [thing.item() for thing in corpus.things]
        asked = [query.item() for query in corpus.queries]
        similarity = finder.similarity(finder.encode(asked), finder.encode(documents))
        for number, query in enumerate(asked):
            best = [int(place) for place in np.argsort(-similarity[number], kind="stable")[:CANDIDATES]]
            log_odds.append(judge.predict([(query, documents[place]) for place in best], activation="none"))
            cosines.append(similarity[number][best])
            labels.append(np.isin(best, list(corpus.relevance[number])))
    fusion = Fusion.fit(*(np.concatenate(each) for each in (log_odds, cosines, labels)))
    fusion.write(reranker)
    return fusion


def bundle(embedder: Path, reranker: Path | None, models: Path = Path("models")) -> None:
    """Write models as the package bundles them: bf16, shards of at most 16 MB, loadable elsewhere too.

    Args:
        embedder: its folder.
        reranker: its folder; None leaves the bundled one.
        models: where the pair lies.
    """
    Embedder.load(embedder).save(models / hub.TINY["embedding"], **OPTIONS)
    if reranker is not None:
        Reranker.load(reranker).save(models / hub.TINY["reranking"], **OPTIONS)
