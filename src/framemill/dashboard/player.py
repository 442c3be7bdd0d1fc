"""Plays what comes out; a package from its first segment on, while the rest is still encoded."""

import json
from dataclasses import dataclass, field

from nicegui import ui
from nicegui.element import Element

from framemill.dashboard.frame import script
from framemill.dashboard.links import output_link
from framemill.dashboard.parts import DashboardParts
from framemill.jobs.model import Output
from framemill.jobs.states import DeliveryState, JobState
from framemill.services.charting import Chart

PLAYLIST = "master.m3u8"


@dataclass(slots=True)
class Player:
    """The video on a job's page; it is there once there is something to play."""

    parts: DashboardParts
    _place: Element = field(init=False)
    _plays: str = ""

    def __post_init__(self) -> None:
        script("hls.js/hls.min.js")
        script("player.js")
        with ui.element("section").classes("fm-section fm-player") as self._place:
            ui.html('<h2>Player</h2><video id="fm-video" controls playsinline muted></video>', sanitize=False)
        self._place.set_visibility(False)

    def follow(self, chart: Chart) -> None:
        """Begin to play as soon as there is something; what plays already goes on."""
        found = playable(chart)
        if found is None or self._plays:
            return
        output, path = found
        self._plays = path
        self._place.set_visibility(True)
        link = output_link(self.parts, output.id, path)
        ui.run_javascript(f"fmPlay({json.dumps(link)})")


_PLAYED = (".mp4", ".webm", ".mov")


def playable(chart: Chart) -> tuple[Output, str] | None:
    """An output that can be played now, and which of its files; packages first, since they can be soonest."""
    begun = {event.data.get("output_id") for event in chart.events if event.kind == "playable"}
    here = (
        {(row.output_id, row.path) for row in chart.shown.deliveries if row.state is DeliveryState.COMPLETED}
        if chart.shown.job.state is JobState.COMPLETED
        else set()
    )
    for output in sorted(chart.shown.outputs, key=lambda one: one.settings.container != "package"):
        if output.settings.grows:
            if output.id in begun or (output.id, PLAYLIST) in here:
                return output, PLAYLIST
            continue
        files = [path for output_id, path in here if output_id == output.id and path.endswith(_PLAYED)]
        whole = [path for path in files if "/" not in path]  # of a package without a playlist: its MP4
        if whole:
            return output, min(whole)
    return None
