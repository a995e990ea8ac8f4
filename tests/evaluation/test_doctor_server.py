"""`doctor` names each of the eight causes when it is planted in a server, and nothing when nothing is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from anyseek.engine import Embedder, Reranker
from anyseek.errors import ConfigError, SourceError
from anyseek.evaluation.conformance import CAUSES, FULL, HALF, Diagnosis, Server, Tracer, diagnose, pack
from tests.evaluation.planted import Engine, Plant, serving

BROKEN = "corrupt picture"
PICTURES = {"picture", "small picture", "two pictures, text", "small picture, text", "picture asks"}

# What is planted, the cause to be named, the stage, and which cases it changes (None: all that can be read).
PLANTED = {
    "raw text": (Plant(chat=False), "prompt", None),
    "instruction turn": (Plant(instruction="user"), "prompt", {"instruction", "instruction, other"}),
    "address as text": (Plant(address_as_text=True), "prompt", PICTURES | {BROKEN}),
    "swallowed error": (Plant(swallow=True), "answer", {BROKEN}),
    "template end": (Plant(tail="<|im_start|>assistant"), "prompt", None),
    "resize": (Plant(filter=2), "grids", PICTURES),
    "before the norm": (Plant(norm=False), "pooling", None),
    "mean pooling": (Plant(pool="mean"), "pooling", None),
}


def test_all_eight_are_planted() -> None:
    assert set(PLANTED) == set(CAUSES)
    assert len(CAUSES) == 8
    assert {cause: stage for cause, (_, stage, _) in PLANTED.items()} == {n: c.stage for n, c in CAUSES.items()}


@pytest.fixture(scope="module")
def engines(
    embedder: Embedder, embedding_folder: Path, reranker: Reranker, reranking_folder: Path
) -> dict[str, Engine]:
    return {"embedding": Engine(embedder, embedding_folder), "reranking": Engine(reranker, reranking_folder)}


@pytest.fixture(scope="module")
def addresses(engines: dict[str, Engine]) -> Iterator[dict[str, str]]:
    with serving(engines["embedding"]) as embedding, serving(engines["reranking"]) as reranking:
        yield {"embedding": embedding, "reranking": reranking}


@pytest.fixture
def examine(engines: dict[str, Engine], addresses: dict[str, str]):
    """What is found about a server with this planted."""

    def examine(kind: str, plant: Plant, form: str = "input", tolerance=FULL) -> Diagnosis:
        engine = engines[kind]
        engine.plant = plant
        target = Server(addresses[kind], kind, form=form)
        found = diagnose(Tracer(engine.model), target, pack(kind), tolerance)
        assert [finding.case for finding in found.findings] == [case.name for case in pack(kind)]
        return found

    return examine


@pytest.mark.parametrize("form", ["input", "messages"])
@pytest.mark.parametrize("kind", ["embedding", "reranking"])
def test_a_right_server_passes(examine, kind: str, form: str) -> None:
    assert differing(examine(kind, Plant(), form)) == {}


@pytest.mark.parametrize("cause", PLANTED)
def test_each_cause_is_named_for_an_embedding_server(examine, cause: str) -> None:
    plant, stage, cases = PLANTED[cause]
    check(examine("embedding", plant), cause, stage, cases, "embedding")


# The first moves these vectors by less than half precision may, the others by more.
@pytest.mark.parametrize("cause", ["resize", "instruction turn", "before the norm", "swallowed error"])
def test_causes_are_named_within_half_precision(examine, cause: str) -> None:
    plant, stage, cases = PLANTED[cause]
    check(examine("embedding", plant, tolerance=HALF), cause, stage, cases, "embedding")


@pytest.mark.parametrize("cause", [None, "resize", "mean pooling"])
def test_a_server_in_bfloat16(cause: str | None, embedder: Embedder, embedding_folder: Path) -> None:
    """Rounding is no cause, and hides none."""
    rounded = Embedder.load(embedding_folder, device="cpu", dtype="bfloat16")
    plant = PLANTED[cause][0] if cause else Plant()
    with serving(Engine(rounded, embedding_folder, plant)) as url:
        found = diagnose(Tracer(embedder), Server(url, "embedding"), pack("embedding"), HALF)
    assert [explanation.causes for explanation, _ in found.causes] == ([(cause,)] if cause else [])
    assert not found.unexplained


# Of the small picture beside a text, bilinear moves the score by less than the tolerance.
NARROWER = {"resize": (Plant(filter=2), "grids", {"picture", "picture asks"})}


@pytest.mark.parametrize("cause", PLANTED)
def test_each_cause_is_named_for_a_reranking_server(examine, cause: str) -> None:
    plant, stage, cases = (PLANTED | NARROWER)[cause]
    check(examine("reranking", plant), cause, stage, cases, "reranking")


def differing(found: Diagnosis) -> dict[str, str]:
    """The cases that differ, and the stage of each."""
    return {finding.case: finding.stage for finding in found.findings if finding.difference}


def check(found: Diagnosis, cause: str, stage: str, cases: set[str] | None, kind: str) -> None:
    """Exactly this cause, at its stage, in exactly the cases that it changes."""
    everything = {case.name for case in pack(kind)}
    stages = differing(found)
    assert set(stages) == (everything - {BROKEN} if cases is None else cases & everything)
    ((explanation, covered),) = found.causes
    assert explanation.causes == (cause,)
    assert explanation.stage == stage
    assert set(covered) == set(stages)
    assert not found.unexplained
    assert {where for case, where in stages.items() if case != BROKEN} <= {stage}


def details(found: Diagnosis) -> set[str]:
    return {detail for explanation, _ in found.causes for detail in explanation.details}


@pytest.mark.parametrize(
    ("plant", "detail"),
    [
        (Plant(least_pixels=65_536), "65,536 pixels at least"),
        (Plant(filter=1), "Lanczos"),
        (Plant(instruction="ignored"), "the instruction is not used"),
        (Plant(tail=""), "the answer is not opened"),
    ],
    ids=["size", "filter", "instruction", "tail"],
)
def test_the_variant_is_told(examine, plant: Plant, detail: str) -> None:
    assert detail in details(examine("embedding", plant))


def test_two_causes_at_once(examine) -> None:
    found = examine("embedding", Plant(norm=False, chat=False))
    ((explanation, covered),) = found.causes
    assert explanation.causes == ("raw text", "before the norm")
    assert len(covered) == len(pack("embedding")) - 1


def test_a_narrower_vector_hides_no_cause(examine) -> None:
    found = examine("embedding", Plant(norm=False, width=32))
    assert [explanation.causes for explanation, _ in found.causes] == [("before the norm",)]


def test_independent_causes_are_both_named(examine) -> None:
    found = examine("embedding", Plant(swallow=True, filter=2))
    assert {explanation.causes for explanation, _ in found.causes} == {("swallowed error",), ("resize",)}


@pytest.mark.parametrize(
    ("kind", "plant", "stage"),
    [
        ("embedding", Plant(scale=3.0), "norm"),
        ("embedding", Plant(width=32), "vector"),
        ("reranking", Plant(logits=True), "score"),
    ],
    ids=["length", "width", "logits"],
)
def test_what_is_none_of_the_eight_has_a_stage_and_no_cause(examine, kind: str, plant: Plant, stage: str) -> None:
    found = examine(kind, plant)
    assert set(differing(found).values()) == {stage}
    assert found.causes == ()
    assert found.unexplained == list(differing(found))


def test_nobody_there() -> None:
    with pytest.raises(SourceError, match="is the server running"):
        Server("http://127.0.0.1:9", "embedding")
    with pytest.raises(ConfigError, match="no address of a server"):
        Server("localhost:8000", "embedding")
