"""What comes of a search in pieces, late, or not at all: answers that a test plays, about things that are there."""

import re
from threading import Event
from typing import Any

import pytest

from tests.browser.conftest import BREAK, FINAL, Play, Served, Visit, ask, forgive, stage

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is missing: make browser-test")
expect: Any = sync_api.expect
expect.set_options(timeout=60_000)

FIRST = "#hits[data-stage=first][aria-busy=false]"


def test_hits_that_came_before_the_connection_broke_stay(visit: Visit, served: Served, troubles: list[str]) -> None:
    hits = served.hits("a fish", 3)
    page = visit()
    come, broken = stage("first", hits, reranked=False), Event()
    with Play([stage("final", hits)], [come, broken, BREAK], [BREAK], [stage("final", hits[:1])]).on(page):
        ask(page, "a cat")
        expect(page.locator(f"{FINAL} .hit")).to_have_count(3)
        ask(page, "a fish")
        expect(page.locator(f"{FIRST} .hit")).to_have_count(3)
        broken.set()
        expect(page.get_by_role("alert").first).to_contain_text("The answer ended too early. Ask again.")
        expect(page.locator(".hit .open")).to_have_count(3)
        page.get_by_role("button", name="Try again").click()
        expect(page.locator(".hit")).to_have_count(0)  # nothing came this time
        expect(page.get_by_role("alert").first).to_contain_text("The answer ended too early. Ask again.")
        page.get_by_role("button", name="Try again").click()
        expect(page.locator(f"{FINAL} .hit")).to_have_count(1)
        expect(page.get_by_role("heading", name="This search failed")).to_have_count(0)
    forgive(page, troubles, "ERR_INCOMPLETE_CHUNKED_ENCODING", times=2)


def test_a_busy_server_is_asked_again_after_as_long_as_it_says(
    visit: Visit, served: Served, troubles: list[str]
) -> None:
    hits = served.hits("a fish", 2)
    page = visit()
    with Play(2, [stage("final", hits)]).on(page) as play:
        ask(page, "a fish")
        expect(page.locator(f"{FINAL} .hit")).to_have_count(2)
        assert "The server is busy or still loading. Asking again in 2 s" in page.evaluate("window.heard")
        first, second = play.times
        assert second - first >= 2
    expect(page.locator("#message")).to_have_text(re.compile("2 results in"))
    forgive(page, troubles, "503")


def test_a_card_shows_the_passage_that_answers_what_is_asked_now(visit: Visit, served: Served) -> None:
    hit = served.hits("a fish", 1)[0] | {"kind": "text", "thumbnail": None}
    page = visit()
    lima, oslo = (stage("final", [hit], text=f"… about {place} …") for place in ("Lima", "Oslo"))
    with Play([lima], [oslo], [stage("final", [hit], name="copy.txt")]).on(page):
        ask(page, "Lima")
        expect(page.locator(".hit q")).to_have_text("… about Lima …")
        ask(page, "Oslo")
        expect(page.locator(".hit q")).to_have_text("… about Oslo …")
        ask(page, "a copy")
        expect(page.locator(".hit .name")).to_have_text("copy.txt")
        expect(page.get_by_role("button", name="More like copy.txt")).to_be_visible()


def test_a_hit_that_was_opened_early_learns_its_last_score_and_place(visit: Visit, served: Served) -> None:
    hits = served.hits("a snake", 4)
    page = visit()
    read = Event()
    come = stage("first", hits, score=0.21, reranked=False)
    final = stage("final", hits[::-1], score=0.87, probability=0.87, reranked=True)
    with Play([come, read, final]).on(page):
        ask(page, "a snake")
        page.locator(f"{FIRST} .open").first.click()
        viewer = page.locator("#viewer")
        expect(viewer.locator(".at")).to_have_text("1 of 4")
        expect(viewer.locator("dl")).to_contain_text("0.21")
        viewer.get_by_role("button", name="Less like this").focus()
        page.evaluate("document.querySelector('#viewer .stage').dataset.kept = 'yes'")
        read.set()
        expect(viewer.locator(".at")).to_have_text("4 of 4")
        expect(viewer.locator("dl")).to_contain_text("0.87")
        expect(viewer.locator(".stage")).to_have_attribute("data-kept", "yes")  # what plays there goes on
        expect(viewer.get_by_role("button", name="Less like this")).to_be_focused()
        page.keyboard.press("ArrowLeft")
        expect(viewer.locator("#viewer-name")).to_contain_text(hits[1]["name"])


def test_more_like_a_hit_from_far_down_begins_above(visit: Visit, served: Served) -> None:
    hits = served.hits("a fish", 20)
    page = visit()
    come = Event()
    with Play([stage("final", hits)], [come, stage("final", hits[:3])]).on(page):
        ask(page, "a fish")
        last = page.locator(f"{FINAL} .hit .open").nth(19)
        last.focus()
        expect(last).to_be_in_viewport()
        assert page.evaluate("scrollY") > 300
        page.keyboard.press("m")
        expect(page.locator("#chips")).to_contain_text(f"Like {hits[19]['name']}")
        assert page.evaluate("scrollY") == 0
        come.set()
        expect(page.locator(f"{FINAL} .hit")).to_have_count(3)
        expect(page.locator(".hit .open").first).to_be_focused()
