"""What the vectors of a library hang on, told of an embedder, and how to load an embedder that has the same."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyseek.errors import CheckpointError, ConfigError
from anyseek.index import Fingerprint, Precision, weights_sample
from anyseek.items import Limits
from anyseek.media import MediaOptions
from anyseek.model import hub
from anyseek.processing import embedding_chat_template
from anyseek.processing.template import DEFAULT_EMBEDDING_INSTRUCTION
from anyseek.search.pieces import Cutting

if TYPE_CHECKING:
    from anyseek.engine import Embedder, Reranker

__all__ = ["LibrarySettings", "fingerprint_of", "load_options", "settings_of", "weights_of"]

MOST_NUMBERS = 1024
"""Width of a new library's vectors, where the model has more."""
MEDIA = ("exif_orientation", "scale_16bit")
LIMIT = "limits."


@dataclass(frozen=True, slots=True, kw_only=True)
class LibrarySettings:
    """What a library is made with, beside the model; it cannot be changed later.

    Attributes:
        width: numbers of a vector; None takes the model's own, but not more than 1,024.
        precision: how they are kept: float32, float16, int8 or binary.
        cutting: how long texts and films are cut.
    """

    width: int | None = None
    precision: Precision = "float16"
    cutting: Cutting = Cutting()


def fingerprint_of(embedder: "Embedder", settings: LibrarySettings) -> Fingerprint:
    """The fingerprint that vectors of an embedder have.

    Args:
        embedder: loaded from a folder.
        settings: of the library.

    Raises:
        ConfigError: the embedder was not loaded from a folder, or its vectors are not so wide.
    """
    if embedder.source is None:
        raise ConfigError("a library needs a model that was loaded from a folder; save it and load that folder")
    width = settings.width or min(embedder.dim, MOST_NUMBERS)
    if width > embedder.dim:
        raise ConfigError(f"width must be at most {embedder.dim}, what the model has (got {width})")
    options = embedder.processor.options
    shown = {LIMIT + name: value for name, value in asdict(options.limits).items() if value is not None}
    policy: dict[str, Any] = shown | {name: getattr(options.media, name) for name in MEDIA}
    policy |= {name: getattr(options, name) for name in ("max_tokens", "parse_special", "shrink")}
    return Fingerprint(
        weights=weights_of(embedder, embedder.source),
        template=hashlib.blake2b(embedding_chat_template().encode(), digest_size=8).hexdigest(),
        instruction=DEFAULT_EMBEDDING_INSTRUCTION,
        width=width,
        precision=settings.precision,
        policy=policy | settings.cutting.policy(),
        model=_called(embedder.source),
    )


def weights_of(model: "Embedder | Reranker", source: Path) -> str:
    """Sample of the weights of a model that was loaded from `source`, with what was merged into them."""
    return weights_sample(source, getattr(model, "adapter", None))  # which a model of somebody else's need not have


def _called(source: Path) -> str:
    """The name of a model of the family, else its folder."""
    names: list[tuple[str, Callable[[], Path | None]]] = [("tiny", partial(hub.bundled, hub.TINY["embedding"]))]
    names += [(one.name, partial(hub.on_disk, one.hub_id)) for one in hub.FAMILY if one.kind == "embedding"]
    for name, find in names:
        with suppress(CheckpointError):
            if find() == source:
                return name
    return str(source)


def settings_of(fingerprint: Fingerprint) -> LibrarySettings:
    """The settings that a library was made with."""
    return LibrarySettings(width=fingerprint.width, precision=fingerprint.precision, cutting=cutting_of(fingerprint))


def cutting_of(fingerprint: Fingerprint) -> Cutting:
    """How long the files of a library are cut."""
    return Cutting(**{field.name: fingerprint.policy[field.name] for field in fields(Cutting)})


def load_options(fingerprint: Fingerprint) -> dict[str, Any]:
    """Options of `load` with which a model reads what it is shown as the library has it."""
    policy = fingerprint.policy
    limits = {name.removeprefix(LIMIT): value for name, value in policy.items() if name.startswith(LIMIT)}
    media = MediaOptions(**{name: policy[name] for name in MEDIA})
    return {"limits": Limits(**limits), "media": media} | {name: policy[name] for name in ("parse_special", "shrink")}
