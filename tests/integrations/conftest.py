"""The bundled pair, and a library over a few of the bundled samples."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from anyseek import Embedder, Library, Reranker

SAMPLES = Path(__file__).parents[2] / "samples"
CHOSEN = (
    "pictures/p002.jpg",
    "pictures/p004.png",
    "pictures/p011.jpg",
    "documents/d004.pdf",
    "documents/d010.pdf",
    "clips/v003.mp4",
    "notes/n011.txt",
    "notes/n014.txt",
)


@pytest.fixture(scope="session")
def tiny() -> Embedder:
    return Embedder.load("tiny", device="cpu")


@pytest.fixture(scope="session")
def tiny_reranker() -> Reranker:
    return Reranker.load("tiny", device="cpu")


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, documents, a clip and notes."""
    folder = tmp_path_factory.mktemp("samples")
    for name in CHOSEN:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(SAMPLES / name, folder / name)
    return folder.resolve()


@pytest.fixture(scope="session")
def indexed(
    samples: Path, tiny: Embedder, tiny_reranker: Reranker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Library]:
    with Library.open(tmp_path_factory.mktemp("library") / "library", tiny, tiny_reranker) as library:
        assert library.index([samples]).indexed == len(CHOSEN)
        yield library
