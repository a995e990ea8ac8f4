"""A layer composed from what is known compares at once."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from anyseek.model import Backbone, hub, load_backbone, yes_no_logit
from anyseek.model.text import Sight
from anyseek.ops import interleaved_rotary_tables
from recipes.comparing import Known, compose, ridge
from recipes.judging import deepened

KNOWN, PAIRS, LENGTH = 16, 400, 12


class Drawn:
    """States in which tokens that end a query, end a document or do neither can be told apart."""

    def __init__(self, hidden: int) -> None:
        drawn = torch.Generator().manual_seed(0)
        self.kinds = 12 * torch.randn(3, hidden, generator=drawn)
        self.asks, self.shows = (6 * torch.randn(KNOWN, hidden, generator=drawn) for _ in range(2))
        self.generator = drawn

    def vectors(self, count: int) -> Tensor:
        return normalize(torch.randn(count, KNOWN, generator=self.generator), dim=-1)

    def states(self, kind: int, told: Tensor) -> Tensor:
        said = told @ (self.asks, self.shows, torch.zeros_like(self.asks))[kind]
        return self.kinds[kind] + said + torch.randn(said.shape, generator=self.generator)


@pytest.fixture
def model() -> Backbone:
    return deepened(load_backbone(hub.locate("tiny", "embedding"), dtype=torch.float32, device="cpu"), 6).eval()


def test_composed_log_odds_follow_the_cosine(model: Backbone) -> None:
    """Of pairs that were not seen, whatever stands between the two tokens; a random layer has nothing of it."""
    tower, world = model.language_model, Drawn(model.config.text.hidden_size)
    asked, shown = world.vectors(PAIRS), world.vectors(PAIRS)
    nothing = torch.zeros(PAIRS, KNOWN)
    ends = world.states(1, shown)
    known = Known(
        marks=world.states(0, asked),
        ends=ends,
        others=torch.cat([world.states(2, nothing), ends]),
        asked=asked,
        shown=shown,
    )
    axis = 0.03 * torch.randn(model.config.text.hidden_size, generator=torch.Generator().manual_seed(1))

    def log_odds(asked: Tensor, shown: Tensor) -> Tensor:
        """One layer over sequences of any tokens with the two among them."""
        count = len(asked)
        states = world.states(2, torch.zeros(count * LENGTH, KNOWN)).view(count, LENGTH, -1)
        states[:, 4], states[:, -1] = world.states(0, asked), world.states(1, shown)
        text = model.config.text
        positions = torch.arange(LENGTH).repeat(count).expand(3, -1)
        tables = interleaved_rotary_tables(positions, text.head_dim, text.rope_theta, text.mrope_section, torch.float32)
        last = torch.arange(LENGTH - 1, count * LENGTH, LENGTH)
        out, _ = tower.layers[-1](states.flatten(0, 1), tables, Sight((LENGTH,) * count), 5, last)
        return yes_no_logit(tower.norm(out), axis)

    new = world.vectors(PAIRS), normalize(world.vectors(PAIRS) + 0.7 * world.vectors(PAIRS), dim=-1)
    cosines = (new[0] * new[1]).sum(-1)
    with torch.no_grad():
        before = torch.corrcoef(torch.stack([log_odds(*new), cosines]))[0, 1]
        compose(model, axis, known)
        after = torch.corrcoef(torch.stack([log_odds(*new), cosines]))[0, 1]
    assert abs(before) < 0.3 and after > 0.9


def test_ridge_finds_a_linear_map() -> None:
    inputs, wanted = torch.randn(200, 6), torch.randn(3, 6)
    assert torch.allclose(ridge(inputs, inputs @ wanted.T, 1e-6), wanted, atol=1e-3)
