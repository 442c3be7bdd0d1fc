"""What nobody needs is thrown away, and nothing else – whatever others do at the same time."""

import asyncio
import os
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fake_farm import Farm
from fake_hands import Answer, for_ever
from mortal import play
from sqlalchemy import update

from framemill.farm.collecting import DRAFT_SECONDS, Collected, InUse, collect
from framemill.farm.keeping import in_use
from framemill.farm.orders import GroupOrder, Order, Result, StitchOrder
from framemill.jobs.model import Limits, new_id
from framemill.jobs.states import ChunkState, JobState, RetryAsked
from framemill.policy.retention import CacheLimits
from framemill.store.schema import outputs

DAY = 86_400.0
NOBODY = InUse(jobs=frozenset(), keys=frozenset(), inputs=frozenset(), growing=frozenset(), seen=frozenset())
ALL = CacheLimits(cache_bytes=0)
NOTHING = CacheLimits()


class Yard:
    """A farm's files, and what is made of them."""

    def __init__(self, farm: Farm) -> None:
        self.farm = farm
        self.blobs, self.work = farm.blobs, farm.work

    def put(self, key: str, size: int = 10, *, days: float = 0.0) -> Path:
        """A blob that was used so long ago."""
        path = self.blobs.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)
        used = time.time() - days * DAY
        os.utime(path, (used, used))
        return path

    def used(self) -> InUse:
        with self.farm.database.reading() as conn:
            return in_use(conn, self.blobs, self.work)

    def collect(
        self, limits: CacheLimits = NOTHING, used: InUse | None = None, *, dry_run: bool = False, wanted: int = 0
    ) -> Collected:
        return collect(self.blobs, self.work, limits, used or self.used(), dry_run=dry_run, wanted_bytes=wanted)

    @property
    def files(self) -> set[str]:
        found = (path for root in (self.blobs.root, self.work) for path in root.rglob("*") if path.is_file())
        return {str(path.relative_to(self.farm.folder)) for path in found}

    def of(self, kind: str) -> set[str]:
        return {name for name in self.files if name.startswith(f"blobs/{kind}/")}


@pytest.fixture
def yard(farm: Farm) -> Yard:
    return Yard(farm)


# What may be used again


def test_an_empty_farm_has_nothing_to_throw_away(yard: Yard) -> None:
    assert yard.collect(ALL) == Collected(files=0, bytes=0, kept_files=0, kept_bytes=0)


def test_what_nobody_has_used_for_long_goes(yard: Yard) -> None:
    for kind in ("chunks", "sounds", "texts", "remuxes", "sources"):
        yard.put(f"{kind}/old", days=15)
        yard.put(f"{kind}/new", days=13)

    assert yard.collect(used=NOBODY) == Collected(files=5, bytes=50, kept_files=5, kept_bytes=50)
    assert {Path(name).name for name in yard.files} == {"new"}


def test_a_dry_run_throws_nothing_away(yard: Yard) -> None:
    yard.put("chunks/old.mp4", days=15)

    assert yard.collect(used=NOBODY, dry_run=True) == Collected(files=1, bytes=10, kept_files=0, kept_bytes=0)
    assert yard.files == {"blobs/chunks/old.mp4"}


def test_the_oldest_go_first_when_there_is_too_much(yard: Yard) -> None:
    for number in range(5):
        yard.put(f"chunks/{number}.mp4", days=number)
    limits = CacheLimits(cache_bytes=30)

    assert yard.collect(limits, NOBODY) == Collected(files=2, bytes=20, kept_files=3, kept_bytes=30)
    assert yard.files == {f"blobs/chunks/{number}.mp4" for number in range(3)}


def test_room_is_made_as_far_as_that_goes(yard: Yard) -> None:
    for number in range(3):
        yard.put(f"chunks/{number}.mp4", days=number)

    assert yard.collect(used=NOBODY, wanted=15).files == 2
    assert yard.collect(used=NOBODY, wanted=1000).files == 1


def test_what_is_in_use_stays_however_old(yard: Yard) -> None:
    used = NOBODY.model_copy(update={"keys": frozenset({"k", "sounds/s", "sources/x"})})
    kept = [
        yard.put(key, days=99)
        for key in ("chunks/k.mp4", "chunks/k.json", "sounds/s", "sounds/s.json", "sources/x.json")
    ]
    gone = [yard.put(key, days=99) for key in ("chunks/s.mp4", "texts/s", "sounds/k2")]
    yard.collect(ALL, used, wanted=10**9)

    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in gone)


def test_a_source_that_was_read_a_moment_ago_stays(yard: Yard) -> None:
    """Its job may not have been told yet."""
    fresh, stale = yard.put("sources/fresh.json"), yard.put("sources/stale.json", days=0.1)
    yard.collect(ALL, NOBODY)

    assert (fresh.exists(), stale.exists()) == (True, False)


# What died


def test_drafts_of_the_dead_go(yard: Yard) -> None:
    days = DRAFT_SECONDS / DAY
    kinds = ("chunks", "sounds", "texts", "remuxes", "sources", "titles", "results", "witnesses", "trials", "growing")
    for kind in kinds:
        yard.put(f"{kind}/.1-ab-old", days=days + 0.1)
        yard.put(f"{kind}/.1-ab-new", days=days - 0.1)

    assert yard.collect(used=NOBODY).files == len(kinds)
    assert {Path(name).name for name in yard.files} == {".1-ab-new"}


def test_packages_that_grow_no_more_go_and_those_that_grow_stay(yard: Yard) -> None:
    """Also where other outputs of the same job stay."""
    for name in ("over", "under way", "unknown"):
        for file in (f"{name}/1/o/out.mp4", f"{name}/1/.live-o/master.m3u8"):
            path = yard.work / file
            path.parent.mkdir(parents=True)
            path.write_bytes(b"x")
    known = frozenset({"over", "under way"})
    yard.collect(used=NOBODY.model_copy(update={"seen": known, "jobs": known, "growing": frozenset({"under way"})}))

    assert yard.files == {
        *(f"work/{name}/1/o/out.mp4" for name in ("over", "under way", "unknown")),
        *(f"work/{name}/1/.live-o/master.m3u8" for name in ("under way", "unknown")),
    }


# What jobs leave behind


def stuck(kind: type[Order]) -> Answer:
    async def answer(order: Order) -> Result | None:
        return await for_ever(order) if isinstance(order, kind) else None

    return answer


def test_a_job_that_is_done_leaves_only_what_may_be_used_again(yard: Yard) -> None:
    name = yard.farm.submit(new_id())
    yard.farm.run(name)
    before = yard.files
    collected = yard.collect()

    assert (collected.files, collected.kept_files) == (0, len(yard.of("chunks") | yard.of("sounds") | yard.of("texts")))
    assert yard.files == before == yard.of("chunks") | yard.of("sounds") | yard.of("texts")
    yard.collect(ALL)
    assert yard.files == set()


def test_what_a_job_plans_to_use_stays(yard: Yard) -> None:
    farm = yard.farm
    farm.submit("earlier", inputs=["/same"])
    farm.run("earlier")
    other = farm.submit(new_id(), inputs=["/other"])
    farm.run(other)
    name = farm.submit(new_id(), inputs=["/same"])
    farm.hands.answer = stuck(StitchOrder)

    async def scene() -> None:
        async with farm.running():
            await farm.until(lambda: farm.state_of(name) is JobState.STITCHING)
            mine = {f"blobs/chunks/{row.key}" for row in farm.chunks_of(name)}
            yard.collect(ALL, wanted=10**9)
            assert yard.of("chunks") == {f"{key}{end}" for key in mine for end in (".mp4", ".json")}
            assert len(yard.of("sounds")) == len(yard.of("texts")) == 2
            assert yard.of("titles") == {f"blobs/titles/{name}-1-0-0.json"}

    play(scene())


def test_plans_and_results_of_jobs_that_have_ended_go_and_of_others_stay(yard: Yard) -> None:
    farm = yard.farm
    done, held = farm.submit(new_id()), farm.submit(new_id(), start="held")
    farm.run(done)
    for name in (done, held, new_id()):
        for kind in ("titles", "results"):
            yard.put(f"{kind}/{name}-1-0-0.json", days=1.1)
            yard.put(f"{kind}/{name}-2-0-0.json", days=0.9)  # it may still explain something
        (farm.work / name / "1").mkdir(parents=True)
    yard.collect()

    assert {f"blobs/{kind}/{held}-1-0-0.json" for kind in ("titles", "results")} <= yard.files
    assert Counter(Path(name).name[36:] for name in yard.of("titles")) == {"-1-0-0.json": 1, "-2-0-0.json": 3}
    assert [path.name for path in farm.work.iterdir()] == [held]


def test_outputs_that_stay_here_stay(yard: Yard) -> None:
    farm = yard.farm
    name = farm.submit(new_id(), targets=[None, str(farm.target)])
    farm.run(name)
    assert yard.collect(ALL).files > 0
    assert (farm.work / name / "1" / f"{name}-o0" / "output.mp4").exists()


def test_fetched_sources_of_ended_jobs_go(yard: Yard) -> None:
    farm = yard.farm
    done, held = farm.submit(new_id()), farm.submit(new_id(), start="held")
    farm.run(done)
    ids = {name: farm.inputs_of(name)[0].id for name in (done, held)}
    unknown = new_id()
    for folder in (*ids.values(), unknown):
        yard.put(f"fetched/{folder}/film.mp4", size=100)

    assert yard.collect(dry_run=True).bytes >= 200
    assert yard.collect().files == 2
    assert yard.of("fetched") == {f"blobs/fetched/{ids[held]}/film.mp4"}


def test_what_is_tried_again_keeps_what_it_has(yard: Yard) -> None:
    farm = yard.farm
    name = farm.submit(new_id())
    farm.run(name)
    yard.put(f"fetched/{farm.inputs_of(name)[0].id}/film.mp4")
    farm.wish(RetryAsked(), name)
    yard.collect()

    assert len(yard.of("fetched")) == 1


def test_the_record_of_a_source_stays_with_jobs_that_wait_for_their_turn(yard: Yard) -> None:
    """Nothing else of them lies anywhere yet."""
    farm = yard.farm
    name = farm.submit(new_id(), start="held")
    farm.replace_input(farm.inputs_of(name)[0].model_copy(update={"index_key": "sources/wanted.json"}))
    yard.put("sources/wanted.json", days=20)
    yard.put("sources/forgotten.json", days=20)
    yard.collect(ALL)

    assert yard.of("sources") == {"blobs/sources/wanted.json"}


# At the same time


def test_what_came_after_the_look_is_not_judged(yard: Yard) -> None:
    """1. Somebody looks what is in use.  2. A job begins, and its source is fetched.  3. That was thrown away."""
    used = yard.used()
    name = yard.farm.submit(new_id())
    yard.put(f"fetched/{yard.farm.inputs_of(name)[0].id}/film.mp4")
    yard.put(f"titles/{name}-1-0-0.json")
    (yard.work / name).mkdir(parents=True)
    before = yard.files

    assert yard.collect(used=used).files == 0
    assert yard.files == before
    assert (yard.work / name).exists()


def test_files_that_vanish_meanwhile_do_no_harm(yard: Yard) -> None:
    """Drafts become blobs, and outputs are moved away, while others are looked at."""
    yard.blobs.path("chunks").mkdir()
    for number in range(50):
        yard.blobs.path(f"chunks/.1-draft-{number}").symlink_to("nowhere")
        yard.blobs.path(f"chunks/{number}.mp4").symlink_to("nowhere")
    name = new_id()
    folder = yard.blobs.path(f"fetched/{name}")
    folder.mkdir(parents=True)
    (folder / "film").symlink_to("nowhere")

    assert yard.collect(ALL).files == 1


def test_a_farm_is_collected_while_it_works(yard: Yard) -> None:
    farm = yard.farm
    names = [farm.submit(new_id(), inputs=[f"/{number}.mp4"]) for number in range(5)]

    async def scene() -> None:
        async with farm.running() as coordinator:
            waiting = [asyncio.ensure_future(coordinator.jobs.ended(name)) for name in names]
            while not all(each.done() for each in waiting):
                yard.collect(ALL, wanted=10**9)
                await asyncio.sleep(0.3)

    play(scene())
    assert {farm.state_of(name) for name in names} == {JobState.COMPLETED}
    assert all(farm.states_of(name) == {ChunkState.COMMITTED: 4} for name in names)
    assert sum(isinstance(order, GroupOrder) for order in farm.hands.orders) == 20
    yard.collect(ALL)
    assert yard.files == set()


def test_an_output_whose_time_is_over_goes(yard: Yard) -> None:
    yard.farm.submit(targets=[None], limits=Limits(max_kept_seconds=3600))
    assert yard.farm.run().state is JobState.COMPLETED
    yard.collect()
    assert any(name.startswith("work/j/") for name in yard.files)
    with yard.farm.database.writing() as conn:
        conn.execute(update(outputs).values(expires_at=datetime.now(UTC)))
    yard.collect()
    assert not any(name.startswith("work/j/") for name in yard.files)
