"""One chunk of rows to hidden states: vision once, shared beginnings once, the rest in packed batches.

patches ──> vision tower ──> features ─┐                     (FeatureCache)
template head ──────────────────────> blocks ─┐              (PrefixCache)
shared beginnings, level by level ──────────> blocks ─┐      (prefixes.shared_beginnings)
what is left of each row ───────────────────────────────> last token
"""

import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from anyseek.batch import Block, PackedBatch, Sample, pack
from anyseek.engine.features import CacheOptions, FeatureCache, tower_identity
from anyseek.engine.graphs import Graphs, record
from anyseek.engine.prefixes import Node, PrefixCache, shared_beginnings
from anyseek.errors import CapacityError
from anyseek.model import Backbone
from anyseek.processing import Prepared, Processor, grid_of

__all__ = ["Compute", "Row", "Seen", "row_of", "under_budget"]

log = logging.getLogger("anyseek")

PAST_SHARE = 8
"""Keys that stand before a row are only read: this many cost as much as one token of its own."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Row:
    """One prompt of a chunk.

    Attributes:
        sample: ids, positions and places of vision, without patches.
        head: tokens of the template before anything of the user's, which every call with this instruction repeats.
        visuals: identity and number of visual tokens of everything shown, in their order.
    """

    sample: Sample
    head: int
    visuals: tuple[tuple[bytes, int], ...]


def row_of(processor: Processor, prepared: Prepared, identities: Sequence[bytes]) -> Row:
    """What is computed of a prompt.

    Args:
        processor: that laid it out.
        prepared: the prompt.
        identities: of what it shows, see `Processor.identity`.
    """
    grids = [grid_of(visual) for visual in prepared.visuals]
    tokens = [frames * rows * columns // 4 for frames, rows, columns in grids]  # a token stands for four patches
    return Row(prepared.sample, processor.head(prepared), tuple(zip(identities, tokens, strict=True)))


@dataclass(frozen=True, slots=True)
class Seen:
    """Decoded patches of something shown, and its grid."""

    patches: Tensor
    grid: tuple[int, int, int]


class Compute:
    """A model with its caches; computes chunks, one at a time, whichever thread they come from."""

    def __init__(
        self, backbone: Backbone, attention: str, caches: CacheOptions, most: Callable[[int], int] | None = None
    ) -> None:
        """Run `backbone` with this attention backend.

        `most` is the largest number of any process, where weights lie in shards: all of them then make the same passes
        over the layers in the same order, as each pass brings the shards together.
        """
        self.backbone = backbone
        self.attention = attention
        self.prefixes = PrefixCache(caches.prefix_bytes)
        self.features = caches.shared or FeatureCache(caches.feature_bytes, caches.host_feature_bytes)
        self.graphs = Graphs(caches.graphs if self.device.type == "cuda" else 0, record)
        self._most = most
        self._is_shared = caches.shared is not None
        self._weights: list[tuple[int, int]] = []
        self._tower = b""
        self._lock = threading.RLock()
        self._budget: int | None = None  # what was found to fit, once a larger batch did not

    def knows(self, identities: Iterable[bytes]) -> set[bytes]:
        """Those of which features are kept, so that they need not be decoded."""
        with self._lock:
            self._check_weights()
            return {identity for identity in identities if self._tower + identity in self.features}

    def recall(self, identities: Iterable[bytes]) -> dict[bytes, Tensor]:
        """Kept features, on the device, of those that have them; they stay valid however the cache goes on."""
        with self._lock:
            self._check_weights()
            return self.kept(identities)

    def kept(self, identities: Iterable[bytes]) -> dict[bytes, Tensor]:
        """`recall` as training has it: whoever changes the tower's weights keeps no features."""
        found = {one: self.features.get(self._tower + one, self.device) for one in identities}
        return {identity: features for identity, features in found.items() if features is not None}

    def _check_weights(self) -> None:
        """Forget what other weights gave: a model may be trained between two calls."""
        state = _state(self.backbone)
        if state == self._weights:
            return
        self._weights = state
        self.prefixes.clear()
        self.graphs.clear()
        # A cache of its own needs no proof that towers are equal, only another name after a change.
        tower = self.backbone.visual
        self._tower = tower_identity(tower) if self._is_shared and tower else os.urandom(16)

    @property
    def device(self) -> torch.device:
        """Where the model runs."""
        return next(self.backbone.parameters()).device

    @torch.inference_mode()
    def run(self, rows: Sequence[Row], shown: Mapping[bytes, Seen | Tensor], batch_tokens: int) -> Tensor:
        """Last-token states of rows.

        Args:
            rows: prompts.
            shown: of every visual of the rows its patches, or its features from `recall`.
            batch_tokens: budget of a packed batch.

        Returns:
            `(rows, hidden)` fp32 on the CPU.

        Raises:
            CapacityError: a single row does not fit into memory.
        """
        with self._lock:
            self._check_weights()
            return self.states(rows, shown, batch_tokens).float().cpu()

    def states(self, rows: Sequence[Row], shown: Mapping[bytes, Seen | Tensor], batch_tokens: int) -> Tensor:
        """`run` as training has it: `(rows, hidden)` on the device in the model's precision, with gradients.

        Caches must be off (`CacheOptions.none`), as weights change and what they hold would keep old graphs alive;
        features may be kept of a tower that does not learn.
        """
        blank = self._blank(len(shown))
        features = self._see(rows, shown, batch_tokens)
        nodes, last = self._tree(rows)
        blocks = self._remember(rows, nodes, features, batch_tokens)
        done: dict[int, Tensor] = {}
        starts = [nodes[node].stop if node >= 0 else 0 for node in last]
        costs = {
            place: row.sample.num_tokens - start + start // PAST_SHARE
            for place, (row, start) in enumerate(zip(rows, starts, strict=True))
        }

        def finish(places: list[int]) -> None:
            """One batch, rows of one beginning beside each other."""
            places = sorted(places, key=lambda place: (last[place], costs[place]))
            parts = [(rows[place], starts[place], rows[place].sample.num_tokens) for place in places]
            past = tuple(_path(nodes, blocks, last[place]) for place in places)
            past = past if any(past) else ()
            batch, vision = self._packed(parts, features)
            compute = partial(self.backbone, last=True, backend=self.attention, features=vision, past=past)
            states = compute(batch) if vision is not None else self.graphs.run(batch, past, compute)
            if len(self.graphs):
                states = states.clone()  # a graph writes into the same memory again
            done.update(zip(places, states.unbind(), strict=True))

        self._in_batches(costs, batch_tokens, finish)
        states = torch.stack([done[place] for place in range(len(rows))])
        return states if blank is None else states + 0 * blank.sum()  # so that its backward pass is made too

    def _see(self, rows: Sequence[Row], shown: Mapping[bytes, Seen | Tensor], batch_tokens: int) -> dict[bytes, Tensor]:
        """Features of everything the rows show, each computed once."""
        found = {key: one for key, one in shown.items() if isinstance(one, Tensor)}
        new = {key: one for key, one in shown.items() if isinstance(one, Seen)}
        missing = {key: tokens for row in rows for key, tokens in row.visuals if key in new}

        def see(keys: list[bytes]) -> None:
            """One batch."""
            patches = torch.cat([new[key].patches for key in keys]).to(self.device, non_blocking=True)
            features = self.backbone.see(patches, [new[key].grid for key in keys], self.attention)
            for key, own in zip(keys, features.split([missing[key] for key in keys]), strict=True):
                found[key] = own
                self.features.put(self._tower + key, own.clone())  # a view would keep the whole batch alive

        self._in_batches(missing, batch_tokens, see)
        return found

    def _blank(self, seen: int) -> Tensor | None:
        """Features of nothing, where another process has something to see and this one has not."""
        tower = self.backbone.visual
        if tower is None or self._most is None or self._most(seen) == 0 or seen:
            return None
        patches = torch.zeros(4, tower.config.patch_dim, dtype=torch.uint8, device=self.device)
        return self.backbone.see(patches, [(1, 2, 2)], self.attention)

    def _tree(self, rows: Sequence[Row]) -> tuple[list[Node], list[int]]:
        """Beginnings to share; numbers below zero stand for what is shown, so that equal means equal pixels.

        None where processes make the same passes: each has a tree of its own.
        """
        if self._most is not None:
            return [], [-1] * len(rows)
        numbers: dict[bytes, int] = {}
        sequences = []
        for row in rows:
            ids = row.sample.token_ids.numpy().copy()
            own = [-1 - numbers.setdefault(key, len(numbers)) for key, _ in row.visuals]
            ids[row.sample.visual_index.numpy()] = np.repeat(own, [tokens for _, tokens in row.visuals])
            sequences.append(ids)
        heads = [row.head if self.prefixes.max_bytes else 0 for row in rows]
        return shared_beginnings(sequences, heads)

    def _remember(
        self,
        rows: Sequence[Row],
        nodes: Sequence[Node],
        features: Mapping[bytes, Tensor],
        batch_tokens: int,
    ) -> list[Block | None]:
        """Blocks of the nodes, level by level; heads come from the cache where it has them."""
        blocks: list[Block | None] = [None] * len(nodes)
        heads = {number: _head(rows, node) for number, node in enumerate(nodes) if node.is_head}
        for number, ids in heads.items():
            blocks[number] = self.prefixes.get(ids)

        def remember(numbers: list[int]) -> None:
            """One batch of one level."""
            own = [nodes[number] for number in numbers]
            batch, vision = self._packed([(rows[node.row], node.start, node.stop) for node in own], features)
            past = tuple(_path(nodes, blocks, node.parent) for node in own)
            made = self.backbone.remember(
                batch, backend=self.attention, features=vision, past=past if any(past) else ()
            )
            for number, block in zip(numbers, made, strict=True):
                blocks[number] = block
                if number in heads:
                    self.prefixes.put(heads[number], block)

        for depth in range(max((node.depth for node in nodes), default=-1) + 1):
            level = {
                number: node.stop - node.start + node.start // PAST_SHARE
                for number, node in enumerate(nodes)
                if node.depth == depth and blocks[number] is None
            }
            self._in_batches(level, batch_tokens, remember)
        return blocks

    def _packed(
        self, parts: Sequence[tuple[Row, int, int]], features: Mapping[bytes, Tensor]
    ) -> tuple[PackedBatch, Tensor | None]:
        """Stretches of rows end to end on the device, with the features of what they show."""
        batch = pack([row.sample.cut(start, stop) for row, start, stop in parts]).to(self.device)
        pieces = [piece for row, start, stop in parts for piece in _features(row, start, stop, features)]
        return batch, torch.cat(pieces) if pieces else None

    def _in_batches(self, costs: Mapping[Item, int], batch_tokens: int, work: Callable[[list[Item]], None]) -> None:
        """Work on everything, in batches under the budget, which is halved for good when memory does not suffice."""
        waiting = dict(costs)
        while waiting:
            budget = min(batch_tokens, self._budget or batch_tokens)
            # The longest first, so that a budget that is too large shows at once.
            for batch in under_budget(sorted(waiting, key=waiting.__getitem__, reverse=True), dict(waiting), budget):
                try:
                    work(batch)
                except torch.OutOfMemoryError:
                    if self._most is not None:
                        raise CapacityError(
                            f"a batch of {sum(waiting[one] for one in batch)} tokens does not fit into the memory of "
                            f"{self.device} beside the shards; give less at once, as with piece_tokens"
                        ) from None
                    if len(batch) == 1:
                        raise CapacityError(
                            f"one input of {waiting[batch[0]]} tokens does not fit into the memory of {self.device}; "
                            "lower its pixels or frames, or use a smaller model or a lower precision"
                        ) from None
                    self._budget = max(1, sum(waiting[one] for one in batch) // 2)
                    log.warning("a batch did not fit into memory: batch_tokens is %d from now on", self._budget)
                    break
                for one in batch:
                    del waiting[one]


def _state(module: nn.Module) -> list[tuple[int, int]]:
    """Address and version of every weight. Not by `parameters()`, which takes longer than a short query's products."""
    found: list[tuple[int, int]] = []
    waiting = [module]
    while waiting:
        one = waiting.pop()
        found += [(weight.data_ptr(), weight._version) for weight in one._parameters.values() if weight is not None]
        waiting += [part for part in one._modules.values() if part is not None]
    return found


def under_budget(order: Iterable[Item], costs: Mapping[Item, int], budget: int) -> Iterator[list[Item]]:
    """Neighbours together, as many as a budget allows; what costs more than all of it stands alone."""
    batch: list[Item] = []
    total = 0
    for one in order:
        if batch and total + costs[one] > budget:
            yield batch
            batch, total = [], 0
        batch.append(one)
        total += costs[one]
    if batch:
        yield batch


def _path(nodes: Sequence[Node], blocks: Sequence[Block | None], number: int) -> tuple[Block, ...]:
    """The blocks from the beginning to a node."""
    way: list[Block] = []
    while number >= 0:
        block = blocks[number]
        assert block is not None
        way.append(block)
        number = nodes[number].parent
    return tuple(reversed(way))


def _head(rows: Sequence[Row], node: Node) -> tuple[int, ...]:
    """The ids of a template head."""
    return tuple(rows[node.row].sample.token_ids[: node.stop].tolist())


def _features(row: Row, start: int, stop: int, features: Mapping[bytes, Tensor]) -> Iterator[Tensor]:
    """Features of the visual tokens from token `start` to before `stop` of a row, in their order."""
    index = row.sample.visual_index
    first, end = (int(torch.searchsorted(index, edge)) for edge in (start, stop))
    passed = 0
    for key, tokens in row.visuals:
        low, high = max(first - passed, 0), min(end - passed, tokens)
        if low < high:
            yield features[key][low:high]
        passed += tokens
