"""A loaded model back into a folder that loads everywhere: weights, tokenizer, and the files of other libraries."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from anyseek.engine.runtime import own_limits, resolve_dtype
from anyseek.errors import ConfigError
from anyseek.model import Backbone, Layout, copy_tokenizer, load_head, save_checkpoint, write_layout
from anyseek.model.hub import OWN_FILE, Kind
from anyseek.processing.rules import REFERENCE

__all__ = ["SHARD_BYTES", "Saved", "save_folder"]

SHARD_BYTES = 4 * 10**9
"""Most bytes of one weight file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What a folder is made from.

    Attributes:
        source: folder that the tokenizer, the limits and an untied output head are copied from; None for a model put
            together by hand, which cannot be saved.
        kind: embedding or reranking.
        dtype: of the written weights; `auto` keeps that in memory, so that nothing is rounded.
        shard_bytes: most bytes of one weight file.
        chat_template: jinja text that renders the prompt.
        prompts: sentence-transformers' prompt name -> instruction, the default one last.
        yes_no: ids of the tokens "yes" and "no", for reranking.
    """

    source: Path | None
    kind: Kind
    dtype: str
    shard_bytes: int
    chat_template: str
    prompts: Mapping[str, str]
    yes_no: tuple[int, int] | None = None


def save_folder(backbone: Backbone, folder: Path, saved: Saved) -> None:
    """Write the whole folder.

    Args:
        backbone: the towers.
        folder: made when missing; weights already in it are replaced.
        saved: everything else.

    Raises:
        ConfigError: there is no source.
    """
    source = saved.source
    if source is None:
        raise ConfigError("this model was not loaded from a folder, so there is no tokenizer to save with it; use load")
    head = load_head(source)  # before anything is written: the folder may be the source itself
    parameter = next(backbone.parameters())
    dtype = parameter.dtype if saved.dtype == "auto" else resolve_dtype(saved.dtype, parameter.device)
    copy_tokenizer(source, folder)
    limits = source / OWN_FILE
    if limits.is_file() and source.resolve() != folder.resolve():
        shutil.copyfile(limits, folder / OWN_FILE)
    save_checkpoint(backbone, folder, dtype=dtype, head=head, shard_bytes=saved.shard_bytes)
    layout = Layout(
        kind=saved.kind,
        dim=backbone.config.text.hidden_size,
        chat_template=saved.chat_template,
        prompts=saved.prompts,
        limits=own_limits(limits).over(REFERENCE),
        yes_no=saved.yes_no,
    )
    write_layout(folder, layout)
