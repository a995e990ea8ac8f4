"""The whole benchmark: models written, ceilings measured, then row by row."""

import platform
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import torch

from anyseek.engine.runtime import resolve_device, resolve_dtype
from anyseek.errors import ConfigError
from anyseek.evaluation.bench.ceilings import Ceilings, measure_ceilings
from anyseek.evaluation.bench.engines import Anyseek
from anyseek.evaluation.bench.fresh import ENGINES, Load, Place, make_engine, measure_load
from anyseek.evaluation.bench.measure import TOLERANCES, Row, Rules, Tolerance, measure
from anyseek.evaluation.bench.shapes import shape_named, write_models
from anyseek.evaluation.bench.workloads import NAMES, SIZES, Sizes, make_workloads
from anyseek.model import hub
from anyseek.processing import Tokenizer

__all__ = ["LOAD", "BenchOptions", "Result", "run_bench"]

LOAD = "load"
"""Name of the workload that is no workload: load time and peak memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """What is measured.

    Attributes:
        shape: small, 2b or 8b.
        device: as in `LoadOptions`.
        dtype: likewise.
        kernels: ours, likewise.
        workloads: names; nothing stands for all.
        peers: whether transformers and sentence-transformers are compared with.
        repeats: rounds of a row.
        seconds: after so long no further round of a row begins; quick ones go on for a twentieth of it.
        sizes: how much a workload holds; None takes the shape's.
    """

    shape: str = "small"
    device: str = "auto"
    dtype: str = "auto"
    kernels: str = "auto"
    workloads: tuple[str, ...] = ()
    peers: bool = True
    repeats: int = 5
    seconds: float = 40.0
    sizes: Sizes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was found.

    Attributes:
        options: what was asked for.
        month: year and month.
        hardware: name of the processor or the accelerator.
        threads: of torch.
        device: resolved.
        dtype: resolved.
        versions: package -> version.
        tolerance: between results.
        ceilings: of the machine.
        rows: one of each workload.
        loads: one of each engine.
    """

    options: BenchOptions
    month: str
    hardware: str
    threads: int
    device: str
    dtype: str
    versions: dict[str, str]
    tolerance: Tolerance
    ceilings: Ceilings
    rows: list[Row] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """Names of the workloads whose results differ."""
        return [row.name for row in self.rows if row.is_wrong]


def run_bench(options: BenchOptions, progress: Callable[[str], None], on_row: Callable[[Row], None]) -> Result:
    """Measure everything.

    Args:
        options: what.
        progress: told what begins.
        on_row: given each row when it is done.

    Raises:
        ConfigError: an unknown shape, device, precision or workload.
        DependencyError: a peer is not installed.
    """
    shape, names = shape_named(options.shape), _checked_names(options.workloads)
    device = resolve_device(options.device)
    dtype = resolve_dtype(options.dtype, device)
    dtype_name = str(dtype).removeprefix("torch.")
    rules = Rules(
        tolerance=TOLERANCES[dtype_name],
        repeats=options.repeats,
        seconds=options.seconds,
        least_seconds=options.seconds / 20,
    )
    engines = ENGINES if options.peers else ENGINES[:1]
    with tempfile.TemporaryDirectory(prefix="anyseek-bench-") as temporary:
        folder = Path(temporary)
        progress(f"writing random weights of the {shape.name} shape")
        source = hub.locate("tiny", "embedding")
        models = write_models(shape, source, folder / "models", dtype=dtype, device=device)
        place = Place(models=models, shape=shape.name, device=str(device), dtype=dtype_name)
        ours = Anyseek(models, str(device), dtype_name, options.kernels)
        peers = [make_engine(name, place) for name in engines[1:]]
        progress("measuring what the machine can do at most")
        result = Result(
            options=options,
            month=datetime.now(UTC).strftime("%Y-%m"),
            hardware=_hardware(device),
            threads=torch.get_num_threads(),
            device=str(device),
            dtype=dtype_name,
            versions={"Python": platform.python_version(), "torch": torch.__version__}
            | dict(peer.name.split(" ") for peer in peers),
            tolerance=rules.tolerance,
            ceilings=measure_ceilings(device, dtype),
        )
        if LOAD in names:  # before this process holds models on the same device
            progress("loading, each engine in a process of its own")
            result.loads.extend(measure_load(name, place) for name in engines)
        chosen = tuple(name for name in names if name != LOAD)
        sizes = options.sizes or SIZES[shape.name]
        for number, workload in enumerate(
            make_workloads(chosen, folder / "inputs", sizes, Tokenizer(models.embedding)), 1
        ):
            progress(f"{number} of {len(chosen)}: {workload.title}")
            result.rows.append(measure(workload, ours, peers, rules))
            on_row(result.rows[-1])
    return result


def _checked_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Of workloads, all of them when none is given."""
    known = (LOAD, *NAMES)
    for name in names:
        if name not in known:
            raise ConfigError(f"workload {name!r} is unknown; choose from {', '.join(known)}")
    return names or known


def _hardware(device: torch.device) -> str:
    """Name of the accelerator, or of the processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
