"""Items to samples: prompt, token ids, positions and patches; and `plan`, the same without decoding."""

import logging
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from anyseek.batch import Sample
from anyseek.errors import InputError, LimitError
from anyseek.items import Item, Limits
from anyseek.media import MediaOptions, load_image, read_frames, render_page
from anyseek.processing import pixels, template
from anyseek.processing.identity import identity
from anyseek.processing.layout import FileVideo, ListedVideo, Picture, RenderedPage, Visual, resolve, smaller, visual_of
from anyseek.processing.rules import PATCH_FACTOR
from anyseek.processing.template import Piece, Run, Special, Vision
from anyseek.processing.tokenizer import Tokenizer

__all__ = ["Plan", "Prepared", "Processor", "ProcessorOptions", "grid_of"]

log = logging.getLogger("anyseek")

NEAR = 32
"""Texts around the place of a cut that are looked at one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorOptions:
    """How items are read.

    Attributes:
        max_tokens: longest prompt; 8,192 for embedding and 10,240 for reranking in the public code.
        limits: what the user or the checkpoint sets for every item; an item's own limits go before.
        media: which sources are allowed, and how large they may be.
        parse_special: special tokens written out in user text become special tokens, as in the reference; turn this off
            for text from strangers, who could forge a turn.
        shrink: lower the resolution when vision alone is over max_tokens (with a log line), rather than raise.
        vision: whether the model sees; one that was loaded without its vision tower does not.
    """

    max_tokens: int
    limits: Limits = Limits()
    media: MediaOptions = MediaOptions()
    parse_special: bool = True
    shrink: bool = True
    vision: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an input costs, told before anything is decoded.

    Attributes:
        tokens: length of the prompt.
        visual_tokens: tokens that stand for vision.
        patches: vision patches.
        grids: (frame groups, rows, columns) in patches of each picture, page or video.
        frames: frames decoded for each of them (a picture or page counts 1).
        sizes: width and height in pixels that each is shown at.
        cut_characters: characters of user text left out to fit max_tokens.
        shrunk: whether resolution was lowered to fit max_tokens.
    """

    tokens: int
    visual_tokens: int
    patches: int
    grids: tuple[tuple[int, int, int], ...]
    frames: tuple[int, ...]
    sizes: tuple[tuple[int, int], ...]
    cut_characters: int
    shrunk: bool


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prompt laid out from headers, its sources open, nothing decoded yet.

    Attributes:
        ids: token ids of the whole prompt.
        spans: start in ids, rows and columns of each span of vision.
        visuals: what is shown there.
        cut_characters: see `Plan`.
        shrunk: see `Plan`.
    """

    ids: list[int]
    spans: list[tuple[int, int, int]]
    visuals: list[Visual]
    cut_characters: int = 0
    shrunk: bool = False

    @property
    def sample(self) -> Sample:
        """Ids, positions and the places of vision, without patches."""
        index = [torch.arange(start, start + rows * columns) for start, rows, columns in self.spans]
        return Sample(
            token_ids=torch.tensor(self.ids),
            position_ids=_position_ids(len(self.ids), self.spans),
            patches=torch.empty((0, pixels.PATCH_DIM), dtype=torch.uint8),
            grids=torch.empty((0, 3), dtype=torch.int64),
            visual_index=torch.cat(index) if index else torch.empty(0, dtype=torch.int64),
        )

    @property
    def plan(self) -> Plan:
        """What it costs."""
        grids = tuple(grid_of(visual) for visual in self.visuals)
        return Plan(
            tokens=len(self.ids),
            visual_tokens=sum(rows * columns for _, rows, columns in self.spans),
            patches=sum(frames * rows * columns for frames, rows, columns in grids),
            grids=grids,
            frames=tuple(1 if isinstance(v, Picture | RenderedPage) else v.frames for v in self.visuals),
            sizes=tuple(visual.size for visual in self.visuals),
            cut_characters=self.cut_characters,
            shrunk=self.shrunk,
        )


class Processor:
    """Turns items into samples for one checkpoint's tokenizer."""

    def __init__(self, tokenizer: Tokenizer, options: ProcessorOptions) -> None:
        """Keep the tokenizer and options; look up the ids of the vision tokens."""
        self.tokenizer = tokenizer
        self.options = options
        self._ids = {
            name: tokenizer.token_id(f"<|{name}|>")
            for name in ("im_start", "im_end", "vision_start", "vision_end", "image_pad", "video_pad")
        }

    def prepare(self, item: Item) -> Prepared:
        """Open an item's sources and lay out its embedding prompt from their headers.

        Raises:
            InputError: a source cannot be opened, or the item does not fit.
        """
        pieces = template.embedding_prompt(self.resolved(item))
        return self.lay_out(pieces, item.limits.max_tokens)

    def prepare_pair(self, query: Item, document: Item) -> Prepared:
        """The same for the reranking prompt of a pair; the instruction is the query's."""
        pieces = template.reranking_prompt(self.resolved(query), self.resolved(document))
        return self.lay_out(pieces, document.limits.max_tokens or query.limits.max_tokens)

    def resolved(self, item: Item) -> Item:
        """The item with opened sources and complete limits.

        Raises:
            InputError: a source cannot be opened.
        """
        resolved = resolve(item, self.options.media)
        return replace(resolved, limits=item.limits.over(self.options.limits))

    def lay_out(self, pieces: list[Piece], max_tokens: int | None = None) -> Prepared:
        """Sizes and ids of a prompt of resolved parts; to fit, text is cut from its end, then vision is made smaller.

        Raises:
            InputError: a source cannot be read, or the prompt does not fit.
        """
        limit = max_tokens or self.options.limits.max_tokens or self.options.max_tokens
        if not self.options.vision and any(isinstance(piece, Vision) for piece in pieces):
            raise InputError("this model was loaded for text only; load it with vision=True to give it pictures")
        visuals = [visual_of(p.part, p.limits, self.options.media) for p in pieces if isinstance(p, Vision)]
        prompt = self._assemble(pieces, visuals)
        if len(prompt.ids) <= limit:
            return prompt
        bare = [replace(p, text="") if isinstance(p, Run) and p.user else p for p in pieces]
        fitted = self._fit_vision(bare, visuals, limit)
        prompt, cut = self._fit_text(pieces, fitted, limit)
        return replace(prompt, cut_characters=cut, shrunk=fitted is not visuals)

    def produce(self, prompt: Prepared) -> Sample:
        """Decode what a prompt shows.

        Raises:
            InputError: a source turns out corrupt.
        """
        sample = prompt.sample
        if not prompt.visuals:
            return sample
        patches = torch.cat([self.decode(visual) for visual in prompt.visuals])
        grids = torch.tensor([grid_of(visual) for visual in prompt.visuals])
        return replace(sample, patches=patches, grids=grids)

    def decode(self, visual: Visual) -> Tensor:
        """`(patches, 3 * 2 * 16 * 16)` uint8 of one picture, page or video.

        Raises:
            InputError: its source turns out corrupt.
        """
        return pixels.patchify(self._frames(visual))

    def head(self, prompt: Prepared) -> int:
        """Tokens of a prompt before anything that the user put in: the system turn, and the token that opens the next.

        An instruction for embedding is part of it; whatever text follows, its tokens stay the same.
        """
        return prompt.ids.index(self._ids["im_end"]) + 3  # im_end, newline, im_start

    def identity(self, visual: Visual) -> bytes:
        """16 bytes: equal ones mean equal patches.

        Raises:
            SourceError: its source went away.
        """
        return identity(visual, self.options.media)

    def plan(self, item: Item) -> Plan:
        """What embedding an item costs; always what `sample` then produces."""
        return self.prepare(item).plan

    def sample(self, item: Item) -> Sample:
        """The embedding prompt of an item, decoded."""
        return self.produce(self.prepare(item))

    def plan_pair(self, query: Item, document: Item) -> Plan:
        """What scoring a pair costs."""
        return self.prepare_pair(query, document).plan

    def pair_sample(self, query: Item, document: Item) -> Sample:
        """The reranking prompt of a pair, decoded."""
        return self.produce(self.prepare_pair(query, document))

    def _fit_vision(self, bare: list[Piece], visuals: list[Visual], limit: int) -> list[Visual]:
        """The visuals, made smaller together until the prompt without user text fits."""
        length = len(self._assemble(bare, visuals).ids)
        if length <= limit:
            return visuals
        if not self.options.shrink or not visuals:
            raise LimitError(
                f"the input needs {length} tokens without its text, over max_tokens {limit}; raise max_tokens, "
                "lower max_pixels, total_pixels or max_frames, or allow shrinking"
            )
        places = [p for p in bare if isinstance(p, Vision)]
        scale = 1.0
        for _ in range(64):
            scale *= min(0.97, limit / length)
            fitted = [smaller(v, p.limits, scale, self.options.media) for v, p in zip(visuals, places, strict=True)]
            length = len(self._assemble(bare, fitted).ids)
            if length <= limit:
                log.warning("vision was shown at %.0f %% of its pixels to fit max_tokens %d", 100 * scale, limit)
                return fitted
        raise LimitError(f"the input does not fit max_tokens {limit} at any resolution; give fewer pictures or frames")

    def _fit_text(self, pieces: list[Piece], visuals: list[Visual], limit: int) -> tuple[Prepared, int]:
        """Cut user texts, the last one first, until the prompt fits; also the number of characters left out."""
        texts = {place: piece.text for place, piece in enumerate(pieces) if isinstance(piece, Run) and piece.user}
        last_first = [place for place in reversed(texts) if texts[place]]

        def without(count: int) -> list[Piece]:
            """The pieces, so many of the last texts empty."""
            empty = dict.fromkeys(last_first[:count], Run("", user=True))
            return [empty.get(place, piece) for place, piece in enumerate(pieces)]

        def fits(count: int) -> bool:
            return len(self._assemble(without(count), visuals).ids) <= limit

        # Every look costs the whole prompt, so how many texts go is found by halves, and only the last of them one by
        # one: a prompt may lose a text and yet gain tokens, as a word may be one token and its beginning several.
        gone = bisect_left(range(len(last_first)), True, lo=NEAR, key=fits) - NEAR
        cut = sum(len(texts[place]) for place in last_first[:gone])
        pieces = without(gone)
        prompt = self._assemble(pieces, visuals)
        for place in last_first[gone:]:
            text = texts[place]
            while len(prompt.ids) > limit and text:
                have = len(self.tokenizer.encode(text, parse_special=self.options.parse_special))
                keep = max(0, have - (len(prompt.ids) - limit))
                shorter = self.tokenizer.cut(text, keep, parse_special=self.options.parse_special)
                shorter = shorter if len(shorter) < len(text) else text[:-1]
                cut += len(text) - len(shorter)
                text = shorter
                pieces[place] = Run(text, user=True)
                prompt = self._assemble(pieces, visuals)
        return prompt, cut

    def _assemble(self, pieces: Sequence[Piece], visuals: Sequence[Visual]) -> Prepared:
        """Ids of the whole prompt. Text between special tokens is encoded as one: tokens may span two pieces."""
        ids: list[int] = []
        spans: list[tuple[int, int, int]] = []
        text, shown = "", iter(visuals)
        for piece in pieces:
            if isinstance(piece, Run):
                text += piece.text
                continue
            if isinstance(piece, Special):
                ids += [*self._encode(text), self.tokenizer.token_id(piece.token)]
                text = ""
                continue
            visual = next(shown)
            columns, rows = (side // PATCH_FACTOR for side in visual.size)
            pad = self._ids["video_pad" if isinstance(visual, FileVideo | ListedVideo) else "image_pad"]
            for label in _labels(visual):
                ids += [*self._encode(text + label), self._ids["vision_start"]]
                spans.append((len(ids), rows, columns))
                ids += [pad] * (rows * columns) + [self._ids["vision_end"]]
                text = ""
        return Prepared([*ids, *self._encode(text), *self.tokenizer.suffix], spans, list(visuals))

    def _encode(self, text: str) -> list[int]:
        """Ids of a run of text."""
        return self.tokenizer.encode(text, parse_special=self.options.parse_special) if text else []

    def _frames(self, visual: Visual) -> Tensor:
        """`(frames, 3, height, width)` uint8, resized."""
        media, source = self.options.media, visual.part.source
        if isinstance(visual, Picture):
            return pixels.picture_frames(np.asarray(pixels.resize_picture(load_image(source, media), visual.size)))
        if isinstance(visual, RenderedPage):
            return pixels.picture_frames(np.asarray(render_page(source, visual.part.number, visual.size, media)))
        if isinstance(visual, FileVideo):
            frames = read_frames(source, visual.indices, media)
        else:
            kept = {i: load_image(frame, media) for i, frame in visual.opened.items()}
            resized = {i: np.asarray(pixels.resize_picture(p, visual.first_size)) for i, p in kept.items()}
            frames = np.stack([resized[i] for i in visual.indices])
        return pixels.resize_frames(torch.from_numpy(frames).permute(0, 3, 1, 2), visual.size)


def _labels(visual: Visual) -> list[str]:
    """The text in front of each vision span: nothing for a picture, the time for each pair of a video's frames."""
    if isinstance(visual, FileVideo | ListedVideo):
        return [f"<{seconds:.1f} seconds>" for seconds in visual.seconds]
    return [""]


def grid_of(visual: Visual) -> tuple[int, int, int]:
    """Frame groups, rows and columns in patches."""
    width, height = visual.size
    return visual.frames // 2, height // pixels.PATCH, width // pixels.PATCH


def _position_ids(length: int, spans: Sequence[tuple[int, int, int]]) -> Tensor:
    """`(3, tokens)`: text counts on; a span of vision starts at the next free p with (p, p + row, p + column)."""
    axes, cursor, free = [], 0, 0
    for start, rows, columns in spans:
        axes.append(torch.arange(free, free + start - cursor).expand(3, -1))
        free += start - cursor
        row, column = torch.arange(rows * columns) // columns, torch.arange(rows * columns) % columns
        axes.append(torch.stack((torch.zeros_like(row), row, column)) + free)
        free += max(rows, columns)
        cursor = start + rows * columns
    axes.append(torch.arange(free, free + length - cursor).expand(3, -1))
    return torch.cat(axes, dim=1)
