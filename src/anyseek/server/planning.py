"""Inputs to rows the model can compute: opened, laid out and told what they cost, before anything is decoded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat

from anyseek.engine.compute import Row, row_of
from anyseek.engine.prefixes import WORTH
from anyseek.errors import InputError, LimitError
from anyseek.items import File, Image, Item, Page, Part, Text, Video
from anyseek.processing import Prepared, Processor
from anyseek.processing.layout import Visual, resolve, visual_of
from anyseek.server.fetching import Fetched
from anyseek.server.inputs import Given

__all__ = ["Cuts", "Plan", "Planned", "costs", "opened", "plan_items", "plan_pairs", "planned"]


@dataclass(frozen=True, slots=True)
class Planned:
    """One row on its way to the model.

    Attributes:
        row: what is computed.
        visuals: identity, what it is, and its place in the request, of everything shown.
        cuts: characters of text left out of what stands at a place of the request, to fit a limit.
        processor: that decodes what it shows.
    """

    row: Row
    visuals: tuple[tuple[bytes, Visual, str], ...]
    cuts: Mapping[str, int]
    processor: Processor

    @property
    def tokens(self) -> int:
        """Length of its prompt."""
        return self.row.sample.num_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Cuts:
    """Tokens that are left of texts; None leaves all.

    Attributes:
        query: of each query.
        document: of each document.
    """

    query: int | None = None
    document: int | None = None


Plan = Callable[[], Planned]
"""Plans one row."""


def plan_items(
    processor: Processor, fetched: Fetched, inputs: Sequence[Given], most: int | None, whole: bool
) -> list[Plan]:
    """One plan of an embedding prompt for each input, to be called in any thread.

    Args:
        processor: of the embedding model.
        fetched: for the request.
        inputs: of a request.
        most: tokens that are left of each input's text; None leaves all.
        whole: raise when an input does not fit uncut and at its resolution, rather than cut or shrink it.
    """

    def plan(given: Given) -> Planned:
        item, cut = _shortened(opened(given, processor, fetched), most, processor)
        prepared = _laid_out(processor, lambda: processor.prepare(item), [(given, item)])
        if whole and (cut or prepared.cut_characters or prepared.shrunk):
            limit = processor.options.limits.max_tokens or processor.options.max_tokens
            raise LimitError(
                f"it has more than {f'{most} tokens of text' if cut else f'{limit} tokens'}; shorten it, or send "
                "truncate: END to have its text cut, and its pictures made smaller where that is not enough"
            ).at(given.place)
        row = _planned(processor, prepared, [(given, item)])
        return replace(row, cuts={given.place: cut + prepared.cut_characters})

    return [partial(plan, given) for given in inputs]


def plan_pairs(
    processor: Processor, fetched: Fetched, queries: Sequence[Given], documents: Sequence[Given], cuts: Cuts
) -> list[Plan]:
    """One plan of a reranking prompt for each document, to be called in any thread; an only query is opened at once.

    Args:
        processor: of the reranking model.
        fetched: for the request.
        queries: one for all documents, or one for each.
        documents: of the request.
        cuts: of their texts.

    Raises:
        InputError: the only query cannot be opened.
    """

    def ask(query: Given) -> tuple[Item, int]:
        return _shortened(opened(query, processor, fetched), cuts.query, processor)

    shared = ask(queries[0]) if len(queries) == 1 else None

    def plan(query: Given, given: Given) -> Planned:
        asked, left = shared or ask(query)
        item, cut = _shortened(opened(given, processor, fetched), cuts.document, processor)
        both = [(query, asked), (given, item)]
        prepared = _laid_out(processor, lambda: processor.prepare_pair(asked, item), both)
        row = _planned(processor, prepared, both)
        return replace(row, cuts={query.place: left, given.place: cut + prepared.cut_characters})

    pairs = zip(queries if shared is None else repeat(queries[0]), documents, strict=shared is None)
    return [partial(plan, query, given) for query, given in pairs]


def opened(given: Given, processor: Processor, fetched: Fetched) -> Item:
    """The item with every source at hand, so that it is fetched once, and counted, and an error knows its part."""
    media = processor.options.media
    parts: list[Part] = []
    for part, place in zip(given.item.parts, given.parts, strict=True):
        where = place
        try:
            if isinstance(part, Video) and part.is_frames:
                frames = []
                for number, frame in enumerate(part.source):
                    where = f"{place}[{number}]"
                    frames.append(fetched.open(frame, media))
                part = replace(part, source=frames)
            elif not isinstance(part, Text):
                part = replace(part, source=fetched.open(part.source, media))
            parts += resolve(Item((part,)), media).parts
        except InputError as error:
            raise error.at(where) from None
    return replace(given.item, parts=tuple(parts))


def _laid_out(processor: Processor, lay_out: Callable[[], Prepared], both: Sequence[tuple[Given, Item]]) -> Prepared:
    """A prompt; an error is told by the first part that fails alone, else by the whole input."""
    try:
        return lay_out()
    except InputError as error:
        for given, item in both:
            for part, place in zip(item.parts, given.parts, strict=True):
                if not isinstance(part, Text | File) and _fails(processor, item, part):
                    raise error.at(place) from None
        raise error.at(both[-1][0].place) from None


def _fails(processor: Processor, item: Item, part: Image | Page | Video) -> bool:
    """Whether a part cannot be read."""
    try:
        visual_of(part, item.limits.over(processor.options.limits), processor.options.media)
    except InputError:
        return True
    return False


def _planned(processor: Processor, prepared: Prepared, both: Sequence[tuple[Given, Item]]) -> Planned:
    """The row of a prompt of inputs."""
    places = [
        place
        for given, item in both
        for part, place in zip(item.parts, given.parts, strict=True)
        if not isinstance(part, Text)
    ]
    return planned(processor, prepared, places)


def planned(processor: Processor, prepared: Prepared, places: Sequence[str]) -> Planned:
    """The row of a prompt.

    Args:
        processor: that laid it out.
        prepared: the prompt.
        places: of what it shows.

    Raises:
        SourceError: a file went away.
    """
    shown = tuple(
        (processor.identity(visual), visual, where) for visual, where in zip(prepared.visuals, places, strict=True)
    )
    row = row_of(processor, prepared, [identity for identity, _, _ in shown])
    return Planned(row, shown, {}, processor)


def _shortened(item: Item, most: int | None, processor: Processor) -> tuple[Item, int]:
    """The item with at most so many tokens of text, cut from its end, and the characters cut."""
    if most is None:
        return item, 0
    parts, cut = [], 0
    for part in item.parts:
        if isinstance(part, Text):
            special = processor.options.parse_special
            kept = processor.tokenizer.cut(part.text, most, parse_special=special)
            most -= len(processor.tokenizer.encode(kept, parse_special=special)) if kept else 0
            cut += len(part.text) - len(kept)
            part = Text(kept)
        parts.append(part)
    return replace(item, parts=tuple(parts)), cut


def costs(rows: Sequence[Planned]) -> list[int]:
    """What each row costs after those before it, in tokens and merged patches: what they share is computed once."""
    seen: set[bytes] = set()
    found, last = [], None
    for one in rows:
        row = one.row
        new = [tokens for identity, tokens in row.visuals if identity not in seen]
        seen |= {identity for identity, _ in row.visuals}
        common = _common(last, row) if last is not None else 0
        found.append(row.sample.num_tokens - max(row.head, common if common >= WORTH else 0) + sum(new))
        last = row
    return found


def _common(before: Row, row: Row) -> int:
    """Leading tokens that are equal, pictures included."""
    ids, others = row.sample.token_ids.numpy(), before.sample.token_ids.numpy()
    length = min(len(ids), len(others)) - 1
    different = (ids[:length] != others[:length]).nonzero()[0]
    common = int(different[0]) if len(different) else length
    passed = 0
    for (identity, tokens), (other, _) in zip(row.visuals, before.visuals, strict=False):
        if identity != other:
            return min(common, int(row.sample.visual_index[passed]))
        passed += tokens
    return common
