"""When is there nothing relevant? The judge of a library against flat thresholds, on queries that it was not fitted on.

    python -m benchmarks.library_judge [--model tiny] [--folder DIR] [--write] [--keep]

Libraries are of the world (`split="composition"`: compositions that training never saw); some fit, others measure. A
query is asked twice, of the whole library and of the library without what answers it. `--folder` keeps what was encoded
and read, so that a run can be gone on with; `--write` writes the result, `--keep` puts the judges beside the models.
"""

import argparse
import platform
import re
import tempfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anyseek import Embedder, Reranker
from anyseek.evaluation import hit_rate, ndcg
from anyseek.index import weights_sample
from anyseek.items import Item, Text
from anyseek.search import AskOptions, Fusion, Judge
from anyseek.search.answers import Asked
from anyseek.search.fitting import Shelf, Trial, encoded, fit_judge, make_shelf, trials
from anyseek.search.judge import NAMES, choose_cut, worth
from anyseek.search.legs import recall

FIT = ((1, 60), (2, 240), (3, 150), (4, 100))
MEASURE = ((11, 90), (12, 240), (13, 150), (14, 60))
"""Seed and size of each library."""
QUERIES = 50
DRAWS = 2000
RESULT = Path(__file__).parent / "results" / "library_judge.md"

Score = Callable[[Trial], NDArray[np.float64]]
Case = tuple[NDArray[np.float64], NDArray[np.float64], int]
"""Scores, labels and number of relevant things of a trial."""
BINS = (0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.01)


def shelf_of(folder: Path, embedder: Embedder, seed: int, things: int) -> Shelf:
    """One library."""
    return make_shelf(folder / f"shelf-{seed}", embedder, seed, "composition", things, QUERIES)


def tried(shelf: Shelf, name: str, reranker: Reranker | None, fusion: Fusion) -> list[Trial]:
    """Trials of a library, kept beside it."""
    path = Path(shelf.store.folder) / f"trials-{name}.npz"
    if not path.exists():
        found = list(trials(shelf, reranker, fusion))
        ends = np.cumsum([len(trial.labels) for trial in found])
        seen, labels = (np.concatenate([getattr(trial, part) for trial in found]) for part in ("seen", "labels"))
        np.savez(path, seen=seen, labels=labels, ends=ends, relevant=[trial.relevant for trial in found])
    held = np.load(path)
    starts = [0, *held["ends"][:-1]]
    return [
        Trial((), held["seen"][start:end], held["labels"][start:end], int(relevant))
        for start, end, relevant in zip(starts, held["ends"], held["relevant"], strict=True)
    ]


def judged(seen: Sequence[Trial], score: Score) -> list[Case]:
    """Scores, labels and number of relevant things of each trial."""
    return [(score(trial), trial.labels, trial.relevant) for trial in seen]


def row(name: str, score: Score, fit: Sequence[Trial], test: Sequence[Trial]) -> str:
    """One way to cut, with the threshold that is best where it is fitted."""
    cut = choose_cut(judged(fit, score))
    found = judged(test, score)
    answered = [one for one in found if one[2]]
    empty = [one for one in found if not one[2]]
    draws = [worth(drawn, cut) for drawn in resampled(found)]
    low, high = np.quantile(draws, [0.025, 0.975])
    tops = [np.array([one[0].max() for one in half]) for half in (answered, empty)]
    auc = float(np.mean(tops[0][:, None] > tops[1]) + 0.5 * np.mean(tops[0][:, None] == tops[1]))
    shown = [one[1][one[0] >= cut] for one in answered]
    right = np.mean([labels.any() for labels in shown])
    share = sum(labels.sum() for labels in shown) / max(1, sum(len(labels) for labels in shown))
    quiet = np.mean([not (one[0] >= cut).any() for one in empty])
    cells = (cut, worth(found, cut), low, high, right, share, quiet, auc)
    return "| {} | {:.3f} | {:.3f} ({:.3f} to {:.3f}) | {:.0%} | {:.0%} | {:.0%} | {:.3f} |".format(name, *cells)


def resampled(found: Sequence[Case]) -> list[list[Case]]:
    """Queries drawn again, each with both of its trials."""
    rng = np.random.default_rng(0)
    pairs = [found[place : place + 2] for place in range(0, len(found), 2)]
    return [[one for place in rng.integers(0, len(pairs), len(pairs)) for one in pairs[place]] for _ in range(DRAWS)]


def calibration(judge: Judge, test: Sequence[Trial]) -> str:
    """Said and seen shares of relevant candidates, in bins of what was said."""
    chances = np.concatenate([judge.chances(trial.seen) for trial in test])
    labels = np.concatenate([trial.labels for trial in test])
    lines = ["| said | candidates | mean said | relevant |", "|---|---:|---:|---:|"]
    for low, high in pairwise(BINS):
        inside = (chances >= low) & (chances < high)
        if inside.any():
            said, seen = chances[inside].mean(), labels[inside].mean()
            lines.append(f"| {low:.2f} to {min(high, 1):.2f} | {inside.sum():,} | {said:.3f} | {seen:.3f} |")
    return "\n".join(lines)


def legs(shelves: Sequence[Shelf], embedder: Embedder) -> str:
    """What words add to vectors, for queries of the world and for the numbers that stand on pages."""
    lines = ["| weight of words, blend | nDCG@10 | R@1 | R@1 of numbers |", "|---|---:|---:|---:|"]
    digits = [numbers(shelf, embedder) for shelf in shelves]
    for blend, weight in (
        ("ranks", 0.0),
        *((b, w) for b in ("ranks", "scores") for w in (0.1, 0.3, 0.5)),
        ("ranks", 1.0),
    ):
        options = AskOptions(words=weight, blend=blend)  # type: ignore[arg-type]
        gains, hits, found = [], [], []
        for shelf, wanted in zip(shelves, digits, strict=True):
            for asked, relevant in zip(shelf.asked, shelf.relevant, strict=True):
                order, right = ranking(shelf, asked, options), {place(id) for id in relevant}
                gains.append(ndcg(order, right))
                hits.append(hit_rate(order, right))
            found += [hit_rate(ranking(shelf, asked, options), {place(id)}) for asked, id in wanted]
        cells = " | ".join(f"{100 * np.mean(column):.1f}" for column in (gains, hits, found))
        lines.append(f"| {weight:g}, {blend} | {cells} |")
    return "\n".join([*lines, "", f"{len(gains)} queries of the world, {len(found)} numbers."])


def numbers(shelf: Shelf, embedder: Embedder) -> list[tuple[Asked, str]]:
    """Queries that are a number of four digits, and the one page with a text of its own on which it stands."""
    on: dict[str, list[str]] = {}
    for id, thing in shelf.store.things(shelf.items).items():
        for number in set(re.findall(r"\b\d{4}\b", thing.text or "")) if thing.kind == "page" else ():
            on.setdefault(number, []).append(id)
    alone = {number: ids[0] for number, ids in on.items() if len(ids) == 1}
    asked = encoded([Item((Text(number),)) for number in alone], embedder)
    return list(zip(asked, alone.values(), strict=True))


def ranking(shelf: Shelf, asked: Asked, options: AskOptions) -> list[int]:
    """Things by their first score."""
    return [place(one.thing.id) for one in recall(shelf.store, asked, None, options)]


def place(id: str) -> int:
    """Number of a thing in its library."""
    return int(id.partition(".")[0])


def report(given: argparse.Namespace, folder: Path) -> str:
    """All tables; keeps the judges when asked to."""
    embedder, reranker = Embedder.load(given.model), Reranker.load(given.reranker or given.model)
    assert embedder.source and reranker.source
    fusion = Fusion.beside(reranker.source)
    shelves = {seed: shelf_of(folder, embedder, seed, things) for seed, things in FIT + MEASURE}
    seen: dict[str, tuple[list[Trial], list[Trial]]] = {}
    for name, reader in (("first", None), ("reread", reranker)):
        halves = ([shelves[seed] for seed, _ in part] for part in (FIT, MEASURE))
        fit, test = ([one for shelf in half for one in tried(shelf, name, reader, fusion)] for half in halves)
        seen[name] = (fit, test)
    samples = next(iter(shelves.values())).store.fingerprint.cosines, weights_sample(reranker.source)
    first = fit_judge(seen["first"][0], samples[0])
    second = fit_judge(seen["reread"][0], *samples)
    if given.keep:
        first.write(embedder.source)
        second.write(reranker.source)
    ways: list[tuple[str, str, Score]] = [
        ("flat, cosine", "first", lambda trial: trial.seen[:, NAMES.index("similarity")]),
        ("judge without a reranker", "first", lambda trial: first.chances(trial.seen)),
        ("flat, reranker and cosine fused", "reread", lambda trial: 1 / (1 + np.exp(-trial.seen[:, -1]))),
        ("judge with the reranker", "reread", lambda trial: second.chances(trial.seen)),
    ]
    head = "| cut by | at | worth (95 %) | right one shown | of what is shown, right | nothing shown | AUC |"
    rows = [row(name, score, *seen[which]) for name, which, score in ways]
    weights = ", ".join(f"{name} {number:.2f}" for name, number in zip((*NAMES, "read"), second.numbers, strict=True))
    test = [shelves[seed] for seed, _ in MEASURE]
    sizes = ", ".join(str(len(shelf.items)) for shelf in test)
    counts = [sum(len(shelves[seed].asked) for seed, _ in part) for part in (MEASURE, FIT)]
    return f"""# When is there nothing relevant?

`python -m benchmarks.library_judge --model {given.model}`, Python {platform.python_version()}, fp32 on CPU. Libraries
of {sizes} things, {counts[0]} queries, each once with and once without what answers it; thresholds and judges were
fitted on {len(FIT)} other libraries with {counts[1]} queries.

{head}
|---|---:|---:|---:|---:|---:|---:|
{chr(10).join(rows)}

Worth: the mean of F1 of what is shown, for queries that have an answer, and of the share that shows nothing, for
queries that have none. "Right one shown" is of the former, "nothing shown" of the latter; AUC tells both apart by their
best score (0.5 is chance). Intervals: queries drawn again, {DRAWS:,} times.

## What the judge with the reranker says, and what is so

{calibration(second, seen["reread"][1])}

Its weights: {weights}.

## Words beside vectors

{legs(test, embedder)}
"""


def main() -> None:
    """Measure, say, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--reranker", default=None)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--keep", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        text = report(given, given.folder or Path(temporary))
    print(text)
    if given.write:
        RESULT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
