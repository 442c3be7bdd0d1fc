"""Accounts, keys, users, sessions, claims and the audit trail, as both databases keep them."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, insert, select

from framemill.errors import Conflict, StaleWrite
from framemill.jobs.accounts import DEFAULT_ACCOUNT, Account, Key, Quotas, Session, User
from framemill.jobs.model import Job
from framemill.jobs.states import JobState
from framemill.policy.quotas import JobsSoFar, UploadsSoFar
from framemill.store import accounts as rows
from framemill.store import idempotency, keys, ledger, users
from framemill.store.account_tables import audit, sessions
from framemill.store.account_tables import idempotency as claims
from framemill.store.audit import add_audited, list_audited
from framemill.store.database import Database
from framemill.store.exchange_tables import uploads
from framemill.store.idempotency import Claim
from framemill.store.jobs import add_job, load_job
from framemill.store.pruning import KEEP_ANSWERS, KEEP_AUDIT, KEEP_SESSIONS, prune
from framemill.store.usage import add_used


def test_the_default_account_is_there_from_the_start(database: Database, now: datetime) -> None:
    with database.writing() as conn:
        assert rows.ensure_account(conn, DEFAULT_ACCOUNT, now).created_at != now
        made = rows.ensure_account(conn, "jellyfin:7", now)
        assert (made.name, made.created_at) == ("jellyfin:7", now)
        assert rows.ensure_account(conn, "jellyfin:7", now + timedelta(days=1)) == made
        assert [one.id for one in rows.list_accounts(conn, None, 10)] == [DEFAULT_ACCOUNT, "jellyfin:7"]
        assert [one.id for one in rows.list_accounts(conn, DEFAULT_ACCOUNT, 10)] == ["jellyfin:7"]
        with pytest.raises(Conflict):
            rows.add_account(conn, made)


def test_an_account_is_changed_at_its_version_and_its_money_stays(database: Database, now: datetime) -> None:
    with database.writing() as conn:
        account = rows.ensure_account(conn, "a", now)
        ledger.deposit(conn, "a", 5, now=now)
        changed = account.model_copy(update={"name": "A", "version": 2, "quotas": Quotas(active_jobs=3)})
        rows.save_account(conn, changed, 1)
        with pytest.raises(StaleWrite):
            rows.save_account(conn, changed, 1)
        assert rows.load_account(conn, "a") == changed.model_copy(update={"balance": 5})
        assert rows.limited_accounts(conn) == {"a": 3}


def test_an_account_goes_with_all_that_is_its_own(
    database: Database, make_job: Callable[..., Job], now: datetime
) -> None:
    with database.writing() as conn:
        rows.ensure_account(conn, "a", now)
        ledger.deposit(conn, "a", 5, now=now)
        keys.save_key(conn, key("k", now))
        add_job(conn, make_job(id="j", account="a"), [], [])
        with pytest.raises(Conflict, match="not ended"):
            rows.remove_account(conn, "a")
    with database.writing() as conn:
        add_job(conn, make_job(id="done", account="a", state=JobState.COMPLETED), [], [])
        conn.exec_driver_sql("UPDATE jobs SET state = 'failed' WHERE id = 'j'")
        rows.remove_account(conn, "a")
        assert rows.load_account(conn, "a") is None
        assert keys.load_key(conn, "k") is None
        assert load_job(conn, "done") is None


def test_what_counts_against_quotas(database: Database, make_job: Callable[..., Job], now: datetime) -> None:
    with database.writing() as conn:
        for state in (JobState.HELD, JobState.QUEUED, JobState.ENCODING, JobState.FAILED):
            add_job(conn, make_job(account="a", state=state), [], [])
        add_job(conn, make_job(account="b"), [], [])
        add_used(conn, "a", "2030-05-17", {rows.SUBMITTED: 3, rows.UPLOADED: 40, "nothing": 0})
        add_used(conn, "a", "2030-05-17", {rows.SUBMITTED: 2})
        assert rows.jobs_so_far(conn, "a", "2030-05-17") == JobsSoFar(5, 3)
        assert rows.jobs_so_far(conn, "a", "2030-05-18") == JobsSoFar(0, 3)
        for upload_id, its_state, size, received in (
            ("u1", "open", 100, 10),
            ("u2", "open", None, 7),
            ("u3", "completed", 5, 5),
            ("u4", "aborted", 1000, 1000),
        ):
            row = {"id": upload_id, "account": "a", "door": "native", "filename": "f", "protocol": "put"}
            more = {"size": size, "received": received, "state": its_state, "version": 1, "created_at": now}
            conn.execute(insert(uploads).values(**row, **more, metadata={}))
        assert rows.uploads_so_far(conn, "a", "2030-05-17", ["open"]) == UploadsSoFar(2, 112, 40)
        assert rows.uploads_so_far(conn, "a", "2030-05-17", ["open"], without="u1") == UploadsSoFar(1, 12, 40)
        assert rows.uploads_so_far(conn, "b", "2030-05-17", ["open"]) == UploadsSoFar(0, 0, 0)


def key(key_id: str, now: datetime, account: str = "a") -> Key:
    return Key(id=key_id, account=account, name="n", hash=key_id * 8, hint="fm_", scopes=("usage",), created_at=now)


def test_a_key_is_found_by_its_hash_and_its_use_noted_now_and_then(database: Database, now: datetime) -> None:
    soon, later = now + timedelta(minutes=4), now + timedelta(minutes=6)
    with database.writing() as conn:
        account = rows.ensure_account(conn, "a", now)
        keys.save_key(conn, key("k", now))
        assert keys.find_key(conn, "k" * 8) == (key("k", now), account)
        assert keys.find_key(conn, "k") is None
        for at, noted in ((now, now), (soon, now), (later, later)):
            keys.note_use(conn, "k", at)
            found = keys.load_key(conn, "k")
            assert found is not None
            assert found.used_at == noted
        assert keys.revoke_key(conn, "k", now)
        assert not keys.revoke_key(conn, "k", later)


def test_names_and_addresses_of_users_are_their_own(database: Database, now: datetime) -> None:
    def user(user_id: str, name: str, email: str | None = None) -> User:
        return User(id=user_id, account="a", name=name, email=email, sessions_from=now, created_at=now)

    with database.writing() as conn:
        rows.ensure_account(conn, "a", now)
        users.save_user(conn, user("u", "ann", "ann@example.org"))
        users.save_user(conn, user("v", "bob"))
        users.save_user(conn, user("x", "x@example.org", "x@example.org"))
        assert users.remove_user(conn, "x")
        by_the_others = (user("w", "ann@example.org"), user("w", "cleo", "bob"), user("v", "bob", "ann"))
        for other in (user("w", "ann"), user("w", "cleo", "ann@example.org"), user("v", "ann"), *by_the_others):
            with pytest.raises(Conflict):
                users.save_user(conn, other)
        users.save_user(conn, user("u", "ann", "ann@example.com"))
        assert users.find_user(conn, "ann@example.com") == users.find_user(conn, "ann") == users.load_user(conn, "u")
        assert [one.id for one in users.list_users(conn, None, None, 5)] == ["v", "u"]
        assert users.remove_user(conn, "u")
        assert not users.remove_user(conn, "u")


def test_a_name_with_a_character_that_no_name_has_finds_nobody(database: Database) -> None:
    with database.reading() as conn:
        assert users.find_user(conn, "ann\0") is None
        assert rows.load_account(conn, "a\0") is None


def test_what_a_broken_file_made_somebody_say_can_be_kept(database: Database, now: datetime) -> None:
    with database.writing() as conn:
        rows.add_account(conn, Account(id="a", name="tag \0 found", created_at=now))
    with database.reading() as conn:
        found = rows.load_account(conn, "a")
        assert found is not None
        assert found.name in {"tag \0 found", "tag \N{REPLACEMENT CHARACTER} found"}


def test_a_session_is_there_once(database: Database, now: datetime) -> None:
    session = Session(id="s", subject="user:u", created_at=now, expires_at=now)
    with database.writing() as conn:
        assert users.add_session(conn, session)
        assert not users.add_session(conn, session)
        assert users.end_session(conn, "s", now)
        assert not users.end_session(conn, "s", now)
        assert not users.add_session(conn, session)


def claim(now: datetime, holder: str, request_hash: str = "h") -> Claim:
    return Claim(
        account="a",
        key="k",
        request_hash=request_hash,
        holder=holder,
        held_at=now,
        made_id=f"made by {holder}",
        created_at=now,
    )


def test_a_request_is_held_by_one_taken_over_and_answered(database: Database, now: datetime) -> None:
    def ask(holder: str, at: datetime) -> Claim:
        with database.writing() as conn:
            return idempotency.claim(
                conn,
                claim(at, holder),
                forgotten_before=at - KEEP_ANSWERS,
                given_up_before=at - timedelta(seconds=60),
            )

    first = ask("one", now)
    assert first.holder == "one"
    assert ask("two", now + timedelta(seconds=59)).holder == "one"
    later = now + timedelta(seconds=61)
    second = ask("two", later)
    assert (second.holder, second.made_id) == ("two", "made by one")
    with database.writing() as conn:
        assert not idempotency.answered(conn, first, 201, [("a", "b")], b"late")
        idempotency.let_go(conn, first)
        assert idempotency.load_claim(conn, "a", "k") == second
        idempotency.let_go(conn, second)
    third = ask("three", later)
    assert (third.holder, third.made_id) == ("three", "made by one")
    with database.writing() as conn:
        assert idempotency.answered(conn, third, 201, [("a", "b"), ("a", "c")], b"\xff")
    kept = ask("four", later + timedelta(hours=1))
    assert (kept.status, [tuple(pair) for pair in kept.headers], kept.body) == (201, [("a", "b"), ("a", "c")], b"\xff")
    assert ask("five", now + KEEP_ANSWERS + timedelta(seconds=1)).made_id == "made by five"


def test_what_was_done_is_told_newest_first(database: Database, now: datetime) -> None:
    with database.writing() as conn:
        for account, action in (("a", "key.created"), ("b", "key.created"), ("a", "key.revoked")):
            more = {"actor": "admin", "subject": "k", "request_id": None, "data": {"name": "x"}}
            add_audited(conn, at=now, account=account, action=action, **more)  # type: ignore[arg-type]
        told = list_audited(conn, None, None, 2)
        assert [(one.account, one.action) for one in told] == [("a", "key.revoked"), ("b", "key.created")]
        assert [one.account for one in list_audited(conn, None, told[-1].seq, 2)] == ["a"]
        assert len(list_audited(conn, "a", None, 9)) == 2


def test_what_is_too_old_is_dropped(database: Database, now: datetime) -> None:
    hour = timedelta(hours=1)
    with database.writing() as conn:
        rows.ensure_account(conn, "a", now)
        ledger.deposit(conn, "a", 9, now=now)
        ledger.reserve(conn, "a", "x", 9, now=now, expires_at=now)
        for name, at in (("old", now - KEEP_ANSWERS - hour), ("new", now - KEEP_ANSWERS + hour)):
            row = {"account": "a", "key": name, "request_hash": "", "holder": None, "held_at": at, "made_id": ""}
            conn.execute(insert(claims).values(**row, headers=[], created_at=at))
        for name, at in (("old", now - KEEP_SESSIONS - hour), ("new", now - KEEP_SESSIONS + hour)):
            users.add_session(conn, Session(id=name, subject="admin", created_at=at, expires_at=at))
        for name, at in (("old", now - KEEP_AUDIT - hour), ("new", now - KEEP_AUDIT + hour)):
            add_audited(conn, at=at, account="a", actor=name, action="", subject="", request_id=None, data={})
        prune(conn, now)
        assert conn.execute(select(claims.c.key)).scalars().all() == ["new"]
        assert conn.execute(select(sessions.c.id)).scalars().all() == ["new"]
        assert conn.execute(select(audit.c.actor)).scalars().all() == ["new"]
        account = rows.load_account(conn, "a")
        assert account is not None
        assert account.available == 9
        assert conn.execute(select(func.count()).select_from(uploads)).scalar_one() == 0


def test_an_account_without_a_balance_has_nothing_to_count(now: datetime) -> None:
    assert Account(name="x", created_at=now).available is None
