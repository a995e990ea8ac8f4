"""Root-mean-square norm, computed in fp32 as Qwen3 does."""

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["RMSNorm"]


class RMSNorm(nn.Module):
    """`weight * x / sqrt(mean(x^2) + eps)` over the last axis (Zhang and Sennrich 2019, arXiv 1910.07467)."""

    def __init__(self, width: int, eps: float) -> None:
        """Make a norm over `width` features."""
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `(..., width)`; low precision is rounded once before the weight, as the reference does."""
        if x.dtype == torch.float32:
            return functional.rms_norm(x, self.weight.shape, self.weight, self.eps)
        return self.weight * functional.rms_norm(x.float(), self.weight.shape, None, self.eps).to(x.dtype)
