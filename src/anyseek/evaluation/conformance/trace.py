"""What happens to one input, stage by stage, as a record; and our own model's record of a case.

The model is run plainly here: one input, no caches, attention in matrix products (the slow reference takes minutes).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from anyseek.batch import Sample, pack
from anyseek.engine import Embedder, Reranker
from anyseek.errors import InputError
from anyseek.evaluation.conformance.pack import Case
from anyseek.items import Video
from anyseek.model import pooled_embedding, yes_no_logit
from anyseek.processing import template
from anyseek.processing.template import Piece, Run, Special

__all__ = ["Laid", "Prompt", "States", "Trace", "Tracer", "watch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One input at every stage; None where an engine does not show it.

    Attributes:
        prompt: text of the prompt, one placeholder per picture.
        token_ids: of the whole prompt.
        grids: frame groups, rows and columns in patches of everything shown.
        pixels: `(patches, 1536)` fp32 in [-1, 1].
        features: `(visual_tokens, hidden)` fp32, what the vision tower gives.
        layers: per text layer `(hidden,)` fp32, the last token's state.
        pooled: `(hidden,)` fp32, the state that is read.
        vector: `(dim,)` fp32.
        score: probability of "yes".
        error: why there is nothing, in the engine's words.
    """

    prompt: str | None = None
    token_ids: tuple[int, ...] | None = None
    grids: tuple[tuple[int, ...], ...] | None = None
    pixels: Tensor | None = None
    features: Tensor | None = None
    layers: tuple[Tensor, ...] | None = None
    pooled: Tensor | None = None
    vector: Tensor | None = None
    score: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """Pieces of a prompt, and whether the tokenizer's post-processor adds its tokens."""

    pieces: tuple[Piece, ...]
    suffix: bool = True

    @property
    def text(self) -> str:
        """The prompt as chat templates write it: one placeholder for a picture, however many tokens it takes."""
        return "".join(_written(piece) for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Laid:
    """A prompt as the model takes it, and its record so far."""

    sample: Sample
    trace: Trace


@dataclass(slots=True)
class States:
    """What a forward pass went through, fp32 on the CPU.

    Attributes:
        features: `(visual_tokens, hidden)`, or None when nothing is shown.
        layers: per text layer `(hidden,)` of the last token.
        before_norm: `(tokens, hidden)` what the final norm is given.
        final: `(tokens, hidden)` what it makes of them.
    """

    features: Tensor | None = None
    layers: list[Tensor] = field(default_factory=list)
    before_norm: Tensor = field(default_factory=lambda: torch.empty(0))
    final: Tensor = field(default_factory=lambda: torch.empty(0))


class Tracer:
    """A loaded model that says what it does."""

    def __init__(self, model: Embedder | Reranker) -> None:
        """Watch this model."""
        self.model = model
        self.processor = model.processor

    def prompt(self, case: Case) -> Prompt:
        """The right prompt of a case.

        Raises:
            InputError: a source cannot be opened.
        """
        items = [self.processor.resolved(item) for item in case.items]
        made = template.embedding_prompt(*items) if len(items) == 1 else template.reranking_prompt(*items)
        return Prompt(tuple(made))

    def lay_out(self, prompt: Prompt) -> Laid:
        """Ids, grids and pixels of a prompt.

        Raises:
            InputError: something shown is corrupt, or the prompt does not fit.
        """
        prepared = self.processor.lay_out(list(prompt.pieces))
        suffix = len(self.processor.tokenizer.suffix)
        if suffix and not prompt.suffix:
            prepared = replace(prepared, ids=prepared.ids[:-suffix])
        sample = self.processor.produce(prepared)
        trace = Trace(
            prompt=prompt.text,
            token_ids=tuple(prepared.ids),
            grids=prepared.plan.grids,
            pixels=(sample.patches.float() - 127.5) / 127.5,
        )
        return Laid(sample, trace)

    @torch.inference_mode()
    def run(self, laid: Laid) -> States:
        """The states of a prompt."""
        backbone = self.model.backbone
        assert backbone.visual is not None  # `doctor` loads models whole
        with watch(backbone.visual, backbone.language_model) as states:
            backbone(pack([laid.sample]).to(next(backbone.parameters()).device), backend="matmul")
        return states

    def finished(self, laid: Laid, states: States, pooled: Tensor) -> Trace:
        """The whole record, when `pooled` `(hidden,)` is what is read from the states."""
        read: dict[str, Any] = {}
        if isinstance(self.model, Reranker):
            logit = yes_no_logit(pooled[None], self.model.score_row)[0]
            read["score"] = float(torch.sigmoid(logit.double()))
        else:
            read["vector"] = pooled_embedding(pooled[None])[0]
        return replace(laid.trace, features=states.features, layers=tuple(states.layers), pooled=pooled, **read)

    def trace(self, case: Case) -> Trace:
        """The right record of a case; an input that cannot be read gives its error."""
        try:
            laid = self.lay_out(self.prompt(case))
        except InputError as error:
            return Trace(error=str(error))
        states = self.run(laid)
        return self.finished(laid, states, states.final[-1])


@contextmanager
def watch(visual: nn.Module, text: nn.Module) -> Iterator[States]:
    """Record one forward pass of a vision tower and a text tower with `layers` and `norm`, ours or transformers'."""
    states = States()

    def seen(_: nn.Module, __: Any, out: Any) -> None:
        """The vision tower's features: the first of what it returns."""
        states.features = _plain(_first(out))

    def passed(_: nn.Module, __: Any, out: Any) -> None:
        """The last token after a layer."""
        states.layers.append(_plain(_first(out))[-1])

    def normed(_: nn.Module, given: Any, out: Any) -> None:
        """Both sides of the final norm."""
        states.before_norm, states.final = _plain(given[0]), _plain(out)

    layers = text.layers
    assert isinstance(layers, nn.ModuleList) and isinstance(text.norm, nn.Module)
    hooks = [visual.register_forward_hook(seen), text.norm.register_forward_hook(normed)]
    hooks += [layer.register_forward_hook(passed) for layer in layers]
    try:
        yield states
    finally:
        for hook in hooks:
            hook.remove()


def _first(out: Any) -> Tensor:
    """The first tensor of a module's output; transformers 5 names the merged features of vision `pooler_output`."""
    pooled = getattr(out, "pooler_output", None)
    found: Tensor = pooled if pooled is not None else out if isinstance(out, Tensor) else out[0]
    return found


def _plain(states: Tensor) -> Tensor:
    """States `(tokens, hidden)` in fp32 on the CPU, of a batch of one where there is a batch."""
    return (states[0] if states.ndim == 3 else states).detach().float().cpu()


def _written(piece: Piece) -> str:
    """One piece as text."""
    if isinstance(piece, Special):
        return piece.token
    if isinstance(piece, Run):
        return piece.text
    return f"<|vision_start|><|{'video' if isinstance(piece.part, Video) else 'image'}_pad|><|vision_end|>"
