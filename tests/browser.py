"""A real browser for the tests, and what it complains of."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")

expect.set_options(timeout=60_000)  # a page that is not there within Playwright's 5 s may be on a busy machine


def browser_path() -> str:
    """The browser of this machine; the test is skipped where there is none."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"there is no browser here: none of {', '.join(_NAMES)} is on the PATH")
    return found


@dataclass
class Watched:
    """A page, and everything about it that should not be."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    """Every host that something was asked of."""

    def __post_init__(self) -> None:
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._asked(request.url))

    def _said(self, message: object) -> None:
        kind, text = getattr(message, "type", ""), getattr(message, "text", "")
        if kind in {"error", "warning"}:
            self.complaints.append(f"{kind}: {text}")

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"data", "blob"}:
            self.hosts.add(parts.netloc)


@contextlib.contextmanager
def browsing(*, dark: bool = False, width: int = 1280) -> Iterator[Watched]:
    """A browser with one page, which forgets everything in the end."""
    with sync_playwright() as playwright:
        # Whoever runs tests as root has no user namespaces to give it; H.264 plays in Debian's build.
        browser = playwright.chromium.launch(
            executable_path=browser_path(), args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
        )
        try:
            yield Watched(context.new_page())
        finally:
            context.close()
            browser.close()
