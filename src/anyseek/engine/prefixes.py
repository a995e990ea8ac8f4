"""Which tokens to compute once: a tree of the beginnings that sequences share.

    system + instruction ─┬─ query A ─┬─ document 1
                          │           └─ document 2
                          └─ query B ─── document 3

This is policy only. `engine.runner` computes the blocks of the nodes and frees them; `PrefixCache` keeps some of them
from call to call.
"""

import itertools
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anyseek.batch import Block

__all__ = ["WORTH", "Node", "PrefixCache", "shared_beginnings"]

WORTH = 96
"""Tokens that a node must save: fewer do not pay for one more pass over the layers."""


@dataclass(frozen=True, slots=True)
class Node:
    """A run of tokens that several sequences begin with.

    Attributes:
        row: a sequence that has it.
        start: where it begins, the length of what stands before it.
        stop: where it ends.
        parent: number of the node before it; -1 at the beginning.
        depth: how many nodes stand before it.
        is_head: whether it is the head of the template, which later calls will have too.
    """

    row: int
    start: int
    stop: int
    parent: int
    depth: int
    is_head: bool = False


def shared_beginnings(
    sequences: Sequence[np.ndarray], heads: Sequence[int] | None = None, worth: int = WORTH
) -> tuple[list[Node], list[int]]:
    """The tree of beginnings worth sharing.

    Args:
        sequences: `(tokens,)` int64 each; equal numbers mean equal tokens, vision included.
        heads: leading tokens of each that become a node however few have them; 0 for none. They end with a token that
            stands nowhere else in them, so that no head begins another.
        worth: tokens that any other node must save.

    Returns:
        Nodes, parents first, and for each sequence the number of the last node on its way, or -1. At least one token
        of a sequence is left to itself.
    """
    order = sorted(range(len(sequences)), key=lambda row: sequences[row].tolist())
    heads = [heads[row] for row in order] if heads else [0] * len(order)
    common = [
        min(_common(sequences[a], sequences[b]), len(sequences[a]) - 1, len(sequences[b]) - 1)
        for a, b in itertools.pairwise(order)
    ]
    nodes: list[Node] = []
    last = [-1] * len(sequences)

    def add(first: int, stop: int, node: Node) -> int:
        """A node on the way of the sequences from `first` to before `stop` in the order."""
        nodes.append(node)
        for place in range(first, stop):
            last[order[place]] = len(nodes) - 1
        return len(nodes) - 1

    pending = []  # ranges of the order, how much of it is shared already, and by which node
    starts = [0, *(place + 1 for place, length in enumerate(common) if length < heads[place + 1]), len(order)]
    for first, stop in itertools.pairwise(starts if order else []):
        length = heads[first]
        node = add(first, stop, Node(order[first], 0, length, -1, 0, True)) if length else -1
        pending.append((first, stop, length, node))
    while pending:
        first, stop, done, parent = pending.pop()
        if stop - first < 2:
            continue
        shared = max(done, min(common[first : stop - 1]))
        if shared > done and (shared - done) * (stop - first - 1) >= worth:
            depth = nodes[parent].depth + 1 if parent >= 0 else 0
            parent = add(first, stop, Node(order[first], done, shared, parent, depth))
            done = shared
        cuts = [first, *(place + 1 for place in range(first, stop - 1) if common[place] <= shared), stop]
        pending += [(a, b, done, parent) for a, b in itertools.pairwise(cuts) if b - a < stop - first]
    return nodes, last


def _common(a: np.ndarray, b: np.ndarray) -> int:
    """How many leading numbers are equal."""
    length = min(len(a), len(b))
    different = np.flatnonzero(a[:length] != b[:length])
    return int(different[0]) if len(different) else length


class PrefixCache:
    """Blocks of template heads and instructions, kept from call to call under a byte budget, the oldest going first.

    A block that is in use stays alive through its references; evicting it here frees nothing that a batch still needs.
    """

    def __init__(self, max_bytes: int) -> None:
        """Keep at most `max_bytes`; 0 keeps nothing."""
        self.max_bytes = max_bytes
        self.num_bytes = 0
        self._blocks: OrderedDict[tuple[int, ...], Block] = OrderedDict()

    def get(self, ids: tuple[int, ...]) -> Block | None:
        """The block of exactly these tokens at the beginning of a prompt."""
        block = self._blocks.get(ids)
        if block is not None:
            self._blocks.move_to_end(ids)
        return block

    def put(self, ids: tuple[int, ...], block: Block) -> None:
        """Keep a block; one larger than the budget is not kept."""
        if ids in self._blocks or block.num_bytes > self.max_bytes:
            return
        self._blocks[ids] = block
        self.num_bytes += block.num_bytes
        while self.num_bytes > self.max_bytes:
            _, gone = self._blocks.popitem(last=False)
            self.num_bytes -= gone.num_bytes

    def clear(self) -> None:
        """Forget everything, as after a change of the weights."""
        self._blocks.clear()
        self.num_bytes = 0
