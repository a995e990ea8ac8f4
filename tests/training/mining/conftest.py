"""Small datasets of texts."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from anyseek.training.data import About, Dataset, DatasetWriter


@pytest.fixture
def dataset(tmp_path: Path) -> Callable[..., Dataset]:
    """Texts by id, and relevance: (positives, negatives) by query."""

    def write(
        queries: Mapping[str, Any], corpus: Mapping[str, Any], judged: Mapping[str, Any], **about: Any
    ) -> Dataset:
        folder = tmp_path / "data"
        with DatasetWriter(folder, About(name="plane", **about)) as writer:
            for key, item in corpus.items():
                writer.document(key, item)
            for key, item in queries.items():
                writer.query(key, item)
            for key, (positives, negatives) in judged.items():
                writer.relevance(key, positives, negatives)
        return Dataset.open(folder)

    return write
