"""What a process of the farm is for, as its command line tells; a decision over words."""

import re
from collections.abc import Sequence
from pathlib import PurePath

#: Ray's actors and agents call themselves `ray::Class.method`, and `ray::NAME:Class.__init__` while they are made.
_ACTOR = "ray::"
_PARTS = re.compile(r"[:.\s]+")
_ACTORS = {
    "Coordinator": "coordinator",
    "Worker": "worker",
    "Stitcher": "stitcher",
    "ServeReplica": "replica",
    "ServeController": "controller",
    "ProxyActor": "proxy",
    "HAProxyManager": "proxy",
    "DashboardAgent": "agent",
    "RuntimeEnvAgent": "agent",
    "JobSupervisor": "job",
    "IDLE": "idle",
}
_PROGRAMS = {"gcs_server": "gcs_server", "raylet": "raylet", "haproxy": "proxy"}
_WORDS = (
    ("framemill.media.forkserver", "prober"),
    ("framemill.serve.deploy", "deployer"),
    ("ray.util.client.server", "client"),
    ("ray-dashboard-", "dashboard"),
    ("ray/dashboard/dashboard.py", "dashboard"),
    ("ray.dashboard.", "dashboard"),
    ("multiprocessing.resource_tracker", "dashboard"),  # the only one that has one
    ("ray/_private/log_monitor.py", "monitor"),
    ("ray/autoscaler/_private/monitor.py", "monitor"),
    ("start --head", "head"),
)
#: A process of Ray's that has one of these becomes something else later on.
PASSING = frozenset({"idle", "actor", "other"})


def role_of(command: Sequence[str]) -> str:
    """The role of a process with that command line; `other` where none is known."""
    line = " ".join(command).strip()
    if line.startswith(_ACTOR):
        return next((_ACTORS[part] for part in _PARTS.split(line) if part in _ACTORS), "actor")
    program = PurePath(command[0]).name if command else ""
    if program.startswith("ffmpeg"):
        return "ffmpeg"
    if program in _PROGRAMS:
        return _PROGRAMS[program]
    return next((role for words, role in _WORDS if words in line), "other")
