"""What a coordinator tells of its workers: who they are, and whose jobs they are at."""

import asyncio
from typing import Any

from fake_farm import Farm
from fake_hands import for_ever
from mortal import play

from framemill.farm.orders import GroupOrder, Order, Result
from framemill.farm.place import Place
from framemill.farm.upkeep import Upkeep


async def never_done(order: Order) -> Result | None:
    """Nothing that is encoded."""
    return await for_ever(order) if isinstance(order, GroupOrder) else None


def test_what_workers_are_at_is_told_with_its_job(farm: Farm) -> None:
    farm.machines = {"m1": 1}
    farm.submit("j")
    farm.hands.answer = never_done

    async def scene() -> dict[str, Any]:
        async with farm.running() as coordinator:
            place = Place(root=farm.folder, database="sqlite://", slots=1, machine="m1")
            upkeep = Upkeep(coordinator.jobs, coordinator.database, place)
            await farm.until(lambda: bool(farm.hands.groups))
            await asyncio.sleep(3.0)
            return upkeep.status()

    told = play(scene())

    (worker,) = (one for one in told["workers"] if one["lane"] == "encode")
    (work,) = worker["work"]
    assert (worker["slots"], worker["busy"], work["job"]) == (1, 1, "j")
    assert 2.0 < work["seconds"] < 60.0
    assert 0.0 <= worker["silent_seconds"] < 8.0
    assert [one["work"] for one in told["workers"] if one["lane"] != "encode"] == [[], []]
