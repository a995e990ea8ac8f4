"""`anyseek doctor`: does a checkpoint, a library or a server give what it should, and if not, why."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anyseek.cli.options import debug_option, json_option

if TYPE_CHECKING:
    from anyseek.engine import Embedder, Reranker
    from anyseek.evaluation.conformance import Check, Explanation, Finding, Target, Tolerance
    from anyseek.model.hub import Kind

__all__ = ["doctor"]

DIFFERS = 1
LIBRARIES = ("transformers", "sentence-transformers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of the doctor; the fields are the command's options."""

    kind: "Kind | None"
    against: str | None
    form: Any
    served_name: str | None
    precision: str | None
    golden: Path | None
    device: str
    dtype: str


@dataclass(slots=True)
class Report:
    """What was found.

    Attributes:
        model: folder.
        kind: embedding or reranking.
        against: the other engine, or None.
        checks: of the folder and of our engine.
        findings: of the pack, or of golden cases.
        causes: what explains them, and the cases each explains.
        unexplained: cases that differ for none of the known causes.
    """

    model: Path
    kind: "Kind"
    against: str | None = None
    checks: "list[Check]" = field(default_factory=list)
    findings: "list[Finding]" = field(default_factory=list)
    causes: "list[tuple[Explanation, tuple[str, ...]]]" = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)

    @property
    def differs(self) -> bool:
        """Whether anything is wrong."""
        wrong = any(check.verdict == "wrong" for check in self.checks)
        return wrong or any(finding.difference is not None for finding in self.findings)


@click.command(short_help="Find out why vectors or scores differ.")
@click.argument("model")
@click.option(
    "--against", default=None, metavar="ENGINE", help="transformers, sentence-transformers, or a server's URL."
)
@click.option(
    "--kind", type=click.Choice(["embedding", "reranking"]), default=None, help="Told by the model if it can."
)
@click.option(
    "--form", type=click.Choice(["input", "messages"]), default="input", help="Requests of a server (vLLM: messages)."
)
@click.option(
    "--served-name", default=None, metavar="NAME", help="Name of the model in requests; the first if not given."
)
@click.option(
    "--precision", type=click.Choice(["full", "half"]), default=None, help="Tolerance: half for servers and bf16."
)
@click.option(
    "--golden", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Folder of expected numbers."
)
@click.option("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps.")
@click.option(
    "--dtype", type=click.Choice(["auto", "float32", "bfloat16", "float16"]), default="auto", help="Of our weights."
)
@json_option
@debug_option
def doctor(model: str, as_json: bool, **asked: Any) -> None:
    """Examine MODEL (tiny, 2b, 8b, a folder or a hub name), or compare it with another engine stage by stage.

    Without --against: what will be loaded, the template, limits, memory, what of the folder breaks other libraries, and
    whether our engine agrees with itself. With --against: a small pack of inputs through both; the first stage that
    differs, and which known mistake reproduces it. A picture is sent as a data URI. Ends with 1 when something differs.
    """
    report = _examined(model, Question(**asked))
    if as_json:
        _print_json(report)
    else:
        _print(report)
    sys.exit(DIFFERS if report.differs else 0)


def _examined(model: str, asked: Question) -> Report:
    """Everything that was asked for."""
    from anyseek.evaluation.conformance import Tracer, diagnose, examine, golden_findings, kind_of, pack
    from anyseek.model.hub import locate

    kind = asked.kind or kind_of(model)
    folder = locate(model, kind)
    kind = asked.kind or kind_of(model, folder)
    report = Report(folder, kind)
    if asked.against is None:
        report.checks = examine(folder, kind)
        if report.differs:
            return report
    loaded = _loaded(folder, kind, asked)
    tolerance, tracer = _tolerance(loaded, asked), Tracer(loaded)
    if asked.against is not None:
        target = _target(folder, kind, asked)
        report.against = target.name
        found = diagnose(tracer, target, pack(kind), tolerance)
        report.findings, report.causes, report.unexplained = list(found.findings), list(found.causes), found.unexplained
        return report
    from anyseek.evaluation.conformance import consistency

    report.checks += consistency(loaded, pack(kind), tolerance)
    if asked.golden is not None:
        report.findings = list(golden_findings(tracer, asked.golden, kind, tolerance))
    return report


def _loaded(folder: Path, kind: "Kind", asked: Question) -> "Embedder | Reranker":
    """Our model."""
    from anyseek.engine import Embedder, Reranker

    engine: type[Embedder] | type[Reranker] = Embedder if kind == "embedding" else Reranker
    return engine.load(folder, device=asked.device, dtype=asked.dtype)


def _tolerance(model: "Embedder | Reranker", asked: Question) -> "Tolerance":
    """Half when it is asked for, when a server may run in it, or when our weights do."""
    import torch

    from anyseek.evaluation.conformance import FULL, HALF

    server = asked.against is not None and asked.against not in LIBRARIES
    half = server or next(model.backbone.parameters()).dtype != torch.float32
    return {"full": FULL, "half": HALF}[asked.precision or ("half" if half else "full")]


def _target(folder: Path, kind: "Kind", asked: Question) -> "Target":
    """The other engine."""
    from anyseek.engine.runtime import resolve_device
    from anyseek.evaluation.conformance import SentenceTransformers, Server, Transformers

    assert asked.against is not None
    if asked.against in LIBRARIES:
        library = Transformers if asked.against == "transformers" else SentenceTransformers
        return library(folder, kind, resolve_device(asked.device))
    return Server(asked.against, kind, form=asked.form, model=asked.served_name)


def _print(report: Report) -> None:
    """Tables, then what to do."""
    from anyseek.cli.output import print_table

    click.echo(f"{report.model} ({report.kind})" + (f" against {report.against}" if report.against else ""))
    if report.checks:
        print_table(("check", "", "what"), [(check.name, check.verdict, check.text) for check in report.checks])
    if report.findings:
        print_table(("case", "differs at", "how", "cause"), [_row(finding) for finding in report.findings])
    for explanation, cases in report.causes:
        _print_cause(explanation, cases)
    if report.unexplained:
        click.echo(f"None of the known causes: {', '.join(report.unexplained)}.")
    click.echo("Something differs." if report.differs else "Nothing differs.")


def _row(finding: "Finding") -> tuple[str, ...]:
    """The cells of one case."""
    if finding.difference is None:
        return (finding.case, "-", "equal", "")
    causes = dict.fromkeys(" and ".join(explanation.causes) for explanation in finding.explanations)
    return (finding.case, finding.stage or "", finding.difference.detail, " or ".join(causes))


def _print_cause(explanation: "Explanation", cases: Sequence[str]) -> None:
    """What was reproduced, and the remedy."""
    from anyseek.evaluation.conformance import CAUSES

    for name in explanation.causes:
        click.echo(f"{name} ({', '.join(cases)}): {CAUSES[name].what}.")
        click.echo(f"  remedy: {CAUSES[name].remedy}.")
    if explanation.details:
        click.echo(f"  reproduced with: {' or '.join(explanation.details)}.")


def _print_json(report: Report) -> None:
    """One object."""
    from anyseek.cli.output import print_json

    print_json(
        {
            "model": str(report.model),
            "kind": report.kind,
            "against": report.against,
            "differs": report.differs,
            "checks": [asdict(check) for check in report.checks],
            "cases": [_as_row(finding) for finding in report.findings],
            "causes": [
                {"causes": explanation.causes, "reproduced_with": explanation.details, "cases": cases}
                for explanation, cases in report.causes
            ],
            "unexplained": report.unexplained,
        }
    )


def _as_row(finding: "Finding") -> dict[str, Any]:
    """One case for JSON."""
    found = finding.difference
    return {
        "case": finding.case,
        "stage": finding.stage,
        "detail": found.detail if found else None,
        "causes": [list(explanation.causes) for explanation in finding.explanations],
    }
