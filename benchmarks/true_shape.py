"""Does a model of the true 2B shape load in little more memory than its weights, and embed a text and a page on a CPU?

    python -m benchmarks.true_shape [--keep FOLDER] [--max-tokens 1800] [--write]

Writes random bf16 weights of the published 2B shape (4.3 GB, in shards) into a temporary folder, loads them in a fresh
process, and prints a Markdown table. Needs 5 GB of disk and 6 GB of memory. It fails when loading takes more than
1.15 times the weights above what the process held before.
"""

import argparse
import importlib.util
import io
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from anyseek.engine import Embedder
from anyseek.evaluation.bench.shapes import config_of, shape_named
from anyseek.items import Item, Limits, Page
from anyseek.model import Backbone
from anyseek.processing import Tokenizer

ROOT = Path(__file__).parents[1]
RESULT = Path(__file__).parent / "results" / "true_shape.md"
PEAK = 1.15
SHARD_BYTES = 500 * 10**6
CELL = 32**2


def write_model(folder: Path) -> None:
    """Config, tokenizer and random weights, a shard at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    path = ROOT / "tests" / "golden" / "make_checkpoint.py"
    spec = importlib.util.spec_from_file_location("make_checkpoint", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.tokenizer(True).save(str(folder / "tokenizer.json"))
    config = config_of(shape_named("2b"), Tokenizer(folder))
    (folder / "config.json").write_text(json.dumps(config.raw))
    with torch.device("meta"):
        shapes = {name: p.shape for name, p in Backbone(config).named_parameters()}
    generator, shard, index, number = torch.Generator().manual_seed(0), {}, {}, 0
    for name, shape in shapes.items():
        shard[f"model.{name}"] = random_weight(name, shape, generator)
        if sum(t.nbytes for t in shard.values()) > SHARD_BYTES or name == list(shapes)[-1]:
            file = f"model-{number:05}.safetensors"
            save_file(shard, folder / file, metadata={"format": "pt"})
            index |= dict.fromkeys(shard, file)
            shard, number = {}, number + 1
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))


def random_weight(name: str, shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    """bf16 at a scale that keeps activations near one."""
    weight = torch.empty(shape, dtype=torch.bfloat16)
    if len(shape) == 1:
        return weight.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)
    return weight.normal_(0, 1.0 if "embed_tokens" in name else shape[-1] ** -0.5, generator=generator)


def memory(field: str) -> int:
    """Bytes of a field of this process's status: VmRSS now, VmHWM at most."""
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(field))
    return int(line.split()[1]) * 1024


def page() -> bytes:
    """An A4 page of text as a PDF."""
    sheet = Image.new("RGB", (1240, 1754), "white")
    draw = ImageDraw.Draw(sheet)
    for line in range(60):
        draw.text((100, 100 + 25 * line), f"Line {line} of a page that a model of the true shape reads. " * 2, "black")
    out = io.BytesIO()
    sheet.save(out, "PDF", resolution=150)
    return out.getvalue()


def measure(folder: Path, max_tokens: int) -> dict[str, float]:
    """Load and embed in this process; sizes in bytes, times in seconds."""
    torch.ones(8, 8, dtype=torch.bfloat16) @ torch.ones(8, 8, dtype=torch.bfloat16)
    before, start = memory("VmRSS"), time.perf_counter()
    embedder = Embedder.load(folder, device="cpu", dtype="bfloat16")
    loaded, peak = time.perf_counter() - start, memory("VmHWM")
    found = {
        "weights": sum(p.nbytes for p in embedder.backbone.parameters()),
        "parameters": sum(p.numel() for p in embedder.backbone.parameters()),
        "load peak": peak - before,
        "load seconds": loaded,
    }
    sheet = Item((Page(page()),), limits=Limits(max_pixels=max_tokens * CELL))
    for name, value in (("text", "A woman playing with her dog on a beach at sunset."), ("page", sheet)):
        found[f"{name} tokens"], start = embedder.plan(value).tokens, time.perf_counter()
        vector = embedder.encode(value)
        found[f"{name} seconds"] = time.perf_counter() - start
        assert vector.shape == (2048,) and abs(float(np.linalg.norm(vector)) - 1) < 1e-3
    found["whole peak"] = memory("VmHWM") - before
    return found


def table(found: dict[str, float], written: float) -> str:
    """The result as Markdown."""
    weights, gb = found["weights"], 1e9
    rows = [
        ("parameters", f"{found['parameters'] / 1e9:.2f} billion"),
        ("weights in bf16", f"{weights / gb:.2f} GB (written in {written:.0f} s)"),
        ("loading: time", f"{found['load seconds']:.1f} s"),
        ("loading: peak memory", f"{found['load peak'] / gb:.2f} GB, {found['load peak'] / weights:.3f} x the weights"),
        ("one text", f"{found['text tokens']:.0f} tokens, {found['text seconds']:.1f} s"),
        ("one page", f"{found['page tokens']:.0f} tokens, {found['page seconds']:.1f} s"),
        ("peak memory of all", f"{found['whole peak'] / gb:.2f} GB, {found['whole peak'] / weights:.3f} x the weights"),
    ]
    head = f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    return "\n".join([f"| {head} | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def main() -> None:
    """Write, measure in a fresh process, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="folder to write to and keep; reused when it has a config.json")
    parser.add_argument("--max-tokens", type=int, default=1800, help="most tokens of the page")
    parser.add_argument("--write", action="store_true", help=f"also write {RESULT.relative_to(ROOT)}")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.max_tokens)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder, start = options.keep or Path(temporary), time.perf_counter()
        if not (folder / "model.safetensors.index.json").exists():
            write_model(folder)
        written = time.perf_counter() - start
        command = [sys.executable, "-m", "benchmarks.true_shape", "--measure", str(folder)]
        command += ["--max-tokens", str(options.max_tokens)]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout
    found = json.loads(output.splitlines()[-1])
    result = table(found, written)
    print(result)
    if options.write:
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(result + "\n", encoding="utf-8")
    if found["load peak"] > PEAK * found["weights"]:
        sys.exit(f"loading took {found['load peak'] / found['weights']:.3f} x the weights, more than {PEAK}")


if __name__ == "__main__":
    main()
