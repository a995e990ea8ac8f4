"""The eight known causes of engines disagreeing, and the readings of a forward pass that two of them are.

Each was found in public reports of several engines; the other six change the prompt (`mistakes.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from anyseek.evaluation.conformance.trace import States

__all__ = ["CAUSES", "READINGS", "Cause", "Reading"]


@dataclass(frozen=True, slots=True)
class Cause:
    """A known mistake.

    Attributes:
        stage: the first stage that it changes, one of `compare.STAGES`.
        what: in a line.
        remedy: what to do about it.
    """

    stage: str
    what: str
    remedy: str


CAUSES = {
    "raw text": Cause(
        "prompt",
        "the text is sent without the chat template",
        "send chat messages, or give the server the checkpoint's chat template",
    ),
    "instruction turn": Cause(
        "prompt",
        "the instruction is not where it belongs",
        "embedding: the system turn, unchanged; reranking: <Instruct> in the user turn under the fixed system line",
    ),
    "address as text": Cause(
        "prompt",
        "the address of a picture is read as text",
        "send pictures in the form that the server has for them, not in a text field",
    ),
    "swallowed error": Cause(
        "answer",
        "an input that could not be read became the text NULL, or was left out",
        "make the server answer with an error; every row made that way is wrong and must be computed again",
    ),
    "template end": Cause(
        "prompt",
        "the end of the prompt is another one, and the state is read at its last token",
        "end with <|im_start|>assistant and a newline, then what the checkpoint's tokenizer appends",
    ),
    "resize": Cause(
        "grids",
        "pictures are resized by another rule",
        "resize as qwen-vl-utils does (4,096 to 1,843,200 pixels, sides multiples of 32, one bicubic resize)",
    ),
    "before the norm": Cause(
        "pooling",
        "the hidden state is taken before the final norm",
        "take last_hidden_state, not hidden_states[-1] of a model class that leaves the norm out",
    ),
    "mean pooling": Cause(
        "pooling",
        "the states of all tokens are averaged",
        "pool the last token: --pooling last, or pooling_mode lasttoken",
    ),
}
"""By name, in the order of computation."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A way to read `(hidden,)` from the states of a prompt, and the causes that it is."""

    causes: tuple[str, ...]
    read: Callable[[States], Tensor]


READINGS = (
    Reading((), lambda states: states.final[-1]),
    Reading(("before the norm",), lambda states: states.before_norm[-1]),
    Reading(("mean pooling",), lambda states: states.final.mean(0)),
    Reading(("before the norm", "mean pooling"), lambda states: states.before_norm.mean(0)),
)
"""The right one first."""
