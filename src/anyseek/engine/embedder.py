"""The Embedder: items to vectors, with sentence-transformers' words."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np

from anyseek import vectors
from anyseek.engine.features import CacheOptions
from anyseek.engine.runner import WINDOW, Job, OnError, Runner, RunOptions
from anyseek.engine.runtime import LoadOptions, beside, default_workers, learned_steps, load_runtime
from anyseek.engine.saving import SHARD_BYTES, Saved, save_folder
from anyseek.errors import InputError
from anyseek.items import Item
from anyseek.model import Backbone, hub
from anyseek.model.hub import OWN_FILE
from anyseek.processing import Plan, Processor, embedding_chat_template
from anyseek.processing.template import DEFAULT_EMBEDDING_INSTRUCTION
from anyseek.vectors import Precision

__all__ = ["Embedder", "Encoded"]

MAX_TOKENS = 8192
FLOATS = ("float32", "float16")
QUERY_INSTRUCTION = "Retrieve images or text relevant to the user's query."


@dataclass(frozen=True, slots=True)
class Encoded:
    """Vectors of a call that collects errors.

    Attributes:
        vectors: `(items, dim)`; the row of a bad item is NaN (in whole-number precisions, zeros as they are stored).
        errors: number of the item -> what was wrong with it.
    """

    vectors: np.ndarray
    errors: dict[int, InputError] = field(default_factory=dict)

    def __len__(self) -> int:
        """Number of items."""
        return len(self.vectors)

    def __getitem__(self, row: int) -> np.ndarray | InputError:
        """The vector of an item, or its error."""
        vector: np.ndarray = self.vectors[row]
        return self.errors.get(range(len(self))[row], vector)


class Embedder:
    """Turns text, pictures, pages and video into vectors of one space.

    Example:
        >>> embedder = Embedder.load("tiny")
        >>> embedder.encode(["a red apple", {"image": "apple.png"}]).shape  # doctest: +SKIP
        (2, 256)
    """

    def __init__(
        self,
        model: Backbone | Sequence[Backbone],
        processor: Processor,
        attention: str = "auto",
        source: Path | None = None,
        *,
        caches: CacheOptions = CacheOptions(),
        workers: int | None = None,
        steps: Mapping[str, float] | None = None,
        adapter: Path | None = None,
    ) -> None:
        """Join a model (or copies on several devices) and its processor, from folder `source`; see `load`.

        `adapter` is the folder of what was merged into its weights, or stands beside them. `steps` are learned sizes of
        quantisation steps, by precision.
        """
        self.steps = dict(steps or {})
        self.processor = processor
        self.source, self.adapter = source, adapter
        self.workers = workers or default_workers()
        self._caches = caches
        self._runner = Runner.of(model, processor, attention, caches)
        self.backbone = self._runner.backbone

    @classmethod
    def load(cls, name: str | Path, **options: Any) -> "Embedder":
        """Load a checkpoint.

        Args:
            name: a folder, a hub name that is on this machine, `2b`, `8b`, or `tiny`.
            **options: fields of `LoadOptions`.

        Raises:
            CheckpointError: not on this machine (the message says how to get it), or not a fitting folder.
        """
        chosen = LoadOptions(**options)
        folder = hub.locate(name, "embedding")
        copies, processor = load_runtime(folder, chosen, MAX_TOKENS)
        return cls(
            copies,
            processor,
            chosen.attention,
            folder,
            caches=chosen.caches,
            workers=chosen.workers,
            steps=learned_steps(folder / OWN_FILE),
            adapter=chosen.adapter,
        )

    def with_adapter(self, folder: str | Path) -> "Embedder":
        """The same model with a LoRA adapter computed beside its weights, which both share: little memory, no merging.

        Args:
            folder: with PEFT's files.

        Raises:
            CheckpointError: a file is missing, or the adapter does not fit.
            ConfigError: there is an adapter in the weights already.
        """
        return Embedder(
            beside([one.backbone for one in self._runner.computes], folder, self.adapter),
            self.processor,
            self._runner.computes[0].attention,
            self.source,
            caches=self._caches,
            workers=self.workers,
            steps=self.steps,
            adapter=Path(folder),
        )

    def save(self, folder: str | Path, *, dtype: str = "auto", shard_bytes: int = SHARD_BYTES) -> None:
        """Write a folder that this project, transformers, sentence-transformers and vLLM load.

        Args:
            folder: made when missing; weights already in it are replaced.
            dtype: of the written weights; `auto` keeps that in memory, so that nothing is rounded.
            shard_bytes: most bytes of one weight file.

        Raises:
            ConfigError: the model was not loaded from a folder, or an unknown dtype.
        """
        prompts = {"query": QUERY_INSTRUCTION, "document": DEFAULT_EMBEDDING_INSTRUCTION}
        saved = Saved(
            source=self.source,
            dtype=dtype,
            shard_bytes=shard_bytes,
            kind="embedding",
            chat_template=embedding_chat_template(),
            prompts=prompts,
        )
        save_folder(self.backbone, Path(folder), saved)

    @property
    def dim(self) -> int:
        """Width of a whole vector."""
        return self.backbone.config.text.hidden_size

    @overload
    def encode(
        self,
        inputs: Any,
        *,
        instruction: str | None = None,
        truncate_dim: int | None = None,
        normalize_embeddings: bool = True,
        precision: Precision = "float32",
        batch_tokens: int = 8192,
        show_progress_bar: bool = False,
        on_error: Literal["raise"] = "raise",
    ) -> np.ndarray: ...

    @overload
    def encode(
        self,
        inputs: Any,
        *,
        instruction: str | None = None,
        truncate_dim: int | None = None,
        normalize_embeddings: bool = True,
        precision: Precision = "float32",
        batch_tokens: int = 8192,
        show_progress_bar: bool = False,
        on_error: Literal["collect"],
    ) -> Encoded: ...

    def encode(
        self,
        inputs: Any,
        *,
        instruction: str | None = None,
        truncate_dim: int | None = None,
        normalize_embeddings: bool = True,
        precision: Precision = "float32",
        batch_tokens: int = 8192,
        show_progress_bar: bool = False,
        on_error: OnError = "raise",
    ) -> np.ndarray | Encoded:
        """Vectors of inputs, in their order.

        Args:
            inputs: a list or iterator of what `Item.of` takes (str is text, Path a file of any kind, dictionary,
                picture, Item, or a list of parts), or one such input.
            instruction: for items without their own.
            truncate_dim: leading numbers kept, renormalised.
            normalize_embeddings: scale to length 1.
            precision: float32, float16, int8, uint8, binary or ubinary (see `vectors.quantize`); a checkpoint that has
                learned a step for int8 takes it.
            batch_tokens: budget of a packed batch in tokens and merged patches.
            show_progress_bar: on stderr.
            on_error: `raise` at a bad item, or `collect`: its row holds an error, every other row is as it would have
                been.

        Returns:
            `(items, dim)`, or `(dim,)` for one input; with `collect` an `Encoded`.

        Raises:
            InputError: an item is bad and `on_error` is `raise`; the message names it.
        """
        single = not isinstance(inputs, (list, tuple, Iterator))
        finish = partial(
            vectors.finish,
            truncate_dim=truncate_dim,
            normalize_embeddings=normalize_embeddings,
            precision=precision,
            step=self.steps.get("int8"),
        )
        options = RunOptions(
            batch_tokens=batch_tokens,
            on_error=on_error,
            show_progress_bar=show_progress_bar,
            title="embed",
            workers=self.workers,
            total=None if isinstance(inputs, Iterator) else 1 if single else len(inputs),
        )
        windows = [finish(np.zeros((0, self.dim), np.float32))]
        errors: dict[int, InputError] = {}
        for outcome in self._runner.run(self._jobs([inputs] if single else inputs, instruction), options):
            hidden = outcome.hidden.numpy()
            windows.append(finish(hidden if precision in FLOATS else np.nan_to_num(hidden)))
            errors |= outcome.errors
        finished = np.concatenate(windows)
        if on_error == "collect":
            return Encoded(finished, errors)
        alone: np.ndarray = finished[0] if single else finished
        return alone

    def encode_stream(self, inputs: Iterable[Any], *, window: int = WINDOW, **options: Any) -> Iterator[Any]:
        """`encode` for any number of inputs: what it gives for each `window` of them, one after the other.

        Memory does not grow with their number. Stop whenever you like: what has not begun is not computed.

        Args:
            inputs: may be a generator; it is read a window at a time.
            window: inputs in one array.
            **options: of `encode`.

        Yields:
            `(window, dim)`, the last one shorter; with `on_error="collect"` an `Encoded` whose errors are numbered
            inside the window.
        """
        waiting = iter(inputs)
        while chosen := list(islice(waiting, window)):
            yield self.encode(chosen, **options)

    @overload
    def encode_query(
        self, inputs: Any, *, instruction: str | None = None, on_error: Literal["raise"] = "raise", **options: Any
    ) -> np.ndarray: ...

    @overload
    def encode_query(
        self, inputs: Any, *, instruction: str | None = None, on_error: Literal["collect"], **options: Any
    ) -> Encoded: ...

    def encode_query(self, inputs: Any, *, instruction: str | None = None, **options: Any) -> np.ndarray | Encoded:
        """`encode` with a retrieval instruction; only queries get one (SPEC 2)."""
        found: np.ndarray | Encoded = self.encode(inputs, instruction=instruction or QUERY_INSTRUCTION, **options)
        return found

    @overload
    def encode_document(self, inputs: Any, *, on_error: Literal["raise"] = "raise", **options: Any) -> np.ndarray: ...

    @overload
    def encode_document(self, inputs: Any, *, on_error: Literal["collect"], **options: Any) -> Encoded: ...

    def encode_document(self, inputs: Any, **options: Any) -> np.ndarray | Encoded:
        """`encode` with the default instruction, which documents keep whatever the task."""
        found: np.ndarray | Encoded = self.encode(inputs, **options)
        return found

    def similarity(self, a: np.ndarray, b: np.ndarray, precision: Precision = "float32") -> np.ndarray:
        """Cosines `(queries, documents)` of vectors stored in `precision`."""
        return vectors.similarity(a, b, precision)

    def plan(self, value: Any, *, instruction: str | None = None) -> Plan:
        """What encoding one input costs, told from headers before anything is decoded."""
        return self.processor.plan(_instructed(Item.of(value), instruction))

    def _jobs(self, inputs: Iterable[Any], instruction: str | None) -> Iterator[Job | InputError]:
        """The rows of a call, made as they are wanted."""
        for row, value in enumerate(inputs):
            place = f"items[{row}]"
            try:
                item = _instructed(Item.of(value), instruction)
            except InputError as error:
                yield error.at(place)
            else:
                yield Job(place, partial(self.processor.prepare, item), item.is_text)


def _instructed(item: Item, instruction: str | None) -> Item:
    """The item with the call's instruction, unless it has its own."""
    return replace(item, instruction=instruction) if instruction and not item.instruction else item
