"""Options that several commands share, gathered into one object before the command sees them."""

import functools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anyseek.cli.settings import default_model
from anyseek.errors import CheckpointError
from anyseek.items import Limits

if TYPE_CHECKING:
    from anyseek.engine import Embedder, Reranker
    from anyseek.media import MediaOptions
    from anyseek.processing import Processor
    from anyseek.search import Fusion

__all__ = [
    "DEBUG",
    "ModelChoice",
    "debug_option",
    "json_option",
    "model_options",
    "reading_options",
    "reranker_adapter_option",
    "reranker_options",
]

DEBUG = "anyseek.debug"

TINY_NOTE = (
    "note: tiny knows pictograms, rendered pages, charts and our own clips; for photographs get a larger model: "
    "anyseek models get 2b"
)

FRAMES_PER_SECOND = 240
"""Of a film of `max_hours`, as in the default of `MediaOptions.max_source_frames`."""

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """Which models a command runs, and how.

    Attributes:
        name: embedding model: `tiny`, a short name, a folder or a hub name.
        reranker_name: None takes the one that belongs to `name`.
        device: `auto`, `cpu`, `cuda`, `mps`; several with commas.
        dtype: `auto`, `float32`, `bfloat16`, `float16`.
        weights: `full`, `int8`, `fp8`.
        limits: what the models are shown of an input.
        exif: turn pictures as their EXIF tag says, as `MediaOptions.exif_orientation`.
        scale_16bit: scale 16-bit grey, as `MediaOptions.scale_16bit`.
        rerank: True, False, or None for "when the reranker is here".
        adapter: folder of a LoRA adapter for the model of `name`.
        reranker_adapter: likewise for the reranker.
        max_file_gib: largest file that is read, in GiB; None takes the default of `MediaOptions`, here and below.
        max_hours: longest film.
        max_pages: most pages of a PDF.
    """

    name: str
    reranker_name: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    weights: str = "full"
    limits: Limits = Limits()
    exif: bool = False
    scale_16bit: bool = False
    rerank: bool | None = None
    adapter: Path | None = None
    reranker_adapter: Path | None = None
    max_file_gib: float | None = None
    max_hours: float | None = None
    max_pages: int | None = None

    def embedder(self, **caches: Any) -> "Embedder":
        """Load the embedding model."""
        from anyseek.engine import Embedder

        return Embedder.load(self.name, **self._options(self.adapter), **caches)

    def processor(self) -> "Processor":
        """Load what plans an input, without the weights."""
        from anyseek.engine.embedder import MAX_TOKENS
        from anyseek.engine.runtime import LoadOptions, load_processor
        from anyseek.model.hub import locate

        options = LoadOptions(**self._options(self.adapter))
        return load_processor(locate(self.name, "embedding"), options, MAX_TOKENS)

    def reranker(self) -> "Reranker | None":
        """Load the reranker, or None when it is not wanted, or not here and not asked for.

        Raises:
            CheckpointError: it was asked for and is not on this machine.
        """
        from anyseek.engine import Reranker

        name = self._present_reranker()
        return Reranker.load(name, **self._options(self.reranker_adapter)) if name else None

    def _present_reranker(self) -> str | None:
        """The reranker's name, when it is wanted and here; see `reranker`."""
        if self.rerank is False:
            return None
        from anyseek.model.hub import locate

        name = self.reranker_name or partner(self.name)
        try:
            if name is None:
                raise CheckpointError(f"no reranker belongs to {self.name}; name one with --reranker")
            locate(name, "reranking")
        except CheckpointError as error:
            if self.rerank or self.reranker_name:
                raise
            click.echo(f"note: not reranked: {str(error).partition(' (')[0]}", err=True)
            return None
        return name

    def pair(self) -> "tuple[Embedder, Reranker | None]":
        """Both models; what the one has seen the other need not see again, where their towers are equal."""
        from anyseek.engine import Reranker
        from anyseek.engine.features import CacheOptions, FeatureCache

        name = self._present_reranker()
        if name is None:  # alone it need not prove by a hash of its tower what it may share
            return self.embedder(), None
        caches = {"caches": CacheOptions(shared=FeatureCache(CacheOptions().feature_bytes))}
        return self.embedder(**caches), Reranker.load(name, **self._options(self.reranker_adapter), **caches)

    def fusion(self, reranker: "Reranker | None") -> "Fusion":
        """How the reranker's opinion and the cosine become one score: as fitted for the two, when they are a pair.

        With an adapter they are others than those that it was fitted for.
        """
        from anyseek.search import Fusion

        others = self.reranker_name or self.adapter or self.reranker_adapter
        return Fusion.beside(reranker.source) if reranker and not others else Fusion()

    def _options(self, adapter: Path | None) -> dict[str, Any]:
        """Keyword arguments of `load`."""
        given = {name: getattr(self, name) for name in ("device", "dtype", "weights", "limits")}
        return given | {"media": self.media(), "adapter": adapter}

    def media(self) -> "MediaOptions":
        """How files are read, and how large they may be."""
        from anyseek.media import MediaOptions

        most: dict[str, Any] = {}
        if self.max_file_gib is not None:
            most["max_bytes"] = int(self.max_file_gib * (1 << 30))
        if self.max_hours is not None:
            seconds = self.max_hours * 3600
            most |= {"max_seconds": seconds, "max_source_frames": math.ceil(seconds * FRAMES_PER_SECOND)}
        if self.max_pages is not None:
            most["max_pages"] = self.max_pages
        return MediaOptions(exif_orientation=self.exif, scale_16bit=self.scale_16bit, **most)

    def note_tiny(self, paths: Iterable[Path]) -> None:
        """Say on standard error what tiny knows, when it is about to see a person's own files."""
        from anyseek.model.hub import bundled

        try:
            samples = bundled(".", "samples").resolve()
        except CheckpointError:
            samples = None
        own = [path for path in paths if samples is None or not path.resolve().is_relative_to(samples)]
        if own and "tiny" in (self.name, self.reranker_name):
            click.echo(TINY_NOTE, err=True)


def partner(name: str) -> str | None:
    """The reranker of an embedding model's family, or None for a model outside it."""
    from anyseek.model.hub import FAMILY

    if name == "tiny":
        return name
    for model in FAMILY:
        if name.lower() in (model.name, model.hub_id.lower()):
            return model.name
    return None


def _gather(function: Function, names: tuple[str, ...], into: str, make: Callable[..., Any]) -> Function:
    """Replace keyword arguments by one made of them."""

    @functools.wraps(function)
    def call(*args: Any, **values: Any) -> Any:
        taken = {name: values.pop(name) for name in names if name in values}
        return function(*args, **{into: make(**taken)}, **values)

    return call


_LIMITS = {
    "fps": (float, "Frames sampled per second of a video."),
    "max_frames": (int, "Most frames of a video."),
    "min_pixels": (int, "Fewest pixels of a picture or page."),
    "max_pixels": (int, "Most pixels of a picture or page."),
    "total_pixels": (int, "Most pixels of a video."),
    "max_tokens": (int, "Most tokens of an input; text is cut to fit."),
}


def _choice(**values: Any) -> ModelChoice:
    """A ModelChoice of flat options."""
    limits = Limits(**{name: values.pop(name) for name in _LIMITS})
    name = values.pop("model") or default_model()
    return ModelChoice(name=name, reranker_name=values.pop("reranker", None), limits=limits, **values)


_MODELS = ("model", "adapter", "reranker", "reranker_adapter", "rerank")
_RUN = ("device", "dtype", "weights", "exif", "scale_16bit")
_READING: dict[str, tuple[click.ParamType[Any], str]] = {
    "max_file_gib": (click.FloatRange(min=0, min_open=True), "Largest file that is read, in GiB; else 2."),
    "max_hours": (click.FloatRange(min=0, min_open=True), "Longest film that is read; else 6."),
    "max_pages": (click.IntRange(min=1), "Most pages of a PDF that is read; else 10,000."),
}
_ADAPTER = click.Path(path_type=Path, exists=True, file_okay=False)


def model_options(function: Function) -> Function:
    """Add `--model`, where and in what precision it runs, how pictures are read, and the limits: all in `choice`."""
    command = _gather(function, (*_MODELS, *_RUN, *_READING, *_LIMITS), "choice", _choice)
    for name, (kind, text) in reversed(_LIMITS.items()):
        command = click.option("--" + name.replace("_", "-"), type=kind, default=None, help=text)(command)
    text = "Scale 16-bit grey pictures to 8 bits; the reference clips them to white."
    command = click.option("--scale-16bit", is_flag=True, help=text)(command)
    text = "Turn pictures as their EXIF tag says; the reference does not."
    command = click.option("--exif", is_flag=True, help=text)(command)
    dtypes = click.Choice(["auto", "float32", "bfloat16", "float16"])
    command = click.option("--dtype", type=dtypes, default="auto", help="Precision of the weights.")(command)
    kept = click.Choice(["full", "int8", "fp8"])
    text = "How the weights are kept: int8 takes half the memory of bfloat16, fp8 is for Hopper; both round."
    command = click.option("--weights", type=kept, default="full", help=text)(command)
    text = "auto, cpu, cuda, cuda:1 or mps; several with commas, or all, share the work."
    command = click.option("--device", default="auto", help=text)(command)
    text = "LoRA adapter in PEFT's files, for the model of --model; it is merged into its weights."
    command = click.option("--adapter", type=_ADAPTER, default=None, metavar="FOLDER", help=text)(command)
    what = "tiny, 2b, 8b, a folder or a hub name; the default is what `models get` chose, else tiny."
    return click.option("--model", default=None, metavar="NAME", help=what)(command)


def reading_options(function: Function) -> Function:
    """Add how large files may be, which goes into `choice` too, so place this above `model_options`."""
    for name, (kind, text) in reversed(_READING.items()):
        function = click.option("--" + name.replace("_", "-"), type=kind, default=None, help=text)(function)
    return function


def reranker_adapter_option(function: Function) -> Function:
    """Add `--reranker-adapter`, which goes into `choice` too, so place this above `model_options`."""
    text = "LoRA adapter for the reranker, as --adapter."
    return click.option("--reranker-adapter", type=_ADAPTER, default=None, metavar="FOLDER", help=text)(function)


def reranker_options(function: Function) -> Function:
    """Add `--rerank/--no-rerank`, `--reranker` and its adapter; place this above `model_options`."""
    function = reranker_adapter_option(function)
    text = "Let the reranker read the best candidates; the default is yes when one is here."
    command = click.option("--rerank/--no-rerank", default=None, help=text)(function)
    text = "Reranker: a name or folder as for --model; the default is the embedding model's own."
    return click.option("--reranker", default=None, metavar="NAME", help=text)(command)


def json_option(function: Function) -> Function:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")(function)


def debug_option(function: Function) -> Function:
    """Add `--debug`: tracebacks instead of one-line errors."""

    def remember(context: click.Context, _: click.Parameter, value: bool) -> None:
        context.meta[DEBUG] = value

    text = "Show the traceback of an error."
    return click.option("--debug", is_flag=True, is_eager=True, expose_value=False, callback=remember, help=text)(
        function
    )


assert set(_LIMITS) <= {field.name for field in fields(Limits)}
