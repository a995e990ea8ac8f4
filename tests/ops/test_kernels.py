"""Fused kernels: the same numbers as single operations, and gradients too; the choice is made in one place."""

import itertools
import shutil
import sysconfig
from pathlib import Path

import pytest
import torch
from torch import Tensor

from anyseek.engine import Embedder
from anyseek.errors import ConfigError
from anyseek.ops import interleaved_rotary_tables, resolve_kernels

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch's compiler warns of itself

EXACT = 2e-6  # measured: 5e-7
PLAIN = resolve_kernels("eager", "cpu")
LOW = 2**-7  # a unit in the last place of bf16: a fused kernel rounds once, single operations twice


def drawn(*shape: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


COMPILES = shutil.which("g++") is not None and (Path(sysconfig.get_paths()["include"]) / "Python.h").exists()
compiles = pytest.mark.skipif(not COMPILES, reason="torch's compiler needs g++ and Python's headers on a CPU")


@compiles
@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, EXACT), (torch.bfloat16, LOW)])
def test_compiled_equals_eager(dtype: torch.dtype, close: float) -> None:
    fused = resolve_kernels("compiled", "cpu")
    for tokens in (7, 33):
        x, weight = drawn(tokens, 2, 64, dtype=dtype), drawn(64, dtype=dtype)
        tables = interleaved_rotary_tables(torch.arange(tokens).expand(3, -1), 64, 1e4, (12, 10, 10), dtype)
        gate, up = drawn(tokens, 96, dtype=dtype), drawn(tokens, 96, dtype=dtype) / 2
        for name, given in {
            "rms_norm": (x, weight, 1e-6),
            "rotary": (x, *tables),
            "swiglu": (gate, up),
            "gelu": (gate,),
        }.items():
            got, wanted = getattr(fused, name)(*given), getattr(PLAIN, name)(*given)
            assert got.dtype == wanted.dtype
            assert torch.allclose(got.float(), wanted.float(), atol=2 * close, rtol=close), name


@compiles
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")
def test_a_kernel_has_room_for_all_that_training_asks_of_it() -> None:
    fused = resolve_kernels("compiled", "cpu").swiglu
    with torch._dynamo.config.patch(fail_on_recompile_limit_hit=True):
        for dtype, learns, keeps in itertools.product((torch.float32, torch.bfloat16), (False, True), (False, True)):
            for axes in ((3, 8), (3, 2, 8)):
                gate, up = (drawn(*axes, dtype=dtype).requires_grad_(learns) for _ in range(2))
                with torch.set_grad_enabled(keeps):
                    assert fused(gate, up).requires_grad == (learns and keeps)


@compiles
@pytest.mark.slow
def test_whole_vectors_are_the_same() -> None:
    inputs = ["a red apple", {"text": "two dogs", "instruction": "Find pictures"}]
    eager, compiled = (Embedder.load("tiny", kernels=kernels).encode(inputs) for kernels in ("eager", "compiled"))
    assert abs(eager - compiled).max() < EXACT


def test_auto_is_eager_on_a_cpu() -> None:
    assert resolve_kernels("auto", "cpu") is PLAIN
    assert resolve_kernels("eager", "cuda") is PLAIN
    with pytest.raises(ConfigError, match="choose from auto, eager, compiled"):
        resolve_kernels("fastest", "cpu")
