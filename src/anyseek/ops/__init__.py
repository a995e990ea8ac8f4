"""Numerical building blocks: attention with its backends, rotary positions, norms. Kernels live only here."""

from anyseek.ops.attention import BACKENDS, attention, resolve_backend
from anyseek.ops.norm import RMSNorm
from anyseek.ops.rotary import apply_rotary, interleaved_rotary_tables, vision_rotary_tables

__all__ = [
    "BACKENDS",
    "RMSNorm",
    "apply_rotary",
    "attention",
    "interleaved_rotary_tables",
    "resolve_backend",
    "vision_rotary_tables",
]
