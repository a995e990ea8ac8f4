"""What every endpoint needs: the engine, the bounds, and the check of a model's name."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from starlette.requests import Request

from anyseek.engine import Reranker
from anyseek.items import Text
from anyseek.model import yes_no_logit
from anyseek.server.door import entry_of, fetched_of
from anyseek.server.engine import Engine
from anyseek.server.faults import Fault
from anyseek.server.inputs import Given
from anyseek.server.models import Served
from anyseek.server.options import ServerOptions
from anyseek.server.planning import Cuts, Plan, Planned, plan_items, plan_pairs
from anyseek.server.queue import Kind

__all__ = ["Service"]


@dataclass(frozen=True, slots=True)
class Service:
    """Answers of the engine, for endpoints of any shape."""

    engine: Engine
    options: ServerOptions

    def model(self, kind: Kind, name: str | None) -> Served:
        """The model of this kind that is called so; without a name the one that has weights of its own.

        Raises:
            Fault: 404 for another name, 503 while the models are being loaded.
        """
        fitting = [one for one in self.engine.ready().served if one.kind == kind]
        if not fitting:
            raise Fault(404, f"no model for {kind} is served here", "model_not_found", param="model")
        for one in fitting:
            if name is None or name in one.names:
                return one
        known = ", ".join(known for one in fitting for known in one.names)
        text = f"the model {str(name)[:100]!r} is not served here for {kind}; there are: {known}"
        raise Fault(404, text, "model_not_found", param="model")

    async def embed(
        self, request: Request, model: Served, inputs: Sequence[Given], most: int | None, *, whole: bool
    ) -> tuple[torch.Tensor, list[Planned]]:
        """States `(inputs, hidden)` of inputs, and what was computed of them.

        Args:
            request: the audit log learns of its counts.
            model: for embedding.
            inputs: of the request.
            most: tokens that are left of each input's text; None leaves all.
            whole: refuse what does not fit, rather than cut it.

        Raises:
            Fault, InputError, CapacityError: as `Engine`.
        """
        processor = model.model.processor
        self.check(request, inputs)
        fetched = fetched_of(request.scope)

        def plans() -> list[Plan]:
            return plan_items(processor, fetched, inputs, most, whole)

        rows = await self.engine.plan(plans, is_text=_is_text(inputs))
        return await self._computed(request, model, rows), rows

    async def score(
        self,
        request: Request,
        model: Served,
        queries: Sequence[Given],
        documents: Sequence[Given],
        cuts: Cuts,
    ) -> tuple[list[float], list[Planned]]:
        """Probability of relevance of each document, and what was computed of it.

        Args:
            request: the audit log learns of its counts.
            model: for reranking.
            queries: one for all documents, or one for each.
            documents: of the request.
            cuts: of their texts.

        Raises:
            Fault, InputError, CapacityError: as `Engine`.
        """
        reranker = model.model
        assert isinstance(reranker, Reranker)
        everything = [*queries, *documents]
        self.check(request, everything, len(documents) - len(queries))
        is_text = _is_text(everything)
        fetched = fetched_of(request.scope)

        def plans() -> list[Plan]:
            return plan_pairs(reranker.processor, fetched, queries, documents, cuts)

        rows = await self.engine.plan(plans, is_text=is_text)
        states = await self._computed(request, model, rows)
        scores: list[float] = torch.sigmoid(yes_no_logit(states, reranker.score_row)).tolist()
        return scores, rows

    def count(self, request: Request, items: int) -> None:
        """Count the inputs of a request, before anything is made of them; a query is one too.

        Raises:
            Fault: 413 for too many of them.
        """
        most = self.options.bounds.items
        entry_of(request.scope).items = items
        if items > most:
            raise Fault(413, f"the request has {items:,} items, more than {most:,}; send several", "too_many_items")

    def check(self, request: Request, inputs: Sequence[Given], repeats: int = 0) -> None:
        """Count the inputs of a request, and what stands in all its prompts, of which so many repeat the first one.

        Raises:
            Fault: 413 for too many of them, or too many parts or characters.
        """
        bounds = self.options.bounds
        self.count(request, len(inputs))
        parts = sum(len(given.parts) for given in inputs) + (len(inputs[0].parts) * repeats if repeats else 0)
        if parts > bounds.parts:
            text = f"the prompts have {parts:,} parts, more than {bounds.parts:,}; send several requests"
            raise Fault(413, text, "too_many_parts")
        characters = sum(map(_characters, inputs)) + (_characters(inputs[0]) * repeats if repeats else 0)
        if characters > bounds.characters:
            text = f"the prompts have {characters:,} characters, more than {bounds.characters:,}; send several requests"
            raise Fault(413, text, "too_many_characters")

    async def _computed(self, request: Request, model: Served, rows: list[Planned]) -> torch.Tensor:
        """States of rows."""
        entry_of(request.scope).tokens = sum(row.tokens for row in rows)
        return await self.engine.compute(model.key, rows)


def _is_text(inputs: Sequence[Given]) -> bool:
    """Whether nothing has to be opened."""
    return all(given.item.is_text for given in inputs)


def _characters(given: Given) -> int:
    """Characters of the texts of an input."""
    texts = sum(len(part.text) for part in given.item.parts if isinstance(part, Text))
    return texts + len(given.item.instruction or "")
