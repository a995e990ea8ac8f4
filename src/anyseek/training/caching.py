"""Large batches on small memory: gradients through one piece at a time (GradCache, Gao et al. 2021, arXiv 2101.06983).

Vectors of all pieces are computed without a graph; the loss gives their gradients; then each piece is computed again,
with the same random numbers, and takes its share of them. The result is that of one large batch.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor

from anyseek.engine.compute import under_budget

__all__ = ["backward_in_pieces"]

Input = TypeVar("Input")


def backward_in_pieces(
    encode: Callable[[Sequence[Input]], Tensor],
    inputs: Sequence[Input],
    costs: Sequence[int],
    budget: int,
    loss_of: Callable[[Tensor], Tensor],
    most: Callable[[int], int] = int,
) -> Tensor:
    """Put the gradients of a loss of all inputs on the weights, holding the graph of one piece at a time.

    Args:
        encode: inputs to `(inputs, dim)`.
        inputs: of the batch.
        costs: tokens and merged patches of each; pieces are cut by them, not by rows.
        budget: of a piece; what costs more than all of it stands alone.
        loss_of: `(inputs, dim)` in the order of the inputs to a scalar; what else has weights in it gets its gradients.
        most: largest number of any process, where all must make as many passes; the others repeat their cheapest input,
            without a gradient.

    Returns:
        The loss, without a graph: gradients lie on the weights already.
    """
    order = sorted(range(len(inputs)), key=costs.__getitem__, reverse=True)
    own = list(under_budget(order, dict(enumerate(costs)), budget))
    passes = most(len(own))
    if passes == 1:
        loss = loss_of(encode(inputs))
        loss.backward()
        return loss.detach()
    pieces = own + [order[-1:]] * (passes - len(own))
    found: dict[int, Tensor] = {}
    states = []
    for piece in pieces:
        states.append(_random_state())
        with torch.no_grad():
            made = zip(piece, encode([inputs[place] for place in piece]).unbind(), strict=True)
        found = dict(made) | found  # what is repeated counts as it was at first
    vectors = torch.stack([found[place] for place in range(len(inputs))]).requires_grad_()
    loss = loss_of(vectors)
    loss.backward()
    assert vectors.grad is not None, "a loss of the vectors"
    for number, (piece, state) in enumerate(zip(pieces, states, strict=True)):
        share = vectors.grad[piece]
        with _replayed(state):
            encode([inputs[place] for place in piece]).backward(share if number < len(own) else 0 * share)
    return loss.detach()


RandomState = tuple[Tensor, list[Tensor]]


def _random_state() -> RandomState:
    """Of the CPU and of every CUDA device."""
    return torch.get_rng_state(), torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []


@contextmanager
def _replayed(state: RandomState) -> Iterator[None]:
    """The random numbers that came after a state, again; afterwards those that would have come."""
    cpu, devices = state
    with torch.random.fork_rng():
        torch.set_rng_state(cpu)
        if devices:
            torch.cuda.set_rng_state_all(devices)
        yield
