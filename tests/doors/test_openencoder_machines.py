"""Open Encoder's machines: check 20 of its specification, against a cloud that exists in memory."""

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from doors.openencoder_jobs import settle

from framemill.api.app import create_app
from framemill.errors import FarmError
from framemill.services.callers import ADMIN
from framemill.services.lending import Lender, LentMachine, MachineSize, Network, Region
from framemill.services.users import Users

Asked = Any

NOT_CONFIGURED = {"status": 401, "message": "machines not configured"}
ROUTES = [
    *[("GET", path) for path in ("", "/regions", "/sizes", "/pricing", "/vpc")],
    *[("POST", ""), ("DELETE", ""), ("DELETE", "/1")],
]
CHANGES = [
    *({"count": count} for count in (0, 11, "x", "2", 2.0, True)),
    *({"size": ""}, {"provider": ""}, {"provider": "another"}),
]
"""Of what is asked for: with each of them it cannot be."""
NEW = {"provider": "digitalocean", "region": "sfo1", "size": "s-1vcpu-1gb", "count": 2}
HOURLY, MONTHLY = 0.00744, 5.0
LOGIN = {"username": "u1", "password": "a password"}


class Cloud:
    """Lends machines, and has one of its owner's that is none of the farm's."""

    name = "digitalocean"

    def __init__(self) -> None:
        self.owners = [7]
        self.lent: dict[int, LentMachine] = {}
        self.refuses = False
        self.kinds = [("512mb", MONTHLY)]
        self.asked: list[tuple[str, str, int]] = []

    def machines(self) -> Sequence[LentMachine]:
        if self.refuses:
            raise FarmError("The cloud says no.")
        return list(self.lent.values())

    def lend(self, size: str, region: str, count: int, tags: Sequence[str]) -> Sequence[int]:
        self.asked.append((size, region, count))
        made = [100 + len(self.lent) + number for number in range(count)]
        for one in made:
            self.lent[one] = LentMachine(
                id=one,
                name="openencoder-worker",
                state="new",
                size=size,
                region="San Francisco 1",
                tags=tuple(tags),
                price_hourly=HOURLY,
                price_monthly=MONTHLY,
                created_at=datetime(2019, 8, 11, 5, 50, 26, tzinfo=UTC),
            )
        return made

    def give_back(self, machine_ids: Sequence[int]) -> Sequence[int]:
        return [one for one in machine_ids if self.lent.pop(one, None) is not None]

    def regions(self) -> Sequence[Region]:
        return [Region(slug="nyc1", name="New York 1", sizes=("32gb", "16gb"), available=True)]

    def sizes(self) -> Sequence[MachineSize]:
        return [MachineSize(slug=s, available=True, price_hourly=HOURLY, price_monthly=m) for s, m in self.kinds]

    def networks(self) -> Sequence[Network]:
        return [Network(id="uuid", name="default")]


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def rented(door: Asked, cloud: Cloud) -> Asked:
    """A farm that a cloud lends machines to."""
    lender: Lender = cloud
    door.parts = dataclasses.replace(door.parts, lender=lender)
    door.app = create_app(door.parts)
    settle(door, DIGITAL_OCEAN_ENABLED="enabled")
    return door


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("spelling", ["machines", "machine"])
def test_check_20_without_a_cloud_nothing_is_configured(door: Asked, method: str, path: str, spelling: str) -> None:
    told = door.ask(method, f"/api/{spelling}{path}", NEW if method == "POST" else None)

    assert (told.status_code, told.json()) == (401, NOT_CONFIGURED)


def test_check_20_machines_are_made_listed_and_given_back(rented: Asked, cloud: Cloud) -> None:
    made = rented.post("/api/machines", NEW)
    assert made.json() == {"machine": [{"id": id_, "provider": "digitalocean"} for id_ in (100, 101)]}

    listed = rented.get("/api/machines").json()["machines"]
    assert listed[0] == {
        **{"id": 100, "name": "openencoder-worker", "status": "new", "size_slug": "s-1vcpu-1gb"},
        **{"created_at": "2019-08-11T05:50:26Z", "region": "San Francisco 1", "provider": "digitalocean"},
        "tags": ["openencoder", "openencoder-worker"],
    }
    pricing = rented.get("/api/machines/pricing").json()["pricing"]
    assert pricing == {"count": 2, "price_hourly": 2 * HOURLY, "price_monthly": 2 * MONTHLY}

    assert rented.ask("DELETE", "/api/machines/100").json() == {"machine": {"id": 100, "provider": "digitalocean"}}
    assert [one["id"] for one in rented.get("/api/machines").json()["machines"]] == [101]
    for spelling in ("machines", "machine"):
        rented.post(f"/api/{spelling}", NEW)
        assert rented.ask("DELETE", f"/api/{spelling}").json() == {"deleted": True}
        assert rented.get("/api/machines").json() == {"machines": []}


def test_check_20_what_is_not_the_farms_own_survives(rented: Asked, cloud: Cloud) -> None:
    rented.post("/api/machines", NEW)

    refused = rented.ask("DELETE", f"/api/machines/{cloud.owners[0]}")
    rented.ask("DELETE", "/api/machines")

    assert (refused.status_code, refused.json()["status"]) == (404, 404)
    assert cloud.owners == [7]


@pytest.mark.parametrize("change", CHANGES)
def test_check_20_so_many_at_once(rented: Asked, cloud: Cloud, change: dict[str, Any]) -> None:
    told = rented.post("/api/machines", {**NEW, **change})

    assert told.status_code == 400
    assert told.json()["error"]
    assert cloud.asked == []


def test_check_20_what_the_cloud_has(rented: Asked) -> None:
    assert rented.get("/api/machines/regions").json() == {
        "regions": [{"name": "New York 1", "slug": "nyc1", "sizes": ["32gb", "16gb"], "available": True}]
    }
    assert rented.get("/api/machines/sizes").json() == {
        "sizes": [{"slug": "512mb", "available": True, "price_monthly": MONTHLY, "price_hourly": HOURLY}]
    }
    assert rented.get("/api/machines/vpc").json() == {"vpcs": [{"id": "uuid", "name": "default"}]}


def test_what_several_machines_cost_is_told_as_people_write_it(rented: Asked) -> None:
    """0.00744 ten times is 0.07440000000000001 to a computer."""
    rented.post("/api/machines", {**NEW, "count": 10})

    assert rented.get("/api/machines/pricing").json()["pricing"]["price_hourly"] == 0.0744


def test_sizes_are_told_from_the_cheapest_on(rented: Asked, cloud: Cloud) -> None:
    cloud.kinds = [("s-8gb", 48.0), ("s-2gb", 12.0), ("c-2gb", 12.0), ("s-1gb", 5.0)]

    told = [one["slug"] for one in rented.get("/api/machines/sizes").json()["sizes"]]

    assert told == ["s-1gb", "c-2gb", "s-2gb", "s-8gb"]


@pytest.mark.parametrize("lacking", ["provider", "size", "count"])
def test_what_is_empty_is_missing(rented: Asked, lacking: str) -> None:
    missing = {name: value for name, value in NEW.items() if name != lacking}
    expected = f"Key: 'request.{lacking.capitalize()}' Error:Field validation for '{lacking.capitalize()}'"

    for asked in (missing, {**NEW, lacking: None}, *([] if lacking == "count" else [{**NEW, lacking: ""}])):
        told = rented.post("/api/machines", asked)
        assert (told.status_code, told.json()["error"].startswith(expected)) == (400, True), told.text


def test_the_region_is_the_one_asked_for_else_that_of_the_settings(rented: Asked, cloud: Cloud) -> None:
    values = {one["name"]: one["value"] for one in rented.get("/api/settings").json()["settings"]}
    rented.ask("PUT", "/api/settings", {**values, "DIGITAL_OCEAN_REGION": "fra1"})

    rented.post("/api/machines", NEW)
    rented.post("/api/machines", {name: value for name, value in NEW.items() if name != "region"})
    rented.post("/api/machines", {**NEW, "region": None})

    assert [region for _, region, _ in cloud.asked] == ["sfo1", "fra1", "fra1"]


def test_what_the_cloud_refuses_is_told_with_its_reason(rented: Asked, cloud: Cloud) -> None:
    cloud.refuses = True

    told = rented.get("/api/machines")

    assert (told.status_code, told.json()) == (401, {**NOT_CONFIGURED, "error": "The cloud says no."})


@pytest.mark.parametrize(("role", "allowed"), [("guest", {"/pricing"}), ("operator", {path for _, path in ROUTES})])
def test_who_may_do_what_with_machines(rented: Asked, role: str, allowed: set[str]) -> None:
    Users(rented.database, ADMIN).create("u1", password=LOGIN["password"], role=role)  # type: ignore[arg-type]
    token = rented.post("/api/login", LOGIN, key=None).json()["token"]

    for method, path in ROUTES:
        told = rented.ask(method, f"/api/machines{path}", NEW if method == "POST" else None, bearer=token)
        assert (told.status_code != 401) is (path in allowed), (method, path)


def test_machines_are_made_only_where_the_settings_allow_it(rented: Asked, cloud: Cloud) -> None:
    rented.post("/api/machines", NEW)
    settle(rented, DIGITAL_OCEAN_ENABLED="disabled")

    told = rented.post("/api/machines", NEW)

    assert (told.status_code, told.json()["message"]) == (401, NOT_CONFIGURED["message"])
    assert "DIGITAL_OCEAN_ENABLED" in told.json()["error"]
    assert len(cloud.asked) == 1
    assert rented.ask("DELETE", "/api/machines").json() == {"deleted": True}, "what is there is given back"
