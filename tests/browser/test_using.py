"""Fingers, keys and eyes: a double click, keys that write, low and narrow screens, filters, few colours."""

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import FINAL, SAMPLES, Play, Served, Visit, ask, drop, forgive, stage, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is missing: make browser-test")
expect: Any = sync_api.expect
expect.set_options(timeout=60_000)

QUICK = "/?q=a+fish&all=1&rerank=0"
COMPOSED = """
([place, key]) => {
  const how = { key, isComposing: true, bubbles: true, cancelable: true };
  return document.querySelector(place).dispatchEvent(new KeyboardEvent("keydown", how));
}
"""
SLOW = """
window.read = 0;
const [decode, read] = [createImageBitmap, FileReader.prototype.readAsDataURL];
window.createImageBitmap = async (file) => {
  if (file.name === "slow.png") await new Promise((done) => (window.release = done));
  return decode(file);
};
FileReader.prototype.readAsDataURL = function (blob) {
  this.addEventListener("loadend", () => setTimeout(() => (window.read += 1)));
  read.call(this, blob);
};
"""
"""One picture waits to be read until it is let go; how many were read by now."""
COVERED = """
(hit) => {
  const { left, top, width } = hit.getBoundingClientRect();
  return top < 0 || !hit.contains(document.elementFromPoint(left + width / 2, top + 12));
}
"""


def shown(page: "Page") -> Any:
    """The hits, once all are there."""
    hits = page.locator(f"{FINAL} .hit")
    expect(hits.first).to_be_visible()
    return hits


def test_a_double_click_closes_a_hit_and_nothing_more(visit: Visit) -> None:
    page = visit("/")
    ask(page, "a fish")
    shown(page)
    for _ in range(2):
        page.locator(".hit .open").first.click()
        page.get_by_role("button", name="Close").dblclick()
        expect(page.locator("#viewer")).to_be_hidden()
        expect(page.locator("dialog[open]")).to_have_count(0)
        expect(page.locator("body")).to_have_attribute("data-view", "results")


def test_keys_that_write_a_character_are_no_commands(visit: Visit) -> None:
    page = visit(QUICK)
    shown(page)
    box = page.get_by_label("What to look for")
    box.focus()
    for key in ("ArrowDown", "Escape"):
        assert page.evaluate(COMPOSED, ["#query", key])  # nothing was prevented
        expect(box).to_be_focused()


def test_words_that_are_written_while_the_page_begins_stay(visit: Visit) -> None:
    page = visit("about:blank")
    held: list[Any] = []
    page.route("**/v1/session", lambda route: held.append(route))
    page.goto(QUICK, wait_until="commit")
    box = page.get_by_label("What to look for")
    expect(box).to_have_value("a fish")
    box.fill("a cat")
    while not held:
        page.wait_for_event("request")
    held[0].continue_()
    shown(page)
    expect(box).to_have_value("a cat")


def test_the_later_of_two_pictures_counts(visit: Visit) -> None:
    page = visit("about:blank")
    page.add_init_script(SLOW)
    page.goto("/?rerank=0")
    pictures = SAMPLES / "pictures"
    drop(page, "slow.png", (pictures / "p004.png").read_bytes())
    expect(page.locator("#message")).to_have_text("Reading the picture")
    drop(page, "fast.png", (pictures / "p001.png").read_bytes())
    expect(page.locator(f"{FINAL} .hit").first).to_contain_text("p001.png")
    page.evaluate("window.release()")
    until(lambda: page.evaluate("window.read === 2"))
    expect(page.locator(f"{FINAL} .hit").first).to_contain_text("p001.png")


def test_a_picture_whose_kind_the_system_does_not_know_is_one(visit: Visit, troubles: list[str]) -> None:
    page = visit("/")
    drop(page, "photo.heic", b"of a phone")
    expect(page.get_by_role("heading", name="This search failed")).to_be_visible()  # it was read, and sent
    forgive(page, troubles, "400")


def test_the_focused_hit_is_not_under_the_head(visit: Visit) -> None:
    page = visit(QUICK, viewport={"width": 900, "height": 520})
    hits = shown(page)
    hits.first.locator(".open").focus()
    page.keyboard.press("End")
    expect(hits.last.locator(".open")).to_be_focused()
    for number in range(hits.count() - 2, -1, -1):
        page.keyboard.press("ArrowLeft")
        expect(hits.nth(number).locator(".open")).to_be_focused()
        assert not hits.nth(number).evaluate(COVERED), number
    page.set_viewport_size({"width": 700, "height": 300})
    expect(page.locator(".top")).to_have_css("position", "static")


def test_filters_fit_a_phone_and_tell_how_many_count(visit: Visit) -> None:
    page = visit(f"{QUICK}&path=pictures&larger=0.00001", viewport={"width": 360, "height": 740}, is_mobile=True)
    shown(page)
    toggle = page.get_by_role("button", name="Filters 3")  # and no second reading
    expect(toggle).to_be_in_viewport(ratio=1)
    expect(page.get_by_role("button", name="Remove the filter: Over 0.00001 MB")).to_be_in_viewport(ratio=1)
    toggle.click()
    expect(page.get_by_role("textbox", name="Path")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for field in page.locator(".panel input, .panel select, .panel button").all():
        box = field.bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= 360


def test_what_is_written_wrong_in_a_filter_stays_and_does_not_count(visit: Visit) -> None:
    page = visit(f"{QUICK}&pages=abc&words=abc&larger=-1&after=soon&top=0&kinds=song")
    shown(page)
    expect(page.locator(".active .chip")).to_have_count(0)
    page.get_by_role("button", name="Filters").click()
    pages = page.get_by_label("Pages")
    pages.fill("0")
    page.keyboard.press("Enter")
    page.get_by_label("Changed since").fill("2025-03-01")
    page.get_by_label("Path").fill("pictures")
    page.keyboard.press("Enter")
    expect(page.locator(".active .chip")).to_have_text(["Path pictures", "Since 2025-03-01"])
    before = page.get_by_label("Changed before")
    before.fill("2025-02-01")
    before.blur()
    assert before.evaluate("field => field.validationMessage") == "This day must come after the other."
    expect(pages).to_have_value("0")
    expect(page).to_have_url(re.compile("after=2025-03-01"))
    expect(page).not_to_have_url(re.compile("pages=|before="))
    page.get_by_role("button", name="Clear filters").click()
    expect(page.locator(".active .chip")).to_have_count(0)
    for field in (pages, before):
        expect(field).to_have_value("")
    expect(page).not_to_have_url(re.compile("words=|after="))


def test_few_colours_still_show_what_is_pressed_and_read(visit: Visit) -> None:
    page = visit("/?q=a+fish&all=1&kinds=image", forced_colors="active")
    shown(page)
    look = "(one, part) => getComputedStyle(one, part).backgroundColor"
    pressed, other = (page.get_by_role("button", name=name).evaluate(look) for name in ("Pictures", "Videos"))
    assert pressed != other
    score = page.locator(".score.read").first
    assert score.evaluate(look, "::before") != score.evaluate(look)
    expect(score).to_have_css("border-top-width", "1px")


def test_a_search_that_the_server_gives_up_is_asked_again(visit: Visit, served: Served) -> None:
    hits = served.hits("a fish", 2)
    page = visit()
    gone = (
        "error",
        {"error": {"message": "the queue is full", "type": "server_error", "param": None, "code": "queue_full"}},
    )
    with Play([stage("first", hits), gone], [stage("final", hits)]).on(page):
        ask(page, "a fish")
        expect(page.locator(f"{FINAL} .hit")).to_have_count(2)
        expect(page.get_by_role("heading", name="This search failed")).to_have_count(0)
