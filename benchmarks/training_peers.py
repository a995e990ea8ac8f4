"""The two trainers that `benchmarks.training` compares, and the batches they learn from.

Both take the same files of one batch, give the same loss, and leave its gradients on the weights.
"""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from PIL import Image as Pictures
from torch import Tensor, nn
from torch.nn import functional

from anyseek.engine import Embedder
from anyseek.engine.runtime import DTYPES
from anyseek.evaluation.bench.peers import SentenceTransformers, library
from anyseek.evaluation.bench.shapes import Models
from anyseek.evaluation.bench.workloads import Workload
from anyseek.items import Image, Item, Part, Text
from anyseek.model.shapes import Shape, shape_named
from anyseek.processing.template import DEFAULT_EMBEDDING_INSTRUCTION
from anyseek.training import Relevance, contrastive
from anyseek.training.caching import backward_in_pieces
from anyseek.training.encoding import Laid, States, lay_out
from anyseek.world import INSTRUCTIONS, Mix, ask, ask_about, object_ids, pairs, sample_thing
from anyseek.world.notes import sample_note

TEMPERATURE = 0.02
ROWS_OF_A_PIECE = 8
WITHOUT_END = 1 << 40
QUESTION = "Answer the question about the picture."
MOST_NOTES = 16

Pieces = Literal["rows", "tokens", "whole", "plain"]
"""What is held at once: so many rows, so many tokens, all of them; or all of them, and the peer without its cache."""
Kind = Literal["mixed", "search", "questions", "texts", "pictures"]

# Shapes


def narrow() -> Shape:
    """The published 2B with an eighth of its width and a quarter of its depth, so that vision and text weigh alike."""
    small, published = shape_named("small"), shape_named("2b")
    text = {"vocab_size": 8192, "hidden_size": 256, "intermediate_size": 768}
    text |= {"num_hidden_layers": 7, "num_attention_heads": 2, "num_key_value_heads": 1}
    vision = {"depth": 6, "hidden_size": 128, "intermediate_size": 512, "num_heads": 2}
    vision |= {"deepstack_visual_indexes": [1, 2, 4]}
    return replace(
        published,
        name="narrow",
        text=dict(published.text) | text,
        vision=dict(published.vision) | vision,
        limits=small.limits,
    )


def shape_of(name: str) -> Shape:
    """`narrow`, or one of `anyseek bench`."""
    return narrow() if name == "narrow" else shape_named(name)


# Batches


@dataclass(frozen=True, slots=True)
class Batch:
    """Queries, and the document that answers each."""

    queries: tuple[Item, ...]
    documents: tuple[Item, ...]

    @property
    def items(self) -> tuple[Item, ...]:
        """Queries, then documents."""
        return (*self.queries, *self.documents)


Pair = tuple[Item, Item]


def draw(kind: Kind, count: int, folder: Path) -> Batch:
    """Draw a batch of the world; the same arguments give the same one.

    Args:
        kind: `search` has texts looking for pictures, pages and charts, `questions` pictures with a question and
            answers, `mixed` both by halves, `texts` questions and passages, `pictures` objects and scenes with them.
        count: of pairs.
        folder: pictures are written there.
    """
    rng = random.Random(3)
    if kind == "mixed":
        drawn = [*itertools.islice(_searched(), count - count // 2), *itertools.islice(_asked(rng), count // 2)]
        rng.shuffle(drawn)
    else:
        sources = {"search": _searched(), "questions": _asked(rng), "texts": _read(rng), "pictures": _looked_up()}
        drawn = list(itertools.islice(sources[kind], count))
    folder.mkdir(parents=True, exist_ok=True)
    written = [
        _on_disk(item, folder / f"{kind}-{number}-{side}")
        for number, pair in enumerate(drawn)
        for side, item in enumerate(pair)
    ]
    return Batch(tuple(written[::2]), tuple(written[1::2]))


def _searched() -> Iterator[Pair]:
    """Words that describe a scene, page or chart, in many languages, and that."""
    for pair in pairs(3, mix=Mix(kinds={"scene": 4, "page": 3, "chart": 1}, pictures=0, negatives=0)):
        yield pair.query.item(), pair.positive.item()


def _looked_up() -> Iterator[Pair]:
    """The picture of an object, and a scene with it."""
    for pair in pairs(3, mix=Mix(kinds={"scene": 1}, levels=(1, 0, 0), pictures=1, negatives=0)):
        yield pair.query.item(), pair.positive.item()


def _asked(rng: random.Random) -> Iterator[Pair]:
    """A picture with a question, and an answer that no other question of the batch has."""
    told = set()
    while True:
        question = ask_about(sample_thing(rng.choice(("scene", "page", "chart")), rng), rng, "train")
        if question is None:
            continue
        answer = question.answers[min(question.right())][0]
        if answer not in told:
            told.add(answer)
            yield question.item(QUESTION), Item((Text(answer),))


def _read(rng: random.Random) -> Iterator[Pair]:
    """A question about a note, and a passage of 1 to 16 notes that holds it, short ones as frequent as long ones."""
    while True:
        notes = [sample_note(rng, object_ids("train"), 2, "en") for _ in range(round(MOST_NOTES ** rng.random()))]
        query = ask(rng.choice(notes), rng, 2, "en").item(INSTRUCTIONS["note"])
        yield query, Item((Text(" ".join(note.draw() for note in notes)),))


def _on_disk(item: Item, name: Path) -> Item:
    """The item with its pictures as PNG files, as a dataset has them."""

    def written(number: int, part: Part) -> Part:
        """One part."""
        if not isinstance(part, Image):
            return part
        path = name.with_name(f"{name.name}-{number}.png")
        Pictures.fromarray(part.source).save(path)
        return Image(path)

    return replace(item, parts=tuple(written(number, part) for number, part in enumerate(item.parts)))


# Trainers


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How both trainers work.

    Attributes:
        models: folders of the weights.
        device: where.
        dtype: of weights, gradients and moments.
        pieces: what is held at once.
        vision: whether the vision tower learns too.
    """

    models: Models
    device: str
    dtype: str
    pieces: Pieces
    vision: bool


class Trainer(Protocol):
    """What a step needs.

    Attributes:
        name: with its version.
        model: of which the weights learn; they have the same names in both.
    """

    name: str
    model: nn.Module

    def prepare(self, batch: Batch) -> Any:
        """Files to pixels and token ids."""
        ...

    def backward(self, prepared: Any) -> float:
        """The loss; its gradients then lie on the weights."""
        ...


class Ours:
    """`training`: packed pieces of so many tokens, shared beginnings and repeated pictures once."""

    name = "anyseek"

    def __init__(self, setting: Setting) -> None:
        """Load the model."""
        self._embedder = Embedder.load(setting.models.embedding, device=setting.device, dtype=setting.dtype)
        self.model = self._embedder.backbone
        self._states, self._setting = States(self.model), setting
        _let_learn(self.model, setting)

    def prepare(self, batch: Batch) -> list[Laid]:
        """Files to patches and token ids."""
        processor = self._embedder.processor
        return [lay_out(processor, processor.prepare(item)) for item in batch.items]

    def backward(self, prepared: list[Laid]) -> float:
        """In pieces that hold no more than the heaviest mini-batch of the other does."""
        costs, count = [one.cost for one in prepared], len(prepared) // 2
        is_cut = self._setting.pieces in ("rows", "tokens")
        budget = heaviest(costs, count) if is_cut else WITHOUT_END
        own = torch.eye(count, dtype=torch.bool, device=self._setting.device)
        judged = Relevance(positive=torch.arange(count, device=own.device), own=own, answers=own)

        def loss_of(states: Tensor) -> Tensor:
            """What the peer's loss is: InfoNCE over the documents of the batch, nothing masked."""
            queries, documents = functional.normalize(states.float(), dim=-1).split(count)
            return contrastive(queries, documents, judged, temperature=TEMPERATURE, margin=None, symmetric=False)

        return float(backward_in_pieces(self._states, prepared, costs, budget, loss_of))


class Theirs:
    """sentence-transformers: its cached loss, or the plain one."""

    def __init__(self, setting: Setting) -> None:
        """Load the model."""
        peer = SentenceTransformers(setting.models, torch.device(setting.device), DTYPES[setting.dtype])
        (self._sentence,) = peer.models(Workload(name="", title="", items=()))
        self.name, self._setting = peer.name, setting
        self._sentence.train()
        transformer: Any = self._sentence[0]
        if hasattr(transformer, "track_media_counts"):  # as its trainer does where a release has it
            transformer.track_media_counts = True
        self.model = getattr(transformer, "model", None) or transformer.auto_model
        _let_learn(self.model, setting)

    def prepare(self, batch: Batch) -> list[dict[str, Any]]:
        """Files to features, a column at a time as its collator does."""
        columns = (batch.queries, batch.documents)
        features = [self._sentence.preprocess([_messages(item) for item in column]) for column in columns]
        return [
            {name: one.to(self._setting.device) if isinstance(one, Tensor) else one for name, one in column.items()}
            for column in features
        ]

    def backward(self, prepared: list[dict[str, Any]]) -> float:
        """The loss of the library; a module may write into its features, so that it gets a copy of the dictionary."""
        count = len(prepared[0]["input_ids"])
        loss = self._loss(prepared)([dict(column) for column in prepared], torch.zeros(count))
        loss.backward()
        return float(loss.detach())

    def _loss(self, prepared: list[dict[str, Any]]) -> nn.Module:
        """As its documentation has it; the scale is the inverse of a temperature."""
        losses = library("sentence_transformers.sentence_transformer.losses")
        scale, pieces = 1 / TEMPERATURE, self._setting.pieces
        if pieces == "plain":
            return losses.MultipleNegativesRankingLoss(self._sentence, scale=scale)
        cached = losses.CachedMultipleNegativesRankingLoss
        if pieces == "tokens":
            lengths = [int(length) for column in prepared for length in column["attention_mask"].sum(1)]
            return cached(self._sentence, scale=scale, mini_batch_num_tokens=heaviest(lengths, len(lengths) // 2))
        count = WITHOUT_END if pieces == "whole" else ROWS_OF_A_PIECE
        return cached(self._sentence, scale=scale, mini_batch_size=count)


TRAINERS = {"anyseek": Ours, "sentence-transformers": Theirs}


def heaviest(costs: list[int], count: int) -> int:
    """The most that eight neighbours of one column cost, `count` rows to a column."""
    columns = (costs[:count], costs[count:])
    starts = range(0, count, ROWS_OF_A_PIECE)
    return max(sum(column[start : start + ROWS_OF_A_PIECE]) for column in columns for start in starts)


def _let_learn(model: nn.Module, setting: Setting) -> None:
    """All weights, or those of the text tower."""
    model.train().requires_grad_(True)
    if not setting.vision:
        model.get_submodule("visual").requires_grad_(False)


def _messages(item: Item) -> list[dict[str, Any]]:
    """An item as a conversation, with its own instruction: a prompt would be that of the whole column."""
    content = [
        {"type": "text", "text": part.text} if isinstance(part, Text) else {"type": "image", "image": str(part.source)}
        for part in item.parts
        if isinstance(part, Text | Image)
    ]
    instruction = item.instruction or DEFAULT_EMBEDDING_INSTRUCTION
    return [
        {"role": "system", "content": [{"type": "text", "text": instruction}]},
        {"role": "user", "content": content},
    ]
