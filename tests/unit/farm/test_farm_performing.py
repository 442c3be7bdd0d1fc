"""Whatever a worker fails for want of the farm's folder is not the order's fault."""

import asyncio
import shutil
from pathlib import Path

import pytest

from framemill.farm.orders import GroupOrder, Order, PlanOrder, StitchOrder
from framemill.farm.performing import perform
from framemill.jobs.reasons import Reason
from framemill.jobs.settings import OutputSettings, RunSettings
from framemill.policy.retry import KINDS, Kind
from framemill.storage.local import LocalBlobs

PLAN = PlanOrder(
    title_key="titles/t.json",
    source_key="sources/s.json",
    settings=OutputSettings(),
    run=RunSettings(),
    decode=False,
    linear=False,
)
GROUP = GroupOrder(title_key="titles/t.json", renditions=(0,), group=0)
JOIN = StitchOrder(title_key="titles/t.json", folder="/nowhere/out", name="output.mp4")


@pytest.fixture
def blobs(tmp_path: Path) -> LocalBlobs:
    """A folder in which nothing lies."""
    (tmp_path / "blobs").mkdir()
    return LocalBlobs(tmp_path / "blobs")


@pytest.mark.parametrize("order", [PLAN, GROUP, JOIN])
def test_without_the_folder_nothing_can_be_done_at_the_moment(blobs: LocalBlobs, order: Order) -> None:
    shutil.rmtree(blobs.root)
    result = asyncio.run(perform(order, lambda *_: None, blobs))

    assert result.reason is not None
    assert KINDS[result.reason] is Kind.FARM
    assert result.message == "The farm's folder is away: bring it back."


def test_a_plan_without_its_source_fails_for_itself(blobs: LocalBlobs) -> None:
    result = asyncio.run(perform(PLAN, lambda *_: None, blobs))

    assert result.reason is Reason.INTERNAL
    assert "No such file" in result.message


@pytest.mark.parametrize("order", [GROUP, JOIN])
def test_what_was_not_foreseen_is_raised(blobs: LocalBlobs, order: Order) -> None:
    with pytest.raises(FileNotFoundError):
        asyncio.run(perform(order, lambda *_: None, blobs))
