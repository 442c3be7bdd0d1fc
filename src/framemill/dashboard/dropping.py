"""A place to drop files at: each is uploaded past this process, and becomes a job."""

import asyncio
import json
from pathlib import PurePath
from typing import Any

from nicegui import events, ui

from framemill.dashboard.frame import script
from framemill.dashboard.links import new_upload, upload_link
from framemill.dashboard.parts import DashboardParts
from framemill.errors import FramemillError
from framemill.jobs.presets import DEFAULT_PRESET, PRESETS
from framemill.services.callers import Caller
from framemill.services.inputs import InputRequest
from framemill.services.parts import OutputRequest
from framemill.services.submission import JobRequest

_STREAM = "stream"
"""Stands for the usual preset of a package, which plays while it is still encoded."""


def drop_zone(parts: DashboardParts, caller: Caller) -> None:
    """Make it; the browser's part is in `assets/dropping.js`."""
    script("dropping.js")
    with ui.element("div").classes("fm-drop").props('id="fm-drop"'):
        ui.html(
            '<label>Drop films here, or <span class="fm-link">choose</span><input type="file" multiple hidden></label>'
            '<ul id="fm-uploads"></ul>',
            sanitize=False,
        )
        choices = {_STREAM: "to watch (HLS)", **{name: name for name in PRESETS}}
        preset = ui.select(choices, value=_STREAM, label="Preset")
        preset.props("dense outlined options-dense").classes("fm-preset")

    async def wanted(told: events.GenericEventArguments) -> None:
        """The browser has a file, and asks where to put it."""
        name, size = str(told.args["name"]), int(told.args["size"])
        try:
            kind = str(told.args.get("type") or "") or None
            upload_id, token = await asyncio.to_thread(new_upload, parts, caller, name, size, kind)
        except FramemillError as error:
            _failed(told.args["key"], error)
            return
        ui.run_javascript(f"fmSend({_js(told.args['key'])}, {_js(upload_id)}, {_js(upload_link(token))})")

    async def sent(told: events.GenericEventArguments) -> None:
        """Its bytes are all there."""
        upload_id, name = str(told.args["upload"]), str(told.args["name"])
        try:
            job = await asyncio.to_thread(_submitted, parts, caller, upload_id, name, str(preset.value))
        except FramemillError as error:
            _failed(told.args["key"], error)
            return
        ui.navigate.to(f"/jobs/{job}")

    ui.on("fm_wanted", wanted)
    ui.on("fm_sent", sent)


def _submitted(parts: DashboardParts, caller: Caller, upload_id: str, name: str, preset: str) -> str:
    output = output_for(name, preset)
    request = JobRequest(inputs=(InputRequest(upload_id=upload_id),), outputs=(output,))
    return parts.jobs(caller).submit(request).id


def output_for(name: str, preset: str) -> OutputRequest:
    """What becomes of a file of that name: a package under its stem, or a file."""
    chosen = DEFAULT_PRESET["package"] if preset == _STREAM else preset
    stem = PurePath(name).stem or "film"
    container = PRESETS[chosen].output.container
    return OutputRequest(preset=chosen, name=stem if container == "package" else f"{stem}.{container}")


def _failed(key: Any, error: FramemillError) -> None:
    ui.run_javascript(f"fmFailed({_js(key)}, {_js(error.message)})")


def _js(value: Any) -> str:
    """The value as a literal of JavaScript, whatever is in it."""
    return json.dumps(str(value))
