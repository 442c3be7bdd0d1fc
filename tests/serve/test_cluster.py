"""A farm whose store is PostgreSQL and whose blobs are in a bucket: its folder may be lost, and nothing with it."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import boto3
import clips
import pytest
from servers.ceph import Gateway, running_gateway
from servers.postgres import Server
from service_farm import Service, until
from sqlalchemy import select

from framemill.config import DataFolder
from framemill.store.database import Database
from framemill.store.schema import chunks

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1200)]

SETTINGS = {"video_codec": "h264", "encoder_preset": "medium", "crf": 20}


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with running_gateway() as found:
        boto3.client(
            "s3",
            endpoint_url=found.endpoint,
            aws_access_key_id=found.access_key_id,
            aws_secret_access_key=found.secret_access_key,
        ).create_bucket(Bucket="farm")
        yield found


@pytest.fixture(scope="module")
def database(postgres: Server) -> str:
    return postgres.url(postgres.new_database()).render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, gateway: Gateway, database: str) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("farm")
    told = {
        "database_url": database,
        "blobs_url": "s3://farm/one",
        "blobs_endpoint": gateway.endpoint,
        "blobs_key": gateway.access_key_id,
        "blobs_secret": gateway.secret_access_key,
    }
    settings = "".join(f'{name} = "{value}"\n' for name, value in told.items())
    DataFolder(folder).settings_file.write_text(settings)
    made = Service(folder)
    made.up()
    yield made
    made.close()
    made.down("--now")


def committed(database: str, job_id: str) -> dict[str, datetime]:
    """When each chunk was, by key."""
    door = Database(database)
    try:
        with door.reading() as conn:
            asked = select(chunks.c.key, chunks.c.committed_at).where(chunks.c.job_id == job_id)
            return {row.key: row.committed_at for row in conn.execute(asked) if row.committed_at is not None}
    finally:
        door.close()


def test_a_folder_that_is_lost_costs_nothing_that_was_committed(
    cluster: Service, database: str, tmp_path: Path
) -> None:
    """The source was uploaded straight into the bucket; some of the chunks are there; then the machine is gone."""
    film = tmp_path / "source.mp4"
    noise = "testsrc2=size=640x360:rate=24:duration=40,noise=alls=10:allf=t"
    clips.ffmpeg("-f", "lavfi", "-i", noise, "-c:v", "libx264", "-preset", "ultrafast", "-g", "24", film)
    source = cluster.client.upload(film)
    assert source.sha256 is None  # the farm has not seen a byte of it
    wanted = {
        "inputs": [{"upload_id": source.id}],
        "outputs": [{"name": "film.mp4", "settings": SETTINGS}],
        "run": {"chunk_frames": 24},
    }
    job = cluster.client.submit(wanted)
    until(lambda: len(committed(database, job.id)) >= 3, "three chunks")
    cluster.down("--now")
    before = committed(database, job.id)
    for folder in (DataFolder(cluster.folder).blobs, DataFolder(cluster.folder).work):
        shutil.rmtree(folder)

    cluster.up()
    done = cluster.client.wait(job.id)
    assert done.state == "completed", done.message
    after = committed(database, job.id)
    assert len(after) > len(before)
    assert {key: after[key] for key in before} == before

    shutil.rmtree(DataFolder(cluster.folder).work)  # the output is in the bucket, too
    (output,) = cluster.client.outputs(job.id).data
    fetched = cluster.client.download(output.id, tmp_path / "film.mp4")
    assert fetched.stat().st_size == sum(file.size_bytes or 0 for file in cluster.client.output(output.id).files)


SCRIPT = Path(__file__).parents[2] / "benchmarks" / "chaos.py"
KINDS = ("kill:worker", "kill:coordinator", "kill:gcs_server", "chunk:gone")


def test_schedules_of_faults_end_in_the_same_bytes(
    postgres: Server, gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAMEMILL_BLOBS_ENDPOINT", gateway.endpoint)
    monkeypatch.setenv("FRAMEMILL_BLOBS_KEY", gateway.access_key_id)
    monkeypatch.setenv("FRAMEMILL_BLOBS_SECRET", gateway.secret_access_key)
    database = postgres.url(postgres.new_database()).render_as_string(hide_password=False)
    argv = [sys.executable, str(SCRIPT), "cluster", "--schedules", str(len(KINDS)), "--faults", ",".join(KINDS)]
    argv += ["--database", database, "--blobs", "s3://farm/two", "--seconds", "8", "--patience", "5"]
    ran = subprocess.run([*argv, "--folder", str(tmp_path)], capture_output=True, text=True, check=False)
    assert f"{len(KINDS)} of {len(KINDS)} schedules green" in ran.stdout, ran.stdout[-4000:] + ran.stderr[-4000:]
