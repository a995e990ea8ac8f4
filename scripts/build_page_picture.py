"""Writes `docs/search.png`: what the page shows for a search in the bundled samples, in Chromium (`make browser-test`).

The samples are indexed into a temporary library and served on a free port; nothing else is touched.
"""

import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.conftest import FINAL, FOLDERS, SAMPLES, is_indexed, serving, until

PICTURE = Path(__file__).parents[1] / "docs" / "search.png"
QUERY = "a fish on a yellow background"
MOST_BYTES = 400_000


def main() -> None:
    """Make the picture."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "samples")
        for name in FOLDERS:
            shutil.copytree(SAMPLES / name, folder / name)
        with serving(Path(place, "log"), folder, "--library", Path(place, "library"), "--no-keys") as url:
            until(lambda: is_indexed(url))
            take(url)
    size = PICTURE.stat().st_size
    if size > MOST_BYTES:
        raise SystemExit(f"{PICTURE} has {size:,} bytes; make the window smaller")


def take(url: str) -> None:
    """Search, and write down what is seen when all pictures are there."""
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1180, "height": 800}, reduced_motion="reduce")
        for _ in range(2):  # the second time as it is on a server that is in use
            page.goto(f"{url}/?q={QUERY.replace(' ', '+')}")
            page.locator(f"{FINAL} .hit").first.wait_for()
        for image in page.locator(".hit img").all()[:8]:
            image.and_(page.locator(".there")).wait_for()
        page.locator("body").click(position={"x": 5, "y": 400})
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
