"""Outputs of whole jobs in stores of every kind: the bytes that were verified are there, or the job says why not."""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

pytest.importorskip("google.cloud.storage", reason="package missing: pip install framemill[gcs]")

from azure.storage.blob import BlobServiceClient
from servers.azurite import running_azurite
from servers.ceph import running_gateway
from servers.drive import ROOT, TOKEN, running_drive
from servers.ftp import PASSWORD, USER, Manners, ftp_server
from servers.gcs import running_gcs
from servers.moto import running_moto
from servers.sftp import asyncssh_server, openssh
from storage.places import PATIENCE, Place

from framemill.jobs.model import Delivery, Output
from framemill.jobs.states import DeliveryState
from framemill.services.callers import OWNER
from framemill.services.inputs import InputRequest
from framemill.services.local import LocalSession, local_desk
from framemill.services.parts import OutputRequest
from framemill.services.submission import JobRequest, new_job
from framemill.services.targets import TargetRequest
from framemill.storage.access import AzureAccess, DriveAccess, FtpAccess, GcsAccess, S3Access, SftpAccess
from framemill.storage.address import address_of
from framemill.storage.s3client import client_of
from framemill.store import jobs as job_rows
from framemill.store.database import Database
from framemill.store.deliveries import load_deliveries

Places = Mapping[str, Place]


class Jobs:
    """Jobs of the embedded farm, with as many targets as are asked for."""

    def __init__(self, farm: LocalSession, film: Path) -> None:
        self._farm, self._film = farm, film

    def run(self, *outputs: OutputRequest, **more: Any) -> tuple[dict[str, Any], list[Output], list[Delivery]]:
        """The job's row, its outputs and its deliveries."""
        asked = JobRequest(inputs=(InputRequest(uri=str(self._film)),), outputs=outputs, **more)
        desk, now = local_desk(self._farm.paths), datetime.now(UTC)
        job, inputs, made = new_job(asked, caller=OWNER, door="cli", now=now, desk=desk)
        with contextlib.closing(Database(self._farm.paths.database)) as database:
            with database.writing() as conn:
                job_rows.add_job(conn, job, inputs, made)
            row = self._farm.driven(job.id, lambda _: None)
            with database.reading() as conn:
                _, _, made = job_rows.load_job(conn, job.id) or (job, inputs, made)
                return row, made, load_deliveries(conn, job.id)


def at(place: Place, name: str, **more: Any) -> TargetRequest:
    return TargetRequest(uri=str(place.root).rstrip("/") + f"/{name}", credentials=place.access, **more)


def output(*targets: TargetRequest, **more: Any) -> OutputRequest:
    settings = {"encoder_preset": "ultrafast", **more.pop("settings", {})}
    return OutputRequest(targets=targets, settings=settings, **more)


def content(place: Place, name: str) -> bytes:
    storage = place.storage()
    try:
        return b"".join(storage.stream(place.path(name)))
    finally:
        storage.close()


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


@pytest.fixture
def jobs(farm: LocalSession, clip: Callable[[str], Path]) -> Jobs:
    return Jobs(farm, clip("cfr_29_97.mp4"))


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with running_moto(tmp_path_factory.mktemp("moto")) as endpoint:
        yield _bucket(S3Access(access_key_id="any", secret_access_key="any", endpoint=endpoint))  # noqa: S106


@pytest.fixture
def quick(moto: Place, tmp_path: Path) -> Iterator[Places]:
    """By pip alone."""
    (tmp_path / "here").mkdir()
    (tmp_path / "served").mkdir()
    with contextlib.ExitStack() as stack:
        gcs = stack.enter_context(running_gcs())
        gcs.make_bucket("box")
        ftp = stack.enter_context(ftp_server(tmp_path / "served"))
        (tmp_path / "ssh").mkdir()
        ssh = stack.enter_context(asyncssh_server(tmp_path / "ssh"))
        drive = stack.enter_context(running_drive())
        key = SftpAccess(user=ssh.user, private_key=ssh.private_key, host_key=ssh.host_key)
        yield {
            "file": Place(address_of(f"{tmp_path}/here/")),
            "s3": moto,
            "gs": Place(address_of("gs://box/"), GcsAccess(keyfile=gcs.keyfile, endpoint=gcs.endpoint)),
            "ftp": Place(address_of(f"ftp://127.0.0.1:{ftp.port}/"), FtpAccess(user=USER, password=PASSWORD)),
            "sftp": Place(address_of(f"sftp://127.0.0.1:{ssh.port}/"), key),
            "gdrive": Place(address_of(f"gdrive://{ROOT}/"), DriveAccess(token=TOKEN, base_url=drive.endpoint)),
        }


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Places]:
    """The very servers, or what their makers give out for tests."""
    with contextlib.ExitStack() as stack:
        ceph = stack.enter_context(running_gateway())
        key, secret = ceph.access_key_id, ceph.secret_access_key
        azure = stack.enter_context(running_azurite(tmp_path))
        with BlobServiceClient(azure.endpoint, credential=azure.key) as client:
            client.create_container("box")
        ssh = stack.enter_context(openssh(tmp_path))
        access = AzureAccess(account=azure.account, key=azure.key, endpoint=azure.endpoint)
        login = SftpAccess(user=ssh.user, private_key=ssh.private_key, host_key=ssh.host_key)
        yield {
            "s3": _bucket(S3Access(access_key_id=key, secret_access_key=secret, endpoint=ceph.endpoint)),
            "az": Place(address_of("az://box/"), access),
            "sftp": Place(address_of(f"sftp://127.0.0.1:{ssh.port}{ssh.path}/"), login),
        }


def _bucket(access: S3Access) -> Place:
    client = client_of(access, None, PATIENCE)
    client.create_bucket(Bucket="bucket")
    client.close()
    return Place(address_of("s3://bucket/"), access)


@pytest.mark.parametrize("places", ["quick", pytest.param("real", marks=pytest.mark.servers)])
def test_one_output_in_many_stores(jobs: Jobs, places: str, request: pytest.FixtureRequest) -> None:
    stores: Places = request.getfixturevalue(places)
    row, _, deliveries = jobs.run(output(*(at(place, "out/film.mp4") for place in stores.values())))
    assert (row["state"], row["message"]) == ("completed", None)
    assert {one.state for one in deliveries} == {DeliveryState.COMPLETED}
    (proven,) = {one.sha256 for one in deliveries}
    assert {name: sha256(content(place, "out/film.mp4")) for name, place in stores.items()} == dict.fromkeys(
        stores, proven
    )


def test_a_package_with_the_types_that_players_want(jobs: Jobs, moto: Place) -> None:
    settings = {"ladder": [{"height": 120}]}
    row, _, deliveries = jobs.run(output(at(moto, "film/"), settings=settings, preset="hls"))
    assert (row["state"], row["message"]) == ("completed", None)
    storage = moto.storage()
    types = {one.path: storage.stat(f"film/{one.path}").content_type for one in deliveries}
    assert types["master.m3u8"] == "application/vnd.apple.mpegurl"
    assert {kind for path, kind in types.items() if path.endswith(".m4s")} <= {"video/iso.segment"}
    assert [sha256(content(moto, f"film/{one.path}")) for one in deliveries] == [one.sha256 for one in deliveries]
    storage.close()


def test_a_bucket_that_is_not_there_fails_before_anything_is_encoded(jobs: Jobs, moto: Place) -> None:
    nowhere = Place(address_of("s3://no-such-bucket/"), moto.access)
    row, _, deliveries = jobs.run(output(at(moto, "a.mp4"), at(nowhere, "film.mp4")))
    assert (row["state"], row["reason"]) == ("failed", "target_refused")
    assert "no-such-bucket" in row["message"]
    assert (deliveries, row["usage"].get("encode")) == ([], None)


def test_what_is_there_stays_or_gets_company(jobs: Jobs, moto: Place) -> None:
    def run(policy: str, name: str) -> dict[str, Any]:
        return jobs.run(output(at(moto, name, if_exists=policy)))[0]

    assert run("fail", "there.mp4")["state"] == "completed"
    row = run("fail", "there.mp4")
    assert (row["state"], row["reason"]) == ("failed", "target_refused")
    assert "s3://bucket/there.mp4 is there already" in row["message"]
    assert run("rename", "there.mp4")["state"] == "completed"
    assert content(moto, "there (2).mp4") == content(moto, "there.mp4")


def test_a_worker_that_dies_while_it_uploads_costs_nothing_but_that_upload(jobs: Jobs, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill(ports: tuple[int, int]) -> None:
        """Whoever sends from the first of them to the second."""
        there = [one for one in psutil.net_connections("tcp") if one.pid and one.laddr and one.raddr]
        (sender,) = {one.pid for one in there if (one.laddr.port, one.raddr.port) == ports}  # type: ignore[union-attr]
        psutil.Process(sender).kill()  # which takes no 0 for a whole group
        killed.append(sender or 0)

    (tmp_path / "served").mkdir()
    with ftp_server(tmp_path / "served", Manners(cuts=[20_000], on_cut=kill)) as server:
        place = Place(address_of(f"ftp://127.0.0.1:{server.port}/"), FtpAccess(user=USER, password=PASSWORD))
        row, (made,), (sent,) = jobs.run(output(at(place, "a.mp4")))
        assert row["state"] == "completed", row
        assert len(killed) == 1
        assert os.getpid() not in killed
        assert sha256(content(place, "a.mp4")) == sent.sha256
        assert made.reason is None
