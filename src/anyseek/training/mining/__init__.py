"""Hard negatives from an embedder's own similarities, and a reranker's scores to distil from.

    data = Dataset.open("mine")
    embedder = Known(Embedder.load("2b"), {"model": model_print(locate("2b", "embedding"))})
    report = mine(data, Path("mined"), embedder, MineOptions(work=Path("work"), bounds=Bounds(positive=0.5)))

Everything is encoded once, in shards that an interrupted run goes on with; similarities are exact and never all in
memory.
"""

from anyseek.training.mining.miner import MineOptions
from anyseek.training.mining.prints import Known, adapter_print, model_print
from anyseek.training.mining.report import REPORT, SUSPECTS
from anyseek.training.mining.rule import Bounds, Hit, Preference, Refined, prefer, refine
from anyseek.training.mining.run import mine
from anyseek.training.mining.scoring import SCORING, score
from anyseek.training.mining.shards import Shelf, Shelves
from anyseek.training.mining.walking import check_judged

__all__ = [
    "REPORT",
    "SCORING",
    "SUSPECTS",
    "Bounds",
    "Hit",
    "Known",
    "MineOptions",
    "Preference",
    "Refined",
    "Shelf",
    "Shelves",
    "adapter_print",
    "check_judged",
    "mine",
    "model_print",
    "prefer",
    "refine",
    "score",
]
