"""The Reranker: reads query and document together and says how likely the document answers."""

from collections.abc import Iterable, Sequence, Sized
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import torch
from torch import Tensor

from anyseek.engine.features import CacheOptions
from anyseek.engine.runner import Job, OnError, Runner, RunOptions
from anyseek.engine.runtime import LoadOptions, beside, default_workers, load_runtime
from anyseek.engine.saving import SHARD_BYTES, Saved, save_folder
from anyseek.errors import ConfigError, InputError
from anyseek.items import Item
from anyseek.model import Backbone, hub, load_score_row, yes_no_logit
from anyseek.processing import Plan, Processor, reranking_chat_template
from anyseek.processing.template import DEFAULT_RERANKING_INSTRUCTION

__all__ = ["Reranker", "Scored"]

MAX_TOKENS = 10_240


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores of a call that collects errors.

    Attributes:
        scores: `(pairs,)`; NaN for a bad pair.
        errors: number of the pair -> what was wrong with it.
    """

    scores: np.ndarray
    errors: dict[int, InputError] = field(default_factory=dict)

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.scores)

    def __getitem__(self, row: int) -> float | InputError:
        """The score of a pair, or its error."""
        return self.errors.get(range(len(self))[row], float(self.scores[row]))


class Reranker:
    """Scores pairs of query and document, each text, picture, page, video or a mix."""

    def __init__(
        self,
        model: Backbone | Sequence[Backbone],
        processor: Processor,
        score_row: Tensor,
        attention: str = "auto",
        source: Path | None = None,
        *,
        caches: CacheOptions = CacheOptions(),
        workers: int | None = None,
        adapter: Path | None = None,
    ) -> None:
        """Join a model (or copies on several devices), its processor and its score row `(hidden,)`; see `load`.

        `adapter` is the folder of what was merged into its weights, or stands beside them.
        """
        self.processor = processor
        self.score_row = score_row.float().cpu()
        self.source, self.adapter = source, adapter
        self.workers = workers or default_workers()
        self._caches = caches
        self._runner = Runner.of(model, processor, attention, caches)
        self.backbone = self._runner.backbone

    @classmethod
    def load(cls, name: str | Path, **options: Any) -> "Reranker":
        """Load a checkpoint.

        Args:
            name: a folder, a hub name that is on this machine, `2b`, `8b`, or `tiny`.
            **options: fields of `LoadOptions`.

        Raises:
            CheckpointError: not on this machine, not a fitting folder, or "yes" and "no" are not one token each.
        """
        chosen = LoadOptions(**options)
        folder = hub.locate(name, "reranking")
        copies, processor = load_runtime(folder, chosen, MAX_TOKENS)
        score_row = load_score_row(folder, *processor.tokenizer.yes_no_ids())
        return cls(
            copies,
            processor,
            score_row,
            chosen.attention,
            folder,
            caches=chosen.caches,
            workers=chosen.workers,
            adapter=chosen.adapter,
        )

    def with_adapter(self, folder: str | Path) -> "Reranker":
        """The same model with a LoRA adapter computed beside its weights, which both share: little memory, no merging.

        Args:
            folder: with PEFT's files.

        Raises:
            CheckpointError: a file is missing, or the adapter does not fit.
            ConfigError: there is an adapter in the weights already.
        """
        return Reranker(
            beside([one.backbone for one in self._runner.computes], folder, self.adapter),
            self.processor,
            self.score_row,
            self._runner.computes[0].attention,
            self.source,
            caches=self._caches,
            workers=self.workers,
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
        saved = Saved(
            source=self.source,
            dtype=dtype,
            shard_bytes=shard_bytes,
            kind="reranking",
            chat_template=reranking_chat_template(),
            prompts={"query": DEFAULT_RERANKING_INSTRUCTION},
            yes_no=self.processor.tokenizer.yes_no_ids(),
        )
        save_folder(self.backbone, Path(folder), saved)

    @overload
    def predict(
        self,
        pairs: Iterable[tuple[Any, Any]],
        *,
        instruction: str | None = None,
        activation: str = "sigmoid",
        batch_tokens: int = 8192,
        show_progress_bar: bool = False,
        on_error: Literal["raise"] = "raise",
    ) -> np.ndarray: ...

    @overload
    def predict(
        self,
        pairs: Iterable[tuple[Any, Any]],
        *,
        instruction: str | None = None,
        activation: str = "sigmoid",
        batch_tokens: int = 8192,
        show_progress_bar: bool = False,
        on_error: Literal["collect"],
    ) -> Scored: ...

    def predict(
        self,
        pairs: Iterable[tuple[Any, Any]],
        *,
        instruction: str | None = None,
        activation: str = "sigmoid",
        batch_tokens: int = 8192,
        show_progress_bar: bool = False,
        on_error: OnError = "raise",
    ) -> np.ndarray | Scored:
        """Relevance of each pair, in their order.

        Args:
            pairs: (query, document), each what `Item.of` takes; the query may carry the instruction.
            instruction: for queries without their own.
            activation: `sigmoid` for probabilities, `none` for log-odds.
            batch_tokens: budget of a packed batch in tokens and merged patches.
            show_progress_bar: on stderr.
            on_error: `raise` at a bad pair, or `collect`.

        Returns:
            `(pairs,)` fp32; with `collect` a `Scored`.

        Raises:
            InputError: a pair is bad and `on_error` is `raise`.
        """
        if activation not in ("sigmoid", "none"):
            raise ConfigError(f"activation must be 'sigmoid' or 'none' (got {activation!r})")
        jobs = (self._job(f"pairs[{row}]", pair, instruction) for row, pair in enumerate(pairs))
        options = RunOptions(
            batch_tokens=batch_tokens,
            on_error=on_error,
            show_progress_bar=show_progress_bar,
            title="rerank",
            workers=self.workers,
            total=len(pairs) if isinstance(pairs, Sized) else None,
        )
        logits = [torch.empty(0)]
        errors: dict[int, InputError] = {}
        for outcome in self._runner.run(jobs, options):
            logits.append(yes_no_logit(outcome.hidden, self.score_row))
            errors |= outcome.errors
        joined = torch.cat(logits)
        scores = (torch.sigmoid(joined) if activation == "sigmoid" else joined).numpy()
        return Scored(scores, errors) if on_error == "collect" else scores

    def rank(
        self, query: Any, documents: Sequence[Any], *, top_k: int | None = None, **options: Any
    ) -> list[dict[str, Any]]:
        """Documents by relevance to one query, best first.

        Args:
            query: what `Item.of` takes.
            documents: likewise, each.
            top_k: how many to give; None gives all.
            **options: of `predict`; with `on_error="collect"` bad documents are left out.

        Returns:
            `{"corpus_id", "score"}` of each, as sentence-transformers has it.
        """
        found = self.predict([(query, document) for document in documents], **options)
        scores = found.scores if isinstance(found, Scored) else found
        order = [int(row) for row in np.argsort(-scores, kind="stable") if not np.isnan(scores[row])]
        return [{"corpus_id": row, "score": float(scores[row])} for row in order[:top_k]]

    def plan(self, query: Any, document: Any) -> Plan:
        """What scoring one pair costs, before anything is decoded."""
        return self.processor.plan_pair(Item.of(query), Item.of(document))

    def _job(self, place: str, pair: tuple[Any, Any], instruction: str | None) -> Job | InputError:
        """One row of a call."""
        # No unpacking of what comes: "ab" and a dictionary of two keys would pass as pairs.
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            return InputError("a pair is (query, document)").at(place)
        try:
            query, document = Item.of(pair[0]), Item.of(pair[1])
            if instruction and not query.instruction:
                query = replace(query, instruction=instruction)
        except InputError as error:
            return error.at(place)
        return Job(place, partial(self.processor.prepare_pair, query, document), query.is_text and document.is_text)
