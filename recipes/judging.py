"""How the tiny reranker learns: to know what it reads, to compare, to judge.

From yes and no alone the embedder's weights learn little but how often the answer is yes: nothing tells the lower
layers what to know, nor the upper ones what to compare.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional

from anyseek.model import Backbone, ModelConfig, pooled_embedding, yes_no_logit
from anyseek.training import yes_no
from recipes.found import FoundBatch, Lesson

__all__ = ["ATTENTION", "EASY", "HARD", "Judging", "Part", "deepened"]

TAUGHT = 128
"""Directions of the embedder's vectors that the reranker learns; it keeps the others for itself."""
TEACHER_TEMPERATURE = 0.05
RIDGE = 1e-3
ATTENTION = "matmul"

EASY = (
    Lesson(
        until=1.0,
        kinds={"portrait": 10, "scene": 36, "page": 24, "chart": 8, "clip": 14, "note": 8},
        levels=(2, 1, 1),
        liked=0.2,
    ),
)
HARD = (
    Lesson(
        until=0.3,
        kinds={"portrait": 4, "scene": 40, "page": 22, "chart": 8, "clip": 14, "note": 4, "mixed": 8},
        levels=(1, 1, 1),
        liked=0.3,
    ),
    Lesson(
        until=1.0,
        kinds={"scene": 40, "page": 22, "chart": 8, "clip": 14, "note": 4, "mixed": 12},
        levels=(1, 1, 1),
        liked=0.6,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Of the training.

    Attributes:
        name: for the log.
        learning: what changes.
        loss: of a batch.
        lessons: what is judged.
        steps: at most; None takes the run's.
        rate: learning rate.
        share: of the run's minutes, at most.
    """

    name: str
    learning: nn.Module
    loss: Callable[[FoundBatch], Tensor]
    lessons: tuple[Lesson, ...]
    steps: int | None
    rate: float
    share: float


class Judging:
    """The reranker in training, and the losses of its parts."""

    def __init__(self, model: Backbone, yes_no_ids: tuple[int, int], known: Tensor) -> None:
        """Train `model`, whose last layer compares.

        Args:
            model: see `deepened`.
            yes_no_ids: of its tokenizer.
            known: `(documents, dim)` vectors of the embedder, for the directions in which they differ most.
        """
        self.model = model
        self.yes_no_ids = list(yes_no_ids)
        self.basis = torch.linalg.svd(known, full_matrices=False).Vh[:TAUGHT].T.contiguous()
        _agree(self.basis)  # every process has read other documents, but the head is one
        self.head = nn.Linear(model.config.text.hidden_size, self.basis.shape[1], bias=False).to(torch.bfloat16)
        self.watched: dict[str, float] = {}
        self._states = torch.empty(0)
        model.language_model.layers[-2].register_forward_hook(self._note)

    def parts(self) -> tuple[Part, Part, Part]:
        """First the lower layers learn to hold, where query and document end, what the embedder's vectors say of each.

        Then the last layer learns to compare alone, which is cheap. Then all learn to tell apart what the embedder
        cannot.
        """
        text = self.model.language_model
        below = nn.ModuleList([text.embed_tokens, *text.layers[:-1], self.head])
        above = nn.ModuleList([text.layers[-1], text.norm])
        whole = nn.ModuleList([text, self.head])
        return (
            Part(name="know", learning=below, loss=self.know, lessons=EASY, steps=400, rate=8e-4, share=0.12),
            Part(name="compare", learning=above, loss=self.compare, lessons=EASY, steps=2500, rate=2e-3, share=0.15),
            Part(name="judge", learning=whole, loss=self.judge, lessons=HARD, steps=None, rate=6e-4, share=0.73),
        )

    @torch.no_grad()
    def settle(self, batches: Iterable[FoundBatch]) -> None:
        """Fit the head to what is known already: one that begins anew would unsettle what is below."""
        states, taught = [], []
        for batch in batches:
            self._judged(batch)
            states.append(self._states[batch.ends].float())
            taught.append(self._taught(batch))
        inputs, wanted = torch.cat(states), torch.cat(taught)
        square = inputs.T @ inputs
        square += RIDGE * square.diagonal().mean() * torch.eye(len(square))
        self.head.weight.copy_(torch.linalg.solve(square, inputs.T @ wanted).T)
        _agree(self.head.weight)

    def know(self, batch: FoundBatch) -> Tensor:
        """What the embedder knows, in the prompt of the reranker."""
        self._judged(batch)
        return self._vectors(batch)

    def compare(self, batch: FoundBatch) -> Tensor:
        """What the embedder likes, and the truth."""
        logits = self._judged(batch)
        shown = batch.shown_vectors.view(*logits.shape, -1)
        cosines = (batch.asked_vectors[:, None] * shown).sum(-1)
        return functional.cross_entropy(logits, (cosines / TEACHER_TEMPERATURE).softmax(-1)) + self._truth(logits)

    def judge(self, batch: FoundBatch) -> Tensor:
        """The truth, not forgetting what is known."""
        truth, known_still = self._truth(self._judged(batch)), self._vectors(batch)
        self.watched["known"] = known_still.item()
        return truth + 0.5 * known_still

    def _note(self, layer: nn.Module, given: object, out: tuple[Tensor, object]) -> None:
        """Keep the states below the last layer, of what ran last."""
        self._states = out[0]

    def _judged(self, batch: FoundBatch) -> Tensor:
        """`(queries, candidates)` log-odds."""
        blocks = self.model.remember(batch.queries, backend=ATTENTION, features=batch.query_features)
        past = tuple((block,) for block in blocks for _ in range(batch.candidates))
        hidden = self.model(batch.documents, last=True, backend=ATTENTION, features=batch.features, past=past)
        yes, no = self.model.language_model.embed_tokens.weight[self.yes_no_ids].float()
        return yes_no_logit(hidden, yes - no).view(-1, batch.candidates)

    def _truth(self, logits: Tensor) -> Tensor:
        """Which of a query's documents answers it, and yes or no for each."""
        first = torch.zeros(len(logits), dtype=torch.int64)
        answers = functional.one_hot(first, logits.shape[1])
        loss = yes_no(logits.flatten(), answers.flatten()) + functional.cross_entropy(logits, first)
        self.watched |= {"judged": loss.item(), "right": (logits.argmax(1) == 0).float().mean().item()}
        return loss

    def _vectors(self, batch: FoundBatch) -> Tensor:
        """How far what is known of queries and documents is from the embedder's vectors.

        Both are told by their places among the latter: the cross-entropy of two softmaxes over cosines.
        """
        taught = self._taught(batch)
        places = (taught @ taught.T / TEACHER_TEMPERATURE).softmax(-1)
        known = pooled_embedding(self.head(self._states[batch.ends]))
        return functional.cross_entropy(known @ taught.T / TEACHER_TEMPERATURE, places)

    def _taught(self, batch: FoundBatch) -> Tensor:
        """`(2 * documents, TAUGHT)` of length 1: for each document its query's vector, then for each its own."""
        asked = batch.asked_vectors.repeat_interleave(batch.candidates, 0)
        return functional.normalize(torch.cat([asked, batch.shown_vectors]) @ self.basis, dim=-1)


def _agree(tensor: Tensor) -> None:
    """Give every process the first one's numbers."""
    if distributed.is_initialized():
        distributed.broadcast(tensor, 0)


def deepened(model: Backbone, layers: int) -> Backbone:
    """The model with random text layers on top, up to a number of layers."""
    raw = dict(model.config.raw)
    raw["text_config"] = raw["text_config"] | {"num_hidden_layers": layers}
    deeper = Backbone(ModelConfig.from_dict(raw)).to(model.language_model.norm.weight.dtype)
    deeper.initialise(torch.Generator().manual_seed(1))
    for layer in deeper.language_model.layers[model.config.text.num_hidden_layers :]:
        for last in (layer.self_attn.o_proj, layer.mlp.down_proj):
            last.weight.data.mul_(0.5)
    deeper.load_state_dict(model.state_dict(), strict=False)
    return deeper
