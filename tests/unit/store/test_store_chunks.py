"""Chunks: planned, leased, reported, committed; by whom, and by whom not."""

import threading
import tracemalloc
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Connection

from framemill.errors import StaleWrite
from framemill.jobs.model import ChunkRow, Failure, Job
from framemill.jobs.reasons import Reason
from framemill.jobs.states import ChunkState
from framemill.store import chunks as store
from framemill.store.database import Database
from framemill.store.epochs import take_epoch
from framemill.store.jobs import load_job

MakeChunks = Callable[..., list[ChunkRow]]
pytestmark = pytest.mark.usefixtures("stored")


def plan(conn: Connection, rows: list[ChunkRow], attempt: int = 1) -> int:
    """Write the plan as a new coordinator; its epoch."""
    epoch = take_epoch(conn)
    store.replace_chunks(conn, "j", attempt, rows, epoch=epoch)
    return epoch


def lease(conn: Connection, keys: list[str], token: str, epoch: int, now: datetime) -> bool:
    """Lease to worker `w`."""
    return store.lease_chunks(conn, "j", 1, keys, token=token, worker="w", epoch=epoch, now=now)


def commit(conn: Connection, key: str, token: str, epoch: int, now: datetime) -> bool:
    """Commit a blob named like the key."""
    result = {"blob": f"blobs/{key}", "sha256": "0" * 64}
    return store.commit_chunk(conn, key, token, epoch, **result, size=100, seconds=1.5, cpu_seconds=1.25, now=now)


def rows(conn: Connection, *names: str) -> list[Any]:
    """Those fields of every chunk."""
    found = [tuple(getattr(row, name) for name in names) for row in store.load_chunks(conn, "j", 1)]
    return [row[0] for row in found] if len(names) == 1 else found


def test_a_chunk_is_leased_reported_and_committed(database: Database, make_chunks: MakeChunks, now: datetime) -> None:
    with database.writing() as conn:
        epoch = plan(conn, make_chunks("a", "b"))
        assert lease(conn, ["a"], "t", epoch, now)
        assert rows(conn, "state", "lease_token", "worker", "epoch", "leased_at") == [
            (ChunkState.LEASED, "t", "w", epoch, now),
            (ChunkState.WAITING, None, None, None, None),
        ]
        assert store.report_progress(conn, "a", "t", epoch, 4)
        assert store.frames_of(conn, "j", 1) == (4, 20)
        assert store.report_progress(conn, "a", "t", epoch, 3)
        assert store.frames_of(conn, "j", 1) == (4, 20)
        assert commit(conn, "a", "t", epoch, now)
        assert store.frames_of(conn, "j", 1) == (10, 20)
        committed = store.load_chunks(conn, "j", 1)[0]
    assert committed == make_chunks("a")[0].model_copy(
        update={
            **{"state": ChunkState.COMMITTED, "frames_done": 10, "blob": "blobs/a", "size": 100, "sha256": "0" * 64},
            **{"seconds": 1.5, "cpu_seconds": 1.25, "committed_at": now},
        }
    )


def test_progress_does_not_touch_the_job(
    database: Database, make_chunks: MakeChunks, stored: Job, now: datetime
) -> None:
    with database.writing() as conn:
        epoch = plan(conn, make_chunks("a"))
        lease(conn, ["a"], "t", epoch, now)
        store.report_progress(conn, "a", "t", epoch, 4)
        assert (load_job(conn, "j") or [None])[0] == stored


def test_committing_twice_is_harmless(database: Database, make_chunks: MakeChunks, now: datetime) -> None:
    with database.writing() as conn:
        epoch = plan(conn, make_chunks("a"))
        lease(conn, ["a"], "t", epoch, now)
        assert commit(conn, "a", "t", epoch, now)
        before = store.load_chunks(conn, "j", 1)
        assert not commit(conn, "a", "t", epoch, now)
        assert store.load_chunks(conn, "j", 1) == before


def test_an_older_epoch_changes_no_row(database: Database, make_chunks: MakeChunks, now: datetime) -> None:
    with database.writing() as conn:
        old = plan(conn, make_chunks("a", "b", "c"))
        lease(conn, ["a"], "t", old, now)
        lease(conn, ["c"], "u", old, now)
        commit(conn, "c", "u", old, now)
        take_epoch(conn)
        before = store.load_chunks(conn, "j", 1)
        assert not lease(conn, ["b"], "v", old, now)
        assert not store.report_progress(conn, "a", "t", old, 4)
        assert not commit(conn, "a", "t", old, now)
        assert not store.release_chunks(conn, "t", old)
        assert not store.quarantine_chunk(conn, "a", "t", old, reason=Reason.FFMPEG_FAILED, message="")
        assert not store.return_chunks(conn, "j", 1, ["c"], old)
        with pytest.raises(StaleWrite):
            store.replace_chunks(conn, "j", 1, [], epoch=old)
        assert store.load_chunks(conn, "j", 1) == before


def test_a_lease_outlives_its_coordinator(database: Database, make_chunks: MakeChunks, now: datetime) -> None:
    with database.writing() as conn:
        lease(conn, ["a"], "t", plan(conn, make_chunks("a")), now)
        assert commit(conn, "a", "t", take_epoch(conn), now)


def test_another_token_changes_no_row(database: Database, make_chunks: MakeChunks, now: datetime) -> None:
    """A worker was silent, its chunk was given to another one, and then it speaks again."""
    with database.writing() as conn:
        epoch = plan(conn, make_chunks("a"))
        lease(conn, ["a"], "first", epoch, now)
        assert store.release_chunks(conn, "first", epoch) == 1
        assert lease(conn, ["a"], "second", epoch, now)
        assert not store.report_progress(conn, "a", "first", epoch, 9)
        assert not commit(conn, "a", "first", epoch, now)
        assert not store.release_chunks(conn, "first", epoch)
        assert rows(conn, "lease_token", "frames_done", "tries") == [("second", 0, 1)]


def test_a_group_is_leased_whole_or_not_at_all(database: Database, make_chunks: MakeChunks, now: datetime) -> None:
    with database.writing() as conn:
        epoch = plan(conn, make_chunks("a", "b", "c"))
        assert lease(conn, ["b"], "t", epoch, now)
        assert not lease(conn, ["a", "b"], "u", epoch, now)
        assert not lease(conn, ["a", "nothing"], "u", epoch, now)
        assert lease(conn, ["a", "c"], "u", epoch, now)
        assert rows(conn, "lease_token") == ["u", "t", "u"]


def test_the_rest_of_a_lease_waits_again(database: Database, make_chunks: MakeChunks, now: datetime) -> None:
    with database.writing() as conn:
        epoch = plan(conn, make_chunks("a", "b", "c"))
        lease(conn, ["a", "b", "c"], "t", epoch, now)
        commit(conn, "a", "t", epoch, now)
        assert store.release_chunks(conn, "t", epoch, ["b"]) == 1
        assert store.release_chunks(conn, "t", epoch) == 1
        assert rows(conn, "state", "tries") == [
            (ChunkState.COMMITTED, 0),
            (ChunkState.WAITING, 1),
            (ChunkState.WAITING, 1),
        ]


def test_a_chunk_that_always_fails_is_put_aside(database: Database, make_chunks: MakeChunks, now: datetime) -> None:
    with database.writing() as conn:
        epoch = plan(conn, make_chunks("a"))
        lease(conn, ["a"], "t", epoch, now)
        assert store.quarantine_chunk(conn, "a", "t", epoch, reason=Reason.FFMPEG_FAILED, message="ffmpeg -i in.mp4")
        assert rows(conn, "state", "reason", "message", "lease_token") == [
            (ChunkState.QUARANTINED, Reason.FFMPEG_FAILED, "ffmpeg -i in.mp4", None)
        ]
        assert not lease(conn, ["a"], "u", epoch, now)


def test_a_lost_blob_is_encoded_again(database: Database, make_chunks: MakeChunks, now: datetime) -> None:
    with database.writing() as conn:
        epoch = plan(conn, make_chunks("a", "b"))
        lease(conn, ["a"], "t", epoch, now)
        commit(conn, "a", "t", epoch, now)
        assert store.return_chunks(conn, "j", 1, ["a", "b"], epoch) == 1
        assert store.load_chunks(conn, "j", 1) == make_chunks("a", "b")


def test_a_new_plan_keeps_what_has_the_same_key(database: Database, make_chunks: MakeChunks, now: datetime) -> None:
    with database.writing() as conn:
        epoch = plan(conn, make_chunks("a", "b", "c"))
        lease(conn, ["a"], "t", epoch, now)
        commit(conn, "a", "t", epoch, now)
        lease(conn, ["b"], "u", epoch, now)
        store.replace_chunks(conn, "j", 1, make_chunks("new", "a", "b"), epoch=epoch)
        assert rows(conn, "number", "key", "state", "first_frame", "blob", "lease_token") == [
            (0, "new", ChunkState.WAITING, 0, None, None),
            (1, "a", ChunkState.COMMITTED, 10, "blobs/a", None),
            (2, "b", ChunkState.LEASED, 20, None, "u"),
        ]
        store.replace_chunks(conn, "j", 1, [])
        assert store.load_chunks(conn, "j", 1) == []


def test_a_new_attempt_can_take_over_what_was_committed(
    database: Database, make_chunks: MakeChunks, now: datetime
) -> None:
    with database.writing() as conn:
        epoch = plan(conn, make_chunks("a", "b"))
        lease(conn, ["a"], "t", epoch, now)
        commit(conn, "a", "t", epoch, now)
        known = store.committed_chunks(conn, ["a", "b", *map(str, range(3000))])
        assert set(known) == {"a"}
        taken_over = known["a"].model_copy(update={"attempt": 2})
        store.replace_chunks(conn, "j", 2, [taken_over, make_chunks("", "b", attempt=2)[1]], epoch=epoch)
        assert [row.state for row in store.load_chunks(conn, "j", 2)] == [ChunkState.COMMITTED, ChunkState.WAITING]
        assert store.frames_of(conn, "j", 2) == (10, 20)
        assert len(store.load_chunks(conn, "j", 1)) == 2


def test_equal_outputs_share_one_encode(database: Database, make_chunks: MakeChunks, now: datetime) -> None:
    with database.writing() as conn:
        epoch = plan(conn, make_chunks("a") + make_chunks("a", output_id="o2"))
        assert lease(conn, ["a"], "t", epoch, now)
        assert commit(conn, "a", "t", epoch, now)
        assert rows(conn, "output_id", "blob") == [("o1", "blobs/a"), ("o2", "blobs/a")]


def test_a_plan_is_of_one_attempt(database: Database, make_chunks: MakeChunks) -> None:
    with pytest.raises(ValueError, match="chunks of another one"), database.writing() as conn:
        store.replace_chunks(conn, "j", 2, make_chunks("a"))


def test_failures_of_a_lease_are_kept_with_its_chunks(
    database: Database, make_chunks: MakeChunks, now: datetime
) -> None:
    first = Failure(machine="m1", reason=Reason.FFMPEG_FAILED, digest="d", at=now)
    second = Failure(machine="m2", reason=Reason.CHILD_FAILED, digest='"e"', at=now)
    with database.writing() as conn:
        epoch = plan(conn, make_chunks("a", "b", "c"))
        lease(conn, ["a", "b"], "t", epoch, now)
        lease(conn, ["c"], "u", epoch, now)
        assert store.note_failure(conn, "t", epoch, first) == 2
        assert store.note_failure(conn, "t", epoch, second, ["b"]) == 1
        assert store.release_chunks(conn, "t", epoch) == 2
        assert store.note_failure(conn, "t", epoch, first) == 0
        assert rows(conn, "failures") == [(first,), (first, second), ()]
        assert lease(conn, ["b"], "v", epoch, now)
        assert store.note_failure(conn, "v", take_epoch(conn) - 1, first) == 0
        assert rows(conn, "failures")[1] == (first, second)


def test_unfinished_is_whatever_is_not_committed(database: Database, make_chunks: MakeChunks, now: datetime) -> None:
    with database.writing() as conn:
        planned = make_chunks("a", "b", "c", "d") + make_chunks("e", output_id="o2", rendition=1, group_number=7)
        epoch = plan(conn, planned)
        lease(conn, ["a", "b", "c"], "t", epoch, now)
        commit(conn, "a", "t", epoch, now)
        store.quarantine_chunk(conn, "c", "t", epoch, reason=Reason.FFMPEG_FAILED, message="")
        store.release_chunks(conn, "t", epoch)
        lease(conn, ["b"], "u", epoch, now)
        waiting, leased, aside = ChunkState.WAITING, ChunkState.LEASED, ChunkState.QUARANTINED
        assert store.unfinished_chunks(conn, "j", 1) == [
            store.UnfinishedChunk("o1", 0, 1, 0, "b", 10, 20, leased, "u", "w", 1),
            store.UnfinishedChunk("o1", 0, 2, 0, "c", 20, 30, aside, None, None, 1),
            store.UnfinishedChunk("o1", 0, 3, 0, "d", 30, 40, waiting, None, None, 0),
            store.UnfinishedChunk("o2", 1, 0, 7, "e", 0, 10, waiting, None, None, 0),
        ]
        assert store.unfinished_chunks(conn, "j", 2) == []


def test_unfinished_chunks_are_small(database: Database, make_chunks: MakeChunks, now: datetime) -> None:
    """A coordinator holds those of every job it drives."""
    with database.writing() as conn:
        epoch = plan(conn, make_chunks(*(f"{number:064x}" for number in range(1000))))
        lease(conn, [f"{number:064x}" for number in range(500)], "t" * 32, epoch, now)
        store.unfinished_chunks(conn, "j", 1)
        tracemalloc.start()
        held = store.unfinished_chunks(conn, "j", 1)
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert size / len(held) < 500


def test_one_of_many_takes_a_chunk(empty: Database, database: Database, make_chunks: MakeChunks, now: datetime) -> None:
    """Two coordinators, each with a database of its own, give out the same chunks; each chunk is given out once."""
    keys = [f"k{number}" for number in range(20)]
    with database.writing() as conn:
        epoch = plan(conn, make_chunks(*keys))
    taken: dict[str, list[str]] = {"first": [], "second": []}
    ready = threading.Barrier(2)

    def take(name: str) -> None:
        mine = Database(empty.url)
        ready.wait(10)
        for key in keys:
            with mine.writing() as conn:
                if lease(conn, [key], f"{name} {key}", epoch, now):
                    taken[name].append(key)
        mine.close()

    threads = [threading.Thread(target=take, args=(name,)) for name in taken]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken["first"] + taken["second"]) == sorted(keys)
    with database.reading() as conn:
        assert rows(conn, "lease_token") == [
            f"{'first' if key in taken['first'] else 'second'} {key}" for key in keys
        ]  # fmt: skip


def test_a_coordinator_that_lost_its_epoch_meanwhile_changes_nothing(
    empty: Database, database: Database, make_chunks: MakeChunks, now: datetime
) -> None:
    """The new one takes its epoch while the old one is on its way to the write lock."""
    with database.writing() as conn:
        old = plan(conn, make_chunks("a", "b"))
        lease(conn, ["a"], "t", old, now)
    changed: list[object] = []
    began = threading.Event()

    def write() -> None:
        mine = Database(empty.url)
        began.set()
        with mine.writing() as conn:
            changed.append(commit(conn, "a", "t", old, now))
            changed.append(lease(conn, ["b"], "u", old, now))
            changed.append(store.release_chunks(conn, "t", old))
        mine.close()

    thread = threading.Thread(target=write)
    with database.writing() as conn:
        thread.start()
        began.wait(10)
        take_epoch(conn)
    thread.join()
    assert changed == [False, False, 0]
    with database.reading() as conn:
        assert rows(conn, "state", "lease_token") == [(ChunkState.LEASED, "t"), (ChunkState.WAITING, None)]
