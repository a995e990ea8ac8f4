"""How well does the bundled pair find what it was never shown? Held-out queries, embedder alone and reranked.

    python -m benchmarks.tiny_quality [--queries 150] [--candidates 20] [--write]

Documents and queries come from compositions of objects that training never saw (`split="composition"`); the last row
has objects that training never saw at all. R@1 is the share of queries whose first hit is relevant.
"""

import argparse
import platform
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from anyseek import world
from anyseek.engine import Embedder, Reranker
from anyseek.evaluation import hit_rate, ndcg, random_hit_rate, random_ndcg
from anyseek.items import Item

SETS = {
    "pictures": ("composition", {"scene": 200}),
    "pages and charts": ("composition", {"page": 140, "chart": 60}),
    "clips": ("composition", {"clip": 100}),
    "mixed": ("composition", {"scene": 80, "page": 60, "chart": 20, "clip": 40, "note": 40}),
    "pictures, unseen objects": ("object", {"scene": 100}),
}
RESULT = Path(__file__).parent / "results" / "tiny_quality.md"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Metrics of one query: random, embedder, reranked (None without a reranker); each (R@1, nDCG@10)."""

    group: str
    chance: tuple[float, float]
    embedder: tuple[float, float]
    reranked: tuple[float, float] | None


def group_of(query: world.Query) -> str:
    """The language group of a query."""
    if query.picture:
        return "by picture"
    if query.language == "en":
        return "English"
    scripts = {unicodedata.name(letter, "").split()[0] for letter in query.text if letter.isalpha()}
    if scripts & {"CJK", "HIRAGANA", "KATAKANA", "HANGUL"}:
        return "Chinese, Japanese, Korean"
    if scripts & {"CYRILLIC", "GREEK"}:
        return "Cyrillic, Greek"
    return "other Latin" if "LATIN" in scripts else "other scripts"


def outcomes(name: str, embedder: Embedder, reranker: Reranker | None, given: argparse.Namespace) -> list[Outcome]:
    """Run one set."""
    split, sizes = SETS[name]
    corpus = world.build_corpus(99, split, world.Plan(sizes=sizes, queries=given.queries))
    documents = [thing.item() for thing in corpus.things]
    asked = [query.item() for query in corpus.queries]
    similarity = embedder.similarity(embedder.encode(asked), embedder.encode(documents))
    found = []
    for number, query in enumerate(tqdm(corpus.queries, desc=name)):
        relevant = corpus.relevance[number]
        order = [int(i) for i in np.argsort(-similarity[number], kind="stable")]
        second = reread(reranker, asked[number], documents, order, given.candidates) if reranker else None
        count = len(documents), len(relevant)
        found.append(
            Outcome(
                group_of(query),
                (random_hit_rate(*count), random_ndcg(*count)),
                (hit_rate(order, relevant), ndcg(order, relevant)),
                (hit_rate(second, relevant), ndcg(second, relevant)) if second else None,
            )
        )
    return found


def reread(reranker: Reranker, query: Item, documents: list[Item], order: list[int], candidates: int) -> list[int]:
    """The order after the reranker has read the best candidates."""
    ranked = reranker.rank(query, [documents[i] for i in order[:candidates]])
    return [order[hit["corpus_id"]] for hit in ranked] + order[candidates:]


def row(label: str, found: list[Outcome], columns: list[str]) -> str:
    """One line of a table."""
    means = [np.mean([getattr(outcome, column) for outcome in found], axis=0) for column in columns]
    cells = [f"{100 * mean[k]:.1f}" for k in (0, 1) for mean in means]
    return f"| {label} | {len(found)} | " + " | ".join(cells) + " |"


def table(title: str, groups: dict[str, list[Outcome]]) -> str:
    """A Markdown table."""
    reranked = next(iter(groups.values()))[0].reranked is not None
    columns = ["chance", "embedder"] + ["reranked"] * reranked
    names = ["random", "embedder"] + ["reranked"] * reranked
    head = [title, "queries", *(f"{metric} {name}" for metric in ("R@1", "nDCG@10") for name in names)]
    lines = [row(label, found, columns) for label, found in groups.items()]
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
    by_set = {name: outcomes(name, embedder, reranker, given) for name in SETS}
    by_group: dict[str, list[Outcome]] = defaultdict(list)
    for name, found in by_set.items():
        for outcome in found if "unseen" not in name else ():
            by_group[outcome.group].append(outcome)
    text = (
        f"{table('searched', by_set)}\n\n{table('language of the query', dict(sorted(by_group.items())))}\n\n"
        f"All numbers in %. `python -m benchmarks.tiny_quality --queries {given.queries} --reranker {given.reranker}`, "
        f"Python {platform.python_version()}, fp32 on CPU.\n"
    )
    print(text)
    if given.write:
        RESULT.write_text("# The bundled pair on held-out queries\n\n" + text, encoding="utf-8")


if __name__ == "__main__":
    main()
