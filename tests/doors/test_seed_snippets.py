"""The two calls that the documents of Convertrilo's SDK show, with their idempotency keys.

By the real package under node where npm can get it, and as the same requests over raw HTTP, always.
"""

import dataclasses
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from doors.conftest import AskedDoor
from front_door import KEY, served

from framemill.api.app import create_app
from framemill.storage.credentials import named_credentials
from framemill.store.listing import JobFilter, find_jobs

BASE = "/convertrilo"
JOB = {
    "externalId": "upload-123",
    "metadata": {"customerId": "cus_123"},
    "codec": "h264",
    "resolution": "1080p",
    "fps": 30,
}
BATCH = {
    "jobs": [
        {
            "externalId": "batch-42:clip-1",
            "codec": "h264",
            "resolution": "1080p",
            "fps": 30,
            "sourceS3": {"bucket": "source", "key": "clip-1.mp4"},
        },
    ],
    "settings": {"confirm": True},
}
PACKAGE = "@convertrilo/sdk@0.0.11"
PROGRAM = """
import { ConvertriloClient } from "@convertrilo/sdk";
const client = new ConvertriloClient({ baseUrl: process.env.BASE, apiKey: process.env.KEY });
const asked = JSON.parse(process.env.ASKED);
const told = [];
for (let n = 0; n < 2; n++) {
  told.push(await client.createJob(asked.job, { idempotencyKey: "job-upload-123" }));
  told.push(await client.createJobsBulk(asked.batch, { idempotencyKey: "bulk-batch-42" }));
}
try {
  await client.createJob({ ...asked.job, fps: 24 }, { idempotencyKey: "job-upload-123" });
} catch (error) {
  told.push(error.message);
}
console.log(JSON.stringify(told));
"""


@pytest.fixture
def shop(door: AskedDoor) -> AskedDoor:
    """A farm whose operator has credentials for the bucket that the documents name."""
    named = named_credentials(
        {
            "studio": {
                "kind": "s3",
                "access_key_id": "some-key-id",
                "secret_access_key": "some-secret-key",
                "allowed_buckets": ["source"],
                "accounts": ["default"],
            }
        }
    )
    door.parts = dataclasses.replace(door.parts, credentials=named)
    door.app = create_app(door.parts)
    return door


def check_job(told: Any) -> None:
    """What `createJob` is to answer with to that."""
    assert told["jobId"]
    assert told["upload"]["url"].startswith("http")
    assert told["output"]["key"]
    assert (told["externalId"], told["metadata"]) == ("upload-123", {"customerId": "cus_123"})


def check_batch(told: Any) -> None:
    """And `createJobsBulk`."""
    assert told["totalJobs"] == 1
    assert told["totalEstimatedNeu"] > 0
    assert told["reserved"] > 0
    (job,) = told["jobs"]
    assert (job["index"], job["externalId"], job["status"]) == (0, "batch-42:clip-1", "queued")
    assert job["estimate"]["neu"] == told["totalEstimatedNeu"]


def jobs_of(door: AskedDoor) -> int:
    with door.database.reading() as conn:
        return len(find_jobs(conn, JobFilter()).jobs)


def test_the_documents_calls_over_raw_http(shop: AskedDoor) -> None:
    one, other = ({"Idempotency-Key": key} for key in ("job-upload-123", "bulk-batch-42"))
    jobs = [shop.post(f"{BASE}/jobs", JOB, headers=one).json() for _ in range(2)]
    batches = [shop.post(f"{BASE}/jobs/bulk", BATCH, headers=other).json() for _ in range(2)]
    check_job(jobs[0])
    check_batch(batches[0])

    assert jobs[0] == jobs[1]
    assert batches[0] == batches[1]
    assert jobs_of(shop) == 2
    again = shop.post(f"{BASE}/jobs", {**JOB, "fps": 24}, headers=one)
    assert (again.status_code, again.json()["code"]) == (409, "idempotency_conflict")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the real package is installed; where npm cannot, its own words say why."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("there is no node and npm here, so the real @convertrilo/sdk was not tried")
    folder = tmp_path_factory.mktemp("sdk")
    quick = ["--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=0", "--fetch-timeout=30000"]
    tried = subprocess.run(
        ["npm", "install", *quick, PACKAGE], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    if tried.returncode:
        words = [line for line in tried.stderr.splitlines() if line.startswith("npm error") and len(line) > 10]
        pytest.skip(f"npm cannot install {PACKAGE}, so the real client was not tried: {' '.join(words[:3])}")
    installed = json.loads((folder / "node_modules" / "@convertrilo" / "sdk" / "package.json").read_text())
    assert installed["version"] == "0.0.11"
    return folder


@pytest.mark.servers
def test_the_documents_calls_by_the_real_package(shop: AskedDoor, package: Path) -> None:
    program = package / "calls.mjs"
    program.write_text(PROGRAM)
    with served(shop) as url:
        asked = {"BASE": f"{url}{BASE}", "KEY": KEY, "ASKED": json.dumps({"job": JOB, "batch": BATCH})}
        environment = {"PATH": str(Path(shutil.which("node") or "").parent), **asked}
        ran = subprocess.run(
            ["node", str(program)], env=environment, capture_output=True, text=True, check=False, timeout=120
        )
    assert ran.returncode == 0, ran.stderr
    *told, refused = json.loads(ran.stdout)
    check_job(told[0])
    check_batch(told[1])
    assert told[:2] == told[2:]
    assert refused.startswith("HTTP 409 ")
    assert jobs_of(shop) == 2
