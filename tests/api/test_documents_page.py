"""The page that shows the API, in a real browser: all of it, without a complaint, and from this farm alone."""

import hashlib
from pathlib import Path
from urllib.parse import urlsplit

from browser import browsing
from front_door import FrontDoor, served
from playwright.sync_api import expect

import framemill.api
from framemill.store.database import Database

ASSETS = Path(framemill.api.__file__).parent / "assets" / "swagger-ui"


def test_the_viewer_is_what_its_makers_have_published() -> None:
    sums = [line.split(maxsplit=1) for line in (ASSETS / "SHA256SUMS").read_text().splitlines()]
    named = {name: digest for digest, name in sums}
    assert {name: hashlib.sha256((ASSETS / name).read_bytes()).hexdigest() for name in named} == named
    assert {"LICENSE", "NOTICE", "swagger-ui-bundle.js", "swagger-ui.css"} <= set(named)


def test_the_page_shows_the_whole_api_and_asks_nobody_else(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'farm.db'}")
    database.create()
    with served(FrontDoor(database)) as url, browsing() as watched:
        for base in ("/v1", "/framemill/v1"):
            watched.page.goto(f"{url}{base}/docs")
            watched.page.wait_for_selector("#operations-jobs-submit_v1_jobs_post", timeout=60_000)
            expect(watched.page.locator(".opblock").nth(60)).to_be_attached()
        watched.page.locator("#operations-jobs-submit_v1_jobs_post .opblock-summary-control").click()
        watched.page.wait_for_selector("text=h264-720p", timeout=60_000)
        assert watched.complaints == []
        assert watched.hosts == {urlsplit(url).netloc}
    database.close()
