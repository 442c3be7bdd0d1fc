"""online-convert's own client before the door, over a real socket: everything that needs no encode."""

import dataclasses
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from api2convert import (
    Api2Convert,
    Api2ConvertError,
    ApiError,
    AuthenticationError,
    CloudInput,
    ConversionFailedError,
    ConversionTimeoutError,
    Job,
    NotFoundError,
    OutputTarget,
    PaymentRequiredError,
    RateLimitError,
    SignatureVerificationError,
    ValidationError,
)
from doors.vendors_client import KEY_HEADER, TOKEN_HEADER, Vendors, vendors_client
from front_door import KEY, FrontDoor, laid_down, served, within_a_minute

from framemill.jobs.accounts import Quotas
from framemill.jobs.reasons import Reason
from framemill.jobs.states import (
    ChunksCommitted,
    Delivered,
    Failed,
    InputsReady,
    Packaged,
    Planned,
    Started,
    Stitched,
)
from framemill.services.accounts import Accounts
from framemill.services.callers import ADMIN
from framemill.services.keys import Keys
from framemill.store.deliveries import save_deliveries
from framemill.store.jobs import load_job

SOURCE = "https://example.org/film.mov"
FILM = b"no film, but bytes of one " * 100


@pytest.fixture
def url(door: FrontDoor) -> Iterator[str]:
    with served(door) as made:
        yield made


@pytest.fixture
def vendors(url: str) -> Iterator[Vendors]:
    with vendors_client(url, KEY) as made:
        yield made


@pytest.fixture
def api(vendors: Vendors) -> Api2Convert:
    return vendors.api


def customer(door: FrontDoor, name: str = "acme", **quotas: Any) -> str:
    """A key of an account of its own."""
    Accounts(door.database, ADMIN).create(name, account_id=name, quotas=Quotas(**quotas))
    _, key = Keys(door.database, ADMIN).create(name, account=name)
    return key


def remote(api: Api2Convert, target: str = "mp4", **more: Any) -> Job:
    """A job of a URL, as `convert` makes it."""
    asked = {"input": [{"type": "remote", "source": SOURCE}], "conversion": [{"target": target}], **more}
    return api.jobs.create(asked)


def published(door: FrontDoor, job: Job, body: bytes = FILM) -> None:
    """Its first output is there, as a coordinator would have left it."""
    with door.database.reading() as conn:
        found = load_job(conn, job.id)
    assert found is not None
    kept, _, (output, *_) = found
    delivery = laid_down(door, output, "film.mp4", body)
    with door.database.writing() as conn:
        save_deliveries(conn, [delivery])
    events = (Started(), InputsReady(), Planned(), ChunksCommitted(), Stitched(), Packaged({}), Delivered())
    door.moved(kept.id, *events)


# Jobs


def test_a_new_job_is_told_as_it_is_published(vendors: Vendors) -> None:
    told = vendors.told("POST", "/jobs", {"conversion": [{"target": "mp4"}]})
    assert told["id"]
    assert len(told["token"]) == 32
    assert told["server"].startswith("http://127.0.0.1:")
    assert told["created_at"]
    assert (told["type"], told["status"]["code"], told["spent"], told["callback"]) == ("job", "incomplete", 0, "")
    assert (told["errors"], told["warnings"], told["output"], told["input"]) == ([], [], [], [])
    flags = ("process", "fail_on_input_error", "fail_on_conversion_error", "notify_status")
    assert [told[one] for one in flags] == [True, True, True, False]


def test_a_job_of_a_url_is_begun_at_once(api: Api2Convert) -> None:
    job = api.convert_async(SOURCE, "mp4", {"width": 320, "height": 180}, category="video")
    assert job.status.code in {"downloading", "queued", "pending", "processing"}
    assert not job.is_terminal()
    (conversion,) = job.conversion
    assert (conversion.target, conversion.category) == ("mp4", "video")
    assert (conversion.options["width"], conversion.options["height"]) == (320, 180)
    (source,) = job.input
    assert (source.type, source.source) == ("remote", SOURCE)


def test_a_job_is_made_step_by_step(vendors: Vendors) -> None:
    jobs = vendors.api.jobs
    job = jobs.create({"process": False})
    assert job.status.code == "incomplete"
    made = vendors.ask("POST", f"/jobs/{job.id}/conversions", {"target": "mkv"})
    assert (made.status_code, made.json()["target"]) == (201, "mkv")
    one = jobs.add_input(job.id, {"type": "remote", "source": SOURCE})
    assert one.id
    both = [{"type": "remote", "source": f"{SOURCE}?{n}"} for n in range(2)]
    added = vendors.ask("POST", f"/jobs/{job.id}/input", both)
    assert added.status_code == 201
    assert len({each["id"] for each in added.json()} | {one.id}) == 3
    assert len(jobs.get(job.id).input) == 3

    started = jobs.start(job.id)
    assert started.raw["process"] is True
    assert jobs.start(job.id).id == job.id  # once more: as the vendor's guide does it
    with pytest.raises(ApiError) as refused:
        jobs.update(job.id, {"notify_status": True})
    assert refused.value.status_code == 409


def test_jobs_are_listed_newest_first_and_by_status(api: Api2Convert) -> None:
    assert api.jobs.list() == []
    made = [api.jobs.create({"process": False}).id for _ in range(2)] + [remote(api).id]
    assert [one.id for one in api.jobs.list()] == made[::-1]
    assert [one.id for one in api.jobs.list(status="incomplete")] == made[1::-1]
    assert api.jobs.list(page=2) == []


def test_one_idempotency_key_makes_one_job(api: Api2Convert) -> None:
    payload = {"process": False, "conversion": [{"target": "mp4"}]}
    first, again = (api.jobs.create(payload, idempotency_key="order-17") for _ in range(2))
    assert first.id == again.id
    assert len(api.jobs.list()) == 1


def test_a_job_that_is_cancelled_ends_a_wait(api: Api2Convert) -> None:
    job = remote(api)
    api.jobs.cancel(job.id)
    with pytest.raises(ConversionFailedError) as ended:
        api.jobs.wait(job.id, 5)
    assert ended.value.job.is_canceled()
    for again in (lambda: api.jobs.cancel(job.id), lambda: api.jobs.start(job.id)):
        with pytest.raises(ApiError) as refused:
            again()
        assert refused.value.status_code == 409


def test_a_wait_ends_when_its_time_is_over(api: Api2Convert) -> None:
    with pytest.raises(ConversionTimeoutError):
        api.jobs.wait(remote(api).id, 0)


def test_a_job_that_has_failed_says_why(api: Api2Convert, door: FrontDoor) -> None:
    job = remote(api)
    door.moved(job.id, Started(), Failed(Reason.SOURCE_MISSING, "There is nothing at that URL."))
    with pytest.raises(ConversionFailedError, match="There is nothing at that URL") as ended:
        api.jobs.wait(job.id, 5)
    (error, *_) = ended.value.errors()
    assert isinstance(error.code, int)
    assert error.source in {"input", "conversion"}


# Uploads


def test_a_file_is_uploaded_by_the_jobs_token_and_without_the_key(vendors: Vendors, tmp_path: Path) -> None:
    jobs = vendors.api.jobs
    job = vendors.stepwise("mp4")
    path = tmp_path / "my film.mov"
    path.write_bytes(FILM)
    one = jobs.upload(job, path)
    other = jobs.upload(job, io.BytesIO(FILM[1:]), "b.mov")

    assert [(each.type, each.filename, each.size) for each in (one, other)] == [
        ("upload", "my film.mov", len(FILM)),
        ("upload", "b.mov", len(FILM) - 1),
    ]
    assert [each.id for each in jobs.get(job.id).input] == [one.id, other.id]
    uploads = [each for each in vendors.sent if each.path.endswith(f"/upload-file/{job.id}")]
    assert len(uploads) == 2
    for each in uploads:
        assert each.headers[TOKEN_HEADER] == job.token
        assert KEY_HEADER not in each.headers


def test_convert_uploads_and_starts(api: Api2Convert, tmp_path: Path) -> None:
    path = tmp_path / "film.mov"
    path.write_bytes(FILM)
    job = api.convert_async(path, "mp4")
    assert job.raw["process"] is True
    assert not job.is_terminal()
    assert [one.filename for one in job.input] == ["film.mov"]


def test_what_cannot_be_replayed_is_uploaded_nevertheless(vendors: Vendors) -> None:
    """As Node does it: in chunks, of a length that nobody knows."""
    job = vendors.stepwise("mp4")
    edge = "0f3b"
    form = (
        f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="a.mov"\r\n\r\n'.encode(),
        FILM,
        f"\r\n--{edge}--\r\n".encode(),
    )
    kind = {"Content-Type": f"multipart/form-data; boundary={edge}", TOKEN_HEADER: job.token or ""}
    answer = vendors.http.post(f"{job.server}/upload-file/{job.id}", content=iter(form), headers=kind)
    assert answer.status_code in {200, 201}, answer.text
    assert answer.json()["size"] == len(FILM)


def test_a_file_that_is_not_there_is_asked_for_nowhere(vendors: Vendors, tmp_path: Path) -> None:
    job = vendors.stepwise("mp4")
    before = len(vendors.sent)
    with pytest.raises(Api2ConvertError, match="not found"):
        vendors.api.jobs.upload(job, tmp_path / "nothing.mov")
    assert len(vendors.sent) == before


# Who may


def test_a_wrong_key_opens_nothing(url: str) -> None:
    with vendors_client(url, "no-key") as stranger, pytest.raises(AuthenticationError) as refused:
        stranger.api.jobs.create({"process": False})
    assert refused.value.status_code == 401
    assert str(refused.value).startswith("Invalid api key")
    assert refused.value.request_id


def test_both_families_of_headers_open_it(vendors: Vendors) -> None:
    for name in ("X-Api2convert-Api-Key", "X-Oc-Api-Key"):
        made = vendors.http.post(f"{vendors.base}/jobs", json={"process": False}, headers={name: KEY})
        assert made.status_code == 201, name
        token = made.json()["token"]
        for of_job in ("X-Api2convert-Token", "X-Oc-Token"):
            shown = vendors.http.get(f"{vendors.base}/jobs/{made.json()['id']}", headers={of_job: token})
            assert (shown.status_code, shown.json()["token"]) == (200, token)


def test_a_token_opens_its_job_and_no_other(vendors: Vendors) -> None:
    mine, other = (vendors.stepwise("mp4") for _ in range(2))
    with pytest.raises(AuthenticationError):
        vendors.api.jobs.upload(dataclasses.replace(mine, token=other.token), io.BytesIO(FILM), "a.mov")
    with pytest.raises(AuthenticationError):
        vendors.api.jobs.upload(dataclasses.replace(mine, token="x" * 32), io.BytesIO(FILM), "a.mov")
    assert vendors.api.jobs.get(mine.id).input == []


def test_another_accounts_job_is_not_found(url: str, api: Api2Convert, door: FrontDoor) -> None:
    job = api.jobs.create({"process": False})
    with vendors_client(url, customer(door)) as other:
        for ask in (other.api.jobs.get, other.api.jobs.cancel, other.api.jobs.start, other.api.jobs.outputs):
            with pytest.raises(NotFoundError):
                ask(job.id)
        assert other.api.jobs.list() == []
    with pytest.raises(NotFoundError):
        api.jobs.get("../../etc/passwd")


# What does not fit


@pytest.mark.parametrize(
    ("conversion", "named"),
    [
        ({"target": "nope"}, "nope"),
        ({"target": "mp4", "options": {"width": "abc"}}, "width"),
        ({"target": "mp4", "options": {"width": 0}}, "width"),
        ({"category": "video"}, "target"),
    ],
    ids=json.dumps,
)
def test_what_cannot_be_is_refused_when_it_is_asked_for(api: Api2Convert, conversion: Any, named: str) -> None:
    with pytest.raises(ValidationError) as refused:
        api.jobs.create({"process": False, "conversion": [conversion]})
    assert refused.value.status_code == 400
    assert named in json.dumps(refused.value.body)
    assert api.jobs.list() == []


def test_a_source_in_a_closed_network_is_refused_at_once(api: Api2Convert) -> None:
    with pytest.raises(ValidationError) as refused:
        api.convert_async("http://192.168.0.7/film.mov", "mp4")
    assert list(refused.value.body["errors"]) == ["input.0.source"]
    assert api.jobs.list() == []


def test_more_inputs_than_the_job_may_have_are_402(api: Api2Convert) -> None:
    limited: dict[str, Any] = {"limits": {"job": {"max_inputs": 1}}}
    with pytest.raises(PaymentRequiredError):
        remote(api, input=[{"type": "remote", "source": f"{SOURCE}?{n}"} for n in range(2)], **limited)
    job = api.jobs.create({"process": False, **limited})
    api.jobs.add_input(job.id, {"type": "remote", "source": SOURCE})
    with pytest.raises(PaymentRequiredError):
        api.jobs.add_input(job.id, {"type": "remote", "source": SOURCE})


def test_a_larger_file_than_the_job_may_have_is_402_and_thrown_away(vendors: Vendors) -> None:
    job = vendors.stepwise("mp4", limits={"input": {"max_file_size": 10}})
    with pytest.raises(PaymentRequiredError):
        vendors.api.jobs.upload(job, io.BytesIO(FILM), "a.mov")
    assert vendors.told("GET", f"/jobs/{job.id}/input") == []
    vendors.api.jobs.upload(job, io.BytesIO(FILM[:10]), "a.mov")


def test_too_many_requests_say_when_to_come_again(url: str, door: FrontDoor) -> None:
    with within_a_minute(), vendors_client(url, customer(door, requests_per_minute=2)) as hasty:
        for _ in range(2):
            hasty.api.jobs.list()
        with pytest.raises(RateLimitError) as refused:
            hasty.api.jobs.create({"process": False})
        assert refused.value.retry_after
    with door.database.reading() as conn:
        assert load_job(conn, "any") is None


# The catalogue, and what is counted


def test_what_there_is_to_convert_to_needs_no_key(vendors: Vendors) -> None:
    options = vendors.api.options("mp4", "video")
    assert {"width", "height"} <= set(options)
    assert all(one.get("type") for one in options.values())
    for path in ("/conversions?category=video&target=mp4", "/conversions?page=999", "/statuses", "/schema", "/presets"):
        answer = vendors.http.get(f"{vendors.base}{path}")
        assert answer.status_code == 200, path
    assert vendors.api.conversions.list(page=999) == []
    codes = {one["code"] for one in vendors.http.get(f"{vendors.base}/statuses").json()}
    assert codes >= {"incomplete", "ready", "queued", "downloading", "processing", "completed", "failed"}


def test_all_pages_of_the_catalogue_end(api: Api2Convert) -> None:
    pages = [api.conversions.list(page=page) for page in range(1, 20)]
    assert pages[0]
    assert pages[-1] == []
    ids = [one["id"] for page in pages for one in page]
    assert len(ids) == len(set(ids))


def test_a_preset_is_kept_used_changed_and_removed(api: Api2Convert) -> None:
    made = api.presets.create({"name": "small films", "target": "mp4", "options": {"width": 320}})
    assert made.id
    assert (made.name, made.target, made.options) == ("small films", "mp4", {"width": 320})
    assert made.id in {one.id for one in api.presets.list(target="mp4", filter="small")}
    assert api.presets.list(filter="no-such-name") == []
    job = api.jobs.create({"process": False, "conversion": [{"target": "mp4", "options": {"preset": made.id}}]})
    assert job.conversion[0].options["preset"] == made.id

    assert api.presets.update(made.id, {"name": "tiny films"}).name == "tiny films"
    assert api.presets.get(made.id).name == "tiny films"
    api.presets.delete(made.id)
    with pytest.raises(NotFoundError):
        api.presets.get(made.id)
    with pytest.raises(ValidationError):
        api.presets.create({"name": "bad", "target": "nope"})


def test_statistics_and_contracts_answer(api: Api2Convert) -> None:
    for told in (api.stats.day("2026-06-01"), api.stats.month("2026-06", "single"), api.stats.year("2026", "all")):
        assert isinstance(told, list | dict)
    api.contracts.get()
    for bad in ("june", "2026-13", "../jobs"):
        with pytest.raises((ValidationError, NotFoundError)):
            api.stats.month(bad, "single")


# Stores


def test_what_opens_a_store_is_told_nobody(vendors: Vendors) -> None:
    secret = "AKIA-a-secret-that-nobody-tells"  # noqa: S105 - made up
    source = CloudInput.amazon_s3("films", "in.mov", "some-id", secret)
    target = OutputTarget.of(
        "ftp", {"host": "ftp.example.org", "file": "out.mp4"}, {"username": "u", "password": secret}
    )
    job = vendors.api.convert_async(source, "mp4", output_targets=[target])
    assert job.input[0].parameters["bucket"] == "films"
    assert [one.type for one in job.conversion[0].output_targets] == ["ftp"]
    for path in ("", "/input", "/conversions", "/history", "/threads"):
        answer = vendors.ask("GET", f"/jobs/{job.id}{path}")
        assert answer.is_success
        assert secret not in answer.text
    assert vendors.told("GET", f"/jobs/{job.id}")["input"][0]["credentials"] in ({}, [])


# Results


def test_an_output_is_downloaded_by_its_link_alone(vendors: Vendors, door: FrontDoor, tmp_path: Path) -> None:
    job = remote(vendors.api)
    published(door, job)
    done = vendors.api.jobs.wait(job.id, 5)
    (output,) = done.output
    assert (output.size, output.content_type, output.status) == (len(FILM), "video/mp4", "enabled")
    assert output.checksum == hashlib.md5(FILM, usedforsecurity=False).hexdigest()
    assert vendors.api.jobs.outputs(job.id) == done.output
    saved = vendors.api.download(output).save(tmp_path)
    assert (saved.name, saved.read_bytes()) == (output.filename, FILM)
    assert KEY_HEADER not in vendors.sent[-1].headers
    head = httpx.head(output.uri, trust_env=False)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(FILM)))
    assert f'filename="{output.filename}"' in head.headers["content-disposition"]


def test_a_password_opens_an_output(vendors: Vendors, door: FrontDoor) -> None:
    api = vendors.api
    job = remote(api, download_passwords=["o-so-secret"])
    published(door, job)
    assert "o-so-secret" not in vendors.ask("GET", f"/jobs/{job.id}").text
    (output,) = api.jobs.wait(job.id, 5).output
    with pytest.raises(AuthenticationError):
        api.download(output).contents()
    with pytest.raises(AuthenticationError):
        api.download(output, "wrong").contents()
    assert api.download(output, "o-so-secret").contents() == FILM
    assert httpx.get(output.uri, headers={"X-Oc-Download-Password": "o-so-secret"}, trust_env=False).content == FILM


# Callbacks


def test_a_callback_is_an_event_of_the_clients_verifier() -> None:
    body = json.dumps({"id": "1", "status": {"code": "completed"}}).encode()
    event = Api2Convert.webhooks().construct_event(body, None, "")
    assert (event.job.id, event.job.is_completed()) == ("1", True)
    with pytest.raises(SignatureVerificationError):
        Api2Convert.webhooks().construct_event(body, None, "a secret")
