"""Which processes of the farm have to be killed so that somebody starts them anew; decisions over frozen snapshots.

Rule 1: a process that was stopped (SIGSTOP) does not come back by itself, and nobody else notices.
Rule 2: a coordinator that writes no sign of life hangs, whatever its process says.
Rule 3: an ffmpeg whose parent is gone encodes for nobody.
Rule 4: when the front door does not answer, its processes go one layer after the other, from the outside in.
Rule 5: when a process that carries all the others is gone, everything is started again. `ray start` itself stays when
its raylet ends without an error, as it does when one of its agents was killed.

Time is monotonic, and ages are counted from when a change was seen: a clock that is set changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

STOPPED_SECONDS = 6.0
"""A stopped process is given that long to go on."""
SILENT_SECONDS = 15.0
"""The coordinator writes a sign of life every 2 s."""
DOOR_SECONDS = 20.0
"""The front door is given that long to answer, and each further layer that was killed to come back: Serve itself
replaces a proxy that is gone within 8 s, and a replica within 6 s."""
HOPELESS_SECONDS = 180.0
"""The front door does not answer, whatever was killed: the whole head is started again."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A process of the farm at one look."""

    pid: int
    started: float
    role: str
    stopped: bool = False
    alone: bool = False
    """Whether its parent is no process of the farm."""


@dataclass(frozen=True, slots=True)
class Sign:
    """The coordinator's sign of life: who wrote it, and when by the clock of the file system."""

    pid: int
    written: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that one look found."""

    at: float
    """Monotonic seconds."""
    processes: tuple[Seen, ...] = ()
    sign: Sign | None = None
    door: bool | None = None
    """Whether the front door answers; None: it was not asked, since it is not open yet."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What has to be known of earlier looks."""

    stopped_since: Mapping[tuple[int, float], float] = field(default_factory=dict)
    sign: Sign | None = None
    sign_since: float = 0.0
    closed_since: float | None = None
    """Since when the front door does not answer."""
    stood: bool = False
    """Whether those that carry the others were there."""
    layer: int = 0
    """How many layers behind it were killed for that."""
    layer_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Kill:
    """A process that has to go, and why."""

    process: Seen
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from a look."""

    kills: tuple[Kill, ...] = ()
    restart: str = ""
    """Why the whole head has to be started again; empty where it has not."""


_CARRIERS = frozenset({"gcs_server", "raylet"})
_LAYERS = (frozenset({"proxy"}), frozenset({"proxy", "replica"}), frozenset({"proxy", "replica", "controller"}))


def judge(memory: Memory, seen: Snapshot) -> tuple[Memory, Verdict]:
    """What to remember, and what to do."""
    stopped_since = {
        key: memory.stopped_since.get(key, seen.at)
        for key in ((process.pid, process.started) for process in seen.processes if process.stopped)
    }
    sign_since = memory.sign_since if seen.sign == memory.sign else seen.at
    closed_since, layer, layer_at = _door(memory, seen)
    found = [
        *_stopped(seen, stopped_since),
        *_silent(seen, sign_since),
        *_orphans(seen),
        *(_behind_the_door(seen, layer) if layer > memory.layer else ()),
    ]
    missing = _CARRIERS - {process.role for process in seen.processes}
    first_of_each = {kill.process.pid: kill for kill in reversed(found)}
    after = Memory(
        stopped_since,
        seen.sign,
        sign_since,
        closed_since,
        stood=memory.stood or not missing,
        layer=layer,
        layer_at=layer_at,
    )
    kills = tuple(first_of_each[pid] for pid in sorted(first_of_each))
    return after, Verdict(kills, _hopeless(after, seen, missing))


def _hopeless(memory: Memory, seen: Snapshot, missing: frozenset[str]) -> str:
    if memory.stood and missing:
        return f"{' and '.join(sorted(missing))} ended"
    if memory.closed_since is not None and seen.at - memory.closed_since > HOPELESS_SECONDS:
        return f"the front door has not answered for {HOPELESS_SECONDS:.0f} s"
    return ""


def _stopped(seen: Snapshot, since: Mapping[tuple[int, float], float]) -> list[Kill]:
    return [
        Kill(process, f"it has been stopped for {seen.at - since[process.pid, process.started]:.0f} s")
        for process in seen.processes
        if process.stopped and seen.at - since[process.pid, process.started] >= STOPPED_SECONDS
    ]


def _silent(seen: Snapshot, since: float) -> list[Kill]:
    if seen.sign is None or seen.at - since <= SILENT_SECONDS:
        return []
    return [
        Kill(process, f"it has given no sign of life for {seen.at - since:.0f} s")
        for process in seen.processes
        if process.pid == seen.sign.pid and process.role == "coordinator"
    ]


def _orphans(seen: Snapshot) -> list[Kill]:
    return [
        Kill(process, "nobody waits for it: its parent is gone")
        for process in seen.processes
        if process.role == "ffmpeg" and process.alone
    ]


def _door(memory: Memory, seen: Snapshot) -> tuple[float | None, int, float]:
    """Since when the door is closed, how many layers behind it are to be dead by now, and since when."""
    if seen.door is not False:
        return None, 0, seen.at
    if memory.closed_since is None:
        return seen.at, 0, seen.at
    if memory.layer < len(_LAYERS) and seen.at - memory.layer_at >= DOOR_SECONDS:
        return memory.closed_since, memory.layer + 1, seen.at
    return memory.closed_since, memory.layer, memory.layer_at


def _behind_the_door(seen: Snapshot, layer: int) -> list[Kill]:
    return [
        Kill(process, "the front door does not answer")
        for process in seen.processes
        if process.role in _LAYERS[layer - 1]
    ]
