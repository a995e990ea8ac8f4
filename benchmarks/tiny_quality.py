"""How well does the bundled pair find what it was never shown? Held-out queries, embedder alone and reranked.

    python -m benchmarks.tiny_quality [--queries 150] [--candidates 20] [--write]

Documents and queries come from compositions of objects that training never saw (`split="composition"`); the last row
has objects that training never saw at all. R@1 is the share of queries whose first hit is relevant.
"""

import argparse
import platform
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from anyseek import world
from anyseek.engine import Embedder, Reranker
from anyseek.evaluation import hit_rate, ndcg, random_hit_rate, random_ndcg
from anyseek.evaluation.tasks import Measure
from anyseek.evaluation.tasks.groups import language_group
from anyseek.evaluation.tasks.intervals import resampled
from anyseek.items import Item
from anyseek.search import Fusion

SETS = {
    "pictures": ("composition", {"scene": 200}),
    "pages and charts": ("composition", {"page": 140, "chart": 60}),
    "clips": ("composition", {"clip": 100}),
    "mixed": ("composition", {"scene": 80, "page": 60, "chart": 20, "clip": 40, "note": 40}),
    "pictures, unseen objects": ("object", {"scene": 100}),
}
METRICS = {"R@1": Measure("hit@1"), "nDCG@10": Measure("ndcg@10")}
RESULT = Path(__file__).parent / "results" / "tiny_quality.md"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Metrics of one query, each as in `METRICS`: of chance, and of every order."""

    group: str
    metrics: dict[str, tuple[float, float]]


def measure(name: str, embedder: Embedder, reranker: Reranker | None, given: argparse.Namespace) -> list[Outcome]:
    """Run one set."""
    split, sizes = SETS[name]
    corpus = world.build_corpus(99, split, world.Plan(sizes=sizes, queries=given.queries))
    documents = [thing.item() for thing in corpus.things]
    asked = [query.item() for query in corpus.queries]
    similarity = embedder.similarity(embedder.encode(asked), embedder.encode(documents))
    outcomes = []
    for number, query in enumerate(tqdm(corpus.queries, desc=name)):
        relevant = corpus.relevance[number]
        order = [int(i) for i in np.argsort(-similarity[number], kind="stable")]
        orders = {"embedder": order}
        if reranker:
            best = order[: given.candidates]
            orders |= reread(reranker, asked[number], [documents[i] for i in best], similarity[number][best], order)
        count = len(documents), len(relevant)
        metrics = {"random": (random_hit_rate(*count), random_ndcg(*count))}
        metrics |= {name: (hit_rate(found, relevant), ndcg(found, relevant)) for name, found in orders.items()}
        group = "by picture" if query.picture else language_group(query.language)
        outcomes.append(Outcome(group, metrics))
    return outcomes


def reread(
    reranker: Reranker, query: Item, best: list[Item], cosines: np.ndarray, order: list[int]
) -> dict[str, list[int]]:
    """The order after the reranker has read the best candidates: its own, and the one that search takes."""
    log_odds = reranker.predict([(query, document) for document in best], activation="none")
    fused = Fusion.beside(reranker.source).probability(log_odds, cosines)
    return {
        name: [order[place] for place in np.argsort(-scores, kind="stable")] + order[len(best) :]
        for name, scores in (("reranker alone", log_odds), ("reranked", fused))
    }


def row(label: str, found: list[Outcome], names: list[str]) -> str:
    """One line of a table."""
    means = [np.mean([outcome.metrics[name] for outcome in found], axis=0) for name in names]
    cells = [f"{100 * mean[column]:.1f}" for column in range(len(METRICS)) for mean in means]
    return f"| {label} | {len(found)} | " + " | ".join(cells) + " |"


def gains(found: list[Outcome]) -> str:
    """What reranking adds to the embedder, with intervals over the queries."""
    return " and ".join(f"{metric} {gain(found, column)}" for column, metric in enumerate(METRICS))


def gain(found: list[Outcome], column: int) -> str:
    """By one metric."""
    rows = {name: np.array([[one.metrics[name][column]] for one in found]) for name in ("reranked", "embedder")}
    measure = list(METRICS.values())[column]
    reranked, embedder = (resampled(measure, values, "all queries") for values in rows.values())
    added = (reranked - embedder).estimate()
    return f"{100 * added.score:+.1f} ({100 * added.low:+.1f} to {100 * added.high:+.1f})"


def table(title: str, groups: dict[str, list[Outcome]]) -> str:
    """A Markdown table."""
    names = list(next(iter(groups.values()))[0].metrics)
    head = [title, "queries", *(f"{metric} {name}" for metric in METRICS for name in names)]
    lines = [row(label, found, names) for label, found in groups.items()]
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines])


def main() -> None:
    """Read the command line, run every set, print and maybe write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=150)
    parser.add_argument("--candidates", type=int, default=20)
    parser.add_argument("--embedder", default="tiny")
    parser.add_argument("--reranker", default="tiny", help="a folder, or none")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/tiny_quality.md")
    given = parser.parse_args()
    embedder = Embedder.load(given.embedder)
    reranker = None if given.reranker == "none" else Reranker.load(given.reranker)
    by_set = {name: measure(name, embedder, reranker, given) for name in SETS}
    by_group: dict[str, list[Outcome]] = defaultdict(list)
    for name, found in by_set.items():
        for outcome in found if "unseen" not in name else ():
            by_group[outcome.group].append(outcome)
    text = (
        f"{table('searched', by_set)}\n\n{table('language of the query', dict(sorted(by_group.items())))}\n\n"
        f"All numbers in %. `python -m benchmarks.tiny_quality --queries {given.queries} --reranker {given.reranker}`, "
        f"Python {platform.python_version()}, fp32 on CPU.\n"
    )
    if reranker:
        everything = [outcome for found in by_set.values() for outcome in found]
        text += f"\nReranked less embedder, all {len(everything)} queries, 95 % interval: {gains(everything)}.\n"
    print(text)
    if given.write:
        RESULT.write_text("# The bundled pair on held-out queries\n\n" + text, encoding="utf-8")


if __name__ == "__main__":
    main()
