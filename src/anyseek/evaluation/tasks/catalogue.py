"""The tasks there are, by name: nine categories in the shape of MMEB-V2, then likeness of texts and text retrieval."""

from collections.abc import Iterator, Sequence

from anyseek.errors import ConfigError
from anyseek.evaluation.tasks.answering import classification, questions
from anyseek.evaluation.tasks.comparing import likeness
from anyseek.evaluation.tasks.finding import across_languages, descriptions, retrieval
from anyseek.evaluation.tasks.making import Spec, build, held_out_shares
from anyseek.evaluation.tasks.pointing import grounding, moments
from anyseek.evaluation.tasks.task import Task
from anyseek.world import INSTRUCTIONS

__all__ = ["MODALITIES", "QUERIES", "SEED", "SPECS", "SUITE", "choose", "make", "spec_named"]

QUERIES, SEED = 30, 99

MODALITIES = {
    "image": ("image classification", "image QA", "image retrieval", "image grounding"),
    "video": ("video classification", "video QA", "video retrieval", "video moment retrieval"),
    "visual documents": ("visual documents",),
    "text": ("text similarity", "text retrieval"),
}
"""Which categories a mean is reported for, as MMEB-V2 has it."""

SUITE = ("image", "video", "visual documents")
"""What the mean over everything is taken over; text is beside it."""

SAME = "Retrieve text that says the same."

_LISTED = (
    Spec(
        name="picture-object",
        category="image classification",
        instruction="Identify the object shown in the picture.",
        measure="hit@1",
        make=classification("scene", "name"),
    ),
    Spec(
        name="picture-background",
        category="image classification",
        instruction="Identify the colour of the background of the picture.",
        measure="hit@1",
        make=classification("scene", "ground"),
    ),
    Spec(
        name="picture-questions",
        category="image QA",
        instruction="Answer the question about the picture.",
        measure="hit@1",
        make=questions("scene"),
    ),
    Spec(
        name="page-questions",
        category="image QA",
        instruction="Answer the question about the document.",
        measure="hit@1",
        make=questions("page"),
    ),
    Spec(
        name="chart-questions",
        category="image QA",
        instruction="Answer the question about the chart.",
        measure="hit@1",
        make=questions("chart"),
    ),
    Spec(
        name="text-to-picture",
        category="image retrieval",
        instruction=INSTRUCTIONS["scene"],
        measure="hit@1",
        make=retrieval("scene"),
    ),
    Spec(
        name="picture-to-text",
        category="image retrieval",
        instruction="Retrieve the text that describes the picture.",
        measure="hit@1",
        make=descriptions("scene"),
    ),
    Spec(
        name="composed-to-picture",
        category="image retrieval",
        instruction=INSTRUCTIONS["composed"],
        measure="hit@1",
        make=retrieval("scene", (0, 1, 0), pictures=1),
    ),
    Spec(
        name="picture-grounding",
        category="image grounding",
        instruction="Retrieve the part of the picture that the text means.",
        measure="hit@1",
        make=grounding,
    ),
    Spec(
        name="clip-object",
        category="video classification",
        instruction="Identify the object shown in the video.",
        measure="hit@1",
        make=classification("clip", "name"),
    ),
    Spec(
        name="clip-motion",
        category="video classification",
        instruction="Identify what the object in the video does.",
        measure="hit@1",
        make=classification("clip", "deed"),
    ),
    Spec(
        name="clip-questions",
        category="video QA",
        instruction="Answer the question about the video.",
        measure="hit@1",
        make=questions("clip"),
    ),
    Spec(
        name="text-to-clip",
        category="video retrieval",
        instruction=INSTRUCTIONS["clip"],
        measure="hit@1",
        make=retrieval("clip"),
    ),
    Spec(
        name="clip-to-text",
        category="video retrieval",
        instruction="Retrieve the text that describes the video.",
        measure="hit@1",
        make=descriptions("clip"),
    ),
    Spec(
        name="clip-moments",
        category="video moment retrieval",
        instruction="Retrieve the part of the video in which this happens.",
        measure="hit@1",
        make=moments,
    ),
    Spec(
        name="text-to-page",
        category="visual documents",
        instruction=INSTRUCTIONS["page"],
        measure="ndcg@5",
        make=retrieval("page"),
    ),
    Spec(
        name="text-to-chart",
        category="visual documents",
        instruction=INSTRUCTIONS["chart"],
        measure="ndcg@5",
        make=retrieval("chart"),
    ),
    Spec(
        name="text-to-page-across-languages",
        category="visual documents",
        instruction=INSTRUCTIONS["page"],
        measure="ndcg@5",
        make=across_languages("page"),
    ),
    Spec(
        name="text-likeness",
        category="text similarity",
        instruction=SAME,
        measure="spearman",
        make=likeness(SAME, "en"),
    ),
    Spec(
        name="text-likeness-across-languages",
        category="text similarity",
        instruction=SAME,
        measure="spearman",
        make=likeness(SAME, None),
    ),
    Spec(
        name="text-to-text",
        category="text retrieval",
        instruction=INSTRUCTIONS["note"],
        measure="ndcg@10",
        make=retrieval("note", (1, 1, 1)),
    ),
)

SPECS = {spec.name: spec for spec in _LISTED}
"""Every task, in the order of the tables."""


def choose(wanted: Sequence[str] = ()) -> tuple[Spec, ...]:
    """Tasks by name, category or modality, in the order of the tables; all of them where nothing is named.

    Raises:
        ConfigError: nothing has such a name.
    """
    found = {word: [spec for spec in _LISTED if word in _names(spec)] for word in wanted}
    if unknown := [word for word, specs in found.items() if not specs]:
        known = [*SPECS, *dict.fromkeys(spec.category for spec in _LISTED), *MODALITIES]
        raise ConfigError(f"no task, category or modality {unknown[0]!r}; there are {', '.join(dict.fromkeys(known))}")
    chosen = {spec.name for specs in found.values() for spec in specs}
    return tuple(spec for spec in _LISTED if not wanted or spec.name in chosen)


def spec_named(name: str) -> Spec:
    """A task by its name.

    Raises:
        ConfigError: nothing has it.
    """
    if name not in SPECS:
        raise ConfigError(f"no task {name!r}; there are {', '.join(SPECS)}")
    return SPECS[name]


def _names(spec: Spec) -> set[str]:
    """What a task can be chosen by."""
    return {spec.name, spec.category, *(one for one, categories in MODALITIES.items() if spec.category in categories)}


def make(specs: Sequence[Spec], seed: int = SEED, queries: int = QUERIES) -> Iterator[Task]:
    """The tasks themselves, one at a time, so that no two need be in memory together."""
    for spec in specs:
        yield build(spec, seed, held_out_shares(queries))
