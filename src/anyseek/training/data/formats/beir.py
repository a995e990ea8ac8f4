"""BEIR: a folder of `corpus.jsonl`, `queries.jsonl` and `qrels/SPLIT.tsv`; text only."""

import csv
from pathlib import Path
from typing import Any

from anyseek.errors import InputError, SourceError
from anyseek.items import Item, Text
from anyseek.training.data.collector import Collector
from anyseek.training.data.dataset import Dataset, Example
from anyseek.training.data.formats.reading import Reading, at, for_each_row, number, text, texts
from anyseek.training.data.formats.writing import drafted, only_text, write_lines

__all__ = ["read", "write"]

COLUMNS = ("query-id", "corpus-id", "score")


def read(source: Path, collector: Collector, how: Reading) -> None:
    """A folder; the title stands before the text. Judged 0 is a negative; queries of other splits are left out.

    Raises:
        InputError: a file is missing or a row is wrong.
    """
    qrels = _qrels(source, how.split)
    judged: dict[str, dict[str, float]] = {}

    def judgement(row: dict[str, Any], _: Path) -> None:
        """A grade of a pair."""
        if missing := [name for name in COLUMNS if name not in row]:
            raise InputError(f"has no column {missing[0]!r}; the header must be {' '.join(COLUMNS)}")
        judged.setdefault(row["query-id"], {})[row["corpus-id"]] = number(row["score"], "score")

    def document(row: dict[str, Any], _: Path) -> None:
        """Its title and its text."""
        words = " ".join([*texts(row, "title"), *texts(row, "text")]).strip()
        collector.document(Item((Text(words),)), text(row, "_id"))

    def query(row: dict[str, Any], _: Path) -> None:
        """If this split judges it."""
        if (key := text(row, "_id")) in judged:
            collector.query(text(row, "text"), key)

    for_each_row([qrels], judgement)
    for_each_row([source / "corpus.jsonl"], document)
    for_each_row([source / "queries.jsonl"], query)
    with at(qrels.name):
        _judge(collector, judged)


def _judge(collector: Collector, judged: dict[str, dict[str, float]]) -> None:
    """Add what is known of all queries; grades are scores if any of them is neither 0 nor 1."""
    graded = any(score not in (0, 1) for scores in judged.values() for score in scores.values())
    for key, scores in judged.items():
        _judge_one(collector, key, scores, graded or collector.writer.about.task == "sts")


def _judge_one(collector: Collector, key: str, scores: dict[str, float], graded: bool) -> None:
    """Add what is known of a query."""
    found = [(collector.find("document", one), score) for one, score in scores.items()]
    pairs = collector.writer.about.task == "sts"
    positives = [one for one, score in found if score > 0 and not pairs]
    negatives = [one for one, score in found if score <= 0 and not pairs]
    collector.judge(collector.find("query", key), positives, negatives, found if graded else ())


def _qrels(source: Path, split: str | None) -> Path:
    """The file of judgements."""
    found = {path.stem: path for path in sorted((source / "qrels").glob("*.tsv"))}
    wanted = split or ("train" if "train" in found else next(iter(found), "train") if len(found) < 2 else None)
    if wanted not in found:
        raise SourceError(f"{source}/qrels has {', '.join(found) or 'no .tsv file'}; choose one with --split")
    return found[wanted]


def write(data: Dataset, target: Path) -> None:
    """A folder with one split, `train`: positives with their grade, or 1, and hard negatives as judged 0.

    Raises:
        InputError: the target is there already, an item is more than text, or a grade is no whole number.
    """
    with drafted(target) as draft:
        (draft / "qrels").mkdir(parents=True)
        write_lines(draft / "queries.jsonl", (_row(key, item) for key, item in data.items("queries")))
        write_lines(draft / "corpus.jsonl", (_row(key, item) | {"title": ""} for key, item in data.items("corpus")))
        with (draft / "qrels" / "train.tsv").open("w", encoding="utf-8", newline="\n") as file:
            table = csv.writer(file, delimiter="\t", lineterminator="\n")
            table.writerow(COLUMNS)
            for example in data.examples():
                table.writerows((example.query_id, key, grade) for key, grade in _grades(example))


def _row(key: str, item: Item) -> dict[str, Any]:
    """A query or a document."""
    return {"_id": key, "text": only_text(item, key, "BEIR"), "metadata": {}}


def _grades(example: Example) -> list[tuple[str, int]]:
    """Whole numbers for every document that is judged."""
    grades = []
    for key in example.documents:
        grade = 0 if key in example.negatives else example.scores.get(key, 1)
        if grade != int(grade) or (key in example.positives and grade < 1):
            raise InputError(
                f"query {example.query_id!r} has {grade} for {key!r}, but BEIR takes whole grades, 1 or more"
            )
        grades.append((key, int(grade)))
    return grades
