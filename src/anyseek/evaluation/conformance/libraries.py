"""transformers and sentence-transformers as targets: references to compare with, never needed to run a model.

Both end in transformers' towers, which are watched from outside: token ids where they are embedded, pixels and grids
where the vision tower takes them, then every layer. What the libraries do before that is left to them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from anyseek.errors import CheckpointError, DependencyError
from anyseek.evaluation.conformance.pack import Case, data_uri
from anyseek.evaluation.conformance.templates import messages_of
from anyseek.evaluation.conformance.trace import States, Trace, watch
from anyseek.items import Image, Item, Text
from anyseek.model.hub import Kind

__all__ = ["SentenceTransformers", "Transformers"]

INSTALL = "pip install transformers sentence-transformers torchvision"
Library = Literal["transformers", "sentence_transformers"]


class Transformers:
    """A folder through `Qwen3VLForConditionalGeneration` and the folder's own processor, fp32."""

    def __init__(self, folder: Path, kind: Kind, device: torch.device) -> None:
        """Load it.

        Raises:
            DependencyError: transformers, or something that it needs, is missing.
            CheckpointError: it cannot load the folder.
        """
        transformers = _imported("transformers")
        self.name = f"transformers {transformers.__version__}"
        with _loading(self.name, folder):
            self._processor = transformers.AutoProcessor.from_pretrained(folder)
            model = transformers.Qwen3VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
        self._model = model.to(device).eval()
        self._kind = kind
        self._score_row = None if kind == "embedding" else self._row()

    def _row(self) -> Tensor:
        """`(hidden,)`: the output head's row of "yes" less that of "no"."""
        yes, no = (self._processor.tokenizer.convert_tokens_to_ids(word) for word in ("yes", "no"))
        head = self._model.lm_head.weight.detach()
        row: Tensor = (head[yes] - head[no]).float().cpu()
        return row

    def _template(self) -> str:
        """The folder's chat template; a reranking folder may name its own beside the default one."""
        found = self._processor.chat_template or self._processor.tokenizer.chat_template
        if isinstance(found, dict):
            found = (self._kind == "reranking" and found.get("reranker")) or found["default"]
        return str(found or "")

    def trace(self, case: Case) -> Trace:
        """Every stage."""
        heard = _Heard()
        try:
            template = self._template()
            prompt = self._processor.apply_chat_template(
                messages_of(case, template), chat_template=template, tokenize=False, add_generation_prompt=True
            )
            pictures = [_opened(part) for item in case.items for part in item.parts if isinstance(part, Image)]
            given = self._processor(text=[prompt], images=pictures or None, return_tensors="pt").to(self._model.device)
            with torch.inference_mode(), heard.listening(self._model):
                self._model.model(**given)
        except Exception as error:  # a library may fail in any way, and that is the finding
            return Trace(error=_said(error))
        pooled = heard.states.final[-1]
        trace = replace(heard.trace(), prompt=prompt, pooled=pooled)
        if self._score_row is None:
            return replace(trace, vector=torch.nn.functional.normalize(pooled, dim=-1))
        return replace(trace, score=float(torch.sigmoid((pooled @ self._score_row).double())))


class SentenceTransformers:
    """A folder through `SentenceTransformer` or `CrossEncoder`, fp32."""

    def __init__(self, folder: Path, kind: Kind, device: torch.device) -> None:
        """Load it.

        Raises:
            DependencyError: sentence-transformers, or something that it needs, is missing.
            CheckpointError: it cannot load the folder.
        """
        library = _imported("sentence_transformers")
        self.name = f"sentence-transformers {library.__version__}"
        load = library.SentenceTransformer if kind == "embedding" else library.CrossEncoder
        with _loading(self.name, folder):
            model = load(str(folder), device=str(device), model_kwargs={"dtype": torch.float32})
        self._model, self._kind = model, kind

    def trace(self, case: Case) -> Trace:
        """What is computed, but for the prompt, and what is given out."""
        heard = _Heard()
        given = {"prompt": case.items[0].instruction} if case.items[0].instruction else {}
        try:
            inputs = [_as_input(item) for item in case.items]
            with heard.listening(self._model[0].auto_model):
                if self._kind == "embedding":
                    vector = self._model.encode([inputs[0]], show_progress_bar=False, **given)[0]
                    return replace(heard.trace(), vector=torch.as_tensor(vector).float().cpu())
                score = self._model.predict([tuple(inputs)], show_progress_bar=False, **given)[0]
                return replace(heard.trace(), score=float(score))
        except Exception as error:  # a library may fail in any way, and that is the finding
            return Trace(error=_said(error))


class _Heard:
    """What transformers' towers were given and made of it."""

    def __init__(self) -> None:
        self.states = States()
        self.token_ids: Tensor = torch.empty(0)
        self.pixels: Tensor = torch.empty((0, 1536))
        self.grids: Tensor = torch.empty((0, 3), dtype=torch.int64)

    @contextmanager
    def listening(self, model: Any) -> Iterator[None]:
        """While a forward pass of `model` runs."""
        while not hasattr(model, "visual"):
            model = model.model
        text, visual = model.language_model, model.visual

        def embedded(_: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
            """Token ids, as the embedding is given them."""
            ids = named["input"] if "input" in named else given[0]
            self.token_ids = ids[0].detach().cpu()

        def shown(_: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
            """Pixels and grids, as the vision tower is given them."""
            pixels = given[0] if given else named["hidden_states"]
            grids = named["grid_thw"] if "grid_thw" in named else given[1]
            self.pixels, self.grids = pixels.detach().float().cpu(), grids.detach().cpu()

        hooks = [
            text.embed_tokens.register_forward_pre_hook(embedded, with_kwargs=True),
            visual.register_forward_pre_hook(shown, with_kwargs=True),
        ]
        try:
            with watch(visual, text) as self.states:
                yield
        finally:
            for hook in hooks:
                hook.remove()

    def trace(self) -> Trace:
        """The record so far."""
        return Trace(
            token_ids=tuple(self.token_ids.tolist()),
            grids=tuple(tuple(grid) for grid in self.grids.tolist()),
            pixels=self.pixels,
            features=self.states.features,
            layers=tuple(self.states.layers),
        )


def _imported(name: Library) -> Any:
    """A library, if it is installed."""
    try:
        if name == "transformers":
            import transformers

            return transformers
        import sentence_transformers

        return sentence_transformers
    except ImportError as error:
        raise DependencyError(f"{name.replace('_', '-')} is not installed ({error}): {INSTALL}") from error


@contextmanager
def _loading(name: str, folder: Path) -> Iterator[None]:
    """What a library says against a folder, as our errors."""
    try:
        yield
    except ImportError as error:
        raise DependencyError(f"{name} needs more to load {folder} ({_said(error)}): {INSTALL}") from error
    except Exception as error:
        raise CheckpointError(f"{name} cannot load {folder}: {_said(error)}; compare with a server instead") from error


def _said(error: Exception) -> str:
    """An error of another library in a line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _opened(part: Image) -> Any:
    """A picture of the pack, opened by transformers."""
    from transformers.image_utils import load_image

    assert isinstance(part.source, bytes)
    return load_image(data_uri(part.source)).convert("RGB")


def _as_input(item: Item) -> Any:
    """What sentence-transformers takes: a string, or an object of pictures and text."""
    texts = [part.text for part in item.parts if isinstance(part, Text)]
    pictures = [_opened(part) for part in item.parts if isinstance(part, Image)]
    if not pictures:
        return "".join(texts)
    if len(pictures) == 1:
        return {"image": pictures[0]} | ({"text": texts[0]} if texts else {})
    content = [*({"type": "image", "image": picture} for picture in pictures), *map(_text, texts)]
    return [{"role": "user", "content": content}]


def _text(text: str) -> dict[str, Any]:
    """A content part."""
    return {"type": "text", "text": text}
