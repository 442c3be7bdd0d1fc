"""How a farm stands: its processes, as the system knows them, and what it says of itself."""

import contextlib
from typing import Any

import psutil

from framemill.api.paths import NATIVE_V1
from framemill.config import DataFolder
from framemill.serve import front
from framemill.serve.daemon import supervised
from framemill.serve.farmfile import FarmFile, read_farm
from framemill.serve.leftovers import is_known
from framemill.serve.processes import marked, members
from framemill.serve.roles import role_of

_ASK_SECONDS = 5.0
PROXY_IN_FRONT = (
    "Serve's Python proxy is in front, and holds bodies in memory: uploads and downloads of more than 64 MB at once "
    "are refused, and come in parts."
)


def status(folder: DataFolder, key: str | None) -> dict[str, Any]:
    """`state`, `url`, `processes`, and `slots`, `jobs`, `backlog_seconds` as the farm tells them.

    `state` is `down` where nothing runs, and `lost` where a farm runs that nobody watches: its supervisor was killed.
    What the farm does not tell is None, and `message` says why.
    """
    farm = supervised(folder)
    if farm is not None:
        return _standing(farm, farm.state, key, farm.doing)
    farm = read_farm(folder)
    if farm is not None and (is_known(farm) or marked(farm.farm_id)):
        why = "Its supervisor was killed: nobody watches it. `framemill up` ends it and starts anew."
        return _standing(farm, "lost", key, why)
    return {
        **{"state": "down", "url": None, "processes": []},
        **{"slots": None, "jobs": None, "backlog_seconds": None, "message": f"No farm runs in {folder.root}."},
    }


def _standing(farm: FarmFile, state: str, key: str | None, doing: str) -> dict[str, Any]:
    told, why = _told(farm, key)
    return {
        **told,
        "state": state,
        "url": farm.url,
        "processes": _processes(farm),
        "slots": told.get("slots"),
        "jobs": told.get("jobs"),
        "backlog_seconds": told.get("backlog_seconds"),
        "restarts": farm.restarts,
        "front": farm.front or None,
        "ray_jobs": farm.ray_jobs or None,
        "blobs": farm.blobs or None,
        "message": doing or why or (PROXY_IN_FRONT if farm.front == "python" else None),
    }


def _told(farm: FarmFile, key: str | None) -> tuple[dict[str, Any], str | None]:
    try:
        answer = front.ask(farm.url, "GET", f"{NATIVE_V1}/farm", key=key, timeout_seconds=_ASK_SECONDS)
    except OSError as error:
        return {}, f"{farm.url} does not answer: {error}."
    told = answer.json()
    if not answer.ok or not isinstance(told, dict):
        return {}, f"{farm.url} answers with status {answer.status}."
    return told, told.get("message")


def _processes(farm: FarmFile) -> list[dict[str, Any]]:
    found = {process.pid: process for process in marked(farm.farm_id)}
    if farm.session is not None and is_known(farm):
        found |= {process.pid: process for process in members(farm.session)}
    with contextlib.suppress(psutil.Error):
        found[farm.supervisor.pid] = psutil.Process(farm.supervisor.pid)
    listed = []
    for pid in sorted(found):
        with contextlib.suppress(psutil.Error):
            listed.append(_facts(found[pid], "supervisor" if pid == farm.supervisor.pid else None))
    return listed


def _facts(process: psutil.Process, role: str | None) -> dict[str, Any]:
    with process.oneshot():
        times = process.cpu_times()
        return {
            "pid": process.pid,
            "role": role or role_of(process.cmdline()),
            "state": process.status(),
            "cpu_seconds": round(times.user + times.system, 2),
            "rss_bytes": process.memory_info().rss,
        }
