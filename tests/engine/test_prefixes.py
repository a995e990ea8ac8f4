"""Beginnings that sequences share: the tree is right whatever the sequences, and saves what it promises."""

import random
from typing import Any

import numpy as np
import pytest

from anyseek.engine import Embedder, Reranker
from anyseek.engine.features import CacheOptions
from anyseek.engine.prefixes import PrefixCache, shared_beginnings
from anyseek.items import Image
from tests.processing.conftest import picture

SAME = 1e-5  # measured: 4e-7


def sequences(seed: int) -> list[np.ndarray]:
    """Sequences that branch at random places, some of them equal, some a beginning of another."""
    chance = random.Random(seed)
    grown: list[list[int]] = [[]]
    for _ in range(chance.randint(1, 40)):
        start = chance.choice(grown)
        grown.append(
            start[: chance.randint(0, len(start))] + [chance.randrange(5) for _ in range(chance.randint(1, 30))]
        )
    return [np.array(one, dtype=np.int64) for one in grown[1:]]


@pytest.mark.parametrize("seed", range(60))
def test_the_way_to_a_sequence_is_its_beginning(seed: int) -> None:
    """Nodes join end to end, hold the sequence's own tokens, and leave it at least one."""
    given = sequences(seed)
    nodes, last = shared_beginnings(given, worth=seed % 7)
    for number, sequence in enumerate(given):
        node = last[number]
        assert node < 0 or nodes[node].stop < len(sequence)
        stop = nodes[node].stop if node >= 0 else 0
        while node >= 0:
            here = nodes[node]
            assert here.stop == stop and here.start < here.stop and here.parent < node
            assert np.array_equal(given[here.row][here.start : stop], sequence[here.start : stop])
            assert here.depth == (nodes[here.parent].depth + 1 if here.parent >= 0 else 0)
            stop, node = here.start, here.parent
        assert stop == 0


def test_what_is_worth_nothing_is_not_shared() -> None:
    """A node must save tokens: (sequences - 1) times its length."""
    given = [np.array([1, 2, 3, 4, tail]) for tail in range(5)]
    assert len(shared_beginnings(given, worth=16)[0]) == 1
    assert shared_beginnings(given, worth=17) == ([], [-1] * 5)
    assert shared_beginnings([], worth=1) == ([], [])
    assert shared_beginnings(given[:1], worth=0) == ([], [-1])


def test_heads_are_nodes_however_few_have_them() -> None:
    """So that the next call finds them."""
    given = [np.array([7, 1, 9, 5]), np.array([7, 2, 9, 5]), np.array([7, 2, 9, 6])]
    nodes, last = shared_beginnings(given, [3, 3, 3], worth=100)
    assert sorted((node.start, node.stop, node.is_head) for node in nodes) == [(0, 3, True), (0, 3, True)]
    assert last[1] == last[2] != last[0]


def test_the_oldest_blocks_go_first() -> None:
    """Under the byte budget; what is larger than it is not kept at all."""
    import torch

    from anyseek.batch import Block

    def block(tokens: int) -> Block:
        return Block((torch.zeros(tokens, 1, 4),), (torch.zeros(tokens, 1, 4),))

    cache = PrefixCache(3 * block(1).num_bytes)
    for number in range(3):
        cache.put((number,), block(1))
    assert cache.get((0,)) is not None
    cache.put((3,), block(1))
    assert cache.get((1,)) is None and cache.get((0,)) is not None
    cache.put((4,), block(4))
    assert cache.get((4,)) is None and cache.num_bytes == 3 * block(1).num_bytes


def tokens_run(model: Any, call: Any) -> int:
    """Tokens that pass the first text layer during a call."""
    counted: list[int] = []
    hook = model.backbone.language_model.layers[0].register_forward_pre_hook(
        lambda layer, given: counted.append(len(given[0]))
    )
    call()
    hook.remove()
    return sum(counted)


def fresh(model: Any, **caches: int) -> Any:
    """The same model without what it remembers."""
    options = CacheOptions(**caches)
    if isinstance(model, Embedder):
        return Embedder(model.backbone, model.processor, caches=options)
    return Reranker(model.backbone, model.processor, model.score_row, caches=options)


def test_documents_of_a_query_share_it(reranker: Reranker) -> None:
    """Scores are those of single pairs; the query, with its picture, is computed once."""
    query = ["which of these?", Image(picture(160, 160))]
    documents = [f"document {number} about {'x' * number}" for number in range(12)]
    other = "a red apple"
    pairs = [(query, document) for document in documents] + [(other, document) for document in documents]
    single = np.array([fresh(reranker, prefix_bytes=0).predict([pair])[0] for pair in pairs])
    shuffled = random.Random(1).sample(range(len(pairs)), len(pairs))
    engine = fresh(reranker)
    scores = engine.predict([pairs[row] for row in shuffled])
    assert np.abs(scores - single[shuffled]).max() < SAME
    lengths = [reranker.plan(*pair).tokens for pair in pairs]
    used = tokens_run(engine, lambda: engine.predict(pairs))
    assert used < sum(lengths) / 3
    assert used >= lengths[0] - 60  # the query itself is still there, less the head of the first call


def test_the_instruction_is_kept_from_call_to_call(embedder: Embedder) -> None:
    """The second call computes only what is new, and gives the same."""
    engine = fresh(embedder)
    alone = fresh(embedder, prefix_bytes=0).encode_query("a red apple")
    calls = [tokens_run(engine, lambda: engine.encode_query("a red apple")) for _ in range(2)]
    assert calls[1] <= calls[0] - 15
    assert np.abs(engine.encode_query("a red apple") - alone).max() < SAME


def test_changed_weights_forget_what_was_kept(embedding_folder: Any) -> None:
    """A model that is trained between two calls gives what the new weights give."""
    import torch

    engine = Embedder.load(embedding_folder)
    inputs = ["a red apple", Image(picture(64, 64))]
    engine.encode(inputs)
    with torch.no_grad():
        for weight in engine.backbone.parameters():
            weight.mul_(1.05)
    assert np.abs(engine.encode(inputs) - fresh(engine, prefix_bytes=0, feature_bytes=0).encode(inputs)).max() < SAME
