"""CUDA graphs: a small batch spends its time launching kernels, and a recorded graph launches all of them at once.

Policy: a shape is recorded the second time it comes, and the least recently used graph goes first.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from anyseek.batch import PackedBatch, Past

__all__ = ["Graphs", "record"]

MOST_TOKENS = 512
"""Of a batch: with more, arithmetic takes longer than launching."""
MOST_SHAPES = 4096
"""Remembered as having come once."""

Record = Callable[[Callable[[], Tensor]], tuple[Callable[[], None], Tensor]]
"""Of some work: how to do it again, and where its result then lies."""
Key = tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]
"""Lengths of the sequences, and which blocks stand before them."""


def record(work: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
    """A CUDA graph of work that has run before, so that everything it makes only once is there."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = work()
    return graph.replay, result


@dataclass(frozen=True, slots=True)
class _Graph:
    """Something recorded.

    Attributes:
        given: the batch it reads, to be filled in.
        past: what it reads besides; kept alive, as their addresses are in the graph.
        replay: run it.
        result: where its states then lie.
    """

    given: PackedBatch
    past: Past
    replay: Callable[[], None]
    result: Tensor

    def run(self, batch: PackedBatch) -> Tensor:
        """States of another batch of this shape; they are overwritten by the next run."""
        self.given.token_ids.copy_(batch.token_ids)
        self.given.position_ids.copy_(batch.position_ids)
        self.replay()
        return self.result


class Graphs:
    """The graphs of one model."""

    def __init__(self, most: int, recorder: Record) -> None:
        """Keep at most `most`, made by `recorder`; 0 keeps none."""
        self.most = most
        self.recorder = recorder
        self._kept: OrderedDict[Key, _Graph] = OrderedDict()
        self._came: OrderedDict[Key, None] = OrderedDict()

    def run(self, batch: PackedBatch, past: Past, compute: Callable[[PackedBatch], Tensor]) -> Tensor:
        """What `compute` makes of a batch of text; read it before the next call.

        Args:
            batch: on the device.
            past: blocks that `compute` puts before its sequences.
            compute: states of any batch of these lengths.
        """
        if not self.most or len(batch.token_ids) > MOST_TOKENS:
            return compute(batch)
        key = (batch.lengths, tuple(tuple(id(block) for block in blocks) for blocks in past))
        graph = self._kept.get(key)
        if graph is not None:
            self._kept.move_to_end(key)
            return graph.run(batch)
        states = compute(batch)
        if key in self._came:
            replay, result = self.recorder(lambda: compute(batch))
            self._kept[key] = _Graph(batch, past, replay, result)
        self._came[key] = None
        for memory, most in ((self._kept, self.most), (self._came, MOST_SHAPES)):
            while len(memory) > most:
                memory.popitem(last=False)
        return states

    def clear(self) -> None:
        """Forget everything, as after a change of the weights."""
        self._kept.clear()
        self._came.clear()

    def __len__(self) -> int:
        """Graphs kept."""
        return len(self._kept)
