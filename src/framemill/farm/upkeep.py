"""What a coordinator looks after beside the jobs: room, stragglers, ill machines, and saying how things are."""

import asyncio
import functools
import logging
import shutil
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from sqlalchemy import Connection

from framemill.farm.canary import FAILED
from framemill.farm.collecting import Collected, collect, collect_shared
from framemill.farm.coordination import LOOK_SECONDS, Coordination
from framemill.farm.counting import TALLY
from framemill.farm.expiring import with_uploads
from framemill.farm.keeping import in_use
from framemill.farm.place import Place
from framemill.jobs.model import Machine, Waiting
from framemill.jobs.reasons import Reason
from framemill.jobs.states import JobState
from framemill.policy.dispatch import Dispatch
from framemill.policy.fleet import Report
from framemill.policy.retention import under_pressure, wanted_room
from framemill.policy.speculation import Idle, InFlight, copies_for
from framemill.policy.tasks import DELIVER, ENCODE
from framemill.policy.waiting import Code, JobFacts, farm_facts, waiting
from framemill.store import farm as farm_rows
from framemill.store import machines as machine_rows
from framemill.store.database import Database
from framemill.store.messages import forget_messages
from framemill.store.pruning import prune
from framemill.store.videos import drop_withdrawn

log = logging.getLogger(__name__)

COLLECT_SECONDS = 600.0
REMEMBERED_SECONDS = 60.0
"""How long a job is kept whose video was withdrawn: who is told of that is told by then."""
MESSAGE_DAYS = 30
"""After its end a message to a webhook or callback is forgotten."""
MOST_MESSAGES = 100_000
"""That have ended are remembered."""
MESSAGES_AT_ONCE = 5000
DRAINING = "draining"
_WRONG_CANARY = "Its canary does not come out as on the other machines."
_NO_CANARY = "Its canary could not be encoded; it is tried again every half minute."
_UNDRAIN_SECONDS = 60.0
_ROOM_AGAIN = 64 << 20  # bytes that must have become free before a full disk is tried again


class Upkeep:
    """Looks around every few seconds."""

    def __init__(self, jobs: Coordination, database: Database, place: Place) -> None:
        self._jobs = jobs
        self._database = database
        self._place = place
        self._looked = 0.0
        self._collected = 0.0
        self._free_when_full: int | None = None
        self._free = 0
        self._told: dict[str, Any] = {}
        self._since = 0.0
        self._waiting: dict[str, Waiting | None] = {}
        """What was said last of jobs that do not move."""
        self._known: dict[str, str] = {}
        """Canaries of machines that were looked at."""

    @property
    def _dispatch(self) -> Dispatch:
        return self._jobs.dispatcher.dispatch

    async def tick(self) -> None:
        """A second has passed."""
        now = asyncio.get_running_loop().time()
        if not self._place.patient or now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        await self._look_at_machines()
        await self._look_at_room(now)
        if self._place.speculate:
            self._copy_stragglers(now)
        await self._say(now)

    async def collect(self, *, dry_run: bool, wanted_bytes: int = 0) -> dict[str, Any]:
        """Throw away what nobody needs."""

        if not dry_run:
            now = datetime.now(UTC)
            told = now - timedelta(seconds=REMEMBERED_SECONDS)
            await self._jobs.write(lambda conn: drop_withdrawn(conn, now, told))

        def run() -> Collected:
            with self._database.reading() as conn:
                used = in_use(conn, self._place.blobs, self._place.work)
            blobs = self._place.blobs
            gone = collect(blobs, self._place.work, self._place.cache, used, wanted_bytes=wanted_bytes, dry_run=dry_run)
            if blobs.shared:
                gone += collect_shared(blobs, self._place.cache, used, dry_run=dry_run)
            return with_uploads(gone, self._database, blobs, datetime.now(UTC), dry_run=dry_run)

        found = await asyncio.to_thread(run)
        if not dry_run:
            past = datetime.now(UTC) - timedelta(days=MESSAGE_DAYS)
            await self._jobs.write(lambda conn: forget_messages(conn, past, MOST_MESSAGES, MESSAGES_AT_ONCE))
            await self._jobs.write(functools.partial(prune, now=datetime.now(UTC)))
        if found.files and not dry_run:
            log.info("%d files thrown away, %d bytes", found.files, found.bytes, extra={"action": "collected"})
        return {"dry_run": dry_run, **found.model_dump()}

    async def drain(self, seconds: float) -> dict[str, Any]:
        """Begin nothing more, and wait so long for what runs. Who drains ends the farm; else it goes on in a minute."""
        dispatcher = self._jobs.dispatcher
        dispatcher.hold(DRAINING)
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        loop.call_later(seconds + _UNDRAIN_SECONDS, self._undrain)
        while dispatcher.dispatch.running and loop.time() < until:  # noqa: ASYNC110 - any of many may be the last
            await asyncio.sleep(0.1)
        return {"running": dispatcher.dispatch.running, "drained": not dispatcher.dispatch.running}

    def _undrain(self) -> None:
        if self._dispatch.held == DRAINING:
            self._jobs.dispatcher.hold("")

    def status(self) -> dict[str, Any]:
        """How the farm is, for whoever asks."""
        dispatch = self._jobs.dispatcher.dispatch
        members = dispatch.members.values()
        slots = dispatch.slots(ENCODE)
        now = asyncio.get_running_loop().time()
        work: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for token, task, copy, _ in dispatch.copies():
            seconds = round(now - copy.since, 1)
            work[copy.worker].append({"token": token, "job": task.job, "seconds": seconds, "share": copy.share})
        return {
            "ready": slots > 0,
            "epoch": self._jobs.epoch,
            "held": dispatch.held or None,
            "trouble": self._jobs.trouble or None,
            "slots": slots,
            "busy": sum(len(m.tokens) for m in members if m.report.lane == ENCODE),
            "waiting_tasks": dispatch.waiting,
            "backlog_seconds": round(dispatch.backlog * self._rate() / slots, 1) if slots else None,
            "active_jobs": len(self._jobs.driven),
            "queued_jobs": self._jobs.queued,
            "free_bytes": self._free,
            "frames_per_second": round(TALLY.frames_per_second, 1),
            "counters": TALLY.figures(),
            "workers": [
                {
                    "name": member.report.worker,
                    "machine": member.machine,
                    "pid": member.report.pid,
                    "slots": member.report.slots,
                    "busy": len(member.tokens),
                    "barred": member.barred,
                    "encoders": sorted(member.report.encoders),
                    "running": [running.task for running in member.report.running],
                    "lane": member.report.lane,
                    "started": member.report.started,
                    "silent_seconds": round(now - member.heard, 1),
                    "work": work.get(member.report.worker, []),
                }
                for member in members
            ],
        }

    # Machines

    async def _look_at_machines(self) -> None:
        reports: Mapping[str, Report] = {
            member.machine: member.report for member in self._dispatch.members.values() if member.report.canary
        }
        for machine, report in reports.items():
            if self._known.get(machine) != report.canary:
                self._known[machine] = report.canary
                await self._judge(machine, report)

    async def _judge(self, machine: str, report: Report) -> None:
        """A machine whose canary comes out wrong gets no work, until it comes out right."""

        def judge(conn: Connection) -> Machine:
            failed = report.canary == FAILED
            # What did not come out at all is no measure for others.
            well = not failed and report.canary == machine_rows.known_canary(conn, report.build, "", report.canary)
            told = Machine(
                id=machine,
                name=machine,
                state="ready" if well else "quarantined",
                reason=None if well else Reason.QUARANTINED,
                message=None if well else _NO_CANARY if failed else _WRONG_CANARY,
                canary=report.canary,
                build=report.build,
                seen_at=datetime.now(UTC),
            )
            machine_rows.save_machines(conn, [told])
            return told

        told = await self._jobs.write(judge)
        ill = told.state == "quarantined"
        if ill:
            log.error("%s is quarantined: %s", machine, told.message, extra={"action": "machine_quarantined"})
        self._jobs.dispatcher.bar(machine, barred=ill)

    # Room

    async def _look_at_room(self, now: float) -> None:
        dispatcher = self._jobs.dispatcher
        try:
            self._free = (await asyncio.to_thread(shutil.disk_usage, self._place.root)).free
            away = bool(await asyncio.to_thread(self._place.blobs.away))
        except OSError:
            away = True
        if away or self._jobs.store_away:
            self._jobs.in_trouble(Code.STORE_AWAY)
            dispatcher.hold(Code.STORE_AWAY)
            return
        if dispatcher.dispatch.held == Code.STORE_AWAY:
            dispatcher.hold("")
        short = self._jobs.trouble == Code.DISK
        wanted = wanted_room(self._free, self._place.min_free_bytes, paused=short)
        if wanted or now - self._collected > COLLECT_SECONDS:
            self._collected = now
            await self.collect(dry_run=False, wanted_bytes=wanted)
            self._free = (await asyncio.to_thread(shutil.disk_usage, self._place.root)).free
        pressed = under_pressure(self._free, self._place.min_free_bytes, paused=short)
        self._jobs.in_trouble(Code.DISK if pressed else "")
        self._try_full_disk()

    def _try_full_disk(self) -> None:
        """A disk that was full is tried again when some of it has become free."""
        dispatcher = self._jobs.dispatcher
        if dispatcher.dispatch.held != Code.DISK:
            self._free_when_full = None
        elif self._free_when_full is None:
            self._free_when_full = self._free
        elif self._free >= self._free_when_full + _ROOM_AGAIN or not self._jobs.trouble:
            dispatcher.hold("")

    # Stragglers

    def _copy_stragglers(self, now: float) -> None:
        dispatch = self._jobs.dispatcher.dispatch
        if dispatch.waiting or dispatch.held:
            return
        running = [
            InFlight(
                token=token,
                worker=copy.worker,
                machine=dispatch.members[copy.worker].machine,
                started_at=copy.since,
                effort=task.effort,
                share=copy.share,
                moved_at=copy.moved if copy.share is not None else None,
                copies=copies,
                kind=f"{task.lane} {task.needs}",
            )
            for token, task, copy, copies in dispatch.copies()
            # Two that write to one place would be in each other's way.
            if not dispatch.members[copy.worker].alone and task.lane != DELIVER
        ]
        idle = [
            Idle(name, member.machine, member.free, f"{member.report.lane} {encoder}")
            for name, member in dispatch.members.items()
            for encoder in ("", *member.report.encoders)
            if member.free > 0
        ]
        elsewhere = [
            (token, worker)
            for token, worker in copies_for(running, idle, self._jobs.dispatcher.rates, now)
            if all(one.worker != worker for one in running if one.token == token)
        ]
        self._jobs.dispatcher.copy(elsewhere)

    def _rate(self) -> float:
        """Seconds that a unit of effort takes here, as far as it is known."""
        rates = self._jobs.dispatcher.rates
        return median(rates.values()) if rates else 1.0

    # Saying so

    async def _say(self, now: float) -> None:
        """Leave a word in the store, for whoever asks why a job does not move."""
        await self._say_of_farm(now)
        farm = farm_facts(self._told, datetime.now(UTC))
        moving = {
            job for _, task, _, _ in self._dispatch.copies() for job in self._dispatch.jobs_of(task.id)
        }  # fmt: skip
        for job in self._jobs.driven:
            why = None if job in moving else waiting(self._facts(job, now), farm)
            if why != self._waiting.get(job):
                await self._jobs.note_waiting(job, why)
                self._waiting[job] = why
        self._waiting = {job: why for job, why in self._waiting.items() if job in self._jobs.driven and why}

    def _facts(self, job: str, now: float) -> JobFacts:
        work = self._dispatch.work_of(job, now)
        return JobFacts(
            state=JobState.ENCODING,  # any in which it is worked on
            running=work.running,
            ready=work.ready,
            needs=work.needs,
            alone=work.alone,
            delayed=work.delayed,
            delayed_seconds=work.delayed_seconds,
        )

    async def _say_of_farm(self, now: float) -> None:
        status = self.status()
        trouble = self._jobs.trouble or status["held"]
        if trouble != self._told.get("trouble"):
            self._since = now
        told = {
            "trouble": trouble,
            "intake_only": bool(self._jobs.trouble) and not status["held"],
            "trouble_since": self._told.get("trouble_since") if self._since != now else datetime.now(UTC).isoformat(),
            "free_bytes": self._free >> 26 << 26,  # in steps: not every byte is news
            "min_free_bytes": self._place.min_free_bytes,
            "active_jobs": status["active_jobs"],
            "most_active_jobs": self._place.limits.active_jobs,
            "jobs_per_account": self._place.limits.jobs_per_account,
            "workers": len(status["workers"]),
            "slots": status["slots"],
            "busy": status["busy"],
        }
        if told != self._told:
            epoch = self._jobs.epoch
            await self._jobs.write(lambda conn: farm_rows.set_condition(conn, told, epoch))
            self._told = told
