"""What is thrown away where machines share a bucket: of it by the limits, of a machine's folder as it likes."""

import os
import time
from pathlib import Path

import pytest
from storage.test_blobs import commit, new_bucket

from framemill.farm.collecting import InUse, collect, collect_shared
from framemill.policy.retention import CacheLimits
from framemill.storage.access import S3Access
from framemill.storage.blobs import Home
from framemill.storage.s3blobs import S3Blobs

LONG_AGO = time.time() - 40 * 24 * 3600
NOTHING = InUse(jobs=frozenset(), keys=frozenset(), inputs=frozenset(), growing=frozenset(), seen=frozenset())
JOB, OTHER = "a" * 36, "b" * 36


@pytest.fixture
def blobs(moto: str, tmp_path: Path) -> S3Blobs:
    access = S3Access(access_key_id="test", secret_access_key="test", endpoint=moto)  # noqa: S106
    return S3Blobs(Home(root=tmp_path / "blobs", work=tmp_path / "work", bucket=new_bucket(access)))


def age(path: Path) -> None:
    os.utime(path, (LONG_AGO, LONG_AGO))


def held(blobs: S3Blobs, kind: str) -> set[str]:
    return {one.key.removeprefix(f"{kind}/") for one in blobs.held(kind)}


def test_a_copy_goes_and_is_brought_again(blobs: S3Blobs) -> None:
    """Also one that a job needs: the bucket has it."""
    commit(blobs)
    for key in ("chunks/a.mp4", "chunks/a.json"):
        age(blobs.path(key))
    used = NOTHING.model_copy(update={"keys": frozenset({"a"})})
    gone = collect(blobs, blobs.path("work/"), CacheLimits(cache_bytes=0), used)
    assert gone.files == 2
    assert not blobs.has("chunks/a.mp4")
    assert held(blobs, "chunks") == {"a.mp4", "a.json"}
    blobs.bring(["chunks/a.mp4"])
    assert blobs.has("chunks/a.mp4")


def test_a_copy_that_was_just_brought_stays(blobs: S3Blobs) -> None:
    """An order may be at it."""
    commit(blobs)
    assert collect(blobs, blobs.path("work/"), CacheLimits(cache_bytes=0), NOTHING).files == 0


def test_copies_of_sources_and_outputs_go_but_what_still_comes_stays(blobs: S3Blobs) -> None:
    work = blobs.path("work/")
    kept = [blobs.path(f"work/{JOB}/1/o/film.mp4"), blobs.root / "fetched/i/film.mp4", blobs.root / "uploads/u/body-1"]
    coming = [blobs.root / "uploads/u/tus", blobs.path(f"work/{OTHER}/1/o/film.mp4")]
    for path in (*kept, *coming):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"film")
        age(path)
    used = NOTHING.model_copy(update={"jobs": frozenset({JOB, OTHER}), "growing": frozenset({OTHER})})
    collect(blobs, work, CacheLimits(cache_bytes=0), used)
    assert [path.exists() for path in (*kept, *coming)] == [False, False, False, True, True]


def test_the_bucket_keeps_what_is_used_and_what_is_new(blobs: S3Blobs) -> None:
    commit(blobs)
    assert collect_shared(blobs, CacheLimits(cache_bytes=0), NOTHING).files == 0
    assert held(blobs, "chunks") == {"a.mp4", "a.json"}


@pytest.mark.parametrize("dry_run", [True, False])
def test_the_bucket_gives_up_what_jobs_have_left(blobs: S3Blobs, dry_run: bool) -> None:
    for job in (JOB, OTHER):
        path = blobs.path(f"work/{job}/1/o/film.mp4")
        path.parent.mkdir(parents=True)
        path.write_bytes(b"film")
        blobs.share(path)
    used = NOTHING.model_copy(update={"seen": frozenset({JOB, OTHER}), "jobs": frozenset({OTHER})})
    gone = collect_shared(blobs, CacheLimits(), used, dry_run=dry_run)
    assert (gone.files, gone.bytes) == (1, 4)
    left = {f"{OTHER}/1/o/film.mp4"} | ({f"{JOB}/1/o/film.mp4"} if dry_run else set())
    assert held(blobs, "work") == left
