"""A farm whose blobs are in a bucket, killed in every state of a job, each time with the machine's folder lost."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from fake_farm import Farm
from fake_hands import FakeHands
from mortal import play
from storage.test_blobs import new_bucket

from framemill.farm.orders import Result, StitchOrder
from framemill.jobs.states import JobState
from framemill.storage.access import S3Access
from framemill.storage.blobs import Home
from framemill.storage.s3blobs import S3Blobs
from framemill.store.database import Database

FILM = b"[0,10)[10,20)[20,30)[30,40)"
WORKING = (
    *(JobState.PLANNING, JobState.ENCODING, JobState.STITCHING),
    *(JobState.PACKAGING, JobState.DELIVERING),
)


class Hands(FakeHands):
    """Who joins lets the others have it, as a stitcher does."""

    def _join(self, order: StitchOrder) -> Result:
        self.blobs.bring_files(Path(order.folder))
        done = super()._join(order)
        self.blobs.share(Path(order.folder))
        return done


class BucketFarm(Farm):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.hands = Hands(self.blobs)

    def put_into(self, access: S3Access) -> None:
        home = Home(root=self.folder / "blobs", work=self.work, bucket=new_bucket(access))
        self.blobs = self.hands.blobs = S3Blobs(home)  # type: ignore[assignment]

    def lose_folder(self) -> None:
        for folder in (self.blobs.root, self.work):
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def farm(tmp_path: Path, moto: str, database: Database) -> BucketFarm:
    made = BucketFarm(tmp_path, database)
    made.put_into(S3Access(access_key_id="test", secret_access_key="test", endpoint=moto))  # noqa: S106
    return made


@pytest.mark.parametrize("state", WORKING)
@pytest.mark.parametrize("when", ["entering", "leaving"])
def test_nothing_that_was_committed_is_done_again(farm: BucketFarm, state: JobState, when: str) -> None:
    farm.submit()
    fate = farm.entering(state) if when == "entering" else farm.leaving(state)

    async def scene() -> JobState:
        farm.hire()
        first = farm.coordinator()
        first.database.fate = fate
        await first.start()
        await first.died()
        farm.lose_folder()
        second = farm.coordinator()
        await second.start()
        job = await second.jobs.ended("j")
        await second.close()
        return job.state

    assert play(scene()) is JobState.COMPLETED
    assert farm.target.read_bytes() == FILM
    assert sorted(farm.hands.groups) == [0, 1, 2, 3]
    assert len(farm.hands.plans) == 1
    assert list(farm.blobs.held("work")) == list(farm.blobs.held("titles")) == []
