"""Load time and peak memory, each engine in a process of its own.

    python -m anyseek.evaluation.bench.fresh ENGINE EMBEDDING_FOLDER RERANKING_FOLDER SHAPE DEVICE DTYPE

prints one JSON object; `measure_load` runs that and reads it.
"""

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from anyseek.engine.runtime import DTYPES
from anyseek.evaluation.bench.engines import Anyseek, Engine
from anyseek.evaluation.bench.peers import PublicCode, SentenceTransformers
from anyseek.evaluation.bench.shapes import Models, shape_named
from anyseek.evaluation.bench.workloads import QUERY, Workload
from anyseek.items import Item, Text
from anyseek.processing.rules import REFERENCE

__all__ = ["ENGINES", "Load", "Place", "make_engine", "measure_load"]

ENGINES = ("anyseek", "transformers", "sentence-transformers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What is loaded, and where.

    Attributes:
        models: folders.
        shape: name of their shape.
        device: resolved.
        dtype: resolved, its name.
    """

    models: Models
    shape: str
    device: str
    dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How an engine started.

    Attributes:
        engine: its name.
        load_seconds: from the call that loads the embedding model to its return; a peer's own imports fall into it.
        first_seconds: from the start of the process to its end, with one vector made.
        peak_bytes: most memory of the host.
        device_bytes: most memory of the accelerator; None on a CPU.
        reason: why there is nothing; empty when there is.
    """

    engine: str
    load_seconds: float = float("nan")
    first_seconds: float = float("nan")
    peak_bytes: int = 0
    device_bytes: int | None = None
    reason: str = ""


def make_engine(name: str, place: Place) -> Engine:
    """One of ENGINES, nothing loaded yet."""
    if name == "anyseek":
        return Anyseek(place.models, place.device, place.dtype)
    device, dtype = torch.device(place.device), DTYPES[place.dtype]
    if name == "transformers":
        return PublicCode(place.models, device, dtype, shape_named(place.shape).limits.over(REFERENCE))
    return SentenceTransformers(place.models, device, dtype)


def measure_load(name: str, place: Place) -> Load:
    """Start a process that loads one engine, embeds a text and ends."""
    models = place.models
    command = [sys.executable, "-W", "ignore", "-m", __spec__.name, name]
    command += [str(models.embedding), str(models.reranking), place.shape, place.device, place.dtype]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return Load(engine=name, reason=last)
    found = json.loads(done.stdout.splitlines()[-1])
    return Load(**found | {"first_seconds": seconds})


def _load_here(name: str, place: Place) -> Load:
    """Load and embed in this process."""
    workload = Workload(name="load", title="", items=(Item((Text(QUERY),)),))
    start = time.perf_counter()
    engine = make_engine(name, place)
    engine.models(workload)
    seconds = time.perf_counter() - start
    engine.run(workload)
    return Load(
        engine=engine.name,
        load_seconds=seconds,
        peak_bytes=_peak_bytes(),
        device_bytes=torch.cuda.max_memory_allocated() if place.device.startswith("cuda") else None,
    )


def _peak_bytes() -> int:
    """Most memory of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():  # what `getrusage` says here would include the process that started this one
        (found,) = (each for each in status.read_text(encoding="ascii").splitlines() if each.startswith("VmHWM"))
        return int(found.split()[1]) * 1024
    import resource  # not on Windows, where only this part cannot run

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Read the command line."""
    name, embedding, reranking, shape, device, dtype = sys.argv[1:]
    place = Place(models=Models(Path(embedding), Path(reranking)), shape=shape, device=device, dtype=dtype)
    sys.stdout.write("\n" + json.dumps(asdict(_load_here(name, place))) + "\n")


if __name__ == "__main__":
    main()
