"""A text layer that compares, in closed form: where training a new one from yes and no takes hours.

The layers below know, where the query ends, what the query asks, and where the document ends, what it shows. Attention
can carry the one to the other, and the gated units of the layer can multiply them: silu(a) b + silu(-a) (-b) = a b.
Their sum is the cosine of the two.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from anyseek.model import Backbone
from anyseek.model.text import TextLayer

__all__ = ["Known", "apart", "compose", "looks_for", "normed", "ridge"]

RIDGE = 1e-2
APART = 1e-4
MARKED, OTHER = 31, 63
"""Numbers of a head that rotate least: there, position hardly matters."""
SHARPNESS = 2.0
LOUDNESS = 1.0
"""How long the carried query is, in lengths of the state that it is added to."""
GAIN_CARRIED, GAIN_READ = 32.0, 5.0
"""Factors between weights that follow each other, so that a step of the optimiser moves them alike."""
SLOPE = 8.0
"""Log-odds of a cosine of 1."""


@dataclass(frozen=True, slots=True)
class Known:
    """States below the layer, of pairs of a query and a document that answers it, and what they should tell.

    Attributes:
        marks: `(pairs, hidden)` where the query has been read.
        ends: `(pairs, hidden)` where the document has been read.
        others: `(tokens, hidden)` anywhere but at marks.
        asked: `(pairs, known)` vector of the query, of length 1.
        shown: `(pairs, known)` likewise of the document.
    """

    marks: Tensor
    ends: Tensor
    others: Tensor
    asked: Tensor
    shown: Tensor


def ridge(inputs: Tensor, wanted: Tensor, strength: float = RIDGE) -> Tensor:
    """`(outputs, inputs)` weights of the linear map with the least squares, shrunk a little."""
    square = inputs.T @ inputs
    square += strength * square.diagonal().mean() * torch.eye(len(square))
    return torch.linalg.solve(square, inputs.T @ wanted).T


@torch.no_grad()
def compose(model: Backbone, axis: Tensor, known: Known) -> None:
    """Make the last layer give the cosine of query and document as log-odds; what else is in it begins at nothing.

    Args:
        model: changed in place.
        axis: `(hidden,)` of which the log-odds are the product with the normed state.
        known: to fit it on.
    """
    tower = model.language_model
    layer = tower.layers[-1]
    for norm in (layer.input_layernorm, layer.post_attention_layernorm, tower.norm):
        norm.weight.fill_(1)
    marks, ends, others = (normed(states.float()) for states in (known.marks, known.ends, known.others))
    asks, shows = ridge(marks, known.asked), ridge(ends, known.shown)
    units = len(asks)

    # The query goes where the document's vector is not read, and where little else is.
    free = torch.linalg.svd(shows, full_matrices=True).Vh[units:].T
    quiet = free @ torch.linalg.eigh((ends @ free).T @ (ends @ free)).eigenvectors[:, :units]
    size = known.ends.float().pow(2).mean(-1).sqrt().mean()
    loud = LOUDNESS * size * len(axis) ** 0.5
    whole = size * (1 + LOUDNESS**2) ** 0.5

    # Units in pairs of opposite sign make products; what a cosine of neither yes nor no gives is taken off beforehand.
    unit = axis / axis.norm()
    slope = SLOPE * whole / axis.norm()
    asked, shown = marks @ asks.T, ends @ shows.T
    middle = ((asked * shown).sum(-1).mean() + (asked * shown.roll(1, 0)).sum(-1).mean()) / 2
    mlp, rows = layer.mlp, 2 * units
    mlp.gate_proj.weight[:rows] = GAIN_READ * torch.cat([shows, -shows])
    mlp.up_proj.weight[:rows] = GAIN_READ * torch.cat([quiet.T, -quiet.T])
    mlp.down_proj.weight.zero_()
    mlp.down_proj.weight[:, :rows] = (slope * whole**2 / (size * loud * GAIN_READ**2) * unit)[:, None]

    carried = [(asks, loud * quiet), (ridge(marks, torch.ones(len(marks), 1)), -slope * middle * unit[:, None])]
    _look(layer.self_attn, _separating(marks, others), ridge(ends, torch.ones(len(ends), 1))[0])
    _carry(layer.self_attn, carried)


def _look(attention: nn.Module, mark: Tensor, constant: Tensor) -> None:
    """Let every head of the last token see the mark only: keys tell it from the rest, queries always ask for it."""
    width = attention.head_dim
    for projection, rows in ((attention.q_proj, constant), (attention.k_proj, mark)):
        projection.weight.zero_()
        for start in range(0, len(projection.weight), width):
            projection.weight[start + MARKED] = rows
            projection.weight[start + OTHER] = -rows
    attention.k_norm.weight[[MARKED, OTHER]] *= SHARPNESS


def _carry(attention: nn.Module, carried: list[tuple[Tensor, Tensor]]) -> None:
    """What each key-value head reads at the mark `(units, hidden)`, and where it goes `(hidden, units)`."""
    width, heads = attention.head_dim, len(attention.q_proj.weight) // len(attention.k_proj.weight)
    attention.o_proj.weight.zero_()
    for number, (read, written) in enumerate(carried):
        attention.v_proj.weight[number * width : number * width + len(read)] = GAIN_CARRIED * read
        for head in range(number * heads, (number + 1) * heads):
            columns = slice(head * width, head * width + len(read))
            attention.o_proj.weight[:, columns] = written / GAIN_CARRIED / heads


@torch.enable_grad()
def _separating(marks: Tensor, others: Tensor) -> Tensor:
    """`(hidden,)` direction in which the former are positive and the latter negative: logistic regression."""
    direction = torch.zeros(marks.shape[1], requires_grad=True)
    search = torch.optim.LBFGS([direction], max_iter=60, history_size=20, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        total = apart(marks @ direction, others @ direction) + APART * direction.square().sum()
        total.backward()
        return total

    search.step(loss)
    return direction.detach()


def normed(states: Tensor) -> Tensor:
    """Of a root mean square of 1."""
    return functional.normalize(states, dim=-1) * states.shape[-1] ** 0.5


def apart(marks: Tensor, others: Tensor) -> Tensor:
    """Logistic loss of numbers that should be above zero at marks and below elsewhere."""
    return functional.softplus(-marks.float()).mean() + 4 * functional.softplus(others.float()).mean()


def looks_for(layer: TextLayer, states: Tensor) -> Tensor:
    """`(tokens, hidden)` below a composed layer to `(tokens,)`, above zero where its attention goes."""
    keys = functional.linear(layer.input_layernorm(states), layer.self_attn.k_proj.weight[[MARKED, OTHER]])
    return keys[:, 0] - keys[:, 1]
