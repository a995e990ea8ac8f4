"""Mining: a dataset with refined positives and hard negatives, from the similarities of an embedder."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from anyseek.engine import Embedder, Reranker
from anyseek.training.data import Dataset, DatasetWriter
from anyseek.training.data.dataset import SIDES, Side
from anyseek.training.mining.copying import form_of
from anyseek.training.mining.miner import MineOptions, Miner, Recalled
from anyseek.training.mining.pairs import PairScores
from anyseek.training.mining.prints import Known
from anyseek.training.mining.recall import recall
from anyseek.training.mining.report import SUSPECTS, Report
from anyseek.training.mining.shards import Shelf, Shelves, Vectors, encode_table
from anyseek.training.mining.walking import Tell, Walk, check_judged

__all__ = ["mine"]


def mine(
    data: Dataset,
    out: Path,
    embedder: Known[Embedder],
    options: MineOptions,
    reranker: Known[Reranker] | None = None,
    tell: Tell = lambda _: None,
) -> dict[str, Any]:
    """Write a new dataset with the queries and documents of another one, refined positives and mined hard negatives.

    The new folder stands alone: media are copied. It also holds the report, `mining.json`, and every suspected false
    negative in `suspects.jsonl`. Interrupted, it goes on with what is in `options.work`.

    Args:
        data: with positives; its negatives and scores are not taken over.
        out: folder of the new dataset.
        embedder: whose cosines count.
        options: how.
        reranker: reads the candidates; its log-odds become `scores`.
        tell: takes lines on what is going on.

    Returns:
        The report.

    Raises:
        InputError: `out` holds something, or the dataset has no positives and negatives.
    """
    check_judged(data, out)
    shelves = Shelves.of(data, options.work)
    queries, documents = (
        _encoded(data, side, embedder, shelves.vectors(side, embedder.identity), options, tell) for side in SIDES
    )
    scores = None
    if reranker is not None:
        shelf = shelves.pairs(reranker.identity)
        tell(shelf.news())
        scores = PairScores(reranker.model, data, shelf)
    recalled = Recalled(queries, documents, recall(queries, documents, options.top))
    head = _head(data, embedder, options, reranker)
    with (
        DatasetWriter(out, data.about, form=form_of(data)) as writer,
        (writer.draft / SUSPECTS).open("w", encoding="utf-8") as file,
    ):
        report = Report(head, file)
        walk = Walk(data, report, negatives=False)
        walk.copy(writer, {"queries": queries.errors(), "corpus": documents.errors()})
        Miner(walk, writer, report, options, scores).run(recalled)
        return report.write(writer.draft)


def _encoded(
    data: Dataset, side: Side, embedder: Known[Embedder], shelf: Shelf, options: MineOptions, tell: Tell
) -> Vectors:
    """The vectors of a side."""
    tell(shelf.news())
    return encode_table(embedder.model, data, side, shelf, options.show_progress_bar)


def _head(
    data: Dataset, embedder: Known[Embedder], options: MineOptions, reranker: Known[Reranker] | None
) -> dict[str, Any]:
    """What the report begins with."""
    return {
        "dataset": data.name,
        "embedder": dict(embedder.identity),
        "reranker": dict(reranker.identity) if reranker else None,
        "t_plus": options.bounds.positive,
        "delta_minus": options.bounds.margin,
        "top": options.top,
        "negatives": asdict(options.preference),
        "pool": options.pool if reranker else None,
        "relevant_above": options.relevant if reranker else None,
    }
