"""Who comes in at Open Encoder's door: checks 3 to 6 of its specification, and what goes with them."""

import base64
import dataclasses
import json
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import jwt
import pytest

from framemill.api.app import create_app
from framemill.api.openencoder.tokens import PURPOSE
from framemill.services.callers import ADMIN
from framemill.services.keys import Keys
from framemill.services.users import Users

Asked = Any

FIRST_PASSWORD, PASSWORD, NEW = "a first password", "the one I chose", "new"
HERE = {"Host": "localhost:8000"}
ELSEWHERE = {"Host": "farm.example", "X-Forwarded-For": "198.51.100.7"}
NOT_VALID = "The token is not valid; log in again."


@pytest.fixture
def fresh(door: Asked) -> Asked:
    """A farm that has just been started for the first time: it knows its first admin by a password it has made."""
    return with_parts(door, first_password=FIRST_PASSWORD)


def with_parts(door: Asked, **changes: Any) -> Asked:
    door.parts = dataclasses.replace(door.parts, **changes)
    door.app = create_app(door.parts)
    return door


def login(door: Asked, name: str = "admin", password: str = PASSWORD) -> Any:
    return door.post("/api/login", {"username": name, "password": password}, key=None)


def token_of(door: Asked, name: str, role: str = "guest") -> str:
    """Of a new user."""
    Users(door.database, ADMIN).create(name, password=PASSWORD, role=role)  # type: ignore[arg-type]
    token: str = login(door, name).json()["token"]
    return token


def claims_of(token: str) -> dict[str, Any]:
    """As clients read them, who have no key."""
    middle = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    return claims


def choose(door: Asked, current: str, new: str, **more: str) -> Any:
    asked = {"username": "admin", "current_password": current, "new_password": new, **more}
    return door.post("/api/update-password", asked, key=None)


def test_check_1_what_it_is_needs_no_token(door: Asked) -> None:
    told = door.get("/api/", key=None)

    assert told.status_code == 200
    assert told.json().keys() == {"name", "version", "github", "docs", "wiki"}
    assert door.get("/api", key=None).headers["location"].endswith("/api/")


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "cookie token is empty"),
        *(({"Authorization": f"Bearer {text}"}, NOT_VALID) for text in ("garbage", "gar.ba.ge", "null", "undefined")),
        ({"X-API-Key": "garbage"}, NOT_VALID),
        ({"Cookie": "jwt=gar.ba.ge"}, NOT_VALID),
    ],
)
def test_check_3_without_a_token_nothing_is_shown(door: Asked, headers: dict[str, str], message: str) -> None:
    told = door.get("/api/jobs", key=None, headers=headers)

    assert (told.status_code, told.json()) == (401, {"code": 401, "message": message})
    assert told.headers["www-authenticate"] == "JWT realm=openencoder"


def test_check_3_a_token_is_good_for_an_hour(door: Asked) -> None:
    claims = claims_of(token_of(door, "u1"))
    hour_ago = int((datetime.now(UTC) - timedelta(hours=1)).timestamp())
    old = jwt.encode({**claims, "orig_iat": hour_ago - 3600, "exp": hour_ago}, door.parts.seals.key(PURPOSE), "HS256")

    told = door.get("/api/jobs", bearer=old)

    assert (told.status_code, told.json()) == (401, {"code": 401, "message": "Token is expired"})
    assert door.get("/api/refresh-token", bearer=old).status_code == 401


def test_a_token_that_somebody_else_has_signed_is_none(door: Asked) -> None:
    claims = claims_of(token_of(door, "u1"))
    forged = jwt.encode(claims, "another key, long enough for the algorithm", "HS256")
    unsigned = jwt.encode(claims, "", "none")

    assert [door.get("/api/jobs", bearer=token).status_code for token in (forged, unsigned)] == [401, 401]


def test_check_4_the_first_admin_chooses_a_password_first(fresh: Asked) -> None:
    refused = login(fresh, password=FIRST_PASSWORD)
    assert (refused.status_code, refused.json()) == (401, {"code": 401, "message": "require password reset"})

    chosen = choose(fresh, FIRST_PASSWORD, PASSWORD, verify_password=PASSWORD)
    assert (chosen.status_code, chosen.json()["user"]) == (200, "admin")

    told = login(fresh)
    assert told.status_code == 200
    claims = claims_of(told.json()["token"])
    assert (claims["id"], claims["role"], claims["exp"] - claims["orig_iat"]) == ("admin", "admin", 3600)
    expires = datetime.fromisoformat(told.json()["expire"])
    assert expires.timestamp() == claims["exp"]
    assert told.json()["code"] == 200


def test_the_first_password_opens_nothing_once_another_was_chosen(fresh: Asked) -> None:
    choose(fresh, FIRST_PASSWORD, PASSWORD)

    again = login(fresh, password=FIRST_PASSWORD)

    assert (again.status_code, again.json()["message"]) == (401, "incorrect Username or Password")
    assert choose(fresh, FIRST_PASSWORD, "mine from now on").json() == {"code": 401, "message": "unauthorized"}
    assert login(fresh).status_code == 200


def test_the_first_password_is_not_the_one_that_is_chosen(fresh: Asked) -> None:
    assert choose(fresh, FIRST_PASSWORD, FIRST_PASSWORD).status_code >= 400
    assert login(fresh, password=FIRST_PASSWORD).json()["message"] == "require password reset"


def test_where_there_is_an_admin_already_the_first_password_means_nothing(fresh: Asked) -> None:
    token_of(fresh, "somebody", "admin")

    assert login(fresh, password=FIRST_PASSWORD).json()["message"] == "incorrect Username or Password"
    assert choose(fresh, FIRST_PASSWORD, PASSWORD).status_code == 401


def test_a_farm_without_a_first_password_has_no_first_admin(door: Asked) -> None:
    assert login(door, password="").json()["message"] == "missing Username or Password"
    assert choose(door, "", PASSWORD).status_code == 400
    assert login(door, password=NEW).json()["message"] == "incorrect Username or Password"


def test_check_5_a_wrong_password_and_an_unknown_name_are_told_alike(fresh: Asked) -> None:
    token_of(fresh, "u1")

    wrong, unknown = login(fresh, "u1", "another one"), login(fresh, "nobody", "whatever")

    expected = {"code": 401, "message": "incorrect Username or Password"}
    assert [(one.status_code, one.json()) for one in (wrong, unknown)] == [(401, expected), (401, expected)]
    assert fresh.get("/api/", key=None).status_code == 200


def test_whoever_guesses_passwords_has_to_wait(fresh: Asked) -> None:
    answers = [login(fresh, "admin", f"guess {number}").status_code for number in range(11)]

    assert answers == [401] * 10 + [429]
    assert choose(fresh, "guess", PASSWORD).status_code == 429


def test_people_log_in_by_a_form_too(door: Asked) -> None:
    token_of(door, "u1")
    form = {"username": "u1", "password": PASSWORD}

    assert door.ask("POST", "/api/login", key=None, data=form).status_code == 200
    assert door.ask("POST", "/api/login", key=None, data={"username": "u1"}).json() == {
        "code": 401,
        "message": "missing Username or Password",
    }
    assert door.ask("POST", "/api/login", key=None, data={**form, "username": "u" * 321}).status_code == 401
    broken = door.ask("POST", "/api/login", key=None, content=b"{no", headers={"Content-Type": "application/json"})
    assert broken.status_code == 401


def test_check_6_who_registers_is_a_guest(door: Asked) -> None:
    asked = {"username": "u1", "password": "baz"}

    made = door.post("/api/register", asked, key=None, headers=HERE)
    again = door.post("/api/register", asked, key=None, headers=HERE)

    assert (made.status_code, made.json()) == (200, {"user": "u1", "message": "User registered"})
    assert (again.status_code, again.json()["message"]) == (400, "error creating user")
    token = login(door, "u1", "baz").json()["token"]
    assert claims_of(token)["role"] == "guest"
    refused = door.post("/api/jobs", {"preset": "a", "source": "b", "dest": "c"}, bearer=token)
    assert (refused.status_code, refused.json()) == (401, {"message": "unauthorized"})
    assert door.get("/api/jobs", bearer=token).status_code == 200


@pytest.mark.parametrize(
    ("registration", "headers", "status"),
    [
        ("here", {"Host": "localhost"}, 200),
        ("here", {"Host": "127.0.0.1:8000"}, 200),
        ("here", {"Host": "[::1]:8000"}, 200),
        ("here", {"Host": "farm.example"}, 403),
        ("here", {"Host": "localhost", "X-Forwarded-For": "198.51.100.7"}, 403),
        ("here", {"Host": "localhost", "Forwarded": "for=198.51.100.7"}, 403),
        ("here", {"Host": "localhost", "X-Forwarded-Proto": "https"}, 403),
        ("here", {"Host": "localhost", "Origin": "http://localhost:8080"}, 200),
        ("here", {"Host": "localhost", "Origin": "https://farm.example"}, 403),
        ("here", {"Host": "localhost", "Origin": "null"}, 403),
        ("here", {"Host": "127.0.0.1.farm.example"}, 403),
        ("here", {"Host": "["}, 403),
        ("closed", {"Host": "localhost"}, 403),
        ("open", {"Host": "farm.example", "X-Forwarded-For": "198.51.100.7"}, 200),
    ],
)
def test_registration_is_open_on_this_machine_alone(
    door: Asked, registration: str, headers: dict[str, str], status: int
) -> None:
    with_parts(door, registration=registration)

    told = door.post("/api/register", {"username": "u1", "password": "a password"}, key=None, headers=headers)

    assert told.status_code == status, told.text


@pytest.mark.parametrize("registration", ["here", "closed"])
def test_an_admin_makes_users_from_anywhere(door: Asked, registration: str) -> None:
    """As the page of users does, by the route by which others register."""
    with_parts(door, registration=registration)
    admin, operator = token_of(door, "boss", "admin"), token_of(door, "u1", "operator")

    def make(name: str, bearer: str) -> Any:
        return door.post("/api/register", {"username": name, "password": "abc"}, bearer=bearer, headers=ELSEWHERE)

    made = make("u2", admin)
    assert (made.status_code, made.json()) == (200, {"user": "u2", "message": "User registered"})
    assert claims_of(login(door, "u2", "abc").json()["token"])["role"] == "guest"
    assert [make("u3", bearer).status_code for bearer in (operator, "null", "undefined", "gar.ba.ge")] == [403] * 4


@pytest.mark.parametrize("bearer", ["null", "undefined", "gar.ba.ge"])
def test_a_page_that_has_no_token_says_so_in_its_own_way_and_its_user_may_register(door: Asked, bearer: str) -> None:
    told = door.post("/api/register", {"username": "u1", "password": "abc"}, bearer=bearer, headers=HERE)

    assert told.status_code == 200


@pytest.mark.parametrize("lacking", ["username", "password"])
def test_who_registers_says_who_they_are(door: Asked, lacking: str) -> None:
    said = {"username": "u1", "password": "abc"}
    missing = {name: value for name, value in said.items() if name != lacking}

    for asked in (missing, {**said, lacking: ""}, {**said, lacking: None}):
        told = door.post("/api/register", asked, key=None, headers=HERE)
        assert (told.status_code, "'required'" in told.json()["error"]) == (400, True)
        assert f"'{lacking.capitalize()}'" in told.json()["error"]


@pytest.mark.parametrize("name", ["admin", "Admin", " admin"])
def test_nobody_registers_as_the_first_admin(fresh: Asked, name: str) -> None:
    told = fresh.post("/api/register", {"username": name, "password": "a password"}, key=None, headers=HERE)

    assert (told.status_code, told.json()["message"]) == (400, "error creating user")
    assert login(fresh, password=FIRST_PASSWORD).json()["message"] == "require password reset"


@pytest.mark.parametrize("name", ["a\0b", "a\nb", "  ", "u1 ", "u\u202e1"])
def test_a_name_can_be_read(door: Asked, name: str) -> None:
    refused = door.post("/api/register", {"username": name, "password": "a password"}, key=None, headers=HERE)
    renamed = door.ask("PUT", "/api/me", {"username": name, "current_password": PASSWORD}, bearer=token_of(door, "u2"))

    assert (refused.status_code, renamed.status_code) == (400, 400)


@pytest.mark.parametrize("name", ["admin", "Admin", "ADMIN"])
def test_nobody_renames_themselves_to_the_first_admin(fresh: Asked, name: str) -> None:
    token = token_of(fresh, "u1")

    told = fresh.ask("PUT", "/api/me", {"username": name, "current_password": PASSWORD}, bearer=token)

    assert (told.status_code, "first admin" in told.json()["message"]) == (400, True)
    assert choose(fresh, FIRST_PASSWORD, PASSWORD).status_code == 200, "the name is still theirs"


def test_whoever_has_the_first_admins_name_alone_is_a_user_like_others(door: Asked) -> None:
    """As they may be from before."""
    users = Users(door.database, ADMIN)
    impostor = users.changed(users.create("admin", password=PASSWORD, role="admin").id, role="operator")

    (told,) = door.get("/api/users").json()["users"]

    assert told == {"id": 2, "username": "admin", "role": "operator", "active": True}
    assert door.ask("PUT", "/api/users/1", {"active": False, "role": ""}).status_code == 404
    assert door.ask("PUT", "/api/users/2", {"active": False, "role": ""}).json()["active"] is False
    assert users.shown(impostor.id).disabled_at is not None


def test_the_first_admin_is_number_1_whatever_they_are_called(fresh: Asked) -> None:
    choose(fresh, FIRST_PASSWORD, PASSWORD)
    token = login(fresh).json()["token"]
    renamed = {"username": "root", "current_password": PASSWORD}
    assert fresh.ask("PUT", "/api/me", renamed, bearer=token).status_code == 200
    Users(fresh.database, ADMIN).create("admin", password=PASSWORD, role="admin")

    root = {"id": 1, "username": "root", "role": "admin", "active": True}
    assert fresh.ask("PUT", "/api/users/1", {"active": False, "role": "guest"}).json() == root
    assert [(user["id"], user["username"]) for user in fresh.get("/api/users").json()["users"]] == [
        (2, "admin"),
        (1, "root"),
    ]
    assert fresh.get("/api/users?page=2&count=1").json()["users"] == [root]
    assert fresh.ask("PUT", "/api/users/2", {"active": False, "role": ""}).json()["active"] is False


@pytest.mark.parametrize("seen", ["listed", "renamed"])
def test_a_first_admin_from_before_is_number_1_from_the_first_look_on(door: Asked, seen: str) -> None:
    """Of a store in which nothing says so but the name."""
    users = Users(door.database, ADMIN)
    users.create("u1")
    first = users.create("admin", password=PASSWORD, role="admin")

    if seen == "listed":
        assert door.get("/api/users").json()["users"][-1]["username"] == "admin"
        users.changed(first.id, name="root")
    else:
        renamed = {"username": "root", "current_password": PASSWORD}
        assert door.ask("PUT", "/api/me", renamed, bearer=login(door).json()["token"]).status_code == 200

    told = [(user["id"], user["username"]) for user in door.get("/api/users").json()["users"]]
    assert told == [(2, "u1"), (1, "root")]


def test_whoever_guesses_the_password_of_a_token_they_found_has_to_wait(door: Asked) -> None:
    token = token_of(door, "u1")
    guess = {"username": "u1", "current_password": "guess", "new_password": "mine"}

    answers = [door.ask("PUT", "/api/me", guess, bearer=token).status_code for _ in range(11)]

    assert answers == [401] * 10 + [429]
    assert login(door, "u1", "another").status_code == 429


def test_one_place_registers_so_many_and_then_none_for_a_while(door: Asked) -> None:
    with_parts(door, registration="open", trusted_proxies=(ip_network("127.0.0.1"),))

    def register(place: str) -> int:
        asked, headers = {"username": " ", "password": "a password"}, {"X-Forwarded-For": place}
        status: int = door.post("/api/register", asked, key=None, headers=headers).status_code
        return status

    assert [register("198.51.100.7") for _ in range(51)] == [400] * 50 + [429]
    assert register("198.51.100.8") == 400


def test_a_page_of_users_goes_on_where_the_one_before_ended(fresh: Asked) -> None:
    users = Users(fresh.database, ADMIN)
    for number in range(4):
        users.create(f"u{number}")
    choose(fresh, FIRST_PASSWORD, PASSWORD)
    for number in range(4, 7):
        users.create(f"u{number}")

    pages = [fresh.get(f"/api/users?page={page}&count=3").json()["users"] for page in (1, 2, 3, 4)]

    told = [(user["id"], user["username"]) for page in pages for user in page]
    assert told == [*((number + 2, f"u{number}") for number in reversed(range(7))), (1, "admin")]
    assert [len(page) for page in pages] == [3, 3, 2, 0]


def test_a_token_is_changed_for_a_fresh_one(door: Asked) -> None:
    token = token_of(door, "u1", "operator")

    told = door.get("/api/refresh-token", bearer=token)

    assert (told.status_code, told.json()["code"]) == (200, 200)
    assert claims_of(told.json()["token"])["id"] == "u1"
    assert door.get("/api/me", bearer=told.json()["token"]).json()["role"] == "operator"
    assert door.get("/api/refresh-token", key=None).status_code == 401


def test_a_token_comes_in_the_url_and_in_a_cookie_too(door: Asked) -> None:
    token = token_of(door, "u1")

    assert door.get(f"/api/me?token={token}", key=None).json() == {"status": 200, "username": "u1", "role": "guest"}
    assert door.get("/api/me", key=None, headers={"Cookie": f"jwt={token}"}).json()["username"] == "u1"


def test_keys_of_the_farm_open_the_door(door: Asked) -> None:
    _, key = Keys(door.database, ADMIN).create("ci", account="default")

    assert door.get("/api/me").json()["role"] == "admin"
    assert door.get("/api/me", key=key).json()["role"] == "operator"
    assert door.get("/api/me", bearer=key).json()["role"] == "operator"
    assert door.get("/api/jobs", key=key).status_code == 200
    assert door.get("/api/settings", key=key).json() == {"message": "unauthorized"}
    assert door.get("/api/refresh-token").status_code == 401


def test_a_password_is_changed_by_whoever_knows_it(door: Asked) -> None:
    token = token_of(door, "u1", "operator")
    asked = {"username": "u1", "current_password": PASSWORD, "new_password": "new", "verify_password": "new"}

    lacking = door.post("/api/update-password", {**asked, "new_password": ""}, key=None)
    wrong = door.post("/api/update-password", {**asked, "current_password": "another"}, key=None)
    unlike = door.post("/api/update-password", {**asked, "verify_password": "knew"}, key=None)
    told = door.post("/api/update-password", asked, key=None)

    validation = "validation error. please provide username, current password and new password"
    assert (lacking.status_code, lacking.json()) == (400, {"code": 400, "message": validation})
    assert (wrong.status_code, wrong.json()) == (401, {"code": 401, "message": "unauthorized"})
    assert unlike.status_code == 400
    assert (told.status_code, told.json()) == (200, {"user": "u1", "message": "user updated"})
    assert door.get("/api/me", bearer=token).status_code == 401, "who was logged in with the old one is no more"
    assert login(door, "u1", "new").status_code == 200


def test_people_change_their_name_and_their_password(door: Asked) -> None:
    token = token_of(door, "u1", "operator")
    Users(door.database, ADMIN).create("taken", password=PASSWORD)

    def change(**asked: str) -> Any:
        return door.ask("PUT", "/api/me", {"username": "u1", **asked}, bearer=token)

    wrong = change(current_password=NEW, new_password=NEW)
    assert (wrong.status_code, wrong.json()) == (401, {"code": 401, "message": "unauthorized"})
    assert change(username="taken", current_password=PASSWORD).status_code == 400
    named = change(username="u2", current_password=PASSWORD)
    assert (named.status_code, named.json()) == (200, {"user": "u1", "message": "user updated"})
    assert door.get("/api/me", bearer=token).json()["username"] == "u2", "no new password, so they stay logged in"
    assert change(username="u2", current_password=PASSWORD, new_password=NEW).status_code == 200
    assert door.get("/api/me", bearer=token).status_code == 401
    assert login(door, "u2", "new").status_code == 200


def test_admins_see_all_users_and_change_what_they_may(fresh: Asked) -> None:
    early = token_of(fresh, "u1")  # before there is an admin
    choose(fresh, FIRST_PASSWORD, PASSWORD)
    admin = login(fresh).json()["token"]
    token_of(fresh, "u2", "operator")

    told = fresh.get("/api/users", bearer=admin).json()

    assert (told["code"], told["count"]) == (200, 3)
    shown = {user["username"]: user for user in told["users"]}
    assert shown["admin"] == {"id": 1, "username": "admin", "role": "admin", "active": True}
    numbers = [user["id"] for user in told["users"]]
    assert numbers == sorted(numbers, reverse=True)
    assert fresh.get("/api/users?page=2&count=2", bearer=admin).json()["users"] == [shown["admin"]]

    path = f"/api/users/{shown['u1']['id']}"
    changed = fresh.ask("PUT", path, {"active": True, "role": "operator"}, bearer=admin)
    assert (changed.status_code, changed.json()) == (200, {**shown["u1"], "role": "operator"})
    assert fresh.get("/api/me", bearer=early).json()["role"] == "operator", "whatever their token says"
    assert fresh.ask("PUT", path, {"active": False, "role": ""}, bearer=admin).json()["role"] == "operator"
    assert fresh.get("/api/me", bearer=early).status_code == 401
    assert login(fresh, "u1").status_code == 401


def test_what_cannot_be_changed_of_users(fresh: Asked) -> None:
    choose(fresh, FIRST_PASSWORD, PASSWORD)
    admin, operator = login(fresh).json()["token"], token_of(fresh, "u2", "operator")
    gone = {"active": False, "role": "guest"}

    assert fresh.ask("PUT", "/api/users/1", gone, bearer=admin).json()["active"] is True
    missing = fresh.ask("PUT", "/api/users/77", gone, bearer=admin)
    assert (missing.status_code, missing.json()) == (404, {"status": 404, "message": "User does not exist"})
    assert fresh.ask("PUT", "/api/users/abc", gone, bearer=admin).status_code == 404
    assert fresh.ask("PUT", "/api/users/1", {"active": True, "role": "king"}, bearer=admin).status_code == 400
    for refused in (fresh.get("/api/users", bearer=operator), fresh.ask("PUT", "/api/users/1", gone, bearer=operator)):
        assert (refused.status_code, refused.json()) == (401, {"message": "unauthorized"})
