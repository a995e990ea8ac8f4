"""Foreign formats: what reads and what writes each, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from anyseek.errors import ConfigError
from anyseek.training.data.about import About
from anyseek.training.data.collector import Collector
from anyseek.training.data.dataset import Dataset
from anyseek.training.data.formats import beir, flag, swift, tevatron, triplets, vlm2vec
from anyseek.training.data.formats.reading import Reading
from anyseek.training.data.writer import DatasetWriter, Form

__all__ = ["FORMATS", "Format", "export_dataset", "import_dataset"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A foreign format.

    Attributes:
        read: from a file or folder into a collector.
        write: from a dataset to a file or folder; None where only reading is known.
        loses: what it has no place for, as words for a note; empty where it holds everything.
    """

    read: Callable[[Path, Collector, Reading], None]
    write: Callable[[Dataset, Path], None] | None = None
    loses: str = ""


FORMATS = {
    "beir": Format(read=beir.read, write=beir.write, loses="instructions and scores of negatives"),
    "flagembedding": Format(read=flag.read, write=flag.write, loses="ids and documents that no query names"),
    "ms-swift": Format(
        read=swift.read,
        write=swift.write,
        loses="ids, documents that no query names, scores (except of sts), fps and max_frames",
    ),
    "sentence-transformers": Format(
        read=triplets.read,
        write=triplets.write,
        loses="ids, documents that no query names, instructions, fps and max_frames",
    ),
    "tevatron": Format(read=tevatron.read),
    "vlm2vec": Format(read=vlm2vec.read),
}


def import_dataset(
    format: str, source: Path | str, folder: Path | str, about: About, how: Reading = Reading(), *, form: Form = "jsonl"
) -> None:
    """Read foreign data into a new dataset; equal documents are stored once, and media are copied.

    Args:
        format: a key of `FORMATS`.
        source: file or folder.
        folder: of the new dataset.
        about: its name and task, and the instruction of queries that bring none.
        how: where media lie, and which split.
        form: of the new tables.

    Raises:
        ConfigError: the format is not known.
        InputError: something cannot be read; then nothing is written.
    """
    with DatasetWriter(folder, about, form=form) as writer:
        collector = Collector(writer)
        _format(format).read(Path(source), collector, how)
        collector.finish()


def export_dataset(format: str, folder: Path | str, target: Path | str) -> None:
    """Write a dataset in a foreign format.

    Args:
        format: a key of `FORMATS` that can be written.
        folder: of the dataset.
        target: file or folder, which must not exist.

    Raises:
        ConfigError: the format is not known or cannot be written.
        InputError: the dataset has what the format cannot say; then nothing is written.
    """
    write = _format(format).write
    if write is None:
        known = ", ".join(name for name, one in FORMATS.items() if one.write)
        raise ConfigError(f"{format} can be read but not written; formats that can be are {known}")
    write(Dataset.open(folder), Path(target))


def _format(name: str) -> Format:
    """The format of a name."""
    if name not in FORMATS:
        raise ConfigError(f"format must be one of {', '.join(FORMATS)} (got {name!r})")
    return FORMATS[name]
