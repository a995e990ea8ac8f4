"""Texts in passages: nothing is lost, nothing is too long, and cuts are where a reader would make them."""

import random
import time
from itertools import pairwise

import pytest

from anyseek.errors import ConfigError
from anyseek.search.passages import Passage, passages

ENDS = (" ", " ", " ", ". ", "\n", "\n\n", "。", "!\n\n   ", "")


def texts(text: str, size: int, overlap: int = 0) -> list[str]:
    return [passage.text for passage in passages(text, size, overlap)]


def test_a_short_text_is_one_passage() -> None:
    assert list(passages("  One.\n\nTwo. \n", 100, 20)) == [Passage("One.\n\nTwo.", 2, 12)]
    assert texts("", 100) == texts(" \n\n ", 100) == []


def test_cuts_are_at_paragraphs_then_sentences_then_words() -> None:
    first, second = "a" * 30, "b" * 30
    assert texts(f"{first}\n\n{second}\n\n{'c' * 10}", 50) == [first, f"{second}\n\n{'c' * 10}"]
    assert texts("One two three. Four five six. Seven eight.", 32) == ["One two three. Four five six.", "Seven eight."]
    assert texts("one two three four five six", 16) == ["one two three", "four five six"]
    assert texts("x" * 40, 16) == ["x" * 16, "x" * 16, "x" * 8]
    assert texts("猫" * 12, 16) == ["猫" * 5, "猫" * 5, "猫" * 2]
    assert texts("一二三四五。六七八。", 20) == ["一二三四五。", "六七八。"]


def test_neighbours_share_their_last_sentences() -> None:
    said = "First it was. Then it is. Now it will be. Never it was."
    assert texts(said, 30, 14) == ["First it was. Then it is.", "Then it is. Now it will be.", "Never it was."]


def test_any_text_at_any_size() -> None:
    rng = random.Random(1)

    def word() -> str:
        return "".join(rng.choice("abcdefghij猫é") for _ in range(rng.randint(1, 12)))

    for _ in range(300):
        text = "".join(word() + rng.choice(ENDS) for _ in range(rng.randint(0, 200)))
        size = rng.randint(16, 400)
        overlap = rng.randint(0, (size - 1) // 2)
        found = list(passages(text, size, overlap))
        covered: set[int] = set()
        for passage in found:
            assert text[passage.start : passage.end] == passage.text == passage.text.strip() != ""
            assert len(passage.text.encode()) <= size
            covered |= set(range(passage.start, passage.end))
        assert all(place in covered or letter.isspace() for place, letter in enumerate(text))
        for before, after in pairwise(found):
            assert after.start >= before.start
            assert after.end > before.end
            assert len(text[after.start : before.end].encode()) <= overlap


@pytest.mark.parametrize(("size", "overlap"), [(15, 0), (100, 50), (100, -1)])
def test_numbers_that_leave_no_room(size: int, overlap: int) -> None:
    with pytest.raises(ConfigError, match="share"):
        next(passages("text", size, overlap))


def test_a_long_text_without_sentences_is_cut_in_one_pass() -> None:
    """Measuring all that is left before each cut would take minutes."""
    assert sum(1 for _ in passages("é" * 20_000_000, 2000, 0)) == 20_000


def test_short_paragraphs_cost_what_words_cost() -> None:
    """Measuring a passage anew for each paragraph in it takes two hundred times as long."""
    text, started = "a\n\n" * 100_000, time.process_time()
    assert sum(1 for _ in passages(text, 100_000, 3000)) == 4
    assert time.process_time() - started < 20
