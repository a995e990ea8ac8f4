"""The bundled family `anyseek-tiny`, trained on the procedural world as the report trains its own (arXiv 2601.04720).

    base ── s0 ─┬─ mined ── s1 ──┬─ s2 ─┬─ s3, merged
                │                │      │
                └─ reranker ─ scored  s1 ─┘

    python -m recipes.family               all of it, into runs/tiny; what was stopped goes on
    anyseek train recipes.tiny:s1 --set training.steps=100

The base is the pair that `recipes.base` makes from random weights. Its reranker goes on as it began, with the tower of
s0: as a plain stage of yes or no it forgot what it knew within fifty steps (docs/log.md). After s0 the tower rests, so
that its features of a document are made once: for all steps, and in a search for both models. Relevance in
the world is exact: positives are not refined (t+ = -1), negatives may look more like the query than the answer does
(delta- = 0.2), and the contrastive objective masks what is known to answer, not what looks as if it did (margin off).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anyseek.training import TrainOptions
from anyseek.training.stage import ObjectiveName, ObjectiveOptions, Stage, StageSource

__all__ = ["s0", "s1", "s2"]

RUN = Path("runs/tiny")
DATA, ASKED, MINED, SCORED, DEV, JUDGE = (RUN / name for name in ("data", "asked", "mined", "scored", "dev", "judge"))
BASE = RUN / "base"
WIDTHS = (128, 64, 32)
PRECISIONS = ("int8", "binary")
TEMPERATURE = 0.1
"""Where the base is about as sure of itself as it is right. At 0.05 what it takes for answers costs so much that the
first thing to be learnt is to see no differences, and all vectors become one; terms between documents, which the base
finds as alike as a query and its answer, did the same."""
EVERY_KIND = "mixed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """A task of the world as training data.

    Attributes:
        size: queries.
        weight: how often a batch is drawn from it.
        queries: of a batch.
        negatives: of a query: hard ones in s1, wrong candidates elsewhere.
        own: whether queries have candidates of their own, so that only those count and nothing is mined.
    """

    size: int
    weight: float
    queries: int = 32
    negatives: int = 2
    own: bool = False


LESSONS = {
    "picture-object": Lesson(size=1500, weight=1, negatives=9, own=True),
    "picture-background": Lesson(size=1500, weight=2, negatives=9, own=True),
    "picture-questions": Lesson(size=3000, weight=3, negatives=9, own=True),
    "page-questions": Lesson(size=3000, weight=1.5, negatives=9, own=True),
    "chart-questions": Lesson(size=2000, weight=1.5, negatives=9, own=True),
    "text-to-picture": Lesson(size=3000, weight=3),
    "picture-to-text": Lesson(size=2500, weight=1.5),
    "composed-to-picture": Lesson(size=2000, weight=1),
    "picture-grounding": Lesson(size=2000, weight=1.5, negatives=5, own=True),
    "clip-object": Lesson(size=1000, weight=0.7, queries=20, negatives=9, own=True),
    "clip-motion": Lesson(size=1200, weight=2, queries=20, negatives=9, own=True),
    "clip-questions": Lesson(size=1500, weight=1.5, queries=20, negatives=9, own=True),
    "text-to-clip": Lesson(size=1500, weight=1.5, queries=20, negatives=1),
    "clip-to-text": Lesson(size=1500, weight=1, queries=20),
    "clip-moments": Lesson(size=1000, weight=1, queries=8, negatives=3, own=True),
    "text-to-page": Lesson(size=3000, weight=2, queries=24),
    "text-to-chart": Lesson(size=2000, weight=1, queries=24),
    "text-to-page-across-languages": Lesson(size=1500, weight=1, queries=24),
    "text-likeness": Lesson(size=1500, weight=0.2, queries=48, own=True),
    "text-likeness-across-languages": Lesson(size=1500, weight=0.2, queries=48, own=True),
    "text-to-text": Lesson(size=2000, weight=1, queries=48),
    EVERY_KIND: Lesson(size=4000, weight=3),
}
"""By the tasks of `anyseek evaluate --list`, and what looks for every kind of document."""

FOUND = tuple(name for name, lesson in LESSONS.items() if not lesson.own and name != EVERY_KIND)
"""What is looked for among all documents: mined, reranked and distilled."""
TAUGHT = (
    "text-to-picture",
    "picture-to-text",
    "composed-to-picture",
    "text-to-clip",
    "clip-to-text",
    "text-to-page",
)
"""What the teacher is asked: a pair takes it as long as training takes for three."""
FEATURE_BYTES = 6 * 10**9
"""Of what the vision tower made of all pictures, pages and clips of a run."""
GRADED = tuple(name for name in LESSONS if name.startswith("text-likeness"))
HARD = 5
"""Negatives that are mined for a query."""
DRAWN = ("text-to-picture", "text-to-page", "text-to-chart", "text-to-clip", "text-to-text", EVERY_KIND)
"""What the reranker is asked about its collection in ever new words, see `recipes.found`."""
JUDGED = {
    (DATA if lesson.own else MINED) / name: 5 * lesson.weight
    for name, lesson in LESSONS.items()
    if name not in (*DRAWN, *GRADED)
}
"""Datasets that the reranker learns beside that: half of its batches."""


def s0() -> Stage:
    """All tasks, against what happens to be in the batch and against a query's own candidates."""
    sources = [_lesson(name) for name in LESSONS]
    return _embedder("s0", model_of("base"), sources, TrainOptions(steps=1500, learning_rate=1.5e-4), vision=True)


def s1() -> Stage:
    """All tasks again, and other queries with the documents that s0 takes for answers."""
    mined = [_source(name, MINED, LESSONS[name].negatives) for name in FOUND]
    sources = (*mined, *(_lesson(name, share=0.5 if name in FOUND else 1.0) for name in LESSONS))
    return _embedder("s1", model_of("s0"), sources, TrainOptions(steps=2000, learning_rate=1e-4), vision=False)


def s2() -> Stage:
    """s1 distilled from the reranker, beside the retrieval that it was learnt from."""
    scored = [_source(name, SCORED, HARD, objective="distillation", queries=12) for name in TAUGHT]
    sources = (*scored, *(_source(name, MINED, LESSONS[name].negatives, share=0.5) for name in FOUND))
    return _embedder("s2", model_of("s1"), sources, TrainOptions(steps=300, learning_rate=5e-5), vision=False)


def _embedder(name: str, model: str, sources: Sequence[StageSource], training: TrainOptions, vision: bool) -> Stage:
    """What the stages of the embedder have in common: all weights learn in every width and precision.

    Args:
        name: of the stage.
        model: that it begins with.
        sources: what it learns from.
        training: steps and learning rate.
        vision: whether the vision tower learns too.
    """
    return Stage(
        kind="embedder",
        model=model,
        out=RUN / name,
        sources=tuple(sources),
        objective=ObjectiveOptions(
            temperature=TEMPERATURE, margin=None, symmetric=False, widths=WIDTHS, precisions=PRECISIONS
        ),
        training=training,
        lora=None,
        vision=vision,
        feature_bytes=0 if vision else FEATURE_BYTES,
        attention="matmul",
        piece_tokens=32_768,
        dev=DEV,
        slack=0.05,
    )


def _lesson(name: str, share: float = 1.0) -> StageSource:
    """A lesson as it was written; without hard negatives where a query has no candidates of its own."""
    lesson = LESSONS[name]
    objective: ObjectiveName = "classification" if lesson.own and name not in GRADED else "auto"
    return _source(name, DATA, lesson.negatives if name not in FOUND else 0, objective=objective, share=share)


def _source(
    name: str,
    folder: Path,
    negatives: int,
    *,
    objective: ObjectiveName = "auto",
    queries: int | None = None,
    share: float = 1.0,
) -> StageSource:
    """A lesson as a source."""
    lesson = LESSONS[name]
    return StageSource(
        folder=folder / name,
        weight=lesson.weight * share,
        queries=queries or lesson.queries,
        negatives=negatives,
        objective=objective,
    )


def model_of(name: str) -> str:
    """The model that a run leaves."""
    folders = {"base": BASE / "embedder", "reranker": JUDGE / "reranker"}
    return str(folders.get(name, RUN / name / "model"))
