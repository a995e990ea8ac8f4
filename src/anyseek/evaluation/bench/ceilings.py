"""What this machine can do at most, measured: matrix products and copies."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

__all__ = ["Ceilings", "measure_ceilings"]

SIDES = {"cpu": 2048, "cuda": 8192}
COPIED = {"cpu": 256 << 20, "cuda": 2 << 30}
REPEATS = 7


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Rates.

    Attributes:
        flops: floating-point operations a second in a large square matrix product.
        bytes: read and written a second in a large copy.
    """

    flops: float
    bytes: float

    def least_seconds(self, flops: float, weight_bytes: float) -> float:
        """The least time for so many operations, with all weights read once."""
        return max(flops / self.flops, weight_bytes / self.bytes)


def measure_ceilings(device: torch.device, dtype: torch.dtype, share: float = 1.0) -> Ceilings:
    """Run both on random numbers.

    Args:
        device: where.
        dtype: of the matrices.
        share: of the usual side and bytes, for tests.
    """
    kind = device.type if device.type in SIDES else "cpu"
    side, size = int(SIDES[kind] * share), int(COPIED[kind] * share)
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    source = torch.randint(0, 100, (size,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    product = _median_seconds(lambda: left @ right, device)
    copy = _median_seconds(lambda: target.copy_(source), device)
    return Ceilings(2 * side**3 / product, 2 * size / copy)


def _median_seconds(run: Callable[[], object], device: torch.device) -> float:
    """Of several runs after a warm-up."""
    seconds = []
    for _ in range(REPEATS + 2):
        _wait(device)
        start = time.perf_counter()
        run()
        _wait(device)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[2:])


def _wait(device: torch.device) -> None:
    """Until the device has done all."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
