"""online-convert's own client against a real farm: from the first call to the file on disk (checks 3, 4, 17, 21)."""

import base64
import contextlib
import hashlib
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import clips
import pytest
from api2convert import (
    Api2Convert,
    ApiError,
    AuthenticationError,
    CloudInput,
    ConversionFailedError,
    OutputTarget,
    PaymentRequiredError,
    ValidationError,
)
from doors.around import S3, DoorFarm, Receiver, files_below, got
from doors.vendors_client import KEY_HEADER, TOKEN_HEADER, Vendors, vendors_client
from servers.scripted import Scripted, scripted

MP4 = {"width": 320, "height": 180}
PASSWORD = "o-so-secret"  # noqa: S105 - made up


@pytest.fixture
def vendors(farm: DoorFarm) -> Iterator[Vendors]:
    with vendors_client(farm.url, farm.customer().key) as made:
        yield made


@pytest.fixture(scope="module")
def short_webm(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A second of VP8, without sound."""
    path = tmp_path_factory.mktemp("films") / "clip.webm"
    clips.encode(path, *clips.picture(1), "-c:v", "libvpx", "-b:v", "300k")
    return path.read_bytes()


@pytest.fixture
def api(vendors: Vendors) -> Api2Convert:
    return vendors.api


def shape(film: bytes) -> tuple[str, int, int]:
    """Container, width and height of what can be decoded to its end."""
    with av.open(io.BytesIO(film), "r") as container:
        stream = container.streams.video[0]
        assert sum(1 for _ in container.decode(stream)) > 0
        return container.format.name, stream.width, stream.height


def md5_of(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def assert_nowhere(farm: DoorFarm, secret: str) -> None:
    """No file of the farm's, its logs and its store among them, has it in clear."""
    for path in files_below(farm.folder):
        if not path.is_symlink() and path.suffix not in {".mp4", ".mkv"}:
            with contextlib.suppress(FileNotFoundError):  # what comes and goes
                assert secret.encode() not in path.read_bytes(), path


def test_check_03_a_local_file_becomes_an_mp4_of_that_size(vendors: Vendors, short_film: Path, tmp_path: Path) -> None:
    saved = vendors.api.convert(short_film, "mp4", MP4, category="video").save(tmp_path)
    container, *size = shape(saved.read_bytes())
    assert "mp4" in container
    assert size == [320, 180]
    assert saved.suffix == ".mp4"
    (upload,) = [one for one in vendors.sent if "/upload-file/" in one.path]
    assert upload.headers[TOKEN_HEADER]
    assert KEY_HEADER not in upload.headers


def test_check_04_a_url_becomes_an_mkv_and_every_byte_is_vouched_for(
    api: Api2Convert, web: Scripted, short_webm: bytes
) -> None:
    web.files["/clip.webm"] = short_webm
    result = api.convert(f"{web.url}/clip.webm", "mkv")
    output, body = result.output(), result.contents()
    assert output.content_type == "video/x-matroska"
    assert output.size == len(body)
    assert output.checksum == md5_of(body)
    assert "matroska" in shape(body)[0]


def test_the_lines_that_the_page_shows_do_what_they_say(farm: DoorFarm, short_film: Path, tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "compatibility.md").read_text()
    shown = re.search(r"^\*\*online-convert\*\*.*?```python\n(.*?)```", page, re.MULTILINE | re.DOTALL)
    assert shown is not None
    (tmp_path / "film.mov").write_bytes(short_film.read_bytes())
    lines = shown[1].replace("http://127.0.0.1:8000", farm.url)
    program = f"key = {farm.customer().key!r}\n{lines}"
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={"NO_PROXY": "127.0.0.1"}, capture_output=True, text=True,
        check=False, timeout=240,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert shape((tmp_path / "film.mp4").read_bytes())[1:] == (1280, 720)


def test_an_open_stream_becomes_sound_alone(api: Api2Convert, short_film: Path) -> None:
    with short_film.open("rb") as stream:
        body = api.convert(stream, "mp3", filename="film.mov").contents()
    with av.open(io.BytesIO(body), "r") as container:
        assert [one.type for one in container.streams if one.type != "video"] == ["audio"]


def test_a_job_is_made_step_by_step_and_has_an_output_for_each_input(vendors: Vendors, short_src: str) -> None:
    jobs = vendors.api.jobs
    job = vendors.stepwise("mp4", "mkv")
    for _ in range(2):
        jobs.add_input(job.id, {"type": "remote", "source": short_src})
    jobs.start(job.id)
    done = jobs.wait(job.id)
    assert len(done.output) == 4
    assert {one.content_type for one in done.output} == {"video/mp4", "video/x-matroska"}
    assert len({one.uri for one in done.output}) == 4


def test_an_output_is_the_input_of_the_next_job(vendors: Vendors, short_src: str) -> None:
    jobs = vendors.api.jobs
    first = vendors.api.convert(short_src, "mp4", MP4).job
    again = {"conversion": [{"target": "mkv"}]}
    of_output = jobs.create({**again, "input": [{"type": "output", "source": first.output[0].id}]})
    of_input = jobs.create({**again, "input": [{"type": "input_id", "source": first.input[0].id}]})
    assert shape(got(jobs.wait(of_output.id).output[0].uri).content)[1:] == (320, 180)
    assert jobs.wait(of_input.id).is_completed()


def test_check_21_a_password_opens_an_output_and_nothing_else_does(
    api: Api2Convert, farm: DoorFarm, short_src: str
) -> None:
    result = api.convert(short_src, "mp4", MP4, download_password=PASSWORD)
    body = result.contents()  # the client remembers it
    with pytest.raises(AuthenticationError):
        api.download(result.output()).contents()
    with pytest.raises(AuthenticationError):
        result.contents("wrong")
    uri = result.url()
    for name in ("X-Oc-Download-Password", "X-Api2convert-Download-Password"):
        assert got(uri, headers={name: PASSWORD}).content == body
    text = got(uri, params={"encoding": "base64"}, headers={"X-Oc-Download-Password": PASSWORD}).content
    assert base64.b64decode(text) == body


def test_films_go_from_bucket_to_bucket(api: Api2Convert, s3: S3, short_film: Path) -> None:
    bucket = s3.bucket()
    s3.put(bucket, {"in/film.mov": short_film.read_bytes()})
    where = {"region": s3.region, "endpoint": s3.endpoint}
    source = CloudInput.amazon_s3(bucket, "in/film.mov", s3.key, s3.secret, parameters=where)
    keys = {"accesskeyid": s3.key, "secretaccesskey": s3.secret}
    target = OutputTarget.of("amazons3", {"bucket": bucket, "file": "out/film.mp4", **where}, keys)
    done = api.convert(source, "mp4", MP4, output_targets=[target]).job
    assert done.output == []
    assert [one.status for one in done.conversion[0].output_targets] == ["completed"]
    assert s3.keys(bucket) == ["in/film.mov", "out/film.mp4"]
    assert shape(s3.get(bucket, "out/film.mp4"))[1:] == (320, 180)
    assert s3.secret not in str(done.raw)


def test_check_17_a_store_that_refuses_fails_the_input_and_its_secret_is_nowhere(
    vendors: Vendors, farm: DoorFarm
) -> None:
    secret = "a-secret-that-is-looked-for-everywhere"  # noqa: S105 - made up
    with scripted() as store:
        store.answers = [(403, "InvalidAccessKeyId")] * 200
        where = {"region": "eu-central-1", "endpoint": store.url}
        source = CloudInput.amazon_s3("bucket", "film.mov", "some-key-id", secret, parameters=where)
        job = vendors.api.convert_async(source, "mp4")
        with pytest.raises(ConversionFailedError) as failed:
            vendors.api.jobs.wait(job.id)
    told = failed.value.job
    assert told.input[0].status == "failed"
    assert told.errors[0].code in {17, 99}
    assert told.errors[0].source == "input"
    for path in ("", "/input", "/history", "/threads"):
        assert secret not in vendors.ask("GET", f"/jobs/{job.id}{path}").text
    assert_nowhere(farm, secret)


def test_what_is_told_to_a_callback_is_an_event_of_the_clients_verifier(
    farm: DoorFarm, api: Api2Convert, receiver: Receiver, short_src: str
) -> None:
    job = api.convert_async(short_src, "mp4", MP4, callback=receiver.url)
    api.jobs.wait(job.id)
    last = receiver.wait_for(lambda one: b'"completed"' in one.body)
    assert "x-oc-signature" not in last.headers
    event = api.webhooks().construct_event(last.body, None, "")
    assert (event.job.id, event.job.is_completed()) == (job.id, True)
    assert event.payload == api.jobs.get(job.id).raw


def test_what_cannot_be_is_refused_and_costs_nothing(api: Api2Convert, short_src: str) -> None:
    with pytest.raises(ValidationError):
        api.convert(short_src, "nope")
    with pytest.raises(ValidationError, match="width"):
        api.convert(short_src, "mp4", {"width": "abc"})
    with pytest.raises(PaymentRequiredError):
        api.jobs.create(
            {
                "input": [{"type": "remote", "source": short_src}] * 2,
                "conversion": [{"target": "mp4"}],
                "limits": {"job": {"max_inputs": 1}},
            }
        )
    assert api.jobs.list() == []


def test_what_is_no_film_ends_with_the_vendors_own_exception(api: Api2Convert, broken_src: str) -> None:
    with pytest.raises(ConversionFailedError) as failed:
        api.convert(broken_src, "mp4")
    assert failed.value.errors()[0].message


def test_an_account_without_credits_is_told_so(farm: DoorFarm, short_src: str) -> None:
    with (
        vendors_client(farm.url, farm.customer(credits=0).key) as poor,
        pytest.raises((PaymentRequiredError, ConversionFailedError)),
    ):
        poor.api.convert(short_src, "mp4")


# What the vendor's own suite asks of the live service, as far as it needs no file from the internet.


def test_a_key_that_is_none_is_refused_and_answered_with_an_id_of_the_request(farm: DoorFarm) -> None:
    with vendors_client(farm.url, "definitely-no-key") as stranger:
        with pytest.raises(AuthenticationError) as refused:
            stranger.api.jobs.list()
        assert refused.value.status_code in {401, 403}
        assert refused.value.request_id


def test_a_target_that_there_is_not_is_refused_at_once(api: Api2Convert, short_src: str) -> None:
    with pytest.raises(ApiError) as refused:
        api.convert(short_src, "not-a-real-format")
    assert refused.value.status_code == 400


def test_presets_go_round(api: Api2Convert) -> None:
    made = api.presets.create({"name": "round", "target": "mp4", "category": "video", "options": MP4})
    assert made.id
    assert made.id in {one.id for one in api.presets.list()}
    assert api.presets.get(made.id).options == MP4
    assert api.presets.update(made.id, {"name": "rounder"}).name == "rounder"
    api.presets.delete(made.id)
    assert made.id not in {one.id for one in api.presets.list()}


def test_a_preset_shapes_a_film(api: Api2Convert, short_src: str) -> None:
    made = api.presets.create({"name": "small", "target": "mp4", "options": {"width": 160, "height": 90}})
    assert shape(api.convert(short_src, "mp4", {"preset": made.id}).contents())[1:] == (160, 90)


@pytest.mark.parametrize("scope", ["single", "all"])
def test_statistics_answer_for_a_day_a_month_and_a_year(api: Api2Convert, scope: str) -> None:
    found: Any
    for found in (api.stats.day("2026-06-01", scope), api.stats.month("2026-06", scope), api.stats.year("2026", scope)):
        assert isinstance(found, list | dict)


def test_contracts_answer(api: Api2Convert) -> None:
    assert isinstance(api.contracts.get(), list | dict)


def test_many_small_requests_are_answered_or_told_when_to_come_again(api: Api2Convert) -> None:
    for _ in range(30):
        api.jobs.list()
