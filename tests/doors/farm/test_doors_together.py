"""All doors at once on one farm: accounts take turns whichever door they have come by, and nothing is lost."""

import contextlib
from collections.abc import Callable

import httpx
from doors.around import DoorFarm, awaited
from doors.story import ENDED, TELLERS, Native, OnlineConvert, Teller, seen

BACKLOG = 6


def test_everybody_gets_on_while_one_has_much_to_do(
    farm: DoorFarm, http: httpx.Client, src: str, new_long_src: Callable[[], str]
) -> None:
    much = OnlineConvert(http, farm.customer())
    backlog = [much.submit(new_long_src()) for _ in range(BACKLOG)]
    awaited(lambda: farm.encoders, "the first encode")

    asked: list[tuple[Teller, str]] = []
    for door in (*TELLERS, *TELLERS):  # two accounts at each
        teller = door(http, farm.customer())
        asked.append((teller, teller.submit(src)))
    for teller, job in asked:
        assert seen(teller, job, "done", seconds=300)[-1].links

    left = [job for job in backlog if much.look(job).state not in ENDED]
    assert left, "those who came later were done first"
    assert any(much.look(job).state == "working" for job in left)
    for job in left:
        with contextlib.suppress(AssertionError):  # it is refused of one that has just ended, which is as good
            much.cancel(job)
    assert {much.look(job).state for job in backlog} <= {"done", "cancelled"}


def test_nothing_of_many_jobs_by_all_doors_is_lost(farm: DoorFarm, http: httpx.Client, short_src: str) -> None:
    customer = farm.customer()
    asked = [(door, [door(http, customer).submit(short_src) for _ in range(3)]) for door in TELLERS]
    ids = {job for _, jobs in asked for job in jobs}
    assert len(ids) == 3 * len(TELLERS)
    for door, jobs in asked:
        teller = door(http, customer)
        for job in jobs:
            assert seen(teller, job, "done", seconds=300)[-1].links

    # The farm's own API knows them all, and which door each has come by.
    listed = http.get("/framemill/v1/jobs", headers=customer.bearer, params={"limit": 100}).json()["data"]
    assert len(listed) == 3 * len(TELLERS)
    assert {one["state"] for one in listed} == {"completed"}
    others = [door for door in TELLERS if door is not Native]
    for door, jobs in asked:
        for other in others:
            if other is not door:
                assert {other(http, customer).status_of(job) for job in jobs} <= {400, 404}
