"""A job on its way, on a real store, with workers that need no ffmpeg."""

import asyncio
import contextlib
import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from fake_farm import Coordinator, Farm
from fake_hands import Answer, for_ever, nothing
from mortal import MortalDatabase, play
from sqlalchemy import Connection

from framemill.errors import FarmError, MediaError
from framemill.farm.intact import chunk_blob
from framemill.farm.orders import (
    Encoded,
    ExtraOrder,
    GroupOrder,
    IngestOrder,
    Order,
    Result,
    ShareOrder,
    SourceRead,
    Stitched,
    Surveyed,
    SurveyOrder,
)
from framemill.farm.titles import load_title
from framemill.jobs.reasons import Reason
from framemill.jobs.settings import OutputSettings
from framemill.jobs.states import CancelAsked, ChunkState, DeliveryState, InputState, JobState
from framemill.jobs.usage import Usage
from framemill.media.damage import Complaints
from framemill.store import chunks as chunk_rows
from framemill.store.database import Database
from framemill.store.epochs import take_epoch

FILM = b"[0,10)[10,20)[20,30)[30,40)"
DECODED_FILM = b"[0,10)[10,20)[20,30)[30,39)"
OLD_LEASE = "old"
WORKING = (
    JobState.INGESTING,
    JobState.PLANNING,
    JobState.ENCODING,
    JobState.STITCHING,
    JobState.PACKAGING,
    JobState.DELIVERING,
)


def group(order: Order) -> int | None:
    return order.group if isinstance(order, GroupOrder) else None


def failing(number: int, reason: Reason, message: str = "why", times: int = 1000) -> Answer:
    """Workers that cannot do one group, so many times."""
    left = [times]

    async def answer(order: Order) -> Result | None:
        if group(order) != number or not left[0]:
            return None
        left[0] -= 1
        return Encoded(reason=reason, message=message, command="ffmpeg -i /in.mp4")

    return answer


def test_a_job_runs_to_its_end(farm: Farm) -> None:
    farm.submit()
    job = farm.run()
    assert (job.state, job.reason, job.warnings) == (JobState.COMPLETED, None, ())
    assert job == farm.job
    assert farm.target.read_bytes() == FILM
    assert farm.states == {ChunkState.COMMITTED: 4}
    assert {(row.seconds, row.blob) for row in farm.chunks} == {(0.5, chunk_blob(row.key)) for row in farm.chunks}
    assert [(row.path, row.uri, row.state) for row in farm.deliveries] == [
        ("output.mp4", str(farm.target), DeliveryState.COMPLETED)
    ]
    assert not (farm.work / "j").exists()
    assert farm.hands.under_way == 0


def test_the_report_tells_what_came_of_it(farm: Farm) -> None:
    farm.submit()
    report = farm.run().report
    assert report is not None
    assert report["plan"]["chunks"][1] == {
        "number": 1,
        "first": 10,
        "end": 20,
        "start_seconds": 0.4,
        "why": "every 10 frames",
        "group": 1,
        "encode_seconds": 0.5,
    }
    (output,) = report["outputs"]
    assert (output["path"], output["proof"]) == (str(farm.target), {"frames": 40})
    sums = {"sha256": hashlib.sha256(FILM).hexdigest(), "md5": hashlib.md5(FILM, usedforsecurity=False).hexdigest()}
    assert output["files"] == [{"path": "output.mp4", "size": len(FILM), **sums}]
    assert output["renditions"][0]["video_bytes"] == len(FILM)
    assert set(report["seconds"]) == {"queued", *WORKING} - {"packaging", "delivering"}


def test_the_report_tells_the_cap_of_a_rendition(farm: Farm) -> None:
    farm.submit(settings=OutputSettings(audio_codec="none", maxrate=900_000, bufsize=1_800_000))
    report = farm.run().report
    assert report is not None
    (rendition,) = report["outputs"][0]["renditions"]
    told = {name: rendition[name] for name in ("name", "width", "height", "codec", "maxrate", "progressive")}
    of_picture = {"name": "48p", "width": 64, "height": 48}
    assert told == {**of_picture, "codec": "h264", "maxrate": 900_000, "progressive": None}


def test_what_each_stage_took_is_counted(farm: Farm) -> None:
    farm.submit(input_state=InputState.WAITING)
    usage = farm.run().usage
    assert {stage: used.seconds for stage, used in usage.items()} == {
        "read": 0.125,
        "plan": 0.0,
        "encode": 2.0,
        "sound": 0.5,
        "text": 0.5,
        "join": 0.125,
    }


def test_every_group_sound_and_text_is_asked_for_once(farm: Farm) -> None:
    farm.submit()
    farm.run()
    assert sorted(farm.hands.groups) == [0, 1, 2, 3]
    assert sorted(farm.hands.extras) == [("sound", 0), ("text", 0)]


def test_two_outputs_of_one_source_are_both_delivered(farm: Farm) -> None:
    farm.submit(outputs=2)
    assert farm.run().state is JobState.COMPLETED
    assert (farm.target.read_bytes(), (farm.folder / "out-1.mkv").read_bytes()) == (FILM, FILM)
    assert farm.states == {ChunkState.COMMITTED: 8}


def test_outputs_share_the_chunks_that_are_equal(farm: Farm) -> None:
    farm.submit(outputs=2)
    job = farm.run()
    assert sorted(farm.hands.groups) == [0, 1, 2, 3]
    assert job.usage["encode"] == Usage(seconds=2.0)


def test_an_output_without_a_target_stays_here(farm: Farm) -> None:
    farm.submit(targets=[None])
    assert farm.run().state is JobState.COMPLETED
    assert (farm.work / "j" / "1" / "j-o0" / "output.mp4").read_bytes() == FILM
    assert [(row.uri, row.state) for row in farm.deliveries] == [("", DeliveryState.COMPLETED)]


# Sources


def test_a_source_is_read_once(farm: Farm) -> None:
    farm.submit(input_state=InputState.WAITING)
    assert farm.run().state is JobState.COMPLETED
    (source,) = farm.inputs_of()
    assert (source.state, source.blob, source.size) == (InputState.READY, "/in.mp4", 7)
    assert [order.uri for order in farm.hands.of(IngestOrder)] == ["/in.mp4"]


def test_a_source_that_failed_fails_the_job(farm: Farm) -> None:
    farm.submit(input_state=InputState.WAITING)

    async def answer(order: Order) -> Result | None:
        return SourceRead(reason=Reason.SOURCE_MISSING, message="There is no such file.")

    farm.hands.answer = answer
    job = farm.run()
    assert (job.state, job.reason, job.message) == (JobState.FAILED, Reason.SOURCE_MISSING, "There is no such file.")
    assert farm.hands.plans == []
    assert [(source.state, source.reason) for source in farm.inputs_of()] == [
        (InputState.FAILED, Reason.SOURCE_MISSING)
    ]


# A plan that is refuted


def test_a_refuted_index_leads_to_a_new_plan_by_decode(farm: Farm) -> None:
    farm.submit()
    farm.hands.answer = failing(1, Reason.CHUNK_MISMATCH, times=1)
    job = farm.run()
    assert (job.state, job.refuted) == (JobState.COMPLETED, 1)
    assert [(plan.decode, plan.linear) for plan in farm.hands.plans] == [(False, False), (True, False)]
    assert len({plan.title_key for plan in farm.hands.plans}) == 2
    assert farm.target.read_bytes() == DECODED_FILM
    assert farm.states == {ChunkState.COMMITTED: 4}


def test_an_index_that_is_refuted_at_the_join_leads_to_a_new_plan(farm: Farm) -> None:
    farm.submit()
    farm.hands.finished = [Stitched(reason=Reason.CHUNK_MISMATCH, message="Frame 10 decodes to other pixels.")]
    job = farm.run()
    assert (job.state, job.refuted, len(farm.hands.joins)) == (JobState.COMPLETED, 1, 2)
    assert farm.target.read_bytes() == DECODED_FILM


def test_an_index_that_is_refuted_again_and_again_fails_the_job(farm: Farm) -> None:
    farm.submit()
    farm.hands.answer = failing(0, Reason.CHUNK_MISMATCH, "The chunk holds 9 frames; 10 were planned.")
    job = farm.run()
    assert (job.state, job.reason, job.message) == (
        JobState.FAILED,
        Reason.CHUNK_MISMATCH,
        "The chunk holds 9 frames; 10 were planned.",
    )
    assert [(plan.decode, plan.linear) for plan in farm.hands.plans] == [(False, False), (True, False), (True, True)]
    assert not farm.target.exists()


def test_chunks_that_a_decoded_index_proved_are_kept_by_the_linear_plan(farm: Farm) -> None:
    farm.submit()
    planned: list[tuple[int, int | None]] = []

    async def answer(order: Order) -> Result | None:
        planned.append((len(farm.hands.plans), group(order)))
        if group(order) == 0 and len(farm.hands.plans) == 1:
            return Encoded(reason=Reason.CHUNK_MISMATCH)
        if group(order) == 3 and len(farm.hands.plans) == 2:
            await farm.until(lambda: farm.states[ChunkState.COMMITTED] == 3)
            return Encoded(reason=Reason.CHUNK_MISMATCH)
        return None

    farm.hands.answer = answer
    assert farm.run().state is JobState.COMPLETED
    assert [number for plan, number in planned if plan == 3 and number is not None] == [3]
    assert farm.target.read_bytes() == DECODED_FILM


# An order that fails


def test_an_order_that_fails_again_fails_the_job_with_its_reason(farm: Farm) -> None:
    """Once may be an accident; twice alike is none."""
    farm.submit()
    farm.hands.answer = failing(2, Reason.FFMPEG_FAILED, "ffmpeg ended with exit status 1: no such filter")
    job = farm.run()
    assert (job.state, job.reason) == (JobState.FAILED, Reason.FFMPEG_FAILED)
    assert job.message is not None
    assert "ffmpeg ended with exit status 1: no such filter" in job.message
    assert farm.hands.groups.count(2) == 2
    assert not farm.target.exists()


def test_an_order_that_fails_once_is_an_accident(farm: Farm) -> None:
    farm.submit()
    farm.hands.answer = failing(2, Reason.FFMPEG_FAILED, times=1)
    assert farm.run().state is JobState.COMPLETED
    assert Counter(farm.hands.groups) == {0: 1, 1: 1, 2: 2, 3: 1}
    assert [(failure.machine, failure.reason) for failure in farm.chunks[2].failures] == [("m1", Reason.FFMPEG_FAILED)]


def test_an_order_that_fails_ends_the_others(farm: Farm) -> None:
    farm.submit()

    async def answer(order: Order) -> Result | None:
        if group(order) is not None and group(order) != 3:
            await for_ever(order)
        if group(order) == 3:
            await farm.until(lambda: len(farm.hands.groups) == 4)  # every group has its lease
            assert farm.states == {ChunkState.LEASED: 4}
            return Encoded(reason=Reason.NO_DECODER)
        return None

    farm.hands.answer = answer
    assert farm.run().reason is Reason.NO_DECODER
    assert farm.hands.under_way == 0
    assert farm.states == {ChunkState.WAITING: 4}


def test_an_error_of_a_worker_fails_the_job_with_its_reason(farm: Farm) -> None:
    farm.submit()

    async def answer(order: Order) -> Result | None:
        if group(order) is not None:
            raise MediaError("This title has no pictures to encode.")
        return None

    farm.hands.answer = answer
    job = farm.run()
    assert (job.state, job.reason) == (JobState.FAILED, Reason.FFMPEG_FAILED)
    assert job.message is not None
    assert "This title has no pictures to encode." in job.message


def test_a_result_that_is_not_as_planned_is_not_delivered(farm: Farm) -> None:
    farm.submit()
    wrong = Stitched(reason=Reason.VERIFICATION_FAILED, message="The result holds 39 frames.")
    farm.hands.finished = [wrong, wrong]
    job = farm.run()
    assert (job.state, job.reason, job.message) == (
        JobState.FAILED,
        Reason.VERIFICATION_FAILED,
        "The result holds 39 frames.",
    )
    assert not farm.target.exists()
    assert farm.deliveries == []
    assert not (farm.work / "j").exists()


def test_a_target_that_takes_nothing_fails_the_job(farm: Farm) -> None:
    farm.submit()
    farm.target.mkdir()
    job = farm.run()
    assert (job.state, job.reason) == (JobState.FAILED, Reason.TARGET_REFUSED)
    assert farm.target.is_dir()


# Sound and text


def answering(kind: str, encoded: Encoded) -> Answer:
    async def answer(order: Order) -> Result | None:
        return encoded if isinstance(order, ExtraOrder) and order.kind == kind else None

    return answer


@pytest.mark.parametrize(
    ("kind", "what"), [("sound", "The sound of in.mp4 could not"), ("text", "Text track 0 of in.mp4 could not")]
)
def test_sound_and_text_that_cannot_be_converted_are_left_out_with_a_warning(farm: Farm, kind: str, what: str) -> None:
    farm.submit(run={"on_damage": "keep"})
    farm.hands.answer = answering(kind, Encoded(reason=Reason.FFMPEG_FAILED, message="no packets"))
    job = farm.run()
    assert job.state is JobState.COMPLETED
    assert [warned.message for warned in job.warnings] == [f"{what} be converted and is left out: no packets"]
    assert job.report is not None
    assert job.report["warnings"] == [warned.message for warned in job.warnings]


@pytest.mark.parametrize(
    ("encoded", "told"),
    [
        (Encoded(reason=Reason.FFMPEG_FAILED, message="no packets."), "cannot be converted: no packets."),
        (Encoded(complaints=Complaints(refused=9, lines=("why",))), "is damaged: 9 packets of it do not decode (why)."),
    ],
)
def test_sound_that_is_lost_is_refused_unless_it_was_asked_to_keep_the_rest(
    farm: Farm, encoded: Encoded, told: str
) -> None:
    farm.submit()
    farm.hands.answer = answering("sound", encoded)
    job = farm.run()
    assert (job.state, job.reason) == (JobState.FAILED, Reason.SOURCE_DAMAGED)
    assert job.message is not None
    assert job.message.startswith(f"The sound of in.mp4 {told} To encode what is there, set on_damage=keep")


def test_damaged_sound_that_another_job_has_kept_is_still_refused(farm: Farm) -> None:
    """1. A job keeps what is left of damaged sound.  2. Another one refuses damage, and finds that sound ready made.
    3. It was taken as whole, since nobody had decoded anything."""
    farm.submit("keeps", run={"on_damage": "keep"})
    farm.hands.complaints = Complaints(refused=9, lines=("why",))
    kept = farm.run("keeps")
    assert (kept.state, len(kept.warnings)) == (JobState.COMPLETED, 1)
    farm.submit("refuses")
    refused = farm.run("refuses")
    assert (refused.state, refused.reason) == (JobState.FAILED, Reason.SOURCE_DAMAGED)
    farm.submit("keeps too", run={"on_damage": "keep"})
    assert farm.run("keeps too").warnings[0].message == kept.warnings[0].message
    assert farm.hands.extras.count(("sound", 0)) == 1


# A job that is cancelled


def test_a_cancel_amid_the_encode_leaves_nothing_leased(farm: Farm) -> None:
    farm.submit()

    async def answer(order: Order) -> Result | None:
        return None if group(order) in {0, None} else await for_ever(order)

    async def scene() -> None:
        farm.hands.answer = answer
        async with farm.running() as coordinator:
            await farm.until(lambda: farm.states[ChunkState.COMMITTED] == 1)
            assert farm.states[ChunkState.LEASED] == 3
            assert farm.wish(CancelAsked()).state is JobState.CANCELLING
            await coordinator.jobs.wake(["j"])
            await coordinator.jobs.ended("j")
            assert farm.hands.under_way == 0

    play(scene())
    assert (farm.job.state, farm.job.reason) == (JobState.CANCELLED, Reason.CANCELLED_BY_CLIENT)
    assert farm.states == {ChunkState.COMMITTED: 1, ChunkState.WAITING: 3}
    assert not farm.target.exists()
    assert not (farm.work / "j").exists()


class GatedDatabase(MortalDatabase):
    """A store that is slow to write: from when it is shut, every write waits for the gate."""

    def __init__(self, like: Database) -> None:
        super().__init__(like)
        self.open = threading.Event()
        self.open.set()
        self.waiting = threading.Event()

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        if not self.open.is_set():
            self.waiting.set()
        assert self.open.wait(20)
        with super().writing() as conn:
            yield conn


def test_a_cancel_amid_the_lease_leaves_nothing_leased(farm: Farm) -> None:
    """1. Leases are being written, in a thread, and others wait for that.  2. The job is cancelled, and what is leased
    is read, to be released.  3. The other leases are written."""
    farm.submit()
    slow = GatedDatabase(farm.database)

    entered: list[None] = []

    def shut(conn: Connection | None) -> bool:
        if farm.entering(JobState.ENCODING)(conn):
            entered.append(None)
            if len(entered) == 2:  # what an earlier coordinator has leased was released
                slow.open.clear()
        return False

    async def scene() -> None:
        farm.hire()
        slow.fate = shut
        coordinator = Coordinator(farm, database=slow, inline=False)
        await coordinator.jobs.start()
        for report in farm.hands.reports():
            coordinator.jobs.heard(report)
        await farm.until(slow.waiting.is_set)
        await asyncio.sleep(0.05)
        farm.wish(CancelAsked())
        await coordinator.jobs.wake(["j"])
        await asyncio.sleep(0.2)
        slow.open.set()
        await coordinator.jobs.ended("j")
        await coordinator.close()

    asyncio.run(scene())
    slow.close()
    assert farm.job.state is JobState.CANCELLED
    assert farm.hands.groups == []
    assert farm.states == {ChunkState.WAITING: 4}


def test_a_result_that_comes_after_the_cancel_is_dropped(farm: Farm) -> None:
    farm.submit()

    async def answer(order: Order) -> Result | None:
        if group(order) == 3:
            farm.wish(CancelAsked())
        return None

    farm.hands.answer = answer
    assert farm.run().state is JobState.CANCELLED
    assert not farm.target.exists()


# A coordinator that takes over


@pytest.mark.parametrize("state", WORKING)
def test_a_new_coordinator_goes_on_where_the_old_one_died(farm: Farm, state: JobState) -> None:
    farm.submit()
    assert farm.run_through(farm.entering(state)).state is JobState.COMPLETED
    assert farm.target.read_bytes() == FILM
    assert sorted(farm.hands.groups) == [0, 1, 2, 3]
    assert len(farm.hands.plans) == 1
    assert farm.states == {ChunkState.COMMITTED: 4}


@pytest.mark.parametrize("state", WORKING)
def test_work_that_nobody_knew_was_done_is_done_again_without_harm(farm: Farm, state: JobState) -> None:
    farm.submit()
    assert farm.run_through(farm.leaving(state)).state is JobState.COMPLETED
    assert farm.target.read_bytes() == FILM
    assert sorted(farm.hands.groups) == [0, 1, 2, 3]
    assert farm.states == {ChunkState.COMMITTED: 4}


def test_a_delivery_is_told_once(farm: Farm) -> None:
    farm.submit()
    farm.run_through(farm.leaving(JobState.PACKAGING))
    assert [row.path for row in farm.deliveries] == ["output.mp4"]


def test_what_was_verified_is_not_joined_again(farm: Farm) -> None:
    farm.submit()
    farm.run_through(farm.leaving(JobState.STITCHING))
    assert len(farm.hands.joins) == 1


def test_a_new_coordinator_encodes_no_committed_chunk(farm: Farm) -> None:
    farm.submit()

    async def answer(order: Order) -> Result | None:
        return await for_ever(order) if group(order) in {1, 3} else None

    async def scene() -> None:
        farm.hands.answer = answer
        async with farm.running():
            await farm.until(lambda: farm.states[ChunkState.COMMITTED] == 2)

    play(scene())
    assert farm.states == {ChunkState.COMMITTED: 2, ChunkState.LEASED: 2}
    farm.hands.orders.clear()
    farm.hands.answer = nothing
    assert farm.run().state is JobState.COMPLETED
    assert sorted(farm.hands.groups) == [1, 3]
    assert farm.target.read_bytes() == FILM


def test_a_committed_chunk_whose_blob_is_gone_is_encoded_again(farm: Farm) -> None:
    farm.submit()

    def fate(conn: Connection | None) -> bool:
        if not farm.leaving(JobState.ENCODING)(conn):
            return False
        farm.blobs.path(chunk_blob(farm.chunks[2].key)).unlink()
        return True

    assert farm.run_through(fate).state is JobState.COMPLETED
    assert (sorted(farm.hands.groups[:4]), farm.hands.groups[4:]) == ([0, 1, 2, 3], [2])
    assert farm.target.read_bytes() == FILM


def test_leases_of_a_coordinator_that_was_killed_are_ended(farm: Farm) -> None:
    farm.submit()

    def fate(conn: Connection | None) -> bool:
        if not farm.entering(JobState.ENCODING)(conn):
            return False
        with farm.database.writing() as writing:
            epoch = take_epoch(writing)
            keys = [row.key for row in farm.chunks[:2]]
            assert chunk_rows.lease_chunks(
                writing, "j", 1, keys, token=OLD_LEASE, worker="w", epoch=epoch, now=datetime.now(UTC)
            )
        return True

    assert farm.run_through(fate).state is JobState.COMPLETED
    assert farm.states == {ChunkState.COMMITTED: 4}


def test_a_cancel_that_the_old_coordinator_did_not_end_is_ended(farm: Farm) -> None:
    farm.submit()

    def fate(conn: Connection | None) -> bool:
        if not farm.entering(JobState.ENCODING)(conn):
            return False
        farm.wish(CancelAsked())
        return True

    assert farm.run_through(fate).state is JobState.CANCELLED


def test_a_join_that_is_done_again_fails_with_its_own_reason(farm: Farm) -> None:
    farm.submit()
    wrong = Stitched(reason=Reason.VERIFICATION_FAILED, message="The result holds 39 frames.")

    def fate(conn: Connection | None) -> bool:
        if not farm.entering(JobState.PACKAGING)(conn):
            return False
        for written in farm.work.rglob("output.mp4"):
            written.unlink()
        farm.hands.finished = [wrong, wrong]
        return True

    assert farm.run_through(fate).reason is Reason.VERIFICATION_FAILED


def test_a_coordinator_whose_epoch_is_over_changes_nothing(farm: Farm) -> None:
    farm.submit()

    async def answer(order: Order) -> Result | None:
        if group(order) == 0:
            with farm.database.writing() as conn:
                take_epoch(conn)
        return None

    async def scene() -> None:
        farm.hands.answer = answer
        async with farm.running() as coordinator:
            await coordinator.jobs.stale.wait()
            await asyncio.sleep(30)

    play(scene())
    assert farm.job.state is JobState.ENCODING
    assert ChunkState.COMMITTED not in farm.states
    assert not farm.target.exists()


def test_a_job_that_has_ended_is_left_alone(farm: Farm) -> None:
    farm.submit()
    ended = farm.run()
    assert farm.run() == ended
    assert len(farm.hands.plans) == 1


def test_a_job_that_does_not_exist_is_told(farm: Farm) -> None:
    with pytest.raises(FarmError, match="There is no job j"):
        farm.run()


def test_bits_are_shared_out_before_the_chunks_are_encoded(farm: Farm) -> None:
    """Each chunk is measured first; the plan that is encoded by says what each has."""
    farm.submit(settings=OutputSettings(bitrate=1_000_000, passes=2))
    job = farm.run()
    assert (job.state, farm.target.read_bytes()) == (JobState.COMPLETED, FILM)
    kinds = [type(order) for order in farm.hands.orders if isinstance(order, SurveyOrder | ShareOrder | GroupOrder)]
    assert kinds == [SurveyOrder] * 4 + [ShareOrder] + [GroupOrder] * 4
    assert job.usage["survey"].seconds == 0.5
    (join,) = farm.hands.joins
    chunks = load_title(farm.hands.blobs, join.title_key).pictured.plan.chunks
    assert [round(chunk.shares[0], -3) for chunk in chunks] == [400_000, 800_000, 1_200_000, 1_600_000]


def test_what_is_measured_in_vain_is_encoded_all_the_same(farm: Farm) -> None:
    async def answer(order: Order) -> Result | None:
        return Surveyed(reason=Reason.FFMPEG_FAILED, message="why") if isinstance(order, SurveyOrder) else None

    farm.hands.answer = answer
    farm.submit(settings=OutputSettings(bitrate=1_000_000, passes=2))
    assert farm.run().state is JobState.COMPLETED
    (join,) = farm.hands.joins
    chunks = load_title(farm.hands.blobs, join.title_key).pictured.plan.chunks
    assert {chunk.shares for chunk in chunks} == {(1_000_000,)}


def test_without_a_hardware_encoder_what_must_have_one_is_refused(farm: Farm) -> None:
    farm.submit(settings=OutputSettings(hardware="gpu_only"))
    job = farm.run()
    assert (job.state, job.reason) == (JobState.FAILED, Reason.NO_ENCODER)
    assert "hardware encoder of h264" in (job.message or "")
    assert not farm.hands.groups


def test_whatever_may_have_a_hardware_encoder_goes_on_without(farm: Farm) -> None:
    farm.submit(settings=OutputSettings(hardware="gpu_first"))
    assert farm.run().state is JobState.COMPLETED
