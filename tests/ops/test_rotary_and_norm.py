"""Rotary tables by their definition, and the norm in both precisions."""

import math

import torch

from anyseek.ops import RMSNorm, apply_rotary, interleaved_rotary_tables, vision_rotary_tables

EXACT = 1e-6  # measured: 6e-8, against float64 angles of small positions
NORM = 1e-6  # measured: 5e-7


def test_interleaved_frequencies_take_their_axis() -> None:
    positions = torch.tensor([[3], [5], [7]])
    cos, sin = interleaved_rotary_tables(positions, 128, 5e6, (24, 20, 20), torch.float32)
    for i in range(64):
        axis = {1: 5, 2: 7}.get(i % 3, 3) if i < 60 else 3
        angle = axis * 5e6 ** (-2 * i / 128)
        for half in (i, i + 64):
            assert abs(float(cos[0, 0, half]) - math.cos(angle)) < EXACT, i
            assert abs(float(sin[0, 0, half]) - math.sin(angle)) < EXACT, i


def test_vision_takes_rows_then_columns() -> None:
    cos, sin = vision_rotary_tables(torch.tensor([2]), torch.tensor([9]), 72)
    for i in range(36):
        angle = (2 if i < 18 else 9) * 10_000.0 ** (-2 * (i % 18) / 36)
        assert abs(float(cos[0, 0, i]) - math.cos(angle)) < EXACT
        assert abs(float(sin[0, 0, i + 36]) - math.sin(angle)) < EXACT


def test_rotation_keeps_lengths_and_depends_on_distance_only() -> None:
    x = torch.randn(1, 2, 32, generator=torch.Generator().manual_seed(0)).expand(20, -1, -1)
    tables = interleaved_rotary_tables(torch.arange(20).expand(3, -1), 32, 1e4, (6, 5, 5), torch.float32)
    turned = apply_rotary(x, *tables)
    assert torch.allclose(turned.norm(dim=-1), x.norm(dim=-1), atol=1e-5)
    products = torch.einsum("qhd,khd->hqk", turned, turned)
    assert torch.allclose(products[:, 0, 5], products[:, 9, 14], atol=1e-4)
    assert torch.equal(turned[0], x[0])


def test_rotary_keeps_the_dtype() -> None:
    x = torch.ones(3, 1, 8, dtype=torch.bfloat16)
    cos, sin = vision_rotary_tables(torch.arange(3), torch.arange(3), 8)
    assert apply_rotary(x, cos, sin).dtype == torch.bfloat16


def test_norm() -> None:
    norm = RMSNorm(24, 1e-6)
    x = torch.randn(5, 24, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        norm.weight.copy_(torch.linspace(0.5, 1.5, 24))
        expected = norm.weight * x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt()
        assert (norm(x) - expected).abs().max() < NORM
        low = norm.to(torch.bfloat16)(x.bfloat16())
    assert low.dtype == torch.bfloat16
    assert torch.allclose(low.float(), expected, atol=0.03)
