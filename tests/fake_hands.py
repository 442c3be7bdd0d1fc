"""Workers without Ray and ffmpeg: real benches that keep their word on a clock that nobody waits for."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from fractions import Fraction
from itertools import count, product
from pathlib import Path
from typing import Any, TypeVar

from framemill.errors import WorkerLost
from framemill.farm.bench import Bench
from framemill.farm.growing import next_request
from framemill.farm.intact import chunk_blob, facts_blob, intact_chunk, keep_extra
from framemill.farm.orders import (
    Delivered,
    DeliverOrder,
    Encoded,
    EncodedChunk,
    ExtraOrder,
    GroupOrder,
    Grown,
    GrowOrder,
    IngestOrder,
    OnShare,
    Order,
    Planned,
    PlanOrder,
    Probed,
    ProbeOrder,
    Result,
    ShareOrder,
    SourceRead,
    Stitched,
    StitchOrder,
    Surveyed,
    SurveyOrder,
    TargetOrder,
    TargetSeen,
    TrialOrder,
    Tried,
    Withdrawn,
    WithdrawOrder,
    WrittenFile,
)
from framemill.farm.surveying import share_out, survey_blob
from framemill.farm.titles import load_title, places_of
from framemill.jobs.reasons import Reason
from framemill.jobs.usage import Usage
from framemill.media.chunkfile import ChunkFacts
from framemill.media.damage import Complaints
from framemill.media.growing import Growth, read_growth
from framemill.media.index import FirstFrame, FrameIndex, SeekPoint
from framemill.media.inspection import Inspection, Packets
from framemill.media.joining import Part, plan_join
from framemill.media.source import Source
from framemill.media.title import Title, plan_title
from framemill.media.twopass import probe_of
from framemill.policy.fleet import Report
from framemill.policy.tasks import DELIVER, ENCODE, STITCH, Lane
from framemill.storage.address import address_of
from framemill.storage.local import LocalBlobs
from framemill.storage.putting import path_numbered

TICK = Fraction(1, 25)
PACKAGE = ("720p/0.m4s", "720p/1.m4s", "720p/playlist.m3u8", "master.m3u8")
"""The files of every package."""
SECONDS = 1.0
"""What an encode takes, if nothing else is said."""

T = TypeVar("T")

Answer = Callable[[Order], Awaitable[Result | None]]
"""Instead of the work: a result, an error, or None: do the work after all."""


async def nothing(_: Order) -> Result | None:
    """Nothing stands in the way of the work."""
    return None


async def for_ever(_: Order) -> Result | None:
    """No end comes of it."""
    await asyncio.Event().wait()
    return None


class FakeWorker:
    """A worker or stitcher: a real bench in a process that can die, and be stopped for a while."""

    restart_seconds = 2.0

    def __init__(self, hands: "FakeHands", name: str, machine: str, lane: Lane, slots: int) -> None:
        self.name, self.machine, self.lane, self.slots = name, machine, lane, slots
        self._hands = hands
        self.stays_dead = False
        self.deaths = 0
        self.start()

    def start(self) -> None:
        """Begin as a process that knows of nothing."""
        self.up = True
        self.dead = asyncio.Event()
        self.awake = asyncio.Event()
        self.awake.set()
        self.doing: set[asyncio.Task[Any]] = set()
        self.bench = Bench(self.name, self.machine, self.lane, self.slots, self._perform)

    def die(self) -> None:
        """Like SIGKILL: its children end with it, and Ray starts another one, which takes a while."""
        if not self.up:
            return
        self.up = False
        self.deaths += 1
        self.dead.set()
        for doing in self.doing:
            doing.cancel()
        if not self.stays_dead:
            asyncio.get_running_loop().call_later(self.restart_seconds, self.start)

    def stop(self) -> None:
        """Like SIGSTOP."""
        self.awake.clear()

    def go_on(self) -> None:
        """Like SIGCONT."""
        self.awake.set()

    async def call(self, work: Coroutine[Any, Any, T]) -> T:
        """What comes of a call. Raises `WorkerLost` when the process dies before it answers."""
        if not self.up:
            work.close()
            raise WorkerLost(f"{self.name} was lost.")
        dead = asyncio.ensure_future(self.dead.wait())
        calling = asyncio.ensure_future(self._while_awake(work))
        calling.add_done_callback(lambda call: call.cancelled() or call.exception())  # nobody may ask for it any more
        try:
            await asyncio.wait([dead, calling], return_when=asyncio.FIRST_COMPLETED)
            if not calling.done():
                raise WorkerLost(f"{self.name} was lost.")
            return calling.result()
        finally:
            dead.cancel()
            calling.cancel()

    async def _while_awake(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            await self.awake.wait()
        except asyncio.CancelledError:
            work.close()
            raise
        result = await work
        await self.awake.wait()
        return result

    async def _perform(self, order: Order, on_share: OnShare) -> Result:
        mine = asyncio.current_task()
        assert mine is not None
        self.doing.add(mine)
        try:
            return await self._hands.perform(self, order, on_share)
        finally:
            self.doing.discard(mine)


class FakeHands:
    """Plans forty frames by keyframes every ten; "encodes" by writing the blob and the facts; joins them in order."""

    def __init__(self, blobs: LocalBlobs) -> None:
        self.blobs = blobs
        self.workers: dict[str, FakeWorker] = {}
        self.answer: Answer = nothing
        self.seconds: Callable[[Order], float] = lambda _: SECONDS
        """What an order takes."""
        self.finished: list[Stitched] = []
        """What the next joins answer instead of the work."""
        self.complaints = Complaints()
        """Of the decoder, about the sound."""
        self.stored: dict[str, bytes] = {}
        """What lies in stores, by its address."""
        self.sent: list[str] = []
        """Addresses of what was put there, in order."""
        self.orders: list[Order] = []
        """All that was begun, in order."""
        self.at: list[str] = []
        """By whom."""
        self.under_way = 0

    def hire(self, machine: str = "m1", slots: int = 4) -> None:
        """A machine with a worker and a stitcher, who delivers, too. Its loop has to run."""
        stitcher = f"stitcher-{machine}"
        for lane, name in ((ENCODE, f"worker-{machine}"), (STITCH, stitcher), (DELIVER, f"{stitcher}/deliver")):
            self.workers[name] = FakeWorker(self, name, machine, lane, slots)

    # What a coordinator asks

    async def do(self, worker: str, task: str, order: Order, epoch: int) -> Result:
        there = self.workers[worker]
        return await there.call(there.bench.do(task, order, epoch))

    async def stop(self, worker: str, task: str, epoch: int) -> None:
        there = self.workers[worker]
        await there.call(there.bench.stop(task, epoch))

    async def renew(self, report: Report) -> None:
        there = self.workers[report.worker]
        if there.up and there.bench.report().incarnation == report.incarnation:
            there.die()

    def reports(self) -> list[Report]:
        """Of those that can say anything."""
        return [each.bench.report() for each in self.workers.values() if each.up and each.awake.is_set()]

    # What was done

    def of(self, kind: type[T]) -> list[T]:
        """The orders of one kind that were begun."""
        return [order for order in self.orders if isinstance(order, kind)]

    @property
    def plans(self) -> list[PlanOrder]:
        return self.of(PlanOrder)

    @property
    def joins(self) -> list[StitchOrder]:
        return self.of(StitchOrder)

    @property
    def groups(self) -> list[int]:
        """Numbers of the groups that were begun."""
        return [order.group for order in self.of(GroupOrder)]

    @property
    def extras(self) -> list[tuple[str, int]]:
        return [(order.kind, order.rank) for order in self.of(ExtraOrder)]

    # The work

    async def perform(self, worker: FakeWorker, order: Order, on_share: OnShare) -> Result:
        self.orders.append(order)
        self.at.append(worker.name)
        self.under_way += 1
        try:
            answered = await self.answer(order)
            if answered is not None:
                return answered
            if isinstance(order, GroupOrder):
                await self._pass(self.seconds(order), on_share)
            await worker.awake.wait()
            return self._done(order)
        finally:
            self.under_way -= 1

    async def _pass(self, seconds: float, on_share: OnShare) -> None:
        for part in range(1, 5):
            await asyncio.sleep(seconds / 4)
            on_share(part / 4)

    def _done(self, order: Order) -> Result:  # noqa: PLR0911, PLR0912 - one for each kind of order
        match order:
            case IngestOrder():
                return self._read(order)
            case PlanOrder():
                return self._plan(order)
            case SurveyOrder():
                return self._survey(order)
            case ShareOrder():
                return share_out(order, self.blobs)
            case GroupOrder() | ExtraOrder():
                return self._encode(order)
            case StitchOrder():
                return self._join(order)
            case GrowOrder():
                return self._grow(order)
            case TrialOrder():
                return Tried(usage=Usage(seconds=0.25))
            case ProbeOrder():
                return Probed(size=7, facts={"format": {"filename": order.name}})
            case TargetOrder():
                return self._look(order)
            case DeliverOrder():
                return self._deliver(order)
            case WithdrawOrder():
                for file in order.files:
                    self.stored.pop(_address(order, file.path), None)
                return Withdrawn()

    def _read(self, order: IngestOrder) -> Result:
        self.blobs.write(f"sources/{_sha256(order.uri.encode())}.json", order.uri.encode())
        key = f"sources/{_sha256(order.uri.encode())}.json"
        return SourceRead(
            source_key=key, path=order.uri, size=7, sha256=_sha256(order.uri.encode()), usage=Usage(seconds=0.125)
        )

    def _plan(self, order: PlanOrder) -> Result:
        title = make_title(order)
        self.blobs.write(order.title_key, title.model_dump_json().encode())
        return Planned(chunks=tuple(places_of(title)))

    def _survey(self, order: SurveyOrder) -> Result:
        """Each chunk needs as much as its number says."""
        title = probe_of(load_title(self.blobs, order.title_key))
        chunks = title.pictured.plan.group_chunks(title.pictured.plan.groups[order.group])
        for rendition, chunk in product(order.renditions, chunks):
            measured = f'{{"bits": {1000 * (chunk.number + 1)}}}'.encode()
            self.blobs.write(survey_blob(title.chunk_key(rendition, chunk)), measured)
        return Surveyed(usage=Usage(seconds=0.125))

    def _encode(self, order: GroupOrder | ExtraOrder) -> Result:
        if isinstance(order, ExtraOrder):
            draft = self.blobs.draft(order.key)
            draft.write_bytes(order.kind.encode())
            said = self.complaints if order.kind == "sound" else Complaints()
            keep_extra(self.blobs, draft, order.key, said)
            return Encoded(usage=Usage(seconds=0.5), complaints=said)
        title = load_title(self.blobs, order.title_key)
        done = []
        chunks = title.pictured.plan.group_chunks(title.pictured.plan.groups[order.group])
        for rendition, chunk in product(order.renditions, chunks):
            key, data = title.chunk_key(rendition, chunk), f"[{chunk.first},{chunk.end})".encode()
            facts = ChunkFacts(
                frames=chunk.frames, size=len(data), sha256=_sha256(data), parameter_sets="5" * 64, reorder=0
            )
            self.blobs.write(facts_blob(key), facts.model_dump_json().encode())
            self.blobs.write(chunk_blob(key), data)
            done.append(EncodedChunk(number=chunk.number, key=key, blob=chunk_blob(key), facts=facts))
        return Encoded(chunks=tuple(done), usage=Usage(seconds=0.5))

    def _grow(self, order: GrowOrder) -> Result:
        title, folder = load_title(self.blobs, order.title_key), Path(order.folder)
        total = len(title.pictured.plan.segments)
        have = read_growth(folder, order.title_key)
        request = next_request(title, order, self.blobs, have)
        if request is not None:
            have = Growth(plan=order.title_key, spans=have.spans + request.spans)
            (folder / "master.m3u8").write_text(str(have.spans))
            (folder / ".state.json").write_text(have.model_dump_json())
        return Grown(spans=have.spans, total=total, unheard=request is None and have.spans < total)

    def _join(self, order: StitchOrder) -> Result:
        if self.finished:
            return self.finished.pop(0)
        title = load_title(self.blobs, order.title_key)
        keys = [title.chunk_key(0, chunk) for chunk in title.pictured.plan.chunks]
        damaged = tuple(chunk_blob(key) for key in keys if intact_chunk(self.blobs, key) is None)
        if damaged:
            said = "Bytes on the disk have changed."
            return Stitched(reason=Reason.CHUNK_MISMATCH, message=said, damaged=damaged)
        data = b"".join(self.blobs.read(chunk_blob(key)) for key in keys)
        names = PACKAGE if title.settings.container == "package" else (order.name,)
        for name in names:
            place = Path(order.folder, name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        return Stitched(
            files=tuple(_written(Path(order.folder))),
            proof={"frames": title.pictured.plan.chunks[-1].end},
            stages={"join": Usage(seconds=0.125)},
        )

    def _look(self, order: TargetOrder) -> Result:
        def taken(number: int) -> bool:
            place = str(address_of(order.way.uri).model_copy(update={"path": _path(order, number)}))
            return any(uri == place or (order.folder and uri.startswith(f"{place}/")) for uri in self.stored)

        number = next(number for number in count(1) if not order.rename or not taken(number))
        return TargetSeen(there=taken(1), number=number)

    def _deliver(self, order: DeliverOrder) -> Result:
        for file in order.files:
            uri, body = _address(order, file.path), Path(order.place, file.path).read_bytes()
            if order.if_exists == "fail" and self.stored.get(uri, body) != body:
                return Delivered(reason=Reason.TARGET_REFUSED, message=f"{uri} is there already.")
            self.stored[uri] = body
            self.sent.append(uri)
        return Delivered()


def _path(order: TargetOrder | DeliverOrder | WithdrawOrder, number: int) -> str:
    return path_numbered(address_of(order.way.uri).path.rstrip("/"), number, folder=order.folder)


def _address(order: DeliverOrder | WithdrawOrder, path: str) -> str:
    """Of a file of the order's output, in a store that there is not."""
    address = address_of(order.way.uri).model_copy(update={"path": _path(order, order.number)})
    return str(address.below(path) if order.folder else address)


def _written(folder: Path) -> Iterator[WrittenFile]:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        yield WrittenFile(path=str(path.relative_to(folder)), size=len(data), sha256=_sha256(data), md5=md5)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def make_title(order: PlanOrder) -> Title:
    """Forty frames with sound and a text track. An index by decode has other frames than the packets promised."""
    if order.joined:
        parts = [Part(make_source(one.source_key), make_index(order), one.start, one.end) for one in order.joined]
        return plan_join(parts, order.settings, order.run, "build", keep=order.keep).title
    return plan_title(make_source(order.source_key), make_index(order), order.settings, order.run, "build")


def make_source(key: str) -> Source:
    facts = {
        "format": {"format_name": "mov,mp4"},
        "streams": [
            {"index": 0, "codec_type": "video", "codec_name": "h264"},
            {"index": 1, "codec_type": "audio", "codec_name": "aac", "channels": 2, "sample_rate": "48000"},
            {"index": 2, "codec_type": "subtitle", "codec_name": "mov_text"},
        ],
    }
    inspection = Inspection(facts=facts, video=0, audio=1, packets=Packets(), sha256=key)
    return Source(
        path="/in.mp4",
        name="in.mp4",
        inspection=inspection,
        first_picture=FirstFrame(time_base=TICK, pts=0, width=64, height=48, sample_aspect_ratio="1/1"),
        first_sound=FirstFrame(time_base=Fraction(1, 48000), pts=0),
    )


def make_index(order: PlanOrder) -> FrameIndex:
    count = 39 if order.decode else 40
    keys = () if order.linear else range(0, count, 10)
    return FrameIndex(
        time_base=TICK,
        pts=tuple(range(count)),
        last_duration=1,
        seek_points=tuple(SeekPoint(pts=key, frame=key, clean=True) for key in keys),
        hashes=tuple(map(str, range(count))) if order.decode else (),
        source="decode" if order.decode else "packets",
        why="",
    )
