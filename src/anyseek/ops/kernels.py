"""What stands between the matrix products: one operation after another, or each fused into one kernel.

The choice is an explicit argument; `auto` is resolved in `resolve_kernels` and nowhere else.
"""

import functools
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from anyseek.errors import ConfigError
from anyseek.ops.rotary import apply_rotary

__all__ = ["KERNELS", "Kernels", "RMSNorm", "WithKernels", "resolve_kernels", "use_kernels"]

KERNELS = ("auto", "eager", "compiled")
VARIANTS = 64
"""Of one kernel: towers differ in axes and dtypes, training in what learns and whether gradients are kept. At torch's
own limit, 8, a kernel becomes the plain operation again, with a warning that is easily missed."""


@dataclass(frozen=True, slots=True)
class Kernels:
    """The operations.

    Attributes:
        rms_norm: `(..., width)`, weights `(width,)` and epsilon to `(..., width)`.
        rotary: see `apply_rotary`.
        swiglu: gate and up `(tokens, width)` to `(tokens, width)`.
        gelu: `(patches, width)` to the same, by its tanh approximation.
    """

    rms_norm: Callable[[Tensor, Tensor, float], Tensor]
    rotary: Callable[[Tensor, Tensor, Tensor], Tensor]
    swiglu: Callable[[Tensor, Tensor], Tensor]
    gelu: Callable[[Tensor], Tensor]


def _rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """In fp32; low precision is rounded once before the weight, as the reference does."""
    if x.dtype == torch.float32:
        return functional.rms_norm(x, weight.shape, weight, eps)
    return weight * functional.rms_norm(x.float(), weight.shape, None, eps).to(x.dtype)


def _swiglu(gate: Tensor, up: Tensor) -> Tensor:
    """Shazeer 2020 (arXiv 2002.05202)."""
    return functional.silu(gate) * up


EAGER = Kernels(_rms_norm, apply_rotary, _swiglu, functools.partial(functional.gelu, approximate="tanh"))


@functools.cache
def _compiled() -> Kernels:
    """Each as one kernel for tensors of any length: Triton on CUDA, C++ on a CPU, made at first use."""
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, VARIANTS)
    fused = (torch.compile(one, dynamic=True) for one in (_rms_norm, apply_rotary, _swiglu, EAGER.gelu))
    return Kernels(*fused)


def resolve_kernels(kernels: str, device: torch.device | str) -> Kernels:
    """`auto` is `compiled` on CUDA where Triton is installed, `eager` elsewhere.

    Raises:
        ConfigError: the name is none of KERNELS.
    """
    if kernels not in KERNELS:
        raise ConfigError(f"kernels {kernels!r} are unknown; choose from {', '.join(KERNELS)}")
    fits = torch.device(device).type == "cuda" and importlib.util.find_spec("triton") is not None
    return _compiled() if kernels == "compiled" or (kernels == "auto" and fits) else EAGER


def use_kernels(model: nn.Module, kernels: Kernels) -> None:
    """Let all parts of a model compute with these."""
    for part in model.modules():
        if isinstance(part, WithKernels):
            part.kernels = kernels


class WithKernels(nn.Module):
    """A part of a model that computes with kernels of either kind."""

    kernels: Kernels = EAGER


class RMSNorm(WithKernels):
    """`weight * x / sqrt(mean(x^2) + eps)` over the last axis (Zhang and Sennrich 2019, arXiv 1910.07467)."""

    def __init__(self, width: int, eps: float) -> None:
        """Make a norm over `width` features."""
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `(..., width)`."""
        return self.kernels.rms_norm(x, self.weight, self.eps)
