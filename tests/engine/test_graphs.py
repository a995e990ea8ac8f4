"""Recorded batches: the same states as computed ones, whatever comes again and however much is forgotten."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from anyseek.batch import Block, PackedBatch, Sample, pack
from anyseek.engine import Embedder
from anyseek.engine.graphs import MOST_TOKENS, Graphs
from anyseek.model import Backbone, hub, load_backbone

EXACT = 1e-6  # measured: 0
LOW = 3e-3  # of a vector's numbers in bf16


@pytest.fixture(scope="module")
def model() -> Backbone:
    return load_backbone(hub.locate("tiny", "embedding"), dtype=torch.float32, device="cpu")


class Tape:
    """What a CUDA graph does, on a CPU: the work once more, its result always in the same memory."""

    def __init__(self) -> None:
        self.recorded = self.replayed = 0

    def __call__(self, work: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        self.recorded += 1
        result = work().clone()

        def replay() -> None:
            self.replayed += 1
            result.copy_(work())

        return replay, result


def text(*lengths: int, seed: int) -> PackedBatch:
    """Sequences of random tokens."""
    drawn = torch.Generator().manual_seed(seed)
    nothing = torch.empty((0, 1536), dtype=torch.uint8)
    return pack(
        [
            Sample(
                token_ids=torch.randint(5, 400, (length,), generator=drawn),
                position_ids=torch.arange(length).expand(3, -1),
                patches=nothing,
                grids=torch.empty((0, 3), dtype=torch.int64),
                visual_index=torch.empty(0, dtype=torch.int64),
            )
            for length in lengths
        ]
    )


@torch.inference_mode()
def test_the_third_of_a_shape_is_replayed_with_its_own_tokens(model: Backbone) -> None:
    tape = Tape()
    graphs = Graphs(4, tape)
    batches = [text(9, 14, seed=seed) for seed in range(5)]
    wanted = [model(batch, last=True) for batch in batches]
    got = [graphs.run(batch, (), lambda one: model(one, last=True)).clone() for batch in batches]
    assert (tape.recorded, tape.replayed) == (1, 3)
    for a, b in zip(got, wanted, strict=True):
        assert torch.allclose(a, b, atol=EXACT, rtol=0)


@torch.inference_mode()
def test_what_stands_before_is_part_of_the_shape(model: Backbone) -> None:
    tape = Tape()
    graphs = Graphs(4, tape)
    heads: list[Block] = [model.remember(text(6, seed=seed))[0] for seed in (100, 101)]
    for seed in range(4):
        for head in heads:
            past, batch = ((head,),), text(8, seed=seed)
            wanted = model(batch, last=True, past=past)
            got = graphs.run(batch, past, lambda one, past=past: model(one, last=True, past=past))  # type: ignore[misc]
            assert torch.allclose(got, wanted, atol=EXACT, rtol=0)
    assert (tape.recorded, tape.replayed) == (2, 4)


@torch.inference_mode()
def test_old_graphs_go_long_batches_never_come() -> None:
    tape = Tape()
    graphs = Graphs(2, tape)
    work: Callable[[PackedBatch], Tensor] = lambda batch: batch.token_ids.float()  # noqa: E731
    for length in (3, 4, 5, 5, 4, 3):
        graphs.run(text(length, seed=length), (), work)
    assert len(graphs) == 2  # 4 and 3; 5 was the least recently used
    graphs.run(text(5, seed=0), (), work)
    assert tape.recorded == 4
    for _ in range(3):
        graphs.run(text(MOST_TOKENS + 1, seed=0), (), work)
    assert tape.recorded == 4
    graphs.clear()
    assert len(graphs) == 0
    none = Graphs(0, tape)
    for _ in range(3):
        none.run(text(3, seed=0), (), work)
    assert tape.recorded == 4


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="graphs are CUDA's, and this machine has none")
@pytest.mark.parametrize("kernels", ["eager", "compiled"])
def test_on_cuda_graphs_change_nothing(kernels: str) -> None:
    from anyseek.engine.features import CacheOptions

    plain = Embedder.load("tiny", device="cuda", kernels="eager", caches=CacheOptions(graphs=0))
    recorded = Embedder.load("tiny", device="cuda", kernels=kernels)
    for query in ["a red apple", "a red apple", "two dogs", "a red apple", "a green apple"]:
        assert abs(plain.encode_query([query]) - recorded.encode_query([query])).max() < LOW
    assert len(recorded._runner.computes[0].graphs) > 0
