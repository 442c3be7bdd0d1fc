"""Quotas over raw HTTP: what an account may have encoded, keep and show (check 16)."""

from datetime import date
from typing import Any

import pytest
from doors.devstreamcore import V1, customer, refused
from doors.watched import job_of, landed, ready
from front_door import FrontDoor

from framemill.farm.stages.quota import over_quota
from framemill.jobs.accounts import Quotas
from framemill.jobs.states import Failed
from framemill.services.accounts import Accounts
from framemill.services.callers import ADMIN
from framemill.store.jobs import list_jobs
from framemill.store.material import ENCODED, VIEWS
from framemill.store.usage import used_between


def raised(door: FrontDoor, **quotas: Any) -> None:
    Accounts(door.database, ADMIN).changed("acme", quotas=quotas)


def asked(door: FrontDoor, video_id: str) -> tuple[str, Failed | None]:
    """As the farm asks once it knows how long the original is."""
    job, inputs, _ = job_of(door, video_id)
    with door.database.reading() as conn:
        return job.id, over_quota(conn, job, inputs)


def used(door: FrontDoor, kind: str) -> int:
    with door.database.reading() as conn:
        every_day = used_between(conn, "acme", date(2000, 1, 1), date(2999, 1, 1))
    return sum(one.amount for one in every_day if one.kind == kind)


@pytest.mark.parametrize("quota", [{"encode_minutes_per_month": 0}, {"kept_minutes": 0}, {"views_per_month": 0}])
def test_check_16_nothing_is_queued_over_a_quota_and_the_same_finalize_does_once_it_is_raised(
    door: FrontDoor, quota: dict[str, int]
) -> None:
    client = customer(door, "acme", **quota)
    upload = client.uploaded()
    error = refused(client.finalize(upload), 402, "quota_exceeded")
    assert error["code"] == "quota_exceeded"
    with door.database.reading() as conn:
        assert list_jobs(conn) == []
    assert client.videos() == {"data": [], "next_cursor": None}
    refused(client.post("/videos", {"input": [{"url": "https://example.org/a.mp4"}]}), 402, "quota_exceeded")

    raised(door, **dict.fromkeys(quota, 10))
    assert client.finalized(upload)["status"] == "preparing"
    with door.database.reading() as conn:
        assert len(list_jobs(conn)) == 1


def test_what_was_encoded_and_is_kept_is_counted_once(door: FrontDoor) -> None:
    client = customer(door, "acme", encode_minutes_per_month=1.5, kept_minutes=1.5)
    video = client.made()
    ready(door, video["id"])  # a minute
    assert used(door, ENCODED) == 60_000

    raised(door, encode_minutes_per_month=1)
    refused(client.post("/videos", {"input": [{"url": "https://example.org/a.mp4"}]}), 402, "quota_exceeded")
    raised(door, encode_minutes_per_month=None, kept_minutes=1)
    refused(client.post("/videos", {"input": [{"url": "https://example.org/a.mp4"}]}), 402, "quota_exceeded")
    assert client.ask("DELETE", f"/videos/{video['id']}").status_code == 204
    client.made()
    raised(door, encode_minutes_per_month=1)  # what was encoded this month stays that
    refused(client.post("/videos", {"input": [{"url": "https://example.org/a.mp4"}]}), 402, "quota_exceeded")


def test_what_is_under_way_counts_and_of_two_the_first_goes_on(door: FrontDoor) -> None:
    client = customer(door, "acme", encode_minutes_per_month=1.5)
    first, second = client.made(), client.made()
    for video in (first, second):
        landed(door, video["id"])  # a minute each
    assert asked(door, first["id"])[1] is None
    job_id, failed = asked(door, second["id"])
    assert failed is not None
    door.moved(job_id, failed)

    told = client.video(second["id"])
    assert told["status"] == "errored"
    assert told["errors"][0]["type"] == "quota_exceeded"
    assert client.get(f"/videos/{second['id']}").status_code == 200


def test_views_are_counted_and_what_is_there_is_played_on(door: Any) -> None:
    client = customer(door, "acme", views_per_month=2)
    video = client.made()
    ready(door, video["id"])
    url = f"{V1}/play/{video['playback_ids'][0]['id']}.m3u8"
    assert [door.ask("GET", url, key=None).status_code for _ in range(3)] == [302] * 3
    assert (used(door, VIEWS), client.video(video["id"])["view_count"]) == (3, 3)
    refused(client.post("/videos", {"input": [{"url": "https://example.org/a.mp4"}]}), 402, "quota_exceeded")


def test_the_native_api_sets_and_shows_them(door: Any) -> None:
    customer(door, "acme")
    quotas = {"encode_minutes_per_month": 2.5, "kept_minutes": 100, "views_per_month": 1000}
    changed = door.ask("PATCH", "/v1/accounts/acme", {"quotas": quotas})
    assert changed.status_code == 200, changed.text
    told = door.get("/v1/accounts/acme").json()["quotas"]
    assert {name: told[name] for name in quotas} == quotas
    assert set(quotas) <= set(Quotas.model_fields)


def test_other_doors_refuse_it_in_their_own_words(door: Any) -> None:
    client = customer(door, "acme", encode_minutes_per_month=0)
    answer = door.ask(
        "POST", "/v1/jobs", {"inputs": [{"uri": "https://example.org/a.mp4"}], "outputs": [{}]}, bearer=client.key
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
