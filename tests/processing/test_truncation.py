"""What gives way when an input is too long: text from its end, then the resolution, never the template."""

import random
from collections.abc import Callable

import pytest
from tokenizers import Tokenizer as Library

from anyseek.errors import LimitError
from anyseek.items import Item, Limits, Text
from anyseek.processing import Processor
from anyseek.processing.tokenizer import Tokenizer
from tests.processing.conftest import TAIL, changed, image, picture, prompt

WORDS = [
    "apple ",
    "Straße ",
    "夕日",
    "の浜辺で",
    "👩‍👩‍👧‍👦",
    "🍎",
    "e\u0301",
    "नमस्ते ",
    "\n\n",
    "  ",
    "12345",
    "ﬀ",
    "\U0001d518",
    "<|",
    "é",
]
SLACK = 2  # measured: 1 token left unused at most, where the cut fell inside a word or an emoji

Ids = Callable[[str], list[int]]


def text_of(chance: random.Random, most: int = 60) -> str:
    return "".join(chance.choice(WORDS) for _ in range(chance.randint(0, most)))


def limited(tokens: int) -> Limits:
    return Limits(max_tokens=tokens)


@pytest.mark.parametrize("seed", range(150))
def test_one_text(processor: Processor, ids_of: Ids, library: Library, seed: int) -> None:
    chance = random.Random(seed)
    text, limit = text_of(chance), chance.randint(21, 90)
    item = Item.of(text)
    short = Item(item.parts, limits=limited(limit))
    whole, plan = processor.sample(item).token_ids.tolist(), processor.plan(short)
    cut = processor.sample(short).token_ids.tolist()
    assert plan.tokens == len(cut) <= limit
    assert cut == ids_of(prompt(text[: len(text) - plan.cut_characters]))
    assert (plan.cut_characters > 0) == (len(whole) > limit)
    assert not plan.shrunk
    assert "\ufffd" not in library.decode(cut, skip_special_tokens=False)
    if plan.cut_characters:
        assert limit - len(cut) <= SLACK


@pytest.mark.parametrize("seed", range(60))
def test_texts_between_pictures(processor: Processor, ids_of: Ids, seed: int) -> None:
    chance = random.Random(seed)
    texts = [text_of(chance, 20) for _ in range(3)]
    limit = chance.randint(60, 150)
    item = Item.of([texts[0], picture(64, 64), texts[1], picture(96, 64), texts[2]])
    item = Item(item.parts, limits=limited(limit))
    plan = processor.plan(item)
    left, kept = plan.cut_characters, []
    for text in reversed(texts):  # the last text gives way first
        kept.insert(0, text[: max(0, len(text) - left)])
        left -= len(text) - len(kept[0])
    ids = processor.sample(item).token_ids.tolist()
    assert ids == ids_of(prompt(f"{kept[0]}{image(4)}{kept[1]}{image(6)}{kept[2]}"))
    assert len(ids) == plan.tokens <= limit
    assert left == 0
    assert plan.visual_tokens == 10
    assert not plan.shrunk


LONG = "internationalization, counterrevolutionaries: def electroencephalography(self):\n        return None\n\n\n" * 3


def cut_one_by_one(tokenizer: Tokenizer, ids_of: Ids, texts: list[str], limit: int) -> list[str]:
    """The rule of a cut in its plainest form: from the last text on, each is shortened until the prompt fits."""
    kept = list(texts)
    for place in reversed(range(len(kept))):
        while len(ids_of(prompt("".join(kept)))) > limit and kept[place]:
            text, excess = kept[place], len(ids_of(prompt("".join(kept)))) - limit
            have = len(tokenizer.encode(text, parse_special=True))
            shorter = tokenizer.cut(text, max(0, have - excess), parse_special=True)
            kept[place] = shorter if len(shorter) < len(text) else text[:-1]
    return kept


@pytest.mark.parametrize("seed", range(26))
def test_many_texts_are_cut_as_if_one_by_one(processor: Processor, ids_of: Ids, seed: int) -> None:
    """Words in pieces: their beginnings have more tokens than they, so that fewer texts may need more room."""
    chance = random.Random(seed)
    texts = [chance.choice(WORDS) for _ in range(150)]
    if seed % 2:
        start = chance.randrange(len(LONG) // 2)
        texts = list(LONG[start : start + 150])
    limit = chance.randint(20, len(ids_of(prompt("".join(texts)))))
    item = Item(tuple(map(Text, texts)), limits=limited(limit))
    kept = "".join(cut_one_by_one(processor.tokenizer, ids_of, texts, limit))
    assert processor.sample(item).token_ids.tolist() == ids_of(prompt(kept))
    assert processor.plan(item).cut_characters == len("".join(texts)) - len(kept)


def test_a_cut_through_many_texts_looks_at_the_prompt_a_few_times(
    processor: Processor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not once for each text that goes: twenty times as many cost as much as a few dozen looks at them all."""
    looks = []
    encode = Tokenizer.encode

    def counted(self: Tokenizer, text: str, *, parse_special: bool) -> list[int]:
        looks.append(len(text))
        return encode(self, text, parse_special=parse_special)

    monkeypatch.setattr(Tokenizer, "encode", counted)
    for count in (200, 4000):
        looks.clear()
        plan = processor.plan(Item((Text("word"),) * count, limits=limited(100)))
        assert plan.tokens <= 100
        assert sum(looks) < 4 * 4 * count + 50_000
        assert len(looks) < 600


def test_the_limit_of_the_model_holds_without_any_other(processor: Processor, ids_of: Ids) -> None:
    text = "word " * 9000
    plan = processor.plan(Item.of(text))
    assert plan.tokens == processor.options.max_tokens == 8192
    assert plan.cut_characters > 0
    assert processor.sample(Item.of(text)).token_ids.tolist()[-6:] == ids_of(TAIL)


def test_limits_of_the_processor_and_of_the_item(processor: Processor) -> None:
    tight = changed(processor, limits=limited(40))
    assert tight.plan(Item.of("word " * 100)).tokens == 40
    assert tight.plan(Item(Item.of("word " * 100).parts, limits=limited(60))).tokens == 60


def test_vision_is_made_smaller_when_it_alone_is_too_much(
    processor: Processor, ids_of: Ids, caplog: pytest.LogCaptureFixture
) -> None:
    item = Item.of([picture(640, 480), "label", picture(320, 640)])
    whole = processor.plan(item)
    assert whole.visual_tokens == 300 + 200
    for limit in (400, 200, 100, 45):
        short = Item(item.parts, limits=limited(limit))
        plan, sample = processor.plan(short), processor.sample(short)
        assert plan.shrunk
        assert plan.tokens == len(sample.token_ids) <= limit
        assert sample.num_patches == plan.patches == 4 * plan.visual_tokens
        first, second = (width * height // 1024 for width, height in plan.sizes)
        kept = "label"[: 5 - plan.cut_characters]
        assert sample.token_ids.tolist() == ids_of(prompt(f"{image(first)}{kept}{image(second)}"))
        assert "to fit max_tokens" in caplog.text


def test_shrinking_uses_most_of_the_room(processor: Processor) -> None:
    item = Item(Item.of(picture(1200, 900)).parts, limits=limited(300))
    assert processor.plan(item).tokens > 200


def test_frames_shrink_too(processor: Processor) -> None:
    frames = [picture(512, 256, seed) for seed in range(8)]
    item = Item(Item.of({"video": frames}).parts, limits=limited(250))
    plan = processor.plan(item)
    assert plan.shrunk
    assert plan.tokens <= 250
    assert plan.frames == (8,)
    assert processor.sample(item).num_patches == plan.patches


def test_shrinking_can_be_forbidden(processor: Processor) -> None:
    strict = changed(processor, shrink=False)
    item = Item(Item.of([picture(640, 480), "label " * 50]).parts, limits=limited(200))
    with pytest.raises(LimitError, match="over max_tokens 200; raise max_tokens, lower max_pixels"):
        strict.plan(item)
    roomy = Item(item.parts, limits=limited(340))
    assert strict.plan(roomy).tokens == 340
    assert strict.plan(roomy).cut_characters > 0


@pytest.mark.parametrize(("count", "limit"), [(40, 100), (0, 10), (1, 22)])
def test_the_impossible_is_an_error(processor: Processor, count: int, limit: int) -> None:
    item = Item(Item.of([*[picture(64, 64)] * count, "text"]).parts, limits=limited(limit))
    with pytest.raises(LimitError, match=f"max_tokens {limit}"):
        processor.plan(item)


def test_pairs_keep_their_template(pair_processor: Processor, library: Library) -> None:
    document = Item(Item.of("word " * 500).parts, limits=limited(150))
    plan = pair_processor.plan_pair(Item.of("the query"), document)
    ids = pair_processor.pair_sample(Item.of("the query"), document).token_ids.tolist()
    assert plan.tokens == len(ids) == 150
    text = library.decode(ids, skip_special_tokens=False)
    assert "<Query>:the query\n<Document>:word word" in text
    assert text.endswith(f" word{TAIL}")
