"""Keys, accounts, users, sessions, money, usage and the audit trail, asked over HTTP."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from front_door import within_a_minute
from sqlalchemy import select, update

from framemill.api.auth import Keys
from framemill.errors import KeyRefused
from framemill.sealing import Seals
from framemill.services.callers import ACCOUNT_SCOPES
from framemill.services.keys import is_whole, new_key
from framemill.services.sessions import Sessions
from framemill.store.account_tables import keys as key_table
from framemill.store.account_tables import sessions as session_table
from framemill.store.database import Database

Door = Any
WORD = "correct horse"


def made(door: Door, path: str, body: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = door.post(path, body, **more)
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


def account(door: Door, account_id: str = "acme", **more: Any) -> str:
    """A key of a new account."""
    made(door, "/v1/accounts", {"name": "Acme", "id": account_id, **more})
    key: str = made(door, "/v1/keys", {"name": "first", "account": account_id})["key"]
    return key


def refused(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    told: dict[str, Any] = answer.json()["error"]
    return told


# Keys


def test_a_key_is_told_once_opens_its_account_and_is_revoked(door: Door, database: Database) -> None:
    secret = account(door)
    assert is_whole(secret)
    assert secret.startswith("fm_")
    with database.reading() as conn:
        stored = conn.execute(select(key_table)).one()
    assert secret not in str(stored)
    (shown,) = door.get("/v1/keys", key=secret).json()["data"]
    assert set(shown["scopes"]) == ACCOUNT_SCOPES
    assert shown["hint"] == secret[:9]
    assert "key" not in shown
    assert "hash" not in shown

    assert door.get("/v1/jobs", key=secret).status_code == 200
    assert door.get(f"/v1/keys/{shown['id']}", key=secret).json()["used_at"] is not None
    assert door.ask("DELETE", f"/v1/keys/{shown['id']}").status_code == 204
    assert "revoked" in refused(door.get("/v1/jobs", key=secret), 401)["message"]
    assert door.ask("DELETE", f"/v1/keys/{shown['id']}").status_code == 204  # harmless


def test_a_key_is_checked_before_anybody_looks_for_it() -> None:
    key = new_key()
    assert is_whole(key)
    assert key != new_key()
    for wrong in (
        key[:-1],
        key + "0",
        key.replace("fm_", "gm_"),
        key[:-1] + ("0" if key[-1] != "0" else "1"),
        "",
        "fm_",
    ):
        assert not is_whole(wrong)


def test_a_key_can_do_no_more_than_its_maker(door: Door) -> None:
    secret = account(door)
    body = {"name": "less", "scopes": ["jobs:read", "keys"]}
    less = made(door, "/v1/keys", body, key=secret)
    assert less["scopes"] == ["jobs:read", "keys"]
    assert less["account"] == "acme"
    assert (
        "jobs:write" in refused(door.post("/v1/jobs", {"inputs": [], "outputs": []}, key=less["key"]), 403)["message"]
    )
    refused(door.post("/v1/keys", {"name": "more", "scopes": ["jobs:write"]}, key=less["key"]), 403)
    refused(door.post("/v1/keys", {"name": "farm", "scopes": ["farm:read"]}, key=secret), 403)
    refused(door.post("/v1/keys", {"name": "theirs", "account": "default"}, key=secret), 404)
    refused(door.post("/v1/keys", {"name": "nobody's", "account": "nobody"}), 404)
    again = made(door, "/v1/keys", {"name": "inherits"}, key=less["key"])
    assert again["scopes"] == ["jobs:read", "keys"]


def test_a_key_expires(door: Door, database: Database) -> None:
    account(door)
    lasting = made(door, "/v1/keys", {"name": "a day", "account": "acme", "expires_in_days": 1})
    assert door.get("/v1/jobs", key=lasting["key"]).status_code == 200
    with database.writing() as conn:
        past = datetime(2020, 1, 1, tzinfo=UTC)
        conn.execute(update(key_table).where(key_table.c.id == lasting["id"]).values(expires_at=past))
    door.app.state.keys.forget()
    assert "expired" in refused(door.get("/v1/jobs", key=lasting["key"]), 401)["message"]


def test_another_replica_knows_a_key_for_a_while_and_then_asks_again(door: Door, database: Database) -> None:
    secret = account(door)
    slow = Keys("admin", database, door.parts.seals)
    quick = Keys("admin", database, door.parts.seals, known_seconds=-1)

    async def known(keys: Keys) -> str:
        return (await keys.caller(secret)).account

    assert asyncio.run(known(slow)) == asyncio.run(known(quick)) == "acme"
    (key,) = door.get("/v1/keys", key=secret).json()["data"]
    door.ask("DELETE", f"/v1/keys/{key['id']}")
    assert asyncio.run(known(slow)) == "acme"
    with pytest.raises(KeyRefused):
        asyncio.run(known(quick))


def test_keys_are_listed_page_by_page(door: Door) -> None:
    secret = account(door)
    for number in range(3):
        made(door, "/v1/keys", {"name": f"{number}"}, key=secret)
    made(door, "/v1/keys", {"name": "the admin's"})
    first = door.get("/v1/keys?limit=3", key=secret).json()
    rest = door.get(f"/v1/keys?limit=3&cursor={first['next_cursor']}", key=secret).json()
    assert [one["name"] for one in first["data"] + rest["data"]] == ["2", "1", "0", "first"]
    assert rest["next_cursor"] is None
    assert len(door.get("/v1/keys").json()["data"]) == 5
    assert len(door.get("/v1/keys?account=acme").json()["data"]) == 4


# Accounts and their quotas


def test_an_account_is_made_changed_suspended_and_removed(door: Door) -> None:
    secret = account(door, quotas={"queued_jobs": 3, "max_priority": 5}, balance=2500)
    shown = door.get("/v1/accounts/acme", key=secret).json()
    assert (shown["balance"], shown["available"], shown["reserved"]) == (2500, 2500, 0)
    changed = door.ask("PATCH", "/v1/accounts/acme", json={"quotas": {"queued_jobs": None, "jobs_per_day": 9}}).json()
    assert {name: value for name, value in changed["quotas"].items() if value is not None} == {
        "max_priority": 5,
        "jobs_per_day": 9,
    }
    refused(door.ask("PATCH", "/v1/accounts/acme", json={"quotas": {"jobs": 9}}), 422)
    assert door.ask("PATCH", "/v1/accounts/acme", json={"state": "suspended"}).json()["state"] == "suspended"
    assert "suspended" in refused(door.get("/v1/jobs", key=secret), 403)["message"]
    door.ask("PATCH", "/v1/accounts/acme", json={"state": "active"})
    job = made(door, "/v1/jobs", {"inputs": [{"uri": "https://x.org/a"}], "outputs": [{"name": "a.mp4"}]}, key=secret)
    refused(door.ask("DELETE", "/v1/accounts/acme"), 409)
    door.post(f"/v1/jobs/{job['id']}/cancel", key=secret)
    assert door.ask("DELETE", "/v1/accounts/acme").status_code == 204
    refused(door.get("/v1/jobs", key=secret), 401)
    refused(door.get("/v1/accounts/acme"), 404)
    refused(door.post("/v1/accounts", {"name": "again", "id": "default"}), 409)
    for wish in ({"state": "suspended"},):
        refused(door.ask("PATCH", "/v1/accounts/default", json=wish), 409)
    refused(door.ask("DELETE", "/v1/accounts/default"), 409)


def test_an_account_may_look_at_itself_alone(door: Door) -> None:
    secret = account(door)
    account(door, "other")
    assert [one["id"] for one in door.get("/v1/accounts", key=secret).json()["data"]] == ["acme"]
    assert [one["id"] for one in door.get("/v1/accounts").json()["data"]] == ["acme", "default", "other"]
    refused(door.get("/v1/accounts/other", key=secret), 404)
    refused(door.ask("PATCH", "/v1/accounts/acme", json={"name": "x"}, key=secret), 403)
    refused(door.post("/v1/accounts", {"name": "mine"}, key=secret), 403)
    refused(door.post("/v1/accounts/acme/deposit", {"amount": 5}, key=secret), 403)
    refused(door.ask("DELETE", "/v1/accounts/acme", key=secret), 403)


def test_jobs_are_held_to_their_accounts_quotas(door: Door, want: Callable[..., dict[str, Any]]) -> None:
    quotas = {"queued_jobs": 2, "max_priority": 5, "max_process_seconds": 100, "max_input_bytes": 50}
    secret = account(door, quotas=quotas)
    assert "priority" in refused(door.post("/v1/jobs", want(priority=6), key=secret), 403)["message"]
    limits = {"max_process_seconds": 1000, "max_input_bytes": 40}
    job = made(door, "/v1/jobs", want(priority=5, limits=limits), key=secret)
    assert job["limits"]["max_process_seconds"] == 100
    assert job["limits"]["max_input_bytes"] == 40
    refused(door.ask("PATCH", f"/v1/jobs/{job['id']}", json={"priority": 6}, key=secret), 403)
    made(door, "/v1/jobs", want(), key=secret)
    answer = door.post("/v1/jobs", want(), key=secret)
    assert refused(answer, 429)["code"] == "too_many_requests"
    assert int(answer.headers["Retry-After"]) > 0
    door.ask("PATCH", "/v1/accounts/acme", json={"quotas": {"queued_jobs": None, "jobs_per_day": 2}})
    assert "a day" in refused(door.post("/v1/jobs", want(), key=secret), 429)["message"]
    made(door, "/v1/jobs", want(priority=1000))  # the admin's own
    (day,) = door.get("/v1/usage", key=secret).json()["data"]
    assert (day["account"], day["jobs_submitted"]) == ("acme", 2)


def test_requests_are_counted_for_each_key_and_account(door: Door) -> None:
    secret = account(door, quotas={"requests_per_minute": 3, "requests_per_minute_per_key": 2})
    second = made(door, "/v1/keys", {"name": "second", "account": "acme"})["key"]
    with within_a_minute():
        first = door.get("/v1/jobs", key=secret)
        assert (first.headers["RateLimit-Limit"], first.headers["RateLimit-Remaining"]) == ("2", "1")
        assert 0 < int(first.headers["RateLimit-Reset"]) <= 60
        assert door.get("/v1/jobs", key=secret).status_code == 200
        answer = door.get("/v1/jobs", key=secret)
        assert refused(answer, 429)["type"] == "rate_limit"
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.headers["RateLimit-Remaining"] == "0"
        refused(door.get("/v1/jobs", key=second), 429)  # three of the account, the refused one among them
    assert "RateLimit-Limit" not in door.get("/v1/jobs").headers


# Users and sessions


def user(door: Door, name: str = "ann", **more: Any) -> dict[str, Any]:
    return made(door, "/v1/users", {"name": name, "password": WORD, **more})


def login(door: Door, name: str = "ann", word: str = WORD) -> Any:
    return door.post("/v1/sessions", {"name": name, "password": word}, key=None)


def test_a_user_logs_in_works_and_logs_out(door: Door) -> None:
    ann = user(door, role="operator", email="ann@example.org")
    assert "password" not in str(ann)
    told = login(door, "ann@example.org").json()
    assert (told["account"], told["admin"]) == ("default", False)
    token = told["token"]
    assert door.get("/v1/farm", key=token).status_code == 200
    refused(door.get("/v1/audit", key=token), 403)
    refused(door.post("/v1/users", {"name": "bob"}, key=token), 403)
    assert door.get(f"/v1/users/{ann['id']}", key=token).json()["name"] == "ann"
    fresh = door.post("/v1/sessions/refresh", {"refresh_token": told["refresh_token"]}, key=None).json()
    assert fresh["id"] == told["id"]
    assert fresh["token"] != token
    refused(door.post("/v1/sessions/refresh", {"refresh_token": token}, key=None), 401)
    refused(door.get("/v1/jobs", key=told["refresh_token"]), 401)
    assert door.ask("DELETE", "/v1/sessions/current", key=token).status_code == 204
    refused(door.get("/v1/jobs", key=token), 401)
    refused(door.get("/v1/jobs", key=fresh["token"]), 401)
    refused(door.post("/v1/sessions/refresh", {"refresh_token": told["refresh_token"]}, key=None), 401)
    refused(door.ask("DELETE", "/v1/sessions/current"), 401)  # a key is no session


@pytest.mark.parametrize(
    ("role", "answers"), [("guest", (200, 403, 403)), ("operator", (200, 201, 403)), ("admin", (200, 201, 200))]
)
def test_what_each_role_may(
    door: Door, want: Callable[..., dict[str, Any]], role: str, answers: tuple[int, int, int]
) -> None:
    user(door, role=role)
    token = login(door).json()["token"]
    asked = (
        door.get("/v1/jobs", key=token),
        door.post("/v1/jobs", want(), key=token),
        door.get("/v1/audit", key=token),
    )
    assert tuple(one.status_code for one in asked) == answers


def test_a_changed_user_is_logged_out(door: Door) -> None:
    ann = user(door)
    path = f"/v1/users/{ann['id']}"
    token = login(door).json()["token"]
    wrong = {"current": "another one", "new": "another password"}
    refused(door.post(f"{path}/password", wrong, key=token), 403)
    assert door.post(f"{path}/password", {**wrong, "current": WORD}, key=token).status_code == 200
    refused(door.get("/v1/jobs", key=token), 401)
    refused(login(door), 401)
    token = login(door, word="another password").json()["token"]
    assert door.ask("PATCH", path, json={"role": "operator"}).json()["role"] == "operator"
    assert door.get("/v1/farm", key=token).status_code == 200
    assert door.ask("PATCH", path, json={"disabled": True}).json()["disabled_at"] is not None
    refused(door.get("/v1/jobs", key=token), 401)
    refused(login(door, word="another password"), 401)
    door.ask("PATCH", path, json={"disabled": False, "password": WORD, "email": None})
    assert login(door).status_code == 201
    refused(door.post("/v1/users", {"name": "ann"}), 409)
    refused(door.post("/v1/users", {"name": "bob", "account": "nobody"}), 404)
    assert [one["name"] for one in door.get("/v1/users").json()["data"]] == ["ann"]
    assert door.ask("DELETE", path).status_code == 204
    refused(door.get(path), 404)


def test_whoever_guesses_passwords_has_to_wait(door: Door) -> None:
    user(door)
    assert login(door, "nobody").json()["error"]["message"] == login(door, word="wrong").json()["error"]["message"]
    for _ in range(9):
        refused(login(door, word="wrong"), 401)
    answer = login(door)
    assert "wait" in refused(answer, 429)["message"]
    assert int(answer.headers["Retry-After"]) > 1


def test_a_login_link_logs_in_once(door: Door, database: Database) -> None:
    sessions = Sessions(database, door.parts.seals)
    link = sessions.login_link()
    opened = sessions.redeemed(link)
    assert opened.caller.admin
    assert door.get("/v1/audit", key=opened.token).status_code == 200
    for wrong in (link, link[:-2], door.parts.seals.signed("another purpose", {"id": "x", "subject": "admin"})):
        with pytest.raises(KeyRefused):
            sessions.redeemed(wrong)
    with database.reading() as conn:
        assert len(conn.execute(select(session_table)).all()) == 1


def test_a_token_of_another_farm_opens_nothing(door: Door, database: Database) -> None:
    user(door)
    other = Sessions(database, Seals("another farm's secret")).opened("ann", WORD)
    refused(door.get("/v1/jobs", key=other.token), 401)
    refused(door.get("/v1/jobs", key="a.b.c"), 401)


# Money


def test_money_is_put_on_reserved_released_and_deducted(door: Door) -> None:
    secret = account(door)
    path = "/v1/accounts/acme"
    assert door.post(f"{path}/reserve", {"reference": "j", "amount": 5}, key=secret).json()["balance"] is None
    door.post(f"{path}/deposit", {"amount": 1000, "note": "paid"})
    assert door.post(f"{path}/reserve", {"reference": "j", "amount": 600}, key=secret).json()["available"] == 400
    refused(door.post(f"{path}/reserve", {"reference": "k", "amount": 401}, key=secret), 403)
    refused(door.post(f"{path}/deduct", {"reference": "k", "amount": 401}, key=secret), 403)
    assert door.post(f"{path}/deduct", {"reference": "j", "amount": 500}, key=secret).json()["balance"] == 500
    assert door.post(f"{path}/release", {"reference": "j"}, key=secret).json()["available"] == 500
    refused(door.post(f"{path}/withdraw", {"amount": 501}), 403)
    assert door.post(f"{path}/withdraw", {"amount": 500}).json()["balance"] == 0
    told = door.get(f"{path}/ledger?limit=3", key=secret).json()
    assert [one["kind"] for one in told["data"]] == ["deduct", "release", "deduct"]
    rest = door.get(f"{path}/ledger?cursor={told['next_cursor']}", key=secret).json()
    assert [one["kind"] for one in rest["data"]] == ["reserve", "deposit"]
    assert sum(one["amount"] for one in told["data"] + rest["data"]) == 0
    assert door.post(f"{path}/uncount").json()["balance"] is None


def test_without_credits_no_job_is_taken(door: Door, want: Callable[..., dict[str, Any]]) -> None:
    secret = account(door, balance=0)
    assert "credits" in refused(door.post("/v1/jobs", want(), key=secret), 403)["message"]
    door.post("/v1/accounts/acme/deposit", {"amount": 1})
    made(door, "/v1/jobs", want(), key=secret)


# Usage and the audit trail


def test_usage_is_told_of_the_days_that_are_asked_for(door: Door, want: Callable[..., dict[str, Any]]) -> None:
    secret = account(door)
    first = datetime.now(UTC).date()
    made(door, "/v1/jobs", want(), key=secret)
    last = datetime.now(UTC).date()  # it may have been midnight
    made(door, "/v1/jobs", want())
    assert [one["account"] for one in door.get("/v1/usage").json()["data"]] == ["acme", "default"]
    assert door.get(f"/v1/usage?from={first}&to={last}&account=acme").json()["data"][0]["jobs_submitted"] == 1
    assert door.get("/v1/usage?to=2020-01-01").json()["data"] == []
    assert door.get("/v1/usage?to=0001-01-01").json()["data"] == []
    refused(door.get("/v1/usage?account=default", key=secret), 404)
    refused(door.get("/v1/usage?from=2020-01-02&to=2020-01-01"), 422)
    refused(door.get("/v1/usage?from=2000-01-02&to=2020-01-01"), 422)


def test_who_did_what_is_on_record(door: Door, want: Callable[..., dict[str, Any]]) -> None:
    secret = account(door)
    job = made(door, "/v1/jobs", want(), key=secret)
    made(door, "/v1/keys", {"name": "second"}, key=secret)
    door.post(f"/v1/jobs/{job['id']}/cancel", headers={"X-Request-Id": "because"})
    door.ask("DELETE", f"/v1/jobs/{job['id']}")
    door.post("/v1/farm/pause")
    door.post("/v1/farm/gc", {"dry_run": True})
    told = door.get("/v1/audit").json()["data"]
    assert [one["action"] for one in told] == [
        *("farm.paused", "job.removed", "job.cancelled", "key.created", "key.created", "account.created"),
    ]
    assert told[2] | {"at": "", "seq": 0} == {
        **{"at": "", "seq": 0, "account": "acme", "actor": "admin", "action": "job.cancelled"},
        **{"subject": job["id"], "request_id": "because", "data": {}},
    }
    assert told[3]["actor"].startswith("key:")
    assert secret not in str(told)
    assert len(door.get("/v1/audit?account=acme&limit=2").json()["data"]) == 2
    refused(door.get("/v1/audit", key=secret), 403)
