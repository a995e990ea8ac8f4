"""Training data on disk: queries, corpus and relevance under an instruction, in a folder.

    data = Dataset.open("mine")
    for example in data.examples():
        example.query, data.document(example.positives[0])

A folder holds `dataset.json` (name, task, instruction), and `queries`, `corpus` and `relevance`, each as `.jsonl` or
`.parquet`. Rows of queries and corpus are `{"id", "text", "image", "video", "fps", "max_frames", "instruction"}`, or
`{"id", "content": [parts in order]}`; rows of relevance are `{"query", "positives", "negatives", "scores"}`.
"""

from anyseek.training.data.about import TASKS, About
from anyseek.training.data.checking import Problem, check
from anyseek.training.data.collector import Collector, Judged
from anyseek.training.data.dataset import Dataset, Example
from anyseek.training.data.formats.reading import Reading
from anyseek.training.data.formats.registry import FORMATS, export_dataset, import_dataset
from anyseek.training.data.measures import Statistics, measure
from anyseek.training.data.sheet import write_sheet
from anyseek.training.data.worlds import WorldOptions, write_world
from anyseek.training.data.writer import DatasetWriter

__all__ = [
    "FORMATS",
    "TASKS",
    "About",
    "Collector",
    "Dataset",
    "DatasetWriter",
    "Example",
    "Judged",
    "Problem",
    "Reading",
    "Statistics",
    "WorldOptions",
    "check",
    "export_dataset",
    "import_dataset",
    "measure",
    "write_sheet",
    "write_world",
]
