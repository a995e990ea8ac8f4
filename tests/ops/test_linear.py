"""Linear layers joined and rounded."""

import pytest
import torch
from torch import nn

from anyseek.errors import ConfigError
from anyseek.ops import Float8Linear, Int8Linear, lay_side_by_side, project, quantized


def layers(*widths: int) -> list[nn.Linear]:
    """Linear layers of 32 features."""
    torch.manual_seed(0)
    return [nn.Linear(32, width, bias=False) for width in widths]


def calls(layer: nn.Module) -> list[int]:
    """Grows by one each time the layer itself is called."""
    seen: list[int] = []
    layer.register_forward_hook(lambda *_: seen.append(1))
    return seen


@torch.no_grad()
def test_side_by_side_is_one_product_with_the_same_result() -> None:
    several, x = layers(48, 16, 16), torch.randn(7, 32)
    apart = [layer(x) for layer in several]
    before = [layer.weight.clone() for layer in several]
    lay_side_by_side(several)
    assert all(torch.equal(layer.weight, old) for layer, old in zip(several, before, strict=True))
    outputs = project(x, several)
    assert outputs[0].untyped_storage().data_ptr() == outputs[2].untyped_storage().data_ptr()
    for one, other in zip(outputs, apart, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


@torch.no_grad()
def test_a_change_of_one_weight_shows() -> None:
    several, x = layers(8, 8), torch.randn(3, 32)
    lay_side_by_side(several)
    several[1].weight.mul_(2)
    torch.testing.assert_close(project(x, several)[1], several[1](x), rtol=0, atol=1e-6)


@torch.no_grad()
def test_layers_that_moved_apart_or_are_watched_are_called_themselves() -> None:
    several, x = layers(8, 8), torch.randn(3, 32)
    lay_side_by_side(several)
    several[1].weight = nn.Parameter(several[1].weight.clone())
    assert project(x, several)[1].untyped_storage().data_ptr() != project(x, several)[0].untyped_storage().data_ptr()
    lay_side_by_side(several)
    seen = calls(several[1])
    project(x, several)
    assert seen == [1]


def test_gradients_reach_every_layer() -> None:
    several, x = layers(8, 16), torch.randn(3, 32)
    lay_side_by_side(several)
    sum(out.square().sum() for out in project(x, several)).backward()
    for layer in several:
        expected = torch.autograd.grad(layer(x).square().sum(), layer.weight)[0]
        torch.testing.assert_close(layer.weight.grad, expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_int8_costs_its_rounding_and_no_more(dtype: torch.dtype) -> None:
    layer = nn.Linear(64, 40).to(dtype)
    layer.weight[3] = 0
    x = torch.randn(9, 64, dtype=dtype)
    rounded = quantized(layer, "int8")
    step = layer.weight.float().abs().amax(1) / 127
    most = (x.float().abs().sum(1)[:, None] * step / 2) + (0.05 if dtype == torch.bfloat16 else 1e-5)
    assert ((rounded(x).float() - layer(x).float()).abs() <= most).all()
    assert isinstance(rounded, Int8Linear) and rounded.weight.dtype == torch.int8
    assert not torch.equal(rounded(x), layer(x))


@torch.no_grad()
def test_fp8_is_as_near_as_three_bits_of_mantissa_allow() -> None:
    layer, x = nn.Linear(64, 48).bfloat16(), torch.randn(9, 64).bfloat16()
    error = (Float8Linear(layer.weight, layer.bias)(x) - layer(x)).float().norm() / layer(x).float().norm()
    assert 1e-4 < error < 2**-4  # each factor is off by 1/16 at most


def test_unknown_weights_and_a_device_without_fp8_are_refused() -> None:
    with pytest.raises(ConfigError, match="choose from full, int8, fp8"):
        quantized(nn.Linear(16, 16), "int4")
    with pytest.raises(ConfigError, match="compute capability"):
        quantized(nn.Linear(16, 16), "fp8")
