"""Convertrilo over raw HTTP: logging in, and API keys (checks 2, 3, 24 of its contract)."""

import uuid
from typing import Any

import pytest
from front_door import KEY, wanted

from framemill.api.convertrilo.scopes import SCOPES

AT = "/convertrilo"
PASSWORD = "correct horse battery"  # noqa: S105
ENCODE = {"sourceUrl": "https://example.org/in.mp4", "resolution": "480p"}


def user(door: Any, name: str = "ada", role: str = "operator") -> str:
    """A user, who has logged in; the token."""
    made = {"name": name, "email": f"{name}@example.org", "password": PASSWORD, "role": role}
    assert door.post("/v1/users", made).status_code == 201
    answer = door.post(f"{AT}/auth/login", {"email": made["email"], "password": PASSWORD}, key=None)
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["accessToken"]
    return token


def key_of(door: Any, token: str, *scopes: str) -> str:
    made = door.post(f"{AT}/api-keys", {"name": "k", "scopes": list(scopes)}, bearer=token)
    assert made.status_code == 200, made.text
    key: str = made.json()["key"]
    return key


def test_check_03_a_login_opens_the_farm_whatever_else_is_sent_along(door: Any) -> None:
    user(door)
    for headers in ({"X-API-Key": "bad"}, {"Authorization": ""}, {"Authorization": "Bearer bad"}):
        for who in ({"email": "ada@example.org"}, {"email": "ada"}, {"name": "ada"}):
            answer = door.post(f"{AT}/auth/login", {**who, "password": PASSWORD}, key=None, headers=headers)
            assert answer.status_code == 200, answer.text
            assert answer.json()["accessToken"]
            assert answer.json()["refreshToken"]
            token = answer.json()["accessToken"]
            assert door.get(f"{AT}/api-keys", bearer=token).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"email": "ada@example.org", "password": "another one"}, 401, "invalid_api_key"),
        ({"email": "nobody@example.org", "password": PASSWORD}, 401, "invalid_api_key"),
        ({"email": "ada@example.org"}, 400, "invalid_body"),
        ({"password": PASSWORD}, 400, "invalid_body"),
        ({"email": 7, "password": PASSWORD}, 400, "invalid_body"),
    ],
)
def test_check_03_a_wrong_login_is_told_in_the_doors_words(
    body: dict[str, Any], status: int, code: str, door: Any
) -> None:
    user(door)
    answer = door.post(f"{AT}/auth/login", body, key=None)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert isinstance(answer.json()["message"], str)


def test_check_24_a_key_is_told_once_and_opens_what_it_is_for(door: Any) -> None:
    token = user(door)
    made = door.post(
        f"{AT}/api-keys", {"name": "ci", "scopes": ["jobs:create", "jobs:read"], "expiresInDays": 30}, bearer=token
    ).json()
    assert made["key"].startswith(made["prefix"])
    assert str(uuid.UUID(made["id"])) == made["id"]
    assert (made["name"], made["scopes"]) == ("ci", ["jobs:create", "jobs:read"])
    assert made["expiresAt"] > made["createdAt"]

    assert door.post(f"{AT}/ondemand/encode", ENCODE, key=made["key"]).status_code == 200
    (listed,) = door.get(f"{AT}/api-keys", bearer=token).json()["keys"]
    assert listed == {name: value for name, value in made.items() if name != "key"}


def test_check_24_a_key_without_a_scope_is_told_which_it_lacks(door: Any) -> None:
    token = user(door)
    key = key_of(door, token, "jobs:read")
    refused = door.post(f"{AT}/ondemand/encode", ENCODE, key=key)
    assert refused.status_code == 403
    assert (refused.json()["code"], refused.json()["requiredScope"]) == ("missing_required_scope", "jobs:create")
    job_id = door.post(f"{AT}/ondemand/encode", ENCODE, bearer=token).json()["jobId"]
    assert door.get(f"{AT}/ondemand/status/{job_id}", key=key).status_code == 200


def test_check_24_a_key_that_cancels_makes_nothing(door: Any) -> None:
    token = user(door)
    job_id = door.post(f"{AT}/ondemand/encode", ENCODE, bearer=token).json()["jobId"]
    key = key_of(door, token, "jobs:cancel")
    refused = door.post(f"{AT}/ondemand/encode", ENCODE, key=key)
    assert (refused.status_code, refused.json()["requiredScope"]) == (403, "jobs:create")
    assert door.get(f"{AT}/webhooks", key=key).json()["requiredScope"] == "webhooks:manage"
    assert door.ask("DELETE", f"{AT}/ondemand/{job_id}", key=key).status_code == 200


@pytest.mark.parametrize("scopes", [("jobs:cancel", "jobs:read"), ("jobs:create", "tokens:write"), SCOPES])
def test_what_a_key_may_do_here_it_may_not_do_at_other_doors(door: Any, scopes: tuple[str, ...]) -> None:
    key = key_of(door, user(door), *scopes)
    before = door.get("/v1/jobs").json()
    hook = {"url": "https://hooks.example/in"}
    for path, body in (
        ("/v1/jobs", wanted()),
        ("/v1/uploads", {"filename": "film.mp4"}),
        ("/v1/webhooks", hook),
        ("/v1/keys", {"name": "k"}),
        ("/devstreamcore/v1/videos", {"input": [{"url": "https://example.org/film.mp4"}]}),
        ("/devstreamcore/v1/uploads", {}),
        ("/devstreamcore/v1/webhooks", hook),
        ("/files/tus", None),
    ):
        tus = {"Tus-Resumable": "1.0.0", "Upload-Length": "5"} if body is None else {}
        assert door.post(path, body, key=key, headers=tus).status_code == 403, path
    assert door.get("/v1/jobs").json() == before
    reads = 200 if "jobs:read" in scopes else 403
    assert door.get("/v1/usage", key=key).status_code == 403
    assert door.get("/v1/jobs", key=key).status_code == reads
    assert door.get("/devstreamcore/v1/videos", key=key).status_code == reads


def test_check_24_a_revoked_key_opens_nothing(door: Any) -> None:
    token = user(door)
    key = key_of(door, token, "jobs:create")
    key_id = door.get(f"{AT}/api-keys", bearer=token).json()["keys"][0]["id"]
    gone = door.ask("DELETE", f"{AT}/api-keys/{key_id}", bearer=token)
    assert (gone.status_code, gone.content) == (204, b"")
    refused = door.post(f"{AT}/ondemand/encode", ENCODE, key=key)
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_api_key")
    assert door.get(f"{AT}/api-keys", bearer=token).json()["keys"] == []
    assert door.ask("DELETE", f"{AT}/api-keys/{uuid.uuid4()}", bearer=token).status_code == 404


def test_check_24_keys_are_not_managed_by_keys(door: Any) -> None:
    token = user(door)
    key = key_of(door, token, "jobs:create", "credentials:manage")
    for asked in (door.get, door.post):
        for shown in (key, KEY):
            refused = asked(f"{AT}/api-keys", key=shown)
            assert (refused.status_code, refused.json()["code"]) == (401, "invalid_api_key")
    assert door.get(f"{AT}/api-keys", bearer=key).status_code == 403  # as a bearer it has no more scopes
    assert door.get(f"{AT}/api-keys", bearer=KEY).status_code == 200  # the farm's own, before there is a user


def test_a_key_can_do_no_more_than_its_maker(door: Any) -> None:
    token = user(door, "guest", "guest")
    assert door.post(f"{AT}/api-keys", {"name": "k"}, bearer=token).status_code == 403
    wrong = door.post(f"{AT}/api-keys", {"name": "k", "scopes": ["jobs:everything"]}, bearer=user(door))
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid_body")


def test_a_key_of_the_native_api_may_here_what_it_may_there(door: Any) -> None:
    made = door.post("/v1/keys", {"name": "k", "scopes": ["jobs:read", "jobs:write", "uploads"]}).json()
    assert door.post(f"{AT}/ondemand/encode", ENCODE, key=made["key"]).status_code == 200
    listed = {one["id"]: one for one in door.get(f"{AT}/api-keys", bearer=KEY).json()["keys"]}
    assert listed[made["id"]]["scopes"] == ["jobs:create", "jobs:read", "jobs:cancel", "credentials:manage"]
