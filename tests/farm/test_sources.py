"""Sources in every store, fetched by the farm: what comes out is that of the same file given locally. What cannot be
fetched says why, and repeats no secret."""

import asyncio
import contextlib
import hashlib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import clips
import pytest
from azure.storage.blob import BlobServiceClient
from servers import ftp as ftp_servers
from servers import sftp as sftp_servers
from servers.azurite import running_azurite
from servers.ceph import running_gateway
from servers.drive import TOKEN, running_drive
from servers.gcs import running_gcs
from servers.moto import running_moto
from servers.scripted import scripted
from servers.sftp import asyncssh_server, openssh

from framemill.farm.titles import ingest
from framemill.jobs.model import Limits
from framemill.media.source import Source
from framemill.services.inputs import InputRequest
from framemill.services.local import LocalSession
from framemill.services.parts import OutputRequest
from framemill.services.submission import JobRequest
from framemill.storage.access import (
    Access,
    AzureAccess,
    DriveAccess,
    FtpAccess,
    GcsAccess,
    HttpAccess,
    S3Access,
    SftpAccess,
)
from framemill.storage.address import address_of
from framemill.storage.base import Sending
from framemill.storage.local import LocalBlobs
from framemill.storage.opening import Patience, opened
from framemill.storage.s3client import client_of

Clip = Callable[[str], Path]
SETTINGS: dict[str, Any] = {"encoder_preset": "ultrafast", "audio_codec": "none"}


class There(NamedTuple):
    """A source in a store."""

    uri: str
    access: Access | None
    secrets: tuple[str, ...]


class Encoded(NamedTuple):
    """What came of a job."""

    row: dict[str, Any]
    sha256: str


@pytest.fixture
def encoded(farm: LocalSession, tmp_path: Path) -> Callable[..., Encoded]:
    """Has the farm fetch a source and encode it."""

    def encode(uri: str, access: Access | None = None, **more: Any) -> Encoded:
        target = tmp_path / f"{uuid.uuid4().hex}.mp4"
        source = InputRequest(uri=uri, credentials=access, **more.pop("source", {}))
        output = OutputRequest(target=str(target), preset="h264", settings=SETTINGS)
        row = farm.run(JobRequest(inputs=(source,), outputs=(output,), **more), lambda _: None)
        return Encoded(row, hashlib.sha256(target.read_bytes()).hexdigest() if target.exists() else "")

    return encode


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Access]:
    with running_moto(tmp_path_factory.mktemp("moto")) as endpoint:
        yield S3Access(access_key_id="some-key-id", secret_access_key="some-secret-key", endpoint=endpoint)  # noqa: S106


def _in_bucket(access: S3Access, film: Path) -> There:
    bucket = f"films-{uuid.uuid4().hex[:12]}"
    client = client_of(access, None, Patience())
    client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key="in/the film?.mp4", Body=film.read_bytes())
    client.close()
    return There(f"s3://{bucket}/in/the film?.mp4", access, (access.access_key_id, access.secret_access_key))


@pytest.fixture
def in_s3(s3: S3Access, clip: Clip) -> There:
    return _in_bucket(s3, clip(FILM))


@pytest.fixture
def in_ceph(clip: Clip) -> Iterator[There]:
    with running_gateway() as gateway:
        key, secret = gateway.access_key_id, gateway.secret_access_key
        yield _in_bucket(S3Access(access_key_id=key, secret_access_key=secret, endpoint=gateway.endpoint), clip(FILM))


@pytest.fixture
def in_azure(clip: Clip, tmp_path: Path) -> Iterator[There]:
    with running_azurite(tmp_path) as azurite:
        with BlobServiceClient(azurite.endpoint, credential=azurite.key) as client:
            container = client.create_container("films")
            container.upload_blob("film.mp4", clip(FILM).read_bytes())
        access = AzureAccess(account=azurite.account, key=azurite.key, endpoint=azurite.endpoint)
        yield There("az://films/film.mp4", access, (azurite.key,))


@pytest.fixture
def served(clip: Clip, tmp_path: Path) -> Path:
    root = tmp_path / "served"
    root.mkdir()
    (root / "film.mp4").write_bytes(clip(FILM).read_bytes())
    return root


@pytest.fixture
def in_ftp(served: Path) -> Iterator[There]:
    with ftp_servers.ftp_server(served) as server:
        access = FtpAccess(user=ftp_servers.USER, password=ftp_servers.PASSWORD)
        yield There(f"ftp://127.0.0.1:{server.port}/film.mp4", access, (ftp_servers.PASSWORD,))


@pytest.fixture
def in_ftp_by_uri(served: Path) -> Iterator[There]:
    with ftp_servers.ftp_server(served) as server:
        user = f"{ftp_servers.USER}:{ftp_servers.PASSWORD.replace('/', '%2F').replace(':', '%3A')}"
        yield There(f"ftp://{user}@127.0.0.1:{server.port}/film.mp4", None, (ftp_servers.PASSWORD,))


@pytest.fixture
def in_sftp(served: Path, tmp_path: Path) -> Iterator[There]:
    with asyncssh_server(tmp_path) as server:
        access = SftpAccess(user=server.user, password=sftp_servers.PASSWORD, host_key=server.host_key)
        yield There(f"sftp://127.0.0.1:{server.port}/film.mp4", access, (sftp_servers.PASSWORD,))


@pytest.fixture
def in_openssh(served: Path, tmp_path: Path) -> Iterator[There]:
    with openssh(tmp_path) as server:
        access = SftpAccess(
            user=server.user,
            private_key=server.private_key,
            passphrase=sftp_servers.PASSPHRASE,
            host_key=server.host_key,
        )
        yield There(f"sftp://127.0.0.1:{server.port}{server.path}/film.mp4", access, (sftp_servers.PASSPHRASE,))


@pytest.fixture
def in_web(clip: Clip) -> Iterator[There]:
    with scripted(film=clip(FILM).read_bytes()) as server:
        access = HttpAccess(headers={"X-Api-Key": "a-key-of-mine"})
        yield There(f"{server.url}/bucket/film?signature=a-signed-word", access, ("a-key-of-mine", "a-signed-word"))
        assert all(asked.headers["x-api-key"] == "a-key-of-mine" for asked in server.asked)
        assert all("signature=a-signed-word" in asked.target for asked in server.asked)


@pytest.fixture
def in_gcs(clip: Clip) -> Iterator[There]:
    with running_gcs() as server:
        server.make_bucket("films")
        access = GcsAccess(keyfile=server.keyfile, endpoint=server.endpoint)
        with contextlib.closing(opened(address_of("gs://films/"), access, None)) as storage:
            storage.write("in/film.mp4", clip(FILM), Sending())
        yield There("gs://films/in/film.mp4", access, (server.keyfile["private_key"],))


@pytest.fixture
def in_drive(clip: Clip) -> Iterator[There]:
    with running_drive() as drive:
        film = drive.make("film.mp4", clip(FILM).read_bytes())
        yield There(f"gdrive://{film}", DriveAccess(token=TOKEN, base_url=drive.endpoint), (TOKEN,))


FILM = "vfr.mp4"
QUICK = ("in_s3", "in_gcs", "in_ftp", "in_ftp_by_uri", "in_sftp", "in_web", "in_drive")
SLOW = ("in_ceph", "in_azure", "in_openssh")


@pytest.mark.parametrize("kind", [*QUICK, *(pytest.param(kind, marks=pytest.mark.servers) for kind in SLOW)])
def test_what_comes_out_is_that_of_the_same_file_here(
    kind: str, encoded: Callable[..., Encoded], clip: Clip, request: pytest.FixtureRequest
) -> None:
    there: There = request.getfixturevalue(kind)
    here = encoded(str(clip(FILM)))
    assert here.row["state"] == "completed", here.row["message"]

    far = encoded(there.uri, there.access)

    assert far.row["state"] == "completed", far.row["message"]
    assert far.sha256 == here.sha256
    told = str(far.row)
    assert not [secret for secret in there.secrets if secret in told]


# What cannot be fetched


WRONG = "YS13cm9uZy13b3Jk"
CANNOT: list[tuple[str, dict[str, str], str, str]] = [
    ("in_s3", {"uri": "s3://no-such-bucket-at-all/film.mp4"}, "source_missing", "no-such-bucket-at-all"),
    ("in_s3", {"uri": "{folder}nothing.mp4"}, "source_missing", "nothing.mp4"),
    ("in_ftp", {"password": WRONG}, "source_refused", "check user and password"),
    ("in_ftp", {"uri": "{folder}nothing.mp4"}, "source_missing", "nothing.mp4"),
    ("in_sftp", {"password": WRONG}, "source_refused", "check user, password"),
    ("in_web", {"uri": "{folder}nothing.mp4?signature=a-signed-word"}, "source_missing", "nothing.mp4"),
    ("in_drive", {"token": WRONG}, "source_refused", "token"),
    ("in_ceph", {"secret_access_key": WRONG}, "source_refused", "key"),
    ("in_azure", {"key": WRONG}, "source_refused", "key"),
]


@pytest.mark.parametrize(
    "cannot", [pytest.param(one, marks=pytest.mark.servers) if one[0] in SLOW else one for one in CANNOT], ids=str
)
def test_what_cannot_be_had_says_why(
    cannot: tuple[str, dict[str, str], str, str], encoded: Callable[..., Encoded], request: pytest.FixtureRequest
) -> None:
    kind, changed, reason, words = cannot
    there: There = request.getfixturevalue(kind)
    uri = changed.get("uri", there.uri).format(folder=there.uri.rpartition("/")[0] + "/")
    fields = {name: value for name, value in changed.items() if name != "uri"}
    assert there.access is not None

    row = encoded(uri, there.access.model_copy(update=fields)).row

    assert (row["state"], row["reason"]) == ("failed", reason), row["message"]
    assert words in row["message"]
    assert not [secret for secret in (*there.secrets, WRONG) if secret in str(row)]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ExpiredToken", "token has expired"),
        ("InvalidAccessKeyId", "does not know the access key id"),
        ("SignatureDoesNotMatch", "secret access key does not belong"),
        ("AccessDenied", "access is denied"),
    ],
)
def test_a_store_that_refuses_is_heard(code: str, words: str, encoded: Callable[..., Encoded], clip: Clip) -> None:
    with scripted(film=clip(FILM).read_bytes()) as server:
        server.answers += [(403, code)] * 20
        access = S3Access(access_key_id="a-key-of-mine", secret_access_key="a-secret", endpoint=server.url)  # noqa: S106
        row = encoded("s3://bucket/film", access.model_copy(update={"session_token": "a-token"})).row

    assert (row["state"], row["reason"]) == ("failed", "source_refused"), row["message"]
    assert words in row["message"]
    assert not [one for one in ("a-key-of-mine", "a-secret", "a-token", "secret-words") if one in str(row)]


def test_a_connection_that_drops_is_gone_on_with(encoded: Callable[..., Encoded], clip: Clip) -> None:
    film = clip(FILM).read_bytes()
    with scripted(film=film) as server:
        server.breaks += [1, len(film) // 3]
        far = encoded(f"{server.url}/bucket/film")

    assert far.row["state"] == "completed", far.row["message"]
    assert far.sha256 == encoded(str(clip(FILM))).sha256


def test_what_can_be_read_once_is_read_once(encoded: Callable[..., Encoded], clip: Clip) -> None:
    film = clip(FILM).read_bytes()
    with scripted(film=film) as server:
        whole = encoded(f"{server.url}/bucket/film", source={"read_once": True}).row
        asked = len(server.asked)
        server.breaks += [len(film) // 2]
        cut = encoded(f"{server.url}/bucket/film", source={"read_once": True}).row

        assert (whole["state"], asked) == ("completed", 1)
        assert (cut["state"], cut["reason"]) == ("failed", "source_refused")
        assert "It can be read once only" in cut["message"]
        assert len(server.asked) == 2


def test_a_source_over_the_limit_is_not_fetched(encoded: Callable[..., Encoded], clip: Clip) -> None:
    with scripted(film=clip(FILM).read_bytes()) as server:
        row = encoded(f"{server.url}/bucket/film", limits=Limits(max_input_bytes=1000)).row

        assert (row["state"], row["reason"]) == ("failed", "source_too_large")
        assert [asked.headers.get("range") for asked in server.asked] == ["bytes=0-0"]


def test_what_two_jobs_fetched_under_one_name_is_each_ones_own(tmp_path: Path) -> None:
    """Each copy goes when its own job is over, so nobody may be led to another's."""
    blobs = LocalBlobs(tmp_path / "farm")
    copies = [tmp_path / job / "film.mp4" for job in ("one", "other")]
    for copy in copies:
        copy.parent.mkdir()
        clips.encode(copy, *clips.picture(0.4, "25", "64x64"), *clips.x264("keyint=25"))
    read = [asyncio.run(ingest(str(copy), "https://example.org/film.mp4", blobs)) for copy in copies]

    assert read[0].source.sha256 == read[1].source.sha256
    assert [Source.model_validate_json(blobs.read(one.key)).path for one in read] == [str(copy) for copy in copies]
