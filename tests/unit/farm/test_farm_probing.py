"""Somebody asks what is in a source: a stitcher looks into it, whatever the slots do, or nobody does in good time."""

import asyncio
from pathlib import Path

import pytest
from fake_farm import Farm
from mortal import play

from framemill.errors import FarmError
from framemill.farm.counting import WINDOW_SECONDS, Tally
from framemill.farm.orders import ProbeOrder
from framemill.farm.probing import probe
from framemill.jobs.settings import OutputSettings
from framemill.storage.local import LocalBlobs

ASKED = ProbeOrder(uri="/films/in.mov", name="in.mov", outputs=(OutputSettings(),))


def test_a_source_is_looked_into_without_a_job(farm: Farm) -> None:
    async def scene() -> None:
        async with farm.running() as coordinator:
            found = await coordinator.jobs.probe(ASKED)
        assert (found.size, found.facts["format"]["filename"]) == (7, "in.mov")

    play(scene())
    assert [order for order in farm.hands.orders if isinstance(order, ProbeOrder)] == [ASKED]


def test_nobody_waits_for_ever_while_the_farm_is_paused(farm: Farm) -> None:
    farm.pause()

    async def scene() -> None:
        async with farm.running() as coordinator:
            with pytest.raises(FarmError, match=r"in\.mov could not be looked into within 45 s"):
                await coordinator.jobs.probe(ASKED)

    play(scene())
    assert farm.hands.orders == []


def test_what_cannot_be_read_is_said_with_its_reason(tmp_path: Path) -> None:
    missing = asyncio.run(probe(ASKED.model_copy(update={"uri": str(tmp_path / "in.mov")}), LocalBlobs(tmp_path)))
    assert (missing.reason, missing.facts) == ("source_missing", {})


def test_frames_a_second_are_those_of_the_last_minute() -> None:
    now = [0.0]
    tally = Tally(lambda: now[0])
    now[0] = 10.0
    tally.encoded(chunks=2, frames=100, seconds=3.0)
    assert tally.frames_per_second == 10.0
    now[0] = 10.0 + WINDOW_SECONDS
    assert tally.frames_per_second == pytest.approx(100 / WINDOW_SECONDS)
    now[0] += 1.0
    assert tally.frames_per_second == 0
    assert tally.figures()["frames_encoded"] == 100
