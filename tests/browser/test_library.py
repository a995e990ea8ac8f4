"""The panel of the library: what it holds, how indexing goes, what failed; files that are added; keys."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anyseek.server import add_key
from tests.browser.conftest import FINAL, SAMPLES, Served, Visit, ask, drop, forgive, serving, until

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is missing: make browser-test")
expect: Any = sync_api.expect
expect.set_options(timeout=60_000)

NEW = 8
"""Files that are new."""


@pytest.fixture(scope="module")
def locked(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """The address of a server with keys and an empty library, and a key of each role."""
    place = tmp_path_factory.mktemp("locked")
    keys = {role: add_key(place / "keys.json", role, role) for role in ("read", "write")}  # type: ignore[arg-type]
    with serving(place / "log", "--library", place / "library", "--keys", place / "keys.json") as url:
        yield url, keys


def test_the_panel_tells_what_there_is_and_what_failed(visit: Visit, served: Served) -> None:
    told = served.ask("/v1/library")
    page = visit()
    page.get_by_role("button", name=re.compile("^Library: .* files, 1 failed")).click()
    panel = page.get_by_role("dialog", name="Library")
    for kind in ("image", "page", "text", "video"):
        assert str(told["things"][kind]) in panel.locator(".tiles").inner_text()
    failed = panel.locator(".failures li")
    expect(failed).to_have_count(1)
    expect(failed).to_contain_text("pictures/broken.png")
    expect(failed).to_contain_text("truncated or corrupt")
    assert str(served.folder) not in failed.inner_text()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()


def test_what_is_new_is_found_after_an_update(visit: Visit, served: Served) -> None:
    files = served.ask("/v1/library")["files"]
    new = [served.folder / "notes" / f"new{number}.txt" for number in range(NEW)]
    for number, file in enumerate(new):
        file.write_text(f"Gefunden in Lima: xylograph {number}.", encoding="utf-8")
    page = visit()
    panel = page.get_by_role("dialog", name="Library")
    try:
        page.get_by_role("button", name=re.compile("^Library")).click()
        panel.get_by_role("button", name="Update now").click()
        expect(page.locator("#status")).to_have_text(re.compile(f"^{files + NEW} files"))
        expect(panel).to_contain_text("Up to date")
        page.keyboard.press("Escape")
        page.goto("/?q=xylograph+7&kinds=text&all=1&words=1")
        expect(page.locator(f"{FINAL} .hit", has_text="new7.txt")).to_contain_text("xylograph 7")
    finally:
        for file in new:
            file.unlink()
        served.update()


def test_how_far_a_run_is_is_told_until_its_end(visit: Visit, served: Served) -> None:
    library = served.ask("/v1/library")
    files = {"files_total": 24, "seconds_left": 40, "current": "notes/n001.txt"}
    looks = [library | {"job": library["job"] | {"state": "running", "files_done": done} | files} for done in (0, 16)]
    page = visit("about:blank")
    page.route("**/v1/library", lambda route: route.fulfill(json=looks[0] if looks else library))
    page.goto("/")
    page.get_by_role("button", name=re.compile("^Library: indexing, 0 %")).click()
    panel = page.get_by_role("dialog", name="Library")
    expect(panel.locator(".progress")).to_contain_text("0 of 24 files, about 40 seconds left")
    looks.pop(0)
    expect(panel.locator(".progress")).to_contain_text("16 of 24 files, about 40 seconds left")
    expect(panel.get_by_role("progressbar")).to_have_js_property("value", 16 / 24)
    looks.clear()
    expect(panel).to_contain_text("Up to date")


def test_what_is_refused_and_what_failed_is_told(visit: Visit, served: Served, troubles: list[str]) -> None:
    half = served.folder / "pictures" / "half.png"
    page = visit()
    page.get_by_role("button", name=re.compile("^Library")).click()
    panel = page.get_by_role("dialog", name="Library")
    failed = panel.locator(".failures li")
    expect(failed).to_have_count(1)
    half.write_bytes((SAMPLES / "pictures" / "p004.png").read_bytes()[:2000])
    page.route("**/v1/library/index", lambda route: route.fulfill(status=409, json={"error": {"message": "not now"}}))
    for _ in range(2):
        panel.get_by_role("button", name="Update now").click()
        expect(panel.get_by_role("alert")).to_have_text("not now")  # once
    forgive(page, troubles, "409", times=2)
    page.unroute("**/v1/library/index")
    try:
        panel.get_by_role("button", name="Update now").click()
        expect(failed).to_have_count(2)
        expect(failed.first).to_contain_text("pictures/broken.png")
        expect(failed.last).to_contain_text("pictures/half.png")
    finally:
        half.unlink()
    panel.get_by_role("button", name="Try them again").click()
    expect(failed).to_have_count(1)
    expect(panel.locator(".failures h3")).to_have_text("1 file failed")


def test_what_is_pressed_is_not_replaced_meanwhile(visit: Visit, served: Served) -> None:
    library = served.ask("/v1/library")
    library["job"] |= {"state": "running"}
    looks: list[Any] = []

    def running(route: Any) -> None:
        looks.append(route)
        route.fulfill(json=library)

    page = visit("about:blank")
    page.route("**/v1/library", running)
    page.route("**/v1/library/index", lambda route: route.fulfill(json=None))
    page.goto("/")
    page.get_by_role("button", name=re.compile("^Library")).click()
    page.get_by_role("button", name="Stop").hover()
    page.mouse.down()
    seen = len(looks)
    while len(looks) < seen + 3:
        page.wait_for_event("response")
    with page.expect_request(lambda request: request.method == "DELETE"):
        page.mouse.up()


def test_a_folder_is_not_sent_as_a_file(visit: Visit, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    page = visit()
    page.get_by_role("button", name=re.compile("^Library")).click()
    zone = page.locator("#library .zone").bounding_box()
    assert zone
    cdp = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(tmp_path / "letters")], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        at = {"x": zone["x"] + 20, "y": zone["y"] + 20}
        cdp.send("Input.dispatchDragEvent", {"type": kind, **at, "data": data})
    expect(page.locator("#library .reasons .wrong")).to_contain_text("This is a folder, or cannot be read")


def test_a_locked_library_asks_for_a_key_and_an_empty_one_says_how_to_begin(
    visit: Visit, locked: tuple[str, dict[str, str]], troubles: list[str]
) -> None:
    url, keys = locked
    page = visit(url=url)
    dialog = page.get_by_role("dialog", name="This library is locked")
    dialog.get_by_label("Key").fill("ключ")
    dialog.get_by_role("button", name="Open").click()
    expect(dialog.get_by_role("alert")).to_have_text("This key is not known here.")
    assert not troubles  # no header takes such a key, and none was sent
    dialog.get_by_label("Key").fill("wrong")
    with page.expect_response(lambda answer: answer.status == 401):
        dialog.get_by_role("button", name="Open").click()
    expect(dialog.get_by_role("alert")).to_have_text("This key is not known here.")
    forgive(page, troubles, "401")
    dialog.get_by_label("Key").fill(keys["write"])
    dialog.get_by_role("button", name="Open").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("heading", name="This library is empty")).to_be_visible()
    expect(page.locator("#start")).to_contain_text("anyseek serve ~/Pictures")
    ask(page, "a fish")
    expect(page.locator("#notice")).to_contain_text("This library is empty")
    assert keys["write"] not in str(
        page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])")
    )


def test_files_are_added_by_dropping_them_and_those_that_cannot_be_read_are_told(
    visit: Visit, locked: tuple[str, dict[str, str]], troubles: list[str]
) -> None:
    url, keys = locked
    page = visit(url=url)
    unlock(page, keys["write"])
    page.get_by_role("button", name="Add files").click()
    panel = page.get_by_role("dialog", name="Library")
    expect(panel).to_be_visible()
    picture = SAMPLES / "pictures" / "p001.png"
    drop(page, "snake.jpg", picture.read_bytes(), over="#library", zone="add")
    expect(panel.locator(".reasons .well")).to_contain_text("added as snake.jpg")
    drop(page, "half.jpg", picture.read_bytes()[:2000], over="#library", zone="add")
    expect(panel.locator(".reasons .wrong")).to_contain_text("truncated or corrupt")
    forgive(page, troubles, "400")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name=re.compile("^Library"))).to_be_focused()  # "Add files" has gone
    ask(page, "an octopus")
    hit = page.locator(f"{FINAL} .hit").first
    expect(hit).to_contain_text("snake.jpg")
    expect(hit.locator("img.there")).to_be_visible()  # by the cookie of the session
    assert hit.locator("img").evaluate("image => image.naturalWidth") > 0


def test_a_session_that_ended_is_begun_again_where_one_was(
    visit: Visit, locked: tuple[str, dict[str, str]], troubles: list[str]
) -> None:
    url, keys = locked
    page = visit(url=url)
    unlock(page, keys["write"])
    page.get_by_role("button", name=re.compile("^Library")).click()
    drop(page, "fish.png", (SAMPLES / "pictures" / "p004.png").read_bytes(), over="#library", zone="add")
    expect(page.locator("#library .reasons .well")).to_contain_text("added as fish")
    page.keyboard.press("Escape")
    page.context.clear_cookies()
    dialog = page.get_by_role("dialog", name="This library is locked")
    ask(page, "a fish")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#notice")).to_contain_text("This library is locked. Give a key.")
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Try again").click()
    page.route("**/thumbnail", lambda route: route.fulfill(status=401))
    unlock(page, keys["write"])
    hit = page.locator(f"{FINAL} .hit").first
    expect(hit.locator(".face > .icon")).to_be_visible()
    page.unroute("**/thumbnail")
    page.context.clear_cookies()
    hit.locator(".open").click()
    unlock(page, keys["write"])
    picture = page.locator("#viewer .stage img")
    expect(picture).not_to_have_class("coming")
    until(lambda: picture.evaluate("image => image.naturalWidth") > 0)
    expect(hit.locator("img.there")).to_be_attached()
    assert troubles
    troubles.clear()  # how many pictures were refused is the browser's matter


def test_who_may_only_read_is_offered_nothing_else(visit: Visit, locked: tuple[str, dict[str, str]]) -> None:
    url, keys = locked
    page = visit(url=url)
    unlock(page, keys["read"])
    page.get_by_role("button", name=re.compile("^Library")).click()
    panel = page.get_by_role("dialog", name="Library")
    expect(panel.get_by_role("heading", name="How it is searched")).to_be_visible()
    for name in ("Update now", "Choose files"):
        expect(panel.get_by_role("button", name=name)).to_have_count(0)
    panel.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("dialog", name="This library is locked")).to_be_visible()


def test_no_text_ever_becomes_markup() -> None:
    """The ways to make markup of text are not used at all."""
    folder = Path(__file__).parents[2] / "src" / "anyseek" / "server" / "page"
    ways = re.compile(
        r"(inner|outer|Adjacent|set)HTML|document\.write|\beval\(|new Function|ContextualFragment|DOMParser"
    )
    scripts = list(folder.glob("*.js"))
    assert len(scripts) > 5
    assert not [script.name for script in scripts if ways.search(script.read_text(encoding="utf-8"))]


def unlock(page: Any, key: str) -> None:
    """Give a key."""
    dialog = page.get_by_role("dialog", name="This library is locked")
    dialog.get_by_label("Key").fill(key)
    dialog.get_by_role("button", name="Open").click()
    expect(dialog).to_be_hidden()
