"""What all pages have in common: the head with its links, the style sheet, and how a page is kept up to date."""

import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator

from nicegui import ui

from framemill.dashboard.links import prefix_of
from framemill.errors import FramemillError
from framemill.services.callers import Caller

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""How often a page that is looked at asks the store."""


@contextlib.contextmanager
def frame(title: str, caller: Caller) -> Iterator[None]:
    """The page around what is made inside."""
    ui.page_title(f"{title} · Framemill")
    ui.add_head_html(f'<link rel="stylesheet" href="{asset("style.css")}"><link rel="icon" href="data:,">')
    with ui.header(elevated=False).classes("fm-head"):
        ui.link("Framemill", "/").classes("fm-brand")
        ui.link("Jobs", "/")
        ui.space()
        ui.label(caller.actor if caller.admin else caller.account).classes("fm-who")
        ui.link("Log out", "/logout")
    with ui.column().classes("fm-page"):
        yield


def asset(name: str) -> str:
    """Where the browser finds one of our files, whatever prefix the page is served under."""
    return f"{prefix_of(ui.context.client.request)}/assets/{name}"


def script(name: str) -> None:
    """Have the page load one of our scripts."""
    ui.add_head_html(f'<script src="{asset(name)}" defer></script>')


def kept_up(look: Callable[[], Awaitable[None]], seconds: float = LOOK_SECONDS) -> None:
    """Look now and again, as long as the page is open. A look that fails is said once, and tried again."""
    failing = False

    async def once() -> None:
        nonlocal failing
        try:
            await look()
            failing = False
        except Exception as error:
            if not failing:
                log.exception("a page could not be brought up to date", extra={"action": "page_failed"})
                told = error.message if isinstance(error, FramemillError) else "The farm's store does not answer."
                ui.notify(told, type="negative")
            failing = True

    ui.timer(seconds, once)
