"""What datasets ask, for the reranker to judge beside what its embedder finds: classes, questions, parts, moments."""

import random
from collections.abc import Collection
from pathlib import Path

from anyseek.training.data import Dataset, Example
from recipes.candidates import Candidate, JudgedBatch, Reader, packed

__all__ = ["Given"]


class Given:
    """Batches of dataset folders: a query's own wrong documents beside its answer, read when they are asked for."""

    def __init__(self, reader: Reader, folders: Collection[Path]) -> None:
        """Open the folders.

        Args:
            reader: of everything.
            folders: of datasets; what has no answer or no negative is left out. A batch's kind is a folder's name.
        """
        self.reader = reader
        self.datasets = {folder.name: Dataset.open(folder) for folder in folders}
        self.rows = {
            name: [row for row, judged in enumerate(data.judged()) if judged["positives"] and judged["negatives"]]
            for name, data in self.datasets.items()
        }

    def batch(self, rng: random.Random, name: str, queries: int, candidates: int) -> JudgedBatch:
        """Queries of a dataset, each with as many documents.

        Args:
            rng: of what is drawn.
            name: of the dataset.
            queries: how many, at most.
            candidates: documents of a query, at most: fewer where one of the queries has fewer.
        """
        data = self.datasets[name]
        rows = self.rows[name]
        examples = [data.example(row) for row in rng.sample(rows, min(queries, len(rows)))]
        wrong = min(candidates - 1, *(len(example.negatives) for example in examples))
        shown = [data.document(key) for example in examples for key in _documents(example, wrong, rng)]
        asked = [example.query for example in examples]
        vectors, query_features = self.reader.read(asked)
        found = [
            Candidate(item, self.reader.rest(item), vector, features)
            for item, vector, features in zip(shown, *self.reader.read(shown), strict=True)
        ]
        return packed(self.reader, asked, vectors, query_features, found, name)


def _documents(example: Example, wrong: int, rng: random.Random) -> tuple[str, ...]:
    """The id of an answer, then of so many that are none."""
    return rng.choice(example.positives), *rng.sample(example.negatives, wrong)
