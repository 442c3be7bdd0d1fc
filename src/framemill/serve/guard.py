"""Looks over the farm's processes every two seconds, and kills those that have to be started anew."""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from framemill.errors import FarmError
from framemill.serve.front import is_alive
from framemill.serve.processes import Lookout
from framemill.serve.watch import Memory, Sign, Snapshot, Verdict, judge

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0


class Guard:
    """Watches one head's session. `judge` decides; whoever owns what was killed starts it anew."""

    def __init__(self, session: int, farm_id: str, url: str, sign: Path) -> None:
        self._lookout = Lookout(session, farm_id)
        self._url = url
        self._sign = sign
        self._memory = Memory()

    async def watch(self, door_open: Callable[[], bool]) -> None:
        """Look for ever; `door_open` tells whether the front door has to answer. Raises `FarmError` when all was tried
        and the head has to be started again."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            asked = await asyncio.to_thread(is_alive, self._url) if door_open() else None
            try:
                verdict = self._look(asked)
            except (OSError, psutil.Error) as error:  # no file descriptors left: whoever watches may not go first
                log.error("the farm's processes cannot be seen: %s", error, extra={"action": "not_watched"})
                continue
            if verdict.restart:
                raise FarmError(f"Ray's head was lost: {verdict.restart}.")

    def _look(self, asked: bool | None) -> Verdict:
        seen = Snapshot(time.monotonic(), self._lookout.look(), read_sign(self._sign), asked)
        self._memory, verdict = judge(self._memory, seen)
        for doomed in verdict.kills:
            if self._lookout.kill(doomed.process):
                told = {"pid": doomed.process.pid, "role": doomed.process.role}
                why = f"killed {doomed.process.role} {doomed.process.pid}: {doomed.why}"
                log.warning("%s", why, extra={"action": "process_killed", **told})
        return verdict


def read_sign(path: Path) -> Sign | None:
    """The coordinator's last sign of life: JSON with its `pid`, written anew every two seconds."""
    try:
        pid = json.loads(path.read_bytes())["pid"]
        return Sign(int(pid), path.stat().st_mtime)
    except (OSError, ValueError, KeyError, TypeError):
        return None
