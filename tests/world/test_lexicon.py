"""The assets are complete: names, words, sprites, and a glyph for every character the world writes."""

import pytest
from PIL import ImageFont

from anyseek.world import languages, lexicon, words
from anyseek.world.charts import LABELLED
from anyseek.world.english import a, are, counted, plural
from anyseek.world.pages import PAGE_LANGUAGES
from anyseek.world.sprites import font_for, sprite, visual_order

WANTED = (
    "en de fr es it pt nl sv da fi nb pl cs sk hu ro bg uk ru el tr ar he fa hi bn ta th vi id ms ko ja zh zh_Hant sw"
)


def test_objects_are_many_and_have_different_names() -> None:
    ids = [one.id for one in lexicon.objects()]
    assert 200 <= len(ids) <= 350
    assert len(set(ids)) == len(ids)


def test_languages_are_there_and_nearly_complete() -> None:
    assert set(WANTED.split()) <= set(languages())
    for language in languages():
        named = sum(lexicon.name(one.id, language) is not None for one in lexicon.objects())
        assert named >= 0.9 * len(lexicon.objects()), language
        assert len(lexicon.cities(language)) == len(lexicon.cities())
        assert len(lexicon.months(language)) == 12


def test_no_name_means_two_objects() -> None:
    meaning: dict[str, str] = {}
    for language in languages():
        for one in lexicon.objects():
            if (name := lexicon.name(one.id, language)) is not None:
                assert meaning.setdefault(name.casefold(), one.id) == one.id, (language, name)


def test_words_by_hand_are_complete() -> None:
    table = words.word_table()
    assert set(table) == set(words.WRITTEN) <= set(languages())
    asked = (words.COLOURS, words.NUMBERS, words.MOTIONS, words.PAGE_TYPES, words.FORMS, words.SUBJECTS, words.PURPOSES)
    for language, row in table.items():
        assert len(row) == len(table["en"]), language
        assert all(row[key] for keys in asked for key in keys)
        for keys in asked:
            assert len({row[key] for key in keys}) == len(keys), f"{language} says the same for two of {keys}"


def test_every_sprite_shows_something_of_its_own() -> None:
    pictures = {sprite(one.id, 32).tobytes() for one in lexicon.objects()}
    assert len(pictures) == len(lexicon.objects())
    assert all(sprite(one.id, 32).getextrema()[3][1] > 200 for one in lexicon.objects())


@pytest.mark.parametrize("language", sorted(set(PAGE_LANGUAGES) | set(LABELLED)))
def test_fonts_cover_what_is_written(language: str) -> None:
    texts = [lexicon.called(one.id, language) for one in lexicon.objects()]
    texts += [*lexicon.cities(language), *lexicon.months(language), *words.word_table()[language].values()]
    for face in ("sans", "sans-bold", "serif"):
        loaded = {
            name: ImageFont.truetype(str(lexicon.ASSETS / f"{name}.ttf"), 16, layout_engine=ImageFont.Layout.BASIC)
            for name in (face, "sans-bold", "cjk")
        }
        missing = {name: bytes(font.getmask("\U0010fffd")) for name, font in loaded.items()}
        for text in texts:
            name = font_for(text, face)
            for char in text:
                assert char.isspace() or bytes(loaded[name].getmask(char)) != missing[name], (language, text, char)


def test_hebrew_is_reversed_and_numbers_are_not() -> None:
    assert visual_order("אבג 2417") == "2417 גבא"
    assert visual_order("total 12") == "total 12"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (a("apple"), "an apple"),
        (a("scissors"), "scissors"),
        (a("umbrella"), "an umbrella"),
        (a("sun"), "the sun"),
        (plural("cherry blossom"), "cherry blossoms"),
        (plural("strawberry"), "strawberries"),
        (plural("mouse"), "mice"),
        (plural("bus"), "buses"),
        (counted("torch", 2), "two torches"),
        (counted("key", 3), "three keys"),
        (are("banana"), "bananas are"),
        (are("honey"), "honey is"),
    ],
)
def test_english(said: str, expected: str) -> None:
    assert said == expected
