"""A hit in full, at its page or its moment; narrow and dark screens; names for those who do not see."""

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import FINAL, WAIT, Served, Visit, forgive, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Frame, Page

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is missing: make browser-test")
expect: Any = sync_api.expect
expect.set_options(timeout=60_000)

PHONE = {"width": 390, "height": 844}
UNDER_A_FINGER = """
(button) => {
  const { left, top, width, height } = button.getBoundingClientRect();
  return button.contains(document.elementFromPoint(left + width / 2, top + height / 2));
}
"""
NAMED_ROLES = {"button", "link", "textbox", "searchbox", "checkbox", "combobox", "slider", "meter", "dialog", "image"}


def open_first(page: "Page") -> None:
    page.locator(f"{FINAL} .hit .open").first.click()
    expect(page.locator("#viewer")).to_be_visible()
    expect(page).to_have_url(re.compile("#"))


def test_a_film_plays_from_its_moment(visit: Visit) -> None:
    page = visit("/?q=a+lollipop+that+moves+down&path=film.mp4&all=1")
    with page.expect_response("**/content") as sent:
        open_first(page)
    assert sent.value.status == 206
    start = moment(page)
    assert start >= 12  # what is sought comes at 0:28
    film = page.locator("#viewer video")
    expect(film).to_have_js_property("paused", False)
    expect(film).to_have_js_property("seeking", False)
    assert start <= film.evaluate("film => film.currentTime") < start + 16


def test_where_things_keep_still_a_film_waits_at_its_moment(visit: Visit) -> None:
    page = visit("/?q=a+lollipop+that+moves+down&path=film.mp4&all=1", reduced_motion="reduce")
    open_first(page)
    film = page.locator("#viewer video")
    expect(film).to_have_js_property("currentTime", moment(page))
    expect(film).to_have_js_property("paused", True)


def test_another_moment_of_a_film_is_told_and_shown_and_played(visit: Visit) -> None:
    page = visit("/?q=a+lollipop+that+moves+down&path=film.mp4&all=1&rerank=0")
    open_first(page)
    film = page.locator("#viewer video")
    expect(film).to_have_js_property("paused", False)
    film.evaluate("film => film.pause()")
    address, link = page.url, page.get_by_role("link", name="Open the video")
    parts = page.locator("#viewer .parts button")
    other = parts.and_(page.locator("[aria-current=false]")).first.inner_text()
    parts.get_by_text(other, exact=True).click()
    expect(page.locator("#viewer-name small")).to_have_text(other)
    expect(parts.get_by_text(other, exact=True)).to_have_attribute("aria-current", "true")
    expect(page.locator("#viewer dl")).to_contain_text(other)
    expect(page).not_to_have_url(address)
    expect(link).to_have_attribute("href", re.compile(rf"#t={moment(page)}"))
    expect(film).to_have_js_property("paused", False)
    assert moment(page) <= film.evaluate("film => film.currentTime") < moment(page) + 16


def test_a_document_opens_at_its_page(visit: Visit) -> None:
    page = visit("/?q=a+letter+about+hot+peppers&kinds=page")
    expect(page.locator(f"{FINAL} .hit").first).to_contain_text("d012.pdf")
    open_first(page)
    picture = page.get_by_role("img", name="Page 3 of d012.pdf")
    expect(picture).not_to_have_class("coming")
    until(lambda: picture.evaluate("image => image.naturalHeight") >= 1000)
    link = page.get_by_role("link", name="Open the PDF at page 3")
    expect(link).to_have_attribute("href", re.compile(r"/content#page=3$"))
    answer = page.request.get(str(link.get_attribute("href")).split("#")[0])
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.body().startswith(b"%PDF")
    assert "sandbox" not in answer.headers["content-security-policy"]  # Chromium's own viewer would stay empty


def test_a_pdf_opens_at_its_page_in_the_viewer_of_the_browser(whole_browser: "Browser", served: Served) -> None:
    page = whole_browser.new_page()
    page.set_default_timeout(WAIT * 1000)
    page.goto(f"{served.url}/?q=a+letter+about+hot+peppers&kinds=page")
    open_first(page)
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Open the PDF at page 3").click()
    found: list[Frame] = []

    def shows_a_viewer() -> bool:
        opened.value.wait_for_timeout(50)
        found[:] = [frame for frame in opened.value.frames if frame.url.startswith("chrome-extension:")]
        return bool(found)

    until(shows_a_viewer)
    expect(found[0].locator("viewer-page-selector input")).to_have_value("3")
    expect(page.locator("#viewer")).to_be_visible()  # where one was


def test_the_back_button_closes_a_hit_and_its_address_opens_it(visit: Visit) -> None:
    page = visit("/?q=an+octopus")
    open_first(page)
    address = page.url
    page.go_back()
    expect(page.locator("#viewer")).to_be_hidden()
    page.goto("about:blank")
    page.goto(address)
    expect(page.locator("#viewer-name")).to_contain_text("p001.png")
    page.get_by_role("button", name="More like this").click()
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator("#chips")).to_contain_text("Like p001.png")


def test_an_address_that_is_sent_to_others_has_the_hits_beside_it(visit: Visit, served: Served) -> None:
    ids = [hit["id"] for hit in served.hits("a fish", 20)]
    page = visit(f"/?q=a+fish&all=1&rerank=0#{ids[2]}")
    expect(page.locator("#viewer .at")).to_have_text(f"3 of {len(ids)}")
    expect(page.locator("#viewer dl")).to_contain_text("Score")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#viewer .at")).to_have_text(f"4 of {len(ids)}")
    page.get_by_role("button", name="More like this").click()
    expect(page.locator(f"{FINAL} .hit").first).to_be_visible()
    page.go_back()
    expect(page.locator("#viewer .at")).to_have_text(f"4 of {len(ids)}")
    expect(page.locator("#viewer dl")).to_contain_text("Score")
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator(".hit .open").nth(3)).to_be_focused()


def test_a_button_that_goes_on_keeps_the_focus(visit: Visit) -> None:
    page = visit("/?q=a+fish&all=1&rerank=0&top=3")
    open_first(page)
    expect(page.get_by_role("button", name="Close")).to_be_focused()
    page.get_by_role("button", name="The next hit").focus()
    for at in ("2 of 3", "3 of 3", "3 of 3"):
        page.keyboard.press("Enter")
        expect(page.locator("#viewer .at")).to_have_text(at)
        expect(page.get_by_role("button", name="The next hit")).to_be_focused()
    page.keyboard.press("Shift+ArrowLeft")  # and other keys that come with one mean something to the browser
    expect(page.locator("#viewer .at")).to_have_text("3 of 3")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#viewer .at")).to_have_text("2 of 3")


def test_another_page_of_a_file_stands_where_its_hit_does(visit: Visit) -> None:
    page = visit("/?q=a+letter+about+hot+peppers&kinds=page&all=1&rerank=0")
    hit = page.locator(f"{FINAL} .hit", has_text="also page").first.locator(".open")
    hit.click()
    at = page.locator("#viewer .at").inner_text()
    parts = page.locator("#viewer .parts button")
    other = parts.and_(page.locator("[aria-current=false]")).first.inner_text()
    parts.get_by_text(other, exact=True).click()
    expect(page.locator("#viewer-name small")).to_have_text(other)
    expect(parts.get_by_text(other, exact=True)).to_have_attribute("aria-current", "true")
    expect(parts.get_by_text(other, exact=True)).to_be_focused()
    expect(page.locator("#viewer .at")).to_have_text(at)
    page.keyboard.press("Escape")
    expect(hit).to_be_focused()


def test_selecting_words_beyond_the_edge_closes_nothing(visit: Visit) -> None:
    page = visit("/?q=a+fish&all=1&rerank=0&top=3")
    open_first(page)
    path = page.locator("#viewer dd").nth(1).bounding_box()
    assert path
    page.mouse.move(path["x"] + 5, path["y"] + 5)
    page.mouse.down()
    page.mouse.move(1277, path["y"] + 5, steps=4)
    page.mouse.up()
    page.evaluate("new Promise(requestAnimationFrame)")
    expect(page.locator("#viewer")).to_be_visible()
    page.mouse.click(1277, path["y"])
    expect(page.locator("#viewer")).to_be_hidden()


def test_a_file_that_has_gone_is_told(visit: Visit, served: Served, troubles: list[str]) -> None:
    page = visit("/?q=a+paperclip+right+of+a+gold+medal&all=1")
    expect(page.locator(f"{FINAL} .hit").first).to_contain_text("p006.webp")
    file = served.folder / "pictures" / "p006.webp"
    away = file.rename(file.with_suffix(".away"))
    try:
        open_first(page)
        expect(page.locator("#viewer .cannot")).to_contain_text("has changed or gone")
    finally:
        away.rename(file)
    forgive(page, troubles, "410", times=3)


def test_a_phone_has_room_for_it(visit: Visit) -> None:
    page = visit("/", viewport=PHONE, has_touch=True, is_mobile=True)
    expect(page.locator(".calm")).to_be_visible()
    fits(page)
    page.get_by_label("What to look for").fill("a cat on a black background")
    page.get_by_role("button", name="Search", exact=True).tap()
    expect(page.locator(f"{FINAL} .hit").first).to_contain_text("p011.jpg")
    fits(page)
    page.locator(".hit .open").first.tap()
    expect(page.locator("#viewer")).to_be_visible()
    box = page.locator("#viewer").bounding_box()
    assert box and (box["width"], box["height"]) == (390, 844)
    fits(page)
    page.get_by_role("button", name="Close").tap()
    page.get_by_role("button", name="More like p011.jpg").tap()
    expect(page.locator("#chips")).to_contain_text("Like p011.jpg")
    expect(page.locator(f"{FINAL} .hit").first).to_be_visible()
    fits(page)
    for width in (PHONE["width"], 320):
        page.set_viewport_size(PHONE | {"width": width})
        assert page.locator("#ask").evaluate("button => button.offsetWidth") >= 40
        for button in page.locator("#box button").filter(visible=True).all():
            assert button.evaluate(UNDER_A_FINGER), (width, button.get_attribute("aria-label"))
    page.set_viewport_size(PHONE)
    page.get_by_role("button", name=re.compile("^Library")).tap()
    expect(page.get_by_role("heading", name="Library")).to_be_visible()
    fits(page)


def test_dark_is_dark(visit: Visit) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        page = visit("/", color_scheme=scheme)
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        colours[scheme] = sum(map(int, re.findall(r"\d+", colour)[:3]))
    assert colours["dark"] < 120 < 600 < colours["light"]


def test_everything_that_can_be_used_has_a_name(visit: Visit) -> None:
    page = visit("/?q=a+fish&all=1")
    expect(page.locator(f"{FINAL} .hit").first).to_be_visible()
    page.get_by_role("button", name="Filters").click()
    assert_named(page)
    open_first(page)
    assert_named(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name=re.compile("^Library")).click()
    expect(page.get_by_role("heading", name="Library")).to_be_visible()
    assert_named(page)


def test_the_page_asks_only_its_own_server_and_runs_only_its_own_files(visit: Visit, served: Served) -> None:
    asked: list[str] = []
    page = visit("about:blank")
    page.on("request", lambda request: asked.append(request.url))
    answer = page.goto("/?q=an+octopus")
    expect(page.locator(f"{FINAL} .hit").first).to_be_visible()
    assert answer
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    paths = {url.removeprefix(served.url).partition("?")[0] for url in asked}
    assert all(path == "/" or path.startswith(("/page/", "/v1/")) for path in paths), paths
    assert {"/v1/search", "/v1/library", "/v1/session"} <= paths


def moment(page: "Page") -> int:
    """Seconds at which the hit that is shown begins."""
    minutes, seconds = re.findall(r"\d+", page.locator("#viewer-name small").inner_text())[:2]
    return 60 * int(minutes) + int(seconds)


def fits(page: "Page") -> None:
    """Nothing is wider than the screen, and what can be pressed is large enough for a finger."""
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    small = page.evaluate(
        "[...document.querySelectorAll('button, a.open')].filter((one) => one.checkVisibility())"
        ".map((one) => one.getBoundingClientRect()).filter((box) => Math.min(box.width, box.height) < 28).length"
    )
    assert small == 0


def assert_named(page: "Page") -> None:
    """What a screen reader meets is named."""
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    met = [node for node in tree if not node.get("ignored") and node["role"]["value"] in NAMED_ROLES]
    assert len(met) > 3
    nameless = [node for node in met if not node.get("name", {}).get("value", "").strip()]
    assert not nameless, nameless
