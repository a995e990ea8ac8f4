# ruff: noqa: RUF001
"""The full-text leg: words of any script are found by whole words, in small libraries and beside others."""

from pathlib import Path

import numpy as np
import pytest

from anyseek.index import Filter, Store
from anyseek.index.words import words
from tests.index.conftest import WIDTH, file_of, ids, print_, things_of

TEXTS = {
    "zh": "北京大学的学生喜欢机器学习和自然语言处理。",
    "zh2": "這份報告說明了機器的維修紀錄與保養時間。",
    "ja": "東京の天気は晴れで、気温は二十度です。",
    "ja2": "スマートフォンのバッテリーを交換してください。",
    "ko": "서울의 날씨는 맑고 계약서는 내년 삼월까지 유효합니다.",
    "th": "กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย",
    "hi": "अनुबंध अगले वर्ष मार्च तक मान्य है।",
    "ar": "الطقس في القاهرة مشمس ودرجة الحرارة عشرون",
    "he": "מזג האוויר בירושלים נאה",
    "ru": "Договор действителен до марта следующего года.",
    "el": "Ο καιρός στην Αθήνα είναι ηλιόλουστος.",
    "de": "Die Straße nach Düsseldorf ist gesperrt.",
    "fr": "L'été dernier, nous avons visité le château de Chambord.",
    "en": "Invoice no. INV-2024-00731 was paid on 3 May; the ﬁle is Ｆｕｌｌ width.",
}
ASKED = [
    ("机器学习", "zh"), ("大学", "zh"), ("北京", "zh"), ("自然语言", "zh"), ("機器", "zh2"), ("維修", "zh2"),
    ("保養紀錄", "zh2"), ("天気", "ja"), ("気温", "ja"), ("東京の天気", "ja"), ("バッテリー", "ja2"),
    ("交換", "ja2"), ("ﾊﾞｯﾃﾘｰ", "ja2"), ("날씨", "ko"), ("서울", "ko"), ("계약서", "ko"), ("유효", "ko"),
    ("กรุงเทพ", "th"), ("เมืองหลวง", "th"), ("अनुबंध", "hi"), ("मान्य", "hi"), ("القاهرة", "ar"),
    ("الطَّقْس", "ar"), ("ירושלים בירושלים", "he"), ("ДОГОВОР", "ru"), ("καιρος", "el"), ("strasse", "de"),
    ("dusseldorf", "de"), ("ÉTÉ", "fr"), ("chateau", "fr"), ("inv-2024-00731", "en"), ("00731", "en"),
    ("file full", "en"), ("晴", "ja"),
]  # fmt: skip


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store.create(tmp_path_factory.mktemp("words"), print_())
    random = np.random.default_rng(0)
    with store.write() as writer:
        for name, text in TEXTS.items():
            writer.put(things_of(name, 1, "text", text), random.standard_normal((1, WIDTH)))
            writer.put_files([file_of(name, name)])
    return store


@pytest.mark.parametrize("optimized", [False, True])
def test_every_script_is_found(library: Store, optimized: bool) -> None:
    if optimized:
        with library.write() as writer:
            writer.optimize(force=True)
    missed = [(asked, name) for asked, name in ASKED if ids(library.lexical(asked, 3))[:1] != [f"{name}.0"]]
    assert not missed


def test_nothing_else_is_found(library: Store) -> None:
    for asked in ("京東", "ing", "oice", "", "  ", "!?", "'", '"', "text:*", "AND", "(", "\x00", "*", "~2", "猫"):
        assert library.lexical(asked, 3) == [], asked


def test_rare_words_weigh_more_and_filters_hold(library: Store) -> None:
    found = library.lexical("the Düsseldorf invoice 학생 天気 の", 20)
    assert {"de.0", "en.0", "ja.0"} <= set(ids(found))
    assert [one.similarity for one in found] == sorted((one.similarity for one in found), reverse=True)
    assert ids(library.lexical("Düsseldorf invoice", 20, Filter(under="de"))) == ["de.0"]
    assert library.lexical("Düsseldorf", 20, Filter(kinds=("page",))) == []


def test_words() -> None:
    assert words("Don't STOP: naïve_café №5") == "don t stop naive cafe no5"
    assert words("東京タワー3階") == "東京 京タ タワ ワー 東 京 タ ワ ー 3 階"
    assert words("東京タワー3階", query=True) == "東京 京タ タワ ワー 3 階"
    assert words("x" * 100) == "x" * 40
    assert words("हिन्दी में") == "हिन्दी में"
    assert words("\ud800 lone") == "lone"
    assert words("मैं।तुम") == "मैं तुम"


def test_a_library_of_many_texts(tmp_path: Path) -> None:
    """Rare words among a thousand passages of common ones, before and after the index has been brought up to date."""
    random = np.random.default_rng(1)
    common = [f"common{number}" for number in range(50)]
    store = Store.create(tmp_path, print_())
    with store.write() as writer:
        for number in range(1000):
            text = " ".join([*random.choice(common, 30), f"rare{number}", f"第{number}号文書"])
            writer.put(things_of(f"h{number}", 1, "text", text), random.standard_normal((1, WIDTH)))
            writer.put_files([file_of(f"{number}", f"h{number}")])
        for _ in range(2):
            writer.flush()
            for number in (0, 7, 321, 999):
                assert ids(store.lexical(f"common1 common2 rare{number}", 3))[0] == f"h{number}.0"
                assert ids(store.lexical(f"第{number}号文書", 3))[0] == f"h{number}.0"
            writer.optimize(force=True)


def test_what_is_unseen_within_a_word_does_not_part_it() -> None:
    for unseen in "\u00ad\u200b\u200d\u2060\ufeff\ufffe":
        assert words(f"Infor{unseen}mation") == "information", hex(ord(unseen))
