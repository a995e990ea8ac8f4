"""Evaluation on tasks: nine categories in the shape of MMEB-V2 from the world's held-out splits, texts, own data.

tasks = make(choose(["image"]), seed=99, queries=30)
result = Result(model="tiny", reranker="tiny", settings={}, tasks=tuple(run_all(tasks, embedder, reranker)))
for line in by_category(result.tasks):
    line.label, line.estimates(), line.gains()
"""

from anyseek.evaluation.tasks.catalogue import QUERIES, SEED, SPECS, choose, make, spec_named
from anyseek.evaluation.tasks.folder import Own, data_task, own_task
from anyseek.evaluation.tasks.intervals import Estimate, Sampled
from anyseek.evaluation.tasks.making import Spec
from anyseek.evaluation.tasks.run import RunOptions, TaskResult, run, run_all
from anyseek.evaluation.tasks.summary import Line, Result, by_category, by_query, by_task, by_width, compare
from anyseek.evaluation.tasks.task import Measure, Query, Ranking, Task
from anyseek.evaluation.tasks.written import write_task

__all__ = [
    "QUERIES",
    "SEED",
    "SPECS",
    "Estimate",
    "Line",
    "Measure",
    "Own",
    "Query",
    "Ranking",
    "Result",
    "RunOptions",
    "Sampled",
    "Spec",
    "Task",
    "TaskResult",
    "by_category",
    "by_query",
    "by_task",
    "by_width",
    "choose",
    "compare",
    "data_task",
    "make",
    "own_task",
    "run",
    "run_all",
    "spec_named",
    "write_task",
]
