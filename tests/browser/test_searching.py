"""Words, pictures, examples and filters: what is asked stands in the address, and hits come as they are read."""

import base64
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import FINAL, MARKUP, NAMED, SAMPLES, Served, Visit, ask, drop, forgive

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is missing: make browser-test")
expect: Any = sync_api.expect
expect.set_options(timeout=60_000)

FISH = SAMPLES / ".asked" / "fish.png"
COPY = """
async ([data, words]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const copied = { "image/png": new Blob([bytes], { type: "image/png" }) };
  if (words) copied["text/plain"] = new Blob([words], { type: "text/plain" });
  await navigator.clipboard.write([new ClipboardItem(copied)]);
}
"""


def first(page: "Page") -> "Locator":
    """The best hit, when the whole answer is there."""
    return page.locator(f"{FINAL} .hit").first


def names(page: "Page") -> list[str]:
    expect(page.locator(f"{FINAL} .hit").first).to_be_visible()
    return page.locator(f"{FINAL} .name").all_inner_texts()


def test_words_find_a_picture_and_show_how_it_is_read(visit: Visit) -> None:
    page = visit()
    expect(page.get_by_label("What to look for")).to_be_focused()
    ask(page, "a fish on a yellow background")
    expect(first(page)).to_contain_text("p004.png")
    expect(first(page)).to_contain_text("picture")
    expect(first(page).locator("img")).to_have_js_property("complete", True)
    assert first(page).locator("img").evaluate("image => image.naturalWidth") > 0
    meter = first(page).get_by_role("meter", name="Score, read by the reranker")
    assert 0 < float(meter.get_attribute("aria-valuenow") or 0) <= 1
    expect(page).to_have_url(re.compile(re.escape("q=a+fish+on+a+yellow+background")))
    heard = page.evaluate("window.heard")
    read = [text for text in heard if re.fullmatch(r"Reading the best closely: \d+ of \d+", text)]
    assert read
    assert heard.index("Searching") < heard.index(read[0])
    assert re.fullmatch(r"\d+ results? in .* s", heard[-1])
    expect(page.locator("#reading")).to_be_hidden()
    (early, unread, none), (last, ids, bars) = page.evaluate("window.stages")
    assert (early, last) == ("first", "final")
    assert unread and none == 0  # the order of the vectors, with grey bars
    assert ids and bars == len(ids)  # what stays has been read


def test_a_dropped_picture_finds_its_like(visit: Visit) -> None:
    page = visit()
    drop(page, "fish.png", FISH.read_bytes())
    expect(first(page)).to_contain_text("p004.png")
    expect(page.locator("#drop")).to_be_hidden()
    expect(page.locator("#chips img")).to_be_visible()
    page.reload()
    expect(first(page)).to_contain_text("p004.png")
    page.get_by_role("button", name="Remove the picture").click()
    expect(page.locator("body")).to_have_attribute("data-view", "start")
    page.go_back()
    expect(page.locator("#chips img")).to_be_visible()


def test_a_pasted_picture_with_words(visit: Visit) -> None:
    page = visit("/?q=a+fish&rerank=0", permissions=["clipboard-read", "clipboard-write"])
    expect(first(page)).to_be_visible()
    page.evaluate(COPY, [base64.b64encode(FISH.read_bytes()).decode(), ""])
    page.get_by_label("What to look for").focus()
    with page.expect_request("**/v1/search") as sent:
        page.keyboard.press("ControlOrMeta+V")
    query = sent.value.post_data_json["query"]
    assert query["text"] == "a fish"
    assert query["image"].startswith("data:image/png;base64,")
    expect(first(page)).to_contain_text("p004.png")


def test_words_that_were_copied_with_a_picture_of_themselves_are_words(visit: Visit) -> None:
    page = visit("/", permissions=["clipboard-read", "clipboard-write"])
    page.evaluate(COPY, [base64.b64encode(FISH.read_bytes()).decode(), "quarterly report"])
    page.get_by_label("What to look for").focus()
    page.keyboard.press("ControlOrMeta+V")
    expect(page.get_by_label("What to look for")).to_have_value("quarterly report")
    expect(page.locator(".chip")).to_have_count(0)


def test_what_is_no_picture_is_refused_in_words(visit: Visit, troubles: list[str]) -> None:
    page = visit()
    drop(page, "n001.txt", b"words")
    expect(page.get_by_role("alert").first).to_contain_text("Only a picture can be searched with")
    drop(page, "broken.png", b"no picture")
    expect(page.get_by_role("heading", name="This search failed")).to_be_visible()
    expect(page.get_by_role("alert").first).to_contain_text("not a picture of a known format")
    forgive(page, troubles, "400")


def test_filters_stand_in_the_address_and_the_back_button_takes_them_away(visit: Visit) -> None:
    page = visit("/?q=a+lollipop+that+moves+down&all=1&rerank=0")
    kinds = page.locator(f"{FINAL} .hit")
    expect(kinds.first).to_be_visible()
    page.get_by_role("button", name="Videos").click()
    expect(page.get_by_role("button", name="Videos")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(f"{FINAL} .hit:not([data-kind=video])")).to_have_count(0)
    expect(first(page)).to_have_attribute("data-kind", "video")
    expect(page).to_have_url(re.compile("kinds=video"))
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("Path").fill("v003")
    page.keyboard.press("Enter")
    expect(kinds).to_have_count(1)
    expect(first(page)).to_contain_text("v003.mp4")
    page.get_by_role("button", name="Remove the filter: Path v003").press("Enter")
    expect(kinds.nth(1)).to_be_visible()
    expect(page.get_by_role("button", name="Filters 1")).to_be_focused()  # no second reading
    page.go_back()
    page.go_back()
    expect(page.get_by_role("button", name="Videos")).to_have_attribute("aria-pressed", "true")
    expect(kinds.nth(1)).to_be_visible()
    page.go_back()
    expect(page.get_by_role("button", name="Videos")).to_have_attribute("aria-pressed", "false")


def test_a_number_of_results_that_the_panel_does_not_offer_is_kept(visit: Visit) -> None:
    page = visit("/?q=a+fish&all=1&rerank=0&top=3")
    expect(page.locator(f"{FINAL} .hit")).to_have_count(3)
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("Path").fill("pictures")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Remove the filter: Path pictures")).to_be_visible()
    expect(page).to_have_url(re.compile("path=pictures"))
    expect(page).to_have_url(re.compile("top=3"))
    expect(page.locator(f"{FINAL} .hit")).to_have_count(3)


def test_the_back_button_goes_to_what_was_asked_before(visit: Visit) -> None:
    page = visit("/?rerank=0")
    ask(page, "an octopus")
    expect(first(page)).to_contain_text("p001.png")
    ask(page, "a fish on a yellow background")
    expect(first(page)).to_contain_text("p004.png")
    page.go_back()
    expect(page.get_by_label("What to look for")).to_have_value("an octopus")
    expect(first(page)).to_contain_text("p001.png")
    page.go_back()
    expect(page.locator("body")).to_have_attribute("data-view", "start")
    expect(page.locator(".hit")).to_have_count(0)


def test_more_like_it_and_less_like_it(visit: Visit) -> None:
    page = visit("/?q=a+fish+on+a+yellow+background&all=1&rerank=0")
    expect(first(page)).to_contain_text("p004.png")
    page.get_by_role("button", name="Less like p004.png").click()
    expect(page.locator("#chips")).to_contain_text("Not like p004.png")
    assert names(page)[0] != "p004.png"
    page.get_by_role("button", name="Remove the example: Not like p004.png").click()
    expect(first(page)).to_contain_text("p004.png")
    page.get_by_role("button", name="More like p004.png").click()
    expect(page.locator("#chips")).to_contain_text("Like p004.png")
    expect(page.locator(f"{FINAL} .hit").first).to_be_visible()
    assert "p004.png" not in names(page)
    expect(page).to_have_url(re.compile("[?&]like="))


def test_an_example_of_what_is_not_sought_is_not_enough(visit: Visit, served: Served) -> None:
    hit = next(hit for hit in served.hits("a letter", 20) if hit["kind"] == "text")  # of which there is no picture
    page = visit(f"/#{hit['id']}")
    page.get_by_role("button", name="Less like this").click()
    expect(page.get_by_role("alert").first).to_contain_text("Add words or a picture")
    expect(page.locator("#chips")).to_contain_text(f"Not like {hit['name']}")
    ask(page, "a fish")
    expect(first(page)).to_be_visible()
    expect(page.get_by_role("alert").first).to_be_empty()


def test_nothing_relevant_is_an_answer_and_the_nearest_are_shown_on_request(visit: Visit) -> None:
    page = visit("/?q=a+fish&kinds=text")  # the judge of these tests thinks little of texts
    expect(page.get_by_role("heading", name="Nothing relevant here")).to_be_visible()
    expect(page.locator(".hit")).to_have_count(0)
    page.get_by_role("button", name="Show the nearest").click()
    expect(first(page)).to_be_visible()
    expect(page.locator("#message")).to_contain_text("The nearest there is")


def test_words_of_files_are_words(visit: Visit) -> None:
    page = visit("/?q=zyzzyva&kinds=text&all=1&words=1")
    hit = page.locator(f"{FINAL} .hit", has_text=NAMED)
    expect(hit).to_contain_text(MARKUP)
    assert page.locator(".hit b, .hit [src=x]").count() == 0
    hit.locator(".open").click()
    expect(page.locator("#viewer .passage")).to_contain_text(f"{MARKUP} zyzzyva")


def test_a_server_that_does_not_answer_and_does_again(visit: Visit, troubles: list[str]) -> None:
    page = visit()
    page.route("**/v1/search", lambda route: route.abort("internetdisconnected"))
    ask(page, "an octopus")
    expect(page.get_by_role("alert").first).to_contain_text("The server does not answer")
    page.unroute("**/v1/search")
    page.get_by_role("button", name="Try again").click()
    expect(first(page)).to_contain_text("p001.png")
    forgive(page, troubles, "ERR_INTERNET_DISCONNECTED")


def test_the_keyboard_alone_is_enough(visit: Visit) -> None:
    page = visit("/?q=a+fish&all=1")
    expect(page.locator(f"{FINAL} .hit").nth(5)).to_be_visible()
    page.locator("body").click(position={"x": 5, "y": 400})
    page.keyboard.press("/")
    expect(page.get_by_label("What to look for")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".hit .open").nth(0)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".hit .open").nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    columns = page.evaluate(
        "() => { const all = [...document.querySelectorAll('.hit')];"
        " return all.filter((one) => one.offsetTop === all[0].offsetTop).length; }"
    )
    expect(page.locator(".hit .open").nth(1 + columns)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#viewer")).to_be_visible()
    shown = page.locator("#viewer-name").inner_text()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#viewer .at")).to_contain_text(f"{columns + 3} of")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#viewer-name")).to_have_text(shown, use_inner_text=True)
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#viewer .at")).to_contain_text(f"{columns + 1} of")
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator(".hit .open").nth(columns)).to_be_focused()  # not the one that was opened


def test_nothing_jumps_while_hits_come(visit: Visit, served: Served) -> None:
    page = visit("/?q=a+snake&all=1")
    expect(first(page).locator("img.there")).to_be_visible()
    assert page.evaluate("window.shifted()") < 0.05
