"""Conformance: where another engine, library or server parts from this one, and why.

    case ─> our model ─> record ─┐
      └──> other engine ─> record ─> first stage that differs ─> mistakes that reproduce it ─> cause

A cause is never guessed: it is named when our own model, making that mistake, gives what the other engine gave.
"""

from anyseek.evaluation.conformance.causes import CAUSES, Cause
from anyseek.evaluation.conformance.checkpoint import Check, examine, kind_of
from anyseek.evaluation.conformance.compare import FULL, HALF, STAGES, Difference, Tolerance, difference
from anyseek.evaluation.conformance.consistency import consistency
from anyseek.evaluation.conformance.diagnosis import Diagnosis, Explanation, Finding, Target, diagnose
from anyseek.evaluation.conformance.golden import golden_findings
from anyseek.evaluation.conformance.libraries import SentenceTransformers, Transformers
from anyseek.evaluation.conformance.pack import Case, pack
from anyseek.evaluation.conformance.server import Server
from anyseek.evaluation.conformance.trace import Trace, Tracer

__all__ = [
    "CAUSES",
    "FULL",
    "HALF",
    "STAGES",
    "Case",
    "Cause",
    "Check",
    "Diagnosis",
    "Difference",
    "Explanation",
    "Finding",
    "SentenceTransformers",
    "Server",
    "Target",
    "Tolerance",
    "Trace",
    "Tracer",
    "Transformers",
    "consistency",
    "diagnose",
    "difference",
    "examine",
    "golden_findings",
    "kind_of",
    "pack",
]
