"""Outputs on their way to their targets: each file once, in order, and never `completed` before all are there."""

import asyncio
from typing import Any

import pytest
from fake_farm import Farm
from fake_hands import PACKAGE, Answer, for_ever
from mortal import play

from framemill.farm.orders import Delivered, DeliverOrder, Order, Result, TargetOrder
from framemill.jobs.model import Target
from framemill.jobs.reasons import Reason
from framemill.jobs.settings import OutputSettings
from framemill.jobs.states import CancelAsked, DeliveryState, JobState, RetryAsked

FILM = b"".join(b"[%d,%d)" % (n, n + 10) for n in range(0, 40, 10))
S3, FTP = "s3://bucket/a/film.mp4", "ftp://***@host/film.mp4"
HLS = OutputSettings(container="package")
IN_ORDER = [f"s3://bucket/hls/{name}" for name in PACKAGE]


def asked(farm: Farm, *targets: Target | str, stays: bool = False, **more: Any) -> None:
    """A job with one output for those targets."""
    farm.submit(targets=[None], **more)
    (output,) = farm.outputs_of()
    places = tuple(one if isinstance(one, Target) else Target(uri=one) for one in targets)
    farm.replace_output(output.model_copy(update={"targets": places, "stays": stays}))


def failing(kind: type[Order], reason: Reason, times: int = 99) -> Answer:
    """Orders of that kind fail so often."""
    left = [times]

    async def answer(order: Order) -> Result | None:
        if not isinstance(order, kind) or not left[0]:
            return None
        left[0] -= 1
        return Result(reason=reason, message="film.mp4 could not be put there: the store says no.")

    return answer


def told(farm: Farm) -> list[tuple[int | None, str, DeliveryState]]:
    return [
        (row.target, row.uri, row.state) for row in sorted(farm.deliveries, key=lambda row: (row.target or 0, row.uri))
    ]


def test_every_target_gets_its_own(farm: Farm) -> None:
    asked(farm, S3, str(farm.target), FTP)
    job = farm.run()
    assert (job.state, job.message) == (JobState.COMPLETED, None)
    assert farm.hands.stored == {S3: FILM, "ftp://host/film.mp4": FILM}
    assert farm.target.read_bytes() == FILM
    assert told(farm) == [
        (0, S3, DeliveryState.COMPLETED),
        (1, str(farm.target), DeliveryState.COMPLETED),
        (2, "ftp://host/film.mp4", DeliveryState.COMPLETED),
    ]
    assert not (farm.work / "j").exists()


def test_what_is_kept_stays_beside_its_targets(farm: Farm) -> None:
    asked(farm, S3, str(farm.target), stays=True)
    assert farm.run().state is JobState.COMPLETED
    assert (farm.work / "j" / "1" / "j-o0" / "output.mp4").read_bytes() == FILM
    assert farm.hands.stored == {S3: FILM, str(farm.target): FILM}  # copied, since a move would take it away
    assert [row.uri for row in farm.deliveries if row.target is None] == [""]


def test_a_package_is_listed_when_all_of_it_is_there(farm: Farm) -> None:
    asked(farm, "s3://bucket/hls/", settings=HLS)
    assert farm.run().state is JobState.COMPLETED
    assert farm.hands.sent == IN_ORDER
    assert [row.content_type for row in sorted(farm.deliveries, key=lambda row: row.path)] == [
        *["video/iso.segment"] * 2,
        *["application/vnd.apple.mpegurl"] * 2,
    ]


def test_targets_are_looked_at_before_anything_is_encoded(farm: Farm) -> None:
    asked(farm, S3)
    farm.hands.answer = failing(TargetOrder, Reason.TARGET_REFUSED)
    job = farm.run()
    assert (job.state, job.reason) == (JobState.FAILED, Reason.TARGET_REFUSED)
    assert job.message == "film.mp4 could not be put there: the store says no."
    assert not farm.hands.groups
    assert not farm.hands.plans


@pytest.mark.parametrize("target", [S3, "here"])
def test_what_is_there_already_is_not_overwritten(farm: Farm, target: str) -> None:
    uri = str(farm.target) if target == "here" else target
    farm.target.write_bytes(b"theirs")
    farm.hands.stored[S3] = b"theirs"
    asked(farm, Target(uri=uri, if_exists="fail"))
    job = farm.run()
    assert (job.state, job.reason) == (JobState.FAILED, Reason.TARGET_REFUSED)
    assert f"{uri} is there already" in (job.message or "")
    assert farm.hands.groups == []
    assert (farm.target.read_bytes(), farm.hands.stored[S3]) == (b"theirs", b"theirs")


@pytest.mark.parametrize("target", [S3, "here"])
def test_a_name_that_is_taken_gets_a_number(farm: Farm, target: str) -> None:
    uri = str(farm.target) if target == "here" else target
    there = uri.removesuffix(".mp4")
    for number in ("", " (2)"):
        farm.hands.stored[f"{S3.removesuffix('.mp4')}{number}.mp4"] = b"theirs"
        farm.target.with_name(f"out{number}.mp4").write_bytes(b"theirs")
    asked(farm, Target(uri=uri, if_exists="rename"))
    assert farm.run().state is JobState.COMPLETED
    assert told(farm) == [(0, f"{there} (3).mp4", DeliveryState.COMPLETED)]
    put = farm.hands.stored.get(f"{there} (3).mp4") or farm.target.with_name("out (3).mp4").read_bytes()
    assert put == FILM
    assert farm.outputs_of()[0].targets[0].number == 3


def test_another_attempt_replaces_what_the_one_before_has_put_there(farm: Farm) -> None:
    asked(farm, Target(uri=S3, if_exists="fail"), Target(uri=str(farm.target), if_exists="fail"))
    assert farm.run().state is JobState.COMPLETED
    farm.wish(RetryAsked())
    job = farm.run()
    assert (job.state, job.attempt, job.message) == (JobState.COMPLETED, 2, None)
    assert farm.hands.sent == [S3, S3]


def test_a_target_that_does_not_answer_is_tried_again(farm: Farm) -> None:
    asked(farm, S3)
    farm.hands.answer = failing(DeliverOrder, Reason.TARGET_UNREACHABLE, times=3)
    assert farm.run().state is JobState.COMPLETED
    assert len(farm.hands.of(DeliverOrder)) == 4


@pytest.mark.parametrize("reason", [Reason.TARGET_UNREACHABLE, Reason.TARGET_FULL, Reason.TARGET_REFUSED])
def test_a_target_that_will_not_have_it_fails_the_job(farm: Farm, reason: Reason) -> None:
    asked(farm, str(farm.target), S3)
    farm.hands.answer = failing(DeliverOrder, reason)
    job = farm.run()
    assert (job.state, job.reason) == (JobState.FAILED, reason)
    assert [(row.state, row.reason) for row in farm.deliveries if row.target == 1] == [(DeliveryState.FAILED, reason)]
    assert not farm.target.exists()  # that comes when all others have it
    tries = len(farm.hands.of(DeliverOrder))
    assert tries == (1 if reason is Reason.TARGET_REFUSED else 5)


def test_the_job_goes_on_without_an_output_that_nobody_takes(farm: Farm) -> None:
    farm.submit(targets=[None, str(farm.target)], on_output_error="keep")
    farm.replace_output(farm.outputs_of()[0].model_copy(update={"targets": (Target(uri=S3),), "stays": False}))
    farm.hands.answer = failing(DeliverOrder, Reason.TARGET_REFUSED)
    job = farm.run()
    assert (job.state, [one.reason for one in job.warnings]) == (JobState.COMPLETED, [Reason.TARGET_REFUSED])
    assert [one.reason for one in farm.outputs_of()] == [Reason.TARGET_REFUSED, None]
    assert farm.target.exists()


@pytest.mark.parametrize("state", [JobState.PACKAGING, JobState.DELIVERING])
def test_a_coordinator_dies_between_two_steps(farm: Farm, state: JobState) -> None:
    asked(farm, "s3://bucket/hls/", settings=HLS)
    assert farm.run_through(farm.leaving(state)).state is JobState.COMPLETED
    assert farm.hands.sent == IN_ORDER


def test_what_is_there_is_not_sent_again(farm: Farm) -> None:
    """The coordinator dies as soon as it has written that the segments are there."""
    asked(farm, "s3://bucket/hls/", settings=HLS)

    def half(conn: object) -> bool:
        return conn is None and any(row.state is DeliveryState.COMPLETED for row in farm.deliveries)

    assert farm.run_through(half).state is JobState.COMPLETED
    assert farm.hands.sent == IN_ORDER


def test_a_worker_dies_while_it_sends(farm: Farm) -> None:
    asked(farm, S3)
    begun: list[Order] = []

    async def dies(order: Order) -> Result | None:
        if isinstance(order, DeliverOrder) and not begun:
            begun.append(order)
            farm.hands.workers["stitcher-m1/deliver"].die()
            await asyncio.Event().wait()
        return None

    farm.hands.answer = dies
    assert farm.run().state is JobState.COMPLETED
    assert farm.hands.sent == [S3]


def test_a_cancelled_job_takes_back_what_is_not_whole(farm: Farm) -> None:
    """The segments are there, and the playlists are on their way."""
    asked(farm, "s3://bucket/hls/", S3.replace("film.mp4", "whole/"), settings=HLS)

    async def hangs(order: Order) -> Result | None:
        if isinstance(order, DeliverOrder) and order.files[0].path == "master.m3u8" and "hls" in order.way.uri:
            await for_ever(order)
        return None

    async def scene() -> None:
        async with farm.running() as coordinator:
            await coordinator.jobs.wake(["j"])
            await farm.until(lambda: len(farm.hands.sent) == 7)
            await farm.until(lambda: len([row for row in farm.deliveries if row.state is DeliveryState.COMPLETED]) == 7)
            farm.wish(CancelAsked())
            await coordinator.jobs.wake(["j"])
            assert (await coordinator.jobs.ended("j")).state is JobState.CANCELLED

    farm.hands.answer = hangs
    play(scene())
    assert sorted(farm.hands.stored) == sorted(f"s3://bucket/a/whole/{name}" for name in PACKAGE)


def test_half_an_output_is_taken_back_where_the_job_goes_on_without_it(farm: Farm) -> None:
    farm.submit(targets=[None, None], on_output_error="keep", settings=HLS)
    first, second = farm.outputs_of()
    farm.replace_output(first.model_copy(update={"targets": (Target(uri="s3://bucket/hls/"),), "stays": False}))
    farm.replace_output(second.model_copy(update={"targets": (Target(uri="s3://bucket/dash/"),), "stays": False}))

    async def refuses(order: Order) -> Result | None:
        last = isinstance(order, DeliverOrder) and order.files[0].path == "master.m3u8" and "hls" in order.way.uri
        return Delivered(reason=Reason.TARGET_REFUSED, message="No more.") if last else None

    farm.hands.answer = refuses
    assert farm.run().state is JobState.COMPLETED
    assert sorted(farm.hands.stored) == sorted(f"s3://bucket/dash/{name}" for name in PACKAGE)


def test_progress_tells_bytes(farm: Farm) -> None:
    asked(farm, S3, FTP)
    seen: list[tuple[int, int]] = []

    async def hangs(order: Order) -> Result | None:
        if isinstance(order, DeliverOrder) and order.way.uri == FTP:
            await for_ever(order)
        return None

    async def scene() -> None:
        async with farm.running() as coordinator:
            await coordinator.jobs.wake(["j"])
            await farm.until(lambda: any(row.state is DeliveryState.COMPLETED for row in farm.deliveries))
            progress = await coordinator.jobs.progress("j")
            seen.append((progress["bytes_delivered"], progress["bytes_to_deliver"]))

    farm.hands.answer = hangs
    play(scene())
    assert seen == [(len(FILM), 2 * len(FILM))]
