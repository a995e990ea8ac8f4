"""Forms of an input: what Items they become, in which order, and how a wrong one is named."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from anyseek.errors import InputError
from anyseek.items import Image, Page, Text, Video
from anyseek.server.faults import param_of
from anyseek.server.inputs import Inputs, Messages, listed
from anyseek.server.searching import SearchRequest

PNG = "data:image/png;base64,AAAA"
PDF = "data:application/pdf;base64,AAAA"
MP4 = "data:video/mp4;base64,AAAA"


def parts(value: Any, kind: Any = Inputs, instruction: str | None = None) -> list[tuple[Any, ...]]:
    found = listed(TypeAdapter(kind).validate_python(value), "input", instruction)
    return [one.item.parts for one in found]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", [(Text("a"),)]),
        (["a", "b"], [(Text("a"),), (Text("b"),)]),
        ({"text": "a"}, [(Text("a"),)]),
        ({"text": ["a", "b"]}, [(Text("a"), Text("b"))]),
        ({"text": "a", "image": PNG}, [(Image(PNG), Text("a"))]),
        ({"text": "a", "image": [PNG, {"url": PNG}], "video": MP4}, [(Video(MP4), Image(PNG), Image(PNG), Text("a"))]),
        ({"video": [PNG, PNG], "fps": 1, "max_frames": 4}, [(Video([PNG, PNG], 1, 4),)]),
        ({"type": "text", "text": "a"}, [(Text("a"),)]),
        ([{"type": "text", "text": "a"}, {"type": "image", "image": PNG}], [(Text("a"),), (Image(PNG),)]),
        (
            [[{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": PNG}}]],
            [(Text("a"), Image(PNG))],
        ),
        (
            {
                "content": [
                    {"type": "image", "image": PNG},
                    {"type": "text", "text": "a"},
                    {"type": "image", "image": PNG},
                ]
            },
            [(Image(PNG), Text("a"), Image(PNG))],
        ),
        ({"content": "a"}, [(Text("a"),)]),
        ([{"type": "file", "file": {"file_data": PDF, "filename": "x.pdf"}, "page": 3}], [(Page(PDF, 3),)]),
        ([{"type": "video_url", "video_url": MP4, "fps": 2.0}], [(Video(MP4, 2.0),)]),
        ([{"role": "user", "content": "a"}], [(Text("a"),)]),
        ([{"role": "system", "content": "s"}, {"role": "user", "content": "a"}], [(Text("a"),)]),
    ],
)
def test_forms(value: Any, expected: list[tuple[Any, ...]]) -> None:
    assert parts(value) == expected


def test_messages_may_be_several() -> None:
    talks = [[{"role": "user", "content": "a"}], [{"role": "user", "content": [{"type": "text", "text": "b"}]}]]
    assert parts(talks, Messages) == [(Text("a"),), (Text("b"),)]
    for empty in ("", [{"type": "text", "text": ""}], [{"type": "text", "text": ""}] * 2):  # vLLM's example has a list
        ended = [{"role": "user", "content": "a"}, {"role": "assistant", "content": empty}]
        assert parts(ended, Messages) == parts(ended) == [(Text("a"),)]


def test_the_nearest_instruction_holds() -> None:
    value = ["a", {"text": "b", "instruction": "own"}, {"content": "c", "instruction": "own too"}]
    found = listed(TypeAdapter(Inputs).validate_python(value), "input", "of the request")
    assert [one.item.instruction for one in found] == ["of the request", "own", "own too"]
    talk = [{"role": "system", "content": "said"}, {"role": "user", "content": "a"}]
    (told,) = listed(TypeAdapter(Messages).validate_python(talk), "messages", "of the request")
    assert told.item.instruction == "said"


def test_every_part_knows_its_place() -> None:
    value = [
        "a",
        {"image": [PNG, PNG], "text": "b", "video": MP4},
        {"content": [{"type": "text", "text": "c"}, {"type": "image_url", "image_url": PNG}]},
        [{"type": "file", "file": {"file_data": PDF}}],
    ]
    places = [one.parts for one in listed(TypeAdapter(Inputs).validate_python(value), "input", None)]
    assert places == [
        ("input[0]",),
        ("input[1].video", "input[1].image[0]", "input[1].image[1]", "input[1].text"),
        ("input[2].content[0].text", "input[2].content[1].image_url"),
        ("input[3][0].file",),
    ]


@pytest.mark.parametrize(
    ("value", "place", "reason"),
    [
        (5, None, "must be a string"),
        ([], None, "at least 1 item"),
        ([1, 2, 3], "[0]", "token ids are not taken"),
        ([[1, 2]], "[0]", "token ids are not taken"),
        (["a", None], "[1]", "must be a string"),
        ({}, None, "an input needs a text"),
        ({"txt": "a"}, "txt", "Extra inputs"),
        ({"text": 5}, "text", "must be a string"),
        ({"image": "cat.png"}, "image", "must be a data URI"),
        ({"image": "/etc/passwd"}, "image", "must be a data URI"),
        ({"image": {"url": "file:///etc/passwd"}}, "image.url", "paths and file:// are not read"),
        (["a", {"image": [PNG, "ftp://x/y"]}], "[1].image[1]", "must be a data URI"),
        ([{"type": "text"}], "[0].text", "Field required"),
        ([{"type": "audio", "audio": "x"}], "[0]", "must be an object whose type is one of"),
        ([[{"type": "text", "text": "a"}, {"type": "image", "image": 3}]], "[0][1].image", "dictionary"),
        ({"content": []}, "content", "at least 1 item"),
        ({"content": 5}, "content", "must be a string or a list"),
        ([{"role": "tool", "content": "a"}], None, "must be one user message"),
        ({"video": [PNG], "fps": 0}, "fps", "greater than 0"),
        ({"text": "a", "fps": float("nan")}, "fps", "finite"),
        ({"type": "file", "file": {"file_data": PDF}, "page": 0}, "page", "greater than or equal to 1"),
    ],
)
def test_wrong_forms_are_named(value: Any, place: str | None, reason: str) -> None:
    """One error, at the place where it is, whatever the other forms would say to the value."""
    try:
        listed(TypeAdapter(Inputs).validate_python(value), "input", None)
    except ValidationError as error:
        found = error.errors()[0]
        assert param_of(("body", *found["loc"])) == place
        assert reason in found["msg"]
    except InputError as error:
        assert place is None
        assert reason in str(error)
    else:
        raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    "value",
    [
        [0] * 100_000,
        ["a"] * 50_000 + [0] * 50_000,
        {"text": [0] * 50_000},
        {"text": "a", **{f"a{number}": 0 for number in range(100_000)}},
        {"content": [{"type": "text"}] * 50_000},
        {"image": ["cat.png"] * 50_000},
        {"video": ["cat.mp4"] * 50_000},
    ],
    ids=range(7),
)
def test_a_wrong_list_is_one_error(value: Any) -> None:
    """Not one for each of its entries: they are looked at while everybody waits."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Inputs).validate_python(value)
    assert caught.value.error_count() == 1


def test_null_in_an_input_is_the_default_too() -> None:
    part = {"type": "file", "file": {"file_data": PDF, "filename": None}, "page": None}
    assert parts([part]) == [(Page(PDF, 1),)]


def test_null_in_a_search_is_the_default_too() -> None:
    plain = SearchRequest(query="a")
    names = ("instruction", "top", "candidates", "rerank", "words", "all", "stream")
    assert SearchRequest.model_validate({"query": "a", **dict.fromkeys(names)}) == plain


ASKED = {"role": "user", "content": "a"}


@pytest.mark.parametrize(
    ("messages", "place"),
    [
        ([{"role": "system", "content": "a"}], None),
        ([ASKED, ASKED], None),
        ([ASKED, {"role": "system", "content": "b"}], None),
        ([], None),
        (["a"], None),
        ([ASKED, {"role": "assistant", "content": "b"}], "[1].content"),
        ([ASKED, {"role": "assistant", "content": [{"type": "text", "text": "b"}]}], "[1].content[0].text"),
        ([ASKED, {"role": "assistant", "content": [{"type": "image", "image": PNG}]}], "[1].content[0].type"),
        ([ASKED, {"role": "assistant", "content": []}], "[1].content"),
        ([ASKED, {"role": "assistant", "content": None}], "[1].content"),
        ([{"role": "system", "content": [{"type": "image", "image": PNG}]}, ASKED], "[0].content[0].type"),
        ([{"role": "user"}], "[0].content"),
        ([[ASKED], [{"role": "system", "content": "a"}]], "[1]"),
    ],
)
def test_wrong_conversations_are_named(messages: Any, place: str | None) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Messages).validate_python(messages)
    assert param_of(("body", *caught.value.errors()[0]["loc"])) == place


def test_half_a_character_is_named() -> None:
    with pytest.raises(InputError, match=r"input\[1\].text: a text holds half"):
        listed(TypeAdapter(Inputs).validate_python(["a", {"text": "b\ud83d"}]), "input", None)
