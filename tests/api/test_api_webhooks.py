"""Webhooks and callbacks at the front door: what is taken, kept, shown and refused."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from front_door import KEY, FrontDoor, wanted
from placed import stored_in
from standardwebhooks import Webhook as Verifier

from framemill.api.native.telling import SCHEME
from framemill.jobs.states import CancelAsked, Started
from framemill.jobs.telling import Message
from framemill.policy.callbacks import ENDS
from framemill.services.messaging import next_round
from framemill.services.proof import HEADER, proof
from framemill.services.signing import secrets_for, standard_headers
from framemill.store import messages as message_rows
from framemill.store.webhooks import load_webhook

URL = "https://hooks.example/in"


def stranger(door: Any) -> str:
    """A key of another account."""
    account = door.post("/v1/accounts", {"name": "other"}).json()["id"]
    key: str = door.post("/v1/keys", {"name": "k", "account": account}).json()["key"]
    return key


def made(door: Any, **more: Any) -> dict[str, Any]:
    answer = door.post("/v1/webhooks", {"url": URL, **more})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def told(door: FrontDoor) -> list[Message]:
    """What the courier would make of all that has happened."""
    with door.database.reading() as conn:
        return list(next_round(conn, {"native": SCHEME}, datetime.now(UTC)).messages)


def test_a_webhook_from_its_first_to_its_last_hour(door: Any) -> None:
    hook = made(door, description="ours", metadata={"team": 3})

    assert hook["secret"].startswith("whsec_")
    assert (hook["url"], hook["enabled"], hook["kinds"], hook["metadata"]) == (URL, True, list(ENDS), {"team": 3})
    shown = door.get(f"/v1/webhooks/{hook['id']}").json()
    assert shown == {name: value for name, value in hook.items() if name != "secret"}
    assert door.get("/v1/webhooks").json()["data"] == [shown]
    path = f"/v1/webhooks/{hook['id']}"
    edited = door.ask("PATCH", path, json={"kinds": ["*"], "enabled": False}).json()
    assert (edited["kinds"], edited["enabled"], edited["reason"], edited["description"]) == (
        ["*"],
        False,
        "owner",
        "ours",
    )
    again = door.ask("PATCH", path, json={"enabled": True}).json()
    assert (again["enabled"], again["reason"]) == (True, None)
    rotated = door.post(f"{path}/rotate", {"overlap_seconds": 60}).json()
    assert rotated["secret"] != hook["secret"]
    assert door.ask("DELETE", path).status_code == 204
    assert door.get(path).status_code == 404


def test_a_rotated_secret_signs_beside_the_old_one(door: Any) -> None:
    hook = made(door, kinds=["*"])
    new = door.post(f"/v1/webhooks/{hook['id']}/rotate", {"overlap_seconds": 60}).json()["secret"]
    door.submitted()
    (message,) = told(door)
    with door.database.reading() as conn:
        kept = load_webhook(conn, hook["id"])
    now = datetime.now(UTC)
    keys = secrets_for(message, kept, door.parts.seals, now)
    headers = dict(standard_headers(message, keys, now))
    for secret in (hook["secret"], new):
        assert Verifier(secret).verify(message.body, headers)["type"] == "job.created"
    late = secrets_for(message, kept, door.parts.seals, datetime(2090, 1, 1, tzinfo=UTC))
    assert late == [new]


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ({"url": "ftp://x.example"}, "url", "pattern"),
        ({"url": "https://"}, "url", "host"),
        ({"url": "https://x.example:99999/"}, "url", "URL"),
        ({"url": "http://x.example/a b"}, "url", "blanks"),
        ({"url": "http://169.254.169.254/latest"}, "url", "FRAMEMILL_ALLOWED_NETWORKS"),
        ({"url": URL, "kinds": ["job.done"]}, "kinds", "job.completed"),
        ({"url": URL, "kinds": []}, "kinds", "at least 1"),
        ({"url": URL, "secret": "x"}, "secret", ""),
    ],
)
def test_a_wrong_one_is_refused_and_the_field_named(body: dict[str, Any], param: str, message: str, door: Any) -> None:
    answer = door.post("/v1/webhooks", body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["param"] == param
    assert message in answer.json()["error"]["message"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "http://localhost/", "http://10.0.0.1/", "http://[::1]/"])
def test_private_networks_are_closed_to_every_key_and_open_to_who_can_read_the_farms_secret(
    url: str, door: Any
) -> None:
    for key in (KEY, stranger(door)):
        refused = door.post("/v1/webhooks", {"url": url}, key=key)
        assert (refused.status_code, refused.json()["error"]["param"]) == (422, "url")
        assert "FRAMEMILL_ALLOWED_NETWORKS=" in refused.json()["error"]["message"]
        job = door.post("/v1/jobs", wanted(callbacks=[{"url": url}]), key=key)
        assert (job.status_code, job.json()["error"]["param"]) == (422, "callbacks.0.url")
    here = {HEADER: proof(door.parts.seals)}
    assert door.post("/v1/webhooks", {"url": url, "kinds": ["*"]}, headers=here).status_code == 201
    callback = {"url": url, "on": "change"}
    assert door.post("/v1/jobs", wanted(callbacks=[callback]), headers=here).status_code == 201
    assert [message.policy.trusted for message in told(door)] == [True, True]


def test_another_accounts_webhooks_are_not_there(door: Any) -> None:
    hook, key = made(door), stranger(door)
    trial = door.post(f"/v1/webhooks/{hook['id']}/test").json()
    assert door.get("/v1/webhooks", key=key).json()["data"] == []
    for path in (f"/v1/webhooks/{hook['id']}", f"/v1/webhooks/{hook['id']}/deliveries"):
        assert door.get(path, key=key).status_code == 404
    assert door.get(f"/v1/webhooks/deliveries/{trial['id']}", key=key).status_code == 404
    assert door.post(f"/v1/webhooks/deliveries/{trial['id']}/redeliver", key=key).status_code == 404
    mine = door.get("/v1/webhooks/callback-secret").json()["secret"]
    assert mine != door.get("/v1/webhooks/callback-secret", key=key).json()["secret"]


def test_one_more_than_an_account_may_have_is_a_conflict(door: Any) -> None:
    for _ in range(50):
        made(door)
    assert door.post("/v1/webhooks", {"url": URL}).status_code == 409


def test_no_secret_of_an_address_is_kept_in_clear_or_shown(door: Any) -> None:
    url = "https://user:hunter2@hooks.example/in?token=sesame"
    hook = made(door, url=url)
    job_id = door.submitted(callbacks=[{"url": url, "on": "change", "secret": hook["secret"]}])

    assert hook["url"] == "https://***@hooks.example/in?token=***"
    (message,) = told(door)
    assert (message.url, message.host) == (hook["url"], "hooks.example:443")
    assert door.parts.seals.opened(message.sealed_url or "") == url
    assert secrets_for(message, None, door.parts.seals, datetime.now(UTC)) == [hook["secret"]]
    stored = stored_in(door.database)
    assert hook["id"].encode() in stored
    for secret in (b"hunter2", b"sesame", hook["secret"].encode()):
        assert secret not in stored
    assert "hunter2" not in door.get(f"/v1/jobs/{job_id}").text


def test_a_callbacks_own_secret_has_to_be_one(door: Any) -> None:
    for secret in ("hunter2", "whsec_", "whsec_c2hvcnQ="):
        answer = door.post("/v1/jobs", wanted(callbacks=[{"url": URL, "secret": secret}]))
        assert (answer.status_code, answer.json()["error"]["param"]) == (422, "callbacks.0.secret")


def test_callbacks_of_a_held_job_are_sealed_when_they_are_changed(door: Any) -> None:
    job_id = door.submitted(start="held")
    url = "https://user:hunter2@hooks.example/"
    answer = door.ask("PATCH", f"/v1/jobs/{job_id}", json={"callbacks": [{"url": url}]})
    assert answer.json()["callbacks"][0]["url"] == "https://***@hooks.example/"
    refused = door.ask("PATCH", f"/v1/jobs/{job_id}", json={"callbacks": [{"url": "http://169.254.1.1/"}]})
    assert refused.json()["error"]["param"] == "callbacks.0.url"


def test_a_message_is_the_job_as_it_was(door: Any) -> None:
    made(door, kinds=["job.ingesting", "job.cancelling"])
    job_id = door.submitted(metadata={"k": 1})
    door.moved(job_id, Started(), CancelAsked())

    first, second = (json.loads(one.body) for one in told(door))

    assert (first["type"], second["type"]) == ("job.ingesting", "job.cancelling")
    assert (first["data"]["state"], second["data"]["state"]) == ("ingesting", "cancelling")
    assert (first["data"]["id"], first["data"]["metadata"]) == (job_id, {"k": 1})
    assert first["timestamp"].endswith("Z")


def test_what_was_sent_is_listed_and_can_be_sent_again(door: Any) -> None:
    hook = made(door, kinds=["*"])
    path = f"/v1/webhooks/{hook['id']}"
    trial = door.post(f"{path}/test")
    assert (trial.status_code, trial.json()["kind"], trial.json()["state"]) == (202, "webhook.test", "waiting")
    assert door.nudged[-1] == []
    job_id = door.submitted()
    with door.database.writing() as conn:
        message_rows.add_messages(conn, told(door))
    newest, oldest = door.get(f"{path}/deliveries").json()["data"]
    assert (newest["kind"], newest["job_id"], oldest["id"]) == ("job.created", job_id, trial.json()["id"])
    page = door.get(f"{path}/deliveries?limit=1").json()
    assert page["data"] == [newest]
    assert door.get(f"{path}/deliveries?cursor={page['next_cursor']}").json() == {"data": [oldest], "next_cursor": None}
    assert door.get(f"/v1/webhooks/deliveries?job_id={job_id}").json()["data"] == [newest]
    whole = door.get(f"/v1/webhooks/deliveries/{newest['id']}").json()
    assert json.loads(whole["body"])["data"]["id"] == job_id
    with door.database.writing() as conn:
        message_rows.drop_message(conn, newest["id"], datetime.now(UTC))
    again = door.post(f"/v1/webhooks/deliveries/{newest['id']}/redeliver")
    assert (again.status_code, again.json()["state"], again.json()["id"]) == (202, "waiting", newest["id"])


def test_a_webhook_needs_its_scope(door: Any) -> None:
    key = door.post("/v1/keys", {"name": "k", "scopes": ["jobs:read"]}).json()["key"]
    assert door.get("/v1/webhooks", key=key).status_code == 403
