"""What is served: an embedder, a reranker, and adapters beside the weights of either."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from anyseek.engine import Embedder, Reranker
from anyseek.engine.compute import Compute
from anyseek.errors import ConfigError
from anyseek.search import Fusion
from anyseek.server.queue import Kind

__all__ = ["Models", "Served"]


@dataclass(frozen=True, slots=True)
class Served:
    """One model, as requests have it.

    Attributes:
        key: what the queue and the numbers call it.
        kind: what it is for.
        names: what requests may call it; the first is its own.
        model: the model.
        parent: name of the model whose weights it shares; None for one with weights of its own.
    """

    key: str
    kind: Kind
    names: tuple[str, ...]
    model: Embedder | Reranker
    parent: str | None = None


@dataclass(frozen=True, kw_only=True)  # without slots: what follows from the fields is worked out once
class Models:
    """What is served.

    Attributes:
        embedder: None when only a reranker is served.
        reranker: None when there is none.
        names: by kind, what requests may call the model; the first is its own name.
        adapted: names, and models with an adapter beside the weights of one of the two.
        fusion: of both, for a library; None takes what lies beside the reranker.
    """

    embedder: Embedder | None
    reranker: Reranker | None
    names: Mapping[Kind, tuple[str, ...]]
    adapted: Sequence[tuple[str, Embedder | Reranker]] = ()
    fusion: Fusion | None = None

    def __post_init__(self) -> None:
        """Raise ConfigError for two models of one kind and name, or an adapter of nothing that is served."""
        taken = {(kind, name) for kind, names in self.names.items() for name in names}
        for name, model in self.adapted:
            if _kind(model) not in self.names:
                raise ConfigError(f"the adapter {name!r} is for {_kind(model)}, and no model for that is served")
            if (_kind(model), name) in taken:
                raise ConfigError(f"the name {name!r} of an adapter is taken already; give it another")
            taken.add((_kind(model), name))

    @cached_property
    def served(self) -> tuple[Served, ...]:
        """All of them."""
        pair = [model for model in (self.embedder, self.reranker) if model is not None]
        whole = [Served(_kind(model), _kind(model), self.names[_kind(model)], model) for model in pair]
        beside = [(name, _kind(model), model) for name, model in self.adapted]
        return (
            *whole,
            *(Served(f"{kind}+{name}", kind, (name,), model, self.names[kind][0]) for name, kind, model in beside),
        )

    def computes(self, key: str) -> tuple[Compute, ...]:
        """Copies of a model, one per device."""
        return next(one.model for one in self.served if one.key == key)._runner.computes

    def warm(self) -> None:
        """Run each once, so that the first request is no slower than the next, and a device that fails shows now."""
        for one in self.served:
            if isinstance(one.model, Embedder):
                one.model.encode("a")
            else:
                one.model.predict([("a", "b")])


def _kind(model: Embedder | Reranker) -> Kind:
    """What a model is for."""
    return "embedding" if isinstance(model, Embedder) else "reranking"
