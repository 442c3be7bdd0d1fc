"""The requests that Open Encoder's dashboard makes, page by page, and what each page reads of the answers.

It asks what its sources ask (`/api`, a token from a login as Bearer), in their order; the checks of a page are what it
would stumble over: a field that is missing, a null where it counts letters or maps over a list.
"""

import base64
import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from doors.openencoder_jobs import JOB

from framemill.api.app import create_app

Asked = Any

FIRST_PASSWORD, PASSWORD, OTHER = "a first password", "the one I chose", "another password"
HERE = {"Host": "localhost:8000"}
NOT_THERE = {"error", "cancelled"}


class Dashboard:
    """Somebody with the pages open."""

    def __init__(self, door: Asked) -> None:
        self.door = door
        self.token = ""

    def ask(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        answer = self.door.ask(method, f"/api{path}", body, bearer=self.token or "null", headers=HERE)
        assert answer.status_code == status, (method, path, answer.text)
        return answer.json()

    def get(self, path: str, **how: Any) -> Any:
        return self.ask("GET", path, **how)

    def login(self, name: str, password: str, *, status: int = 200) -> Any:
        told = self.ask("POST", "/login", {"username": name, "password": password}, status=status)
        self.token = told.get("token", "")
        return told

    @property
    def claims(self) -> dict[str, Any]:
        """As the pages read them: who is logged in, what they may, and until when."""
        middle = self.token.split(".")[1]
        found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        return found


@pytest.fixture
def fresh(door: Asked) -> Dashboard:
    """Of a farm that has just been started for the first time."""
    door.parts = dataclasses.replace(door.parts, first_password=FIRST_PASSWORD)
    door.app = create_app(door.parts)
    return Dashboard(door)


@pytest.fixture
def admin(fresh: Dashboard) -> Dashboard:
    """The first admin, logged in."""
    choose(fresh, FIRST_PASSWORD, PASSWORD)
    fresh.login("admin", PASSWORD)
    return fresh


def choose(dashboard: Dashboard, current: str, chosen: str) -> Any:
    words = {"username": "admin", "current_password": current, "new_password": chosen, "verify_password": chosen}
    return dashboard.ask("POST", "/update-password", words)


def test_every_page_has_the_version(fresh: Dashboard) -> None:
    told = fresh.get("/")

    assert all(isinstance(told[name], str) and told[name] for name in ("name", "version"))


def test_login_leads_to_update_password_and_back(fresh: Dashboard) -> None:
    assert fresh.login("admin", FIRST_PASSWORD, status=401)["message"] == "require password reset"
    choose(fresh, FIRST_PASSWORD, PASSWORD)
    fresh.login("admin", PASSWORD)

    assert (fresh.claims["id"], fresh.claims["role"]) == ("admin", "admin")
    assert fresh.claims["exp"] * 1000 > datetime.now(UTC).timestamp() * 1000
    assert fresh.login("admin", OTHER, status=401)["message"]


def test_register(fresh: Dashboard) -> None:
    words = {"username": "ada@example.org", "password": PASSWORD}

    fresh.ask("POST", "/register", words)
    assert fresh.ask("POST", "/register", words, status=400)["message"]
    fresh.login("ada@example.org", PASSWORD)
    assert fresh.claims["role"] == "guest"


def test_status(admin: Dashboard) -> None:
    rows = admin.get("/stats")["stats"]["jobs"]
    assert all(row["status"].upper() and isinstance(row["count"], int) for row in rows)
    assert len({row["status"] for row in rows}) == 9

    health = admin.get("/health")
    assert [health[name] for name in ("api", "db", "redis")] == ["OK"] * 3
    assert isinstance(health["workers"], int)

    assert "message" in admin.get("/machines/pricing", status=401)


@pytest.mark.usefixtures("named_store")
def test_jobs(admin: Dashboard) -> None:
    assert admin.get("/jobs?page=0") == {"count": 0, "items": []}
    for _ in range(11):
        admin.ask("POST", "/jobs", JOB, status=201)

    told = admin.get("/jobs?page=0")
    assert told["count"] == 11
    for job in told["items"]:
        assert datetime.fromisoformat(job["created_date"]) <= datetime.now(UTC)
        assert all(job[name] for name in ("id", "guid", "source", "preset", "destination", "status"))
        assert {"progress", "speed", "fps", "probe", "options"} <= job.keys()
    assert len(admin.get("/jobs?page=2")["items"]) == 1

    number = told["items"][0]["id"]
    admin.ask("POST", f"/jobs/{number}/cancel", {})
    assert admin.get("/jobs?page=0")["items"][0]["status"] in NOT_THERE
    admin.ask("POST", f"/jobs/{number}/restart", {})
    assert admin.get("/jobs?page=0")["items"][0]["status"] not in NOT_THERE


def test_encode(admin: Dashboard) -> None:
    names = [preset["name"] for preset in admin.get("/presets?page=0")["presets"] if preset["active"]]
    assert len(names) == 5

    assert admin.get("/storage/list?prefix=")["data"] is None, "nobody has set a store, and the page shows none"

    source = "s3:///src/film.mov"
    wanted = {"preset": names[0], "source": source, "dest": "s3:///dst/film/"}
    assert admin.ask("POST", "/jobs", wanted, status=201)["job"]["source"] == source


def test_queue_and_workers(admin: Dashboard) -> None:
    assert all(isinstance(admin.get(path), list) for path in ("/worker/queue", "/worker/pools"))


def test_machines(admin: Dashboard) -> None:
    """What the page does without a cloud: an empty form, an empty list."""
    form = {"provider": "digitalocean", "region": None, "size": None, "count": 0}

    for path in ("/machines", "/machines/regions", "/machines/sizes"):
        assert admin.get(path, status=401)["message"] == "machines not configured"
    assert admin.ask("DELETE", "/machines", status=401)["message"]
    assert admin.ask("POST", "/machines", form, status=401)["message"]


def test_presets(admin: Dashboard) -> None:
    told = admin.get("/presets?page=0")
    assert told["count"] == len(told["presets"])
    first = told["presets"][-1]
    assert json.loads(first["data"])["raw"]

    edited = {**first, "active": False, "data": json.dumps({"raw": ["-c:v libx264", "-crf 30"]})}
    admin.ask("PUT", f"/presets/{first['id']}", edited)
    assert admin.get("/presets?page=0")["presets"][-1] == edited


def test_presets_create(admin: Dashboard) -> None:
    made = {
        "name": "mine",
        "description": "of mine",
        "output": "mine.mp4",
        "active": True,
        "data": '{"raw": ["-crf 20"]}',
    }

    admin.ask("POST", "/presets", made, status=201)

    first = admin.get("/presets?page=0")["presets"][0]
    assert {name: first[name] for name in made} == made
    assert admin.ask("POST", "/presets", {**made, "data": "{"}, status=400)["message"]


def test_users(admin: Dashboard) -> None:
    admin.ask("POST", "/register", {"username": "ada@example.org", "password": PASSWORD})

    ada, first = admin.get("/users")["users"]
    assert (first["id"], first["username"]) == (1, "admin")
    assert ada == {"id": ada["id"], "username": "ada@example.org", "role": "guest", "active": True}
    admin.ask("PUT", f"/users/{ada['id']}", {**ada, "role": "operator"})
    assert admin.get("/users")["users"][0]["role"] == "operator"


def test_settings(admin: Dashboard) -> None:
    settings = admin.get("/settings")["settings"]
    form = {one["name"]: one["value"] for one in settings}
    assert len(form) == 18
    assert all(isinstance(one[field], str) for one in settings for field in ("name", "title", "value", "description"))
    assert form["STORAGE_DRIVER"].upper() in {"S3", "FTP"}
    assert admin.get("/machines/vpc", status=401)

    changed = {**form, "S3_SECRET_KEY": PASSWORD, "DIGITAL_OCEAN_ENABLED": "enabled", "DIGITAL_OCEAN_VPC": ""}
    admin.ask("PUT", "/settings", changed)
    admin.ask("PUT", "/settings", {one["name"]: one["value"] for one in admin.get("/settings")["settings"]})
    (secret,) = (one for one in admin.get("/settings")["settings"] if one["name"] == "S3_SECRET_KEY")
    assert (secret["value"], secret["secure"]) == ("********", True)


def test_profile(admin: Dashboard) -> None:
    me = admin.get("/me")
    assert (me["username"], me["role"]) == ("admin", "admin")
    form = {"username": "admin", "current_password": PASSWORD, "new_password": OTHER, "verify_password": OTHER}

    wrong = admin.ask("PUT", "/me", {**form, "current_password": OTHER}, status=401)
    assert wrong["message"]
    assert admin.ask("PUT", "/me", form)["message"] == "user updated"
    admin.login("admin", OTHER)
    assert admin.get("/me")["username"] == "admin"


def test_a_guest_finds_pages_that_only_show(admin: Dashboard) -> None:
    admin.ask("POST", "/register", {"username": "ada", "password": PASSWORD})
    admin.login("ada", PASSWORD)

    for path in ("/stats", "/health", "/jobs?page=0", "/presets?page=0", "/me", "/worker/queue"):
        admin.get(path)
    for path in ("/users", "/settings", "/machines"):
        assert admin.get(path, status=401)["message"]
