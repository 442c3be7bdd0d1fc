"""Whether HAProxy stands in front of the replicas, and whom it lets in.

While a replica is not known to it yet, HAProxy sends requests to Serve's Python proxy, which holds bodies in memory:
until each application has a replica of its own there, the farm is not ready.
"""

import csv
import re
import shlex
from collections.abc import Collection
from pathlib import Path

from framemill.serve import front

APPLICATIONS = ("api", "bytes")

_STATS = "/stats;csv"
_WRAPPER = """#!/bin/sh
# The configuration that Ray writes (what stands behind -f) opens HAProxy's figures to every host, and its socket to
# every user. They are for this machine and this user.
sed -i -e 's/bind :\\([0-9][0-9]*\\)$/bind 127.0.0.1:\\1/' -e 's/bind \\*:\\([0-9][0-9]*\\)$/bind 127.0.0.1:\\1/' \\
    -e 's/mode 666 level admin/mode 600 level admin/' "$3"
exec {binary} "$@"
"""


def write_wrapper(folder: Path, binary: str) -> Path:
    """A program that starts HAProxy with a configuration that lets fewer people in. Raises OSError."""
    path = folder / "haproxy-closed"
    path.write_text(_WRAPPER.format(binary=shlex.quote(binary)), "utf-8")
    path.chmod(0o700)
    return path


def not_fronted(stats_port: int, applications: Collection[str] = APPLICATIONS) -> str:
    """Why HAProxy does not stand in front of all of these; empty: it does."""
    try:
        answer = front.ask(f"http://127.0.0.1:{stats_port}", "GET", _STATS, timeout_seconds=2.0)
    except OSError as error:
        return f"HAProxy does not answer yet: {error}."
    missing = lacking(answer.body.decode(errors="replace"), applications)
    return f"HAProxy does not know the replicas of {' and '.join(missing)} yet." if missing else ""


def lacking(figures: str, applications: Collection[str]) -> list[str]:
    """Those without a replica that HAProxy sends requests to; `figures`: its statistics, as CSV."""
    rows = csv.DictReader(re.sub(r"^# ", "", figures).splitlines())
    up = {row["pxname"] for row in rows if row.get("act") == "1" and (row.get("status") or "").startswith("UP")}
    return sorted(one for one in applications if f"http-{one}" not in up)
