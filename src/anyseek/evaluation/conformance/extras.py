"""The files of a model folder that only other libraries read, and where the published ones break those libraries."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anyseek.engine.runtime import own_limits
from anyseek.errors import CheckpointError
from anyseek.evaluation.conformance.pack import Case, pack
from anyseek.evaluation.conformance.templates import TemplateFault, rendered
from anyseek.evaluation.conformance.trace import Prompt
from anyseek.model.hub import OWN_FILE, Kind
from anyseek.processing import template
from anyseek.processing.rules import REFERENCE

__all__ = ["extras", "json_of"]

Extra = tuple[str, bool, str]
"""Name, whether it is broken or other than the reference, and what was found."""


def extras(folder: Path, kind: Kind) -> Iterator[Extra]:
    """Every extra of a folder. None of them touches what this project computes."""
    yield _chat_template(folder, kind)
    yield _pixel_sizes(folder)
    yield _auto_processor(folder)
    yield _modules(folder)


def json_of(path: Path) -> dict[str, Any]:
    """A JSON object of a model folder.

    Raises:
        CheckpointError: it is none.
    """
    found = _read(path)
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} must hold an object")
    return found


def _read(path: Path) -> Any:
    """Any JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); download it again") from error


def _template_text(folder: Path) -> tuple[str, str] | None:
    """The chat template that transformers takes, and the file it lies in."""
    jinja = folder / "chat_template.jinja"
    if jinja.is_file():
        return jinja.read_text(encoding="utf-8"), jinja.name
    for name in ("chat_template.json", "tokenizer_config.json"):
        text = json_of(folder / name).get("chat_template") if (folder / name).is_file() else None
        if isinstance(text, str):
            return text, name
    return None


def _chat_template(folder: Path, kind: Kind) -> Extra:
    """Whether servers that use the folder's chat template write our prompt."""
    name = "chat template"
    try:
        found = _template_text(folder)
    except CheckpointError as error:
        return name, True, str(error)
    if found is None:
        return name, True, "there is none: a server writes no prompt, unless it is given one"
    text, file = found
    for case in pack(kind):
        wanted = _prompt(case)
        try:
            given = rendered(text, case)
        except TemplateFault as error:
            return name, True, f"{file} cannot be rendered ({error}): servers fail with it"
        if given != wanted:
            return name, True, f"{file} writes another prompt for {case.name!r}: servers that use it differ"
    return name, False, f"{file} writes our prompts"


def _prompt(case: Case) -> str:
    """Our prompt as a chat template would write it."""
    pieces = template.embedding_prompt(*case.items) if len(case.items) == 1 else template.reranking_prompt(*case.items)
    return Prompt(tuple(pieces)).text


def _pixel_sizes(folder: Path) -> Extra:
    """Whether libraries that go by the preprocessor's sizes resize as the reference does."""
    path, name = folder / "preprocessor_config.json", "pixel sizes"
    if not path.is_file():
        return name, True, "no preprocessor_config.json: other libraries cannot read pictures"
    try:
        raw = json_of(path)
    except CheckpointError as error:
        return name, True, str(error)
    size = raw.get("size") or {}
    low, high = size.get("shortest_edge", raw.get("min_pixels")), size.get("longest_edge", raw.get("max_pixels"))
    right = own_limits(folder / OWN_FILE).over(REFERENCE)
    if (low, high) == (right.min_pixels, right.max_pixels):
        return name, False, "preprocessor_config.json asks for the right sizes"
    text = (
        f"preprocessor_config.json asks for {low} to {high} pixels, right are {right.min_pixels} to "
        f"{right.max_pixels}: libraries that go by the file resize otherwise"
    )
    return name, True, text


def _auto_processor(folder: Path) -> Extra:
    """Two kinds of template files at once, which transformers' processors refuse (SPEC 7)."""
    name = "auto-processor"
    if (folder / "chat_template.json").is_file() and (folder / "additional_chat_templates").is_dir():
        text = "chat_template.json beside additional_chat_templates: transformers' AutoProcessor refuses the folder"
        return name, True, f"{text}; delete chat_template.json"
    return name, False, "no template files that exclude each other"


def _modules(folder: Path) -> Extra:
    """Whether sentence-transformers can put its modules together."""
    path, name = folder / "modules.json", "modules.json"
    if not path.is_file():
        return name, False, "none: sentence-transformers takes its defaults"
    try:
        entries = _read(path)
        modules = [(str(entry["path"]), str(entry["type"])) for entry in entries]
    except (CheckpointError, LookupError, TypeError) as error:
        return name, True, f"broken ({error}): sentence-transformers cannot load the folder"
    for place, kind in modules:
        if not kind.startswith("sentence_transformers."):
            return name, True, f"asks for {kind}, which is not sentence-transformers' own"
        if place and not any((folder / place).glob("*")) and not kind.endswith(".Normalize"):
            return name, True, f"asks for the folder {place!r}, which is not there"
    return name, False, " then ".join(kind.rpartition(".")[2] for _, kind in modules)
