"""How the tiny reranker learns: to know what it reads, to compare, to judge.

From yes and no alone the embedder's weights learn little but how often the answer is yes: nothing tells the lower
layers what to know, nor the upper ones what to compare.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional

from anyseek.model import Backbone, ModelConfig, pooled_embedding, yes_no_logit
from anyseek.training import yes_no
from recipes.candidates import JudgedBatch
from recipes.comparing import Known, apart, compose, looks_for, normed, ridge
from recipes.found import Lesson

__all__ = ["ALL", "ATTENTION", "HARD", "Judging", "Part", "deepened"]

TAUGHT = 64
"""Directions of the embedder's vectors that the reranker learns: with fewer it would find less, with more no more."""
BESIDE = 15.0
"""Log-odds of a cosine of 1, where the reranker learns what the embedder does not know."""
OTHERS = 400
"""Tokens of a batch that are looked at as neither a query's nor a document's end."""
TEACHER_TEMPERATURE = 0.05
ATTENTION = "matmul"

ALL = (
    Lesson(
        until=1.0,
        kinds={"portrait": 8, "scene": 38, "page": 26, "chart": 10, "clip": 14, "note": 6},
        levels=(2, 1, 1),
        liked=0.4,
    ),
)
HARD = (
    Lesson(
        until=1.0,
        kinds={"portrait": 3, "scene": 38, "page": 24, "chart": 5, "clip": 14, "note": 3, "mixed": 11},
        levels=(1, 1, 1),
        liked=0.7,
    ),
)


@dataclass(frozen=True, slots=True)
class Part:
    """Of the training.

    Attributes:
        name: for the log.
        learning: what changes.
        loss: of a batch.
        lessons: what is judged.
        size: queries of a batch.
        candidates: documents of a query.
        rate: learning rate.
        steps: share of the run's, at most.
        share: of the run's minutes, at most.
    """

    name: str
    learning: nn.Module
    loss: Callable[[JudgedBatch], Tensor]
    lessons: tuple[Lesson, ...]
    size: int
    candidates: int
    rate: float
    steps: float
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
        self.head = nn.Linear(model.config.text.hidden_size, TAUGHT, bias=False).to(torch.bfloat16)
        self.mark = nn.Linear(model.config.text.hidden_size, 1).to(torch.bfloat16)
        for one in (*self.head.parameters(), *self.mark.parameters()):
            _agree(one.data)
        self.watched: dict[str, float] = {}
        self._states: list[Tensor] = []
        model.language_model.layers[-2].register_forward_hook(self._note)

    def parts(self, given: Mapping[str, float]) -> tuple[Part, Part]:
        """First the lower layers learn to hold, where query and document end, what the embedder's vectors say of each.

        Once the last layer compares these (`compose`), all learn to tell apart what the embedder cannot.

        Args:
            given: datasets that are judged beside `HARD`, with how often.
        """
        hard = tuple(replace(lesson, kinds={**lesson.kinds, **given}) for lesson in HARD)
        text = self.model.language_model
        below = nn.ModuleList([text.embed_tokens, *text.layers[:-1], self.head, self.mark])
        looking = text.layers[-1].self_attn  # it finds the mark from the start, and must not lose it
        learnt = [looking.v_proj, looking.o_proj]
        above = [text.layers[-1].mlp, text.layers[-1].input_layernorm, text.layers[-1].post_attention_layernorm]
        whole = nn.ModuleList([text.embed_tokens, *text.layers[:-1], *learnt, *above, text.norm, self.head])
        return (
            Part("know", below, self.know, ALL, size=40, candidates=1, rate=8e-4, steps=0.3, share=0.3),
            Part("judge", whole, self.judge, hard, size=8, candidates=8, rate=1.2e-4, steps=1.0, share=0.7),
        )

    @torch.no_grad()
    def settle(self, batches: Iterable[JudgedBatch]) -> None:
        """Fit the head to what is known already: one that begins anew would unsettle what is below."""
        states, taught = [], []
        for batch in batches:
            self._judged(batch)
            states.append(self._states[1][batch.ends].float())
            taught.append(self._taught(batch))
        self.head.weight.copy_(ridge(torch.cat(states), torch.cat(taught)))
        _agree(self.head.weight)

    @torch.no_grad()
    def compose(self, batches: Iterable[JudgedBatch]) -> None:
        """Let the last layer compare what is known; see `recipes.comparing`."""
        known = [self._known(batch) for batch in batches]
        pieces = {name: torch.cat([getattr(each, name) for each in known]) for name in Known.__dataclass_fields__}
        compose(self.model, self._axis(), Known(**pieces))
        for weight in self.model.language_model.parameters():
            _agree(weight)

    def know(self, batch: JudgedBatch) -> Tensor:
        """What the embedder knows, in the prompt of the reranker."""
        self._judged(batch)
        return self._vectors(batch) + self._found(batch, lambda states: self.mark(normed(states)))

    def judge(self, batch: JudgedBatch) -> Tensor:
        """The truth, alone and beside the embedder's opinion, not forgetting what is known."""
        looks = partial(looks_for, self.model.language_model.layers[-1])
        logits, known_still, found_still = self._judged(batch), self._vectors(batch), self._found(batch, looks)
        cosines = (batch.asked_vectors[:, None] * batch.shown_vectors.view(*logits.shape, -1)).sum(-1)
        beside = functional.cross_entropy(logits + BESIDE * cosines, torch.zeros(len(logits), dtype=torch.int64))
        self.watched |= {"known": known_still.item(), "found": found_still.item(), "beside": beside.item()}
        return self._truth(logits) + beside + 0.25 * (known_still + found_still)

    def _note(self, layer: nn.Module, given: object, out: tuple[Tensor, object]) -> None:
        """Keep the states below the last layer."""
        self._states.append(out[0])

    def _axis(self) -> Tensor:
        """`(hidden,)` from no to yes."""
        yes, no = self.model.language_model.embed_tokens.weight[self.yes_no_ids].float()
        return yes - no

    def _known(self, batch: JudgedBatch) -> Known:
        """What the last layer is composed from."""
        self._judged(batch)
        asked, shown = self._taught(batch).chunk(2)
        before, own = self._states
        elsewhere = torch.cat([before, own[self._unmarked(batch)]])
        return Known(
            marks=own[batch.marks],
            ends=own[batch.documents.last_index],
            others=elsewhere[torch.randperm(len(elsewhere))[:OTHERS]],
            asked=asked,
            shown=shown,
        )

    def _unmarked(self, batch: JudgedBatch) -> Tensor:
        """`(tokens,)` false where a query has been read."""
        return torch.ones(len(self._states[1]), dtype=torch.bool).index_fill(0, batch.marks, False)

    def _found(self, batch: JudgedBatch, tell: Callable[[Tensor], Tensor]) -> Tensor:
        """How badly numbers of states `(tokens, hidden)` tell the ends of queries, which the last layer must find."""
        before, own = map(tell, self._states)
        return apart(own[batch.marks], torch.cat([before, own[self._unmarked(batch)]]))

    def _judged(self, batch: JudgedBatch) -> Tensor:
        """`(queries, candidates)` log-odds."""
        self._states = []
        blocks = self.model.remember(batch.queries, backend=ATTENTION, features=batch.query_features)
        past = tuple((block,) for block in blocks for _ in range(batch.candidates))
        hidden = self.model(batch.documents, last=True, backend=ATTENTION, features=batch.features, past=past)
        return yes_no_logit(hidden, self._axis()).view(-1, batch.candidates)

    def _truth(self, logits: Tensor) -> Tensor:
        """Which of a query's documents answers it, and yes or no for each."""
        first = torch.zeros(len(logits), dtype=torch.int64)
        answers = functional.one_hot(first, logits.shape[1])
        loss = yes_no(logits.flatten(), answers.flatten()) + functional.cross_entropy(logits, first)
        self.watched |= {"judged": loss.item(), "right": (logits.argmax(1) == 0).float().mean().item()}
        return loss

    def _vectors(self, batch: JudgedBatch) -> Tensor:
        """How far what is known of queries and documents is from the embedder's vectors.

        Both are told by their places among the latter: the cross-entropy of two softmaxes over cosines.
        """
        taught = self._taught(batch)
        places = (taught @ taught.T / TEACHER_TEMPERATURE).softmax(-1)
        known = pooled_embedding(self.head(self._states[1][batch.ends]))
        return functional.cross_entropy(known @ taught.T / TEACHER_TEMPERATURE, places)

    def _taught(self, batch: JudgedBatch) -> Tensor:
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
