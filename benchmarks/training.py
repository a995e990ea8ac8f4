"""A training step beside one of sentence-transformers: the same model, files, loss and optimiser, in one run.

    python -m benchmarks.training [--row mixed --row texts] [--queries 16] [--rounds 5] [--write]

Loss and gradients of both are compared first, and what differs is not timed. Then both make whole steps by turns:
forward, backward, clipping, AdamW. Memory is measured in a process for each: the most that is resident during two steps
above what was there once the model was loaded. The line above the table says what was asked for, and how busy the
machine was. `--write` keeps each row when it is done, beside those of earlier runs with the same versions and settings.
"""

import argparse
import gc
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from anyseek.errors import ConfigError
from anyseek.evaluation.bench.shapes import Models, write_models
from anyseek.evaluation.bench.work import counted
from anyseek.model import hub
from benchmarks.training_peers import TRAINERS, Batch, Kind, Pieces, Setting, Trainer, draw, shape_of
from benchmarks.training_report import markdown

ROOT = Path(__file__).parents[1]
RESULT = Path(__file__).parent / "results" / "training.json"
STEPS_OF_MEMORY = 2
"""The first makes the moments of AdamW, which the second has beside its activations."""
APART = {"float32": (1e-4, 1e-3), "bfloat16": (2e-2, 0.5)}
"""Most that losses and gradients may be apart, as shares; measured: see the column `apart` of the result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes:
        title: in words.
        batch: what is learnt from.
        pieces: what is held at once.
        vision: whether the vision tower learns.
        dtype: of everything.
        files: whether a step begins with files; otherwise with pixels and token ids.
    """

    title: str
    batch: Kind = "mixed"
    pieces: Pieces = "rows"
    vision: bool = True
    dtype: str = "float32"
    files: bool = False


ROWS = {
    "mixed": Row(title="pictures and texts mixed"),
    "mixed-files": Row(title="the same, files read in the step", files=True),
    "mixed-tokens": Row(title="the same, mini-batches cut by tokens in both", pieces="tokens"),
    "mixed-whole": Row(title="the same, everything in one piece", pieces="whole"),
    "mixed-plain": Row(title="the same, one piece, and the plain loss of the other", pieces="plain"),
    "mixed-frozen": Row(title="the same, vision tower frozen", vision=False),
    "mixed-bfloat16": Row(title="the same in bfloat16", dtype="bfloat16"),
    "search": Row(title="texts looking for pictures", batch="search"),
    "questions": Row(title="pictures with questions, and answers", batch="questions"),
    "texts": Row(title="texts only", batch="texts"),
    "pictures": Row(title="pictures only", batch="pictures"),
}


@dataclass(slots=True, kw_only=True)
class Side:
    """What one trainer took.

    Attributes:
        wall: seconds of each round.
        processor: seconds that the process had of a processor, likewise.
        tokens: that went through the text tower in the forward passes of a step.
        patches: that went through the vision tower, likewise.
        peak_bytes: memory of a step above that of the loaded model.
    """

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    tokens: int = 0
    patches: int = 0
    peak_bytes: int = 0


def step(trainer: Trainer, optimiser: torch.optim.Optimizer, prepared: Any) -> None:
    """One whole step from prepared inputs."""
    trainer.backward(prepared)
    nn.utils.clip_grad_norm_(trainer.model.parameters(), 1.0)
    optimiser.step()
    optimiser.zero_grad()


def adamw(trainer: Trainer) -> torch.optim.Optimizer:
    """The same for both, on the weights themselves: neither keeps fp32 masters here."""
    return torch.optim.AdamW([p for p in trainer.model.parameters() if p.requires_grad], lr=1e-6)


def distances(ours: Trainer, theirs: Trainer, batch: Batch, sides: list[Side]) -> tuple[float, float]:
    """How far losses and gradients are apart, as shares of the peer's; also notes what each computes for them."""
    losses = []
    for trainer, side in zip((ours, theirs), sides, strict=True):
        with counted([trainer.model]) as work:
            losses.append(trainer.backward(trainer.prepare(batch)))
        side.tokens, side.patches = work.tokens, work.patches
    others = dict(theirs.model.named_parameters())
    squares = torch.zeros(2, dtype=torch.float64)
    for name, weight in ours.model.named_parameters():
        mine, other = weight.grad, others[name].grad
        if mine is None and other is None:
            continue
        if mine is None or other is None:
            raise ConfigError(f"only one of the trainers gives {name} a gradient")
        other = other.reshape(mine.shape).double()
        squares += torch.stack([(mine - other).square().sum(), other.square().sum()]).cpu()
    for trainer in (ours, theirs):
        trainer.model.zero_grad()
    return abs(losses[0] - losses[1]) / abs(losses[1]), float((squares[0] / squares[1]).sqrt())


def take_turns(trainers: list[Trainer], batch: Batch, row: Row, rounds: int, sides: list[Side]) -> None:
    """Time whole steps, one round more than asked for, of which the first is thrown away."""
    optimisers = [adamw(trainer) for trainer in trainers]
    prepared = [None if row.files else trainer.prepare(batch) for trainer in trainers]
    for number in range(rounds + 1):
        for place in (0, 1) if number % 2 else (1, 0):
            trainer = trainers[place]
            wall, processor = time.perf_counter(), time.process_time()
            step(trainer, optimisers[place], trainer.prepare(batch) if row.files else prepared[place])
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if number:
                sides[place].wall.append(time.perf_counter() - wall)
                sides[place].processor.append(time.process_time() - processor)


# Memory, in a process of its own


def memory(status: str) -> int:
    """Bytes of a field of this process's status: VmRSS now, VmHWM at most."""
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith(status))
    return int(line.split()[1]) * 1024


def peak_here(name: str, setting: Setting, row: Row, queries: int, folder: Path) -> int:
    """Bytes of two steps above the loaded model, of the accelerator where there is one; on a CPU this needs Linux."""
    batch = draw(row.batch, queries, folder)
    trainer = TRAINERS[name](setting)
    gc.collect()
    on_gpu = setting.device.startswith("cuda")
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    else:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins again at what is resident now
        before = memory("VmRSS")
    optimiser = adamw(trainer)
    prepared = trainer.prepare(batch)
    for _ in range(STEPS_OF_MEMORY):
        step(trainer, optimiser, prepared)
    return (torch.cuda.max_memory_allocated() if on_gpu else memory("VmHWM")) - before


def peak_elsewhere(name: str, models: Models, row: str, options: argparse.Namespace, folder: Path) -> int:
    """`peak_here` in a fresh process."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.training", "--peak", name, "--row", row]
    command += ["--models", str(models.embedding.parent), "--inputs", str(folder)]
    command += ["--queries", str(options.queries), "--device", options.device]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout
    return int(output.splitlines()[-1])


# Rows


def measure(name: str, models: Models, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """A row: equality, times, memory.

    Raises:
        ConfigError: the two do not compute the same.
    """
    row = ROWS[name]
    setting = setting_of(row, models, options.device)
    batch = draw(row.batch, options.queries, folder)
    ours, theirs = (TRAINERS[one](setting) for one in TRAINERS)
    sides = [Side(), Side()]
    loss, gradient = distances(ours, theirs, batch, sides)
    told = f"{name}: losses are {loss:.1g} apart, gradients {gradient:.1g}"
    most = APART[row.dtype]
    if not (loss <= most[0] and gradient <= most[1]):
        raise ConfigError(f"{told}, more than {most[0]} and {most[1]}: the trainers do not compute the same")
    print(told, file=sys.stderr)
    take_turns([ours, theirs], batch, row, options.rounds, sides)
    del ours, theirs
    for one, side in zip(TRAINERS, sides, strict=True):
        side.peak_bytes = peak_elsewhere(one, models, name, options, folder)
    return {
        "row": asdict(row),
        "apart": [loss, gradient],
        "load": os.getloadavg()[0],
        "sides": list(map(asdict, sides)),
    }


def setting_of(row: Row, models: Models, device: str) -> Setting:
    """Of both trainers."""
    return Setting(models=models, device=device, dtype=row.dtype, pieces=row.pieces, vision=row.vision)


def circumstances(options: argparse.Namespace) -> dict[str, Any]:
    """What rows must have in common to stand in one table."""
    return {
        "month": datetime.now(UTC).strftime("%Y-%m"),
        "shape": options.shape,
        "queries": options.queries,
        "rounds": options.rounds,
        "device": options.device,
        "threads": torch.get_num_threads(),
        "processors": os.cpu_count(),
        "hardware": torch.cuda.get_device_name() if options.device.startswith("cuda") else platform.machine(),
        "versions": {"Python": platform.python_version(), "torch": torch.__version__}
        | {name: version(name) for name in ("transformers", "sentence-transformers")},
    }


def keep(rows: dict[str, Any], where: dict[str, Any]) -> None:
    """Write the rows beside those of earlier runs under the same circumstances, in the order of `ROWS`."""
    earlier = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {"where": None}
    found = (earlier["rows"] if earlier["where"] == where else {}) | rows
    result = {"where": where, "rows": {name: found[name] for name in ROWS if name in found}}
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    RESULT.with_suffix(".md").write_text(markdown(result), encoding="utf-8")


def options_of(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--row", action="append", choices=ROWS, help="may be repeated; all of them if not given")
    parser.add_argument("--shape", default="narrow", help="narrow (2b, smaller in every direction), small, 2b or 8b")
    parser.add_argument("--queries", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--write", action="store_true", help="also write benchmarks/results/training.json and .md")
    for hidden in ("--peak", "--models", "--inputs"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.queries < 2 or given.rounds < 1:
        parser.error("--queries must be at least 2, and --rounds at least 1")
    return given


def main(arguments: list[str] | None = None) -> None:
    """Measure, print and maybe write the table."""
    options = options_of(arguments)
    if options.peak:
        (name,), folder = options.row, Path(options.models)
        setting = setting_of(ROWS[name], Models(folder / "embedding", folder / "reranking"), options.device)
        print(peak_here(options.peak, setting, ROWS[name], options.queries, Path(options.inputs)))
        return
    where = circumstances(options)
    with tempfile.TemporaryDirectory(prefix="anyseek-training-") as temporary:
        folder = Path(temporary)
        shape, source = shape_of(options.shape), hub.locate("tiny", "embedding")
        models = write_models(shape, source, folder / "models", dtype=torch.float32, device=torch.device("cpu"))
        rows: dict[str, Any] = {}
        for name in options.row or ROWS:
            rows[name] = measure(name, models, options, folder / "inputs")
            if options.write:
                keep(rows, where)
    print(markdown({"where": where, "rows": rows}))


if __name__ == "__main__":
    main()
