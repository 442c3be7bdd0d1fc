"""The application: parts in, ASGI out. One in a process, since NiceGUI keeps its pages in one place."""

from pathlib import Path

from fastapi import FastAPI
from nicegui import app as pages
from nicegui import ui

from framemill.dashboard import job_page, jobs_page
from framemill.dashboard.door import Door
from framemill.dashboard.parts import DashboardParts

ASSETS = Path(__file__).with_name("assets")


def create_dashboard(parts: DashboardParts) -> FastAPI:
    """The dashboard over these parts, to be served under a prefix or at the root."""
    app = FastAPI(title="Framemill's dashboard", openapi_url=None, docs_url=None, redoc_url=None)
    pages.add_static_files("/assets", ASSETS, max_cache_age=3600)
    jobs_page.install(parts)
    job_page.install(parts)
    ui.run_with(
        app,
        mount_path="/",
        title="Framemill",
        dark=None,
        tailwind=False,
        show_welcome_message=False,
        binding_refresh_interval=None,  # nothing is bound, so there is nothing to look at ten times a second
    )
    app.add_middleware(Door, visitors=parts.visitors)
    return app
