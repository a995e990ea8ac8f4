"""Every attention backend is the reference, and the reference is attention."""

import sys

import pytest
import torch
from torch import Tensor

from anyseek.errors import ConfigError, DependencyError
from anyseek.ops import BACKENDS, Shared, attention, attention_beside, reads_beside, resolve_backend

FP32 = 1e-5  # measured: 3.1e-6
GRADIENT = 1e-5  # measured: 9e-7, as a share of the largest
BF16 = 2e-2  # two bf16 steps of numbers below 4; not measured yet, for want of a GPU
LENGTHS = {
    "one": [7],
    "equal": [5, 5, 5],
    "runs": [3, 3, 8, 1, 1, 1, 4, 3],
    "single tokens": [1, 1, 1],
    "long": [70, 2, 33],
    "alike": [6, 8, 5, 7, 7],
}


def qkv(lengths: list[int], heads: int, kv_heads: int, head_dim: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(len(lengths))
    sizes = ((heads, head_dim), (kv_heads, head_dim), (kv_heads, head_dim))
    query, key, value = (torch.randn((sum(lengths), *size), generator=generator) for size in sizes)
    return 2 * query, key, value


def by_hand(query: Tensor, key: Tensor, value: Tensor, causal: bool) -> Tensor:
    """One sequence, one head at a time."""
    outputs = []
    for head in range(query.shape[1]):
        owner = head * key.shape[1] // query.shape[1]
        scores = query[:, head] @ key[:, owner].T / query.shape[-1] ** 0.5
        if causal:
            scores = scores + torch.full_like(scores, float("-inf")).triu(1)
        outputs.append(scores.softmax(-1) @ value[:, owner])
    return torch.stack(outputs, 1)


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(("heads", "kv_heads", "head_dim"), [(4, 2, 32), (3, 3, 72), (6, 1, 18)])
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS.keys())
def test_backends_agree(lengths: list[int], heads: int, kv_heads: int, head_dim: int, causal: bool) -> None:
    inputs = qkv(lengths, heads, kv_heads, head_dim)
    pieces = zip(*(tensor.split(lengths) for tensor in inputs), strict=True)
    expected = torch.cat([by_hand(*piece, causal) for piece in pieces])
    for backend in ("reference", "sdpa", "matmul", "auto", "varlen"):  # varlen has no fp32 form and steps aside
        ours = attention(*inputs, lengths, causal=causal, backend=backend)
        assert (ours - expected).abs().max() < FP32, backend


@pytest.mark.parametrize("backend", ["sdpa", "matmul"])
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("lengths", ["runs", "alike"])
def test_gradients_agree(backend: str, causal: bool, lengths: str) -> None:
    gradients, own = [], LENGTHS[lengths]
    keys = [length + place for place, length in enumerate(own)]  # more of them than queries
    for name in ("reference", backend):
        query, *_ = (tensor.requires_grad_() for tensor in qkv(own, 4, 2, 16))
        _, key, value = (tensor.requires_grad_() for tensor in qkv(keys, 4, 2, 16))
        inputs = query, key, value
        attention(*inputs, own, causal=causal, backend=name, key_lengths=keys).square().sum().backward()
        gradients.append([tensor.grad for tensor in inputs])
    for a, b in zip(*gradients, strict=True):
        assert (a - b).abs().max() < GRADIENT * a.abs().max()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="varlen is a CUDA kernel, and this machine has none")
@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("head_dim", [64, 72, 128])
def test_varlen_on_a_gpu(causal: bool, head_dim: int) -> None:
    lengths = LENGTHS["long"]
    inputs = [tensor.cuda().bfloat16() for tensor in qkv(lengths, 4, 2, head_dim)]
    expected = attention(*inputs, lengths, causal=causal, backend="reference")
    ours = attention(*inputs, lengths, causal=causal, backend="varlen")
    assert (ours.float() - expected.float()).abs().max() < BF16


def test_varlen_steps_aside_on_a_cpu() -> None:
    inputs = [tensor.bfloat16() for tensor in qkv([5, 3], 4, 2, 32)]
    ours, plain = (attention(*inputs, [5, 3], causal=True, backend=name) for name in ("varlen", "sdpa"))
    assert torch.equal(ours, plain)


def test_an_old_torch_has_no_varlen(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["anyseek.ops.attention"]  # the name in the package is the function
    monkeypatch.setattr(module, "_has_varlen", lambda: False)
    assert resolve_backend("auto", "cuda") == "sdpa"
    with pytest.raises(DependencyError, match="pip install --upgrade torch"):
        resolve_backend("varlen", "cuda")


def test_auto_is_resolved_in_one_place() -> None:
    assert resolve_backend("auto", "cpu") == "sdpa"
    assert resolve_backend("auto", "cuda") == resolve_backend("auto", torch.device("cuda:1")) == "varlen"
    assert {resolve_backend(name, "cpu") for name in BACKENDS[1:]} == set(BACKENDS[1:])
    with pytest.raises(ConfigError, match=r"flash.*choose from auto"):
        resolve_backend("flash", "cpu")


@pytest.mark.parametrize("last", [False, True])
@torch.inference_mode()
def test_reading_shared_keys_apart_is_reading_them_joined(last: bool) -> None:
    """Several lengths, several beginnings, shared heads; every token or only the last of each sequence."""
    torch.manual_seed(0)
    lengths, counts, before = [5, 5, 9, 1, 7], [2, 3], [40, 33]
    key, value = torch.randn(2, sum(lengths), 2, 8)
    asking = [1] * len(lengths) if last else lengths
    query = torch.randn(sum(asking), 6, 8)
    shared = [Shared(count, *torch.randn(2, rows, 2, 8)) for count, rows in zip(counts, before, strict=True)]
    owners = [one for one in shared for _ in range(one.count)]
    joined = [
        torch.cat(
            [piece for one, own in zip(owners, all_own.split(lengths), strict=True) for piece in (side(one), own)]
        )
        for all_own, side in ((key, lambda one: one.key), (value, lambda one: one.value))
    ]
    seen = [len(one.key) + length for one, length in zip(owners, lengths, strict=True)]
    expected = attention(query, *joined, asking, causal=True, backend="reference", key_lengths=seen)
    apart = attention_beside(query, key, value, asking, lengths, shared)
    torch.testing.assert_close(apart, expected, rtol=0, atol=2e-6)


def test_shared_keys_are_read_apart_where_that_pays_and_can_be_done() -> None:
    query = torch.randn(4, 2, 8)
    with torch.inference_mode():
        assert reads_beside(query, "auto", seen=100, own=10)
        assert not reads_beside(query, "auto", seen=20, own=10)
        assert not reads_beside(query, "matmul", seen=100, own=10)
    assert not reads_beside(query, "auto", seen=100, own=10)  # a gradient may be wanted
