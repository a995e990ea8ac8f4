"""Numerical building blocks: attention with its backends, rotary positions, norms, products. Kernels live only here."""

from anyseek.ops.attention import BACKENDS, attention, resolve_backend
from anyseek.ops.beside import Shared, attention_beside, reads_beside
from anyseek.ops.linear import WEIGHTS, Float8Linear, Int8Linear, lay_side_by_side, project, quantized
from anyseek.ops.norm import RMSNorm
from anyseek.ops.rotary import apply_rotary, interleaved_rotary_tables, vision_rotary_tables

__all__ = [
    "BACKENDS",
    "WEIGHTS",
    "Float8Linear",
    "Int8Linear",
    "RMSNorm",
    "Shared",
    "apply_rotary",
    "attention",
    "attention_beside",
    "interleaved_rotary_tables",
    "lay_side_by_side",
    "project",
    "quantized",
    "reads_beside",
    "resolve_backend",
    "vision_rotary_tables",
]
