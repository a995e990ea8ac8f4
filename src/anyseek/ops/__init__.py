"""Numerical building blocks: attention with its backends, rotary positions, norms, products. Kernels live only here."""

from anyseek.ops.attention import BACKENDS, attention, resolve_backend
from anyseek.ops.beside import Shared, attention_beside, reads_beside
from anyseek.ops.kernels import KERNELS, Kernels, RMSNorm, WithKernels, resolve_kernels, use_kernels
from anyseek.ops.linear import WEIGHTS, Float8Linear, Int8Linear, lay_side_by_side, project, quantized
from anyseek.ops.padded import edges
from anyseek.ops.rotary import apply_rotary, interleaved_rotary_tables, vision_rotary_tables

__all__ = [
    "BACKENDS",
    "KERNELS",
    "WEIGHTS",
    "Float8Linear",
    "Int8Linear",
    "Kernels",
    "RMSNorm",
    "Shared",
    "WithKernels",
    "apply_rotary",
    "attention",
    "attention_beside",
    "edges",
    "interleaved_rotary_tables",
    "lay_side_by_side",
    "project",
    "quantized",
    "reads_beside",
    "resolve_backend",
    "resolve_kernels",
    "use_kernels",
    "vision_rotary_tables",
]
