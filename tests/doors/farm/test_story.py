"""The same story at every door: a film is encoded and fetched, one is cancelled, one fails, and the farm dies under it.

Each door has customers of its own, so that nobody finds what another one has left.
"""

import contextlib
import io
import os
import signal
import sqlite3
from collections.abc import Callable
from fractions import Fraction
from typing import TypeAlias

import av
import httpx
import psutil
import pytest
from doors.around import LONG_SECONDS, Customer, DoorFarm, awaited
from doors.story import TELLERS, Native, Teller, fetched, seen

from framemill.config import DataFolder

Kind: TypeAlias = Callable[[httpx.Client, Customer], Teller]
every_door = pytest.mark.parametrize("door", TELLERS, ids=[str(getattr(one, "__name__", "")) for one in TELLERS])


def seconds_of(film: bytes) -> Fraction:
    """How long a film's pictures are, all of them decoded."""
    with av.open(io.BytesIO(film), "r") as container:
        stream = container.streams.video[0]
        assert stream.average_rate is not None
        return Fraction(sum(1 for _ in container.decode(stream))) / stream.average_rate


def committed(farm: DoorFarm, accounts: set[str]) -> set[tuple[object, ...]]:
    """Chunks of these accounts that are committed, each with when it was. Of two jobs that ask for the same encode,
    each has its own."""
    query = (
        "SELECT jobs.account, jobs.id, output_id, rendition, number, key, committed_at "
        "FROM chunks JOIN jobs ON jobs.id = chunks.job_id WHERE chunks.state = 'committed'"
    )
    with contextlib.closing(sqlite3.connect(f"file:{DataFolder(farm.folder).database}?mode=ro", uri=True)) as conn:
        return {row for row in conn.execute(query) if row[0] in accounts}


@every_door
def test_a_film_is_submitted_followed_and_fetched(farm: DoorFarm, http: httpx.Client, src: str, door: Kind) -> None:
    teller = door(http, farm.customer())
    job = teller.submit(src)
    told = seen(teller, job, "done")

    percents = [one.percent for one in told if one.percent is not None]
    assert percents == sorted(percents)
    assert all(0 <= one <= 100 for one in percents)
    assert told[-1].links
    for link in told[-1].links:
        assert abs(seconds_of(fetched(http, link)) - 6) < Fraction(1, 5)


@every_door
def test_one_that_is_under_way_is_cancelled(farm: DoorFarm, http: httpx.Client, long_src: str, door: Kind) -> None:
    teller = door(http, farm.customer())
    job = teller.submit(long_src)
    awaited(lambda: farm.encoders, "the first encode")
    teller.cancel(job)

    seen(teller, job, "cancelled")
    awaited(lambda: not farm.encoders, "the end of all encodes", 20)


@every_door
def test_what_is_no_film_fails_with_a_sentence(farm: DoorFarm, http: httpx.Client, broken_src: str, door: Kind) -> None:
    teller = door(http, farm.customer())
    told = seen(teller, teller.submit(broken_src), "failed")[-1]

    assert told.why.endswith((".", "!"))
    assert not told.links


@every_door
def test_a_job_is_its_customers_alone(farm: DoorFarm, http: httpx.Client, broken_src: str, door: Kind) -> None:
    teller, other = (door(http, farm.customer()) for _ in range(2))
    job = teller.submit(broken_src)

    assert (teller.status_of(job), other.status_of(job)) == (200, 404)
    assert teller.status_of(teller.unknown()) == 404
    assert teller.status_of("no-id") in {400, 404}


@every_door
def test_what_one_door_has_made_another_one_does_not_know(
    farm: DoorFarm, http: httpx.Client, broken_src: str, door: Kind
) -> None:
    customer = farm.customer()
    job = door(http, customer).submit(broken_src)

    # The native API is the farm's own: it knows every job of its account.
    others = [one(http, customer) for one in TELLERS if one not in {door, Native}]
    assert {other.status_of(job) for other in others} <= {400, 404}


def test_jobs_of_every_door_go_on_after_all_was_killed_and_nothing_is_encoded_twice(
    farm: DoorFarm, http: httpx.Client, long_src: str
) -> None:
    customers = [farm.customer() for _ in TELLERS]
    tellers = [door(http, customer) for door, customer in zip(TELLERS, customers, strict=True)]
    accounts = {customer.account for customer in customers}
    jobs = [teller.submit(long_src) for teller in tellers]
    awaited(lambda: all(committed(farm, {one.account}) for one in customers), "a commit of each", 240)
    processes = [psutil.Process(farm.facts["supervisor"]["pid"]), *farm.processes]
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    before = committed(farm, accounts)
    farm.up()
    told = [seen(teller, job, "done", seconds=400)[-1] for teller, job in zip(tellers, jobs, strict=True)]

    assert before <= committed(farm, accounts)
    for one in told:
        assert abs(seconds_of(fetched(http, one.links[0])) - LONG_SECONDS) < Fraction(1, 5)
