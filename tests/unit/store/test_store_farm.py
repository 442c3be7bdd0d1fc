"""The farm's own row, its machines and its canaries."""

from datetime import datetime, timedelta

import pytest

from framemill.errors import StaleWrite
from framemill.jobs.model import Machine
from framemill.jobs.reasons import Reason
from framemill.store.database import Database
from framemill.store.epochs import current_epoch, take_epoch
from framemill.store.farm import read_condition, read_paused, set_condition, set_paused
from framemill.store.machines import forget_machines, known_canary, list_machines, save_machines


def test_a_pause_outlives_every_coordinator(database: Database) -> None:
    with database.writing() as conn:
        assert not read_paused(conn)
        set_paused(conn, True)
        take_epoch(conn)
    with database.writing() as conn:
        assert read_paused(conn)
        set_paused(conn, False)
        assert not read_paused(conn)


def test_only_the_last_coordinator_says_how_the_farm_is(database: Database) -> None:
    full = {"paused": {"code": "disk", "sentence": "The disk is full."}}
    with database.writing() as conn:
        assert read_condition(conn) == {}
        old, new = take_epoch(conn), take_epoch(conn)
        set_condition(conn, full, new)
        with pytest.raises(StaleWrite):
            set_condition(conn, {"paused": None}, old)
    with database.reading() as conn:
        assert read_condition(conn) == full
        assert current_epoch(conn) == new


def test_machines_are_written_over_and_forgotten(database: Database, now: datetime) -> None:
    first = Machine(id="x", name="second", build="9.0.2", architecture="x86_64", seen_at=now)
    other = Machine(id="y", name="first", seen_at=now)
    bad = first.model_copy(
        update={
            **{"state": "quarantined", "reason": Reason.VERIFICATION_FAILED, "message": "Other pixels."},
            **{"canary": "0" * 64, "seen_at": now + timedelta(seconds=2)},
        }
    )
    with database.writing() as conn:
        save_machines(conn, [first, other])
        assert list_machines(conn) == [other, first]
        save_machines(conn, [bad])
        assert list_machines(conn) == [other, bad]
        forget_machines(conn, ["y", "nobody"])
        assert list_machines(conn) == [bad]


def test_the_first_canary_is_the_farms(database: Database) -> None:
    with database.writing() as conn:
        assert known_canary(conn, "9.0.2", "x86_64", "a" * 64) == "a" * 64
        assert known_canary(conn, "9.0.2", "x86_64", "b" * 64) == "a" * 64
        assert known_canary(conn, "9.0.2", "aarch64", "b" * 64) == "b" * 64
        assert known_canary(conn, "9.1", "x86_64", "c" * 64) == "c" * 64
