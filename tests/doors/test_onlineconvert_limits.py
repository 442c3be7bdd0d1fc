"""online-convert's limits and credits, without a farm (parts of checks 11 to 13 and 15 of its contract)."""

from fractions import Fraction
from typing import Any

import pytest
from doors.conftest import AskedDoor
from doors.onlineconvert import Client, completed

from framemill.api.onlineconvert.door import DOOR
from framemill.api.onlineconvert.limits import limits_of, limits_told
from framemill.api.onlineconvert.prices import Prices, prices_of, tariff_of
from framemill.api.onlineconvert.schemas import Limits as Asked
from framemill.errors import InvalidSetting
from framemill.jobs.accounts import Quotas
from framemill.jobs.metering import charge
from framemill.jobs.model import Limits
from framemill.jobs.settings import OutputSettings
from framemill.services.accounts import Accounts
from framemill.services.callers import ADMIN
from framemill.services.jobs import Jobs
from framemill.services.keys import Keys

SOURCE = {"type": "remote", "source": "https://example.org/films/film.mov"}
ALL = {
    "job": {"max_credit": 2, "max_inputs": 3, "max_process_time": 60},
    "input": {"max_file_size": 1000},
    "output": {"max_downloads": 5},
}


@pytest.fixture
def client(door: AskedDoor) -> Client:
    return Client(door)


def test_each_limit_is_one_of_the_farms() -> None:
    found = limits_of(Asked.model_validate(ALL))
    assert found == Limits(
        max_spend=2000,
        max_inputs=3,
        max_process_seconds=60,
        max_input_bytes=1000,
        max_downloads=5,
        max_kept_seconds=24 * 3600,
    )
    assert limits_told(found) == ALL
    assert limits_told(limits_of(Asked())) == {"job": {}, "input": {}, "output": {}}


def test_the_other_word_for_the_time_is_read_too() -> None:
    assert limits_of(Asked.model_validate({"job": {"max_process_times": 7}})).max_process_seconds == 7


def test_a_part_of_a_credit_is_never_rounded_up() -> None:
    assert limits_of(Asked.model_validate({"job": {"max_credit": 1.0006}})).max_spend == 1000
    assert limits_of(Asked.model_validate({"job": {"max_credit": 0}})).max_spend == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"job": {"max_credit": -1}},
        {"job": {"max_credit": "a lot"}},
        {"job": {"max_inputs": 0}},
        {"job": {"max_process_time": 0}},
        {"input": {"max_file_size": 0}},
        {"output": {"max_downloads": 0}},
        {"output": {"max_downloads": 1.5}},
        {"job": {"max_credit": 1e300}},
    ],
)
def test_what_is_no_limit_is_refused_with_its_name(client: Client, wrong: dict[str, Any]) -> None:
    answer = client.ask("POST", "/jobs", {"conversion": [{"target": "mp4"}], "limits": wrong})
    assert answer.status_code == 400, answer.text
    (part,) = wrong
    (name,) = wrong[part]
    assert f"limits.{part}.{name}" in answer.json()["message"]


def test_limits_are_told_as_they_were_asked_for(client: Client) -> None:
    assert client.made(process=False, limits=ALL)["limits"] == ALL


def test_they_tighten_what_the_account_may_and_never_widen_it(client: Client) -> None:
    accounts = Accounts(client.door.database, ADMIN)
    account = accounts.create("small", quotas=Quotas(max_input_bytes=500, max_process_seconds=30))
    _, key = Keys(client.door.database, ADMIN).create("a key", account=account.id)
    job = Client(client.door, key).made(process=False, limits=ALL)
    held = Jobs(client.door.database, lambda _: None, caller=ADMIN).shown(job["id"]).job.limits
    assert (held.max_input_bytes, held.max_process_seconds) == (500, 30)


@pytest.mark.parametrize(
    ("seconds", "credit_seconds", "credits"),
    [(0.04, 60, 1), (60, 60, 1), (60.01, 60, 2), (180, 60, 3), (1, 0.1, 10), (3600, 10**9, 1)],
)
def test_a_conversion_costs_whole_credits_for_its_seconds_whatever_is_in_it(
    seconds: float, credit_seconds: float, credits: int
) -> None:
    tariff = tariff_of(Prices(credit_seconds=credit_seconds))
    length = Fraction(str(seconds))
    for settings, sizes in (
        (OutputSettings(), [(3840, 2160)]),
        (OutputSettings(container="package"), [(1920, 1080), (640, 360)]),
        (OutputSettings(container="mp3", video_codec="none", audio_codec="mp3"), []),
    ):
        assert charge(settings, length, sizes, tariff) == credits * 1000


def test_the_operator_sets_how_many_seconds_a_credit_pays(client: Client) -> None:
    assert prices_of({}).credit_seconds == 60
    assert prices_of({"credit_seconds": 1}).credit_seconds == 1
    for wrong in ({"credit_seconds": 0}, {"credit_seconds": "x"}, {"credits": 1}, {"credit_seconds": float("inf")}):
        with pytest.raises(InvalidSetting, match=r"tariffs\.onlineconvert"):
            prices_of(wrong)
    assert DOOR.prices is prices_of


def test_a_job_brings_its_tariff_along(client: Client) -> None:
    job = client.made(input=[SOURCE])
    found = Jobs(client.door.database, lambda _: None, caller=ADMIN).shown(job["id"]).job
    assert found.tariff == tariff_of(Prices())


def test_without_a_limit_an_output_is_fetched_as_often_as_one_likes(client: Client) -> None:
    job = client.made(input=[SOURCE])
    completed(client.door, job["id"])
    uri = client.job(job["id"])["output"][0]["uri"]
    assert {client.fetched(uri).status_code for _ in range(12)} == {200}
    assert client.job(job["id"])["output"][0]["downloads_counter"] == 12
