"""What does a lower precision cost, and what does it give? The bundled pair in each, against fp32.

    python -m benchmarks.precision [--device auto] [--items 60] [--write]

Differences are of the whole way from input to result. bf16 is the noise floor of these models: nobody serves them in
fp32 on an accelerator, so a smaller difference than its own says nothing.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from anyseek import world
from anyseek.engine import Embedder, Reranker
from anyseek.engine.features import CacheOptions
from anyseek.evaluation import hit_rate
from anyseek.evaluation.bench.measure import TOLERANCES, Rules, alternate
from anyseek.items import Item

MODES = {
    "fp32": {"dtype": "float32"},
    "bf16": {"dtype": "bfloat16"},
    "fp32, int8 weights": {"dtype": "float32", "weights": "int8"},
    "bf16, int8 weights": {"dtype": "bfloat16", "weights": "int8"},
    "bf16, fp8": {"dtype": "bfloat16", "weights": "fp8"},
}
KINDS = {"scene": 40, "page": 30, "chart": 10, "clip": 10, "note": 30}
ROUNDS = 5
RESULT = Path(__file__).parent / "results" / "precision.md"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What every mode computes."""

    queries: list[Item]
    documents: list[Item]
    pairs: list[tuple[Item, Item]]
    relevance: dict[int, frozenset[int]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one mode gave: results, seconds of each round, and bytes of both models' weights."""

    vectors: np.ndarray
    queries: np.ndarray
    log_odds: np.ndarray
    seconds: tuple[float, ...]
    weight_bytes: int


def inputs(items: int) -> Inputs:
    """Held-out documents and queries of every kind."""
    total = sum(KINDS.values())
    sizes = {kind: max(2, round(size * items / total)) for kind, size in KINDS.items()}
    corpus = world.build_corpus(5, "composition", world.Plan(sizes=sizes, queries=items))
    documents, queries = [thing.item() for thing in corpus.things], [query.item() for query in corpus.queries]
    pairs = [(query, documents[number % len(documents)]) for number, query in enumerate(queries)]
    return Inputs(queries, documents, pairs, corpus.relevance)


def load(mode: dict[str, str], device: str) -> tuple[Embedder, Reranker]:
    """The pair, keeping no features, so that every round computes everything."""
    options = {**mode, "device": device, "caches": CacheOptions(feature_bytes=0)}
    return Embedder.load("tiny", **options), Reranker.load("tiny", **options)


def weight_bytes(model: torch.nn.Module) -> int:
    """Memory of all weights, a tied one once."""
    return sum(tensor.nbytes for tensor in model.state_dict().values())


def run(pair: tuple[Embedder, Reranker], given: Inputs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors of documents and queries, and log-odds of pairs."""
    embedder, reranker = pair
    vectors, queries = embedder.encode(given.documents), embedder.encode(given.queries)
    return vectors, queries, reranker.predict(given.pairs, activation="none")


def measure(device: str, given: Inputs) -> dict[str, Outcome | str]:
    """Every mode, by turns; or why it cannot run."""
    pairs: dict[str, tuple[Embedder, Reranker]] = {}
    outcomes: dict[str, Outcome | str] = {}
    for name, mode in MODES.items():
        try:
            pairs[name] = load(mode, device)
        except ValueError as error:
            outcomes[name] = str(error)
    found = {name: run(pair, given) for name, pair in pairs.items()}  # also warms up
    runs = {name: partial(timed, partial(run, pair, given)) for name, pair in pairs.items()}
    seconds = alternate(runs, Rules(tolerance=TOLERANCES["float32"], repeats=ROUNDS, seconds=float("inf")))
    for name, (embedder, reranker) in pairs.items():
        size = weight_bytes(embedder.backbone) + weight_bytes(reranker.backbone)
        outcomes[name] = Outcome(*found[name], seconds[name], size)
    return {name: outcomes[name] for name in MODES}


def timed(work: Callable[[], object]) -> float:
    """Seconds of one run."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def row(name: str, outcome: Outcome | str, exact: Outcome, given: Inputs) -> str:
    """One line of the table."""
    if isinstance(outcome, str):
        return f"| {name} | not on this machine |" + " |" * 6
    cosines = (outcome.vectors * exact.vectors).sum(1)
    apart = np.abs(outcome.log_odds - exact.log_odds)
    order = np.argsort(-(outcome.queries @ outcome.vectors.T), axis=1, kind="stable")
    right = np.mean([hit_rate(list(order[q]), relevant) for q, relevant in given.relevance.items()])
    faster = statistics.median(exact.seconds) / statistics.median(outcome.seconds)
    cells = (
        f"{outcome.weight_bytes / 1e6:.0f} MB",
        f"{faster:.1f}x",
        f"{1 - cosines.min():.1e}",
        f"{np.abs(outcome.vectors - exact.vectors).max():.1e}",
        f"{apart.mean():.1e}",
        f"{apart.max():.1e}",
        f"{100 * right:.1f}",
    )
    return f"| {name} | " + " | ".join(cells) + " |"


HEAD = "| precision | weights | speed | 1 - cosine, worst | vector, worst | log-odds, mean | log-odds, worst | R@1 % |"


def main() -> None:
    """Read the command line, measure, print and maybe write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--items", type=int, default=60)
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/precision.md")
    options = parser.parse_args()
    given = inputs(options.items)
    outcomes = measure(options.device, given)
    exact = outcomes["fp32"]
    assert isinstance(exact, Outcome)
    lines = [HEAD, "|---" * 8 + "|", *(row(name, outcome, exact, given) for name, outcome in outcomes.items())]
    text = "\n".join(lines) + (
        f"\n\n{len(given.documents)} documents, {len(given.queries)} queries and {len(given.pairs)} pairs of the "
        f"bundled pair, pictures, pages and clips among them; medians of {ROUNDS} rounds by turns, "
        f"differences from fp32. "
        f"`python -m benchmarks.precision --items {options.items}`, {platform.processor() or platform.machine()}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}.\n"
    )
    print(text)
    if options.write:
        RESULT.write_text("# What precision costs and gives\n\n" + text, encoding="utf-8")


if __name__ == "__main__":
    main()
