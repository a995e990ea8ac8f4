"""Gradients of a large batch in pieces: those of the whole, with dropout, shared beginnings and repeated pictures."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from anyseek.engine import Embedder
from anyseek.items import Image, Item
from anyseek.training import Relevance, contrastive
from anyseek.training.caching import backward_in_pieces
from anyseek.training.encoding import Laid, States, lay_out
from tests.processing.conftest import picture

EXACT = 1e-5  # of the largest gradient; measured: 2e-6
TEXTS = ["a red apple", "two dogs beside a house", "a page about the harvest", "a boat", "a cat under a table", "rain"]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    embedder = Embedder.load("tiny")
    embedder.backbone.requires_grad_(True)
    return embedder


@pytest.fixture(scope="module")
def laid(embedder: Embedder) -> list[Laid]:
    """Six queries with a long instruction, then six documents, two of them with the same picture."""
    asked = [Item.of({"text": text, "instruction": "Find what fits the words, in whatever form"}) for text in TEXTS]
    shown = [Item.of(Image(picture(64 + 32 * (number // 2), 64, number // 2))) for number in range(4)]
    shown += [Item.of(text.upper()) for text in TEXTS[4:]]
    return [lay_out(embedder.processor, embedder.processor.prepare(item)) for item in asked + shown]


def loss(vectors: Tensor) -> Tensor:
    queries, documents = normalize(vectors.float(), dim=-1).chunk(2)
    own = torch.eye(len(queries), dtype=torch.bool)
    judged = Relevance(positive=torch.arange(len(queries)), own=own, answers=own)
    return contrastive(queries, documents, judged, temperature=0.1)


def gradients(model: nn.Module) -> list[Tensor]:
    taken = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    return taken


def same(ones: list[Tensor], others: list[Tensor]) -> bool:
    assert len(ones) == len(others) > 10
    largest = max(float(one.abs().max()) for one in ones)
    assert largest > 1e-3
    return all(float((a - b).abs().max()) <= EXACT * largest for a, b in zip(ones, others, strict=True))


def test_pieces_give_the_gradients_of_the_whole(embedder: Embedder, laid: list[Laid]) -> None:
    states, costs = States(embedder.backbone), [one.cost for one in laid]
    whole = backward_in_pieces(states, laid, costs, 1 << 30, loss)
    wanted = gradients(embedder.backbone)
    calls = []

    def counted(inputs: Sequence[Laid]) -> Tensor:
        calls.append(len(inputs))
        return states(inputs)

    pieces = backward_in_pieces(counted, laid, costs, max(costs) + 10, loss)
    assert len(calls) >= 8 and sum(calls) == 2 * len(laid)  # each piece twice
    assert pieces.item() == pytest.approx(whole.item(), abs=1e-5)
    assert same(wanted, gradients(embedder.backbone))
    half = backward_in_pieces(states, laid, costs, 1 << 30, lambda vectors: loss(vectors.detach() + 0.5 * vectors))
    assert half.isfinite() and not same(wanted, gradients(embedder.backbone))  # not vacuous


def test_shared_beginnings_give_the_gradients_of_single_inputs(embedder: Embedder, laid: list[Laid]) -> None:
    states = States(embedder.backbone)
    passes = []
    bottom = embedder.backbone.language_model.layers[0]
    hook = bottom.register_forward_pre_hook(lambda _, given: passes.append(given[0]))
    backward_in_pieces(states, laid, [1] * len(laid), 1 << 30, loss)
    hook.remove()
    wanted = gradients(embedder.backbone)
    assert sum(len(one) for one in passes) < sum(one.row.sample.num_tokens for one in laid)
    loss(torch.cat([states([one]) for one in laid])).backward()
    assert same(wanted, gradients(embedder.backbone))


def test_the_same_picture_is_seen_once_and_gets_both_gradients(embedder: Embedder, laid: list[Laid]) -> None:
    patches = []
    tower = embedder.backbone.visual
    assert tower is not None
    hook = tower.register_forward_pre_hook(lambda _, given: patches.append(len(given[0])))
    States(embedder.backbone)(laid)
    hook.remove()
    shown = {identity: len(one.patches) for item in laid for identity, one in item.seen.items()}
    assert len(shown) == 2 and sum(patches) == sum(shown.values())


def test_dropout_is_replayed() -> None:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(4, 64), nn.Dropout(0.5), nn.Linear(64, 8), *(nn.Identity() for _ in range(9)))
    inputs = list(torch.randn(12, 4).unbind())
    torch.manual_seed(5)
    states: list[Tensor] = []

    def encode(given: Sequence[Tensor]) -> Tensor:
        out: Tensor = model(torch.stack(list(given)))
        states.append(out.detach())
        return out

    backward_in_pieces(encode, inputs, [1] * 12, 4, loss)
    assert len(states) == 6
    for first, second in zip(states[:3], states[3:], strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(states[0], encode(inputs[:4]))  # other numbers come afterwards


def test_checkpointing_keeps_less_and_gives_the_same_gradients(embedder: Embedder, laid: list[Laid]) -> None:
    states, sizes, wanted = States(embedder.backbone), [], []
    for checkpointing in (False, True):
        embedder.backbone.use_checkpointing(checkpointing)
        kept: dict[int, int] = {}

        def keep(tensor: Tensor, kept: dict[int, int] = kept) -> Tensor:
            kept[tensor.data_ptr()] = tensor.nbytes
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            found = loss(states(laid))
        found.backward()
        sizes.append(sum(kept.values()))
        wanted.append(gradients(embedder.backbone))
    embedder.backbone.use_checkpointing(False)
    assert same(*wanted)
    assert sizes[1] < sizes[0] / 2
