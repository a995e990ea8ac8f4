"""The whole family of `recipes.tiny` in one command: data, stages, mining, scoring, merging, evaluation.

    python -m recipes.family            from random weights, into runs/tiny; what was stopped goes on where it was
    python -m recipes.family --go-on    the bundled pair is the base
    python -m recipes.family --smoke    likewise, with a handful of queries and two steps a stage, in minutes
    python -m recipes.family --bundle   then take the last embedder and its reranker as the bundled pair

Nearly every step is a command of anyseek, and is printed before it runs; `runs/tiny/done.txt` lists what is done.
"""

import argparse
import shlex
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from anyseek.cli.evaluate import write_result
from anyseek.cli.main import main as anyseek
from anyseek.cli.probe import Probe, probe_loss
from anyseek.engine import Embedder, Reranker
from anyseek.evaluation.tasks import SPECS, Result, RunOptions, make, run_all
from anyseek.evaluation.tasks.catalogue import SEED
from anyseek.evaluation.tasks.making import build
from anyseek.evaluation.tasks.plot import load_figure
from anyseek.items import Item, Text
from anyseek.model import hub
from anyseek.search import Fusion
from anyseek.training.merging import MergeOptions, PositionOptions, merge_folders, position
from recipes import base, family_table
from recipes.bundling import bundle, fuse
from recipes.tiny import (
    ASKED,
    BASE,
    DATA,
    DEV,
    EVERY_KIND,
    FOUND,
    HARD,
    JUDGE,
    JUDGED,
    LESSONS,
    MINED,
    RUN,
    SCORED,
    TAUGHT,
    model_of,
)

__all__ = ["Step", "merge", "steps"]

DONE, RESULTS = RUN / "done.txt", RUN / "results"
MODE = "# a run: "
"""Begins the line that says whether a run is `whole`, goes on from the bundled pair, or is a trial."""
GUARD = "text-to-picture"
SHARE = 4
"""For so many queries of a lesson there is one more, that is mined and that the teacher is asked."""
PROBED = 3
"""Queries of each task that the weights of the merge are found on."""
EVALUATED = 60
"""Queries of each task."""
FRESH = 7
"""Steps that count as done, which the collection depends on."""
FEW = {"portrait": 12, "scene": 24, "page": 20, "chart": 14, "clip": 10, "note": 20}
FAMILY = {name: model_of(name) for name in ("base", "s0", "s1", "s2", "s3")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A part of the whole.

    Attributes:
        name: unique, for the list of what is done.
        run: does it.
        made: what is there whole, or not at all, once it has run; None where running it twice does no harm.
    """

    name: str
    run: Callable[[], object]
    made: Path | None = None


def steps(smoke: bool, go_on: bool) -> Iterator[Step]:
    """All of it in order.

    Args:
        smoke: leave the order and shrink the rest.
        go_on: from the bundled pair, instead of random weights.
    """
    yield from (_copied(kind) for kind in ("embedder", "reranker")) if go_on else _from_nothing()
    brief = ("--set", "training.steps=2", "--set", "training.warmup_steps=1") if smoke else ()
    for name, lesson in LESSONS.items():
        yield _written(name, DATA / name, 8 if smoke else lesson.size)
    for name in FOUND:
        yield _written(name, ASKED / name, 4 if smoke else LESSONS[name].size // SHARE, "--seed", "1")
    yield _written(GUARD, DEV, 4 if smoke else 150, "--split", "composition")
    yield _command("train", "recipes.tiny:s0", *brief)
    for name in FOUND:
        yield _mined(ASKED / name, MINED / name)
    yield _command("train", "recipes.tiny:s1", *brief)
    yield Step(name="reranker", run=lambda: judge(smoke))
    for name in TAUGHT:
        out = SCORED / name
        yield _command("score", MINED / name, out, "--reranker", model_of("reranker"), made=out)
    yield _command("train", "recipes.tiny:s2", *brief)
    s1, s2, s3 = (Path(model_of(name)) for name in ("s1", "s2", "s3"))
    yield Step(name="merge", run=lambda: merge((s1, s2), Path(model_of("s0")), s3, 2 if smoke else 20))
    yield Step(name="fuse", run=lambda: print(fuse(s3, Path(model_of("reranker")), 6 if smoke else 120)))
    queries = 3 if smoke else EVALUATED
    for name, model in FAMILY.items():
        if name == "s3":
            yield Step(name="evaluate the pair", run=lambda: evaluate(s3, Path(model_of("reranker")), queries))
        else:
            out = ("--write", RESULTS / name)
            yield _command("evaluate", "--model", model, "--no-rerank", "--queries", queries, *out)

    table = RESULTS / "family.md"
    yield Step(name="table", run=lambda: family_table.write(RESULTS, FAMILY, table))


def _copied(part: str) -> Step:
    """A part of the bundled pair as the base."""
    kind: hub.Kind = "embedding" if part == "embedder" else "reranking"
    out = BASE / part
    return Step(name=f"base {part}", run=lambda: shutil.copytree(hub.locate("tiny", kind), out, dirs_exist_ok=True))


def _from_nothing() -> Iterator[Step]:
    """The base, from random weights."""
    run = base.Run(folder=BASE, minutes=150, steps=3600)
    yield Step(name="base embedder", run=lambda: base.embedder(run))
    yield Step(name="base reranker", run=lambda: base.reranker(replace(run, minutes=110, steps=4000, size=8)))


def _written(task: str, out: Path, size: int, *more: str) -> Step:
    """A dataset of the world."""
    kind = () if task == EVERY_KIND else ("--task", task)
    return _command("data", "world", out, *kind, "--size", size, *more, made=out)


def _mined(data: Path, out: Path) -> Step:
    """Hard negatives, drawn from what s0 finds."""
    bounds = ("--positive-above", -1, "--margin", 0.2, "--negatives", HARD, "--sample", "--top", 50)
    return _command("mine", data, out, "--model", model_of("s0"), *bounds, made=out)


def _command(*words: object, made: Path | None = None) -> Step:
    """A line of `anyseek`."""
    line = [str(word) for word in words]

    def run() -> None:
        """Tell it and run it; an error ends the whole."""
        print(f"anyseek {shlex.join(line)}", flush=True)
        if code := anyseek.main(line, standalone_mode=False):
            raise SystemExit(code)

    return Step(name=shlex.join(line), run=run, made=made)


def judge(smoke: bool) -> None:
    """The base's reranker goes on with the tower of s0, on a new collection and all tasks; stopped, it begins again."""
    shutil.copytree(model_of("s0"), JUDGE / "embedder", dirs_exist_ok=True)
    run = base.Run(
        folder=JUDGE, minutes=95, steps=4000, size=8, workers=0, start=BASE / "reranker", first=FRESH, given=JUDGED
    )
    base.reranker(replace(run, steps=FRESH + 2, collection=FEW, looked_at=2) if smoke else run)


def merge(models: tuple[Path, ...], start: Path, out: Path, rounds: int) -> None:
    """Self positioning: what each model has learnt since the base, with weights found on queries of every task.

    Args:
        models: their folders.
        start: what they were trained from.
        out: of the new model.
        rounds: of gradient descent.
    """
    backbones = [Embedder.load(one, dtype="float32") for one in (start, *models)]
    found = position(
        [one.backbone for one in backbones[1:]],
        backbones[0].backbone,
        probe_loss(_probe(), backbones[0].processor, torch.device("cpu")),
        PositionOptions(steps=rounds),
    )
    print(f"weights {found.weights}, loss {found.losses[0]:.4f} to {min(found.losses):.4f}")
    merge_folders(models, out, MergeOptions(method="task", weights=found.weights), start)


def evaluate(embedder: Path, reranker: Path, queries: int) -> None:
    """As `anyseek evaluate`, with the fusion that was fitted for the two, which are not known as a pair yet."""
    options = RunOptions(fusion=Fusion.beside(reranker), show_progress_bar=True)
    tasks = make(tuple(SPECS.values()), queries=queries)
    found = tuple(run_all(tasks, Embedder.load(embedder), Reranker.load(reranker), options))
    settings = {"queries": queries, "seed": SEED, "top": options.top}
    result = Result(model=embedder.parent.name, reranker=reranker.name, settings=settings, tasks=found)
    write_result(result, None, RESULTS / embedder.parent.name, plot=True)


def _probe() -> Probe:
    """Queries of every task that has one right answer, on things of training that no stage has seen."""
    tasks = [build(spec, 2, (("train", PROBED),)) for spec in SPECS.values() if spec.measure != "spearman"]
    queries, documents, numbers, positive = [], list[Item](), dict[object, int](), []
    for task in tasks:
        for query in task.queries:
            document = task.documents[min(query.relevance)]
            # A colour that answers two queries is one document: as two, each would be wrong for the other query.
            number = numbers.setdefault(_words(document) or id(document), len(documents))
            if number == len(documents):
                documents.append(document)
            queries.append(replace(query.item, instruction=task.instruction))
            positive.append(number)
    return Probe(queries=tuple(queries), documents=tuple(documents), positive=tuple(positive))


def _words(item: Item) -> tuple[str, ...]:
    """All that an item says, where it is text alone."""
    return tuple(part.text for part in item.parts if isinstance(part, Text)) if item.is_text else ()


def _mode(wanted: str | None) -> str:
    """What the run in this folder is: as it began, or else as wanted; two kinds never mix."""
    begun = next((line.removeprefix(MODE) for line in _done() if line.startswith(MODE)), wanted or "whole")
    if wanted not in (None, begun):
        raise SystemExit(f"{RUN} holds a run that began as {begun!r}; move it away, or go on without --{wanted}")
    return begun


def _done() -> list[str]:
    """Lines of what is done."""
    return DONE.read_text(encoding="utf-8").splitlines() if DONE.exists() else []


def _note(line: str) -> None:
    """Add a line to them."""
    DONE.parent.mkdir(parents=True, exist_ok=True)
    with DONE.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def main() -> None:
    """Read the command line, and do what is not done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--go-on", action="store_true", help="the bundled pair is the base")
    parser.add_argument("--smoke", action="store_true", help="likewise, the same steps, small")
    parser.add_argument("--bundle", action="store_true", help="then take the last models as the bundled pair")
    parser.add_argument("--list", action="store_true", help="say which steps are done, and stop")
    given = parser.parse_args()
    load_figure()  # absent, it is to be known now and not after hours
    mode = _mode("smoke" if given.smoke else "go-on" if given.go_on else None)
    if given.bundle and mode == "smoke":
        parser.error(f"{RUN} holds a run that is no more than a trial; nothing of it is worth bundling")
    if not given.list and MODE + mode not in _done():
        _note(MODE + mode)
    done = set(_done())
    for step in steps(smoke=mode == "smoke", go_on=mode != "whole"):
        is_done = step.name in done or (step.made is not None and step.made.is_dir())
        if given.list:
            print(f"{'done' if is_done else '    '} {step.name}")
        elif not is_done:
            step.run()
            _note(step.name)
    if given.bundle and not given.list:
        bundle(Path(model_of("s3")), Path(model_of("reranker")))


if __name__ == "__main__":
    main()
